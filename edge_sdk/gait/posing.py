"""Frames in, poses out: the dog followed from detection to detection, a few frames at a time."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.analyzers.stages import StageRunner
from edge_sdk.gait.tracking import DogFollower, Tracked, TrackPolicy, TrackSummary, between
from edge_sdk.media.frames import Frame
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.keypoints import KEYPOINT_NAMES
from edge_sdk.vision.pose import PoseEstimator

MOST_PENDING: Final = 8
"""Frames held while the dog is searched; beyond that they count as not tracked."""
BRIDGED_MS: Final = 300.0
"""Between two observations further apart than this the dog's box is not interpolated."""


@dataclass(frozen=True, slots=True, eq=False)
class PoseTrack:
    """Poses of one dog over time; rows without the dog are NaN.

    `keypoints` (T, 24, 3) x, y, confidence; `timestamps_ms` (T,); `boxes_xyxy_px` (T, 4);
    `headings_rad` (T,); `scores` (T,) of the detections.
    """

    keypoints: NDArray[np.float64]
    timestamps_ms: NDArray[np.float64]
    boxes_xyxy_px: NDArray[np.float64]
    headings_rad: NDArray[np.float64]
    scores: NDArray[np.float64]
    summary: TrackSummary

    @property
    def posed(self) -> int:
        """Frames with a pose."""
        return int(np.isfinite(self.scores).sum())


class PoseRecorder:
    """Takes frames one by one and keeps the poses. Not thread-safe.

    The detector looks at every `detect_every`-th frame, and at every one while the dog is lost;
    the frames between wait for the next detection and get boxes between the two.
    """

    def __init__(
        self,
        detector: Detector,
        pose: PoseEstimator,
        detect_every: int,
        *,
        policy: TrackPolicy | None = None,
        class_ids: frozenset[int] | None = None,
        runner: StageRunner | None = None,
    ) -> None:
        """Follow dogs of `class_ids` (None: all classes of the detector)."""
        self._detector = detector
        self._pose = pose
        self._every = max(1, detect_every)
        self._follower = DogFollower(policy, class_ids)
        self._runner = runner
        self._pending: list[Frame] = []
        self._last: Tracked | None = None
        self._lost = True
        self._rows: list[_Row] = []

    @property
    def frames(self) -> int:
        """Frames taken until now."""
        return len(self._rows) + len(self._pending)

    @property
    def found(self) -> bool:
        """Whether the dog was seen at least once."""
        return self._last is not None

    def add(self, frame: Frame) -> None:
        """Take the next frame."""
        self._pending.append(frame)
        if self._lost or len(self._pending) >= self._every:
            self._observe()

    def finish(self) -> PoseTrack:
        """Look at the last frames, and return all poses."""
        if self._pending:
            self._observe()
            self._give_up(len(self._pending))
        rows = self._rows
        return PoseTrack(
            keypoints=np.array([row.keypoints for row in rows]).reshape(-1, _POINTS, 3),
            timestamps_ms=np.array([row.timestamp_ms for row in rows], np.float64),
            boxes_xyxy_px=np.array([row.box for row in rows]).reshape(-1, 4),
            headings_rad=np.array([row.heading_rad for row in rows], np.float64),
            scores=np.array([row.score for row in rows], np.float64),
            summary=self._follower.summary(),
        )

    def _observe(self) -> None:
        newest = self._pending[-1]
        with self._timed("inference"):
            detections = self._detector.detect([newest.image])[0]
        with self._timed("post"):
            seen = self._follower.observe(newest.timestamp_ms, detections)
        if seen is None:
            self._lost = True
            self._give_up(len(self._pending) - MOST_PENDING)
            return
        before = self._last
        near = before is not None and seen.timestamp_ms - before.timestamp_ms <= BRIDGED_MS
        if not near or before is None:
            self._give_up(len(self._pending) - 1)
            before = seen
        self._estimate([between(before, seen, frame.timestamp_ms) for frame in self._pending])
        self._last, self._lost = seen, False

    def _estimate(self, tracked: list[Tracked]) -> None:
        frames, self._pending = self._pending, []
        with self._timed("inference"):
            keypoints = self._pose.estimate_each(
                [frame.image for frame in frames],
                np.stack([one.box_xyxy_px for one in tracked]),
                np.array([one.heading_rad for one in tracked]),
            )
        for one, points in zip(tracked, keypoints, strict=True):
            self._rows.append(
                _Row(
                    one.timestamp_ms, points.astype(np.float64), one.box_xyxy_px,
                    one.heading_rad, one.score,
                )
            )  # fmt: skip

    def _give_up(self, count: int) -> None:
        """Record the oldest frames that wait as frames without the dog."""
        for frame in self._pending[: max(count, 0)]:
            self._rows.append(_Row(frame.timestamp_ms, _NO_POSE, _NO_BOX, math.nan, math.nan))
        del self._pending[: max(count, 0)]

    def _timed(self, kind: str) -> AbstractContextManager[None]:
        return nullcontext() if self._runner is None else self._runner.timed(kind)


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    timestamp_ms: float
    keypoints: NDArray[np.float64]
    box: NDArray[np.float64]
    heading_rad: float
    score: float


_POINTS: Final = len(KEYPOINT_NAMES)
_NO_POSE: Final = np.tile(np.array([np.nan, np.nan, 0.0]), (_POINTS, 1))
_NO_BOX: Final = np.full(4, np.nan)
