"""/api/sync: push, pull, and the stream that says 'pull now'."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage
from litestar.types import ControllerRouterHandler

from edge_sdk.sync.facts import MAX_PUSH_BYTES
from sync_server.platform import metrics
from sync_server.platform.context import Platform
from sync_server.platform.errors import Problem
from sync_server.platform.facts import FactKind
from sync_server.platform.problem_details import problems
from sync_server.platform.sse import PING, PING_S
from sync_server.platform.tokens import CurrentUser
from sync_server.sync import service
from sync_server.sync.schemas import PullAnswer, PullNow, PushAnswer, PushRequest


def make_routes(kinds: dict[str, FactKind]) -> list[ControllerRouterHandler]:
    """Build the routes for the facts that the domains take."""

    @post(
        "/api/sync/push",
        status_code=200,
        summary="Push facts",
        request_max_body_size=MAX_PUSH_BYTES + 64_000,
        responses=problems("unknown_client", "gap", "too_large", "consent_required"),
    )
    async def push(
        platform: NamedDependency[Platform],
        token_user: NamedDependency[CurrentUser],
        data: JSONBody[PushRequest],
    ) -> PushAnswer:
        if any("\x00" in fact.payload or "\x00" in fact.type for fact in data.facts):
            # Never valid JSON, and PostgreSQL could not even store it as refused.
            raise Problem("invalid_input", "a NUL character in a fact")
        try:
            return await service.push(platform, token_user, data, kinds)
        except Problem as problem:
            metrics.SYNC_FAULTS.labels(problem.code).inc()
            raise

    return [push, pull, events]


@get(
    "/api/sync/pull",
    summary="Pull what changed",
    responses=problems("resync"),
)
async def pull(
    platform: NamedDependency[Platform],
    token_user: NamedDependency[CurrentUser],
    cursor: Annotated[str | None, QueryParameter(max_length=200)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 500,
) -> PullAnswer:
    try:
        return await service.pull(platform, token_user, cursor, limit)
    except Problem as problem:
        metrics.SYNC_FAULTS.labels(problem.code).inc()
        raise


@get(
    "/api/sync/events",
    summary="Stream of 'pull now'",
    responses={
        **problems(),
        200: ResponseSpec(
            PullNow,
            generate_examples=False,
            description="Events, and a comment as a ping every 15 s",
            media_type="text/event-stream",
        ),
    },
)
async def events(
    platform: NamedDependency[Platform], user: NamedDependency[CurrentUser]
) -> ServerSentEvent:
    return ServerSentEvent(_pokes(platform, user.user_no))


async def _pokes(platform: Platform, user_no: int) -> AsyncIterator[ServerSentEventMessage]:
    poked = platform.pokes.open(user_no)
    metrics.STREAMS.inc()
    try:
        # A phone that connects may have missed pokes: tell it to pull at once.
        yield ServerSentEventMessage(event="pull", data="")
        while True:
            try:
                async with asyncio.timeout(PING_S):
                    await poked.wait()
            except TimeoutError:
                yield PING
            else:
                poked.clear()
                yield ServerSentEventMessage(event="pull", data="")
    finally:
        # Nothing here awaits: after a disconnect no await in a finally completes.
        platform.pokes.close(user_no, poked)
        metrics.STREAMS.dec()
