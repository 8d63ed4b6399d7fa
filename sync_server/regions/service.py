"""Where cells lie, and what is known of a region.

The boundaries are held in this process as a spatial index, loaded when first needed and again
when an import made a new version of the region table.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import msgspec
import structlog

from game_engine import cells as h3cells
from sync_server.platform.context import Platform
from sync_server.platform.database import Database, DatabaseBusy, Tx
from sync_server.platform.errors import not_found
from sync_server.regions.schemas import Level, RegionDetail, RegionDoc, RegionList, RegionsAt

if TYPE_CHECKING:
    from game_engine.regions import RegionIndex

log = structlog.get_logger(__name__)
LEVELS: tuple[Level, ...] = ("province", "city", "town")
NOWHERE = (0, 0, 0)
VERSION_CHECK_S = 1.0
LOAD_TIMEOUT_S = 10.0
CELLS_PER_TRANSACTION = 20_000
# Walks that looked up their cells just before an import have committed by then.
SETTLE_MS = 60_000
_BUSY_TRIES = 5
_COLUMNS = (
    "r.region_id, r.level, r.code, r.name_ko, r.name_en, r.parent_id, "
    "r.min_lng, r.min_lat, r.max_lng, r.max_lat, i.attribution"
)
_FROM = "FROM region r JOIN region_import i ON i.import_id = r.import_id"


@dataclass
class _Loaded:
    """The index of one database in this process; `index` None while nothing is imported."""

    version: int = -1
    index: RegionIndex | None = None
    checked_s: float = float("-inf")
    checking: asyncio.Task[None] | None = None
    places: dict[int, tuple[int, int, int]] = field(default_factory=dict)


_loaded: WeakKeyDictionary[Database, _Loaded] = WeakKeyDictionary()
_PLACES_KEPT = 200_000


def forget(platform: Platform) -> None:
    """Make this process read the version of the region table again before its next answer."""
    _loaded.pop(platform.database, None)


async def regions_of_cells(
    platform: Platform, cells: Sequence[int]
) -> dict[int, tuple[int, int, int]]:
    """Return (province, city, town) region ids of each cell by its centre, 0 where none.

    Without an import this costs a dictionary. May be called inside a transaction: once loaded
    it waits for nothing, and a newer version is fetched behind its back (`sweep` gives the cells
    taken in that moment their regions). Raises DatabaseBusy when the first load gets no
    connection.
    """
    loaded = await _current(platform)
    if loaded.index is None:
        return dict.fromkeys(cells, NOWHERE)
    known = loaded.places
    missing = [cell for cell in cells if cell not in known]
    if missing:
        if len(known) + len(missing) > _PLACES_KEPT:
            known.clear()
            missing = list(cells)
        known.update(zip(missing, places_of(loaded.index, missing), strict=True))
    return {cell: known[cell] for cell in cells}


async def load(platform: Platform) -> None:
    """Load the regions at the start, so that no walk has to wait for them."""
    await _current(platform)


def places_of(index: RegionIndex, cells: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return (province, city, town) of each cell's centre."""
    return _assign(index, [h3cells.center(cell) for cell in cells])


def _assign(
    index: RegionIndex, positions: Sequence[tuple[float, float]]
) -> list[tuple[int, int, int]]:
    import numpy as np

    if not positions:
        return []
    points = np.array(positions, dtype=np.float64)
    by_level = index.assign(points[:, 0], points[:, 1])
    nowhere = [0] * len(positions)
    columns = [by_level[level].tolist() if level in by_level else nowhere for level in LEVELS]
    return list(zip(*columns, strict=True))


async def _current(platform: Platform) -> _Loaded:
    loaded = _loaded.get(platform.database)
    if loaded is None:
        loaded = _loaded[platform.database] = _Loaded()
    if monotonic() - loaded.checked_s >= VERSION_CHECK_S and (
        loaded.checking is None or loaded.checking.done()
    ):
        # A task of its own: the caller may hold a transaction, and must not lend it.
        loaded.checking = asyncio.create_task(_refresh(platform, loaded))
        loaded.checking.add_done_callback(_note_failure)
    if loaded.version < 0 and loaded.checking is not None:
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                await asyncio.shield(loaded.checking)
        except TimeoutError:
            raise DatabaseBusy("no connection to load the regions") from None
    return loaded


