"""The map as one viewer may see it: own cells live, others' cells 30 minutes late, homes hidden."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import h3.api.basic_int as h3
import numpy as np
import numpy.typing as npt

from game_engine import cells as h3cells
from game_engine.board import effective_strength, fold
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
MAX_WIDTH_DEG = 45.0
"""Only around a pole is a wider box small; H3 reads edges of half the globe the wrong way round."""
_RANGES_A_QUERY = 120
_PARENT_BITS = 3 * (15 - 7)
"""The bits of an id below the last digit of its res-7 ancestor."""
_RECENT = 15
_MARGIN_DEG = 0.006
_RUNNING_MS = 60_000
"""Longer than any push runs."""


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
    """Return the res-7 cells whose descendants touch a box; raise Problem area_too_large past 600.

    H3's cells do not nest exactly: a res-11 cell may lie up to half a kilometre outside its res-7
    ancestor, so the box is widened by that before it is filled.
    """
    west, south, east, north = bbox
    shrink = max(0.01, float(np.cos(np.radians((south + north) / 2))))
    # A res-7 cell is about 5 km2; refuse before H3 has to count a continent.
    width_km = (east - west) * 111.3 * shrink
    if width_km * (north - south) * 111.3 > MAX_NEIGHBOURHOODS * 6 or east - west > MAX_WIDTH_DEG:
        raise Problem("area_too_large")
    south, north = max(-90.0, south - _MARGIN_DEG), min(90.0, north + _MARGIN_DEG)
    west, east = (
        max(-180.0, west - _MARGIN_DEG / shrink),
        min(180.0, east + _MARGIN_DEG / shrink),
    )
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
    # Coarse cells are sums: a part of their cells says nothing.
    changes_only = since_ms > 0 and resolution == h3cells.RESOLUTION
    rows = await _rows(
        tx, neighbourhoods(bbox), viewer_no, since_ms if changes_only else None, now_ms
    )
    if len(rows) > MAX_CELLS:
        raise Problem("area_too_large")
    numbers = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=2 * len(rows))
    cells, codes = numbers[::2], numbers[1::2]
    owners, values = codes >> 4, codes & 15
    recent = np.flatnonzero(values == _RECENT)
    if len(recent):
        owners[recent], values[recent] = await _earlier(tx, cells[recent].tolist(), now_ms)
    owners = np.where(values > 0, owners, 0)
    if not changes_only:
        # Somebody who looks for the first time needs no list of free cells.
        held = owners != 0
        cells, owners, values = cells[held], owners[held], values[held]
    owners = await _hide_homes(tx, viewer_no, cells, owners)
    if resolution == h3cells.RESOLUTION:
        return MapView(resolution, cells, owners, values)
    return _coarse(cells, owners, resolution)


async def _rows(
    tx: Tx, parents: Iterable[int], viewer_no: int, since_ms: int | None, now_ms: int
) -> Sequence[tuple[Any, ...]]:
    """Return (cell, 16 * owner + strength now) of the cells to show, in ascending order.

    Strength 0 is a free cell; `_RECENT` stands for one whose last half hour is not public yet.
    The database works the strength out: half of the time of a large view goes by the column.
    """
    rules = rules_for(CURRENT_RULES)
    step = f"/ {rules.decay_step_ms}"
    recent = f"(last_at_ms > now_ms - {rules.public_delay_ms} AND owner <> viewer)"
    strength = f"(strength - (now_ms - visited_ms) {step})"
    code = (
        f"owner * 16 + CASE WHEN {recent} THEN {_RECENT} "
        f"WHEN free_ms <= now_ms OR {strength} < 0 THEN 0 ELSE {strength} END"
    )
    if since_ms is None:
        shown = f"owner <> 0 AND (free_ms > now_ms OR {recent})"
    else:
        shown = (
            f"(changed_ms > since_ms OR last_at_ms > since_ms - {rules.public_delay_ms} "
            "OR (free_ms > since_ms AND free_ms <= now_ms) "
            f"OR (now_ms - visited_ms) {step} <> (since_ms - visited_ms) {step} "
            "OR owner IN (SELECT user_no FROM home_zone WHERE set_ms > since_ms))"
        )
    # A push stamps its rows when it begins: one that ran while the viewer asked looks older.
    moments = (now_ms, (since_ms or 0) - _RUNNING_MS, viewer_no)
    ranges = _joined(parents)
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(ranges), _RANGES_A_QUERY):
        part = ranges[start : start + _RANGES_A_QUERY]
        where = " OR ".join(["cell BETWEEN ? AND ?"] * len(part))
        rows += await tx.fetch_tuples(
            f"""SELECT cell, {code} FROM cell_state, (SELECT CAST(? AS BIGINT) AS now_ms,
                  CAST(? AS BIGINT) AS since_ms, CAST(? AS BIGINT) AS viewer) asked
                WHERE ({where}) AND {shown} ORDER BY cell""",
            *moments,
            *(bound for pair in part for bound in pair),
        )
    return rows


def _joined(parents: Iterable[int]) -> list[tuple[int, int]]:
    """Return the ranges of res-11 ids of res-7 cells, neighbours in the order of ids as one."""
    joined: list[tuple[int, int]] = []
    last = -1
    for parent in sorted(parents):
        low, high = h3cells.descendant_range(parent)
        place = low >> _PARENT_BITS
        # The last digit of an id runs from 0 to 6.
        follows = place - last == (2 if last & 7 == 6 else 1)
        if joined and follows:
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
        last = place
    return joined


async def _earlier(tx: Tx, cells: Sequence[int], now_ms: int) -> tuple[list[int], list[int]]:
    """Return owners and strengths of cells without the events of the last half hour."""
    rules = rules_for(CURRENT_RULES)
    events = await service.events_of(tx, cells, until_ms=now_ms - rules.public_delay_ms)
    owners: list[int] = []
    values: list[int] = []
    for cell in cells:
        state = fold(events.get(cell, []), rules)
        owners.append(0 if state is None else state.owner)
        values.append(0 if state is None else effective_strength(state, now_ms, rules))
    return owners, values


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
