"""/api/vet: the chat, its stream, conversations, reports, health."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromHeader, FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from sync_server.ai.role import RoleUnavailable
from sync_server.jobs import service as jobs
from sync_server.platform import rate_limit
from sync_server.platform.context import Platform
from sync_server.platform.idempotency import IdempotencyKey, forget
from sync_server.platform.problem_details import language_of, problems
from sync_server.platform.tokens import CurrentUser
from sync_server.vet import conversations, reports, store, turns
from sync_server.vet.answering import Answering, answering
from sync_server.vet.errors import HANDLERS, VetRefused, error_answers
from sync_server.vet.limits import MAX_BODY_BYTES, MAX_REPORT_BYTES
from sync_server.vet.schemas import (
    ChatBody,
    ConversationList,
    ConversationRead,
    ReportAccepted,
    ReportBody,
    ReportResult,
    ReportStatus,
    StreamEvent,
    VetAnswer,
    VetHealth,
)
from sync_server.vet.stream import HEADERS, AnswerStream, Position, position_of

LastEventId = FromHeader[
    Annotated[
        str | None,
        HeaderParameter(
            name="Last-Event-ID",
            max_length=80,
            description="`turn.revision.offset` of the last event that was seen.",
        ),
    ]
]
_STREAM: Final = ResponseSpec(
    StreamEvent,
    generate_examples=False,
    description="Events token, replace, final, error; a comment as a ping every 15 s",
    media_type="text/event-stream",
)


# --- chat ----------------------------------------------------------------------------------


@post(
    "/api/vet/chat",
    summary="Ask the vet chat",
    status_code=200,
    request_max_body_size=MAX_BODY_BYTES,
    exception_handlers=HANDLERS,
    responses=error_answers(404, 409, 413, 415, 502, 504, 507),
)
async def chat(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[ChatBody],
    idempotency_key: IdempotencyKey = None,
) -> VetAnswer:
    """Answer a question: general information, no diagnosis and no prescription."""
    turn_id = await turns.begin(platform, user, request, data, language_of(request))
    live = await answering(platform, user.user_no, turn_id)
    woken = live.follow()
    try:
        while not live.ended:
            woken.clear()
            await woken.wait()
    finally:
        live.leave(woken)
    if live.answer is not None:
        return live.answer
    async with platform.database.transaction() as tx:
        await forget(tx, user.user_no, request)
    raise live.error or VetRefused("SERVICE_UNAVAILABLE", retry_after_s=1)


@post(
    "/api/vet/chat/stream",
    summary="Ask the vet chat, answered piece by piece",
    status_code=200,
    request_max_body_size=MAX_BODY_BYTES,
    exception_handlers=HANDLERS,
    responses={**error_answers(404, 409, 413, 415, 502, 507), 200: _STREAM},
)
async def chat_stream(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[ChatBody],
    idempotency_key: IdempotencyKey = None,
    last_event_id: LastEventId = None,
) -> Stream:
    """Stream the answer of a question.

    With Last-Event-ID of an answer to the very same question: go on with that one. A client that
    leaves ends the answer; what was shown is kept.
    """
    seen = position_of(last_event_id)
    turn_id = None
    if seen is not None:
        async with platform.database.read() as tx:
            known = await store.turn(tx, user.user_no, seen.turn_id)
        if known is None:
            raise VetRefused("TURN_NOT_FOUND")
        if known.user_text == data.message.content:
            turn_id = seen.turn_id
    if turn_id is None:
        turn_id = await turns.begin(platform, user, request, data, language_of(request))
    live = await answering(platform, user.user_no, turn_id)
    return _stream(live, seen, request)


@get(
    "/api/vet/chat/stream/{turn_id:str}",
    summary="The stream of an answer again",
    exception_handlers=HANDLERS,
    responses={**error_answers(404, 409, 502), 200: _STREAM},
)
async def follow_turn(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    turn_id: FromPath[str],
    last_event_id: LastEventId = None,
) -> Stream:
    """Tell what came after Last-Event-ID (or all), then what comes; an answer that was broken off
    goes on."""
    live = await answering(platform, user.user_no, turn_id)
    return _stream(live, position_of(last_event_id), request)


def _stream(live: Answering, seen: Position | None, request: Request[Any, Any, Any]) -> Stream:
    headers = {
        **HEADERS,
        "X-Conversation-Id": live.turn.conversation_id,
        "X-Turn-Id": live.turn.turn_id,
    }
    events = AnswerStream(live, seen, language_of(request))
    return Stream(events, media_type="text/event-stream", headers=headers, status_code=200)


@get(
    "/api/vet/health",
    summary="Whether the vet chat works",
    exception_handlers=HANDLERS,
    responses=error_answers(),
)
async def vet_health(platform: NamedDependency[Platform]) -> VetHealth:
    """Answer the dependencies; always 200 while the database answers."""
    async with platform.database.read() as tx:
        await tx.fetch_value("SELECT 1")
    said: dict[str, Any] = {}
    chat_is = "not_configured"
    if platform.vet is not None:
        try:
            said = dict(await platform.vet.health())
            chat_is = str(said.get("status", "ok"))
        except RoleUnavailable:
            chat_is = "unavailable"
    states = {"database": "ok", "chat": chat_is}
    knowledge = said.get("knowledge")
    counts = knowledge if isinstance(knowledge, dict) else {}
    return VetHealth(
        "ok" if set(states.values()) == {"ok"} else "degraded",
        states,
        str(said.get("backend", "")),
        str(said.get("model", "")),
        {str(name): int(count) for name, count in counts.items() if isinstance(count, int)},
    )


# --- conversations -------------------------------------------------------------------------


@get("/api/vet/conversations", summary="My conversations", responses=problems())
async def list_conversations(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    before_ms: Annotated[int | None, QueryParameter(ge=0, le=2**53)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 30,
) -> ConversationList:
    """Answer the user's conversations, last used first."""
    async with platform.database.read() as tx:
        return await conversations.listed(tx, user.user_no, before_ms, limit)


