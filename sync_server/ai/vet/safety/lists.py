"""The reviewed lists: `assets/safety/*.json`, read once and checked whole.

They are data so that a vet or an operator can read and change them without reading code; a list
that
is broken stops the start, because a missing sign is worse than a server that does not come up.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from edge_sdk.references.texts import Text
from sync_server.ai.vet.own_words import own_words
from sync_server.ai.vet.ports import Declined
from sync_server.ai.vet.safety.phrases import Phrases
from sync_server.ai.vet.safety.text import sentences, slips, solid

SAFETY: Final = Path(__file__).resolve().parents[4] / "assets" / "safety"
KNOWLEDGE: Final = SAFETY.parent / "knowledge"
_Words = Annotated[list[Annotated[str, Meta(min_length=1, max_length=2_000)]], Meta(max_length=200)]


class Review(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who has checked a list, and that no veterinarian has where it says so."""

    state: Literal["draft", "reviewed"]
    by: str
    veterinarian: bool
    on: str


class InBoth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words or phrases of the two languages; both are searched whatever the user's language."""

    ko: _Words = []
    en: _Words = []

    def all(self) -> list[str]:
        """Return both."""
        return [*self.ko, *self.en]


class SignEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An emergency sign: how owners say it, and the first thing to do (never a dose)."""

    id: Annotated[str, Meta(pattern=r"^[a-z_]{3,40}$")]
    urgency: Literal["now", "today"]
    name: Text
    first: Text
    ko: _Words
    en: _Words


class SignList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`signs.json`."""

    version: str
    review: Review
    words: dict[str, InBoth]
    innocent: InBoth
    """Longer words inside which a word of a sign means nothing: 피 in 커피."""
    signs: Annotated[list[SignEntry], Meta(min_length=1)]


class WishList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`wishes.json`: what is asked for and not given, tries to change the rules, despair."""

    version: str
    review: Review
    words: dict[str, InBoth]
    declined: dict[Declined, InBoth]
    injection: InBoth
    owner_crisis: InBoth
    innocent: InBoth = InBoth()


class Lexicon(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`lexicon.json`: names of medicines, poisons and diseases, Korean brand names too."""

    version: str
    review: Review
    human_medicine: InBoth
    vet_medicine: InBoth
    medicine_word: InBoth
    toxin: InBoth
    emetic: InBoth
    disease: InBoth


class _Entry(msgspec.Struct, frozen=True):
    """What is read of an entry here; the knowledge part checks the whole."""

    review: Review
    summary: dict[str, str]
    home_care: dict[str, list[str]]
    see_vet: dict[str, list[str]]
    emergency: dict[str, list[str]]
    avoid: dict[str, list[str]]


@cache
def sign_list() -> SignList:
    """Read the signs; raises msgspec.ValidationError."""
    return msgspec.json.decode((SAFETY / "signs.json").read_bytes(), type=SignList)


@cache
def signs() -> dict[str, SignEntry]:
    """Return the signs by id."""
    return {sign.id: sign for sign in sign_list().signs}


@cache
def wish_list() -> WishList:
    """Read the wishes; raises msgspec.ValidationError."""
    return msgspec.json.decode((SAFETY / "wishes.json").read_bytes(), type=WishList)


@cache
def lexicon() -> Lexicon:
    """Read the names; raises msgspec.ValidationError."""
    return msgspec.json.decode((SAFETY / "lexicon.json").read_bytes(), type=Lexicon)


@cache
def reviewed_sentences() -> frozenset[str]:
    """Return the letters of every sentence of our entries (`assets/knowledge`) and own words.

    Where only what helps gets through (`allowed`), what people have reviewed does too. Imported
    documents are not among them, whatever they say of themselves.
    """
    found: set[str] = set()
    for file in sorted(KNOWLEDGE.glob("*.json")):
        entry = msgspec.json.decode(file.read_bytes(), type=_Entry)
        if entry.review.state != "reviewed":
            continue
        for text in (entry.summary, entry.home_care, entry.see_vet, entry.emergency, entry.avoid):
            for words in text.values():
                for block in [words] if isinstance(words, str) else words:
                    found.update(solid(part) for part in sentences(block))
    found.update(solid(part) for text in own_words() for part in sentences(text))
    return frozenset(found - {""})


@cache
def sign_phrases() -> Phrases[str]:
    """Return the search for signs; what it finds is a sign's id."""
    named = {name: words.all() for name, words in sign_list().words.items()}
    named |= {"human_medicine": lexicon().human_medicine.all()}
    return Phrases(
        ((sign.id, phrase) for sign in sign_list().signs for phrase in (*sign.ko, *sign.en)),
        named,
        sign_list().innocent.all(),
    )


@cache
def misspellings() -> dict[str, str]:
    """Return slips of the finger in the English words of the signs, to what was meant."""
    known = sign_phrases().english_words
    return {slip: word for word in sorted(known) for slip in slips(word) if slip not in known}


@cache
def wish_phrases() -> Phrases[str]:
    """Return the search for wishes; what it finds is a wish, "injection" or "owner_crisis"."""
    wishes = wish_list()
    names = lexicon()
    named = {name: words.all() for name, words in wishes.words.items()} | {
        "human_medicine": names.human_medicine.all(),
        "vet_medicine": names.vet_medicine.all(),
        "medicine_word": names.medicine_word.all(),
    }
    owned: list[tuple[str, InBoth]] = [
        *wishes.declined.items(),
        ("injection", wishes.injection),
        ("owner_crisis", wishes.owner_crisis),
    ]
    phrases = ((owner, phrase) for owner, both in owned for phrase in both.all())
    return Phrases(phrases, named, wishes.innocent.all())
