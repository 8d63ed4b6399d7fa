"""How many frames a second to look at, and how often to detect: warm up, measure, choose.

The price of fewer frames is a wider interval. How much wider was measured with
`benchmarks/gait_rate.py`: 40 clips of 60 frames a second, thinned, widths of the 95 % intervals of
the five scores against those at 30 frames a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np

from edge_sdk.media.frames import Image
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.pose import PoseEstimator

WARM_UPS: Final = 2
TIMED_RUNS: Final = 5
DETECT_EVERY: Final = (2, 3, 4, 6)
"""Frames between two detections; boxes between are interpolated."""

WIDENING: Final[dict[float, tuple[float, float]]] = {
    60.0: (1.0, 1.0),
    30.0: (1.0, 1.0),
    20.0: (1.0, 1.11),
    15.0: (1.0, 1.19),
    12.0: (1.0, 1.33),
    10.0: (1.01, 1.63),
}
"""Frames a second -> widening of the median score's and of the worst score's interval (at 60 the
worst was measured as 1.01: more frames are never said to be worse)."""


class Costs(msgspec.Struct, frozen=True):
    """Measured times of this device, ms: a source frame decoded, an image detected, a pose."""

    decode_ms: float
    detect_ms: float
    pose_ms: float


class GaitPlan(msgspec.Struct, frozen=True):
    """What will be done with a clip.

    `fps` is the most frames a second, `detect_every` frames between detections. `expected_ms` is
    None when nothing was measured. The widenings are factors against 30 frames a second: of the
    median score's interval and of the worst one's.
    """

    fps: float
    detect_every: int
    budget_ms: float | None = None
    expected_ms: float | None = None
    within_budget: bool = True
    widening_median: float = 1.0
    widening_worst: float = 1.0
    costs: Costs | None = None


def fixed_plan(fps: float, detect_every: int, source_fps: float = 0.0) -> GaitPlan:
    """A plan that was not measured: at most `fps`, of a source of `source_fps` (0: unknown)."""
    rate = min(fps, source_fps) if source_fps > 0 else fps
    median, worst = widening(rate)
    return GaitPlan(
        fps=fps, detect_every=detect_every, widening_median=median, widening_worst=worst
    )


def widening(fps: float) -> tuple[float, float]:
    """Widening at a rate, between the measured ones by their logarithms; ends are held."""
    rates = sorted(WIDENING)
    at = np.log(np.clip(fps, rates[0], rates[-1]))
    median, worst = (
        float(np.interp(at, np.log(rates), [WIDENING[rate][column] for rate in rates]))
        for column in range(2)
    )
    return round(median, 3), round(worst, 3)


def measure(detector: Detector, pose: PoseEstimator, image: Image, decode_ms: float) -> Costs:
    """Time both nets on a frame of the clip; the first runs, which are slower, do not count."""
    height, width = image.shape[:2]
    box = np.array([[0.25 * width, 0.25 * height, 0.75 * width, 0.75 * height]])
    return Costs(
        decode_ms=round(decode_ms, 3),
        detect_ms=_median_ms(lambda: detector.detect([image])),
        pose_ms=_median_ms(lambda: pose.estimate(image, box, np.zeros(1))),
    )


def choose(costs: Costs, source_fps: float, duration_ms: float, budget_ms: float) -> GaitPlan:
    """The most frames a second, then the most detections, whose expected time is in the budget.

    When nothing is, the cheapest plan comes back with `within_budget` false.
    """
    highest = source_fps or max(WIDENING)
    rates = sorted({highest, *(rate for rate in WIDENING if rate < highest)}, reverse=True)
    plans = [
        _planned(costs, rate, every, highest, duration_ms, budget_ms)
        for rate in rates
        for every in DETECT_EVERY
    ]
    fitting = (plan for plan in plans if plan.within_budget)
    return next(fitting, min(plans, key=lambda plan: plan.expected_ms or 0.0))


def _planned(
    costs: Costs, fps: float, every: int, source_fps: float, duration_ms: float, budget_ms: float
) -> GaitPlan:
    seconds = duration_ms / 1000.0
    # Every source frame is decoded, whether it is looked at or not.
    decode = costs.decode_ms * source_fps * seconds
    expected = decode + seconds * fps * (costs.pose_ms + costs.detect_ms / every)
    median, worst = widening(fps)
    return GaitPlan(
        fps=fps,
        detect_every=every,
        budget_ms=budget_ms,
        expected_ms=round(expected, 1),
        within_budget=expected <= budget_ms,
        widening_median=median,
        widening_worst=worst,
        costs=costs,
    )


def _median_ms(work: Callable[[], object]) -> float:
    for _ in range(WARM_UPS):
        work()
    times = []
    for _ in range(TIMED_RUNS):
        started = time.perf_counter()
        work()
        times.append(1000.0 * (time.perf_counter() - started))
    return round(float(np.median(times)), 3)
