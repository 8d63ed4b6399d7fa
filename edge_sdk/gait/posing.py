"""Frames in, poses out: the dog followed from detection to detection, a few frames at a time.

`PoseRecorder` does both in one reading of a clip; `follow_dog` and `estimate_poses` do the same
in two, for pipelines that keep what lies between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
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


@dataclass(frozen=True, slots=True, eq=False)
class DogTrack:
    """Where one dog is over time; rows without the dog are NaN.

    `timestamps_ms` (T,); `boxes_xyxy_px` (T, 4); `headings_rad` (T,); `scores` (T,).
    """

    timestamps_ms: NDArray[np.float64]
    boxes_xyxy_px: NDArray[np.float64]
    headings_rad: NDArray[np.float64]
    scores: NDArray[np.float64]
    summary: TrackSummary


Placed = list[tuple[Frame, Tracked | None]]
"""Frames in their order, each with the dog in it."""


class DogTracker:
    """Takes frames one by one and says where the dog is in each. Not thread-safe.

    The detector looks at every `detect_every`-th frame, and at every one while the dog is lost;
    the frames between wait for the next detection and get boxes between the two.
    """

    def __init__(
        self,
        detector: Detector,
        detect_every: int,
        *,
        policy: TrackPolicy | None = None,
        class_ids: frozenset[int] | None = None,
        runner: StageRunner | None = None,
    ) -> None:
        """Follow dogs of `class_ids` (None: all classes of the detector)."""
        self._detector = detector
        self._every = max(1, detect_every)
        self._follower = DogFollower(policy, class_ids)
        self._runner = runner
        self._pending: list[Frame] = []
        self._last: Tracked | None = None
        self._lost = True
        self.frames = 0

    @property
    def found(self) -> bool:
        """Whether the dog was seen at least once."""
        return self._last is not None

    def add(self, frame: Frame) -> Placed:
        """Take the next frame; return those that are decided now."""
        self.frames += 1
        self._pending.append(frame)
        if self._lost or len(self._pending) >= self._every:
            return self._observe()
        return []

    def finish(self) -> Placed:
        """Look at the last frames, and return them."""
        if not self._pending:
            return []
        return self._observe() + self._give_up(len(self._pending))

    def summary(self) -> TrackSummary:
        """How well the dog was followed until now."""
        return self._follower.summary()

    def _observe(self) -> Placed:
        newest = self._pending[-1]
        with _timed(self._runner, "inference"):
            detections = self._detector.detect([newest.image])[0]
        with _timed(self._runner, "post"):
            seen = self._follower.observe(newest.timestamp_ms, detections)
        if seen is None:
            self._lost = True
            return self._give_up(len(self._pending) - MOST_PENDING)
        before = self._last
        near = before is not None and seen.timestamp_ms - before.timestamp_ms <= BRIDGED_MS
        decided: Placed = []
        if not near or before is None:
            decided = self._give_up(len(self._pending) - 1)
            before = seen
        decided += [(f, between(before, seen, f.timestamp_ms)) for f in self._pending]
        self._pending = []
        self._last, self._lost = seen, False
        return decided

    def _give_up(self, count: int) -> Placed:
        """Take the oldest frames that wait as frames without the dog."""
        given: Placed = [(frame, None) for frame in self._pending[: max(count, 0)]]
        del self._pending[: max(count, 0)]
        return given


class PoseRecorder:
    """Takes frames one by one, follows the dog and keeps its poses. Not thread-safe."""

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
        """Follow dogs as `DogTracker` does."""
        self._tracker = DogTracker(
            detector, detect_every, policy=policy, class_ids=class_ids, runner=runner
        )
        self._pose = pose
        self._runner = runner
        self._rows: list[_Row] = []

    @property
    def frames(self) -> int:
        """Frames taken until now."""
        return self._tracker.frames

    @property
    def found(self) -> bool:
        """Whether the dog was seen at least once."""
        return self._tracker.found

    def add(self, frame: Frame) -> None:
        """Take the next frame."""
        self._record(self._tracker.add(frame))

    def finish(self) -> PoseTrack:
        """Look at the last frames, and return all poses."""
        self._record(self._tracker.finish())
        return _pose_track(self._rows, self._tracker.summary())

    def _record(self, placed: Placed) -> None:
        with _timed(self._runner, "inference"):
            self._rows += _posed(placed, self._pose)


def follow_dog(
    frames: Iterable[Frame], tracker: DogTracker, on_frame: Callable[[int], None]
) -> DogTrack:
    """Find the dog in every frame, without its poses; `on_frame` is told how many were taken."""
    rows: list[_Row] = []
    for frame in frames:
        rows += [_row(one, dog, _NO_POSE) for one, dog in tracker.add(frame)]
        on_frame(tracker.frames)
    rows += [_row(one, dog, _NO_POSE) for one, dog in tracker.finish()]
    track = _pose_track(rows, tracker.summary())
    return DogTrack(
        track.timestamps_ms, track.boxes_xyxy_px, track.headings_rad, track.scores, track.summary
    )


def estimate_poses(
    frames: Iterable[Frame], track: DogTrack, pose: PoseEstimator, on_frame: Callable[[int], None]
) -> PoseTrack:
    """Poses of a dog that was followed, from the same frames read again.

    Gives what `PoseRecorder` gives in one reading. Frames that the track does not know are left
    out; rows of frames that are not there keep no pose.
    """
    known = {float(at): row for row, at in enumerate(track.timestamps_ms)}
    keypoints = np.tile(_NO_POSE, (len(known), 1, 1))
    waiting: list[tuple[int, Frame]] = []

    def pose_waiting() -> None:
        if waiting:
            rows = [row for row, _ in waiting]
            keypoints[rows] = pose.estimate_each(
                [frame.image for _, frame in waiting],
                track.boxes_xyxy_px[rows],
                track.headings_rad[rows],
            )
            waiting.clear()

    for taken, frame in enumerate(frames, 1):
        row = known.get(float(frame.timestamp_ms))
        if row is not None and np.isfinite(track.scores[row]):
            waiting.append((row, frame))
        if len(waiting) == MOST_PENDING:
            pose_waiting()
        on_frame(taken)
    pose_waiting()
    return PoseTrack(
        keypoints, track.timestamps_ms, track.boxes_xyxy_px, track.headings_rad, track.scores,
        track.summary,
    )  # fmt: skip


def _posed(placed: Placed, pose: PoseEstimator) -> list[_Row]:
    seen = [(frame, dog) for frame, dog in placed if dog is not None]
    if not seen:
        return [_row(frame, None, _NO_POSE) for frame, _ in placed]
    keypoints = iter(
        pose.estimate_each(
            [frame.image for frame, _ in seen],
            np.stack([dog.box_xyxy_px for _, dog in seen]),
            np.array([dog.heading_rad for _, dog in seen]),
        )
    )
    return [_row(frame, dog, _NO_POSE if dog is None else next(keypoints)) for frame, dog in placed]


def _row(frame: Frame, dog: Tracked | None, keypoints: NDArray[np.floating]) -> _Row:
    if dog is None:
        return _Row(frame.timestamp_ms, _NO_POSE, _NO_BOX, math.nan, math.nan)
    return _Row(
        frame.timestamp_ms, keypoints.astype(np.float64), dog.box_xyxy_px, dog.heading_rad,
        dog.score,
    )  # fmt: skip


def _pose_track(rows: list[_Row], summary: TrackSummary) -> PoseTrack:
    return PoseTrack(
        keypoints=np.array([row.keypoints for row in rows]).reshape(-1, _POINTS, 3),
        timestamps_ms=np.array([row.timestamp_ms for row in rows], np.float64),
        boxes_xyxy_px=np.array([row.box for row in rows]).reshape(-1, 4),
        headings_rad=np.array([row.heading_rad for row in rows], np.float64),
        scores=np.array([row.score for row in rows], np.float64),
        summary=summary,
    )


def _timed(runner: StageRunner | None, kind: str) -> AbstractContextManager[None]:
    return nullcontext() if runner is None else runner.timed(kind)


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
