"""Closed loops of a walk: where the trail meets itself again, and the cells inside.

A loop is found on the path (geometry, prefix sums) and filled on the hexagon lattice (integers).
The two meet only in the list of cells that the ring runs through.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot, pi
from typing import Final

import h3
import h3.api.basic_int as h3_int
import numpy as np
import numpy.typing as npt

from game_engine.cells import RESOLUTION
from game_engine.rules import Rules

Float64 = npt.NDArray[np.float64]

# Of the vertices in one bin only the latest are asked: about two passes. A loop wants the latest
# pass, and a walker who scribbles in one place must not make every vertex ask all others.
_ASKED_PER_BIN: Final = 10
# Work in one walk, in pairs of vertices compared: about 30 ms. An hour of criss-crossing a park
# needs a tenth of it.
MAX_COMPARISONS: Final = 60_000
# A vertex asks nine bins, and a cell of a ring is bridged and flooded: as long as so many pairs.
_COMPARISONS_PER_VERTEX: Final = 6
_COMPARISONS_PER_RING_VERTEX: Final = 10
# The first look at "was anybody here before" uses bins modulo this number a side.
_WRAP_BINS: Final = 64
_BIN_ROW: Final = 1 << 32
# Kept neighbours are at most 60 s x 4.2 m/s = 252 m apart: 7 cells. A longer step on the lattice
# means that the lattice is broken there (next to a pentagon).
_BRIDGE_MAX_CELLS: Final = 16
_PENTAGONS: Final = frozenset(h3_int.get_pentagons(RESOLUTION))


@dataclass(frozen=True, slots=True)
class Ring:
    """A closed piece of a path: vertex numbers in order, the last one closes it."""

    vertices: tuple[int, ...]
    area_m2: float
    perimeter_m: float


def find_rings(
    x_m: Float64,
    y_m: Float64,
    min_area_m2: float,
    rules: Rules,
    max_comparisons: int = MAX_COMPARISONS,
) -> tuple[list[Ring], int]:
    """Return the rings of one unbroken path in the order they close, and the work done.

    `x_m`, `y_m` are vertices about 10 m apart. At each vertex the earlier ones within
    `loop_close_m` and at least `loop_min_along_m` back along the path are candidates: the nearest
    of each pass, latest pass first. The first whose ring has the area and compactness asked for
    is accepted and the ring is erased from the path, so that a second lap, the other half of a
    figure eight or the stem of a lollipop is judged on its own. The search looks only back: what
    follows a vertex never changes a ring closed there. It ends when the work, in pairs of
    vertices compared, reaches `max_comparisons`.
    """
    path = _Path(x_m, y_m, rules.loop_close_m)
    rings: list[Ring] = []
    comparisons = 0
    for vertex in path.may_close(rules.loop_min_along_m):
        path.walk_to(vertex)
        if comparisons >= max_comparisons:
            break
        comparisons += path.compare(vertex, rules.loop_min_along_m)
        for position in path.passes:
            area_m2, perimeter_m = path.measure(position, vertex)
            if (
                min_area_m2 <= area_m2 <= rules.loop_max_area_m2
                and 4 * pi * area_m2 > rules.loop_min_compactness * perimeter_m**2
            ):
                ring = (*path.vertices[position:], vertex)
                rings.append(Ring(ring, area_m2, perimeter_m))
                comparisons += len(ring) * _COMPARISONS_PER_RING_VERTEX
                path.erase_to(position, vertex)
                break
    return rings, comparisons


class _Path:
    """The path walked so far without its erased rings: a stack of vertices with prefix sums.

    `along_m` is the length up to each vertex, `swept_m2` twice the area swept from the origin:
    with both, a candidate ring costs the same however long it is.
    """

    def __init__(self, x_m: Float64, y_m: Float64, close_m: float) -> None:
        x, y = x_m - x_m[0], y_m - y_m[0]
        cross = x[:-1] * y[1:] - x[1:] * y[:-1]
        self._chain_along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        self._chain_swept = np.concatenate([[0.0], np.cumsum(cross)])
        self._column = np.floor(x / close_m).astype(np.int64)
        self._row = np.floor(y / close_m).astype(np.int64)
        self._x: list[float] = x.tolist()
        self._y: list[float] = y.tolist()
        self._bin = (self._column * _BIN_ROW + self._row).tolist()
        self._near_bins = [c * _BIN_ROW + r for c in (-1, 0, 1) for r in (-1, 0, 1)]
        self._close_m2 = close_m * close_m
        self._positions_in: defaultdict[int, list[int]] = defaultdict(list)
        self.vertices: list[int] = [0]
        self.along_m: list[float] = [0.0]
        self.swept_m2: list[float] = [0.0]
        self.passes: list[int] = []
        self._positions_in[self._bin[0]].append(0)

    def may_close(self, min_along_m: float) -> list[int]:
        """Return the vertices near enough to a much earlier one, and some that are not.

        A filter for speed: an ordinary walk asks for few vertices, a straight one for none.
        Erasing rings only shortens the way back, so no vertex is missed.
        """
        n = len(self._x)
        column, row = self._column % _WRAP_BINS, self._row % _WRAP_BINS
        first = np.full((_WRAP_BINS, _WRAP_BINS), n - 1, dtype=np.int64)
        first[column[::-1], row[::-1]] = np.arange(n - 1, -1, -1)
        for axis in (0, 1):
            before, after = np.roll(first, 1, axis), np.roll(first, -1, axis)
            first = np.minimum(first, np.minimum(before, after))
        back_m = self._chain_along - self._chain_along[first[column, row]]
        return np.flatnonzero(back_m >= min_along_m).tolist()

    def walk_to(self, vertex: int) -> None:
        """Append the vertices of the chain after the last one up to before `vertex`."""
        last, position = self.vertices[-1], len(self.vertices)
        if last + 1 >= vertex:
            return
        new = slice(last + 1, vertex)
        along = self._chain_along[new] + (self.along_m[-1] - self._chain_along[last])
        swept = self._chain_swept[new] + (self.swept_m2[-1] - self._chain_swept[last])
        self.vertices.extend(range(last + 1, vertex))
        self.along_m.extend(along.tolist())
        self.swept_m2.extend(swept.tolist())
        for offset, bin_key in enumerate(self._bin[new]):
            self._positions_in[bin_key].append(position + offset)

    def compare(self, vertex: int, min_along_m: float) -> int:
        """Set `passes` to the nearest position of each earlier pass; return the work it took."""
        x, y = self._x, self._y
        x0, y0, vertices = x[vertex], y[vertex], self.vertices
        last = vertices[-1]
        along_m = self.along_m[-1] + hypot(x0 - x[last], y0 - y[last])
        far_back = bisect_right(self.along_m, along_m - min_along_m)
        near: list[int] = []
        for offset in self._near_bins:
            in_bin = self._positions_in.get(self._bin[vertex] + offset)
            if in_bin and in_bin[0] < far_back:
                end = bisect_left(in_bin, far_back)
                near += in_bin[max(0, end - _ASKED_PER_BIN) : end]
        near.sort(reverse=True)
        self.passes = []
        previous, nearest_m2 = -1, 0.0
        for position in near:
            other = vertices[position]
            distance_m2 = (x[other] - x0) ** 2 + (y[other] - y0) ** 2
            if distance_m2 > self._close_m2:
                continue
            if position != previous - 1:
                self.passes.append(position)
                nearest_m2 = distance_m2
            elif distance_m2 < nearest_m2:
                self.passes[-1] = position
                nearest_m2 = distance_m2
            previous = position
        return len(near) + _COMPARISONS_PER_VERTEX

    def measure(self, position: int, vertex: int) -> tuple[float, float]:
        """Return (area m², perimeter m) of the ring from `position` over the end to `vertex`.

        Shoelace formula from prefix sums, in constant time.
        """
        start, last = self.vertices[position], self.vertices[-1]
        swept_m2 = self.swept_m2[-1] - self.swept_m2[position]
        swept_m2 += self._cross(last, vertex) + self._cross(vertex, start)
        length_m = self.along_m[-1] - self.along_m[position]
        length_m += self._distance(last, vertex) + self._distance(vertex, start)
        return abs(swept_m2) / 2, length_m

    def erase_to(self, position: int, vertex: int) -> None:
        """Drop everything after `position` and go straight from there to `vertex`."""
        for erased in self.vertices[position + 1 :]:
            # Positions in a bin rise, so an erased one is always the last.
            self._positions_in[self._bin[erased]].pop()
        del self.vertices[position + 1 :]
        del self.along_m[position + 1 :]
        del self.swept_m2[position + 1 :]
        start = self.vertices[position]
        self.along_m.append(self.along_m[-1] + self._distance(start, vertex))
        self.swept_m2.append(self.swept_m2[-1] + self._cross(start, vertex))
        self.vertices.append(vertex)
        self._positions_in[self._bin[vertex]].append(position + 1)

    def _cross(self, a: int, b: int) -> float:
        x, y = self._x, self._y
        return x[a] * y[b] - x[b] * y[a]

    def _distance(self, a: int, b: int) -> float:
        return hypot(self._x[b] - self._x[a], self._y[b] - self._y[a])


def enclosed_by(ring: Sequence[int]) -> list[int] | None:
    """Return the cells enclosed by a ring of cells, or None where the lattice is broken.

    The ring is closed and its gaps are bridged in straight lines on the lattice; then the outside
    is flooded. Enclosed is what the flood neither reaches nor touches: all cells inside, and
    those cells of the ring itself that lie behind others, so that a fix thrown inwards by noise
    takes nothing away. None near the twelve pentagons of H3, all of them at sea.
    """
    origin = ring[0]
    try:
        place = {cell: h3_int.cell_to_local_ij(origin, cell) for cell in set(ring)}
    except h3.H3BaseException:
        return None
    wall: set[tuple[int, int]] = set()
    corners = [place[cell] for cell in ring]
    for start, end in pairwise([*corners, corners[0]]):
        if start != end and not _bridge(start, end, wall):
            return None
    inside = _enclosed_places(wall)
    try:
        cells = [h3_int.local_ij_to_cell(origin, i, j) for i, j in inside]
    except h3.H3BaseException:
        return None
    return cells if _PENTAGONS.isdisjoint(cells) else None


def _bridge(start: tuple[int, int], end: tuple[int, int], wall: set[tuple[int, int]]) -> bool:
    """Add the places after `start` up to `end` to `wall`; False when they are too far apart.

    Neighbours on H3's IJ axes, 120 degrees apart, are (1,0), (0,1), (1,1) and their opposites.
    Any difference is a sum of two adjacent ones of these; they are mixed evenly.
    """
    (i, j), (di, dj) = start, (end[0] - start[0], end[1] - start[1])
    if -1 <= di <= 1 and -1 <= dj <= 1 and di != -dj:
        wall.add(end)  # a neighbour: nearly every step of a walk
        return True
    if (di >= 0) == (dj >= 0):
        diagonal = min(di, dj, key=abs)
        first, first_count = (_sign(di), _sign(dj)), abs(diagonal)
        second = (_sign(di - diagonal), _sign(dj - diagonal))
        steps = max(abs(di), abs(dj))
    else:
        first, first_count, second = (_sign(di), 0), abs(di), (0, _sign(dj))
        steps = abs(di) + abs(dj)
    if steps > _BRIDGE_MAX_CELLS:
        return False
    for step in range(steps):
        # An integer line: `first` whenever its even share of the steps so far grows.
        done = (2 * step * first_count + steps) // (2 * steps)
        due = (2 * (step + 1) * first_count + steps) // (2 * steps)
        move = first if due > done else second
        i, j = i + move[0], j + move[1]
        wall.add((i, j))
    return True


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _enclosed_places(wall: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the places neither reached nor touched by a flood from outside of `wall`.

    Each row of the lattice is one integer, a bit per place, with a free border all around.
    """
    if not wall:
        return []
    low_i, low_j = min(i for i, _ in wall) - 1, min(j for _, j in wall) - 1
    width = max(i for i, _ in wall) - low_i + 2
    height = max(j for _, j in wall) - low_j + 2
    everywhere = (1 << width) - 1
    free = [everywhere] * height
    for i, j in wall:
        free[j - low_j] &= ~(1 << (i - low_i))
    wet = [everywhere] + [0] * (height - 1)
    rising = True
    while rising:
        rising = False
        for row in range(1, height):
            above = wet[row - 1]
            rising |= _soak(wet, row, above | above << 1, free[row], width)
        for row in range(height - 2, -1, -1):
            below = wet[row + 1]
            rising |= _soak(wet, row, below | below >> 1, free[row], width)
    enclosed = []
    for row in range(1, height - 1):
        here, above, below = wet[row], wet[row - 1], wet[row + 1]
        touched = here | here << 1 | here >> 1 | above | above << 1 | below | below >> 1
        dry = everywhere & ~touched
        while dry:
            lowest = dry & -dry
            after = ~dry & (dry + lowest)  # the bit behind the lowest run of ones
            first, end = lowest.bit_length() - 1, (after & -after).bit_length() - 1
            enclosed += [(low_i + column, low_j + row) for column in range(first, end)]
            dry &= -1 << end
    return enclosed


def _soak(wet: list[int], row: int, inflow: int, free: int, width: int) -> bool:
    """Let `inflow` spread along a row through free places; True when the row got wetter."""
    water = (wet[row] | inflow) & free
    if water == wet[row]:
        return False
    rightwards = leftwards = free
    reach = 1
    # Spreads 1, 2, 4 ... places a turn; the masks keep places whose whole way is free.
    while reach < width:
        water |= rightwards & water << reach | leftwards & water >> reach
        rightwards &= rightwards << reach
        leftwards &= leftwards >> reach
        reach *= 2
    wet[row] = water
    return True
