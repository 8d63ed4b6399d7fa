"""Boards of closed periods: folded at the period's end, stored once with a hash, never changed.

A period closes 72 hours after its end, when no late walk can change it any more (GAME.md). Its
boards are stored as compact columns; the hash of `game_engine.ranking.board_hash` is checked at
every load.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import structlog

from game_engine.board import CaptureEvent, CellState, fold_all, local_day, owner_at
from game_engine.periods import Period, PeriodKind, is_final, next_period, period_from_key
from game_engine.periods import period_of as period_at
from game_engine.ranking import Measure, Ranked, Standing, board_hash, ranked
from game_engine.rules import CURRENT_RULES, Rules, rules_for
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx, UniqueViolation
from sync_server.rankings.standings import AREA_DM2, HELD, Days, flow_standings_by_region

log = structlog.get_logger(__name__)
EVERYONE = 0
FROZEN_KINDS: tuple[PeriodKind, ...] = ("day", "week", "month", "season")
_CELLS_A_FOLD = 5_000
_FORMAT = 1
_ALL_DAYS = Days(-(2**31), 2**31 - 1)


class FrozenBoardDamaged(Exception):
    """A stored final board does not match its hash; restore the database from a backup."""

    code = "frozen_board_damaged"


@dataclass
class Holding:
    """What one user holds in one region at one moment."""

    cells: int = 0
    area_dm2: int = 0
    taken_ms: int = 0

    def add(self, cells: int, area_dm2: int, taken_ms: int) -> None:
        """Count more cells in."""
        self.cells += cells
        self.area_dm2 += area_dm2
        self.taken_ms = max(self.taken_ms, taken_ms)


Holdings = dict[int, dict[int, Holding]]
"""By region (0 = everywhere) and user."""


def days_of(period: Period, rules: Rules) -> Days:
    """Return the local days of a period."""
    if period.kind == "all":
        return _ALL_DAYS
    return Days(
        local_day(period.start_ms, rules.zone_name), local_day(period.end_ms - 1, rules.zone_name)
    )


# What was held at a past moment -------------------------------------------------------------


async def holdings_at(tx: Tx, at_ms: int, rules: Rules) -> Holdings:
    """Return who held what just before `at_ms`: the fold of all captures earlier than that.

    A cell without a later capture has that fold stored already; only the others fold again.
    """
    holdings: Holdings = {}
    gone = {
        row[0]
        for row in await tx.fetch_tuples(
            "SELECT user_no FROM app_user WHERE deleted_ms IS NOT NULL"
        )
    }
    settled = await tx.fetch_tuples(
        f"""SELECT owner, province, city, town, COUNT(*), CAST(SUM({AREA_DM2}) AS BIGINT),
              MAX(taken_ms) FROM cell_state
            WHERE owner > 0 AND last_at_ms < ? AND free_ms > ?
            GROUP BY owner, province, city, town""",
        at_ms, at_ms,
    )  # fmt: skip
    for owner, province, city, town, cells, area_dm2, taken_ms in settled:
        if owner not in gone:
            _count(holdings, owner, (province, city, town), cells, area_dm2, taken_ms)
    last = 0
    while True:
        rows = await tx.fetch_tuples(
            f"""SELECT cell, {AREA_DM2}, province, city, town FROM cell_state
                WHERE cell > ? AND last_at_ms >= ? ORDER BY cell LIMIT ?""",
            last, at_ms, _CELLS_A_FOLD,
        )  # fmt: skip
        if not rows:
            return holdings
        last = rows[-1][0]
        states = await _fold_until(tx, [row[0] for row in rows], at_ms, rules)
        for cell, area_dm2, *places in rows:
            state = states.get(cell)
            owner = 0 if state is None else owner_at(state, at_ms, rules)
            if state is not None and owner and owner not in gone:
                _count(holdings, owner, places, 1, area_dm2, state.taken_ms)


async def _fold_until(
    tx: Tx, cells: Sequence[int], at_ms: int, rules: Rules
) -> dict[int, CellState]:
    clause, argument = tx.in_list("cell", cells)
    rows = await tx.fetch_tuples(
        f"SELECT cell, at_ms, walk_no, user_no, local_day FROM capture "
        f"WHERE {clause} AND at_ms < ?",
        argument, at_ms,
    )  # fmt: skip
    return await asyncio.to_thread(fold_all, [CaptureEvent(*row) for row in rows], rules)


def _count(
    holdings: Holdings, owner: int, places: Iterable[int], cells: int, area_dm2: int, taken_ms: int
) -> None:
    for region_id in (EVERYONE, *filter(None, places)):
        of_region = holdings.setdefault(region_id, {})
        of_region.setdefault(owner, Holding()).add(cells, area_dm2, taken_ms)


def held_standings_of(holdings: Holdings, region_id: int, measure: Measure) -> list[Standing]:
    """Return a region's standings of a held measure."""
    return [
        Standing(
            user_no,
            held.cells if measure is Measure.CELLS_HELD else held.area_dm2,
            held.taken_ms,
        )
        for user_no, held in holdings.get(region_id, {}).items()
    ]


# Storing ------------------------------------------------------------------------------------


