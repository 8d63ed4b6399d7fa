"""What the face routes take and answer."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge_sdk.sync.facts import Id
from sync_server.ai.contract import Url

Label = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]


class DetectRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A clip whose best frame is wanted; `video_url`: the key of an own upload, or a URL.

    With `dog_id` and `walk_id` an emotion is kept for that dog and shown with that walk.
    """

    analysis_id: Label
    video_url: Url
    dog_id: Id | None = None
    walk_id: Id | None = None


class EmotionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frame whose emotion is wanted; `frame_url` as detection answered it, or another URL."""

    analysis_id: Label
    frame_id: Label
    frame_url: Url
    dog_id: Id | None = None
    walk_id: Id | None = None


class DetectProcessing(msgspec.Struct, frozen=True):
    """How the frames were looked at."""

    analysis_time_ms: int
    frames_sampled: int
    fps_used: float


class BestFrame(msgspec.Struct, frozen=True):
    """The frame that shows the face best; the addresses are signed and expire."""

    frame_id: str
    frame_score: float
    frame_url: str
    face_crop_url: str


class FaceFound(msgspec.Struct, frozen=True):
    """What was found in a clip."""

    face: BestFrame


class DetectResult(msgspec.Struct, frozen=True):
    """The best frame of a clip."""

    analysis_id: str
    job_id: str
    analyze_at: str
    processing: DetectProcessing
    result: FaceFound
    model_version: str


class EmotionProcessing(msgspec.Struct, frozen=True):
    """How the frame was looked at."""

    analysis_time_ms: int
    face_detected: bool


class Emotion(msgspec.Struct, frozen=True):
    """The emotion seen: happy, sad, relaxed or angry."""

    predicted_emotion: str
    confidence: float
    summary: str
    emotion_probabilities: dict[str, float]


class EmotionFound(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found in a frame; `face` and `narration` where a whole clip was analysed."""

    emotion: Emotion
    narration: str | UnsetType = UNSET
    face: BestFrame | UnsetType = UNSET


class EmotionResult(msgspec.Struct, frozen=True):
    """The emotion of a face."""

    analysis_id: str
    job_id: str
    analyze_at: str
    processing: EmotionProcessing
    result: EmotionFound
    model_version: str
