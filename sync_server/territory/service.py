"""The board: ownership of cells as the fold of all capture events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from game_engine import cells as h3cells
from game_engine.board import CaptureEvent, CellState, apply, fold, free_at_ms, needs_refold
from game_engine.rules import CURRENT_RULES, Rules, rules_for
from sync_server.platform import metrics
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.regions import service as regions

log = structlog.get_logger(__name__)
LOCK_CELLS = 4
_COLUMNS = (
    "cell, owner, strength, visited_ms, taken_ms, strengthened_day, prev_owner, "
    "last_at_ms, last_walk_no"
)
Places = dict[int, tuple[int, int, int]]


async def replace_captures(
    platform: Platform,
    tx: Tx,
    walk_no: int,
    user_no: int,
    events: Sequence[CaptureEvent],
    by_loop: Sequence[bool],
    now_ms: int,
) -> None:
    """Make `events` the captures of a walk, and the board the fold of all walks again.

    The first judgement of a walk usually only adds events later than any other of their cells:
    those are applied to the stored state. Everything else folds the cells anew.
    """
    old = [
        int(row[0])
        for row in await tx.fetch_tuples("SELECT cell FROM capture WHERE walk_no = ?", walk_no)
    ]
    touched = {event.cell for event in events}.union(old)
    if not touched:
        return
    await _lock_neighbourhoods(tx, touched)
    states = await load_states(tx, touched)
    if old:
        await tx.execute("DELETE FROM capture WHERE walk_no = ?", walk_no)
    await tx.executemany(
        "INSERT INTO capture (cell, at_ms, walk_no, user_no, local_day, by_loop) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [
            (e.cell, e.at_ms, e.walk_no, e.owner, e.local_day, int(loop))
            for e, loop in zip(events, by_loop, strict=True)
        ],
    )
    rules = rules_for(CURRENT_RULES)
    changed: list[CellState] = []
    refold = set(old)
    for event in events:
        state = states.get(event.cell)
        if event.cell in refold or (state is not None and needs_refold(state, event)):
            refold.add(event.cell)
        else:
            changed.append(apply(state, event, rules))
    emptied: list[int] = []
    if refold:
        folded = await _fold_cells(tx, refold, rules)
        changed += folded.values()
        emptied = [cell for cell in refold if cell not in folded and cell in states]
    await _update(tx, [state for state in changed if state.cell in states], rules, now_ms)
    fresh = [state for state in changed if state.cell not in states]
    await _insert(platform, tx, fresh, rules, now_ms)
    await _set_free(tx, emptied, now_ms)
    tx.at_end(_bump_owners, _owners(states, changed, emptied, user_no))
    metrics.CELLS.inc(len(events))


async def load_states(tx: Tx, cells: Iterable[int]) -> dict[int, CellState]:
    """Return the stored state of the cells that have one."""
    clause, argument = tx.in_list("cell", cells)
    rows = await tx.fetch_tuples(f"SELECT {_COLUMNS} FROM cell_state WHERE {clause}", argument)
    return {row[0]: CellState(*row) for row in rows}


async def events_of(
    tx: Tx, cells: Iterable[int], until_ms: int | None = None
) -> dict[int, list[CaptureEvent]]:
    """Return the capture events of cells, optionally only those up to a time."""
    clause, argument = tx.in_list("cell", cells)
    limit = "" if until_ms is None else " AND at_ms <= ?"
    rows = await tx.fetch_tuples(
        f"SELECT cell, at_ms, walk_no, user_no, local_day FROM capture WHERE {clause}{limit}",
        argument,
        *(() if until_ms is None else (until_ms,)),
    )
    events: dict[int, list[CaptureEvent]] = {}
    for row in rows:
        events.setdefault(row[0], []).append(CaptureEvent(*row))
    return events


async def _lock_neighbourhoods(tx: Tx, cells: Iterable[int]) -> None:
    """Let the walks of one neighbourhood take turns (PostgreSQL; SQLite's writer is alone).

    By res-7 parent: a cell that no walk has captured yet has no row that could be locked.
    """
    if tx.dialect == "postgres":
        await tx.lock(LOCK_CELLS, {h3cells.parent(cell, 7) >> 12 for cell in cells})


async def recently_lost(tx: Tx, user_no: int, since_ms: int) -> list[tuple[CellState, float]]:
    """Return the cells the user held at `since_ms` and lost to others after it, with their area."""
    rows = await tx.fetch_tuples(
        "SELECT cell, area_m2 FROM cell_state WHERE prev_owner = ? AND taken_ms > ? AND owner <> ?",
        user_no, since_ms, user_no,
    )  # fmt: skip
    areas = {row[0]: row[1] for row in rows}
    if not areas:
        return []
    states = await _fold_cells(tx, areas, rules_for(CURRENT_RULES), since_ms)
    return [(s, areas[s.cell]) for s in states.values() if s.owner == user_no]


async def _fold_cells(
    tx: Tx, cells: Iterable[int], rules: Rules, until_ms: int | None = None
) -> dict[int, CellState]:
    folded: dict[int, CellState] = {}
    for cell, events in (await events_of(tx, cells, until_ms)).items():
        state = fold(events, rules)
        if state is not None:
            folded[cell] = state
    return folded


async def _update(tx: Tx, states: Sequence[CellState], rules: Rules, now_ms: int) -> None:
    revision = await tx.revision()
    await tx.executemany(
        """UPDATE cell_state SET owner = ?, strength = ?, visited_ms = ?, taken_ms = ?,
             strengthened_day = ?, prev_owner = ?, last_at_ms = ?, last_walk_no = ?,
             free_ms = ?, rev = ?, changed_ms = ? WHERE cell = ?""",
        [(*state[1:], free_at_ms(state, rules), revision, now_ms, state.cell) for state in states],
    )


async def _insert(
    platform: Platform, tx: Tx, states: Sequence[CellState], rules: Rules, now_ms: int
) -> None:
    if not states:
        return
    revision = await tx.revision()
    places: Places = await regions.regions_of_cells(platform, [state.cell for state in states])
    await tx.executemany(
        f"""INSERT INTO cell_state ({_COLUMNS}, free_ms, rev, changed_ms, area_m2, province,
              city, town)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            (
                *state,
                free_at_ms(state, rules),
                revision,
                now_ms,
                h3cells.area_m2(state.cell),
                *places.get(state.cell, (0, 0, 0)),
            )
            for state in states
        ],
    )


