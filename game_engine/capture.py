"""Capture: the cells a walk takes by staying on the trail or by closing a loop around them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from game_engine import cells as grid
from game_engine.loops import MAX_COMPARISONS, enclosed_by, find_rings
from game_engine.rules import Rules
from game_engine.track import CleanTrack

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

REASON_LATTICE: Final = "loop_near_pentagon"
REASON_SEARCH: Final = "loop_search_ended"

# Vertices of the path are this far apart when loops are looked for: a fifth of the closing
# distance, and above the noise of a good fix.
_VERTEX_STEP_M: Final = 10.0
# Dwell not reached: later than any time.
_NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False, slots=True)
class Captures:
    """What a walk captured and visited.

    `cells`, `at_ms`, `loop` (one row per captured cell, sorted by time then cell): the cell, the
    moment in UTC ms when the first rule was met, and True when that rule was the loop.
    `visit_cells`, `visit_ms`, `visit_m` (sorted by cell): all cells with a kept fix, time and
    metres in each; the metres add up to the track's distance. `reasons`: stable codes of loops
    that were not filled.
    """

    cells: Int64
    at_ms: Int64
    loop: Bool
    visit_cells: Int64
    visit_ms: Int64
    visit_m: Float64
    reasons: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.cells)

    @classmethod
    def none(cls) -> "Captures":
        """Return captures of a walk that takes nothing."""
        ints, floats = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float64)
        return cls(ints, ints, np.zeros(0, dtype=np.bool_), ints, ints, floats)


@dataclass(frozen=True, slots=True)
class Dwell:
    """How far the walker is with the cell of the last fix.

    `fixes` and `seconds` in the cell so far, `needed_*` what the trail rule asks for in all;
    `captured` also when a loop took the cell.
    """

    cell: int
    fixes: int
    seconds: float
    needed_fixes: int
    needed_seconds: float
    captured: bool


@dataclass(frozen=True, eq=False, slots=True)
class _Visits:
    """Visited cells (sorted) with totals, and when the trail rule was met (`_NEVER` = not)."""

    cells: Int64
    stay_ms: Int64
    stay_m: Float64
    trail_at_ms: Int64


def capture(track: CleanTrack, rules: Rules) -> Captures:
    """Return the cells of a clean track: trail cells and the insides of closed loops.

    Trail: at least `trail_min_fixes` kept fixes and `trail_min_ms` in the cell; a kept segment
    counts whole where both ends are, else half for each end. The time of a capture is the time
    of the fix with which the rule is first met. Loop: see `loops`; the time is that of the fix
    that closes it. A cell is captured once, by whichever comes first. Source: GAME.md, Capture.
    """
    if not bool(track.fix_kept.any()):
        return Captures.none()
    fix_cells = grid.classify_path(track.fixes.lat_e5, track.fixes.lng_e5).view(np.int64)
    visits = _visits(track, fix_cells, rules)
    on_trail = visits.trail_at_ms != _NEVER
    looped, reasons = _looped_at_ms(track, fix_cells, rules)
    trail_cells, trail_at_ms = visits.cells[on_trail], visits.trail_at_ms[on_trail]
    loop_cells = np.fromiter(looped.keys(), np.int64, len(looped))
    loop_at_ms = np.fromiter(looped.values(), np.int64, len(looped))
    cells = np.concatenate([trail_cells, loop_cells])
    at_ms = np.concatenate([trail_at_ms, loop_at_ms])
    loop = np.repeat([False, True], [len(trail_cells), len(loop_cells)])
    # Per cell the earliest row; the trail comes first when both rules are met at once.
    order = np.lexsort((loop, at_ms, cells))
    first = order[np.diff(cells[order], prepend=-1) != 0]
    first = first[np.argsort(at_ms[first], kind="stable")]  # within one moment still by cell
    return Captures(
        cells=cells[first],
        at_ms=at_ms[first],
        loop=loop[first],
        visit_cells=visits.cells,
        visit_ms=visits.stay_ms,
        visit_m=visits.stay_m,
        reasons=reasons,
    )


def dwell_of_current(track: CleanTrack, rules: Rules) -> Dwell | None:
    """Return the progress in the cell of the last fix; None for a track without fixes."""
    if not len(track.fixes):
        return None
    last = track.fixes.take(slice(-1, None))
    cell = int(grid.classify(last.lat_e5, last.lng_e5)[0])
    captures = capture(track, rules)
    fixes, stay_ms = 0, 0
    if cell in captures.visit_cells:
        fix_cells = grid.classify_path(track.fixes.lat_e5, track.fixes.lng_e5).view(np.int64)
        fixes = int(np.count_nonzero((fix_cells == cell) & track.fix_kept))
        stay_ms = int(captures.visit_ms[captures.visit_cells == cell][0])
    return Dwell(
        cell=cell,
        fixes=fixes,
        seconds=stay_ms / 1000,
        needed_fixes=rules.trail_min_fixes,
        needed_seconds=rules.trail_min_ms / 1000,
        captured=bool(cell in captures.cells),
    )


def _visits(track: CleanTrack, fix_cells: Int64, rules: Rules) -> _Visits:
    kept = np.flatnonzero(track.fix_kept)
    # Few cells and many fixes: number the cells by the stretches between changes of cell.
    starts = np.flatnonzero(np.diff(fix_cells[kept], prepend=-1))
    cells, number = np.unique(fix_cells[kept][starts], return_inverse=True)
    cell_no = np.zeros(len(fix_cells), dtype=np.int32)
    cell_no[kept] = np.repeat(number, np.diff(starts, append=len(kept)))
    n = len(cells)

    t_ms = track.fixes.t_ms
    segment = np.flatnonzero(track.segment_kept)
    leave, enter = cell_no[segment], cell_no[segment + 1]
    whole_ms = t_ms[segment + 1] - t_ms[segment]
    leave_ms = np.where(leave == enter, 0, whole_ms // 2)
    half_m = track.segment_distance_m[segment] / 2
    # Two credits a segment, in the order of time: to the cell left, to the cell entered.
    credit_no = np.stack([leave, enter], axis=1).ravel()
    credit_ms = np.stack([leave_ms, whole_ms - leave_ms], axis=1).ravel()
    by_cell = np.argsort(credit_no, kind="stable")
    stay_ms = np.bincount(credit_no, credit_ms, n).astype(np.int64)

    stay_m = np.bincount(np.concatenate([leave, enter]), np.tile(half_m, 2), n).astype(np.float64)

    # The credits of a cell are neighbours now, so one running sum serves all cells.
    total_ms = np.cumsum(credit_ms[by_cell])
    before_ms = np.cumsum(stay_ms) - stay_ms
    met = np.searchsorted(total_ms, before_ms + max(rules.trail_min_ms, 1))
    met_ms = t_ms[segment[by_cell[np.minimum(met, len(by_cell) - 1)] >> 1] + 1]

    fixes = np.bincount(cell_no[kept], minlength=n)
    enough = np.cumsum(fixes) - fixes + rules.trail_min_fixes - 1
    fix_by_cell = kept[np.argsort(cell_no[kept], kind="stable")]
    fixes_met_ms = t_ms[fix_by_cell[np.minimum(enough, len(kept) - 1)]]
    is_trail = (stay_ms >= rules.trail_min_ms) & (fixes >= rules.trail_min_fixes)
    return _Visits(
        cells=cells,
        stay_ms=stay_ms,
        stay_m=stay_m,
        trail_at_ms=np.where(is_trail, np.maximum(met_ms, fixes_met_ms), _NEVER),
    )


def _looped_at_ms(
    track: CleanTrack, fix_cells: Int64, rules: Rules
) -> tuple[dict[int, int], tuple[str, ...]]:
    """Return when each enclosed cell was first enclosed (UTC ms), and reasons for loops lost."""
    closed: list[tuple[int, list[int]]] = []
    reasons: set[str] = set()
    left = MAX_COMPARISONS
    edges = np.diff(track.segment_joined.astype(np.int8), prepend=0, append=0)
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        along_m = np.concatenate([[0.0], np.cumsum(track.segment_distance_m[begin:end])])
        if along_m[-1] < rules.loop_min_along_m:
            continue
        # Vertices at equal steps along the path thin out dense fixes and fill in sparse ones.
        vertex_m = np.arange(0.0, along_m[-1], _VERTEX_STEP_M)
        x_m = np.interp(vertex_m, along_m, track.x_m[begin : end + 1])
        y_m = np.interp(vertex_m, along_m, track.y_m[begin : end + 1])
        min_area_m2 = rules.loop_min_cells * grid.area_m2(int(fix_cells[begin]))
        rings, comparisons = find_rings(x_m, y_m, min_area_m2, rules, left)
        left -= comparisons
        if left <= 0:
            reasons.add(REASON_SEARCH)
        if not rings:
            continue
        fix_before = begin + np.searchsorted(along_m, vertex_m, side="right") - 1
        fix_after = begin + np.searchsorted(along_m, vertex_m, side="left")
        for ring in rings:
            inside = enclosed_by(fix_cells[fix_before[list(ring.vertices)]].tolist())
            if inside is None:
                reasons.add(REASON_LATTICE)
                continue
            closed_ms = int(track.fixes.t_ms[fix_after[ring.vertices[-1]]])
            closed.append((closed_ms, inside))
    at_ms: dict[int, int] = {}
    for closed_ms, inside in reversed(closed):  # the earliest loop has the last word
        at_ms.update(dict.fromkeys(inside, closed_ms))
    return at_ms, tuple(sorted(reasons))
