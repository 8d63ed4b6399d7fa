"""Why an analysis ends without a result: the seed's codes and words, all in one place.

The kernels raise typed errors of `edge_sdk`, fetching and checking raise theirs; here each becomes
a StageFailed (the video is at fault) or a StageUnavailable (the system is). Korean sentences and
percents are the product document's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from edge_sdk.errors import (
    AnalysisError,
    DogNotTracked,
    EdgeError,
    EmotionInferenceFailed,
    FaceNotDetected,
    FaceTooSmall,
    InferenceTimeout,
    InsufficientFrames,
    InvalidFileType,
    InvalidMissionType,
    LowQualityFace,
    MissionVideoInvalid,
    NarrationFailed,
    UnsupportedMedia,
    VideoTooLong,
)
from sync_server.ai.contract import VideoArea
from sync_server.ai.stages import StageFailed, StageUnavailable

P = ParamSpec("P")
T = TypeVar("T")

MAX_DURATION_S: Final[Mapping[VideoArea, float]] = {"mission": 5.0, "face": 5.0, "healthcare": 10.0}
"""The longest video of each area: what the seed's stage policies say."""
INFERENCE_S: Final = 15.0
"""How long one stage may decode and infer (the seed's `timeout_ms` 15000)."""


@dataclass(frozen=True)
class Refusal:
    """A code with its words; `system`: not the video's fault, tried again."""

    code: str
    ko: str
    en: str
    percent: int | None = None
    system: bool = False

    def error(
        self,
        details: Mapping[str, Any] | None = None,
        *,
        reason: str = "",
        percent: int | None = None,
    ) -> StageFailed:
        """Make the exception; `reason` is kept for faults of the system."""
        at = self.percent if percent is None else percent
        if self.system:
            return StageUnavailable(
                self.code, self.ko, self.en, reason=reason or self.code, details=details, percent=at
            )
        return StageFailed(self.code, self.ko, self.en, details=details, percent=at)


NO_INPUT: Final = Refusal(
    "INVALID_REQUEST", "분석에 필요한 입력이 없습니다.", "The request names nothing to analyse.", 3
)
NO_FACE_VIDEO: Final = Refusal(
    "INVALID_MEDIA_URL", "video_url이 비어 있습니다.", "video_url is empty.", 3
)
NO_FACE_PICTURE: Final = Refusal(
    "INVALID_MEDIA_URL", "frame_url이 비어 있습니다.", "frame_url is empty.", 3
)
BAD_MISSION_TYPE: Final = Refusal(
    "INVALID_MISSION_TYPE", InvalidMissionType.message_ko, "This kind of mission is not known.", 3
)
VERDICT_UNREADABLE: Final = Refusal(
    "MISSION_RESULT_PARSE_FAILED",
    "미션 판정 결과를 해석할 수 없습니다.",
    "The verdict on the mission cannot be read.",
    90,
    system=True,
)
ALL_MISSIONS_FAILED: Final = Refusal(
    "JOB_EXECUTION_FAILED", "돌발미션 분석 Job이 실패했습니다.", "The mission job failed."
)
EMOTION_UNREADABLE: Final = Refusal(
    "INVALID_FACE_INPUT",
    "감정 분석 결과를 해석할 수 없습니다.",
    "The reading of the face cannot be used.",
    90,
)
KEYPOINTS_UNSURE: Final = Refusal(
    "DOG_NOT_TRACKED",
    "키포인트를 안정적으로 추정하지 못했습니다. 촬영 각도/거리/조명을 바꿔 다시 촬영해 주세요.",
    "The joints could not be followed. Change angle, distance or light and film again.",
    70,
)

