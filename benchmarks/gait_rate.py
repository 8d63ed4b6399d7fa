"""How much wider gait intervals become with fewer frames: the table of `edge_sdk.gait.plan`.

    python benchmarks/gait_rate.py [--clips 40] [--seed 8]

Clips of 60 frames a second (tests/support/gait_clips.py) are thinned; each width of a 95 % interval
is divided by that of the same clip at 30 frames a second, and the median taken over clips.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_sdk.gait import METRICS, score
from tests.support.gait_clips import Gait, View, make_clip

STEPS = {60: 1, 30: 2, 20: 3, 15: 4, 12: 5, 10: 6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seed", type=int, default=8)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    widths: dict[int, list[list[float]]] = {rate: [] for rate in STEPS}
    for _ in range(options.clips):
        view = replace(View.random(rng, fps=60, hard=False), frame_jitter=0.0, swap_rate=0.0)
        clip = make_clip(rng, Gait.any(rng), view)
        for rate, step in STEPS.items():
            report = score(clip.keypoints[::step], clip.timestamps_ms[::step])
            ends = [report.metrics[name].ci95 for name in METRICS]
            widths[rate].append([np.nan if e is None else e[1] - e[0] for e in ends])
    base = np.array(widths[30])
    print(f"{'fps':>4}  {'median':>6}  {'worst':>6}  " + "  ".join(METRICS))
    for rate in STEPS:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(base > 0, np.array(widths[rate]) / base, np.nan)
        each = np.nanmedian(ratio, axis=0)
        cells = "  ".join(
            f"{value:{len(name)}.2f}" for name, value in zip(METRICS, each, strict=True)
        )
        print(f"{rate:>4}  {np.median(each):6.2f}  {each.max():6.2f}  {cells}")


if __name__ == "__main__":
    main()
