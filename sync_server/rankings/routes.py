"""Rankings over HTTP."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from sync_server.platform.context import Platform
from sync_server.platform.problem_details import problems
from sync_server.platform.tokens import CurrentUser
from sync_server.rankings import service
from sync_server.rankings.schemas import Kind, MeasureName, RankingDoc, Scope, SeasonsDoc

Key = FromQuery[Annotated[str | None, QueryParameter(min_length=1, max_length=20)]]
RegionId = FromQuery[Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1)]]
Limit = FromQuery[Annotated[int, QueryParameter(ge=1, le=100)]]
Offset = FromQuery[Annotated[int, QueryParameter(ge=0, le=100_000_000)]]


@get("/api/rankings/{board:str}", summary="A ranking", responses=problems("not_found"))
async def read_ranking(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    board: FromPath[Scope],
    measure: FromQuery[MeasureName] = "cells_held",
    period: FromQuery[Kind] = "week",
    key: Key = None,
    region_id: RegionId = None,
    limit: Limit = 50,
    offset: Offset = 0,
    around: FromQuery[bool] = False,
) -> RankingDoc:
    """Answer a page of a board: everyone, one region, or one's random cohort.

    `key` names the period (default: the one now), `around=true` gives the five places above and
    below one's own instead of a page. Held measures count what is held now, or was held at the
    end of a past period.
    """
    return await service.ranking(
        platform,
        user,
        service.RankingQuery(
            scope=board, measure=measure, kind=period, key=key, region_id=region_id,
            limit=limit, offset=offset, around=around,
        ),
    )  # fmt: skip


@get("/api/seasons", summary="The seasons", responses=problems())
async def read_seasons(
    platform: NamedDependency[Platform], user: NamedDependency[CurrentUser]
) -> SeasonsDoc:
    """Answer the past seasons, the current and the next one."""
    return await service.seasons(platform)


ROUTES: list[ControllerRouterHandler] = [read_ranking, read_seasons]
