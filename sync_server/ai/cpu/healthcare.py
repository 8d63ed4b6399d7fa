"""Gait from a video, step by step: each a call of a worker process.

Frames are not kept between the steps (ten seconds of 720p are 800 MB): following and posing read
the video once each, and leave tables of a few kilobytes.
"""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from edge_sdk.analyzers.stages import StageTimes
from edge_sdk.artifacts.writing import write_artifacts
from edge_sdk.errors import InsufficientFrames
from edge_sdk.gait.anatomy import HIND, MIDDLES, PAWS, TOPS
from edge_sdk.gait.pipeline import GaitAnalyzer
from edge_sdk.gait.plan import fixed_plan
from edge_sdk.gait.posing import DogTrack, PoseTrack
from edge_sdk.gait.results import GaitAnalysis, GaitPolicy
from edge_sdk.gait.tracking import TrackSummary
from edge_sdk.media.frames import MediaLimits
from edge_sdk.media.video import VideoFile
from sync_server.ai.cpu.bundles import bundle_for
from sync_server.ai.cpu.files import load, save, written_aside
from sync_server.ai.cpu_calls import share_writer
from sync_server.ai.refusals import INFERENCE_S, KEYPOINTS_UNSURE, refusing

_HIND_JOINTS: Final = [joints[limb] for joints in (PAWS, MIDDLES, TOPS) for limb in HIND]
_POLICY: Final = GaitPolicy(decode_threads=1, timeout_ms=1000 * INFERENCE_S)


class Sampling(msgspec.Struct, frozen=True):
    """How a video is read: at most `max_fps` frames a second (0: as the analyzer likes best), at
    most `max_side_px` wide or high."""

    max_fps: float = 0.0
    max_side_px: int = _POLICY.max_side_px


@refusing("healthcare")
def sample_frames(video: str, sampling: dict[str, Any], models_dir: str) -> dict[str, Any]:
    """SAMPLING_FRAMES: which frames will be looked at, at which size; the first one is decoded.

    Raises INSUFFICIENT_FRAMES and the media's codes.
    """
    policy = _policy(msgspec.convert(sampling, Sampling))
    with _open(Path(video), policy) as source:
        first = next(iter(source), None)
        selected = source.selected
        info = source.info
    if first is None or selected < policy.min_frames:
        raise InsufficientFrames(
            f"{selected} frames", min_frames=policy.min_frames, frames=selected
        )
    return {
        "frames": selected,
        "width_px": info.width,
        "height_px": info.height,
        "source_fps": round(info.fps, 3),
        "duration_s": round(info.duration_ms / 1000, 3),
    }


@refusing("healthcare")
def follow_dog(
    video: str, sampling: dict[str, Any], frames: int, out: str, models_dir: str, watched: str
) -> dict[str, Any]:
    """DOG_TRACKING: find the dog in every frame; its boxes go to `out` (.npz).

    Raises DOG_NOT_TRACKED and INSUFFICIENT_FRAMES.
    """
    analyzer = _analyzer(models_dir, msgspec.convert(sampling, Sampling))
    track = analyzer.follow(Path(video), on_frame=share_writer(watched, frames))
    save(
        Path(out), track.summary,
        {"timestamps_ms": track.timestamps_ms, "boxes": track.boxes_xyxy_px,
         "headings": track.headings_rad, "scores": track.scores},
    )  # fmt: skip
    return {"found_share": round(track.summary.found_share, 4), "frames": len(track.timestamps_ms)}


