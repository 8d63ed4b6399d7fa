"""/api/uploads and /api/media."""

from __future__ import annotations

import re
from typing import Annotated, Any

import structlog
from litestar import Request, Response, get, post, put
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler, ExceptionHandlersMap

from sync_server.media import service
from sync_server.media.kinds import MAX_ANY_BYTES
from sync_server.media.schemas import MediaLink, PhotoDoc, UploadRequest, UploadTicket
from sync_server.platform import rate_limit
from sync_server.platform.context import Platform, provide_user
from sync_server.platform.errors import Problem, not_found
from sync_server.platform.idempotency import IdempotencyKey, idempotent
from sync_server.platform.object_store import ObjectStoreFailed
from sync_server.platform.openapi import EITHER_WAY
from sync_server.platform.problem_details import problem_response, problems
from sync_server.platform.tokens import CurrentUser

log = structlog.get_logger(__name__)
Expires = FromQuery[Annotated[int, QueryParameter(ge=0, lt=2**53)]]
Signature = FromQuery[Annotated[str, QueryParameter(min_length=1, max_length=128)]]
MaybeExpires = FromQuery[Annotated[int | None, QueryParameter(ge=0, lt=2**53)]]
MaybeSignature = FromQuery[Annotated[str | None, QueryParameter(min_length=1, max_length=128)]]
_FILE_NAMES = {
    "image/jpeg": "photo.jpg", "image/webp": "photo.webp", "video/mp4": "clip.mp4",
    "video/webm": "clip.webm",
}  # fmt: skip
_REFUSALS = ("not_found", "upload_incomplete", "picture_broken")
# One range of bytes, as players ask for (RFC 9110, 14.1.2); others get the whole.
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


def store_failed(request: Request[Any, Any, Any], error: ObjectStoreFailed) -> Response[Any]:
    """Answer a fault of the object store: nothing was lost, the client may try again."""
    text = str(error).lower()
    full = "no space" in text or "quota" in text or "file too large" in text
    log.warning("object_store_failed", full=full)
    problem = Problem("storage_full" if full else "storage_unavailable", retry_after_s=5)
    return problem_response(request, problem)


_STORE_FAULTS: ExceptionHandlersMap = {ObjectStoreFailed: store_failed}


@post(
    "/api/uploads",
    summary="Announce an upload",
    responses=problems("quota_exceeded", "idempotency_mismatch"),
)
async def create_upload(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[UploadRequest],
    idempotency_key: IdempotencyKey = None,
) -> Response[UploadTicket]:
    """Answer a key of ours and a signed address that takes the bytes for 15 minutes."""
    now_ms = platform.clock()
    async with idempotent(platform, user.user_no, request) as once:
        await rate_limit.limit(platform, once.tx, rate_limit.UPLOAD, str(user.user_no))
        if once.is_first:
            ticket = await service.create_upload(platform, once.tx, user.user_no, data, now_ms)
            once.answer(201, ticket)
    return once.response()


@put(
    "/api/uploads/{key:str}/content",
    summary="Send the bytes of an upload (local store)",
    status_code=204,
    responses=problems("not_found", "conflict", "too_large"),
    opt={
        "takes_bytes": [
            "application/octet-stream",
            "image/jpeg",
            "image/png",
            "image/webp",
            "video/mp4",
            "video/quicktime",
            "video/webm",
        ]
    },
    request_max_body_size=MAX_ANY_BYTES,
    exception_handlers=_STORE_FAULTS,
)
async def put_content(
    platform: NamedDependency[Platform],
    request: Request[Any, Any, Any],
    key: FromPath[str],
    expires: Expires,
    signature: Signature,
) -> None:
    """Take the raw bytes; the signature of the address is the permission, no bearer needed."""
    if not platform.signer.is_signed("upload", key, expires, signature):
        raise not_found()
    await service.receive(platform, key, request.stream())


@post(
    "/api/uploads/{key:str}/complete",
    summary="Check and store an upload",
    status_code=200,
    responses=problems(*_REFUSALS),
    exception_handlers=_STORE_FAULTS,
)
async def complete_upload(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    key: FromPath[str],
) -> PhotoDoc:
    """Check the upload and store it without EXIF, GPS and other metadata.

    Pictures are decoded and written again; of videos the pictures are copied as they are, without
    sound. The 422 of a video is not_a_video, no_video_stream or video_*.
    """
    async with platform.database.transaction() as tx:
        await rate_limit.limit(platform, tx, rate_limit.UPLOAD, str(user.user_no))
    return await service.complete(platform, user.user_no, key)


@get(
    "/api/media/{key:str}",
    summary="A stored picture or video",
    media_type="image/jpeg",
    security=EITHER_WAY,
    opt={"answers_bytes": list(_FILE_NAMES)},
    exception_handlers=_STORE_FAULTS,
    responses={
        **problems("not_found"),
        206: ResponseSpec(
            bytes, generate_examples=False, description="The range asked for",
            media_type="video/mp4",
        ),
        304: ResponseSpec(None, generate_examples=False, description="Not changed"),
    },
    response_headers=[
        ResponseHeader("ETag", documentation_only=True, description="The file's hash")
    ],
)  # fmt: skip
async def get_media(
    platform: NamedDependency[Platform],
    request: Request[Any, Any, Any],
    key: FromPath[str],
    expires: MaybeExpires = None,
    signature: MaybeSignature = None,
) -> Response[Any]:
    """Answer the file to its owner, or to who holds a signed link; ranges of videos are served."""
    if signature is not None:
        if expires is None or not platform.signer.is_signed("media", key, expires, signature):
            raise not_found()
        owner = None
    else:
        owner = (await provide_user(request, platform)).user_no
    document, object_key = await service.photo(platform, owner, key)
    tag = f'"{document.sha256}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "private, max-age=3600",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": f'inline; filename="{_FILE_NAMES[document.content_type]}"',
    }
    known = {part.strip() for part in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, f"W/{tag}", "*"}:
        return Response(b"", status_code=304, headers=headers)
    if document.duration_ms is None:
        data = await service.picture_bytes(platform, object_key)
        return Response(data, media_type=document.content_type, headers=headers)
    return await _video(platform, document, object_key, request.headers.get("range", ""), headers)


async def _video(
    platform: Platform, document: PhotoDoc, object_key: str, ranges: str, headers: dict[str, str]
) -> Response[Any]:
    size = await platform.objects.size(object_key)
    if size is None:
        raise not_found()
    start, end, status = 0, size, 200
    wanted = _RANGE.fullmatch(ranges.strip())
    if wanted is not None and (wanted[1] or wanted[2]):
        if wanted[1]:
            start, end = int(wanted[1]), min(size, int(wanted[2] or size) + 1)
        else:  # the last bytes
            start = max(0, size - int(wanted[2]))
        start, end, status = (start, end, 206) if start < end else (0, size, 200)
    headers |= {"Accept-Ranges": "bytes", "Content-Length": str(end - start)}
    # Of a stream the route's own media type would win over the answer's.
    headers["content-type"] = document.content_type
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Stream(
        service.parts(platform, object_key, start, end), status_code=status, headers=headers
    )


@post(
    "/api/media/{key:str}/link",
    summary="A signed link to my picture or video",
    status_code=200,
    responses=problems("not_found"),
)
async def link_media(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    key: FromPath[str],
) -> MediaLink:
    """Answer an address that shows it without signing in for 10 minutes."""
    return await service.link(platform, user.user_no, key)


ROUTES: list[ControllerRouterHandler] = [
    create_upload,
    put_content,
    complete_upload,
    get_media,
    link_media,
]
