"""Random cohorts of 30: drawn once per period with a stored seed, then only filled up."""

from __future__ import annotations

import secrets
from zlib import crc32

from game_engine.periods import Period
from game_engine.ranking import draw_cohorts, fill_cohorts
from game_engine.rules import Rules
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.rankings.freeze import days_of

LOCK_COHORT = 6
# Who walked this recently takes part in a draw; others join when they look at their cohort.
ACTIVE_DAYS = 28


async def cohort_of(
    platform: Platform, period: Period, user_no: int, now_ms: int, rules: Rules
) -> tuple[int, ...]:
    """Return the user numbers of one's cohort, joining one if the period still runs.

    The first look in a period draws it for everyone who walked in the last 28 days. Nobody is
    ever moved. Empty for who was in none of a period that is over, or has not begun.
    """
    async with platform.database.read() as tx:
        members = await _members(tx, period, user_no)
    if members or not period.start_ms <= now_ms < period.end_ms:
        return members
    async with platform.database.transaction() as tx:
        await tx.lock(LOCK_COHORT, [crc32(f"{period.kind}/{period.key}".encode())])
        members = await _members(tx, period, user_no)
        if members:
            return members
        seed, cohorts = await _drawn(tx, period, now_ms, rules)
        members = await _members(tx, period, user_no)
        return members or await _join(tx, period, user_no, seed, cohorts, rules)


async def _members(tx: Tx, period: Period, user_no: int) -> tuple[int, ...]:
    rows = await tx.fetch_tuples(
        """SELECT user_no FROM cohort_member WHERE kind = ? AND period_key = ? AND cohort = (
             SELECT cohort FROM cohort_member
             WHERE kind = ? AND period_key = ? AND user_no = ?) ORDER BY user_no""",
        period.kind, period.key, period.kind, period.key, user_no,
    )  # fmt: skip
    return tuple(row[0] for row in rows)


async def _drawn(tx: Tx, period: Period, now_ms: int, rules: Rules) -> tuple[int, int]:
    """Return the seed and the number of cohorts, drawing them if nobody has yet."""
    rows = await tx.fetch_tuples(
        "SELECT seed, cohorts FROM cohort_draw WHERE kind = ? AND period_key = ?",
        period.kind, period.key,
    )  # fmt: skip
    if rows:
        return rows[0][0], rows[0][1]
    seed = secrets.randbits(62)
    days = days_of(period, rules)
    active = await tx.fetch_tuples(
        """SELECT DISTINCT user_no FROM walk_tally WHERE region_id = 0 AND local_day >= ?
           AND user_no IN (SELECT user_no FROM app_user WHERE deleted_ms IS NULL)""",
        max(days.first - ACTIVE_DAYS, -(2**31)),
    )
    cohorts = draw_cohorts((row[0] for row in active), rules.cohort_size, str(seed))
    await tx.execute(
        "INSERT INTO cohort_draw (kind, period_key, seed, cohorts, drawn_ms) "
        "VALUES (?, ?, ?, ?, ?)",
        period.kind, period.key, seed, len(cohorts), now_ms,
    )  # fmt: skip
    await tx.executemany(
        "INSERT INTO cohort_member (kind, period_key, user_no, cohort) VALUES (?, ?, ?, ?)",
        [
            (period.kind, period.key, member, number)
            for number, cohort in enumerate(cohorts)
            for member in cohort
        ],
    )
    return seed, len(cohorts)


async def _join(
    tx: Tx, period: Period, user_no: int, seed: int, cohorts: int, rules: Rules
) -> tuple[int, ...]:
    """Put a late joiner into the last cohort, or a new one when that is full."""
    last = max(0, cohorts - 1)
    rows = await tx.fetch_tuples(
        "SELECT user_no FROM cohort_member WHERE kind = ? AND period_key = ? AND cohort = ?",
        period.kind, period.key, last,
    )  # fmt: skip
    filled = fill_cohorts([[row[0] for row in rows]], [user_no], rules.cohort_size, str(seed))
    number = last + len(filled) - 1
    await tx.execute(
        "INSERT INTO cohort_member (kind, period_key, user_no, cohort) VALUES (?, ?, ?, ?)",
        period.kind, period.key, user_no, number,
    )  # fmt: skip
    await tx.execute(
        "UPDATE cohort_draw SET cohorts = ? WHERE kind = ? AND period_key = ?",
        number + 1, period.kind, period.key,
    )  # fmt: skip
    return tuple(sorted(filled[-1]))
