"""The SQL of the measures: who has how much, and since when.

Values are whole numbers, so sums are exact and the same in any order: cells, area in dm²
(0.01 m²), distance in cm, time in ms, days.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from game_engine.ranking import Measure, Standing
from sync_server.platform.database import Tx
from sync_server.rankings.schemas import Unit

RegionColumn = Literal["province", "city", "town"]
HELD = frozenset({Measure.CELLS_HELD, Measure.AREA_HELD})
UNITS: dict[Measure, Unit] = {
    Measure.CELLS_HELD: "cells",
    Measure.AREA_HELD: "dm2",
    Measure.NEW_CAPTURES: "cells",
    Measure.DISTANCE: "cm",
    Measure.WALKING_TIME: "ms",
    Measure.WALK_DAYS: "days",
}
AREA_DM2 = "CAST(ROUND(area_m2 * 100) AS BIGINT)"
_FLOW_VALUE = {
    Measure.NEW_CAPTURES: "CAST(new_captures AS BIGINT)",
    Measure.DISTANCE: "CAST(ROUND(distance_m * 100) AS BIGINT)",
    Measure.WALKING_TIME: "moving_ms",
}
_ALIVE = "NOT IN (SELECT user_no FROM app_user WHERE deleted_ms IS NOT NULL)"


@dataclass(frozen=True)
class Days:
    """Local days since 1970-01-01, both included."""

    first: int
    last: int


async def flow_standings(
    tx: Tx, measure: Measure, region_id: int, days: Days, users: Collection[int] | None = None
) -> list[Standing]:
    """Return what living users (or those of `users`) walked in a region (0 = everywhere).

    A value was reached at the end of the last walk that added to it.
    """
    args: list[Any] = [region_id, days.first, days.last]
    in_place = "region_id = ? AND local_day BETWEEN ? AND ?"
    where = f"{in_place} AND user_no {_ALIVE}"
    if users is not None:
        # The plus keeps the planner on the index of users: the other one reads the whole region.
        clause, argument = tx.in_list("user_no", users)
        where, args = f"+{where} AND {clause}", [*args, argument]
    return [Standing(*row) for row in await tx.fetch_tuples(_flow_sql(measure, where), *args)]


async def flow_standings_by_region(
    tx: Tx, measure: Measure, days: Days
) -> dict[int, list[Standing]]:
    """Return the standings of every region that has any (0 = everywhere)."""
    where = f"local_day BETWEEN ? AND ? AND user_no {_ALIVE}"
    by_region: dict[int, list[Standing]] = {}
    sql = _flow_sql(measure, where, "region_id, ")
    for region_id, *standing in await tx.fetch_tuples(sql, days.first, days.last):
        by_region.setdefault(region_id, []).append(Standing(*standing))
    return by_region


def _flow_sql(measure: Measure, where: str, region: Literal["", "region_id, "] = "") -> str:
    if measure is Measure.WALK_DAYS:
        # The first walk of a day adds the day.
        return f"""SELECT {region}user_no, COUNT(*), MAX(first_ms) FROM (
                     SELECT {region}user_no, local_day, MIN(at_ms) AS first_ms FROM walk_tally
                     WHERE {where} AND (moving_ms > 0 OR distance_m > 0 OR new_captures > 0)
                     GROUP BY {region}user_no, local_day) AS days
                   GROUP BY {region}user_no"""
    value = _FLOW_VALUE[measure]
    return f"""SELECT {region}user_no, CAST(SUM({value}) AS BIGINT), MAX(at_ms) FROM walk_tally
               WHERE {where} AND {value} > 0 GROUP BY {region}user_no"""


async def held_standings(
    tx: Tx,
    measure: Measure,
    region: tuple[RegionColumn, int] | None,
    as_of_ms: int,
    users: Collection[int] | None = None,
) -> list[Standing]:
    """Return what living users (or those of `users`) hold at a moment not in the past."""
    where, args = f"owner > 0 AND free_ms > ? AND owner {_ALIVE}", list[Any]([as_of_ms])
    if region is not None:
        where, args = f"{where} AND {region[0]} = ?", [*args, region[1]]
    if users is not None:
        clause, argument = tx.in_list("owner", users)
        where, args = f"{where} AND {clause}", [*args, argument]
    value = "COUNT(*)" if measure is Measure.CELLS_HELD else f"CAST(SUM({AREA_DM2}) AS BIGINT)"
    rows = await tx.fetch_tuples(
        f"SELECT owner, {value}, MAX(taken_ms) FROM cell_state WHERE {where} GROUP BY owner",
        *args,
    )
    return [Standing(*row) for row in rows]


async def changed_walkers(tx: Tx, since_rev: int) -> set[int]:
    """Return the users any of whose walks counted otherwise since a revision."""
    # Not DISTINCT: SQLite would walk the whole index of users to get it.
    rows = await tx.fetch_tuples("SELECT user_no FROM walk_tally WHERE rev >= ?", since_rev)
    return {row[0] for row in rows}


async def decayed_owners(tx: Tx, after_ms: int, until_ms: int) -> set[int]:
    """Return the users who lost cells by decay in a span of time."""
    rows = await tx.fetch_tuples(
        "SELECT DISTINCT owner FROM cell_state WHERE free_ms > ? AND free_ms <= ? AND owner > 0",
        after_ms, until_ms,
    )  # fmt: skip
    return {row[0] for row in rows}


async def deleted_users(tx: Tx, since_ms: int) -> set[int]:
    """Return the accounts deleted since a time."""
    rows = await tx.fetch_tuples(
        "SELECT user_no FROM app_user WHERE deleted_ms IS NOT NULL AND deleted_ms >= ?", since_ms
    )
    return {row[0] for row in rows}
