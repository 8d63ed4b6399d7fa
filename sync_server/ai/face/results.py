"""The product's JSON of face jobs, made of what the stages have left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from edge_sdk.errors import NarrationFailed
from edge_sdk.face.result import Probabilities
from sync_server.ai.contract import JobRequest
from sync_server.ai.refusals import EMOTION_UNREADABLE
from sync_server.ai.results import analysis_id_of, iso_utc
from sync_server.ai.stages import Json, PartOutcome

VERSION: Final = "face_pipeline_v1"
SUM_TOLERANCE: Final = 1e-3


class Emotion(msgspec.Struct, frozen=True):
    """A reading of a face, as EMOTION_INFERENCE leaves it."""

    predicted_emotion: Literal["happy", "sad", "relaxed", "angry"]
    confidence: Annotated[float, Meta(ge=0, le=1)]
    emotion_probabilities: Probabilities
    uncertain: bool
    model_version: str


def to_json(value: Any) -> Any:
    """A Struct as plain JSON values."""
    return msgspec.to_builtins(value)


def emotion_of(raw: Json) -> Emotion:
    """Decode a reading; raises `NarrationFailed` where probabilities are missing."""
    try:
        return msgspec.convert(raw, Emotion)
    except msgspec.ValidationError as error:
        raise NarrationFailed(str(error)) from None


def checked(raw: Json) -> Emotion:
    """Decode a reading and hold it together; raises StageFailed INVALID_FACE_INPUT."""
    try:
        emotion = msgspec.convert(raw, Emotion)
        ranked = emotion.emotion_probabilities.ranked()
        if abs(sum(share for _, share in ranked) - 1) > SUM_TOLERANCE:
            raise msgspec.ValidationError("the probabilities do not sum to 1")
        top = getattr(emotion.emotion_probabilities, emotion.predicted_emotion)
        if ranked[0][1] != top or abs(top - emotion.confidence) > SUM_TOLERANCE:
            raise msgspec.ValidationError("the emotion is not the most probable one")
    except msgspec.ValidationError as error:
        raise EMOTION_UNREADABLE.error({"error": str(error)}) from None
    return emotion


def detection(
    job: JobRequest, outcomes: Sequence[PartOutcome], started_ms: int, finished_ms: int
) -> Json:
    """The result of FACE_DETECTION."""
    state = _state(outcomes)
    found = state["detection"]
    processing = {
        "analysis_time_ms": max(0, finished_ms - started_ms),
        "frames_sampled": found["frames_sampled"],
        "fps_used": max(1, round(found["fps_used"])),
    }
    return {
        **_head(job, finished_ms),
        "processing": processing,
        "result": {"face": state["face"]},
        "model_version": found["model_version"],
        "details": _detection_details(state),
    }


def emotion(
    job: JobRequest, outcomes: Sequence[PartOutcome], started_ms: int, finished_ms: int
) -> Json:
    """The result of EMOTION_INFERENCE."""
    state = _state(outcomes)
    return {
        **_head(job, finished_ms),
        "processing": _read_processing(started_ms, finished_ms),
        "result": {
            "emotion": _emotion(job, state),
            "narration": state["words"]["narration"][job.language],
        },
        "model_version": state["emotion"]["model_version"],
        "details": _words(state),
    }


def analysis(
    job: JobRequest, outcomes: Sequence[PartOutcome], started_ms: int, finished_ms: int
) -> Json:
    """The result of FACE_ANALYSIS: emotion, narration, and the frame that shows the face best."""
    state = _state(outcomes)
    return {
        **_head(job, finished_ms),
        "processing": _read_processing(started_ms, finished_ms),
        "result": {
            "emotion": _emotion(job, state),
            "narration": state["words"]["narration"][job.language],
            "face": state["face"],
        },
        "model_version": state["emotion"]["model_version"],
        "details": {**_detection_details(state), **_words(state)},
    }


def _state(outcomes: Sequence[PartOutcome]) -> Json:
    state = outcomes[0].state
    assert state is not None  # a part that fails ends the job
    return state


def _head(job: JobRequest, finished_ms: int) -> Json:
    return {
        "analysis_id": analysis_id_of(job),
        "job_id": job.job_id,
        "analyze_at": iso_utc(finished_ms),
    }


def _read_processing(started_ms: int, finished_ms: int) -> Json:
    return {"analysis_time_ms": max(0, finished_ms - started_ms), "face_detected": True}


def _emotion(job: JobRequest, state: Json) -> Json:
    read = state["emotion"]
    summary = state["words"]["summary"][job.language]
    if state["notice"] is not None:
        summary = f"{summary} {state['notice'][job.language]}"
    return {
        "predicted_emotion": read["predicted_emotion"],
        "confidence": read["confidence"],
        "summary": summary,
        "emotion_probabilities": read["emotion_probabilities"],
    }


def _words(state: Json) -> Json:
    return {
        "narration": state["words"]["narration"],
        "summary": state["words"]["summary"],
        "notice": state["notice"],
        "narrated_by": {
            name: state["words"].get(name)
            for name in (
                "narrator",
                "model",
                "prompt_version",
                "reference_version",
                "failure_type",
                "failure_reason",
            )
        },
    }


def _detection_details(state: Json) -> Json:
    chosen, found = state["chosen"], state["detection"]
    return {
        "frame_key": chosen["frame_key"],
        "face_crop_key": chosen["face_crop_key"],
        "timestamp_ms": chosen["timestamp_ms"],
        "score_parts": chosen["parts"],
        "face": chosen["face"],
        "frames_sampled": found["frames_sampled"],
        "frames_with_face": found["frames_with_face"],
        "sampled_by": found["sampled_by"],
        "mean_face_confidence": found["mean_face_confidence"],
    }
