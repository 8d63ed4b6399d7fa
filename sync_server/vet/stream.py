"""A turn as server-sent events: each says where in the answer it ends, so that any may be lost."""

from __future__ import annotations

import asyncio
import re
import weakref
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import msgspec

from sync_server.ai.vet.contract import Language
from sync_server.platform import metrics
from sync_server.platform.sse import PING, PING_S
from sync_server.vet.answering import Answering
from sync_server.vet.errors import error_body

HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_ID: Final = re.compile(r"([0-9a-f-]{36})\.([0-9]{1,9})\.([0-9]{1,9})")
_PING: Final = PING.encode()


class Position(NamedTuple):
    """What a reader has seen: `offset` code points of revision `revision` of a turn's answer."""

    turn_id: str
    revision: int
    offset: int


def position_of(last_event_id: str | None) -> Position | None:
    """Read a Last-Event-ID; None for none, and for one that is not of ours."""
    found = _ID.fullmatch((last_event_id or "").strip())
    return None if found is None else Position(found[1], int(found[2]), int(found[3]))


class AnswerStream:
    """The events of an answer from a reader's position on, as bytes of an event stream.

    A class, not a generator: whatever breaks a response off (also before its first byte), the
    reader is taken off the answer when this is closed or forgotten.
    """

    def __init__(self, live: Answering, seen: Position | None, language: Language) -> None:
        self._live, self._language = live, language
        self._woken = live.follow()
        self._revision, self._offset = live.revision, 0
        if seen is not None and seen.turn_id == live.turn.turn_id:
            self._revision, self._offset = seen.revision, seen.offset
        self._is_told = False
        metrics.VET_STREAMS.inc()
        self.close = weakref.finalize(self, _leave, live, self._woken)
        self.close.atexit = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            found = await self._next()
        except BaseException:
            self.close()
            raise
        if found is None:
            self.close()
            raise StopAsyncIteration
        return found

    async def _next(self) -> bytes | None:
        live = self._live
        while True:
            self._woken.clear()
            if self._revision != live.revision or self._offset > len(live.text):
                self._revision, self._offset = live.revision, len(live.text)
                return self._event("replace", {"text": live.text})
            if self._offset < len(live.text):
                piece, self._offset = live.text[self._offset :], len(live.text)
                return self._event("token", {"text": piece})
            if live.ended:
                return self._last()
            try:
                async with asyncio.timeout(PING_S):
                    await self._woken.wait()
            except TimeoutError:
                return _PING

    def _last(self) -> bytes | None:
        """The event that ends the stream, once; none where the answer was broken off."""
        live = self._live
        if self._is_told:
            return None
        self._is_told = True
        if live.answer is not None:
            return self._event("final", live.answer)
        if live.error is not None:
            return self._event("error", error_body(live.error, self._language))
        return None

    def _event(self, name: str, data: Any) -> bytes:
        # JSON has no line breaks of its own, so one data line is enough.
        where = f"{self._live.turn.turn_id}.{self._revision}.{self._offset}"
        return b"id: %s\r\nevent: %s\r\ndata: %s\r\n\r\n" % (
            where.encode(), name.encode(), msgspec.json.encode(data),
        )  # fmt: skip


def _leave(live: Answering, woken: asyncio.Event) -> None:
    metrics.VET_STREAMS.dec()
    live.leave(woken)
