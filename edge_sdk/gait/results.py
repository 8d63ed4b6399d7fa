"""What the gait check is limited by, and what it hands back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_sdk.analyzers.stages import StageTimes
from edge_sdk.gait.measures import Measure
from edge_sdk.gait.plan import GaitPlan
from edge_sdk.gait.posing import PoseTrack
from edge_sdk.gait.report import GaitReport
from edge_sdk.gait.scores import MetricScore
from edge_sdk.gait.tracking import Tracked, TrackPolicy


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
