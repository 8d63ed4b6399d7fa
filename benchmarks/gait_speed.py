"""Time of the gait analysis after the poses: `python -m benchmarks.gait_speed`.

Smoothing for the overlay, fit and measures, scores, report and its JSON, for clips of 10 s, on one
core in CPU time (`time.process_time`): 3 runs to warm up, 20 timed, median and 95th percentile.
Goal of EDGE.md: all of it within 10 ms for a clip of 120 poses.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk import gait
from edge_sdk.smoothing import MeasurementFilter
from tests.support.simple_walker import Walker

WARM_UP: Final = 3
RUNS: Final = 20
GOAL_MS: Final = 10.0
GOAL_POSES: Final = 120


def timed_ms(steps: Sequence[Callable[[], object]]) -> NDArray[np.float64]:
    """CPU time of each step and of all, (steps + 1, RUNS), the steps run one after the other."""
    spent = np.empty((len(steps) + 1, WARM_UP + RUNS))
    for run in range(WARM_UP + RUNS):
        for number, step in enumerate(steps):
            start = time.process_time_ns()
            step()
            spent[number, run] = (time.process_time_ns() - start) / 1e6
    spent[-1] = spent[:-1].sum(0)
    return spent[:, WARM_UP:]


def main() -> None:
    """Print the table."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}; CPU ms p50 / p95")
    print(f"{'poses':>6} {'fps':>4} {'smoothing':>16} {'score':>16} {'JSON':>16} {'all':>16}")
    for fps in (12, 30, 60):
        keypoints, times_ms = Walker(hind_stance_si=12.0).film(fps=fps, seconds=10.0)
        report = gait.score(keypoints, times_ms)
        spent = timed_ms(
            [
                partial(MeasurementFilter(), keypoints, times_ms),
                partial(gait.score, keypoints, times_ms),
                partial(lambda r: json.dumps(r.to_json()), report),
            ]
        )
        total = float(np.median(spent[-1]))
        cells = " ".join(f"{np.median(s):7.2f} / {np.percentile(s, 95):6.2f}" for s in spent)
        goal = ""
        if len(times_ms) == GOAL_POSES:
            goal = f"  goal {GOAL_MS:.0f}: {'held' if total <= GOAL_MS else 'MISSED'}"
        print(f"{len(times_ms):6d} {fps:4d} {cells}{goal}")


if __name__ == "__main__":
    main()
