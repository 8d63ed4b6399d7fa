"""What can go wrong: one stable code per cause, with its status, Korean and English texts."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """One wrong field of a request: where it is and what is wrong with it."""

    field: str
    message: str


# code: (status, Korean, English)
TITLES: Mapping[str, tuple[int, str, str]] = {
    "invalid_input": (400, "요청 내용이 올바르지 않아요", "The request is not valid"),
    "unauthorized": (401, "로그인이 필요해요", "Sign in first"),
    "token_expired": (401, "로그인이 만료되었어요", "The access token has expired"),
    "refresh_refused": (401, "다시 로그인해 주세요", "Sign in again"),
    "webhook_not_configured": (401, "서명 키가 설정되지 않았어요", "No keys for signed calls here"),
    "webhook_unsigned": (401, "서명이 없는 요청이에요", "The call is not signed"),
    "webhook_malformed": (401, "서명 형식이 올바르지 않아요", "The signature is malformed"),
    "webhook_expired": (401, "서명 시각이 지났어요", "The signed call is too old"),
    "webhook_early": (401, "서명 시각이 미래예요", "The signed call is from the future"),
    "webhook_forged": (401, "서명이 맞지 않아요", "The signature is wrong"),
    "forbidden": (403, "허용되지 않은 요청이에요", "Not allowed"),
    "consent_required": (403, "위치정보 이용 동의가 필요해요", "Location consent is needed"),
    "quota_exceeded": (403, "저장 공간을 모두 썼어요", "Your space is used up"),
    "not_found": (404, "찾을 수 없어요", "Not found"),
    "unknown_client": (404, "등록되지 않은 기기예요", "This device is not registered"),
    "method_not_allowed": (405, "지원하지 않는 요청 방식이에요", "Method not allowed"),
    "conflict": (409, "이미 처리된 요청과 달라요", "In conflict with what exists"),
    "gap": (409, "앞선 기록이 빠졌어요", "Facts before these are missing"),
    "seq_reused": (409, "기기 기록 번호가 겹쳐요", "A sequence number came with other content"),
    "client_bound": (409, "다른 사용자의 기기예요", "The device belongs to another user"),
    "idempotency_mismatch": (409, "같은 키로 다른 요청이 왔어요", "The key was used otherwise"),
    "upload_incomplete": (409, "아직 업로드되지 않았어요", "The upload has not arrived yet"),
    "resync": (410, "처음부터 다시 받아 주세요", "Start the pull again without a cursor"),
    "too_large": (413, "보낸 내용이 너무 커요", "The request is too large"),
    "unsupported_media_type": (415, "지원하지 않는 형식이에요", "Unsupported media type"),
    "unprocessable": (422, "처리할 수 없는 내용이에요", "The content can't be processed"),
    "area_too_large": (422, "지도 범위가 너무 넓어요", "The map area is too large"),
    "upload_mismatch": (422, "올린 파일이 신청과 달라요", "The upload is not as announced"),
    "picture_animated": (422, "움직이는 사진은 올릴 수 없어요", "Animated pictures are not taken"),
    "picture_broken": (422, "사진을 읽을 수 없어요", "The picture can't be read"),
    "picture_polyglot": (422, "사진 외의 내용이 있어요", "There is more than a picture in it"),
    "picture_too_large": (422, "사진이 너무 커요", "The picture is too large"),
    "picture_type_mismatch": (422, "사진 형식이 달라요", "The picture is of another type"),
    "not_a_video": (422, "영상 파일이 아니에요", "The file is no video"),
    "no_video_stream": (422, "영상이 없는 파일이에요", "There is nothing to see in the file"),
    "video_broken": (422, "영상을 읽을 수 없어요", "The video can't be read"),
    "video_no_frames": (422, "영상에 장면이 없어요", "The video has no pictures"),
    "video_polyglot": (422, "영상 외의 내용이 있어요", "There is more than a video in it"),
    "video_too_large": (422, "영상이 너무 커요", "The video is too large"),
    "video_too_long": (422, "영상 길이가 너무 길어요", "The video is too long"),
    "video_too_many_frames": (422, "영상의 장면이 너무 많아요", "The video has too many frames"),
    "video_wrong_codec": (422, "지원하지 않는 영상 코덱이에요", "The video's codec is not taken"),
    "video_wrong_container": (422, "영상 형식이 달라요", "The video is of another type"),
    "video_wrong_resolution": (422, "영상 해상도가 맞지 않아요", "The video's size is not taken"),
    "rate_limited": (429, "요청이 너무 많아요. 잠시 후 다시 시도해 주세요", "Too many requests"),
    "server_fault": (500, "서버에 문제가 생겼어요", "The server made a mistake"),
    "upstream_failed": (502, "로그인 서비스가 응답하지 않아요", "The sign-in service failed"),
    "database_unavailable": (503, "잠시 후 다시 시도해 주세요", "Try again in a moment"),
    "database_busy": (503, "잠시 후 다시 시도해 주세요", "Try again in a moment"),
    "not_configured": (503, "설정되지 않은 기능이에요", "Not set up on this server"),
    "storage_unavailable": (503, "잠시 후 다시 시도해 주세요", "Try again in a moment"),
    "storage_full": (507, "서버 저장 공간이 부족해요", "The server has no space left"),
    "storage_read_only": (503, "서버가 점검 중이에요", "The server takes no writes now"),
}


class Problem(Exception):
    """An answer with an error: a code of `TITLES`, a detail, and what else the client needs."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: list[FieldError] | None = None,
        last: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.errors = errors or []
        self.last = last
        self.retry_after_s = retry_after_s


def not_found() -> Problem:
    """What another user's id and an unknown id both get."""
    return Problem("not_found")