@refusing("healthcare")
def estimate_keypoints(
    video: str, sampling: dict[str, Any], track: str, out: str, models_dir: str, watched: str
) -> dict[str, Any]:
    """KEYPOINT_ESTIMATION: the joints in every frame with the dog; they go to `out` (.npz).

    Raises DOG_NOT_TRACKED when too few frames have a pose.
    """
    chosen = msgspec.convert(sampling, Sampling)
    summary, arrays = load(Path(track), TrackSummary)
    known = DogTrack(
        arrays["timestamps_ms"], arrays["boxes"], arrays["headings"], arrays["scores"], summary
    )
    poses = _analyzer(models_dir, chosen).poses(
        Path(video), known, on_frame=share_writer(watched, len(known.timestamps_ms))
    )
    stats = keypoint_stats(poses)
    if stats["valid_frames"] < _policy(chosen).min_frames:
        raise KEYPOINTS_UNSURE.error(stats)
    save(Path(out), summary, {**arrays, "keypoints": poses.keypoints})
    return stats


@refusing("healthcare")
def score_gait(poses: str, models_dir: str) -> dict[str, Any]:
    """METRIC_SCORING: the report as the product's result JSON; what is unknown is null."""
    return _analyzer(models_dir, Sampling()).judge(_poses(Path(poses))).to_json()


@refusing("healthcare")
def draw_artifacts(
    video: str, sampling: dict[str, Any], poses: str, overlay_out: str, report_out: str,
    models_dir: str,
) -> None:  # fmt: skip
    """ARTIFACT_GENERATION: write the overlay video (.mp4) and the report picture (.png)."""
    chosen = msgspec.convert(sampling, Sampling)
    policy, track = _policy(chosen), _poses(Path(poses))
    with _open(Path(video), policy) as source:
        info = source.info
    analysis = GaitAnalysis(
        _analyzer(models_dir, chosen).judge(track), track,
        fixed_plan(policy.max_fps, policy.detect_every, info.fps), StageTimes(),
        (info.width, info.height),
    )  # fmt: skip
    aside = Path(overlay_out).with_name("drawing")
    # What a process that was killed while drawing has left is of no use.
    shutil.rmtree(aside, ignore_errors=True)
    files = write_artifacts(analysis, Path(video), aside)
    assert files.overlay is not None  # the clip is a file
    written_aside(Path(overlay_out), files.overlay.replace)
    written_aside(Path(report_out), files.report.replace)
    shutil.rmtree(aside)


def keypoint_stats(track: PoseTrack) -> dict[str, Any]:
    """The figures of the product's comparison: valid frames, their share, mean confidence.

    A frame is valid when it has a pose; the confidence is that of the hind limbs (paws,
    hocks, stifles), over the valid frames, 0 without any.
    """
    valid = np.isfinite(track.scores)
    sure = track.keypoints[valid][:, _HIND_JOINTS, 2]
    return {
        "frames_sampled": len(valid),
        "valid_frames": int(valid.sum()),
        "valid_ratio": round(float(valid.mean()), 4) if len(valid) else 0.0,
        "mean_kp_conf": round(float(sure.mean()), 4) if sure.size else 0.0,
    }


def _poses(path: Path) -> PoseTrack:
    summary, arrays = load(path, TrackSummary)
    return PoseTrack(
        arrays["keypoints"], arrays["timestamps_ms"], arrays["boxes"], arrays["headings"],
        arrays["scores"], summary,
    )  # fmt: skip


def _policy(sampling: Sampling) -> GaitPolicy:
    return msgspec.structs.replace(
        _POLICY,
        max_fps=sampling.max_fps or _POLICY.max_fps,
        max_side_px=min(sampling.max_side_px, _POLICY.max_side_px),
    )


def _open(video: Path, policy: GaitPolicy) -> VideoFile:
    return VideoFile(
        video, limits=MediaLimits(max_duration_ms=policy.max_duration_ms),
        max_side_px=policy.max_side_px, max_fps=policy.max_fps, threads=policy.decode_threads,
    )  # fmt: skip


@lru_cache(maxsize=8)
def _analyzer(models_dir: str, sampling: Sampling) -> GaitAnalyzer:
    return GaitAnalyzer(bundle_for("pose", models_dir), policy=_policy(sampling))
