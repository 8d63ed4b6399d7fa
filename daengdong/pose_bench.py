"""Two pose bundles over the same videos: the product's table of speed and steadiness.

Accuracy needs truth that phones' videos do not have; valid frames, confidence and failures stand
in for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.errors import AnalysisError
from edge_sdk.gait.pipeline import GaitAnalyzer
from edge_sdk.gait.results import GaitPolicy
from edge_sdk.media.frames import MediaLimits
from edge_sdk.media.video import VideoFile
from sync_server.ai.cpu.healthcare import keypoint_stats

VIDEO_SUFFIXES: Final = (".mp4", ".mov", ".webm")
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"


class PoseTimes(msgspec.Struct, frozen=True):
    """One video with one model; the names are the product's.

    `t_keypoint_ms` is the pose net's time over all frames (crops made, nothing decoded),
    `t_total_ms` the whole pipeline's. `valid_frames` have a pose; `mean_kp_conf` is that of the
    hind limbs. `fail_code` is None for what succeeded.
    """

    video_id: str
    tag: str
    model: str
    t_keypoint_ms: float
    t_total_ms: float
    valid_frames: int
    valid_ratio: float
    mean_kp_conf: float
    status: str
    fail_code: str | None


class ModelSummary(msgspec.Struct, frozen=True):
    """One model over all videos; medians and means over those that succeeded, None without any."""

    model: str
    videos: int
    failed_share: float
    t_keypoint_ms_p50: float | None
    t_total_ms_p50: float | None
    mean_valid_ratio: float | None
    mean_kp_conf: float | None


def videos_in(places: Sequence[Path]) -> list[tuple[Path, str]]:
    """Videos with their tags: a folder's own and those of its subfolders, whose names are tags."""
    found: list[tuple[Path, str]] = []
    for place in places:
        if place.is_dir():
            inside = sorted(p for p in place.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
            found += [(p, "-" if p.parent == place else p.parent.name) for p in inside]
        else:
            found.append((place, "-"))
    return found


def compare(
    bundles: Sequence[tuple[str, ModelBundle]],
    videos: Sequence[tuple[Path, str]],
    fps: float,
) -> Iterator[PoseTimes]:
    """Run each video through each bundle, one after the other, so that both meet the same load."""
    policy = GaitPolicy(max_fps=fps, timeout_ms=None)
    analyzers = [(name, GaitAnalyzer(bundle, policy=policy)) for name, bundle in bundles]
    for _, analyzer in analyzers if videos else ():
        # The first run of a net is slower than all others.
        _run(analyzer, videos[0][0], policy)
    for path, tag in videos:
        for name, analyzer in analyzers:
            timed = _run(analyzer, path, policy)
            yield PoseTimes(
                video_id=path.stem, tag=tag, model=name, **msgspec.structs.asdict(timed)
            )


def summarise(rows: Sequence[PoseTimes]) -> list[ModelSummary]:
    """One line a model."""
    summaries = []
    for model in dict.fromkeys(row.model for row in rows):
        own = [row for row in rows if row.model == model]
        good = [row for row in own if row.status == SUCCEEDED]
        summaries.append(
            ModelSummary(
                model=model,
                videos=len(own),
                failed_share=round(1 - len(good) / len(own), 4),
                t_keypoint_ms_p50=_median([row.t_keypoint_ms for row in good]),
                t_total_ms_p50=_median([row.t_total_ms for row in good]),
                mean_valid_ratio=_mean([row.valid_ratio for row in good]),
                mean_kp_conf=_mean([row.mean_kp_conf for row in good]),
            )
        )
    return summaries


class _Timed(msgspec.Struct, frozen=True):
    t_keypoint_ms: float
    t_total_ms: float
    valid_frames: int
    valid_ratio: float
    mean_kp_conf: float
    status: str
    fail_code: str | None


def _run(analyzer: GaitAnalyzer, path: Path, policy: GaitPolicy) -> _Timed:
    started = time.perf_counter()
    keypoint_ms, stats = 0.0, {"valid_frames": 0, "valid_ratio": 0.0, "mean_kp_conf": 0.0}
    fail_code: str | None = None
    try:
        track = analyzer.follow(path)
        video = VideoFile(
            path, limits=MediaLimits(max_duration_ms=policy.max_duration_ms),
            max_side_px=policy.max_side_px, max_fps=policy.max_fps,
        )  # fmt: skip
        before = time.perf_counter()
        poses = analyzer.poses(video, track)
        keypoint_ms = 1000 * (time.perf_counter() - before - video.decode_s)
        stats = keypoint_stats(poses)
        analyzer.judge(poses)
        if stats["valid_frames"] < policy.min_frames:
            fail_code = "DOG_NOT_TRACKED"
    except AnalysisError as error:
        fail_code = error.code
    return _Timed(
        t_keypoint_ms=round(keypoint_ms, 1),
        t_total_ms=round(1000 * (time.perf_counter() - started), 1),
        valid_frames=int(stats["valid_frames"]),
        valid_ratio=stats["valid_ratio"],
        mean_kp_conf=stats["mean_kp_conf"],
        status=SUCCEEDED if fail_code is None else FAILED,
        fail_code=fail_code,
    )


def _median(values: Sequence[float]) -> float | None:
    return round(float(np.median(values)), 1) if values else None


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
