"""'Pull now' pokes to the open event streams of a user, within this process.

A poke is only a hint: a lost one costs a phone nothing but time, because it pulls by itself too.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict


class Pokes:
    """Open streams by user; a stream is an event that a poke sets."""

    def __init__(self) -> None:
        self._streams: dict[int, set[asyncio.Event]] = defaultdict(set)

    def open(self, user_no: int) -> asyncio.Event:
        """Register a stream of a user."""
        event = asyncio.Event()
        self._streams[user_no].add(event)
        return event

    def close(self, user_no: int, event: asyncio.Event) -> None:
        """Forget a stream."""
        self._streams[user_no].discard(event)
        if not self._streams[user_no]:
            del self._streams[user_no]

    def poke(self, user_no: int) -> None:
        """Wake every stream of a user."""
        for event in self._streams.get(user_no, ()):
            event.set()
