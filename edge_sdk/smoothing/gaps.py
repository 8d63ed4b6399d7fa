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
    at = np.arange(frames)[:, None]
    before = np.maximum.accumulate(np.where(seen, at, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, at, frames)[::-1], axis=0)[::-1]
    inner = (before >= 0) & (after < frames)
    b, a = np.clip(before, 0, frames - 1), np.clip(after, 0, frames - 1)
    usual_ms = median(np.diff(t_ms)) if frames > 1 else 0.0
    span_ms = t_ms[a] - t_ms[b]
    hole_ms = span_ms - usual_ms
    imputed = ~seen & inner & (hole_ms <= longest_filled_ms)
    if imputed.any():
        column = np.broadcast_to(np.arange(y.shape[1]), y.shape)
        share = (t_ms[:, None] - t_ms[b]) / np.where(span_ms > 0, span_ms, 1.0)
        line = y[b, column] * (1 - share) + y[a, column] * share
        y[imputed] = line[imputed]
    there = seen | imputed
    leap = np.zeros(y.shape, bool)
    leap[1:] = (np.diff(t_ms) - usual_ms > longest_filled_ms)[:, None]
    starts = there & (leap | ~np.vstack([np.zeros((1, y.shape[1]), bool), there[:-1]]))
    segment = np.where(there, np.cumsum(starts, axis=0) - 1, -1)
    return FilledTrack(y, imputed, segment.astype(np.int64))
