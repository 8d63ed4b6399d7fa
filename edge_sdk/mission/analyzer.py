"""From a clip of a dog to the verdict on a mission: decode, follow, pose, check."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_sdk.analyzers.models import AnalyzerBundle, fallbacks_of, version_of
from edge_sdk.analyzers.modes import LiveResult, ModeGate, RunningMode
from edge_sdk.analyzers.stages import MISSION_PLAN, Progress, StageRunner, StageTimes
from edge_sdk.errors import DogNotTracked, InsufficientFrames, MissionVideoInvalid, UnsupportedMedia
from edge_sdk.gait.posing import PoseRecorder, PoseTrack
from edge_sdk.gait.results import PoseReading
from edge_sdk.gait.tracking import DogFollower, TrackPolicy, dog_classes
from edge_sdk.media.frames import Clip, Image, MediaLimits
from edge_sdk.media.video import open_clip
from edge_sdk.mission.check import check
from edge_sdk.mission.criteria import MIN_CLIP_MS, MIN_FRAMES
from edge_sdk.mission.result import Mission, MissionVerdict, mission_of
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.pose import PoseEstimator

PIPELINE: Final = "mission_pipeline_v1"


class MissionPolicy(msgspec.Struct, frozen=True):
    """Limits of the mission check; 720p as the product has it.

    The product samples 12 frames a second; a jump lasts four of those, so up to 24 are taken.
    """

    max_duration_ms: float = 10_000.0
    max_side_px: int = 1_280
    max_fps: float = 24.0
    detect_every: int = 2
    tracked_share: float = 0.3
    timeout_ms: float | None = 15_000.0
    live_window_ms: float = 6_000.0
    decode_threads: int = 2
    track: TrackPolicy = TrackPolicy()


@dataclass(frozen=True, slots=True, eq=False)
class MissionAnalysis:
    """A verdict with the poses it rests on, and where the time went."""

    verdict: MissionVerdict
    track: PoseTrack
    times: StageTimes
    model_version: str
    fallbacks: tuple[str, ...] = ()


class MissionChecker:
    """Checks whether a dog did what a mission asks for.

    Modes: IMAGE takes `detect` (a pose; no mission is done in one picture), VIDEO
    `detect_for_video`, `verdict` and `analyze`, LIVE_STREAM `detect_async` and `verdict`.
    Thread-safe as `ModeGate` says: calls are served one after another. The bundle belongs to the
    caller and must stay open as long as the checker.
    """

    def __init__(
        self,
        bundle: AnalyzerBundle,
        *,
        running_mode: RunningMode = RunningMode.VIDEO,
        on_result: Callable[[LiveResult[PoseReading]], None] | None = None,
        policy: MissionPolicy | None = None,
    ) -> None:
        """Use the stages "detector" and "pose" of a bundle."""
        self._policy = policy or MissionPolicy()
        detector, pose = bundle.stage("detector"), bundle.stage("pose")
        self._detector = Detector(detector, bundle.manifest.thresholds)
        self._pose = PoseEstimator(pose)
        self._class_ids = dog_classes(self._detector.classes)
        self._version = version_of(PIPELINE, bundle)
        self._fallbacks = fallbacks_of((detector, pose))
        self._gate: ModeGate[PoseReading] = ModeGate(running_mode, self._read, on_result)
        self._follower = self._new_follower()
        self._seen: deque[_Seen] = deque()

    def detect(self, image: Image) -> PoseReading:
        """Find the dog of one picture and its pose (IMAGE)."""
        return self._gate.image(image)

    def detect_for_video(self, image: Image, timestamp_ms: float) -> PoseReading:
        """Follow the dog into the next frame (VIDEO)."""
        return self._gate.video(image, timestamp_ms)

    def detect_async(self, image: Image, timestamp_ms: float) -> None:
        """Queue a camera's frame; the reading comes through the callback (LIVE_STREAM)."""
        self._gate.live(image, timestamp_ms)

    def verdict(
        self,
        mission: Mission | str,
        hand_boxes_xyxy_px: NDArray[np.floating] | None = None,
    ) -> MissionVerdict:
        """Judge what the last seconds of frames showed; `hand_boxes_xyxy_px` as in `check`.

        Raises `InsufficientFrames` until there are enough, and `InvalidMissionType`.
        """
        with self._gate.held():
            seen = list(self._seen)
        if len(seen) < MIN_FRAMES:
            raise InsufficientFrames(f"{len(seen)} frames until now", min_frames=MIN_FRAMES)
        return check(
            mission,
            np.stack([one.keypoints for one in seen]),
            np.array([one.heading_rad for one in seen]),
            np.array([one.timestamp_ms for one in seen]),
            np.stack([one.box for one in seen]),
            hand_boxes_xyxy_px=hand_boxes_xyxy_px,
        )

    def reset(self) -> None:
        """Begin a new video: times may start again and nothing is remembered."""
        with self._gate.held():
            self._gate.restart()
            self._follower = self._new_follower()
            self._seen.clear()

    def analyze(
        self,
        mission: Mission | str,
        clip: Clip,
        *,
        span_ms: tuple[float, float] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> MissionAnalysis:
        """Judge a whole clip: a file, its bytes, or frames with their times (VIDEO).

        Raises `InvalidMissionType`, `MissionVideoInvalid`, `VideoTooLong`, `InsufficientFrames`,
        `DogNotTracked` and `InferenceTimeout`, each with its stage.
        """
        with self._gate.clip():
            run = StageRunner(MISSION_PLAN, on_progress, self._policy.timeout_ms)
            try:
                return self._analyze(mission, clip, span_ms, run)
            except UnsupportedMedia as error:
                refused = MissionVideoInvalid(str(error), **error.details)
                refused.stage, refused.percent = error.stage, error.percent
                raise refused from error

    def close(self) -> None:
        """Refuse further calls; the bundle stays open."""
        self._gate.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _new_follower(self) -> DogFollower:
        return DogFollower(self._policy.track, self._class_ids)

    def _read(self, image: Image, timestamp_ms: float | None) -> PoseReading:
        follower = self._new_follower() if timestamp_ms is None else self._follower
        at_ms = 0.0 if timestamp_ms is None else timestamp_ms
        dog = follower.observe(at_ms, self._detector.detect([image])[0])
        keypoints = np.full((24, 3), np.nan)
        if dog is not None:
            found = self._pose.estimate(image, dog.box_xyxy_px[None], np.array([dog.heading_rad]))
            keypoints = found[0].astype(np.float64)
        if timestamp_ms is not None:
            box = np.full(4, np.nan) if dog is None else dog.box_xyxy_px
            heading = np.nan if dog is None else dog.heading_rad
            self._seen.append(_Seen(at_ms, keypoints, heading, box))
            while self._seen[0].timestamp_ms < at_ms - self._policy.live_window_ms:
                self._seen.popleft()
        return PoseReading(timestamp_ms, dog, None if dog is None else keypoints)

    def _analyze(
        self,
        mission: Mission | str,
        clip: Clip,
        span_ms: tuple[float, float] | None,
        run: StageRunner,
    ) -> MissionAnalysis:
        policy = self._policy
        with run.stage("VALIDATING"):
            wanted = mission_of(mission)
        with run.stage("FETCHING_VIDEO"), run.timed("decode"):
            source = open_clip(
                clip, limits=MediaLimits(max_duration_ms=policy.max_duration_ms),
                max_side_px=policy.max_side_px, max_fps=policy.max_fps, span_ms=span_ms,
                threads=policy.decode_threads,
            )  # fmt: skip
        recorder = PoseRecorder(
            self._detector, self._pose, policy.detect_every, policy=policy.track,
            class_ids=self._class_ids, runner=run,
        )  # fmt: skip
        with source, run.stage("MISSION_INFERENCE"):
            expected = getattr(source, "selected", 0) or 120
            for frame in source:
                recorder.add(frame)
                run.step(recorder.frames / expected)
            track = recorder.finish()
            run.spent("decode", 1000 * source.decode_s)
            self._check(track)
        with run.stage("RESULT_PARSING"), run.timed("post"):
            verdict = check(
                wanted, track.keypoints, track.headings_rad, track.timestamps_ms,
                track.boxes_xyxy_px,
            )  # fmt: skip
        with run.stage("FINALIZING"):
            return MissionAnalysis(verdict, track, run.times(), self._version, self._fallbacks)

    def _check(self, track: PoseTrack) -> None:
        stamps = track.timestamps_ms
        if len(stamps) < MIN_FRAMES or stamps[-1] - stamps[0] < MIN_CLIP_MS:
            raise InsufficientFrames(f"{len(stamps)} frames", min_frames=MIN_FRAMES)
        share = track.posed / len(stamps)
        if share < self._policy.tracked_share:
            raise DogNotTracked(
                f"the dog is seen in {share:.0%} of the frames: keep all of it in the picture",
                reason="lost", found_share=round(share, 3),
            )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    timestamp_ms: float
    keypoints: NDArray[np.float64]
    heading_rad: float
    box: NDArray[np.float64]