TOO_LONG: Final[Mapping[VideoArea, Refusal]] = {
    "mission": Refusal(
        "VIDEO_TOO_LONG",
        "돌발미션 영상 길이가 정책을 초과했습니다.",
        "The mission's video is longer than allowed.",
        2,
    ),
    "face": Refusal(
        "VIDEO_TOO_LONG",
        "표정분석 영상 길이가 정책을 초과했습니다.",
        "The video of the face is longer than allowed.",
        2,
    ),
    "healthcare": Refusal(
        "VIDEO_TOO_LONG", VideoTooLong.message_ko, "The video is too long: 10 seconds at most.", 2
    ),
}
UNREADABLE: Final[Mapping[VideoArea, Refusal]] = {
    "mission": Refusal(
        "MISSION_VIDEO_INVALID",
        MissionVideoInvalid.message_ko,
        "The mission's video cannot be read.",
    ),
    "face": Refusal(
        "UNSUPPORTED_MEDIA_FORMAT",
        UnsupportedMedia.message_ko,
        "This is no video that can be read: upload an mp4, mov or webm.",
    ),
    "healthcare": Refusal(
        "INVALID_FILE_TYPE", InvalidFileType.message_ko, "Please upload an mp4 video."
    ),
}
PICTURE_UNREADABLE: Final = Refusal(
    "UNSUPPORTED_MEDIA_FORMAT",
    "지원하지 않는 이미지 형식입니다. JPEG, PNG, WebP 이미지를 올려 주세요.",
    "This is no picture that can be read: upload a JPEG, PNG or WebP.",
)
_NOT_FETCHED: Final[Mapping[VideoArea, tuple[str, str, str]]] = {
    "mission": (
        "VIDEO_FETCH_FAILED",
        "돌발미션 영상을 불러올 수 없습니다.",
        "The mission's video cannot be fetched.",
    ),
    "face": (
        "INVALID_MEDIA_URL",
        "표정분석 영상을 불러올 수 없습니다.",
        "The video of the face cannot be fetched.",
    ),
    "healthcare": (
        "VIDEO_FETCH_FAILED",
        "영상을 불러올 수 없습니다. 잠시 후 다시 시도해 주세요.",
        "The video cannot be fetched. Please try again later.",
    ),
}
# Before inference, after which percent a model that fails is told.
INFERENCE_FAILED: Final[Mapping[VideoArea, Refusal]] = {
    "mission": Refusal(
        "MISSION_INFERENCE_FAILED",
        "미션 판정 중 오류가 발생했습니다.",
        "Judging the mission failed.",
        70,
        system=True,
    ),
    "face": Refusal(
        "EMOTION_INFERENCE_FAILED",
        EmotionInferenceFailed.message_ko,
        "The emotion model failed.",
        75,
        system=True,
    ),
    "healthcare": Refusal(
        "INTERNAL_ERROR", AnalysisError.message_ko, "The analysis failed.", 70, system=True
    ),
}
_TIMED_OUT: Final[Mapping[VideoArea, Refusal]] = {
    "mission": Refusal(
        "MULTIMODAL_API_TIMEOUT",
        "미션 판정 시간이 초과되었습니다.",
        "Judging the mission took too long.",
        70,
        system=True,
    ),
    "face": Refusal(
        "MODEL_SERVICE_UNAVAILABLE",
        "분석 시간이 초과되었습니다. 잠시 후 다시 시도해 주세요.",
        "The analysis took too long. Please try again later.",
        system=True,
    ),
    "healthcare": Refusal(
        "INFERENCE_TIMEOUT",
        InferenceTimeout.message_ko,
        "The analysis took too long. Please try again later.",
        70,
        system=True,
    ),
}
_BY_ERROR: Final[Mapping[type[AnalysisError], Refusal]] = {
    FaceNotDetected: Refusal(
        "FACE_NOT_DETECTED",
        "영상에서 반려견 얼굴을 검출하지 못했습니다.",
        "No dog's face was found in the video.",
        40,
    ),
    FaceTooSmall: Refusal(
        "FACE_TOO_SMALL",
        FaceTooSmall.message_ko,
        "The dog's face is too small in the picture. Please come closer.",
        55,
    ),
    LowQualityFace: Refusal(
        "LOW_QUALITY_FACE",
        "대표 프레임을 선택할 수 없습니다.",
        "No frame shows the face well enough.",
        55,
    ),
    NarrationFailed: Refusal(
        "NARRATION_GENERATION_FAILED", NarrationFailed.message_ko, "No narration could be made."
    ),
    DogNotTracked: Refusal(
        "DOG_NOT_TRACKED",
        DogNotTracked.message_ko,
        "The dog could not be followed. Change angle, distance or light and film again.",
        44,
    ),
    InsufficientFrames: Refusal(
        "INSUFFICIENT_FRAMES",
        InsufficientFrames.message_ko,
        "Too little of the walk is to be seen. Please film 5 to 10 seconds again.",
        28,
    ),
    InvalidMissionType: BAD_MISSION_TYPE,
}
_GUIDES: Final[Mapping[type[AnalysisError], tuple[str, str]]] = {
    FaceNotDetected: (
        "반려견의 얼굴이 정면으로 보이게 다시 촬영해주세요.",
        "Please film again with the dog's face to the camera.",
    ),
    LowQualityFace: (
        LowQualityFace.message_ko,
        "The face is covered or blurred. Please film it again in light.",
    ),
}


