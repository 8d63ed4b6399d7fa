"""Text as the rules read it: what a reader would see, however it was typed.

Full width, zero-width characters, look-alike letters of other scripts, single jamo, spaces or dots
between letters: all are ways, meant or not, to write one word in another way. The rules and their
lists go through the same folding, so that it is done once and nowhere undone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_INITIAL: Final = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_MEDIAL: Final = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINAL: Final = "_ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_MEDIAL_PAIRS: Final = {
    "ㅗㅏ": "ㅘ", "ㅗㅐ": "ㅙ", "ㅗㅣ": "ㅚ", "ㅜㅓ": "ㅝ", "ㅜㅔ": "ㅞ", "ㅜㅣ": "ㅟ",
    "ㅡㅣ": "ㅢ",
}  # fmt: skip
_FIRST_SYLLABLE: Final = 0xAC00
_SYLLABLES: Final = 11_172

_LOOK_ALIKE: Final = str.maketrans(
    "авеёикмнорстухьіјѕԁһӏαβεικνορτυχγ",
    "abeeukmhopctyxbijsdhlabeikvoptuxy",
)
"""Cyrillic and Greek letters that look Latin; lists and text are folded alike."""
_FINAL_FOLDS: Final = {20: 19}
"""Final ㅆ is read as ㅅ: people type either."""
_MEDIAL_FOLDS: Final = {5: 1, 7: 3, 10: 11, 15: 11}
"""ㅔ as ㅐ, ㅖ as ㅒ, ㅙ and ㅞ as ㅚ: they sound alike, and are the commonest misspellings."""

_SPELLED: Final = re.compile(r"(?<![^\W_])(?:[a-z][\W_]{1,3}){3,40}[a-z](?![^\W_])")
_END: Final = re.compile(
    r"(?<=[.!?…。！？])[\"'”’)\]]{0,3}\s+|\n+|(?<=[요다죠까])\s+(?=그런데|근데)"
)


def visible(text: str) -> str:
    """Return the text without characters that have no shape of their own (zero width, controls)."""
    if text.isascii():
        return "".join(c for c in text if c >= " " or c in "\n\t")
    return "".join(c for c in text if _has_shape(c))


def plain(text: str) -> str:
    """Fold a text for the rules: NFKC, small letters, syllables put together, look-alikes read."""
    text = unicodedata.normalize("NFKC", _syllables(visible(text))).lower()
    if not text.isascii():
        text = "".join(
            c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn"
        )
        text = unicodedata.normalize("NFC", text).translate(_LOOK_ALIKE)
        text = "".join(_folded(c) for c in text)
    return _SPELLED.sub(lambda found: re.sub(r"[\W_]+", "", found[0]), text)


def slips(word: str) -> set[str]:
    """Return how a word comes out when a finger slips once.

    A letter left out (not the first or the last), doubled, two in the wrong order, a wrong vowel.
    No wrong consonant: raising is not raisins, breeding not bleeding.
    """
    found: set[str] = set()
    for at in range(1, len(word)):
        begin, c, rest = word[:at], word[at], word[at + 1 :]
        found.add(begin + c + c + rest)
        if rest:
            found.add(begin + rest)
            found.add(begin + rest[0] + c + rest[1:])
        if c in _VOWELS:
            found.update(begin + vowel + rest for vowel in _VOWELS)
    found.discard(word)
    return found


def spelled(folded: str, meant: Mapping[str, str]) -> str:
    """Put long English words right, by a table from slip to word."""
    return _LONG_WORD.sub(lambda found: meant.get(found[0], found[0]), folded)


_LONG_WORD: Final = re.compile(r"(?<![a-z])[a-z]{5,16}(?![a-z])")
_VOWELS: Final = "aeiouy"


def pattern(source: str) -> re.Pattern[str]:
    """Compile a pattern whose Korean letters are folded as the text is that it will meet."""
    return re.compile("".join(plain(c) if "가" <= c <= "힣" else c for c in source))


def sentences(text: str) -> list[str]:
    """Split a folded text where sentences or lines end."""
    return [part for part in (piece.strip() for piece in _END.split(text)) if part]


@dataclass(frozen=True)
class Sentence:
    """A folded sentence in the two views that the lists are searched in.

    `words`: letters and digits with one space between and around the words (for English).
    `solid`: letters and digits only (for Korean, whose spaces are optional in practice);
    `opens[i]` says whether `solid[i]` begins a written word.
    """

    text: str
    words: str
    solid: str
    opens: tuple[bool, ...]


def sentence(text: str) -> Sentence:
    """Prepare a folded sentence."""
    text = text.replace("'", "").replace("’", "")
    words: list[str] = []
    solid: list[str] = []
    opens: list[bool] = []
    gap = spaced = True
    for c in text:
        if c.isalnum():
            if gap:
                words.append(" ")
            solid.append(c)
            opens.append(spaced)
            words.append(c)
            gap = spaced = False
        else:
            gap = True
            spaced = spaced or c.isspace()
    return Sentence(text, "".join(words) + " ", "".join(solid), tuple(opens))


def solid(text: str) -> str:
    """Return only letters and digits of a text, folded."""
    return "".join(c for c in plain(text) if c.isalnum())


@lru_cache(maxsize=8_192)
def _has_shape(c: str) -> bool:
    if c in "\u115f\u1160\u3164\uffa0\ufe0f\ufe0e":
        return False
    return unicodedata.category(c) not in ("Cf", "Cc", "Cs", "Co", "Cn") or c in "\n\t"


@lru_cache(maxsize=16_384)
def _folded(c: str) -> str:
    code = ord(c) - _FIRST_SYLLABLE
    if not 0 <= code < _SYLLABLES:
        return "" if "\u1100" <= c <= "\u11ff" or "ㄱ" <= c <= "ㆎ" else c
    initial, rest = divmod(code, 588)
    medial, final = divmod(rest, 28)
    medial = _MEDIAL_FOLDS.get(medial, medial)
    final = _FINAL_FOLDS.get(final, final)
    return chr(_FIRST_SYLLABLE + initial * 588 + medial * 28 + final)


def _syllables(text: str) -> str:
    """Put single jamo together: ㄱㅕㅇㄹㅕㄴ is 경련. What makes no syllable stays."""
    if not any(c in _MEDIAL for c in text):
        return text
    out: list[str] = []
    at, end = 0, len(text)
    while at < end:
        if text[at] in _INITIAL and at + 1 < end and text[at + 1] in _MEDIAL:
            initial = _INITIAL.index(text[at])
            vowel = text[at + 1]
            at += 2
            if at < end and vowel + text[at] in _MEDIAL_PAIRS:
                vowel = _MEDIAL_PAIRS[vowel + text[at]]
                at += 1
            final = 0
            if at < end and text[at] in _FINAL[1:]:
                next_vowel = at + 1 < end and text[at + 1] in _MEDIAL
                if not next_vowel:
                    final = _FINAL.index(text[at])
                    at += 1
            code = (initial * 21 + _MEDIAL.index(vowel)) * 28 + final
            out.append(chr(_FIRST_SYLLABLE + code))
            continue
        out.append(text[at])
        at += 1
    return "".join(out)
