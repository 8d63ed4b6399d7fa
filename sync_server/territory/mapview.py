"""The map as one viewer may see it: own cells live, others' cells 30 minutes late, homes hidden."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import h3.api.basic_int as h3
import numpy as np
import numpy.typing as npt

from game_engine import cells as h3cells
from game_engine.board import fold, free_at_ms
from game_engine.privacy import in_zone
from game_engine.rules import CURRENT_RULES, rules_for
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem
from sync_server.privacy import service as privacy
from sync_server.territory import service

Int64 = npt.NDArray[np.int64]
MAX_NEIGHBOURHOODS = 600
"""Most res-7 cells (5 km2 each) that one request may touch."""
MAX_CELLS = 120_000
HIDDEN = -1
"""Owner of a cell in somebody's private zone, as others see it."""
_RANGES_A_QUERY = 120


@dataclass(frozen=True, eq=False)
class MapView:
    """Cells in ascending order with owner (user_no, 0 = free again, -1 = hidden) and value.

    `value` is the strength 1..5 at resolution 11, else the number of owned cells inside.
    """

    resolution: int
    cells: Int64
    owners: Int64
    values: Int64


def resolution_for(zoom: float) -> int:
    """Return the H3 resolution drawn at a web-map zoom level."""
    if zoom >= 14:
        return 11
    if zoom >= 12:
        return 9
    return 8 if zoom >= 10 else 7


def parse_bbox(text: str) -> tuple[float, float, float, float]:
    """Read `west,south,east,north` in degrees; raise Problem invalid_input."""
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise Problem("invalid_input", "bbox is west,south,east,north in degrees") from None
    inside = -180 <= west < east <= 180 and -90 <= south < north <= 90
    if not inside:
        raise Problem("invalid_input", "bbox must run from south-west to north-east")
    return west, south, east, north


def neighbourhoods(bbox: tuple[float, float, float, float]) -> list[int]:
    """Return the res-7 cells that touch a box; raise Problem area_too_large beyond 600."""
    west, south, east, north = bbox
    # A res-7 cell is about 5 km2; refuse before H3 has to count a continent.
    width_km = (east - west) * 111.3 * max(0.01, float(np.cos(np.radians((south + north) / 2))))
    if width_km * (north - south) * 111.3 > MAX_NEIGHBOURHOODS * 6:
        raise Problem("area_too_large")
    corners = [(south, west), (south, east), (north, east), (north, west)]
    found = set(h3.h3shape_to_cells_experimental(h3.LatLngPoly(corners), 7, contain="overlap"))
    found.add(h3.latlng_to_cell((south + north) / 2, (west + east) / 2, 7))
    if len(found) > MAX_NEIGHBOURHOODS:
        raise Problem("area_too_large")
    return sorted(found)


async def view(
    tx: Tx,
    viewer_no: int,
    bbox: tuple[float, float, float, float],
    resolution: int,
    since_ms: int,
    now_ms: int,
) -> MapView:
    """Build the map of a box for one viewer; with `since_ms`, only what may have changed since."""
    rules = rules_for(CURRENT_RULES)
    rows = await _rows(tx, neighbourhoods(bbox))
    if len(rows) > MAX_CELLS:
        raise Problem("area_too_large")
    table = np.array(rows, dtype=np.int64).reshape(-1, 8)
    cells, owners, strength = table[:, 0], table[:, 1].copy(), table[:, 2]
    visited, last_at, free, changed = (table[:, i].copy() for i in (3, 4, 5, 6))
    cutoff_ms = now_ms - rules.public_delay_ms
    value = strength - np.maximum(now_ms - visited, 0) // rules.decay_step_ms
    recent = (last_at > cutoff_ms) & (owners != viewer_no)
    if recent.any():
        await _show_earlier(tx, cells, owners, value, free, np.flatnonzero(recent), cutoff_ms)
    fresh = (changed > since_ms) | (last_at + rules.public_delay_ms > since_ms)
    fresh |= (free > since_ms) & (free <= now_ms)
    owned = (owners != 0) & (free > now_ms) & (value > 0)
    owners = np.where(owned, owners, 0)
    # Somebody who looks for the first time needs no list of free cells.
    keep = fresh if since_ms > 0 and resolution == h3cells.RESOLUTION else owned
    cells, owners, value = cells[keep], owners[keep], np.where(owned, value, 0)[keep]
    owners = await _hide_homes(tx, viewer_no, cells, owners)
    if resolution == h3cells.RESOLUTION:
        return MapView(resolution, cells, owners, value)
    return _coarse(cells, owners, resolution)


