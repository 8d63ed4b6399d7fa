"""Gait from the pixels: rendered test walks through a bundle's detector and pose net, and scored.

    python benchmarks/gait_pixels.py [--walks 36] [--fps 12 30] [--bundle assets/models/dog-pose]

Runs in the model environment. Each walk is 10 s at 480 x 270, a size at which the pose net's crops
still shrink, of the generator's test breeds and backgrounds; the same seeds at every frame rate.
Nothing is chosen on these walks: the figures belong to the bundle as it is. Prints a table of the
figures with their goals, then the five scores.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy.typing import NDArray

from edge_sdk import ModelBundle
from edge_sdk.gait import METRICS
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.pose import PoseEstimator
from model_export.evaluate.gait_pixels import WalkResult, WalksReport, judge_walk, summary
from model_export.synth.clips import WalkClip

ROOT = Path(__file__).resolve().parents[1]
SIZE_PX = (480, 270)
_RHO_GOAL = {12.0: 0.6, 30.0: 0.75}
_nets: tuple[Detector, PoseEstimator]
_kept: Path | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--walks", type=int, default=36, help="seeds, each at every frame rate")
    parser.add_argument("--fps", type=float, nargs="+", default=[12.0, 30.0])
    parser.add_argument("--bundle", type=Path, default=ROOT / "assets" / "models" / "dog-pose")
    parser.add_argument(
        "--checkpoints", type=Path, help="a folder with dog-detector.pt and pose.pt, not the bundle"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--frames", type=Path, help="keep the frames here for other bundles, 6 GB for 36 walks"
    )
    parser.add_argument("--report", type=Path, help="every walk's numbers as JSON lines")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # the processes are the parallelism
    began = time.monotonic()
    wanted = [(seed, fps) for seed in range(options.walks) for fps in options.fps]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        options.jobs,
        context,
        initializer=_load,
        initargs=(options.bundle, options.checkpoints, options.frames),
    ) as pool:
        walks = []
        for walk in pool.map(_judge, wanted):
            walks.append(walk)
            if options.report is not None:
                with options.report.open("a") as file:
                    file.write(json.dumps(asdict(walk), default=float) + "\n")
    judged = str(options.checkpoints)
    if options.checkpoints is None:
        manifest = ModelBundle.load(options.bundle).manifest
        judged = f"{manifest.name} {manifest.version}"
    print(
        f"{judged}: {len(walks)} walks of 10 s, seeds 0 to "
        f"{options.walks - 1}, {(time.monotonic() - began) / 60:.1f} min"
    )
    columns = {f"{fps:g} fps": [w for w in walks if w.fps == fps] for fps in options.fps}
    table({**columns, "all": walks}, options.fps)


def _load(bundle: Path, checkpoints: Path | None, frames: Path | None) -> None:
    global _nets, _kept
    _kept = frames
    if checkpoints is not None:
        from model_export import nets
        from model_export.evaluate.stages import stage_of_checkpoint

        finder, limits = nets.load(checkpoints / "dog-detector.pt")
        _nets = (
            Detector(stage_of_checkpoint(finder, limits), limits["thresholds"]),
            PoseEstimator(stage_of_checkpoint(*nets.load(checkpoints / "pose.pt"))),
        )
        return
    loaded = ModelBundle.load(bundle, runtime="onnx", threads=1)
    limits = dict(loaded.manifest.thresholds)
    _nets = Detector(loaded.stage("detector"), limits), PoseEstimator(loaded.stage("pose"))


def _judge(wanted: tuple[int, float]) -> WalkResult:
    seed, fps = wanted
    detector, estimator = _nets
    return judge_walk(seed, estimator, detector, fps=fps, size=SIZE_PX, frames_of=_frames)


def _frames(clip: WalkClip) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """The frames of a clip, rendered once where they are kept."""
    if _kept is None:
        yield from clip.frames()
        return
    path = _kept / f"{clip.split}-{clip.seed}-{len(clip.timestamps_ms)}.npy"
    if not path.exists():
        _kept.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.part")
        shown = None
        for number, (_, image) in enumerate(clip.frames()):
            if shown is None:
                shape = (len(clip.timestamps_ms), *image.shape)
                shown = np.lib.format.open_memmap(beside, "w+", np.uint8, shape)
            shown[number] = image
        del shown
        beside.rename(path)
    for time_ms, image in zip(clip.timestamps_ms, np.load(path, mmap_mode="r"), strict=True):
        yield float(time_ms), np.asarray(image)


def table(columns: dict[str, list[WalkResult]], rates: Sequence[float]) -> None:
    """Print the figures of each column of walks beside their goals."""
    reports = {name: summary(walks) for name, walks in columns.items()}
    print(f"{'':36}" + "".join(f"{name:>10}" for name in reports) + "   goal")
    for words, goal, read in _ROWS:
        cells = "".join(f"{read(report):10.3f}" for report in reports.values())
        print(f"{words:36}{cells}   {goal}")
    for name in METRICS:
        cells = "".join(f"{report.score_rho[name]:10.2f}" for report in reports.values())
        goals = ", ".join(f"{_RHO_GOAL[r]:.2f} at {r:g} fps" for r in rates if r in _RHO_GOAL)
        print(f"{'rank agreement, ' + name:36}{cells}   >= {goals}")
    for name, report in reports.items():
        print(f"{name}: {report.walks} walks, refused {report.refused or 'none'}")


def _rates(report: WalksReport) -> dict[str, float]:
    return asdict(report.pose)


_ROWS = (
    ("walks measured", "", lambda r: r.measured),
    ("stride frequency, mean error, Hz", "<= .02", lambda r: r.frequency_mae_hz),
    ("stance SI, r with truth", ">= .95", lambda r: r.stance_si_r),
    ("stance SI, mean error (share)", "<= .08", lambda r: r.stance_si_mae),
    ("right sign where |SI| >= .15", "1", lambda r: r.stance_si_sign),
    ("stifle range, mean error, degrees", "<= 8", lambda r: r.stifle_rom_mae_deg),
    ("hock range, mean error, degrees", "<= 8", lambda r: r.hock_rom_mae_deg),
    ("sound dogs", "", lambda r: r.sound),
    ("sound dogs called high", "<= .05", lambda r: r.sound_called_high),
    ("abstains, hind legs drawn as one", "1", lambda r: r.collapse_refused),
    ("hind paws swapped, share of frames", "<= .03", lambda r: _rates(r)["hind_swap_rate"]),
    ("hind paws collapsed", "<= .03", lambda r: _rates(r)["hind_collapse_rate"]),
    ("fore paws swapped", "", lambda r: _rates(r)["fore_swap_rate"]),
    ("fore paws collapsed", "", lambda r: _rates(r)["fore_collapse_rate"]),
    ("clips with hind rates both <= .03", "", lambda r: _rates(r)["clips_within_3_percent"]),
    ("PCK@.05 of the walks' frames", "", lambda r: _rates(r)["pck05"]),
)


if __name__ == "__main__":
    main()
