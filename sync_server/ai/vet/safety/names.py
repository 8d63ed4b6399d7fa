"""The names of medicines, poisons and diseases in a sentence: which kinds, and where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from sync_server.ai.vet.safety import judge_ko, lists
from sync_server.ai.vet.safety.phrases import Trie
from sync_server.ai.vet.safety.text import plain, sentence

Kind = Literal["human_medicine", "vet_medicine", "medicine_word", "toxin", "emetic", "disease"]
_KINDS: Final[tuple[Kind, ...]] = (
    "human_medicine", "vet_medicine", "medicine_word", "toxin", "emetic", "disease",
)  # fmt: skip
HARMFUL: Final = frozenset({"human_medicine", "toxin", "emetic"})
MEDICINES: Final = frozenset({"human_medicine", "vet_medicine", "medicine_word", "emetic"})

HANGUL: Final = re.compile(r"[가-힣]")


@cache
def _names() -> tuple[Trie, Trie, Trie]:
    """Search for names: in the solid text, in its words, in the solid text of Korean sentences."""
    korean, english, mixed = Trie(), Trie(), Trie()
    entries = lists.lexicon()
    for number, kind in enumerate(_KINDS):
        both: lists.InBoth = getattr(entries, kind)
        for name in both.ko:
            # A single syllable (암) is in too many words; it is found by its ending in judge_ko.
            if len(name) > 1:
                korean.add(plain(name), number)
        for name in both.en:
            english.add(f" {plain(name).replace('_', ' ')} ", number)
            joined = plain(name).replace("_", "")
            if len(joined) >= 4 and kind != "disease":
                mixed.add(joined, number)
            if len(joined) >= 7 and kind in HARMFUL:
                korean.add(joined, number)
    return korean, english, mixed


@dataclass(frozen=True)
class Seen:
    """A piece of text with the kinds of names in it and where they end, by view."""

    text: str
    solid: str
    words: str
    solid_names: tuple[tuple[Kind, int, int], ...]
    word_names: tuple[tuple[Kind, int, int], ...]

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds named at all."""
        return frozenset(k for k, _, _ in (*self.solid_names, *self.word_names))

    def kinds_between(self, begin: int, end: int) -> frozenset[Kind]:
        """Return the kinds named in a part of the solid text."""
        return frozenset(k for k, at, _ in self.solid_names if begin <= at < end)


def look(text: str) -> Seen:
    """Fold a text and find the names in it."""
    return look_at(plain(text))


def look_at(folded: str) -> Seen:
    """Find the names in a folded text."""
    part = sentence(" ".join(folded.split()))
    korean, english, mixed = _names()
    # Two syllables are in too many words (와인 in 사료와 인형): they count where a word begins.
    hits = [
        (_KINDS[k], b, e) for k, spans in korean.search(part.solid).items() for b, e in spans
        if (e - b > 2 or part.opens[b]) and not judge_ko.is_instead(part.solid[e : e + 10])
    ]  # fmt: skip
    if HANGUL.search(part.solid):
        hits += [
            (_KINDS[k], b, e) for k, spans in mixed.search(part.solid).items() for b, e in spans
            if not judge_ko.is_instead(part.solid[e : e + 10])
        ]  # fmt: skip
    words = [(_KINDS[k], b, e) for k, spans in english.search(part.words).items() for b, e in spans]
    return Seen(part.text, part.solid, part.words, tuple(hits), tuple(words))
