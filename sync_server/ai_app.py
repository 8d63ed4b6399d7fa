"""Role `ai` as an application of its own: signed calls in, webhooks out, no user and no walk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from litestar import Litestar, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from sync_server.ai.local_role import LocalRole
from sync_server.ai.role import AiRole, RoleUnavailable
from sync_server.ai.routes import AI_DEPENDENCIES, ROUTES
from sync_server.platform.clock import Clock, system_clock
from sync_server.platform.database import DatabaseError
from sync_server.platform.errors import Problem, handle, problems
from sync_server.platform.request_checks import StrictRequest, check_request
from sync_server.platform.settings import Settings, SettingsInvalid
from sync_server.platform.webhooks import parse_secrets


@dataclass(frozen=True)
class AiParts:
    """What the routes of this application need (`app.state.services`)."""

    settings: Settings
    clock: Clock
    ai: AiRole


@get("/readyz", summary="Ready: the AI store answers", responses=problems())
async def readyz(ai: NamedDependency[AiRole]) -> dict[str, str]:
    """Answer when the AI store takes reads."""
    try:
        await ai.health()
    except (DatabaseError, RoleUnavailable) as error:
        raise Problem("database_unavailable", str(error)) from None
    return {"status": "ok", "role": "ai"}


def create_ai_app(settings: Settings, clock: Clock = system_clock) -> Litestar:
    """Put the application of role `ai` together."""
    from sync_server.app import MAX_BODY_BYTES, healthz, prometheus, time_requests

    if not parse_secrets(settings.internal_secrets):
        raise SettingsInvalid("role ai needs DAENGDONG_INTERNAL_SECRETS")

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        role = LocalRole(settings, clock)
        app.state.services = AiParts(settings, clock, role)
        await role.start()
        try:
            yield
        finally:
            await role.close()

    return Litestar(
        route_handlers=[healthz, readyz, prometheus, *ROUTES],
        lifespan=[lifespan],
        state=State(),
        dependencies=AI_DEPENDENCIES,
        exception_handlers={Exception: handle},
        middleware=[time_requests],
        request_class=StrictRequest,
        before_request=check_request,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
    )