async def _set_free(tx: Tx, cells: Sequence[int], now_ms: int) -> None:
    """Free cells that no walk captures any more; the row stays, so that readers see the change."""
    if not cells:
        return
    clause, argument = tx.in_list("cell", cells)
    await tx.execute(
        f"""UPDATE cell_state SET owner = 0, strength = 0, visited_ms = 0, taken_ms = 0,
              strengthened_day = 0, prev_owner = 0, last_at_ms = 0, last_walk_no = 0,
              free_ms = 0, rev = ?, changed_ms = ? WHERE {clause}""",
        await tx.revision(),
        now_ms,
        argument,
    )


def _owners(
    before: dict[int, CellState],
    changed: Sequence[CellState],
    emptied: Iterable[int],
    user_no: int,
) -> set[int]:
    """Return the users whose territory is another one now."""
    owners = {user_no}
    for state in changed:
        earlier = before.get(state.cell)
        if earlier is None or earlier.owner != state.owner:
            owners.add(state.owner)
            if earlier is not None:
                owners.add(earlier.owner)
    owners.update(before[cell].owner for cell in emptied if cell in before)
    owners.discard(0)
    return owners


async def _bump_owners(tx: Tx, owners: set[int]) -> None:
    """Give the owners a new territory version, so that their phones fetch it."""
    clause, argument = tx.in_list("user_no", sorted(owners))
    if tx.dialect == "postgres" and len(owners) > 1:
        # Same order everywhere, or two walks that meet would wait for each other; NO KEY, because
        # each push under way holds a KEY SHARE of its own user (against erasure).
        await tx.fetch_all(
            f"SELECT user_no FROM app_user WHERE {clause} ORDER BY user_no FOR NO KEY UPDATE",
            argument,
        )
    await tx.execute(
        f"UPDATE app_user SET territory_version = ? WHERE {clause}", await tx.revision(), argument
    )


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Take a user's captures out of the board; the cells fold again without them."""
    rows = await tx.fetch_tuples("SELECT DISTINCT cell FROM capture WHERE user_no = ?", user_no)
    cells = {int(row[0]) for row in rows}
    await _lock_neighbourhoods(tx, cells)
    await tx.execute("DELETE FROM capture WHERE user_no = ?", user_no)
    rules = rules_for(CURRENT_RULES)
    ordered = sorted(cells)
    for start in range(0, len(ordered), 2000):
        part = ordered[start : start + 2000]
        before = await load_states(tx, part)
        folded = await _fold_cells(tx, part, rules)
        emptied = [cell for cell in part if cell not in folded]
        await _update(tx, list(folded.values()), rules, now_ms)
        await _set_free(tx, emptied, now_ms)
        tx.at_end(_bump_owners, _owners(before, list(folded.values()), emptied, user_no))
    return []


async def names_of(tx: Tx, user_nos: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Return public id and display name of users that still exist."""
    wanted = sorted(number for number in user_nos if number > 0)
    if not wanted:
        return {}
    clause, argument = tx.in_list("user_no", wanted)
    rows = await tx.fetch_tuples(
        f"SELECT user_no, user_id, display_name FROM app_user "
        f"WHERE {clause} AND deleted_ms IS NULL",
        argument,
    )
    return {row[0]: (row[1], row[2]) for row in rows}
