"""Errors of analysing pictures and videos, and of the analyzers' running modes."""

from __future__ import annotations

from typing import ClassVar

from edge_sdk.errors.base import EdgeError


# --- analysing pictures and videos -----------------------------------------------------------
class AnalysisError(EdgeError):
    """Base of what an analysis refuses; `code` is the product's, `message_ko` the owner's text.

    `details` are JSON-ready facts (limits, counts); `stage` and `percent` say where a pipeline
    stopped and are filled in by it.
    """

    code: ClassVar[str] = "ANALYSIS_FAILED"
    message_ko: ClassVar[str] = "처리 중 오류가 발생했습니다."

    def __init__(self, message: str, **details: object) -> None:
        """Say what happened and what to do; `details` go to the JSON as they are."""
        super().__init__(message)
        self.details = details
        self.stage: str | None = None
        self.percent: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return the `error` object of the product's answers: code, message, details."""
        return {"code": self.code, "message": self.message_ko, "details": dict(self.details)}


class UnsupportedMedia(AnalysisError):
    """Not a video that can be read; `reason` tells the causes below apart."""

    code: ClassVar[str] = "UNSUPPORTED_MEDIA_FORMAT"
    message_ko: ClassVar[str] = "지원하지 않는 영상 형식입니다. mp4, mov, webm 영상을 올려 주세요."
    reason: ClassVar[str] = "not_a_video"

    def __init__(self, message: str, **details: object) -> None:
        """Add the class's `reason` to the details."""
        super().__init__(message, **{"reason": self.reason, **details})


class EmptyMedia(UnsupportedMedia):
    """The file has no bytes."""

    reason: ClassVar[str] = "empty"


class NoVideoStream(UnsupportedMedia):
    """A container without a video track, such as a sound recording."""

    reason: ClassVar[str] = "no_video_stream"


class UndecodableMedia(UnsupportedMedia):
    """A video whose index or first picture cannot be decoded: broken or cut off."""

    reason: ClassVar[str] = "undecodable"


class ResolutionOutOfRange(UnsupportedMedia):
    """Pictures larger or smaller than the limits."""

    reason: ClassVar[str] = "resolution"


class MediaTooLarge(UnsupportedMedia):
    """More bytes or more frames than the limits."""

    message_ko: ClassVar[str] = "영상 파일이 너무 큽니다. 짧게 다시 촬영해 주세요."
    reason: ClassVar[str] = "too_large"


class InvalidFileType(UnsupportedMedia):
    """The gait check's word for a file that is not a readable video."""

    code: ClassVar[str] = "INVALID_FILE_TYPE"
    message_ko: ClassVar[str] = "mp4 형식의 영상을 업로드해 주세요."


class MissionVideoInvalid(UnsupportedMedia):
    """The mission check's word for a file that is not a readable video."""

    code: ClassVar[str] = "MISSION_VIDEO_INVALID"
    message_ko: ClassVar[str] = "돌발미션 영상을 불러올 수 없습니다."


class VideoTooLong(AnalysisError):
    """The video is longer than the limit; film less, or name the part with `span_ms`."""

    code: ClassVar[str] = "VIDEO_TOO_LONG"
    message_ko: ClassVar[str] = "영상 길이가 너무 깁니다. 10초 이하로 업로드해 주세요."


class InsufficientFrames(AnalysisError):
    """Too few usable frames to say anything."""

    code: ClassVar[str] = "INSUFFICIENT_FRAMES"
    message_ko: ClassVar[str] = (
        "분석에 필요한 보행 장면이 부족합니다. 5~10초 정도 다시 촬영해 주세요."
    )


class DogNotTracked(AnalysisError):
    """The dog was not found, or lost for too long; film from the side, closer, in more light."""

    code: ClassVar[str] = "DOG_NOT_TRACKED"
    message_ko: ClassVar[str] = (
        "반려견을 안정적으로 추적하지 못했습니다. 촬영 각도/거리/조명을 바꿔 다시 촬영해 주세요."
    )


class InferenceTimeout(AnalysisError):
    """The analysis took longer than its limit; a cheaper plan or a faster machine helps."""

    code: ClassVar[str] = "INFERENCE_TIMEOUT"
    message_ko: ClassVar[str] = "분석 시간이 초과되었습니다. 잠시 후 다시 시도해 주세요."


class FaceNotDetected(AnalysisError):
    """A dog's face was found in too few frames."""

    code: ClassVar[str] = "FACE_NOT_DETECTED"
    message_ko: ClassVar[str] = (
        "영상에서 반려견 얼굴을 검출하지 못했습니다. "
        "반려견의 얼굴이 정면으로 보이게 다시 촬영해주세요."
    )


class FaceTooSmall(AnalysisError):
    """The face covers too little of the picture; come closer."""

    code: ClassVar[str] = "FACE_TOO_SMALL"
    message_ko: ClassVar[str] = (
        "반려견의 얼굴이 너무 작게 보입니다. 조금 더 가까이에서 촬영해주세요."
    )


class LowQualityFace(AnalysisError):
    """The face is covered, blurred or turned away in too many frames."""

    code: ClassVar[str] = "LOW_QUALITY_FACE"
    message_ko: ClassVar[str] = (
        "얼굴이 가려지거나 흐릿합니다. 밝은 곳에서 얼굴이 보이게 다시 촬영해주세요."
    )


class EmotionInferenceFailed(AnalysisError):
    """The emotion model gave no usable probabilities; verify or reload the bundle."""

    code: ClassVar[str] = "EMOTION_INFERENCE_FAILED"
    message_ko: ClassVar[str] = "감정 분석 모델 추론 중 오류가 발생했습니다."


class NarrationFailed(AnalysisError):
    """The probabilities or the references do not allow a sentence."""

    code: ClassVar[str] = "NARRATION_GENERATION_FAILED"
    message_ko: ClassVar[str] = "나레이션을 만들지 못했습니다."


class InvalidMissionType(AnalysisError):
    """A mission that is none of SIT, DOWN, PAW, TURN, JUMP."""

    code: ClassVar[str] = "INVALID_MISSION_TYPE"
    message_ko: ClassVar[str] = "지원하지 않는 미션 유형입니다."


# --- running modes of analyzers --------------------------------------------------------------
class AnalyzerError(EdgeError):
    """Base of calls that an analyzer does not take."""

    code: ClassVar[str] = "analyzer_error"


class WrongRunningMode(AnalyzerError):
    """The method belongs to another running mode than the analyzer was made with."""

    code: ClassVar[str] = "wrong_running_mode"


class TimestampsNotRising(AnalyzerError):
    """A frame's timestamp is not greater than the one before."""

    code: ClassVar[str] = "timestamps_not_rising"


class InvalidImage(AnalyzerError):
    """Not an array of shape (height, width, 3) and dtype uint8 with at least 16 px a side."""

    code: ClassVar[str] = "invalid_image"


class AnalyzerClosed(AnalyzerError):
    """The analyzer was closed; make a new one."""

    code: ClassVar[str] = "analyzer_closed"
