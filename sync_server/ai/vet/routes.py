"""/internal/ai/vet: what a backend asks of the vet chat. Every call is signed (`webhooks.py`).

A caller that goes away ends the answer, and with it the call to the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from sync_server.ai.role import RoleUnavailable
from sync_server.ai.vet.contract import ChatAnswer, ChatRefused, ChatRequest
from sync_server.ai.vet.role import VetRole, answered
from sync_server.ai.vet.wire import STATUS, ErrorBody, error_body, event_bytes
from sync_server.platform.errors import Problem
from sync_server.platform.problem_details import problems
from sync_server.platform.signed_requests import signed_only

_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def provide_vet(state: State) -> VetRole:
    """Litestar dependency `vet`: the chat of this process; Problem not_configured without."""
    parts: Any = state.get("platform") or state.services
    if parts.vet is None:
        raise Problem("not_configured", "this process has no vet chat")
    role: VetRole = parts.vet
    return role


@post(
    "/internal/ai/vet/chat", status_code=200, summary="Answer a turn of the vet chat",
    guards=[signed_only], responses=problems(), include_in_schema=False,
)  # fmt: skip
async def chat(
    vet: NamedDependency[VetRole], request: Request[Any, Any, Any], data: JSONBody[ChatRequest]
) -> Response[ChatAnswer | ErrorBody]:
    """Answer whole; a refusal has the seed's error body and status."""
    answering = asyncio.ensure_future(answered(vet, data))
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise Problem("server_fault", "the caller has left")
        return Response(answering.result())
    except ChatRefused as refused:
        wait_s = refused.retry_after_s
        headers = {} if wait_s is None else {"Retry-After": str(max(1, round(wait_s)))}
        body = error_body(refused, data.language)
        return Response(body, status_code=STATUS[refused.code], headers=headers)
    finally:
        for task in (answering, leaving):
            task.cancel()
        await asyncio.wait({answering, leaving})


@post(
    "/internal/ai/vet/chat/stream", status_code=200, summary="Stream a turn of the vet chat",
    guards=[signed_only], responses=problems(), include_in_schema=False,
)  # fmt: skip
async def chat_stream(vet: NamedDependency[VetRole], data: JSONBody[ChatRequest]) -> Stream:
    """Stream the answer as server-sent events: token, replace, then final or error."""
    return Stream(_events(vet, data), media_type="text/event-stream", headers=_STREAM_HEADERS)


@get(
    "/internal/ai/vet/health", summary="How the vet chat is", guards=[signed_only],
    responses=problems(), include_in_schema=False,
)  # fmt: skip
async def read_vet_health(vet: NamedDependency[VetRole]) -> dict[str, Any]:
    """Answer backend and knowledge."""
    try:
        return dict(await vet.health())
    except RoleUnavailable as error:
        raise Problem("database_unavailable", str(error)) from None


async def _events(vet: VetRole, request: ChatRequest) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(vet.chat(request)) as events:
            async for event in events:
                yield event_bytes(event)
    except ChatRefused as refused:
        yield event_bytes(error_body(refused, request.language))


async def _left(request: Request[Any, Any, Any]) -> None:
    """Return when the caller goes away; the body has been read by now."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


VET_DEPENDENCIES = {"vet": Provide(provide_vet, sync_to_thread=False)}
ROUTES: list[ControllerRouterHandler] = [chat, chat_stream, read_vet_health]