def _note_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.warning("regions_not_refreshed", error=str(task.exception()))


async def _refresh(platform: Platform, loaded: _Loaded) -> None:
    async with platform.database.read() as tx:
        version = int(await tx.fetch_value("SELECT COALESCE(MAX(import_id), 0) FROM region_import"))
        if version != loaded.version:
            rows = await tx.fetch_tuples("SELECT region_id, level, geometry FROM region")
            index = await asyncio.to_thread(_build, rows) if rows else None
            loaded.version, loaded.index, loaded.places = version, index, {}
    loaded.checked_s = monotonic()


def _build(rows: Sequence[tuple[Any, ...]]) -> RegionIndex:
    from game_engine.regions import RegionIndex, RegionShape

    return RegionIndex([RegionShape(row[0], row[1], bytes(row[2])) for row in rows])


# What an import changes of what exists ------------------------------------------------------


async def reassign_cells(platform: Platform, progress: Callable[[str, int, int], None]) -> int:
    """Give every cell of the board its regions again; return how many changed."""
    loaded = await _current(platform)
    async with platform.database.read() as tx:
        total = int(await tx.fetch_value("SELECT COUNT(*) FROM cell_state"))
    done, changed, last = 0, 0, 0
    while True:
        count, updated, last = await _reassign_part(platform, loaded.index, last)
        done, changed = done + count, changed + updated
        progress("cells", min(done, total), total)
        if count < CELLS_PER_TRANSACTION:
            return changed


async def _reassign_part(
    platform: Platform, index: RegionIndex | None, after: int
) -> tuple[int, int, int]:
    """Do the next cells; return how many there were, how many changed, and the last of them."""
    async with platform.database.read() as tx:
        rows = await tx.fetch_tuples(
            "SELECT cell, province, city, town FROM cell_state WHERE cell > ? "
            "ORDER BY cell LIMIT ?",
            after, CELLS_PER_TRANSACTION,
        )  # fmt: skip
    if not rows:
        return 0, 0, after
    cells = [int(row[0]) for row in rows]
    # Outside a transaction: a cell lies where it lies, whoever takes it meanwhile.
    places = (
        [NOWHERE] * len(cells)
        if index is None
        else await asyncio.to_thread(places_of, index, cells)
    )
    moved = [
        (*place, cell)
        for cell, place, row in zip(cells, places, rows, strict=True)
        if place != tuple(row[1:])
    ]
    if moved:
        await _move_cells(platform, moved)
    return len(rows), len(moved), cells[-1]


async def _move_cells(platform: Platform, moved: Sequence[tuple[int, int, int, int]]) -> None:
    for attempt in range(1, _BUSY_TRIES + 1):
        try:
            async with platform.database.transaction() as tx:
                revision = await tx.revision()
                await tx.executemany(
                    "UPDATE cell_state SET rev = ?, province = ?, city = ?, town = ? "
                    "WHERE cell = ?",
                    [(revision, *row) for row in moved],
                )
            return
        except DatabaseBusy:
            # PostgreSQL: a walk held one of the cells and waited for another.
            if attempt == _BUSY_TRIES:
                raise
            await asyncio.sleep(0.05 * 2**attempt)


async def retally_walks(platform: Platform, progress: Callable[[str, int, int], None]) -> None:
    """Have the walks domain count past walks by region again, where this server has it.

    Looked up when called: walks.service itself asks this module for the regions of its cells.
    """
    name = "sync_server.walks.service"
    if importlib.util.find_spec(name) is None:
        return
    retally = getattr(importlib.import_module(name), "retally", None)
    if retally is not None:
        progress("tallies", 0, 1)
        await retally(platform)
        progress("tallies", 1, 1)