async def sweep(platform: Platform, now_ms: int) -> None:
    """Freeze every period that has closed and is not frozen yet, oldest first."""
    rules = rules_for(CURRENT_RULES)
    async with platform.database.read() as tx:
        first_day = await tx.fetch_value(
            "SELECT MIN(local_day) FROM walk_tally WHERE region_id = 0"
        )
        newest = {
            row[0]: row[1]
            for row in await tx.fetch_tuples(
                "SELECT kind, MAX(period_key) FROM frozen_period GROUP BY kind"
            )
        }
    if first_day is None and not newest:
        return
    for kind in FROZEN_KINDS:
        if kind in newest:
            last = period_from_key(kind, newest[kind], rules.zone_name)
            period = next_period(last, rules.zone_name)
        elif first_day is not None:
            first = date.fromordinal(date(1970, 1, 1).toordinal() + first_day).isoformat()
            opened_ms = period_from_key("day", first, rules.zone_name).start_ms
            period = period_at(kind, opened_ms, rules.zone_name)
        else:
            continue
        while is_final(period, now_ms, rules):
            await freeze_period(platform, period, now_ms)
            period = next_period(period, rules.zone_name)


async def freeze_period(platform: Platform, period: Period, now_ms: int) -> None:
    """Store all boards of a period; of two servers that try, the first one's stay."""
    rules = rules_for(CURRENT_RULES)
    days = days_of(period, rules)
    rows: list[tuple[Any, ...]] = []
    async with platform.database.read() as tx:
        holdings = await holdings_at(tx, period.end_ms, rules)
        for measure in Measure:
            if measure in HELD:
                by_region = {
                    region: held_standings_of(holdings, region, measure) for region in holdings
                }
            else:
                by_region = await flow_standings_by_region(tx, measure, days)
            by_region.setdefault(EVERYONE, [])
            rows += await asyncio.to_thread(_packed_boards, period, measure, by_region)
    try:
        async with platform.database.transaction() as tx:
            await tx.execute(
                "INSERT INTO frozen_period (kind, period_key, frozen_ms, boards) "
                "VALUES (?, ?, ?, ?)",
                period.kind, period.key, now_ms, len(rows),
            )  # fmt: skip
            await tx.executemany(
                """INSERT INTO frozen_board (kind, period_key, region_id, measure, users, total,
                     hash, packed_rows) VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                rows,
            )
    except UniqueViolation:
        return
    log.info("period_frozen", kind=period.kind, key=period.key, boards=len(rows))


def _packed_boards(
    period: Period, measure: Measure, by_region: dict[int, list[Standing]]
) -> list[tuple[Any, ...]]:
    packed: list[tuple[Any, ...]] = []
    for region_id, standings in sorted(by_region.items()):
        rows = ranked(standings)
        total = sum(int(row.value) for row in rows)
        packed.append((period.kind, period.key, region_id, measure.value, len(rows), total,
                       board_hash(rows), pack_rows(rows)))  # fmt: skip
    return packed


def pack_rows(rows: Sequence[Ranked]) -> bytes:
    """Pack rows in rank order: a format byte, then zlib over three columns of differences.

    Columns (little-endian int64): value, reached_at_ms, user_no.
    """
    columns = np.array([(row.value, row.reached_at_ms, row.user_no) for row in rows], dtype="<i8")
    differences = np.diff(columns.reshape(-1, 3).T, axis=1, prepend=0)
    return bytes((_FORMAT,)) + zlib.compress(differences.astype("<i8").tobytes(), 6)


def unpack_rows(packed: bytes) -> list[Ranked]:
    """Return the rows of `pack_rows`; raise FrozenBoardDamaged."""
    try:
        if packed[0] != _FORMAT:
            raise FrozenBoardDamaged(f"a final board has the unknown format {packed[0]}")
        raw = np.frombuffer(zlib.decompress(packed[1:]), dtype="<i8").reshape(3, -1)
    except (zlib.error, ValueError, IndexError) as error:
        raise FrozenBoardDamaged(f"a final board cannot be read: {error}") from error
    values, reached, users = np.cumsum(raw, axis=1).tolist()
    return [
        Ranked(rank, user_no, value, at_ms)
        for rank, (value, at_ms, user_no) in enumerate(zip(values, reached, users, strict=True), 1)
    ]


@dataclass(frozen=True)
class FrozenRows:
    """A final board as stored."""

    rows: list[Ranked]
    hash: str
    frozen_ms: int


async def load_frozen(
    tx: Tx, period: Period, region_id: int, measure: Measure
) -> FrozenRows | None:
    """Return a final board, empty for a region that had none; None while the period is open.

    Raises FrozenBoardDamaged when the rows are not those that were frozen.
    """
    frozen_ms = await tx.fetch_value(
        "SELECT frozen_ms FROM frozen_period WHERE kind = ? AND period_key = ?",
        period.kind, period.key,
    )  # fmt: skip
    if frozen_ms is None:
        return None
    stored = await tx.fetch_tuples(
        "SELECT hash, packed_rows FROM frozen_board "
        "WHERE kind = ? AND period_key = ? AND region_id = ? AND measure = ?",
        period.kind, period.key, region_id, measure.value,
    )  # fmt: skip
    if not stored:
        return FrozenRows([], board_hash([]), frozen_ms)
    rows = await asyncio.to_thread(unpack_rows, bytes(stored[0][1]))
    if await asyncio.to_thread(board_hash, rows) != stored[0][0]:
        raise FrozenBoardDamaged(f"{period.kind} {period.key}, {measure}: the hash differs")
    return FrozenRows(rows, stored[0][0], frozen_ms)
