"""The small language of the reviewed lists, and the search of a text for all of them at once.

A phrase is parts with spaces between, each a choice of words: `"배|복부 빵빵|부풀"` is found where
one
word of each part stands near the others, in any order. `_` is a space inside an English word group,
`*` at its end lets it go on (`vomit*`), `<ate>` is a named list of words. Korean words are searched
in the text without spaces, English ones word by word.

One walk over the text finds the words of all phrases (a trie), so the time grows with the length of
the text only, whatever is in it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sync_server.ai.vet.safety.text import Sentence, plain

Owner = TypeVar("Owner", bound=Hashable)
NEAR_KO: Final = 14
"""So many syllables may stand between two parts of a Korean phrase."""
NEAR_EN: Final = 40
"""So many characters between two parts of an English phrase: about seven words."""
_MOST: Final = 64
"""More places than this of one word in one sentence are not looked at: nobody writes so."""

_INNOCENT: Final = -1
_UNITS: Final = frozenset({"mg", "ml", "cc", "thc"})
_HANGUL: Final = re.compile(r"[가-힣]")

Span = tuple[int, int]


@dataclass(frozen=True)
class Found(Generic[Owner]):
    """A phrase in a sentence: where it begins and ends in the view that it was found in."""

    owner: Owner
    begin: int
    end: int
    korean: bool
    parts: tuple[Span, ...]


class Trie:
    """Finds every listed word in one walk."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}

    def add(self, word: str, key: int) -> None:
        """Add a word; several keys may share it."""
        node = self._root
        for c in word:
            node = node.setdefault(c, {})
        node.setdefault("", []).append(key)

    def search(self, text: str) -> dict[int, list[Span]]:
        """Return the places of each key, in order of their beginning."""
        found: dict[int, list[Span]] = {}
        root = self._root
        for begin in range(len(text)):
            node = root.get(text[begin])
            at = begin + 1
            while node is not None:
                keys = node.get("")
                if keys is not None:
                    for key in keys:
                        places = found.setdefault(key, [])
                        if len(places) < _MOST:
                            places.append((begin, at))
                if at >= len(text):
                    break
                node = node.get(text[at])
                at += 1
        return found


class Phrases(Generic[Owner]):
    """All phrases of a list, ready to be searched."""

    def __init__(
        self,
        phrases: Iterable[tuple[Owner, str]],
        words: Mapping[str, Sequence[str]] | None = None,
        innocent: Iterable[str] = (),
    ) -> None:
        self._solid, self._mixed, self._english = Trie(), Trie(), Trie()
        self.english_words: set[str] = set()
        """Single English words of the list, long enough to be known when misspelled."""
        self._parts: dict[tuple[str, ...], int] = {}
        self._of_part: dict[int, list[int]] = {}
        self._phrases: list[tuple[Owner, tuple[int, ...]]] = []
        for owner, phrase in phrases:
            parts = tuple(self._part(part, words or {}) for part in phrase.split())
            for part in parts:
                self._of_part.setdefault(part, []).append(len(self._phrases))
            self._phrases.append((owner, parts))
        for word in innocent:
            self._add(word, _INNOCENT)

    def search(self, sentence: Sentence) -> list[Found[Owner]]:
        """Return every phrase found in a sentence, once for each place of its first part."""
        # In a Korean sentence an English name stands without spaces too: "Tylenol을 먹었어요".
        solid = self._mixed if _HANGUL.search(sentence.solid) else self._solid
        return [
            *self._in_view(solid.search(sentence.solid), NEAR_KO, korean=True),
            *self._in_view(self._english.search(sentence.words), NEAR_EN, korean=False),
        ]

    def _in_view(
        self, places: dict[int, list[Span]], near: int, *, korean: bool
    ) -> list[Found[Owner]]:
        innocent = places.pop(_INNOCENT, None)
        if innocent:
            places = {part: _outside(spans, innocent) for part, spans in places.items()}
            places = {part: spans for part, spans in places.items() if spans}
        found: list[Found[Owner]] = []
        tried: set[int] = set()
        for part in places:
            for number in self._of_part[part]:
                if number in tried:
                    continue
                tried.add(number)
                owner, parts = self._phrases[number]
                if all(other in places for other in parts):
                    found += _together(owner, [places[other] for other in parts], near, korean)
        return found

    def _part(self, part: str, words: Mapping[str, Sequence[str]]) -> int:
        choices: list[str] = []
        for choice in part.split("|"):
            if choice.startswith("<"):
                choices += words[choice.strip("<>")]
            else:
                choices.append(choice)
        key = tuple(sorted(set(choices)))
        if key not in self._parts:
            number = self._parts[key] = len(self._parts)
            for choice in key:
                self._add(choice, number)
        return self._parts[key]

    def _add(self, choice: str, number: int) -> None:
        folded = plain(choice.replace("_", " ").rstrip("*"))
        if not folded:
            raise ValueError(f"an empty word in a phrase: {choice!r}")
        if folded.isascii():
            words = "".join(c if c.isalnum() else " " for c in folded)
            self._english.add(f" {words}" + ("" if choice.endswith("*") else " "), number)
            if len(words) >= 4 or words in _UNITS:
                self._mixed.add(words.replace(" ", ""), number)
            if " " not in words and len(words) >= 6:
                self.english_words.add(words)
        else:
            letters = "".join(c for c in folded if c.isalnum())
            self._solid.add(letters, number)
            self._mixed.add(letters, number)


def _together(
    owner: Owner, places: list[list[Span]], near: int, korean: bool
) -> list[Found[Owner]]:
    """Find for each place of the first part the nearest one of each other part."""
    found = []
    for first in places[0]:
        spans = [first]
        for others in places[1:]:
            nearest = _nearest(first, others, near)
            if nearest is None:
                break
            spans.append(nearest)
        else:
            begin, end = min(s[0] for s in spans), max(s[1] for s in spans)
            found.append(Found(owner, begin, end, korean, tuple(spans)))
    return found


def _outside(spans: list[Span], innocent: list[Span]) -> list[Span]:
    """Drop the places that lie inside a longer, innocent word."""
    return [
        (begin, end) for begin, end in spans
        if not any(b <= begin and end <= e and (b, e) != (begin, end) for b, e in innocent)
    ]  # fmt: skip


def _nearest(span: Span, others: list[Span], near: int) -> Span | None:
    at = bisect_left(others, (span[0], 0))
    best: Span | None = None
    best_gap = near + 1
    for other in others[max(0, at - 3) : at + 3]:
        gap = other[0] - span[1] if other[0] >= span[0] else span[0] - other[1]
        # English words share the space between them: one character of overlap is none.
        if gap >= -1 and max(gap, 0) < best_gap:
            best, best_gap = other, max(gap, 0)
    return best
