"""What the gait check is limited by, and what it hands back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_sdk.analyzers.stages import GAIT_PLAN, StageTimes
from edge_sdk.errors import AnalysisError, DogNotTracked, InsufficientFrames
from edge_sdk.gait.measures import Measure
from edge_sdk.gait.plan import GaitPlan
from edge_sdk.gait.posing import PoseTrack
from edge_sdk.gait.report import GaitReport, Processing
from edge_sdk.gait.scores import MetricScore
from edge_sdk.gait.tracking import Tracked, TrackPolicy, TrackSummary


class GaitPolicy(msgspec.Struct, frozen=True):
    """Limits of the gait check; the defaults are the product's (its document, sections 1-4, 4).

    10 s, 720p, at least 60 frames, the dog in 60 % of the detections and never lost for more than
    1 s, 15 s of time. `max_fps` 30 is the native rate of most phones, whose 60 gains no more than
    3 % of interval.
    """

    max_duration_ms: float = 10_000.0
    max_side_px: int = 1_280
    max_fps: float = 30.0
    detect_every: int = 3
    min_frames: int = 60
    tracked_share: float = 0.6
    longest_gap_ms: float = 1_000.0
    crossing_ms: float = 250.0
    timeout_ms: float | None = 15_000.0
    live_window_ms: float = 10_000.0
    decode_threads: int = 2
    track: TrackPolicy = TrackPolicy()


@dataclass(frozen=True, slots=True, eq=False)
class PoseReading:
    """The dog in one picture or live frame; `keypoints` (24, 3) x, y, confidence, None without."""

    timestamp_ms: float | None
    dog: Tracked | None
    keypoints: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True, eq=False)
class GaitAnalysis:
    """A report with what it was made of; serialise `report.to_json()`.

    `frame_size` is the width and height that `track` is in pixels of; `files` are the pictures
    that were written.
    """

    report: GaitReport
    track: PoseTrack
    plan: GaitPlan
    times: StageTimes
    frame_size: tuple[int, int]
    fallbacks: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def metrics(self) -> dict[str, MetricScore]:
        """The five scores by name."""
        return self.report.metrics

    @property
    def measures(self) -> dict[str, Measure]:
        """The measures behind the scores, by name."""
        return self.report.measures

    def to_json(self) -> dict[str, Any]:
        """The product's result JSON."""
        return self.report.to_json()


def check_followed(
    timestamps_ms: NDArray[np.float64], summary: TrackSummary, policy: GaitPolicy
) -> None:
    """Refuse a clip in which the dog was not followed well enough.

    Raises `InsufficientFrames` and `DogNotTracked` with their stages.
    """
    refused: AnalysisError | None = None
    if len(timestamps_ms) < policy.min_frames:
        refused = InsufficientFrames(
            f"{len(timestamps_ms)} frames, {policy.min_frames} are needed: film the walk for "
            "5 to 10 seconds",
            min_frames=policy.min_frames, frames=len(timestamps_ms),
        )  # fmt: skip
        refused.stage, refused.percent = "SAMPLING_FRAMES", GAIT_PLAN["SAMPLING_FRAMES"].end
    elif summary.found_share < policy.tracked_share or (
        summary.longest_gap_ms > policy.longest_gap_ms
    ):
        refused = DogNotTracked(
            f"the dog was found in {summary.found_share:.0%} of the frames looked at and lost "
            f"for up to {min(summary.longest_gap_ms, 99e3) / 1000:.1f} s: film one dog from "
            "the side, whole and in light",
            reason="lost", found_share=round(summary.found_share, 3),
        )  # fmt: skip
    elif summary.crossing_ms > policy.crossing_ms:
        refused = DogNotTracked(
            "another dog crossed or stood so near that the two cannot be told apart: film "
            "one dog alone",
            reason="two_dogs",
            crossing_ms=round(summary.crossing_ms),
        )
    if refused is None:
        return
    if refused.stage is None:
        refused.stage, refused.percent = "DOG_TRACKING", GAIT_PLAN["DOG_TRACKING"].end
    raise refused


def filled(
    report: GaitReport,
    track: PoseTrack,
    spent_ms: float,
    model_version: str,
    analysis_id: str,
) -> GaitReport:
    """The report with how the clip was processed, by what, and when (now)."""
    stamps = track.timestamps_ms
    step_ms = float(np.median(np.diff(stamps)))
    duration_ms = float(stamps[-1] - stamps[0]) + step_ms
    return msgspec.structs.replace(
        report,
        processing=Processing(
            analysis_time_ms=round(spent_ms),
            video_duration_sec=round(duration_ms / 1000, 3),
            frames_sampled=len(stamps),
            fps_used=round(1000.0 / step_ms, 2),
        ),
        analysis_id=analysis_id,
        analyze_at=datetime.now(UTC).isoformat(timespec="seconds"),
        model_version=model_version,
    )
