"""The composition root: settings in, a Litestar application out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import Any

import structlog
from litestar import Litestar, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.enums import ScopeType
from litestar.openapi.spec import Components
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sync_server.ai.http_role import HttpAiRole
from sync_server.ai.local_role import LocalRole
from sync_server.ai.routes import AI_DEPENDENCIES
from sync_server.ai.routes import ROUTES as AI_ROUTES
from sync_server.ai.vet.http_role import HttpVetRole
from sync_server.ai.vet.local_role import LocalVetRole
from sync_server.ai.vet.routes import ROUTES as VET_ROUTES
from sync_server.ai.vet.routes import VET_DEPENDENCIES
from sync_server.platform import metrics
from sync_server.platform.clock import Clock, system_clock
from sync_server.platform.context import (
    Platform,
    provide_platform,
    provide_token_user,
    provide_user,
)
from sync_server.platform.database import Database, DatabaseError
from sync_server.platform.errors import Problem
from sync_server.platform.logs import configure_logs
from sync_server.platform.migrate import migrate
from sync_server.platform.object_store import ObjectStore
from sync_server.platform.openapi import SECURITY_SCHEMES, ArrayStructs, DocumentConfig
from sync_server.platform.pokes import Pokes
from sync_server.platform.problem_details import handle, problems
from sync_server.platform.request_checks import StrictRequest, check_request
from sync_server.platform.settings import Settings, SettingsInvalid, load_settings
from sync_server.platform.tokens import TokenSigner

log = structlog.get_logger(__name__)
MAX_BODY_BYTES = 12 * 1024 * 1024


@get("/healthz", summary="Alive", include_in_schema=True)
async def healthz() -> dict[str, str]:
    """Answer that the process runs."""
    return {"status": "ok"}


@get("/readyz", summary="Ready: the dependencies answer", responses=problems())
async def readyz(platform: NamedDependency[Platform]) -> dict[str, str]:
    """Answer when the database takes reads."""
    async with platform.database.read() as tx:
        await tx.fetch_value("SELECT 1")
    return {"status": "ok", "database": platform.database.dialect}


@get("/metrics", summary="Prometheus metrics", media_type="text/plain")
async def prometheus() -> Response[bytes]:
    """Answer the metrics in Prometheus' text format."""
    return Response(
        generate_latest(metrics.registry),
        media_type="text/plain",
        headers={"content-type": CONTENT_TYPE_LATEST},
    )


def time_requests(app: ASGIApp) -> ASGIApp:
    """Middleware: count and time every answer by route, without its parameters."""

    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        start, status = perf_counter(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, watch)
        finally:
            route = scope.get("path_template") or "unknown"
            metrics.REQUESTS.labels(scope["method"], route, status).observe(perf_counter() - start)

    return timed


@asynccontextmanager
async def open_platform(
    settings: Settings, clock: Clock = system_clock, serving: bool = False
) -> AsyncIterator[Platform]:
    """Open and migrate the database and put the shared parts together; close them at the end.

    Only a process that is `serving` has an AI role: a command beside a server must not run jobs.
    """
    from sync_server.domains import EFFECTS, EVENT_SINK, STARTERS, SWEEPERS

    database = Database(settings.database)
    ai: LocalRole | HttpAiRole | None = None
    vet: LocalVetRole | HttpVetRole | None = None
    try:
        await database.open()
        await migrate(database)
        if serving:
            together = settings.role == "all"
            ai = LocalRole(settings, clock) if together else HttpAiRole(settings)
            vet = LocalVetRole(settings, clock) if together else HttpVetRole(settings)
        platform = Platform(
            settings=settings,
            database=database,
            clock=clock,
            signer=TokenSigner(settings.secret_key, settings.access_token_s, clock),
            objects=ObjectStore(settings.object_store),
            pokes=Pokes(),
            ai=ai,
            vet=vet,
            job_effects=EFFECTS,
            sweepers=list(SWEEPERS),
        )
        for start in STARTERS:
            await start(platform)
        if isinstance(ai, LocalRole):
            ai.sink = EVENT_SINK(platform)
            await ai.start()
        try:
            yield platform
        finally:
            await platform.tasks.close()
    finally:
        for role in (vet, ai):
            if role is not None:
                await role.close()
        await database.close()


def create_app(settings: Settings | None = None, clock: Clock = system_clock) -> Litestar:
    """Put the server together; its lifespan opens, migrates and closes the database.

    Role `ai` is another application (`ai_app.py`); role `worker` serves nobody.
    """
    from sync_server.domains import ROUTES

    chosen = settings or load_settings()
    configure_logs(chosen.log_level)
    if chosen.role == "ai":
        from sync_server.ai_app import create_ai_app

        return create_ai_app(chosen, clock)
    if chosen.role == "worker":
        raise SettingsInvalid("role worker serves nobody: run `daengdong worker`")

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_platform(chosen, clock, serving=True) as platform:
            app.state.platform = platform
            sweeping = asyncio.create_task(_sweep(platform))
            try:
                yield
            finally:
                sweeping.cancel()
                with suppress(asyncio.CancelledError):
                    await sweeping

    document = DocumentConfig(
        title="댕동여지도",
        version="1",
        path="/schema",
        use_handler_docstrings=True,
        components=Components(security_schemes=SECURITY_SCHEMES),
    )
    app = Litestar(
        route_handlers=[
            healthz,
            readyz,
            prometheus,
            *ROUTES,
            *((*AI_ROUTES, *VET_ROUTES) if chosen.role == "all" else ()),
        ],
        lifespan=[lifespan],
        state=State(),
        dependencies={
            "platform": Provide(provide_platform, sync_to_thread=False),
            "user": Provide(provide_user),
            "token_user": Provide(provide_token_user, sync_to_thread=False),
            **AI_DEPENDENCIES,
            **VET_DEPENDENCIES,
        },
        exception_handlers={Exception: handle},
        middleware=[time_requests],
        request_class=StrictRequest,
        before_request=check_request,
        plugins=[ArrayStructs()],
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=document,
    )
    document.app = app
    return app


async def _sweep(platform: Platform) -> None:
    """Run the domains' periodic work until the server stops."""
    while True:
        for sweeper in platform.sweepers:
            try:
                await sweeper(platform, platform.clock())
            except (Problem, DatabaseError) as error:
                log.warning("sweep_failed", sweeper=sweeper.__name__, error=str(error))
            except Exception as error:
                log.error("sweep_failed", sweeper=sweeper.__name__, exc_info=error)
        await asyncio.sleep(platform.settings.sweep_s)


def app_factory() -> Any:
    """Entry point for `uvicorn --factory sync_server.app:app_factory`."""
    return create_app()
