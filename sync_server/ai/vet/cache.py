"""Identical questions answered once: a bounded cache in memory, and one flight at a time.

A key is all that an answer may depend on (`pipeline.py` says what). Kept are only whole answers to
ordinary questions: nothing with a sign of an emergency, a wish that was declined, a notice, a
picture or a conversation before it. Each process has its own cache; a restart empties it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import unicodedata
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec

from sync_server.ai.vet.contract import ChatAnswer

MAX_ANSWERS: Final = 1_024
KEPT_S: Final = 15 * 60.0


def normalised(text: str) -> str:
    """A question without what does not change its meaning: case, width, blanks, last stops."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).rstrip(" .!~…。")


def key_of(*parts: object) -> str:
    """The key of these parts."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


class AnswerCache:
    """Answers by key, least recently used out first, none older than `kept_s`."""

    def __init__(
        self,
        max_answers: int = MAX_ANSWERS,
        kept_s: float = KEPT_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max, self._kept_s, self._now = max_answers, kept_s, monotonic
        self._answers: OrderedDict[str, tuple[float, ChatAnswer]] = OrderedDict()
        self._flights: dict[str, asyncio.Lock] = {}
        self._waiting: dict[str, int] = {}

    def get(self, key: str) -> ChatAnswer | None:
        """Return a kept answer, or None."""
        found = self._answers.get(key)
        if found is None or found[0] <= self._now():
            self._answers.pop(key, None)
            return None
        self._answers.move_to_end(key)
        return found[1]

    def put(self, key: str, answer: ChatAnswer) -> None:
        """Keep an answer."""
        self._answers[key] = (self._now() + self._kept_s, answer)
        self._answers.move_to_end(key)
        while len(self._answers) > self._max:
            self._answers.popitem(last=False)

    @asynccontextmanager
    async def flight(self, key: str, patience_s: float) -> AsyncIterator[None]:
        """Hold the one flight of a key: who comes meanwhile waits, and then looks again.

        A flight that fails, or whose user leaves, lets the next one try for itself; so does one
        that takes longer than `patience_s` (its user may read slowly).
        """
        lock = self._flights.setdefault(key, asyncio.Lock())
        self._waiting[key] = self._waiting.get(key, 0) + 1
        held = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    held = await lock.acquire()
            yield
        finally:
            if held:
                lock.release()
            self._waiting[key] -= 1
            if self._waiting[key] == 0:
                del self._waiting[key], self._flights[key]
