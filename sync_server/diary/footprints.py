"""Footprints: a month of walks, analyses and diary entries, with streaks."""

from __future__ import annotations

import calendar
import datetime
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from game_engine.board import local_day
from game_engine.periods import Period
from game_engine.rules import CURRENT_RULES, rules_for
from sync_server.diary import store
from sync_server.diary.schemas import (
    DiaryDoc,
    FootprintDay,
    Footprints,
    FootprintTotals,
    FootprintWalk,
    Streaks,
)
from sync_server.platform.database import Tx

ZONE = ZoneInfo(rules_for(CURRENT_RULES).zone_name)
_EPOCH = datetime.date(1970, 1, 1)


async def footprints(tx: Tx, user_no: int, month: Period, now_ms: int) -> Footprints:
    """Return the calendar of one month; every walk that was not cancelled is in it."""
    year, number = map(int, month.key.split("-"))
    last = calendar.monthrange(year, number)[1]
    entries = await store.load_days(tx, user_no, f"{month.key}-01", f"{month.key}-{last:02d}")
    walks = await tx.fetch_all(
        """SELECT walk_id, state, started_ms, distance_m, moving_ms, points, emotion FROM walk
           WHERE user_no = ? AND started_ms >= ? AND started_ms < ? AND state <> 'cancelled'
           ORDER BY started_ms, walk_id""",
        user_no, month.start_ms, month.end_ms,
    )  # fmt: skip
    analyses = await tx.fetch_tuples(
        "SELECT kind, at_ms FROM analysis WHERE user_no = ? AND at_ms >= ? AND at_ms < ?",
        user_no, month.start_ms, month.end_ms,
    )  # fmt: skip
    walks_of: dict[str, list[Any]] = defaultdict(list)
    kinds_of: dict[str, list[str]] = defaultdict(list)
    entries_of: dict[str, list[DiaryDoc]] = defaultdict(list)
    for walk in walks:
        walks_of[_date(walk["started_ms"])].append(walk)
    for kind, at_ms in analyses:
        kinds_of[_date(at_ms)].append(kind)
    for entry in entries:
        entries_of[entry.date].append(entry)
    by_walk = await _entries_by_walk(tx, user_no, [walk["walk_id"] for walk in walks])
    days = [
        _day(date, walks_of[date], kinds_of[date], entries_of[date], by_walk)
        for date in sorted({*walks_of, *kinds_of, *entries_of})
    ]
    totals = FootprintTotals(
        walk_days=sum(bool(day.walks) for day in days),
        walks=len(walks),
        distance_m=sum(walk["distance_m"] for walk in walks),
        moving_ms=sum(walk["moving_ms"] for walk in walks),
        analyses=len(analyses),
        diary_entries=len(entries),
    )
    return Footprints(month.key, days, totals, await _streaks(tx, user_no, now_ms))


def _date(at_ms: int) -> str:
    return (_EPOCH + datetime.timedelta(days=local_day(at_ms, ZONE))).isoformat()


def _day(
    date: str,
    walks: list[Any],
    kinds: list[str],
    entries: list[DiaryDoc],
    by_walk: dict[str, list[str]],
) -> FootprintDay:
    stickers = {f"mood:{entry.mood}" for entry in entries if entry.mood}
    stickers |= {f"weather:{entry.weather}" for entry in entries if entry.weather}
    stickers |= set(kinds)
    stickers |= {"walk"} if walks else set()
    stickers |= {"diary"} if entries else set()
    return FootprintDay(
        date=date,
        walks=[
            FootprintWalk(
                walk["walk_id"], walk["state"], walk["started_ms"], walk["distance_m"],
                walk["moving_ms"], by_walk.get(walk["walk_id"], []), walk["points"],
                walk["emotion"],
            )
            for walk in walks
        ],
        distance_m=sum(walk["distance_m"] for walk in walks),
        moving_ms=sum(walk["moving_ms"] for walk in walks),
        analyses=len(kinds),
        diary_entries=len(entries),
        stickers=sorted(stickers),
    )  # fmt: skip


async def _entries_by_walk(tx: Tx, user_no: int, walk_ids: list[str]) -> dict[str, list[str]]:
    """Return the entries about these walks, whatever day they are dated."""
    if not walk_ids:
        return {}
    clause, argument = tx.in_list("walk_id", walk_ids)
    found: dict[str, list[str]] = defaultdict(list)
    for walk_id, entry_id in await tx.fetch_tuples(
        f"""SELECT walk_id, entry_id FROM diary_entry
            WHERE user_no = ? AND deleted = 0 AND {clause} ORDER BY entry_id""",
        user_no, argument,
    ):  # fmt: skip
        found[walk_id].append(entry_id)
    return found


async def _streaks(tx: Tx, user_no: int, now_ms: int) -> Streaks:
    starts = await tx.fetch_tuples(
        "SELECT started_ms FROM walk WHERE user_no = ? AND state <> 'cancelled'", user_no
    )
    return streaks({local_day(row[0], ZONE) for row in starts}, local_day(now_ms, ZONE))


def streaks(days: Iterable[int], today: int) -> Streaks:
    """Return the runs of consecutive days; days after `today` (a wrong clock) do not count."""
    walked = sorted(day for day in set(days) if day <= today)
    longest = run = 0
    previous: int | None = None
    for day in walked:
        run = run + 1 if previous == day - 1 else 1
        longest, previous = max(longest, run), day
    alive = previous is not None and previous >= today - 1
    return Streaks(current_days=run if alive else 0, longest_days=longest)
