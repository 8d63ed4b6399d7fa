"""Time the generated dogs on one core; each figure by its goal.

    python benchmarks/synth.py [--images 120] [--size 256]

Runs in the model environment. Times are CPU seconds of this process, so that other work on the
machine weighs less; the first pictures, which compile and fill caches, are not counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from model_export.synth.clips import WalkClip
from model_export.synth.gait import random_gait
from model_export.synth.gait_truth import measure
from model_export.synth.images import body_image
from model_export.synth.kinematics import GaitPlan
from model_export.synth.morphology import Morphology


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    for seed in range(12):
        body_image(10_000 + seed, options.size)
    for size in sorted({192, options.size}):
        rate = per_second(lambda seed, px=size: body_image(seed, px), options.images)
        print(f"body images at {size} px      {rate:7.1f} /s   (goal >= 60)")
    clip = WalkClip.random(1, "val", fps=30, seconds=3, width=320, height=240)
    next(iter(clip.frames()))
    start = time.process_time()
    count = sum(1 for _ in clip.frames())
    frames = count / (time.process_time() - start)
    print(
        f"clip frames at 320x240      {frames:7.1f} /s   ({clip.film.subframes} exposures a frame)"
    )
    start = time.process_time()
    labels = len(clip.keypoints) / (time.process_time() - start)
    print(f"labels alone                {labels:7.1f} frames/s")
    print(f"gait truth of an 8 s walk   {per_second(_truth, 20):7.1f} /s")


def per_second(make: Callable[[int], object], count: int) -> float:
    """How many of them in one CPU second."""
    start = time.process_time()
    for seed in range(count):
        make(seed)
    return count / (time.process_time() - start)


def _truth(seed: int) -> object:
    rng = np.random.default_rng(seed)
    body = Morphology.random(rng, "val")
    return measure(GaitPlan.draw(rng, random_gait(rng, body), body, 8.0), 8.0)


if __name__ == "__main__":
    main()
