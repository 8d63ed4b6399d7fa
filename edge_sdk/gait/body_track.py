"""From pixels to the dog's own frame: trunk lengths ahead of and above the middle of its trunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.errors import GaitInputInvalid
from edge_sdk.gait.anatomy import KEYPOINTS, TAIL_BASE, THROAT, TOPS, WITHERS
from edge_sdk.smoothing.gaps import fill_gaps
from edge_sdk.smoothing.medians import median

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MIN_CONFIDENCE: Final = 0.2
"""Keypoints below it count as missing."""

# An end of the trunk must be seen this often itself before its substitute is taken.
LEAST_OWN_SHARE: Final = 0.5
# Zoom changes slower than this; a trunk's length swings with the stride, which is quicker.
ZOOM_PERIOD_S: Final = 2.4
# Relative scatter of the trunk's length that is still noise rather than another dog.
LENGTH_SCATTER: Final = 0.05
# Coordinates are rounded to this many digits of a trunk length, so that shifting, scaling or
# mirroring a picture, which changes the last bits of a float, changes nothing here.
DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class BodyTrack:
    """One clip in the dog's own frame; the dog faces towards +x whatever it did in the picture.

    `time_s` (T,) from 0; `forward` and `up` (T, 24) in trunk lengths from the trunk's middle;
    `weight` (T, 24) 0 where missing; `facing` +1 right, -1 left in the picture; `trunk_seen` (T,);
    `length_px` (T,) smoothed trunk length; `turned_share` share of frames that face the other way;
    `leap` the largest unexplained step of the trunk between frames, in trunk lengths;
    `length_scatter` relative scatter of the trunk's length about its smooth course.
    """

    time_s: Array
    forward: Array
    up: Array
    weight: Array
    facing: int
    trunk_seen: Flags
    length_px: Array
    turned_share: float
    leap: float
    length_scatter: float

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.time_s)

    @property
    def rate_hz(self) -> float:
        """Frames a second, by the median step."""
        return float(1.0 / median(np.diff(self.time_s))) if self.frames > 1 else 0.0

    @property
    def duration_s(self) -> float:
        """From the first to the last frame."""
        return float(self.time_s[-1]) if self.frames else 0.0


def body_track(keypoints: npt.ArrayLike, timestamps_ms: npt.ArrayLike) -> BodyTrack | None:
    """Turn (T, 24, 3) keypoints at (T,) rising times into the dog's frame.

    Returns None when no frame shows both ends of the trunk. Raises `GaitInputInvalid` for wrong
    shapes, infinite coordinates or times that do not rise.
    """
    k = np.asarray(keypoints, dtype=np.float64)
    t_ms = np.asarray(timestamps_ms, dtype=np.float64)
    if k.ndim != 3 or k.shape[1:] != (KEYPOINTS, 3):
        raise GaitInputInvalid(f"keypoints must be (T, {KEYPOINTS}, 3), not {k.shape}")
    if t_ms.shape != (len(k),):
        raise GaitInputInvalid(f"{len(k)} frames need as many times, not {t_ms.shape}")
    if not np.isfinite(t_ms).all() or (np.diff(t_ms) <= 0).any():
        raise GaitInputInvalid("timestamps_ms must be finite and strictly rising")
    if np.isinf(k).any():
        raise GaitInputInvalid("keypoints hold infinite values; mark missing ones with NaN")
    time_s: Array = np.asarray(np.round(t_ms - (t_ms[0] if len(t_ms) else 0.0), 3) / 1000.0)
    weight = np.where(np.isfinite(k).all(2), np.clip(np.nan_to_num(k[:, :, 2]), 0.0, 1.0), 0.0)
    weight = np.where(weight >= MIN_CONFIDENCE, weight, 0.0)
    xy = np.where(weight[:, :, None] > 0, k[:, :, :2], np.nan)
    front = _end_of_trunk(xy, WITHERS, (THROAT,), (TOPS[0], TOPS[2]), time_s)
    rear = _end_of_trunk(xy, TAIL_BASE, (), (TOPS[1], TOPS[3]), time_s)
    axis = front - rear
    length = np.hypot(axis[:, 0], axis[:, 1])
    seen = np.isfinite(length) & (np.nan_to_num(length) > 0)
    if seen.sum() < 2:
        return None
    middle_ahead = median(axis[seen, 0])
    facing = 1 if middle_ahead >= 0 else -1
    scale, scatter = _smooth_length(length, seen, time_s)
    middle = (front + rear) / 2
    unit = scale[:, None]
    forward = facing * (xy[:, :, 0] - middle[:, :1]) / unit
    up = -(xy[:, :, 1] - middle[:, 1:]) / unit
    usable = (weight > 0) & seen[:, None]
    return BodyTrack(
        time_s=time_s,
        forward=np.asarray(np.round(np.where(usable, forward, 0.0), DIGITS), np.float64),
        up=np.asarray(np.round(np.where(usable, up, 0.0), DIGITS), np.float64),
        weight=np.where(usable, weight, 0.0),
        facing=facing,
        trunk_seen=seen,
        length_px=scale,
        turned_share=float(np.mean(axis[seen, 0] * facing < 0)),
        leap=_largest_leap(np.asarray(middle[seen] / scale[seen, None]), time_s[seen]),
        length_scatter=scatter,
    )


def _end_of_trunk(
    xy: Array, own: int, others: tuple[int, ...], pair: tuple[int, int], time_s: Array
) -> Array:
    """One end of the trunk (T, 2): its own point, or a substitute at its usual distance."""
    sources = [xy[:, own], *(xy[:, other] for other in others)]
    sources.append((xy[:, pair[0]] + xy[:, pair[1]]) / 2)
    share = [float(np.isfinite(s[:, 0]).mean()) if len(s) else 0.0 for s in sources]
    best = next((at for at, s in enumerate(share) if s >= LEAST_OWN_SHARE), int(np.argmax(share)))
    end = fill_gaps(sources[best], time_s * 1000.0).values
    for at, source in enumerate(sources):
        hole = np.isnan(end[:, 0]) & np.isfinite(source[:, 0])
        both = np.isfinite(sources[best][:, 0]) & np.isfinite(source[:, 0])
        if at != best and hole.any() and both.any():
            end[hole] = source[hole] + np.median(sources[best][both] - source[both], axis=0)
    return end


def _smooth_length(length: Array, seen: Flags, time_s: Array) -> tuple[Array, float]:
    """Length of the trunk over time with only slow changes (zoom, distance), and its scatter.

    Weighted least squares of its logarithm on slow cosines; lengths far off weigh little.
    """
    typical = median(length[seen])
    log = np.zeros(len(length))
    log[seen] = np.log(length[seen] / typical)
    waves = int(np.ceil(2 * time_s[-1] / ZOOM_PERIOD_S))
    basis = np.cos(np.pi * np.outer(time_s / max(time_s[-1], 1e-9), np.arange(waves + 1)))
    calm = np.diag([1e-9] + waves * [0.02]) * seen.sum()
    weight = seen.astype(np.float64)
    course = np.zeros(len(length))
    for _ in range(3):
        weighted = basis * weight[:, None]
        course = basis @ np.linalg.solve(weighted.T @ basis + calm, weighted.T @ log)
        weight = seen / (1.0 + ((log - course) / LENGTH_SCATTER) ** 2)
    off = np.abs(log - course)[seen]
    return np.asarray(typical * np.exp(course)), float(1.4826 * median(off))


def _largest_leap(middle: Array, time_s: Array) -> float:
    """Largest step of the trunk that the steps around it do not explain, in trunk lengths."""
    if len(middle) < 7:
        return 0.0
    speed = np.diff(middle, axis=0) / np.diff(time_s)[:, None]
    around = np.sort(np.stack([speed[:-4], speed[1:-3], speed[3:-1], speed[4:]]), axis=0)
    usual = (around[1] + around[2]) / 2
    odd = (speed[2:-2] - usual) * np.diff(time_s)[2:-2, None]
    return float(np.hypot(odd[:, 0], odd[:, 1]).max())
