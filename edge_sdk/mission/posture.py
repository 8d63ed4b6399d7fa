"""What a dog's keypoints say of its posture, in ratios that no camera distance changes.

Heights are differences between points of one girdle: a camera that looks down shifts points by
their depth, and points above one another share it. Names are the dog-pose ones: "knee" of a front
leg is the carpus; see `edge_sdk.gait.anatomy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.gait.anatomy import FORE, HIND, MIDDLES, PAWS, TAIL_BASE, TOPS, WITHERS
from edge_sdk.mission.evidence import Floats

MIN_CONFIDENCE: Final = 0.3
LEG_WINDOW_MS: Final = 1_500.0
LEG_PERCENTILE: Final = 85.0
"""A limb is seen shorter when it points at the camera, never longer."""
LIFTED_OVER_OTHER: Final = 0.3
"""A front paw this far (in leg lengths) over the other one carries no weight."""
NOSE: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Posture:
    """Per frame (T,), NaN where it cannot be seen.

    `hips_over_withers`: height of the tail base over the hind paws, as a share of the withers'
    over the front paws: about 1 standing, 0.6 to 1 lying, under 0.5 sitting. `elbow_height`:
    elbow over its paw, in leg lengths: near 1 on a straight leg, near 0 lying. `lift` (T, 2): how
    far the left and right front paw is over the other, in leg lengths. `leg_px`: carpus and
    forearm. `withers_height_px`: over the front paws. `body_y_px`: mean of withers and tail base.
    `facing`: -1 left, +1 right by nose or withers against the tail base. `paws_px`
    (T, 4, 2) in the order FL, RL, FR, RR. `confidence`: mean of the points used.
    """

    hips_over_withers: Floats
    elbow_height: Floats
    lift: Floats
    leg_px: Floats
    withers_height_px: Floats
    body_y_px: Floats
    facing: Floats
    paws_px: Floats
    withers_px: Floats
    confidence: Floats


def posture_of(keypoints: NDArray[np.floating], times_ms: Floats) -> Posture:
    """Measure `keypoints` (T, 24, 3) x, y, confidence; points below 0.3 are not used."""
    points = np.asarray(keypoints, np.float64)
    seen = (points[..., 2] >= MIN_CONFIDENCE) & np.isfinite(points[..., :2]).all(axis=-1)
    xy = np.where(seen[..., None], points[..., :2], np.nan)
    xy = median_of_three(xy, times_ms)
    paws, middles, tops = xy[:, list(PAWS)], xy[:, list(MIDDLES)], xy[:, list(TOPS)]
    leg_px = _leg_px(paws, middles, tops, times_ms)
    fore_y = _ground(paws[:, list(FORE), 1], leg_px)
    hind_y = _mean(paws[:, list(HIND), 1])
    withers, tail = xy[:, WITHERS], xy[:, TAIL_BASE]
    withers_height = fore_y - withers[:, 1]
    hips = np.where(withers_height > 0, (hind_y - tail[:, 1]) / withers_height, np.nan)
    elbows = tops[:, list(FORE), 1]
    supporting = paws[:, list(FORE), 1] >= fore_y[:, None] - LIFTED_OVER_OTHER * leg_px[:, None]
    elbow_height = _mean(
        np.where(supporting, (paws[:, list(FORE), 1] - elbows) / leg_px[:, None], np.nan)
    )
    left_y, right_y = paws[:, FORE[0], 1], paws[:, FORE[1], 1]
    lift = np.stack([right_y - left_y, left_y - right_y], axis=1) / leg_px[:, None]
    front_x = np.where(np.isnan(withers[:, 0]), xy[:, NOSE, 0], withers[:, 0])
    used = [*PAWS, *(TOPS[leg] for leg in FORE), WITHERS, TAIL_BASE]
    return Posture(
        hips_over_withers=hips,
        elbow_height=elbow_height,
        lift=lift,
        leg_px=leg_px,
        withers_height_px=np.where(withers_height > 0, withers_height, np.nan),
        body_y_px=_mean(np.stack([withers[:, 1], tail[:, 1]], axis=1)),
        facing=np.sign(front_x - tail[:, 0]),
        paws_px=paws,
        withers_px=withers,
        confidence=np.nan_to_num(points[:, used, 2]).mean(axis=1),
    )


def median_of_three(values: Floats, times_ms: Floats) -> Floats:
    """Median of each value and its neighbours in time: a single wild frame goes, edges stay."""
    if len(values) < 3:
        return values
    triple = np.stack([values[:-2], values[1:-1], values[2:]])
    near = np.diff(times_ms) <= 150.0
    both = (near[:-1] & near[1:]).reshape(-1, *[1] * (values.ndim - 1))
    whole = both & np.isfinite(triple).all(axis=0)
    middle = np.where(whole, np.sort(triple, axis=0)[1], values[1:-1])
    return np.concatenate([values[:1], middle, values[-1:]])


def rolling_percentile(
    values: Floats, times_ms: Floats, half_window_ms: float, percentile: float
) -> Floats:
    """Percentile of the finite values within `half_window_ms` of each time; NaN without any."""
    first = np.searchsorted(times_ms, times_ms - half_window_ms, side="left")
    last = np.searchsorted(times_ms, times_ms + half_window_ms, side="right")
    out = np.full(len(values), np.nan)
    for at, (low, high) in enumerate(zip(first, last, strict=True)):
        window = values[low:high]
        window = window[np.isfinite(window)]
        if len(window):
            out[at] = np.percentile(window, percentile)
    return out


def _leg_px(paws: Floats, middles: Floats, tops: Floats, times_ms: Floats) -> Floats:
    fore = list(FORE)
    lengths = np.hypot(*np.moveaxis(paws[:, fore] - middles[:, fore], -1, 0))
    lengths = lengths + np.hypot(*np.moveaxis(middles[:, fore] - tops[:, fore], -1, 0))
    longest = np.where(np.isfinite(lengths), lengths, -np.inf).max(axis=1)
    longest = np.where(np.isfinite(longest) & (longest > 0), longest, np.nan)
    return rolling_percentile(longest, times_ms, LEG_WINDOW_MS, LEG_PERCENTILE)


def _ground(fore_y: Floats, leg_px: Floats) -> Floats:
    """Height of the ground under the front: both paws' mean, or the lower when one is lifted."""
    lower = np.where(np.isfinite(fore_y), fore_y, -np.inf).max(axis=1)
    lower = np.where(np.isfinite(lower), lower, np.nan)
    lifted = np.abs(fore_y[:, 0] - fore_y[:, 1]) > LIFTED_OVER_OTHER * leg_px
    return np.where(lifted, lower, _mean(fore_y))


def _mean(values: Floats) -> Floats:
    """Mean over the last axis of what is there, NaN where nothing is."""
    there = np.isfinite(values)
    count = there.sum(axis=-1)
    total = np.where(there, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
