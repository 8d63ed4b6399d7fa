"""`guarded`: a stream of a model behind the same guard as every call, and bounded in every wait.

A task of its own reads the stream. Ending that task is what closes the connection: a cancellation
reaches the read of the socket through all of an SDK's generators, whereas closing the outermost
of them leaves the inner ones to the garbage collector.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from sync_server.platform.llm.errors import LlmAnswerBroken, LlmError, LlmTimeout
from sync_server.platform.llm.guard import CallPolicy, Guard, Tally
from sync_server.platform.llm.talk import Ended, Piece, Said, StreamModel, Talk

MAX_CHARS: Final = 40_000


@dataclass(frozen=True)
class StreamPolicy:
    """`call` bounds the way to the first text, tries and waits included (its deadline as given).

    After it no wait takes longer than `stall_s`, and all of it no longer than `total_s`.
    """

    call: CallPolicy
    stall_s: float
    total_s: float


@dataclass(frozen=True)
class StreamDesk:
    """A model that streams, with the guard before it."""

    model: StreamModel
    guard: Guard

    async def close(self) -> None:
        """Close the model's connections."""
        await self.model.close()


async def guarded(
    desk: StreamDesk, talk: Talk, policy: StreamPolicy, started_s: float, tally: Tally
) -> AsyncGenerator[Piece, None]:
    """Yield what the model says. Only what failed before its first text is tried again.

    `started_s` on the event loop's clock is when the limits began to run. Raises `LlmError`; after
    text was yielded the caller knows best what it is good for. Closing ends the call at once.
    """
    opens_by, ends_by = started_s + policy.call.deadline_s, started_s + policy.total_s
    opened = await desk.guard.run(
        lambda: _Reading.begin(desk.model, talk), policy.call, opens_by, tally
    )
    try:
        piece: Piece | None = opened.first
        while piece is not None:
            yield piece
            piece = await _noted(desk.guard, opened, policy.stall_s, ends_by, piece)
    finally:
        await opened.close()


async def _noted(
    guard: Guard, reading: _Reading, stall_s: float, ends_by: float, last: Piece
) -> Piece | None:
    """The next piece; a failure counts for the breaker like any other."""
    if isinstance(last, Ended):
        return None
    left_s = ends_by - asyncio.get_running_loop().time()
    try:
        try:
            async with asyncio.timeout(min(stall_s, left_s)):
                return await reading.next()
        except TimeoutError:
            raise LlmTimeout("stalled" if left_s > stall_s else "too slow as a whole") from None
    except LlmError as error:
        guard.note(error)
        raise


class _Reading:
    """One try: the task that reads, and what it has read."""

    def __init__(self, model: StreamModel, talk: Talk) -> None:
        self._arrived: asyncio.Queue[Piece | LlmError] = asyncio.Queue()
        self._task = asyncio.create_task(self._read(model, talk))
        self.first: Piece

    @classmethod
    async def begin(cls, model: StreamModel, talk: Talk) -> _Reading:
        """Open a stream and wait for its first piece."""
        reading = cls(model, talk)
        try:
            reading.first = await reading.next()
            if isinstance(reading.first, Ended):
                raise LlmAnswerBroken("it is empty")
        except BaseException:
            await reading.close()
            raise
        return reading

    async def next(self) -> Piece:
        """Wait for the next piece; raises what the try ended with."""
        arrived = await self._arrived.get()
        if isinstance(arrived, LlmError):
            raise arrived
        return arrived

    async def close(self) -> None:
        """End the call: the connection is closed when this returns."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _read(self, model: StreamModel, talk: Talk) -> None:
        chars = 0
        try:
            async with aclosing(model.stream(talk)) as pieces:
                async for piece in pieces:
                    chars += len(piece.text) if isinstance(piece, Said) else 0
                    if chars > MAX_CHARS:
                        raise LlmAnswerBroken("it is too long")
                    self._arrived.put_nowait(piece)
                    if isinstance(piece, Ended):
                        return
            raise LlmAnswerBroken("it is not finished (no finish reason)")
        except LlmError as error:
            self._arrived.put_nowait(error)
        except Exception as error:
            self._arrived.put_nowait(LlmAnswerBroken(f"the adapter failed: {type(error).__name__}"))
