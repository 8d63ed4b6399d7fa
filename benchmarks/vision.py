"""How long the phone's own arithmetic takes around the nets, and what a bundle costs to load.

Run: `python -m benchmarks.vision [BUNDLE ...]` (default: all of assets/models). Prints the median
and the least of the repeats, and the median of the CPU time of all threads: on a machine that does
other things too, the least and the CPU time are the truth.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.bundle.manifest import CentreOutput
from edge_sdk.bundle.verify import verify_bundle
from edge_sdk.vision.classify import softmax
from edge_sdk.vision.detect import decode_centre
from edge_sdk.vision.pose import decode_heatmap
from edge_sdk.vision.resample import letterbox, sample, square_crop

WARM_UP, REPEATS = 3, 40
MODELS = Path(__file__).resolve().parents[1] / "assets" / "models"


def timed(what: str, run: Callable[[], object], goal_ms: float | None = None) -> None:
    times, busy = [], []
    for _ in range(WARM_UP + REPEATS):
        start, cpu = perf_counter(), process_time()
        run()
        times.append(1e3 * (perf_counter() - start))
        busy.append(1e3 * (process_time() - cpu))
    times, busy = times[WARM_UP:], busy[WARM_UP:]
    goal = "" if goal_ms is None else f"   goal <= {goal_ms:g} ms"
    print(
        f"{what:44s} {statistics.median(times):8.3f} ms (least {min(times):.3f}, "
        f"CPU {statistics.median(busy):.3f}){goal}"
    )


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def arithmetic() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    for size in (160, 192, 224, 256):
        whole = letterbox(1280, 720, size, size)
        timed(f"720p -> {size} px, whole picture", lambda w=whole: sample(frame, w), 3)
        crop = square_crop((300, 100, 900, 500), size, 1.2).mirror()
        timed(f"720p -> {size} px, 720 px crop, mirrored", lambda w=crop: sample(frame, w), 3)
    head = CentreOutput(stride=8, heading=True, classes=("dog",))
    raw = rng.normal(-3, 1.5, (1, 7, 28, 28)).astype(np.float32)
    timed(
        "decode a detector's head 28 x 28",
        lambda: decode_centre(raw, head, score=0.35, nms_iou=0.5),
    )
    crowd = raw + np.float32(3)
    timed("decode one with 50 peaks", lambda: decode_centre(crowd, head, score=0.35, nms_iou=0.5))
    maps = rng.normal(0, 1, (1, 24, 40, 40)).astype(np.float32)
    timed("decode a pose head 40 x 40", lambda: decode_heatmap(maps, 4))
    logits = rng.normal(0, 1, (8, 4)).astype(np.float32)
    timed("probabilities of 8 crops", lambda: softmax(logits, 1.3))


def bundle(path: Path) -> None:
    print(f"\n{path.name}")
    for check in verify_bundle(path, repeats=REPEATS).variants:
        name = f"{check.stage} {check.variant.runtime} {check.variant.precision}"
        if check.outcome != "passed" or check.load_ms is None or check.infer_ms is None:
            print(f"  {name:40s} {check.outcome}: {check.reason}")
            continue
        print(
            f"  {name:40s} load {check.load_ms:7.1f} ms  one picture {check.infer_ms:7.2f} ms  "
            f"off by {check.max_abs_error:.2g} of {check.allowed_abs_error:.2g}"
        )
    timed("  ModelBundle.load and close", lambda: ModelBundle.load(path).close())
    if Path("/proc/self/statm").exists():
        before = resident_mb()
        with ModelBundle.load(path):
            opened = resident_mb()
        print(f"  memory {before:.0f} MB, open {opened:.0f} MB, closed {resident_mb():.0f} MB")


def main() -> None:
    arithmetic()
    chosen = [Path(word) for word in sys.argv[1:]] or sorted(MODELS.glob("*/"))
    for path in chosen:
        bundle(path)


if __name__ == "__main__":
    main()
