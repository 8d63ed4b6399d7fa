"""/api/me/home and /api/me/location-log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from litestar import delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler

from game_engine import cells as h3cells
from sync_server.platform import rate_limit
from sync_server.platform.context import Platform
from sync_server.platform.problem_details import problems
from sync_server.platform.tokens import CurrentUser
from sync_server.privacy import service
from sync_server.privacy.schemas import HomeAnswer, HomeInput, LocationLog

LOG_SPAN_MS = 31 * 24 * service.HOUR_MS


def _answer(cells: Iterable[int]) -> HomeAnswer:
    return HomeAnswer(sorted(h3cells.to_hex(cell) for cell in cells))


@get("/api/me/home", summary="My private zone", responses=problems())
async def get_home(
    platform: NamedDependency[Platform], user: NamedDependency[CurrentUser]
) -> HomeAnswer:
    """Answer the cells that others see without an owner."""
    async with platform.database.read() as tx:
        return _answer(await service.home_cells(tx, user.user_no))


@put("/api/me/home", summary="Set my home", status_code=200, responses=problems())
async def put_home(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    data: JSONBody[HomeInput],
) -> HomeAnswer:
    """Make the neighbourhood of this point private; the point itself is not stored."""
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        await rate_limit.limit(platform, tx, rate_limit.WRITE, str(user.user_no))
        cells = await service.set_home(platform, tx, user.user_no, data.lat, data.lng, now_ms)
    return _answer(cells)


@delete("/api/me/home", summary="Forget my home", status_code=204, responses=problems())
async def delete_home(
    platform: NamedDependency[Platform], user: NamedDependency[CurrentUser]
) -> None:
    """Make the zone public again."""
    async with platform.database.transaction() as tx:
        await rate_limit.limit(platform, tx, rate_limit.WRITE, str(user.user_no))
        await service.delete_home(tx, user.user_no)


@get("/api/me/location-log", summary="Who used my location, and what for", responses=problems())
async def get_location_log(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    before_ms: FromQuery[Annotated[int | None, QueryParameter(ge=0, lt=2**53)]] = None,
) -> LocationLog:
    """Answer 31 days of the log that end at `before_ms` (now by default), hour by hour."""
    to_ms = platform.clock() + 1 if before_ms is None else before_ms
    from_ms = max(0, to_ms - LOG_SPAN_MS)
    async with platform.database.read() as tx:
        uses = await service.location_log(tx, user.user_no, from_ms, to_ms)
    return LocationLog(from_ms, to_ms, uses)


ROUTES: list[ControllerRouterHandler] = [get_home, put_home, delete_home, get_location_log]
