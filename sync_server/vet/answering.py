"""Answers being written: one task a turn asks the AI role, any number of readers follow it.

The last reader that leaves ends the task, and with it the call upstream; what was shown stays and
may go on later. Text is kept every `SAVE_S`, all turns of the process in one transaction: a
process that is killed loses at most the text of that time, and the next reader is told to replace
what it had seen.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import structlog

from sync_server.ai.role import RoleUnavailable
from sync_server.ai.vet.contract import ChatAnswer, ChatRefused, ChatRequest, Done, Replace, Token
from sync_server.jobs import service as jobs
from sync_server.platform import metrics, rate_limit
from sync_server.platform.context import Platform
from sync_server.platform.database import DatabaseError
from sync_server.platform.growing import Growing
from sync_server.vet import limits, store
from sync_server.vet.errors import VetRefused, of_role, refused
from sync_server.vet.model import Turn, TurnError
from sync_server.vet.schemas import VetAnswer, VetProcessing
from sync_server.vet.turns import BUSY_RETRY_S, fold, request_of

log = structlog.get_logger(__name__)
SAVE_S: Final = 0.5
BEAT_MS: Final = 3_000
"""A turn that says nothing new is still said to be alive so often."""


class Answering(Growing):
    """The answer of a turn while it is written, or as it was kept.

    With `ended`, one of `answer` and `error` is set, or neither where it was interrupted.
    """

    def __init__(self, turn: Turn, *, ended: bool = False) -> None:
        super().__init__(turn.content, turn.revision, ended=ended)
        self.turn = turn
        self.answer = turn.answer
        self.error: VetRefused | None = None
        if turn.error is not None:
            said = turn.error
            self.error = VetRefused(said.code, details=said.details, message=said.message)
        self.is_left = False
        """Nobody wants it any more: it ends as soon as it can."""
        self.is_over = asyncio.Event()
        """Set when its task has ended and all is kept."""
        self.saved = (turn.content, turn.revision)
        self.saved_ms = turn.saved_ms
        self._task: asyncio.Task[Any] | None = None

    def run(self, task: asyncio.Task[Any]) -> None:
        """Note the task that writes it."""
        self._task = task
        self.on_alone = self.stop
        if self.is_left:
            task.cancel()

    def keep(self) -> None:
        """Say that the answer stands: whoever leaves now ends nothing."""
        self._task = None

    def stop(self) -> None:
        """End the call upstream now; what was shown is kept."""
        self.is_left = True
        if self._task is not None:
            self._task.cancel()


async def answering(platform: Platform, user_no: int, turn_id: str) -> Answering:
    """Return the answer of a user's turn: joined, gone on with, or as it was kept.

    Raises VetRefused TURN_NOT_FOUND, TURN_IN_PROGRESS (another process writes it),
    MODEL_SERVICE_UNAVAILABLE; JobRefused IMAGE_FETCH_FAILED.
    """
    while (live := platform.texts.get(turn_id)) is not None:
        assert isinstance(live, Answering)
        if live.turn.user_no != user_no:
            raise VetRefused("TURN_NOT_FOUND")
        if not live.is_left:
            return live
        await live.is_over.wait()
    async with platform.database.read() as tx:
        turn = await store.turn(tx, user_no, turn_id)
    kept = _settled(platform, turn)
    if kept is not None or turn is None:
        assert kept is not None
        return kept
    try:
        request = await request_of(platform, turn)
    except (jobs.JobRefused, VetRefused) as error:
        await _fail(platform, turn, refused(error))
        raise
    async with platform.database.transaction() as tx:
        turn = await store.turn(tx, user_no, turn_id, lock=True)
        kept = _settled(platform, turn)
        if kept is None and turn is not None:
            if turn.state == "interrupted":
                await rate_limit.limit(platform, tx, limits.USER, str(user_no))
            # Found as streaming though nobody writes it: its process was killed, and a reader may
            # have seen more than was kept.
            broken = turn.state == "streaming" and turn.content != ""
            turn = msgspec.structs.replace(
                turn, state="streaming", revision=turn.revision + broken, saved_ms=platform.clock()
            )
            await store.claim(tx, turn.turn_id, turn.revision, turn.saved_ms)
    if kept is not None or turn is None:
        assert kept is not None
        return kept
    if turn_id in platform.texts:  # Another reader was faster.
        return await answering(platform, user_no, turn_id)
    live = Answering(turn)
    platform.texts[turn_id] = live
    live.run(platform.tasks.start(_write(platform, live, request), "vet answer"))
    return live


def _settled(platform: Platform, turn: Turn | None) -> Answering | None:
    """Return the answer of a turn that has ended for good; None where it can be written now."""
    if turn is None:
        raise VetRefused("TURN_NOT_FOUND")
    if turn.state in ("done", "failed"):
        return Answering(turn, ended=True)
    if turn.is_written_elsewhere(platform.clock()):
        raise VetRefused("TURN_IN_PROGRESS", retry_after_s=BUSY_RETRY_S)
    if platform.vet is None:
        raise VetRefused("MODEL_SERVICE_UNAVAILABLE", retry_after_s=30)
    return None


async def _fail(platform: Platform, turn: Turn, error: VetRefused) -> None:
    now_ms = platform.clock()
    failed = msgspec.structs.replace(
        turn, state="failed", error=TurnError(error.code, error.details, error.message),
        saved_ms=now_ms, finished_ms=now_ms,
    )  # fmt: skip
    async with platform.database.transaction() as tx:
        await store.end(tx, failed)


async def _write(platform: Platform, live: Answering, request: ChatRequest) -> None:
    """Ask the AI role and keep how it ended, however it ends."""
    try:
        try:
            answer = await _asked(platform, live, request)
            if answer is None:
                raise RoleUnavailable("an answer without an end")
            live.answer = _document(platform, live, answer)
            if live.answer.answer.content != live.text:
                live.replace(live.answer.answer.content)
        except asyncio.CancelledError:
            live.is_left = True
        except ChatRefused as error:
            live.error = of_role(error)
        except (RoleUnavailable, DatabaseError) as error:
            log.warning("vet_answer_failed", kind=type(error).__name__)
            live.error = VetRefused("MODEL_SERVICE_UNAVAILABLE")
        except Exception as error:
            # Its text may hold the user's words: only its kind is told.
            log.error("vet_answer_broke", kind=type(error).__name__)
            live.error = VetRefused("INTERNAL_ERROR")
        live.keep()
        keeping = asyncio.ensure_future(_keep(platform, live))
        try:
            await asyncio.shield(keeping)
        except asyncio.CancelledError:
            await keeping
    finally:
        platform.texts.pop(live.turn.turn_id, None)
        live.end()
        live.is_over.set()


async def _asked(platform: Platform, live: Answering, request: ChatRequest) -> ChatAnswer | None:
    assert platform.vet is not None
    events = platform.vet.chat(request)
    try:
        async for event in events:
            if isinstance(event, Token):
                live.add(event.text)
            elif isinstance(event, Replace):
                live.replace(event.text)
            elif isinstance(event, Done):
                return event.answer
        return None
    finally:
        await events.aclose()


def _document(platform: Platform, live: Answering, said: ChatAnswer) -> VetAnswer:
    turn, how, answer = live.turn, said.processing, said.answer
    if live.revision == turn.revision and turn.content + answer.content == live.text:
        # The role has told only what came after the part that was shown before.
        answer = msgspec.structs.replace(answer, content=live.text)
    return VetAnswer(
        turn.conversation_id, turn.turn_id, jobs.iso(platform.clock()), answer, said.safety,
        said.followups, said.citations,
        VetProcessing(
            how.latency_ms, how.model_used, how.route, how.rag_used, how.cached, how.notice
        ),
    )  # fmt: skip


async def _keep(platform: Platform, live: Answering) -> None:
    now_ms = platform.clock()
    error = live.error
    state = "interrupted"
    if live.answer is not None:
        state = "done"
    elif error is not None:
        state = "failed"
    turn = msgspec.structs.replace(
        live.turn, content=live.text, revision=live.revision, state=state, answer=live.answer,
        error=None if error is None else TurnError(error.code, error.details, error.message),
        saved_ms=now_ms, finished_ms=now_ms,
    )  # fmt: skip
    try:
        async with platform.database.transaction() as tx:
            kept = await store.end(tx, turn)
            if kept and state == "done":
                await fold(tx, turn)
    except DatabaseError as fault:
        log.warning("vet_turn_not_kept", code=fault.code)
        live.answer, live.error = None, VetRefused("SERVICE_UNAVAILABLE", retry_after_s=5)
        return
    metrics.VET_KEPT.labels(state, "" if error is None else error.code).inc()
    if not kept:
        # Erased while it was written: nothing of it is shown any more.
        live.answer, live.error = None, VetRefused("CONVERSATION_NOT_FOUND")


async def save_forever(platform: Platform) -> None:
    """Keep what the turns of this process have shown, again and again."""
    while True:
        await asyncio.sleep(SAVE_S)
        try:
            await save(platform)
        except DatabaseError as error:
            log.warning("vet_texts_not_kept", code=error.code)


async def save(platform: Platform) -> None:
    """Keep what the turns of this process have shown since the last time."""
    now_ms = platform.clock()
    due = [
        live
        for live in platform.texts.values()
        if isinstance(live, Answering)
        and (live.saved != (live.text, live.revision) or now_ms - live.saved_ms >= BEAT_MS)
    ]
    if not due:
        return
    rows = [(live.turn.turn_id, live.text, live.revision) for live in due]
    async with platform.database.transaction() as tx:
        await store.save_texts(tx, rows, now_ms)
    for live, (_, text, revision) in zip(due, rows, strict=True):
        live.saved, live.saved_ms = (text, revision), now_ms


def stop_conversation(platform: Platform, conversation_no: int) -> None:
    """End whatever is being answered in a conversation, in this process."""
    for live in list(platform.texts.values()):
        if isinstance(live, Answering) and live.turn.conversation_no == conversation_no:
            live.stop()
