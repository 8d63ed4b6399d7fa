"""Holes in a track: short ones are filled and marked, long ones split it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.smoothing.medians import median

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# A quarter of a stride of a walking dog: within it a paw's path is nearly a straight line.
LONGEST_FILLED_MS: Final = 150.0


@dataclass(frozen=True, slots=True)
class FilledTrack:
    """A track without short holes.

    `values` (T, N) with NaN where a long hole is, `imputed` (T, N) true where a value was filled,
    `segment` (T, N) the number of the unbroken piece a frame belongs to, -1 in a long hole.
    """

    values: Array
    imputed: Flags
    segment: npt.NDArray[np.int64]


def fill_gaps(
    values: npt.ArrayLike,
    timestamps_ms: npt.ArrayLike,
    *,
    longest_filled_ms: float = LONGEST_FILLED_MS,
) -> FilledTrack:
    """Fill holes of at most `longest_filled_ms` by straight lines, each column for itself.

    `values` (T, N) with NaN in holes; a hole's length is the time between the frames around it,
    less one usual frame step. Holes at the ends have one side only and are never filled. A step
    between two frames that are both there, but further apart, splits as well.
    """
    y = np.array(values, dtype=np.float64)
    t_ms = np.asarray(timestamps_ms, dtype=np.float64)
    if y.ndim != 2 or t_ms.shape != (len(y),):
        raise ValueError(f"values {y.shape} and times {t_ms.shape} do not go together")
    frames = len(y)
    if frames == 0:
        return FilledTrack(y, np.zeros(y.shape, bool), np.zeros(y.shape, np.int64))
    seen = np.isfinite(y)
    usual_ms = median(np.diff(t_ms)) if frames > 1 else 0.0
    imputed = np.zeros(y.shape, bool)
    if not seen.all():
        at = np.arange(frames)[:, None]
        rows, columns = np.nonzero(~seen)
        before = np.maximum.accumulate(np.where(seen, at, -1), axis=0)[rows, columns]
        last_first = np.where(seen, at, frames)[::-1]
        after = np.minimum.accumulate(last_first, axis=0)[::-1][rows, columns]
        inner = np.flatnonzero((before >= 0) & (after < frames))
        rows, columns, before, after = (part[inner] for part in (rows, columns, before, after))
        span_ms = t_ms[after] - t_ms[before]
        short = np.flatnonzero(span_ms - usual_ms <= longest_filled_ms)
        rows, columns, before, after = (part[short] for part in (rows, columns, before, after))
        share = (t_ms[rows] - t_ms[before]) / span_ms[short]
        y[rows, columns] = y[before, columns] * (1 - share) + y[after, columns] * share
        imputed[rows, columns] = True
    there = seen | imputed
    leap = np.diff(t_ms, prepend=t_ms[0]) - usual_ms > longest_filled_ms
    starts = there.copy()
    starts[1:] &= leap[1:, None] | ~there[:-1]
    segment = np.where(there, np.cumsum(starts, axis=0) - 1, -1)
    return FilledTrack(y, imputed, segment.astype(np.int64, copy=False))
