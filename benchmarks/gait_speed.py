"""Time of the gait analysis after the poses: `python -m benchmarks.gait_speed`.

Smoothing for the overlay, fit and measures, scores, report and its JSON, for clips of 10 s, on one
core in CPU time (`time.process_time`): 3 runs to warm up, 20 timed, median and 95th percentile.
Goal of EDGE.md: all of it within 10 ms for a clip of 120 poses.
"""

import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from edge_sdk import gait
from edge_sdk.smoothing import MeasurementFilter
from tests.support.simple_walker import Walker

WARM_UP: Final = 3
RUNS: Final = 20
GOAL_MS: Final = 10.0
GOAL_POSES: Final = 120


def timed_ms(run: Callable[[], object]) -> tuple[float, float]:
    """Median and 95th percentile of the CPU time of a call."""
    for _ in range(WARM_UP):
        run()
    spent = []
    for _ in range(RUNS):
        start = time.process_time_ns()
        run()
        spent.append((time.process_time_ns() - start) / 1e6)
    return float(np.median(spent)), float(np.percentile(spent, 95))


def main() -> None:
    """Print the table."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}; CPU ms p50 / p95")
    print(f"{'poses':>6} {'fps':>4} {'smoothing':>16} {'score':>16} {'JSON':>16} {'sum p50':>9}")
    for fps in (12, 30, 60):
        keypoints, times_ms = Walker(hind_stance_si=12.0).film(fps=fps, seconds=10.0)
        report = gait.score(keypoints, times_ms)
        parts = [
            timed_ms(partial(MeasurementFilter(), keypoints, times_ms)),
            timed_ms(partial(gait.score, keypoints, times_ms)),
            timed_ms(partial(lambda r: json.dumps(r.to_json()), report)),
        ]
        total = sum(p50 for p50, _ in parts)
        cells = " ".join(f"{p50:7.2f} / {p95:6.2f}" for p50, p95 in parts)
        goal = ""
        if len(times_ms) == GOAL_POSES:
            goal = f"  goal {GOAL_MS:.0f}: {'held' if total <= GOAL_MS else 'MISSED'}"
        print(f"{len(times_ms):6d} {fps:4d} {cells} {total:9.2f}{goal}")


if __name__ == "__main__":
    main()