def too_long(area: VideoArea, percent: int | None = None) -> StageFailed:
    """The video, or the length that the request allows, passes the area's limit."""
    limit_s = MAX_DURATION_S[area]
    whole = int(limit_s) if limit_s == int(limit_s) else limit_s
    return TOO_LONG[area].error({"max_duration_sec": whole}, percent=percent)


def unreadable(area: VideoArea, reason: str, percent: int | None = None) -> StageFailed:
    """The file is no video that can be read."""
    details: dict[str, Any] = {"reason": reason}
    if area == "healthcare":
        details = {"allowed": ["video/mp4"], **details}
    return UNREADABLE[area].error(details, percent=percent)


def not_fetched(
    area: VideoArea, reason: str, *, system: bool, timeout: bool = False
) -> StageFailed:
    """The address gives no file: refused by the rules, or the other side does not deliver."""
    code, ko, en = _NOT_FETCHED[area]
    kind = "VIDEO_FETCH_TIMEOUT" if timeout else "VIDEO_FETCH_FAILED"
    return Refusal(code, ko, en, 15, system).error(
        {"reason": reason, "timeout": timeout}, reason=kind
    )


def timed_out(area: VideoArea) -> StageUnavailable:
    """A stage took longer than its limit, also when tried again."""
    failure = _TIMED_OUT[area].error(
        {"timeout_ms": round(1000 * INFERENCE_S)}, reason="INFERENCE_TIMEOUT"
    )
    assert isinstance(failure, StageUnavailable)
    return failure


def fetch_timed_out(area: VideoArea) -> StageUnavailable:
    """Fetching took longer than its limit, also when tried again."""
    failure = not_fetched(area, "timeout", system=True, timeout=True)
    assert isinstance(failure, StageUnavailable)
    return failure


def refused(area: VideoArea, error: EdgeError) -> StageFailed:
    """What an error of the kernels means to the job."""
    if isinstance(error, EmotionInferenceFailed):
        return INFERENCE_FAILED["face"].error(reason="MODEL_ANSWER_INVALID")
    if isinstance(error, VideoTooLong):
        return too_long(area)
    if isinstance(error, UnsupportedMedia):
        return unreadable(area, str(error.details.get("reason", "not_a_video")))
    if isinstance(error, InferenceTimeout):
        return timed_out(area)
    if isinstance(error, InsufficientFrames) and area != "healthcare":
        return unreadable(area, "no_frames")
    known = _BY_ERROR.get(type(error)) if isinstance(error, AnalysisError) else None
    if known is None or not isinstance(error, AnalysisError):
        # A bundle or a runtime that does not work: nothing that the owner of a video can change.
        return INFERENCE_FAILED[area].error(reason=error.code.upper())
    details = dict(error.details)
    guide = _GUIDES.get(type(error))
    if guide is not None:
        details["guide"] = {"ko": guide[0], "en": guide[1]}
    return known.error(details)


def refusing(area: VideoArea) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a CPU function raise the job's errors instead of the kernels'."""

    def wrap(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except EdgeError as error:
                raise refused(area, error) from error

        return wrapped

    return wrap
