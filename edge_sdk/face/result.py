"""Results of the face check, and the product's JSON made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_sdk.analyzers.stages import StageTimes
from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.media.frames import Image
from edge_sdk.references.texts import Text

DIGITS: Final = 4


class Probabilities(msgspec.Struct, frozen=True):
    """Probability of each emotion, 0..1; the four sum to 1 (in the order of the product's JSON)."""

    happy: float
    relaxed: float
    sad: float
    angry: float

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Self:
        """Take probabilities in the order of `EMOTIONS`, rounded so that the sum stays 1.

        The rest of rounding goes to the largest remainders (Hamilton's method).
        """
        unit = 10**DIGITS
        exact = np.asarray(values, np.float64) * unit / float(np.sum(values))
        whole = np.floor(exact)
        missing = round(unit - float(whole.sum()))
        whole[np.argsort(whole - exact, kind="stable")[:missing]] += 1
        return cls(**{name: int(count) / unit for name, count in zip(EMOTIONS, whole, strict=True)})

    def ranked(self) -> list[tuple[str, float]]:
        """Emotions from the most probable; equal ones in the order of `EMOTIONS`."""
        pairs = [(name, float(getattr(self, name))) for name in EMOTIONS]
        return sorted(pairs, key=lambda pair: -pair[1])


class FaceBox(msgspec.Struct, frozen=True):
    """A face: box in pixels of the frame, detection confidence, share of the frame's area."""

    box_xyxy_px: tuple[float, float, float, float]
    confidence: float
    area_share: float


class FaceReading(msgspec.Struct, frozen=True):
    """What one picture or live frame shows; without a face there are no probabilities."""

    timestamp_ms: float | None
    faces: tuple[FaceBox, ...]
    probabilities: Probabilities | None


class ClipReading(msgspec.Struct, frozen=True):
    """Probabilities over a clip; `uncertain`: the single faces were hard to read."""

    probabilities: Probabilities
    uncertain: bool


class RepresentativeFace(msgspec.Struct, frozen=True):
    """The frame that shows the face best; `parts` are the five scores behind `frame_score`."""

    frame_id: str
    timestamp_ms: float
    frame_score: float
    parts: dict[str, float]
    face: FaceBox


class FaceResult(msgspec.Struct, frozen=True):
    """The outcome of a clip. `notice` is set when the reading is uncertain."""

    predicted_emotion: str
    confidence: float
    probabilities: Probabilities
    narration: Text
    summary: Text
    notice: Text | None
    representative: RepresentativeFace
    frames_sampled: int
    frames_with_face: int
    crops_used: int
    mean_face_confidence: float
    fps_used: float
    sampled_by: str
    video_duration_ms: float
    times: StageTimes
    model_version: str
    fallbacks: tuple[str, ...]


class DetectionProcessing(msgspec.Struct, frozen=True):
    """`processing` of the detection answer."""

    analysis_time_ms: int
    frames_sampled: int
    fps_used: int


class DetectedFace(msgspec.Struct, frozen=True):
    """`result.face` of the detection answer."""

    frame_id: str
    frame_score: float
    frame_url: str
    face_crop_url: str


class DetectionPart(msgspec.Struct, frozen=True):
    """`result` of the detection answer."""

    face: DetectedFace


class DetectionAnswer(msgspec.Struct, frozen=True):
    """The product's JSON of a finished face detection."""

    analysis_id: str
    job_id: str
    analyze_at: str
    processing: DetectionProcessing
    result: DetectionPart


class EmotionProcessing(msgspec.Struct, frozen=True):
    """`processing` of the emotion answers."""

    analysis_time_ms: int
    face_detected: bool


class EmotionWords(msgspec.Struct, frozen=True):
    """`result.emotion` of the emotion answer."""

    predicted_emotion: str
    confidence: float
    summary: str
    emotion_probabilities: Probabilities


class EmotionPart(msgspec.Struct, frozen=True):
    """`result` of the emotion answer."""

    emotion: EmotionWords


class EmotionAnswer(msgspec.Struct, frozen=True):
    """The product's JSON of a finished emotion inference."""

    analysis_id: str
    job_id: str
    analyze_at: str
    processing: EmotionProcessing
    result: EmotionPart


class EmotionNumbers(msgspec.Struct, frozen=True):
    """`result.emotion` of the pipeline's answer."""

    predicted_emotion: str
    confidence: float
    emotion_probabilities: Probabilities


class PipelinePart(msgspec.Struct, frozen=True):
    """`result` of the pipeline's answer."""

    emotion: EmotionNumbers
    narration: str


class PipelineAnswer(msgspec.Struct, frozen=True):
    """The product's JSON of the whole pipeline: emotion, narration, model version."""

    analysis_id: str
    job_id: str
    analyze_at: str
    processing: EmotionProcessing
    result: PipelinePart
    model_version: str


@dataclass(frozen=True, slots=True, eq=False)
class FaceAnalysis:
    """A result with its two pictures: the representative frame and the face cut out of it."""

    result: FaceResult
    frame: Image
    crop: Image

    def detection_answer(
        self, analysis_id: str, job_id: str, analyze_at: str, frame_url: str, face_crop_url: str
    ) -> DetectionAnswer:
        """Make the detection answer; `analyze_at` is ISO 8601, the URLs are the stored pictures."""
        best = self.result.representative
        return DetectionAnswer(
            analysis_id, job_id, analyze_at,
            DetectionProcessing(
                round(self.result.times.total_ms), self.result.frames_sampled,
                max(1, round(self.result.fps_used)),
            ),
            DetectionPart(
                DetectedFace(best.frame_id, round(best.frame_score, 2), frame_url, face_crop_url)
            ),
        )  # fmt: skip

    def emotion_answer(self, analysis_id: str, job_id: str, analyze_at: str) -> EmotionAnswer:
        """Make the emotion answer, its summary in Korean."""
        result = self.result
        notice = f" {result.notice.ko}" if result.notice is not None else ""
        words = EmotionWords(
            result.predicted_emotion, result.confidence, result.summary.ko + notice,
            result.probabilities,
        )  # fmt: skip
        return EmotionAnswer(
            analysis_id, job_id, analyze_at, self._processing(), EmotionPart(words)
        )

    def pipeline_answer(self, analysis_id: str, job_id: str, analyze_at: str) -> PipelineAnswer:
        """Make the pipeline's answer, its narration in Korean."""
        result = self.result
        numbers = EmotionNumbers(result.predicted_emotion, result.confidence, result.probabilities)
        return PipelineAnswer(
            analysis_id, job_id, analyze_at, self._processing(),
            PipelinePart(numbers, result.narration.ko), result.model_version,
        )  # fmt: skip

    def _processing(self) -> EmotionProcessing:
        return EmotionProcessing(round(self.result.times.total_ms), True)
