"""/api/me and /api/consents."""

from __future__ import annotations

from litestar import Response, delete, get, patch, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from sync_server.platform.context import Platform
from sync_server.platform.problem_details import problems
from sync_server.platform.rate_limit import WRITE, limit
from sync_server.platform.tokens import CurrentUser
from sync_server.users import service
from sync_server.users.schemas import (
    ConsentChange,
    ConsentHistory,
    ConsentStates,
    Export,
    Profile,
    ProfileChange,
)

MAX_BODY_BYTES = 16 * 1024


@get("/api/me", summary="My account", responses=problems())
async def me(platform: NamedDependency[Platform], user: NamedDependency[CurrentUser]) -> Profile:
    async with platform.database.read() as tx:
        return await service.profile(tx, user.user_no)


@patch(
    "/api/me",
    summary="Change my name or language",
    request_max_body_size=MAX_BODY_BYTES,
    responses=problems("too_large"),
)
async def change_me(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    data: JSONBody[ProfileChange],
) -> Profile:
    async with platform.database.transaction() as tx:
        await limit(platform, tx, WRITE, str(user.user_no))
        return await service.change_profile(tx, user.user_no, data)


@delete("/api/me", status_code=204, summary="Erase my account", responses=problems())
async def delete_me(
    platform: NamedDependency[Platform], user: NamedDependency[CurrentUser]
) -> None:
    await service.erase_account(platform, user)


@get("/api/me/export", summary="All my data", responses=problems())
async def export_me(
    platform: NamedDependency[Platform], user: NamedDependency[CurrentUser]
) -> Response[Export]:
    async with platform.database.read() as tx:
        export = await service.export(tx, user.user_no, platform.clock())
    return Response(
        export,
        headers={
            "Content-Disposition": 'attachment; filename="daengdong-export.json"',
            "Cache-Control": "no-store",
        },
    )


@get("/api/consents", summary="What I agree to", responses=problems())
async def consents(
    platform: NamedDependency[Platform], user: NamedDependency[CurrentUser]
) -> ConsentStates:
    async with platform.database.read() as tx:
        return ConsentStates(await service.consents(tx, user.user_no))


@put(
    "/api/consents",
    summary="Grant or withdraw",
    request_max_body_size=MAX_BODY_BYTES,
    responses=problems("too_large"),
)
async def change_consent(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    data: JSONBody[ConsentChange],
) -> ConsentStates:
    async with platform.database.transaction() as tx:
        await limit(platform, tx, WRITE, str(user.user_no))
        return ConsentStates(await service.change_consent(tx, user.user_no, data, platform.clock()))


@get("/api/consents/history", summary="Every grant and withdrawal", responses=problems())
async def consent_history(
    platform: NamedDependency[Platform], user: NamedDependency[CurrentUser]
) -> ConsentHistory:
    async with platform.database.read() as tx:
        return ConsentHistory(await service.consent_history(tx, user.user_no))


ROUTES: list[ControllerRouterHandler] = [
    me,
    change_me,
    delete_me,
    export_me,
    consents,
    change_consent,
    consent_history,
]
