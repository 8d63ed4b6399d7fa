"""Time whole analyses of video files with the shipped bundles: p50, where it goes, peak memory.

    python benchmarks/analyze.py [--runs 20] [--warm 3] [--budget-ms 3000]

Each row is a process of its own. CPU is the time of all its threads: on a machine that does other
things too it is the figure to compare. With a budget (0: none) the gait analyzer plans how many
frames it looks at. The 10 s 720p walk and the 5 s face are made from the shipped
clips (scaled, repeated) before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import av

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "assets" / "models"
GOALS = {"gait": "p50 <= 4.0 s, RSS <= 300 MB", "face": "p50 <= 0.65 s"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--warm", type=int, default=3)
    parser.add_argument("--budget-ms", type=float, default=3000.0)
    parser.add_argument("--one", nargs=4, metavar=("TASK", "RUNTIME", "PRECISION", "CLIP"))
    options = parser.parse_args()
    if options.one:
        one(*options.one, warm=options.warm, runs=options.runs, budget_ms=options.budget_ms or None)
        return
    print(f"{os.cpu_count()} cores, {options.warm} warm-ups, {options.runs} timed")
    head = "p50 s   p95 s   CPU s  decode  models    post  pictures  RSS MB"
    print(f"{'task':6}{'runtime':8}{'precision':10}{head}   goal")
    with tempfile.TemporaryDirectory() as folder:
        walk, face = Path(folder) / "walk.mp4", Path(folder) / "face.mp4"
        remake(ROOT / "assets/clips/walk-lame.mp4", walk, seconds=10, width=1280, height=720)
        remake(ROOT / "assets/clips/face.mp4", face, seconds=5, width=640, height=480)
        for task, clip in (("gait", walk), ("face", face)):
            for runtime, precision in variants("dog-pose" if task == "gait" else "dog-face"):
                words = [task, runtime, precision, str(clip), "--runs", str(options.runs)]
                command = [sys.executable, __file__, "--one", *words, "--warm", str(options.warm)]
                command += ["--budget-ms", str(options.budget_ms)]
                subprocess.run(command, check=True)


def variants(bundle: str) -> list[tuple[str, str]]:
    """Runtime and precision of each variant that this machine can run."""
    manifest = json.loads((MODELS / bundle / "manifest.json").read_text())
    found = [(v["runtime"], v["precision"]) for v in manifest["stages"][0]["variants"]]
    return [pair for pair in found if pair[0] != "coreml" or sys.platform == "darwin"]


def remake(source: Path, target: Path, seconds: float, width: int, height: int) -> None:
    """Repeat a clip to the length wanted and scale it."""
    with av.open(str(source)) as clip:
        rate = clip.streams.video[0].average_rate
        frames = [frame.reformat(width, height, "yuv420p") for frame in clip.decode(video=0)]
    with av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(int(seconds * float(rate))):
            frame = frames[number % len(frames)]
            frame.pts = number
            frame.time_base = 1 / rate
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def one(
    task: str,
    runtime: str,
    precision: str,
    clip: str,
    warm: int,
    runs: int,
    budget_ms: float | None,
) -> None:
    """Time one configuration in this process and print its row."""
    from edge_sdk import FaceAnalyzer, GaitAnalyzer, ModelBundle
    from edge_sdk.gait.results import GaitPolicy

    def load(name: str) -> ModelBundle:
        return ModelBundle.load(MODELS / name, runtime=runtime, precision=precision, threads=2)

    rows = []
    if task == "gait":
        # A crowded machine is no reason to give up.
        patient = GaitPolicy(timeout_ms=300_000.0)
        with load("dog-pose") as bundle, GaitAnalyzer(bundle, policy=patient) as analyzer:
            for _ in range(warm + runs):
                began, busy = time.perf_counter(), time.process_time()
                analysis = analyzer.analyze(clip, budget_ms=budget_ms)
                rows.append(
                    (time.perf_counter() - began, analysis.times, time.process_time() - busy)
                )
            frames = analysis.report.processing.frames_sampled
    else:
        with (
            load("dog-face") as faces,
            load("dog-emotion") as emotions,
            FaceAnalyzer(faces, emotions) as analyzer,
        ):
            for _ in range(warm + runs):
                began, busy = time.perf_counter(), time.process_time()
                result = analyzer.analyze(clip).result
                rows.append((time.perf_counter() - began, result.times, time.process_time() - busy))
            frames = result.frames_sampled
    timed = rows[warm:]
    seconds = sorted(row[0] for row in timed)
    parts = [
        statistics.median(getattr(row[1], name) for row in timed)
        for name in ("decode_ms", "inference_ms", "post_ms", "artifacts_ms")
    ]
    rss = peak_rss_mb()
    cells = "".join(f"{part / 1000:8.2f}" for part in parts)
    print(
        f"{task:6}{runtime:8}{precision:10}{statistics.median(seconds):5.2f}"
        f"{seconds[int(0.95 * (len(seconds) - 1))]:8.2f}"
        f"{statistics.median(row[2] for row in timed):8.2f}{cells}{rss:10.0f}   "
        f"{frames} frames; goal {GOALS[task]}",
        flush=True,
    )


def peak_rss_mb() -> float:
    """Peak memory of this program; `ru_maxrss` would count the parent's too (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


if __name__ == "__main__":
    main()
