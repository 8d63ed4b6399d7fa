"""/api/diary and /api/footprints."""

from __future__ import annotations

import datetime
from typing import Annotated

from litestar import delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler

from game_engine.errors import InvalidPeriod
from game_engine.periods import period_from_key, period_of
from sync_server.diary import service
from sync_server.diary.footprints import ZONE, footprints
from sync_server.diary.schemas import DiaryDoc, DiaryInput, DiaryList, Footprints
from sync_server.platform import rate_limit
from sync_server.platform.context import Platform
from sync_server.platform.errors import Problem
from sync_server.platform.problem_details import problems
from sync_server.platform.tokens import CurrentUser

DEFAULT_DAYS = 31
MAX_DAYS = 366
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
FromDate = FromQuery[Annotated[str | None, QueryParameter(name="from", pattern=_DATE)]]
ToDate = FromQuery[Annotated[str | None, QueryParameter(name="to", pattern=_DATE)]]
Month = FromQuery[Annotated[str | None, QueryParameter(pattern=r"^[0-9]{4}-[0-9]{2}$")]]


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise Problem("invalid_input", f"no such day: {text}") from None


@get("/api/diary", summary="My diary entries by day", responses=problems())
async def list_diary(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    from_date: FromDate = None,
    to_date: ToDate = None,
) -> DiaryList:
    """Answer the entries of at most 366 days, by default of the 31 days up to today."""
    today = datetime.datetime.fromtimestamp(platform.clock() / 1000, ZONE).date()
    last = today if to_date is None else _day(to_date)
    span = datetime.timedelta(days=DEFAULT_DAYS - 1)
    try:
        first = last - span if from_date is None else _day(from_date)
    except OverflowError:
        raise Problem("invalid_input", "these days are before the calendar") from None
    if not 0 <= (last - first).days < MAX_DAYS:
        raise Problem("invalid_input", f"from is before to, and at most {MAX_DAYS} days apart")
    async with platform.database.read() as tx:
        found = await service.entries(tx, user.user_no, first.isoformat(), last.isoformat())
    return DiaryList(first.isoformat(), last.isoformat(), found)


@get("/api/diary/{entry_id:str}", summary="One diary entry", responses=problems("not_found"))
async def get_diary(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    entry_id: FromPath[str],
) -> DiaryDoc:
    """Answer an entry; a deleted one is not found."""
    async with platform.database.read() as tx:
        return await service.entry(tx, user.user_no, entry_id)


@put(
    "/api/diary/{entry_id:str}",
    summary="Write a diary entry",
    status_code=200,
    responses=problems("not_found"),
)
async def put_diary(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    entry_id: FromPath[str],
    data: JSONBody[DiaryInput],
) -> DiaryDoc:
    """Make the entry with this id (a UUIDv7 of the client's) what the body says."""
    async with platform.database.transaction() as tx:
        await rate_limit.limit(platform, tx, rate_limit.WRITE, str(user.user_no))
        written = await service.put(platform, tx, user.user_no, user.client_id, entry_id, data)
    platform.pokes.poke(user.user_no)
    return written


@delete(
    "/api/diary/{entry_id:str}",
    summary="Delete a diary entry",
    status_code=204,
    responses=problems("not_found"),
)
async def delete_diary(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    entry_id: FromPath[str],
) -> None:
    """Delete an entry for ever; later edits from other phones do not bring it back."""
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        await rate_limit.limit(platform, tx, rate_limit.WRITE, str(user.user_no))
        await service.delete(tx, user.user_no, user.client_id, entry_id, now_ms)
    platform.pokes.poke(user.user_no)


@get("/api/footprints", summary="My calendar of a month", responses=problems())
async def get_footprints(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    month: Month = None,
) -> Footprints:
    """Answer the days of a month (Korean time; this month by default), totals and streaks."""
    now_ms = platform.clock()
    try:
        period = (
            period_of("month", now_ms, ZONE)
            if month is None
            else period_from_key("month", month, ZONE)
        )
    except InvalidPeriod as error:
        raise Problem("invalid_input", str(error)) from None
    async with platform.database.read() as tx:
        return await footprints(tx, user.user_no, period, now_ms)


ROUTES: list[ControllerRouterHandler] = [
    list_diary,
    get_diary,
    put_diary,
    delete_diary,
    get_footprints,
]