async def _rows(tx: Tx, parents: Iterable[int]) -> Sequence[tuple[Any, ...]]:
    ranges: list[tuple[int, int]] = []
    for low, high in sorted(h3cells.descendant_range(parent) for parent in parents):
        ranges.append((low, high))
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(ranges), _RANGES_A_QUERY):
        part = ranges[start : start + _RANGES_A_QUERY]
        where = " OR ".join(["cell BETWEEN ? AND ?"] * len(part))
        rows += await tx.fetch_tuples(
            "SELECT cell, owner, strength, visited_ms, last_at_ms, free_ms, changed_ms, rev "
            f"FROM cell_state WHERE {where} ORDER BY cell",
            *(bound for pair in part for bound in pair),
        )
    return rows


async def _show_earlier(
    tx: Tx, cells: Int64, owners: Int64, value: Int64, free: Int64, index: Int64, cutoff_ms: int
) -> None:
    """Replace cells that changed within the last half hour by what they were before."""
    rules = rules_for(CURRENT_RULES)
    events = await service.events_of(tx, cells[index].tolist(), until_ms=cutoff_ms)
    for at in index.tolist():
        state = fold(events.get(int(cells[at]), []), rules)
        owners[at] = 0 if state is None else state.owner
        value[at] = 0 if state is None else state.strength
        free[at] = 0 if state is None else free_at_ms(state, rules)


async def _hide_homes(tx: Tx, viewer_no: int, cells: Int64, owners: Int64) -> Int64:
    others = [int(owner) for owner in np.unique(owners) if owner not in (0, viewer_no)]
    for owner, zones in (await privacy.zones_by_user(tx, others)).items():
        mine = np.flatnonzero(owners == owner)
        owners[mine[in_zone(cells[mine], zones)]] = HIDDEN
    return owners


def _coarse(cells: Int64, owners: Int64, resolution: int) -> MapView:
    """Gather cells into their parents: the owner of most of them, and how many are owned."""
    if not len(cells):
        return MapView(resolution, cells, owners, owners)
    parents = _parents(cells, resolution)
    order = np.lexsort((owners, parents))
    parents, owners = parents[order], owners[order]
    starts = np.flatnonzero(
        np.r_[True, (parents[1:] != parents[:-1]) | (owners[1:] != owners[:-1])]
    )
    counts = np.diff(np.r_[starts, len(parents)])
    group_parent, group_owner = parents[starts], owners[starts]
    best = np.lexsort((group_owner, -counts, group_parent))
    first = best[np.flatnonzero(np.r_[True, np.diff(group_parent[best]) != 0])]
    totals = np.add.reduceat(counts, np.flatnonzero(np.r_[True, np.diff(group_parent) != 0]))
    return MapView(resolution, group_parent[first], group_owner[first], totals)


def _parents(cells: Int64, resolution: int) -> Int64:
    """Return the H3 parents of cells, all at once.

    An H3 id holds the resolution in bits 52-55 and one digit of 3 bits a level, level 15 lowest;
    unused digits are 7 (https://h3geo.org/docs/core-library/h3Indexing).
    """
    unused = (1 << (3 * (15 - resolution))) - 1
    cleared = cells & ~(np.int64(0xF) << np.int64(52))
    return np.asarray(cleared | (np.int64(resolution) << np.int64(52)) | np.int64(unused))