async def sweep(platform: Platform, now_ms: int) -> None:
    """Finish imports: cells that were taken while one ran get their regions too."""
    await _current(platform)
    async with platform.database.read() as tx:
        newest = await tx.fetch_value(
            "SELECT MAX(import_id) FROM region_import "
            "WHERE settled_ms IS NULL AND imported_ms <= ?",
            now_ms - SETTLE_MS,
        )
    if newest is None:
        return
    forget(platform)
    await reassign_cells(platform, lambda stage, done, total: None)
    await retally_walks(platform, lambda stage, done, total: None)
    async with platform.database.transaction() as tx:
        await tx.execute(
            "UPDATE region_import SET settled_ms = ? WHERE settled_ms IS NULL AND import_id <= ?",
            now_ms, newest,
        )  # fmt: skip


# Reading ------------------------------------------------------------------------------------


async def list_regions(
    tx: Tx, level: Level | None, text: str | None, parent_id: int | None, limit: int, offset: int
) -> RegionList:
    """Return a page of regions whose Korean or English name holds `text`, ordered by code."""
    conditions, args = ["1 = 1"], list[Any]()
    if level is not None:
        conditions.append("r.level = ?")
        args.append(level)
    if parent_id is not None:
        conditions.append("r.parent_id = ?")
        args.append(parent_id)
    if text:
        escaped = text.lower()
        for sign in ("!", "%", "_"):
            escaped = escaped.replace(sign, f"!{sign}")
        conditions.append(
            "(LOWER(r.name_ko) LIKE ? ESCAPE '!' OR LOWER(r.name_en) LIKE ? ESCAPE '!')"
        )
        args += [f"%{escaped}%"] * 2
    where = " AND ".join(conditions)
    total = int(await tx.fetch_value(f"SELECT COUNT(*) FROM region r WHERE {where}", *args))
    rows = await tx.fetch_tuples(
        f"SELECT {_COLUMNS} {_FROM} WHERE {where} "
        "ORDER BY r.level, r.code, r.region_id LIMIT ? OFFSET ?",
        *args, limit, offset,
    )  # fmt: skip
    return RegionList(total, [_doc(row) for row in rows])


async def region(tx: Tx, region_id: int, with_geometry: bool = False) -> RegionDetail:
    """Return one region; raise not_found."""
    rows = await tx.fetch_tuples(
        f"SELECT {_COLUMNS}, r.geometry {_FROM} WHERE r.region_id = ?", region_id
    )
    if not rows:
        raise not_found()
    geometry = _geojson(bytes(rows[0][-1])) if with_geometry else None
    return RegionDetail(**msgspec.structs.asdict(_doc(rows[0])), geometry=geometry)


async def level_of(tx: Tx, region_id: int) -> Level:
    """Return a region's level; raise not_found."""
    found = await tx.fetch_value("SELECT level FROM region WHERE region_id = ?", region_id)
    if found is None:
        raise not_found()
    return cast(Level, found)


async def regions_at(platform: Platform, lat: float, lng: float) -> RegionsAt:
    """Return the regions that hold a position (degrees)."""
    loaded = await _current(platform)
    if loaded.index is None:
        return RegionsAt(None, None, None)
    ids = _assign(loaded.index, [(lat, lng)])[0]
    async with platform.database.read() as tx:
        clause, argument = tx.in_list("r.region_id", [number for number in ids if number])
        rows = await tx.fetch_tuples(f"SELECT {_COLUMNS} {_FROM} WHERE {clause}", argument)
    found = {int(row[0]): _doc(row) for row in rows}
    province, city, town = ids
    return RegionsAt(found.get(province), found.get(city), found.get(town))


def _doc(row: Sequence[Any]) -> RegionDoc:
    return RegionDoc(
        region_id=row[0], level=row[1], code=row[2], name_ko=row[3], name_en=row[4],
        parent_id=row[5] or None, bbox=[float(value) for value in row[6:10]],
        attribution=row[10],
    )  # fmt: skip


def _geojson(wkb: bytes) -> dict[str, Any]:
    import shapely

    shape: dict[str, Any] = msgspec.json.decode(shapely.to_geojson(shapely.from_wkb(wkb)))
    return shape
