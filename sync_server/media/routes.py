"""/api/uploads and /api/media."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from litestar import Request, Response, get, post, put
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler, ExceptionHandlersMap

from sync_server.media import service
from sync_server.media.schemas import MediaLink, PhotoDoc, UploadRequest, UploadTicket
from sync_server.platform import rate_limit
from sync_server.platform.context import Platform, provide_user
from sync_server.platform.errors import Problem, not_found, problem_response, problems
from sync_server.platform.idempotency import IdempotencyKey, idempotent
from sync_server.platform.object_store import ObjectStoreFailed
from sync_server.platform.openapi import EITHER_WAY
from sync_server.platform.tokens import CurrentUser

log = structlog.get_logger(__name__)
Expires = FromQuery[Annotated[int, QueryParameter(ge=0, lt=2**53)]]
Signature = FromQuery[Annotated[str, QueryParameter(min_length=1, max_length=128)]]
MaybeExpires = FromQuery[Annotated[int | None, QueryParameter(ge=0, lt=2**53)]]
MaybeSignature = FromQuery[Annotated[str | None, QueryParameter(min_length=1, max_length=128)]]
_EXTENSIONS = {"image/jpeg": "jpg", "image/webp": "webp"}
_REFUSALS = ("not_found", "upload_incomplete", "picture_broken")


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
    opt={"takes_bytes": ["application/octet-stream", "image/jpeg", "image/png", "image/webp"]},
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
    announced = await service.announced_bytes(platform, key)
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > announced:
            raise Problem("too_large", f"{announced} bytes were announced")
    await service.receive(platform, key, bytes(received))


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
    """Decode the picture, write it again without EXIF and GPS, and store it."""
    async with platform.database.transaction() as tx:
        await rate_limit.limit(platform, tx, rate_limit.UPLOAD, str(user.user_no))
    return await service.complete(platform, user.user_no, key)


@get(
    "/api/media/{key:str}",
    summary="A stored picture",
    media_type="image/jpeg",
    security=EITHER_WAY,
    opt={"answers_bytes": ["image/jpeg", "image/webp"]},
    exception_handlers=_STORE_FAULTS,
    responses={
        **problems("not_found"),
        304: ResponseSpec(None, generate_examples=False, description="Not changed"),
    },
    response_headers=[
        ResponseHeader("ETag", documentation_only=True, description="The picture's hash")
    ],
)
async def get_media(
    platform: NamedDependency[Platform],
    request: Request[Any, Any, Any],
    key: FromPath[str],
    expires: MaybeExpires = None,
    signature: MaybeSignature = None,
) -> Response[bytes]:
    """Answer the picture to its owner, or to who holds a signed link."""
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
        "Content-Disposition": f'inline; filename="photo.{_EXTENSIONS[document.content_type]}"',
    }
    known = {part.strip() for part in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, f"W/{tag}", "*"}:
        return Response(b"", status_code=304, headers=headers)
    data = await service.picture_bytes(platform, object_key)
    return Response(data, media_type=document.content_type, headers=headers)


@post(
    "/api/media/{key:str}/link",
    summary="A signed link to my picture",
    status_code=200,
    responses=problems("not_found"),
)
async def link_media(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    key: FromPath[str],
) -> MediaLink:
    """Answer an address that shows the picture without signing in for 10 minutes."""
    return await service.link(platform, user.user_no, key)


ROUTES: list[ControllerRouterHandler] = [
    create_upload,
    put_content,
    complete_upload,
    get_media,
    link_media,
]
