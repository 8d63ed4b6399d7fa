"""From a clip of a walking dog to its gait report: decode, follow, pose, score, draw."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_sdk.analyzers.models import AnalyzerBundle, fallbacks_of, version_of
from edge_sdk.analyzers.modes import LiveResult, ModeGate, RunningMode
from edge_sdk.analyzers.stages import GAIT_PLAN, Progress, StageRunner
from edge_sdk.bundle.manifest import YoloPoseOutput
from edge_sdk.errors import (
    InsufficientFrames,
    InvalidFileType,
    UnsupportedMedia,
)
from edge_sdk.gait.plan import GaitPlan, choose, fixed_plan, measure
from edge_sdk.gait.posing import (
    DogTrack,
    DogTracker,
    PoseRecorder,
    PoseTrack,
    estimate_poses,
    follow_dog,
)
from edge_sdk.gait.report import Artifacts, GaitReport
from edge_sdk.gait.results import GaitAnalysis, GaitPolicy, PoseReading, check_followed, filled
from edge_sdk.gait.scoring import score
from edge_sdk.gait.tracking import DogFollower, dog_classes
from edge_sdk.media.frames import Clip, Frame, FrameSource, Image, MediaLimits
from edge_sdk.media.video import open_clip
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.pose import PoseEstimator

PIPELINE: Final = "gait_pipeline_v1"
_log = logging.getLogger(__name__)


class GaitAnalyzer:
    """Judges how a dog walks, from pictures, frames or a whole clip.

    Modes: IMAGE takes `detect`, VIDEO `detect_for_video`, `analyze` and `report`, LIVE_STREAM
    `detect_async` and `report`. Thread-safe as `ModeGate` says: calls are served one after
    another. The bundle belongs to the caller and must stay open as long as the analyzer.
    """

    def __init__(
        self,
        bundle: AnalyzerBundle,
        *,
        running_mode: RunningMode = RunningMode.VIDEO,
        on_result: Callable[[LiveResult[PoseReading]], None] | None = None,
        policy: GaitPolicy | None = None,
    ) -> None:
        """Use the stages "detector" and "pose" of a bundle; a YOLO pose net is both."""
        self._policy = policy or GaitPolicy()
        pose = bundle.stage("pose")
        names = [stage.name for stage in bundle.manifest.stages]
        own = "detector" not in names and isinstance(pose.spec.output, YoloPoseOutput)
        detector = pose if own else bundle.stage("detector")
        self._detector = Detector(detector, bundle.manifest.thresholds)
        self._pose = PoseEstimator(pose)
        self._class_ids = dog_classes(self._detector.classes)
        self._version = version_of(PIPELINE, bundle)
        self._fallbacks = fallbacks_of((pose,) if own else (detector, pose))
        self._gate: ModeGate[PoseReading] = ModeGate(running_mode, self._read, on_result)
        self._follower = self._new_follower()
        self._seen: list[tuple[float, NDArray[np.float64]]] = []

    def detect(self, image: Image) -> PoseReading:
        """Find the largest dog of one picture (H, W, 3) uint8 RGB, and its pose (IMAGE)."""
        return self._gate.image(image)

    def detect_for_video(self, image: Image, timestamp_ms: float) -> PoseReading:
        """Follow the dog into the next frame (VIDEO)."""
        return self._gate.video(image, timestamp_ms)

    def detect_async(self, image: Image, timestamp_ms: float) -> None:
        """Queue a camera's frame; the reading comes through the callback (LIVE_STREAM)."""
        self._gate.live(image, timestamp_ms)

    def report(self) -> GaitReport:
        """Score the last ten seconds seen by `detect_for_video` or `detect_async`.

        What cannot be judged yet comes back as a report that abstains and says why.
        """
        with self._gate.held():
            stamps = np.array([at for at, _ in self._seen], np.float64)
            poses = np.array([pose for _, pose in self._seen]).reshape(-1, 24, 3)
        report = score(poses, stamps)
        return msgspec.structs.replace(report, model_version=self._scored_by(report))

    def reset(self) -> None:
        """Begin a new video: times may start again and nothing is remembered."""
        with self._gate.held():
            self._gate.restart()
            self._follower = self._new_follower()
            self._seen.clear()

    def analyze(
        self,
        clip: Clip,
        *,
        span_ms: tuple[float, float] | None = None,
        budget_ms: float | None = None,
        artifacts_dir: Path | str | None = None,
        analysis_id: str = "",
        on_progress: Callable[[Progress], None] | None = None,
    ) -> GaitAnalysis:
        """Judge a whole clip: a file, its bytes, or frames with their times (VIDEO).

        With `budget_ms` the nets are timed on the first frame and a plan is chosen that keeps to
        it; with `artifacts_dir` overlay and report pictures are written there (their failure is
        logged and marked in the report). A clip that was followed but cannot be judged gives a
        report that abstains. Raises `InvalidFileType`, `VideoTooLong`, `InsufficientFrames`,
        `DogNotTracked` and `InferenceTimeout`, each with its stage.
        """
        with self._gate.clip():
            run = StageRunner(GAIT_PLAN, on_progress, self._policy.timeout_ms)
            try:
                return self._analyze(clip, span_ms, budget_ms, artifacts_dir, analysis_id, run)
            except UnsupportedMedia as error:
                raise _as_file_type(error) from error

    # --- the steps of `analyze` one by one, for pipelines that keep what is between them -------
    def follow(self, clip: Clip, *, on_frame: Callable[[int], None] | None = None) -> DogTrack:
        """Follow the dog through a clip (VIDEO), without its poses.

        `on_frame` is told how many frames were taken. Raises what `analyze` raises until
        DOG_TRACKING.
        """
        with self._gate.clip():
            tracker = DogTracker(
                self._detector, self._policy.detect_every, policy=self._policy.track,
                class_ids=self._class_ids,
            )  # fmt: skip
            try:
                with self._open(clip, None, self._policy.max_fps) as source:
                    track = follow_dog(source, tracker, on_frame or _not_told)
            except UnsupportedMedia as error:
                raise _as_file_type(error) from error
            check_followed(track.timestamps_ms, track.summary, self._policy)
            return track

    def poses(
        self, clip: Clip, track: DogTrack, *, on_frame: Callable[[int], None] | None = None
    ) -> PoseTrack:
        """Estimate the poses of a dog that `follow` found in the same clip (VIDEO)."""
        with (
            self._gate.clip(),
            self._open(clip, None, self._policy.max_fps) as source,
        ):
            return estimate_poses(source, track, self._pose, on_frame or _not_told)

    def judge(
        self, track: PoseTrack, *, analysis_id: str = "", spent_ms: float = 0.0
    ) -> GaitReport:
        """Score poses; `spent_ms` is the time that went before."""
        report = score(track.keypoints, track.timestamps_ms)
        return filled(report, track, spent_ms, self._scored_by(report), analysis_id)

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

    # --- single frames -----------------------------------------------------------------------
    def _new_follower(self) -> DogFollower:
        return DogFollower(self._policy.track, self._class_ids)

    def _read(self, image: Image, timestamp_ms: float | None) -> PoseReading:
        single = timestamp_ms is None
        follower = self._new_follower() if single else self._follower
        at_ms = 0.0 if timestamp_ms is None else timestamp_ms
        dog = follower.observe(at_ms, self._detector.detect([image])[0])
        keypoints = np.full((24, 3), np.nan)
        if dog is not None:
            found = self._pose.estimate(image, dog.box_xyxy_px[None], np.array([dog.heading_rad]))
            keypoints = found[0].astype(np.float64)
        if not single:
            self._seen.append((at_ms, keypoints))
            oldest = at_ms - self._policy.live_window_ms
            while self._seen and self._seen[0][0] < oldest:
                self._seen.pop(0)
        return PoseReading(timestamp_ms, dog, None if dog is None else keypoints)

    # --- whole clips -------------------------------------------------------------------------
    def _analyze(
        self,
        clip: Clip,
        span_ms: tuple[float, float] | None,
        budget_ms: float | None,
        artifacts_dir: Path | str | None,
        analysis_id: str,
        run: StageRunner,
    ) -> GaitAnalysis:
        policy = self._policy
        with run.stage("VALIDATING"), run.timed("decode"):
            source = self._open(clip, span_ms, policy.max_fps)
        with run.stage("FETCHING_VIDEO"):
            plan = self._plan(clip, source, span_ms, budget_ms)
            if plan.fps < policy.max_fps:
                source = self._open(clip, span_ms, plan.fps)
        with source:
            track = self._follow(source, plan, run)
        run.spent("decode", 1000 * source.decode_s)
        check_followed(track.timestamps_ms, track.summary, policy)
        with run.stage("METRIC_SCORING"), run.timed("post"):
            report = score(track.keypoints, track.timestamps_ms)
        report = filled(report, track, run.times().total_ms, self._scored_by(report), analysis_id)
        info = source.info
        analysis = GaitAnalysis(
            report, track, plan, run.times(), (info.width, info.height), self._fallbacks
        )
        if artifacts_dir is not None:
            with run.stage("ARTIFACT_GENERATION"), run.timed("artifacts"):
                analysis = _drawn(analysis, clip, Path(artifacts_dir))
        with run.stage("FINALIZING"):
            return dataclasses.replace(analysis, times=run.times())

    def _open(self, clip: Clip, span_ms: tuple[float, float] | None, max_fps: float) -> FrameSource:
        policy = self._policy
        return open_clip(
            clip, limits=MediaLimits(max_duration_ms=policy.max_duration_ms),
            max_side_px=policy.max_side_px, max_fps=max_fps, span_ms=span_ms,
            threads=policy.decode_threads,
        )  # fmt: skip

    def _plan(
        self,
        clip: Clip,
        source: FrameSource,
        span_ms: tuple[float, float] | None,
        budget_ms: float | None,
    ) -> GaitPlan:
        policy, info = self._policy, source.info
        if budget_ms is None or not isinstance(clip, (str, Path, bytes)):
            return fixed_plan(policy.max_fps, policy.detect_every, info.fps)
        started = time.perf_counter()
        begin = 0.0 if span_ms is None else span_ms[0]
        with self._open(clip, (begin, begin + 400.0), policy.max_fps) as probe:
            frames = iter(probe)
            image = next(frames).image
            for _ in frames:
                pass
        decode_ms = 1000 * probe.decode_s / max(0.4 * info.fps, 1.0)
        costs = measure(self._detector, self._pose, image, decode_ms)
        spent_ms = 1000 * (time.perf_counter() - started)
        duration_ms = info.duration_ms if span_ms is None else span_ms[1] - span_ms[0]
        rate = min(policy.max_fps, info.fps) if info.fps else policy.max_fps
        return choose(costs, rate, duration_ms, budget_ms - spent_ms)

    def _follow(self, source: FrameSource, plan: GaitPlan, run: StageRunner) -> PoseTrack:
        recorder = PoseRecorder(
            self._detector, self._pose, plan.detect_every, policy=self._policy.track,
            class_ids=self._class_ids, runner=run,
        )  # fmt: skip
        with run.stage("SAMPLING_FRAMES"):
            frames = iter(source)
            first = next(frames, None)
            if first is None:
                raise InsufficientFrames("the clip has no frame", min_frames=1)
        frames = chain([first], frames)
        del first
        with run.stage("DOG_TRACKING"):
            _take(frames, recorder, run, lambda: not recorder.found and recorder.frames < 30, 30)
        expected = getattr(source, "selected", 0) or 30
        with run.stage("KEYPOINT_ESTIMATION"):
            _take(frames, recorder, run, lambda: True, expected)
            return recorder.finish()

    def _scored_by(self, report: GaitReport) -> str:
        return f"{self._version}:{report.model_version}"


