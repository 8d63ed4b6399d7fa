"""Rows of the board and of walks' tallies as walks and territory write them, for ranking tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from edge_sdk.ids import uuid7
from game_engine.board import CaptureEvent, fold, free_at_ms, local_day
from game_engine.rules import CURRENT_RULES, rules_for
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.tokens import CurrentUser

RULES = rules_for(CURRENT_RULES)
_walk_nos = count(1)


@dataclass(frozen=True)
class Walker:
    """An account, and the headers that sign it in."""

    user_no: int
    user_id: str
    platform: Platform

    @property
    def headers(self) -> dict[str, str]:
        """Headers with a token that is fresh by the server's clock."""
        user = CurrentUser(self.user_no, self.user_id, "client")
        return {"Authorization": f"Bearer {self.platform.signer.access_token(user)}"}


async def add_walkers(platform: Platform, names: Sequence[str]) -> list[Walker]:
    """Add an account per name."""
    walkers = []
    async with platform.database.transaction() as tx:
        for name in names:
            user_id = uuid7()
            user_no = await tx.fetch_value(
                "INSERT INTO app_user (user_id, display_name, kind, language, created_ms) "
                "VALUES (?, ?, 'guest', 'ko', 0) RETURNING user_no",
                user_id, name,
            )  # fmt: skip
            walkers.append(Walker(user_no, user_id, platform))
    return walkers


async def add_walk(
    platform: Platform,
    user_no: int,
    at_ms: int,
    *,
    new_captures: int = 0,
    distance_m: float = 0.0,
    moving_ms: int = 0,
    region_ids: Sequence[int] = (),
    walk_no: int | None = None,
) -> int:
    """Write what a walk earned, everywhere and in regions; the same walk again replaces it."""
    number = next(_walk_nos) if walk_no is None else walk_no
    async with platform.database.transaction() as tx:
        await tx.execute("DELETE FROM walk_tally WHERE walk_no = ?", number)
        rev = await tx.revision()
        await tx.executemany(
            """INSERT INTO walk_tally (walk_no, region_id, user_no, at_ms, local_day,
                 new_captures, distance_m, moving_ms, rev) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                (number, region, user_no, at_ms, local_day(at_ms, RULES.zone_name), new_captures,
                 distance_m, moving_ms, rev)
                for region in (0, *region_ids)
            ],
        )  # fmt: skip
    return number


async def capture(
    platform: Platform,
    user_no: int,
    cells: Sequence[int],
    at_ms: int,
    places: tuple[int, int, int] = (0, 0, 0),
    area_m2: float = 2000.25,
) -> None:
    """Let a walk capture cells at one moment, and fold each cell anew."""
    walk_no = next(_walk_nos)
    day = local_day(at_ms, RULES.zone_name)
    async with platform.database.transaction() as tx:
        await tx.executemany(
            "INSERT INTO capture (cell, at_ms, walk_no, user_no, local_day, by_loop) "
            "VALUES (?, ?, ?, ?, ?, 0)",
            [(cell, at_ms, walk_no, user_no, day) for cell in cells],
        )
        for cell in cells:
            await fold_cell(tx, cell, places, area_m2)


async def fold_cell(
    tx: Tx, cell: int, places: tuple[int, int, int] = (0, 0, 0), area_m2: float = 2000.25
) -> None:
    """Store the fold of a cell's captures; a new cell gets the places and the area."""
    rows = await tx.fetch_tuples(
        "SELECT cell, at_ms, walk_no, user_no, local_day FROM capture WHERE cell = ?", cell
    )
    state = fold([CaptureEvent(*row) for row in rows], RULES)
    values = (0,) * 8 if state is None else tuple(state[1:])
    free_ms = 0 if state is None else free_at_ms(state, RULES)
    await tx.execute(
        """INSERT INTO cell_state (cell, owner, strength, visited_ms, taken_ms, strengthened_day,
             prev_owner, last_at_ms, last_walk_no, free_ms, rev, area_m2, province, city, town)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (cell) DO UPDATE SET owner = excluded.owner, strength = excluded.strength,
             visited_ms = excluded.visited_ms, taken_ms = excluded.taken_ms,
             strengthened_day = excluded.strengthened_day, prev_owner = excluded.prev_owner,
             last_at_ms = excluded.last_at_ms, last_walk_no = excluded.last_walk_no,
             free_ms = excluded.free_ms, rev = excluded.rev""",
        cell, *values, free_ms, await tx.revision(), area_m2, *places,
    )  # fmt: skip


async def delete_account(platform: Platform, user_no: int, now_ms: int) -> None:
    """Mark an account deleted and erase its captures, as users and territory do."""
    async with platform.database.transaction() as tx:
        rows = await tx.fetch_tuples("SELECT cell FROM capture WHERE user_no = ?", user_no)
        await tx.execute("DELETE FROM capture WHERE user_no = ?", user_no)
        for row in rows:
            await fold_cell(tx, row[0])
        await tx.execute("DELETE FROM walk_tally WHERE user_no = ?", user_no)
        await tx.execute(
            "UPDATE app_user SET deleted_ms = ?, display_name = '' WHERE user_no = ?",
            now_ms, user_no,
        )  # fmt: skip
