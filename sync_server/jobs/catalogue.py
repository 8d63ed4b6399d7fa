"""The error codes of the product's paths: status and words, as the product has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from sync_server.ai.contract import Area


class Cause(NamedTuple):
    """One error code: HTTP status, Korean, English."""

    status: int
    ko: str
    en: str


Language = Literal["ko", "en"]

#: The same in all areas.
_SHARED: Final[Mapping[str, Cause]] = {
    "INVALID_REQUEST": Cause(400, "요청 내용이 올바르지 않습니다.", "The request is not valid."),
    "INVALID_MEDIA_URL": Cause(400, "영상 또는 이미지 주소가 올바르지 않습니다.",
                               "The address of the video or picture is not valid."),
    "UNSUPPORTED_MEDIA_FORMAT": Cause(400, "지원하지 않는 미디어 형식입니다.",
                                      "The media format is not supported."),
    "INVALID_FILE_TYPE": Cause(400, "mp4 형식의 영상을 업로드해 주세요.", "Upload an mp4 video."),
    "VIDEO_TOO_LONG": Cause(400, "영상 길이가 정책을 초과했습니다.", "The video is too long."),
    "UNAUTHORIZED": Cause(401, "로그인이 필요합니다.", "Sign in first."),
    "TOKEN_EXPIRED": Cause(401, "로그인이 만료되었습니다.", "The access token has expired."),
    "QUOTA_EXCEEDED": Cause(403, "저장 공간을 모두 사용했습니다.", "Your space is used up."),
    "WALK_NOT_FOUND": Cause(404, "존재하지 않는 산책입니다.", "No such walk."),
    "DOG_NOT_FOUND": Cause(404, "존재하지 않는 반려견입니다.", "No such dog."),
    "RESULT_NOT_AVAILABLE": Cause(404, "분석 결과가 더 이상 제공되지 않습니다.",
                                  "The result is not available."),
    "JOB_NOT_FINISHED": Cause(409, "아직 분석이 완료되지 않았습니다.",
                              "Analysis is not finished yet."),
    "JOB_CONFLICT": Cause(409, "같은 작업 ID로 다른 요청이 접수되어 있습니다.",
                          "The job id is known with another request."),
    "JOB_ALREADY_COMPLETED": Cause(409, "이미 완료된 Job입니다.", "The job has already ended."),
    "JOB_CANCELLED": Cause(409, "취소된 분석입니다.", "The analysis was cancelled."),
    "IDEMPOTENCY_MISMATCH": Cause(409, "같은 키로 다른 요청이 접수되었습니다.",
                                  "The Idempotency-Key was used for another request."),
    "FILE_TOO_LARGE": Cause(413, "업로드한 파일이 너무 큽니다.", "The upload is too large."),
    "UNSUPPORTED_CONTENT_TYPE": Cause(415, "지원하지 않는 요청 형식입니다.",
                                      "The content type of the request is not supported."),
    "RATE_LIMITED": Cause(429, "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요.",
                          "Too many requests. Try again in a moment."),
    "TOO_BUSY": Cause(429, "분석 요청이 많습니다. 잠시 후 다시 시도해 주세요.",
                      "Many analyses are waiting. Try again in a moment."),
    "INTERNAL_ERROR": Cause(500, "처리 중 오류가 발생했습니다.", "Something went wrong."),
    "VIDEO_FETCH_FAILED": Cause(502, "영상을 불러올 수 없습니다.", "The video can't be fetched."),
    "JOB_LOST": Cause(502, "분석 작업이 응답하지 않습니다. 다시 시도해 주세요.",
                      "The analysis did not answer. Try again."),
    "MODEL_SERVICE_UNAVAILABLE": Cause(502, "분석 서비스를 사용할 수 없습니다.",
                                       "The analysis service is not available."),
    "SERVICE_UNAVAILABLE": Cause(503, "잠시 후 다시 시도해 주세요.", "Try again in a moment."),
    "STORAGE_FULL": Cause(507, "서버 저장 공간이 부족합니다.", "The server has no space left."),
}  # fmt: skip

_BY_AREA: Final[Mapping[Area, Mapping[str, Cause]]] = {
    "mission": {
        "INVALID_JOB_ID": Cause(404, "존재하지 않는 Job ID입니다.", "No such job id."),
        "MISSION_VIDEO_INVALID": Cause(400, "돌발미션 영상이 올바르지 않습니다.",
                                       "The mission video is not valid."),
        "INVALID_MISSION_TYPE": Cause(400, "지원하지 않는 미션 유형입니다.",
                                      "This type of mission is not supported."),
        "VIDEO_TOO_LONG": Cause(400, "돌발미션 영상 길이가 정책을 초과했습니다.",
                                "The mission video is too long."),
        "VIDEO_FETCH_FAILED": Cause(502, "돌발미션 영상을 불러올 수 없습니다.",
                                    "The mission video can't be fetched."),
        "MISSION_INFERENCE_FAILED": Cause(502, "미션 판정 중 오류가 발생했습니다.",
                                          "The mission could not be judged."),
        "MISSION_RESULT_PARSE_FAILED": Cause(502, "미션 판정 결과를 해석할 수 없습니다.",
                                             "The verdict can't be read."),
        "MULTIMODAL_API_TIMEOUT": Cause(504, "외부 AI 호출 시간이 초과되었습니다.",
                                        "The external AI took too long."),
        "JOB_EXECUTION_FAILED": Cause(502, "돌발미션 분석 Job이 실패했습니다.",
                                      "The mission job failed."),
    },
    "face": {
        "JOB_NOT_FOUND": Cause(404, "존재하지 않는 Job ID입니다.", "No such job id."),
        "VIDEO_TOO_LONG": Cause(400, "표정분석 영상 길이가 정책을 초과했습니다.",
                                "The face video is too long."),
        "FACE_NOT_DETECTED": Cause(422, "영상에서 반려견 얼굴을 검출하지 못했습니다.",
                                   "No dog's face was found in the video."),
        "FACE_TOO_SMALL": Cause(422, "반려견 얼굴이 너무 작습니다. 더 가까이에서 촬영해 주세요.",
                                "The face is too small. Film from closer by."),
        "LOW_QUALITY_FACE": Cause(422, "대표 프레임을 선택할 수 없습니다.",
                                  "No frame is good enough."),
        "INVALID_FACE_INPUT": Cause(422, "감정 분석 결과를 해석할 수 없습니다.",
                                    "The result of the emotion analysis can't be read."),
        "NARRATION_GENERATION_FAILED": Cause(422, "나레이션을 생성하지 못했습니다.",
                                             "No narration could be made."),
        "EMOTION_INFERENCE_FAILED": Cause(502, "감정 분석 모델 추론 중 오류가 발생했습니다.",
                                          "The emotion model failed."),
        "JOB_EXECUTION_FAILED": Cause(502, "표정 분석 Job이 실패했습니다.",
                                      "The face job failed."),
    },
    "healthcare": {
        "JOB_NOT_FOUND": Cause(404, "존재하지 않는 Job ID입니다.", "No such job id."),
        "VIDEO_TOO_LONG": Cause(400, "영상 길이가 너무 깁니다. 10초 이하로 업로드해 주세요.",
                                "The video is too long. Upload at most 10 seconds."),
        "DOG_NOT_TRACKED": Cause(
            422, "반려견을 안정적으로 추적하지 못했습니다. "
            "촬영 각도/거리/조명을 바꿔 다시 촬영해 주세요.",
            "The dog could not be tracked. Film again from another angle, distance or light."),
        "INSUFFICIENT_FRAMES": Cause(
            422, "분석에 필요한 보행 장면이 부족합니다. 5~10초 정도 다시 촬영해 주세요.",
            "There is too little walking in the video. Film 5 to 10 seconds again."),
        "METRIC_UNSTABLE": Cause(422, "보행 지표를 안정적으로 계산하지 못했습니다.",
                                 "The gait measures are not stable."),
        "INFERENCE_TIMEOUT": Cause(504, "분석 시간이 초과되었습니다. 잠시 후 다시 시도해 주세요.",
                                   "The analysis took too long. Try again in a moment."),
        "JOB_EXECUTION_FAILED": Cause(502, "보행 분석 Job이 실패했습니다.", "The gait job failed."),
    },
    "vet": {
        "INVALID_INPUT": Cause(400, "요청 내용이 올바르지 않습니다.", "The request is not valid."),
        "IMAGE_FETCH_FAILED": Cause(400, "이미지를 불러오지 못했습니다. 다시 업로드해 주세요.",
                                    "The picture can't be loaded. Upload it again."),
        "JOB_NOT_FOUND": Cause(404, "존재하지 않는 Job ID입니다.", "No such job id."),
        "CONVERSATION_NOT_FOUND": Cause(404, "존재하지 않는 대화입니다.", "No such conversation."),
        "TURN_NOT_FOUND": Cause(404, "존재하지 않는 답변입니다.", "No such answer."),
        "JOB_NOT_FINISHED": Cause(409, "아직 리포트 작성이 완료되지 않았습니다.",
                                  "The report is not finished yet."),
        "TURN_IN_PROGRESS": Cause(
            409, "이전 질문에 답변하고 있습니다. 잠시 후 다시 시도해 주세요.",
            "The question before is still being answered. Try again in a moment."),
        "REQUEST_TOO_LARGE": Cause(413, "보낸 내용이 너무 큽니다.", "The request is too large."),
        "RATE_LIMITED": Cause(429, "요청이 많아 잠시 후 다시 시도해 주세요.",
                              "Too many requests. Try again in a moment."),
        "MODEL_SERVICE_UNAVAILABLE": Cause(
            502, "상담 서비스를 사용할 수 없습니다. 잠시 후 다시 시도해 주세요.",
            "The vet chat is not available. Try again in a moment."),
        "JOB_EXECUTION_FAILED": Cause(502, "상담 리포트 작성에 실패했습니다.",
                                      "The report could not be written."),
        "LLM_TIMEOUT": Cause(504, "답변 생성 시간이 초과되었습니다. 잠시 후 다시 시도해 주세요.",
                             "The answer took too long. Try again in a moment."),
    },
}  # fmt: skip

UNKNOWN_JOB: Final[Mapping[Area, str]] = {
    "mission": "INVALID_JOB_ID",
    "face": "JOB_NOT_FOUND",
    "healthcare": "JOB_NOT_FOUND",
    "vet": "JOB_NOT_FOUND",
}
BAD_MEDIA: Final[Mapping[Area, str]] = {
    "mission": "MISSION_VIDEO_INVALID",
    "face": "INVALID_MEDIA_URL",
    "healthcare": "INVALID_MEDIA_URL",
    "vet": "IMAGE_FETCH_FAILED",
}

#: How the server's own problems are called in the product's words.
FROM_PROBLEM: Final[Mapping[str, str]] = {
    "invalid_input": "INVALID_REQUEST",
    "unauthorized": "UNAUTHORIZED",
    "token_expired": "TOKEN_EXPIRED",
    "idempotency_mismatch": "IDEMPOTENCY_MISMATCH",
    "too_large": "FILE_TOO_LARGE",
    "unsupported_media_type": "UNSUPPORTED_CONTENT_TYPE",
    "rate_limited": "RATE_LIMITED",
    "server_fault": "INTERNAL_ERROR",
    "storage_full": "STORAGE_FULL",
    "quota_exceeded": "QUOTA_EXCEEDED",
}


def cause(code: str, area: Area) -> Cause:
    """Return status and words of a code; one that is not known is the area's failed job's."""
    known = _BY_AREA[area].get(code) or _SHARED.get(code)
    return known or _BY_AREA[area]["JOB_EXECUTION_FAILED"]


def words(code: str, area: Area, language: str) -> str:
    """Return the text of a code in a language."""
    known = cause(code, area)
    return known.en if language == "en" else known.ko


def all_codes() -> dict[tuple[Area, str], Cause]:
    """Return every code of every area."""
    return {
        (area, code): known
        for area, own in _BY_AREA.items()
        for code, known in {**_SHARED, **own}.items()
    }