def _not_told(frames: int) -> None:
    """What progress goes to when nobody asked for it."""


def _take(
    frames: Iterator[Frame],
    recorder: PoseRecorder,
    run: StageRunner,
    more: Callable[[], bool],
    expected: int,
) -> None:
    while more():
        frame = next(frames, None)
        if frame is None:
            return
        recorder.add(frame)
        run.step(recorder.frames / expected)


def _drawn(analysis: GaitAnalysis, clip: Clip, folder: Path) -> GaitAnalysis:
    """The analysis with its pictures; whatever goes wrong with them, the analysis stands."""
    try:
        from edge_sdk.artifacts.writing import write_artifacts

        files = write_artifacts(analysis, clip, folder)
        made = Artifacts(
            status="ready",
            keypoint_overlay_video_url=files.overlay.as_posix() if files.overlay else None,
            report_image_url=files.report.as_posix(),
        )
        paths = tuple(path for path in (files.overlay, files.report) if path is not None)
    except Exception:
        _log.exception("the pictures of the report could not be made")
        made, paths = Artifacts(status="failed"), ()
    report = msgspec.structs.replace(analysis.report, artifacts=made)
    return dataclasses.replace(analysis, report=report, files=paths)


def _as_file_type(error: UnsupportedMedia) -> InvalidFileType:
    """The gait check's word for an unreadable file, with the cause kept."""
    refused = InvalidFileType(str(error), **error.details, allowed=["video/mp4"])
    refused.stage, refused.percent = error.stage, error.percent
    return refused
