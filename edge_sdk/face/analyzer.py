"""From a clip to what a dog's face says: sample, detect, select, classify, narrate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from edge_sdk.analyzers.models import AnalyzerBundle, fallbacks_of, version_of
from edge_sdk.analyzers.modes import LiveResult, ModeGate, RunningMode
from edge_sdk.analyzers.stages import FACE_PLAN, Progress, StageRunner
from edge_sdk.errors import (
    EmotionInferenceFailed,
    FaceNotDetected,
    FaceTooSmall,
    InsufficientFrames,
    LowQualityFace,
)
from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.face.narration import EmotionReferences, load_references, narrate
from edge_sdk.face.policy import FacePolicy
from edge_sdk.face.result import (
    ClipReading,
    FaceAnalysis,
    FaceBox,
    FaceReading,
    FaceResult,
    Probabilities,
    RepresentativeFace,
)
from edge_sdk.face.scoring import area_share
from edge_sdk.face.selection import BestFaces, FoundFaces, Seen, crop_of
from edge_sdk.media.frames import Clip, Frame, FrameSource, Image, MediaLimits
from edge_sdk.media.video import VideoFile, open_clip
from edge_sdk.smoothing.ema import EmaFilter
from edge_sdk.vision.classify import Classifier
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.detections import Detections

PIPELINE: Final = "face_pipeline_v1"
LIVE_SMOOTHING_S: Final = 0.4
"""Time constant with which probabilities follow in VIDEO and LIVE_STREAM."""


class FaceAnalyzer:
    """Reads the emotion of a dog's face from pictures, frames or a whole clip.

    Modes: IMAGE takes `detect`, VIDEO `detect_for_video` and `analyze`, LIVE_STREAM
    `detect_async`. Thread-safe as `ModeGate` says: calls are served one after another. The
    bundles belong to the caller and must stay open as long as the analyzer.
    """

    def __init__(
        self,
        face_bundle: AnalyzerBundle,
        emotion_bundle: AnalyzerBundle,
        *,
        running_mode: RunningMode = RunningMode.VIDEO,
        on_result: Callable[[LiveResult[FaceReading]], None] | None = None,
        policy: FacePolicy | None = None,
        references: EmotionReferences | None = None,
    ) -> None:
        """Use the stages "detector" and "classifier" of the bundles.

        Raises `EmotionInferenceFailed` for a classifier of other classes than `EMOTIONS`,
        `NarrationFailed` for unsound references, and what the bundles raise.
        """
        self._policy = policy or FacePolicy()
        self._references = references or load_references()
        detector = face_bundle.stage("detector")
        classifier = emotion_bundle.stage("classifier")
        self._detector = Detector(detector, face_bundle.manifest.thresholds)
        self._classifier = Classifier(classifier)
        self._order = _class_order(self._classifier.classes)
        self.model_version = version_of(PIPELINE, face_bundle, emotion_bundle)
        self._fallbacks = fallbacks_of((detector, classifier))
        self._smooth = EmaFilter(LIVE_SMOOTHING_S)
        self._gate: ModeGate[FaceReading] = ModeGate(running_mode, self._read, on_result)

    def detect(self, image: Image) -> FaceReading:
        """Read one picture (H, W, 3) uint8 RGB (IMAGE)."""
        return self._gate.image(image)

    def detect_for_video(self, image: Image, timestamp_ms: float) -> FaceReading:
        """Read the next frame of a video, probabilities smoothed over time (VIDEO)."""
        return self._gate.video(image, timestamp_ms)

    def detect_async(self, image: Image, timestamp_ms: float) -> None:
        """Queue a camera's frame; the reading comes through the callback (LIVE_STREAM)."""
        self._gate.live(image, timestamp_ms)

    def reset(self) -> None:
        """Begin a new video: times may start again and nothing is remembered."""
        with self._gate.held():
            self._gate.restart()
            self._smooth.reset()

    def analyze(
        self,
        clip: Clip,
        *,
        span_ms: tuple[float, float] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> FaceAnalysis:
        """Read a whole clip: a file, its bytes, or frames with their times (VIDEO).

        Raises `UnsupportedMedia` and its kinds, `VideoTooLong`, `InsufficientFrames`,
        `FaceNotDetected`, `FaceTooSmall`, `LowQualityFace`, `EmotionInferenceFailed` and
        `NarrationFailed`, each with the stage in which it came.
        """
        with self._gate.clip():
            return self._analyze(clip, span_ms, StageRunner(FACE_PLAN, on_progress))

    # --- the steps of `analyze` one by one, for pipelines that keep what is between them -------
    def find(
        self,
        clip: Clip,
        *,
        span_ms: tuple[float, float] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> FoundFaces:
        """Search a clip for faces (VIDEO): the first step of `analyze`.

        Raises what `analyze` raises until FACE_DETECTION.
        """
        with self._gate.clip():
            return self._find(clip, span_ms, StageRunner(FACE_PLAN, on_progress))

    def choose(self, found: FoundFaces) -> tuple[Seen, Image]:
        """The face that stands for the clip and its whole frame.

        Raises `FaceTooSmall` and `LowQualityFace`.
        """
        self._check_quality(found)
        if found.best is None or found.frame is None:
            raise FaceTooSmall(
                "no face of sufficient size", min_area_share=self._policy.min_area_share
            )
        return found.best, found.frame

    def read(self, found: FoundFaces) -> ClipReading:
        """Classify the faces kept, weighted by detection confidence.

        Raises `EmotionInferenceFailed`.
        """
        values, mean_confidence = self._combine(found)
        return ClipReading(Probabilities.of(values), mean_confidence < self._policy.low_confidence)

    def rate_of(self, found: FoundFaces) -> float:
        """Frames a second that were looked at."""
        if found.sampled < 2:
            return self._policy.fps
        rate = 1000.0 * (found.sampled - 1) / (found.last_ms - found.first_ms)
        return round(rate, 2) if found.by_key_frames else round(min(rate, self._policy.fps), 2)

    def close(self) -> None:
        """Refuse further calls; the bundles stay open."""
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
    def _read(self, image: Image, timestamp_ms: float | None) -> FaceReading:
        found = self._detector.detect([image])[0]
        if not len(found.scores):
            return FaceReading(timestamp_ms, (), None)
        order = np.argsort(-found.scores, kind="stable")
        boxes = found.boxes_xyxy_px[order]
        faces = tuple(
            _face_box(box, score, image)
            for box, score in zip(boxes, found.scores[order], strict=True)
        )
        values = self._classify(image, boxes[:1])
        if timestamp_ms is not None:
            values = self._smooth(values, timestamp_ms)
        return FaceReading(timestamp_ms, faces, Probabilities.of(values))

    def _classify(self, image: Image, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities (4,) of one face, in the order of `EMOTIONS`."""
        values = np.asarray(self._classifier.classify(image, boxes), np.float64)[0][self._order]
        if not np.all(np.isfinite(values)) or abs(values.sum() - 1) > 1e-3:
            raise EmotionInferenceFailed(f"the emotion model answered {values.tolist()}")
        shares: NDArray[np.float64] = values / values.sum()
        return shares

    # --- whole clips -------------------------------------------------------------------------
    def _analyze(
        self, clip: Clip, span_ms: tuple[float, float] | None, run: StageRunner
    ) -> FaceAnalysis:
        found = self._find(clip, span_ms, run)
        with run.stage("FRAME_SELECTION"), run.timed("post"):
            chosen, shown = self.choose(found)
        with run.stage("EMOTION_INFERENCE"), run.timed("inference"):
            read = self.read(found)
        with run.stage("NARRATION_GENERATOR"), run.timed("post"):
            words = narrate(read.probabilities, self._references)
        with run.stage("RESULT_PARSING"), run.timed("post"):
            predicted, confidence = read.probabilities.ranked()[0]
        with run.stage("FINALIZING"):
            result = FaceResult(
                predicted_emotion=predicted,
                confidence=confidence,
                probabilities=read.probabilities,
                narration=words.narration,
                summary=words.summary,
                notice=self._references.low_confidence_notice if read.uncertain else None,
                representative=RepresentativeFace(
                    frame_id=chosen.frame_id,
                    timestamp_ms=chosen.timestamp_ms,
                    frame_score=round(chosen.score.total, 4),
                    parts=chosen.score.parts(),
                    face=chosen.face,
                ),
                frames_sampled=found.sampled,
                frames_with_face=found.with_face,
                crops_used=len(found.seen),
                mean_face_confidence=round(found.mean_confidence, 4),
                fps_used=self.rate_of(found),
                sampled_by="key_frames" if found.by_key_frames else "fps",
                video_duration_ms=found.duration_ms,
                times=run.times(),
                model_version=self.model_version,
                fallbacks=self._fallbacks,
            )
        return FaceAnalysis(result, shown, crop_of(chosen))

    def _find(
        self, clip: Clip, span_ms: tuple[float, float] | None, run: StageRunner
    ) -> FoundFaces:
        limits = MediaLimits(max_duration_ms=self._policy.max_duration_ms)
        with run.stage("VALIDATING"), run.timed("decode"):
            source = self._open(clip, limits, span_ms)
        with source:
            with run.stage("FETCHING_VIDEO"):
                frames = iter(source)
            with run.stage("FACE_DETECTION"):
                best = self._detect_all(frames, source, run)
                found = best.found(source.info.duration_ms, _by_key_frames(source))
                self._check_detected(found)
            run.spent("decode", 1000 * source.decode_s)
        return found

    def _open(
        self, clip: Clip, limits: MediaLimits, span_ms: tuple[float, float] | None
    ) -> FrameSource:
        policy = self._policy
        if isinstance(clip, (str, Path, bytes)):
            video = VideoFile(
                clip, limits=limits, max_side_px=policy.max_side_px, span_ms=span_ms,
                key_frames=policy.max_key_frames, threads=policy.decode_threads,
            )  # fmt: skip
            if video.selected >= policy.min_key_frames:
                return video
        return open_clip(
            clip, limits=limits, max_side_px=policy.max_side_px, max_fps=policy.fps,
            span_ms=span_ms, threads=policy.decode_threads,
        )  # fmt: skip

    def _detect_all(
        self, frames: Iterator[Frame], source: FrameSource, run: StageRunner
    ) -> BestFaces:
        best = BestFaces(self._policy.max_crops, self._policy.min_area_share)
        expected = getattr(source, "selected", 0) or 10_000
        while self._detect_batch(frames, best, run):
            run.step(best.sampled / expected)
        if not best.sampled:
            raise InsufficientFrames("the clip has no frame", min_frames=1)
        return best

    def _detect_batch(self, frames: Iterator[Frame], best: BestFaces, run: StageRunner) -> bool:
        # A method of its own: its frames are let go before the next ones are decoded.
        batch = list(islice(frames, self._policy.batch))
        if not batch:
            return False
        with run.timed("inference"):
            found = self._detector.detect([frame.image for frame in batch])
        with run.timed("post"):
            for frame, detections in zip(batch, found, strict=True):
                best.add(frame, _best_face(frame.image, detections))
        return True

    def _check_detected(self, best: FoundFaces) -> None:
        share = best.with_face / best.sampled
        if share < self._policy.detected_share:
            raise FaceNotDetected(
                f"a face in {best.with_face} of {best.sampled} frames; "
                f"{self._policy.detected_share:.0%} are needed: film the face from the front",
                frames_sampled=best.sampled, frames_with_face=best.with_face,
            )  # fmt: skip

    def _check_quality(self, found: FoundFaces) -> None:
        share = found.median_area_share
        if share < self._policy.min_area_share:
            raise FaceTooSmall(
                f"the face covers {share:.1%} of the picture, "
                f"{self._policy.min_area_share:.0%} are needed: come closer",
                area_share=round(share, 4), min_area_share=self._policy.min_area_share,
            )  # fmt: skip
        confidence = found.mean_confidence
        if confidence < self._policy.min_face_confidence:
            raise LowQualityFace(
                f"the face is found with a confidence of {confidence:.2f} on average, "
                f"{self._policy.min_face_confidence} is needed: more light, less motion",
                mean_confidence=round(confidence, 4),
            )

    def _combine(self, found: FoundFaces) -> tuple[NDArray[np.float64], float]:
        """Mean probabilities weighted by detection confidence; mean of the single confidences."""
        each = [self._classify(seen.patch, seen.patch_box[None]) for seen in found.seen]
        weights = np.array([seen.face.confidence for seen in found.seen])
        values = np.average(np.stack(each), axis=0, weights=weights)
        return values, float(np.mean([one.max() for one in each]))


def _best_face(image: Image, detections: Detections) -> tuple[FaceBox, NDArray[np.floating]] | None:
    """The face of a frame: the most confident; of equals the largest."""
    if not len(detections.scores):
        return None
    boxes = detections.boxes_xyxy_px
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    at = int(np.lexsort((areas, detections.scores))[-1])
    return _face_box(boxes[at], detections.scores[at], image), boxes[at]


def _face_box(box: NDArray[np.floating], score: float, image: Image) -> FaceBox:
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (round(float(value), 2) for value in box)
    return FaceBox(
        (x0, y0, x1, y1), round(float(score), 4), round(area_share(box, width, height), 4)
    )


def _class_order(classes: Sequence[str]) -> list[int]:
    if sorted(classes) != sorted(EMOTIONS):
        raise EmotionInferenceFailed(
            f"the bundle's classes are {list(classes)}, not {list(EMOTIONS)}: load another one"
        )
    return [list(classes).index(name) for name in EMOTIONS]


def _by_key_frames(source: FrameSource) -> bool:
    return isinstance(source, VideoFile) and source.by_key_frames
