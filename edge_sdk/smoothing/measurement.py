"""Smoothing for measuring: zero-phase, weighted by confidence, holes filled or split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.errors import DisplayFilteredInput
from edge_sdk.smoothing.display import DisplayFrame
from edge_sdk.smoothing.gaps import LONGEST_FILLED_MS, fill_gaps
from edge_sdk.smoothing.savitzky_golay import (
    DEFAULT_WINDOW_S,
    SavitzkyGolayFilter,
    local_quadratic,
    refuse_falling,
)

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# An imputed point is only as good as its neighbours: it may hold a curve up, not shape it.
IMPUTED_WEIGHT: Final = 0.1


@dataclass(frozen=True, slots=True)
class MeasurementTrack:
    """Keypoints smoothed without lag.

    `keypoints` (T, K, 3) x, y in px (NaN in long holes) and confidence; `imputed` (T, K);
    `segment` (T, K), -1 in long holes; `timestamps_ms` (T,).
    """

    keypoints: Array
    imputed: Flags
    segment: npt.NDArray[np.int64]
    timestamps_ms: Array


@dataclass(frozen=True, slots=True)
class MeasurementFilter:
    """Savitzky-Golay over each unbroken piece of each point's path.

    `window_s` is the width of its window; a hole up to `longest_filled_ms` is filled and marked, a
    longer one splits. Frames weigh by their confidence; below `min_confidence` they are holes.
    """

    window_s: float = DEFAULT_WINDOW_S
    min_confidence: float = 0.2
    longest_filled_ms: float = LONGEST_FILLED_MS

    def __call__(self, keypoints: npt.ArrayLike, timestamps_ms: npt.ArrayLike) -> MeasurementTrack:
        """Smooth (T, K, 3) keypoints at rising (T,) times.

        Raises `DisplayFilteredInput` for frames of a `DisplayFilter`, `FilterTimeNotRising`.
        """
        refuse_display_frames(keypoints)
        k = np.asarray(keypoints, dtype=np.float64)
        t_ms = np.asarray(timestamps_ms, dtype=np.float64)
        if k.ndim != 3 or k.shape[2] != 3 or t_ms.shape != (len(k),):
            raise ValueError(f"keypoints {k.shape} and times {t_ms.shape}: need (T, K, 3) and (T,)")
        refuse_falling(t_ms)
        sure = np.isfinite(k[:, :, :2]).all(2) & (k[:, :, 2] >= self.min_confidence)
        count = k.shape[1]
        xy = np.where(sure[:, :, None], k[:, :, :2], np.nan)
        filled = fill_gaps(
            xy.transpose(0, 2, 1).reshape(len(k), 2 * count),
            t_ms,
            longest_filled_ms=self.longest_filled_ms,
        )
        imputed, segment = filled.imputed[:, :count], filled.segment[:, :count]
        trust = np.where(imputed, IMPUTED_WEIGHT, np.clip(np.nan_to_num(k[:, :, 2]), 0, 1))
        values = filled.values.reshape(len(k), 2, count).transpose(0, 2, 1)
        time_s = (t_ms - t_ms[:1]) / 1000.0
        smooth = np.full(values.shape, np.nan)
        whole = (segment == 0).all(0)
        smooth[:, whole] = local_quadratic(
            time_s, values[:, whole], trust[:, whole], np.zeros(len(k), np.intp), self.window_s
        )
        split = np.flatnonzero(~whole)
        which, rows = np.nonzero((segment[:, split] >= 0).T)
        if len(rows):
            points = split[which]
            steps = np.diff(which) + np.abs(np.diff(segment[rows, points]))
            smooth[rows, points] = local_quadratic(
                time_s[rows],
                values[rows, points][:, None],
                trust[rows, points][:, None],
                np.cumsum(np.append(0, steps > 0)),
                self.window_s,
            )[:, 0]
        confidence = np.where(segment >= 0, np.nan_to_num(k[:, :, 2]), 0.0)
        return MeasurementTrack(np.dstack([smooth, confidence]), imputed, segment, t_ms)

    def gain(self, frequency_hz: float, rate_hz: float = 30.0) -> float:
        """What is kept of a sine of `frequency_hz`."""
        return SavitzkyGolayFilter(self.window_s).gain(frequency_hz, rate_hz)

    def lag_s(self, rate_hz: float = 30.0) -> float:
        """Zero: it looks as far ahead as back."""
        return 0.0


def refuse_display_frames(keypoints: object) -> None:
    """Raise `DisplayFilteredInput` if the input came out of a `DisplayFilter`."""
    if isinstance(keypoints, DisplayFrame) or (
        isinstance(keypoints, Iterable)
        and not isinstance(keypoints, np.ndarray)
        and any(isinstance(frame, DisplayFrame) for frame in keypoints)
    ):
        raise DisplayFilteredInput
