"""A text that one task writes while others follow it: they wake at every change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Growing:
    """The text so far; `revision` counts how often it was replaced, `ended` is final.

    Followers read `text` themselves, so a slow one gets several changes at once. `on_alone` is
    called when the last follower leaves a text that has not ended.
    """

    def __init__(self, text: str = "", revision: int = 0, *, ended: bool = False) -> None:
        self.text, self.revision, self.ended = text, revision, ended
        self.on_alone: Callable[[], None] = lambda: None
        self._followers: set[asyncio.Event] = set()

    @property
    def followers(self) -> int:
        """How many follow."""
        return len(self._followers)

    def add(self, piece: str) -> None:
        """Append."""
        self.text += piece
        self._wake()

    def replace(self, text: str) -> None:
        """Void what there was."""
        self.text, self.revision = text, self.revision + 1
        self._wake()

    def end(self) -> None:
        """Nothing comes any more."""
        self.ended = True
        self._wake()

    def follow(self) -> asyncio.Event:
        """Return an event that is set at every change, until `leave`."""
        woken = asyncio.Event()
        self._followers.add(woken)
        return woken

    def leave(self, woken: asyncio.Event) -> None:
        """Stop following; does not wait, so that it may run wherever a request breaks off."""
        if woken in self._followers:
            self._followers.discard(woken)
            if not self._followers and not self.ended:
                self.on_alone()

    def _wake(self) -> None:
        for woken in self._followers:
            woken.set()
