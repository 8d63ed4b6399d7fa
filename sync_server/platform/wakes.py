"""Waiting for something to change, by name, within this process.

A wake is only a hint: who waits looks at the database again, and does so every second anyway, so
that a change made by another process is seen too.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_AGAIN_S = 1.0
"""How often a waiter looks by itself: for changes of other processes."""


class Wakes:
    """Events of those who wait, by name."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def waiting(self, name: str) -> Iterator[asyncio.Event]:
        """Give an event that `wake` sets; nothing is left behind after the block."""
        event = asyncio.Event()
        self._waiting[name].add(event)
        try:
            yield event
        finally:
            self._waiting[name].discard(event)
            if not self._waiting[name]:
                del self._waiting[name]

    def wake(self, name: str) -> None:
        """Wake everyone who waits for this name."""
        for event in self._waiting.get(name, ()):
            event.set()

    def __len__(self) -> int:
        """Return how many names are waited for."""
        return len(self._waiting)
