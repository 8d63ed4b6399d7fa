"""Regions over HTTP."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, PathParameter, QueryParameter
from litestar.types import ControllerRouterHandler

from sync_server.platform.context import Platform
from sync_server.platform.problem_details import problems
from sync_server.platform.tokens import CurrentUser
from sync_server.privacy import service as privacy
from sync_server.regions import service
from sync_server.regions.schemas import Level, RegionDetail, RegionList, RegionsAt

MAX_ID = 2**63 - 1
Id = FromPath[Annotated[int, PathParameter(ge=1, le=MAX_ID)]]
Parent = FromQuery[Annotated[int | None, QueryParameter(ge=1, le=MAX_ID)]]
Text = FromQuery[Annotated[str | None, QueryParameter(max_length=60)]]
Limit = FromQuery[Annotated[int, QueryParameter(ge=1, le=500)]]
Offset = FromQuery[Annotated[int, QueryParameter(ge=0, le=1_000_000)]]
Latitude = FromQuery[Annotated[float, QueryParameter(ge=-90, le=90)]]
Longitude = FromQuery[Annotated[float, QueryParameter(ge=-180, le=180)]]


@get("/api/regions", summary="Regions by level, name and parent", responses=problems())
async def list_regions(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    level: FromQuery[Level | None] = None,
    q: Text = None,
    parent: Parent = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> RegionList:
    """Answer a page of the imported regions."""
    async with platform.database.read() as tx:
        return await service.list_regions(tx, level, q, parent, limit, offset)


@get(
    "/api/regions/at", summary="The regions of a position", responses=problems("storage_read_only")
)
async def regions_at(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    lat: Latitude,
    lng: Longitude,
) -> RegionsAt:
    """Answer the regions that hold a position, null for each level that has none."""
    async with platform.database.transaction() as tx:
        await privacy.log_use(tx, user.user_no, "map_viewed", "self", platform.clock())
    return await service.regions_at(platform, lat, lng)


@get("/api/regions/{region_id:int}", summary="One region", responses=problems("not_found"))
async def read_region(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    region_id: Id,
    geometry: FromQuery[bool] = False,
) -> RegionDetail:
    """Answer a region, with its outline as GeoJSON when `geometry=true`."""
    async with platform.database.read() as tx:
        return await service.region(tx, region_id, geometry)


ROUTES: list[ControllerRouterHandler] = [list_regions, regions_at, read_region]