@get(
    "/api/vet/conversations/{conversation_id:str}",
    summary="One of my conversations",
    responses=problems("not_found"),
)
async def one_conversation(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    conversation_id: FromPath[str],
    after: Annotated[int, QueryParameter(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 100,
) -> ConversationRead:
    """Answer its memory and its turns, oldest first, after a turn's number."""
    async with platform.database.read() as tx:
        return await conversations.read(tx, user.user_no, conversation_id, after, limit)


@delete(
    "/api/vet/conversations/{conversation_id:str}",
    summary="Erase a conversation",
    responses=problems("not_found"),
)
async def delete_conversation(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    conversation_id: FromPath[str],
) -> None:
    """Erase its messages, memory, pictures and reports."""
    async with platform.database.transaction() as tx:
        await rate_limit.limit(platform, tx, rate_limit.WRITE, str(user.user_no))
    await conversations.delete(platform, user.user_no, conversation_id)


# --- reports -------------------------------------------------------------------------------


@post(
    "/api/vet/jobs",
    summary="Order a report",
    status_code=202,
    request_max_body_size=MAX_REPORT_BYTES,
    exception_handlers=HANDLERS,
    responses=error_answers(404, 409, 413, 415, 502),
)
async def create_report(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[ReportBody],
    idempotency_key: IdempotencyKey = None,
) -> ReportAccepted:
    """Take a report on a dog, a conversation or both, and answer at once."""
    job_id = await reports.begin(platform, user, request, data, language_of(request))
    return ReportAccepted(job_id, "queued")


@get(
    "/api/vet/jobs/{job_id:str}",
    summary="The state of a report",
    exception_handlers=HANDLERS,
    responses=error_answers(404),
)
async def report_status(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    job_id: FromPath[str],
) -> ReportStatus:
    """Answer state and progress: queued, processing, succeeded or failed."""
    async with platform.database.read() as tx:
        job = await jobs.own_job(tx, user.user_no, job_id, reports.JOB_TYPES)
    progress = jobs.StageProgress(job.stage, job.percent, job.message)
    if job.error is None:
        return ReportStatus(job.job_id, job.status, progress)
    why = jobs.error_words(job, language_of(request))
    return ReportStatus(
        job.job_id, job.status, progress, jobs.DetailedError(why.code, why.message, why.details)
    )


@get(
    "/api/vet/jobs/{job_id:str}/result",
    summary="A report",
    exception_handlers=HANDLERS,
    responses=error_answers(404, 409, 422, 502, 504),
)
async def report_result(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    job_id: FromPath[str],
) -> ReportResult:
    """Answer the sections of a finished report."""
    async with platform.database.read() as tx:
        job = await jobs.own_job(tx, user.user_no, job_id, reports.JOB_TYPES)
        return await reports.result(platform, tx, job, language_of(request))


ROUTES: list[ControllerRouterHandler] = [
    chat,
    chat_stream,
    follow_turn,
    vet_health,
    list_conversations,
    one_conversation,
    delete_conversation,
    create_report,
    report_status,
    report_result,
]
