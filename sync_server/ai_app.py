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
from sync_server.ai.vet.local_role import LocalVetRole, OpenChat, open_vet
from sync_server.ai.vet.role import VetRole
from sync_server.ai.vet.routes import ROUTES as VET_ROUTES
from sync_server.ai.vet.routes import VET_DEPENDENCIES
from sync_server.platform.clock import Clock, system_clock
from sync_server.platform.database import DatabaseError
from sync_server.platform.errors import Problem
from sync_server.platform.problem_details import handle, problems
from sync_server.platform.request_checks import StrictRequest, check_request
from sync_server.platform.settings import Settings, SettingsInvalid
from sync_server.platform.webhooks import parse_secrets


@dataclass(frozen=True)
class AiParts:
    """What the routes of this application need (`app.state.services`)."""

    settings: Settings
    clock: Clock
    ai: AiRole
    vet: VetRole


@get("/readyz", summary="Ready: the AI store answers", responses=problems())
async def readyz(ai: NamedDependency[AiRole]) -> dict[str, str]:
    """Answer when the AI store takes reads."""
    try:
        await ai.health()
    except (DatabaseError, RoleUnavailable) as error:
        raise Problem("database_unavailable", str(error)) from None
    return {"status": "ok", "role": "ai"}


def create_ai_app(
    settings: Settings, clock: Clock = system_clock, open_chat: OpenChat = open_vet
) -> Litestar:
    """Put the application of role `ai` together."""
    from sync_server.app import MAX_BODY_BYTES, healthz, prometheus, time_requests

    if not parse_secrets(settings.internal_secrets):
        raise SettingsInvalid("role ai needs DAENGDONG_INTERNAL_SECRETS")

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        role = LocalRole(settings, clock)
        vet = LocalVetRole(settings, clock, open_chat)
        app.state.services = AiParts(settings, clock, role, vet)
        await role.start()
        try:
            yield
        finally:
            await vet.close()
            await role.close()

    return Litestar(
        route_handlers=[healthz, readyz, prometheus, *ROUTES, *VET_ROUTES],
        lifespan=[lifespan],
        state=State(),
        dependencies={**AI_DEPENDENCIES, **VET_DEPENDENCIES},
        exception_handlers={Exception: handle},
        middleware=[time_requests],
        request_class=StrictRequest,
        before_request=check_request,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
    )
