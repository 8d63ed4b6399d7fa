"""/api/healthcare: gait jobs, the wait for one, health, and a dog's history."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from sync_server.healthcare import service
from sync_server.healthcare.results import result_document
from sync_server.healthcare.schemas import (
    GaitAccepted,
    GaitHealth,
    GaitHistory,
    GaitRequest,
    GaitResult,
    GaitStatus,
    GaitStillRuns,
)
from sync_server.healthcare.uploads import MAX_FORM_BYTES, received
from sync_server.jobs import service as jobs
from sync_server.platform.context import Platform
from sync_server.platform.errors import Problem
from sync_server.platform.idempotency import IdempotencyKey
from sync_server.platform.problem_details import language_of, problems
from sync_server.platform.tokens import CurrentUser

_FAULTS: Final = jobs.error_handlers("healthcare")
MAX_JSON_BYTES: Final = 64 * 1024
_JSON: Final = msgspec.json.Decoder(GaitRequest)
_TEXT: Final = Schema(type=OpenAPIType.STRING)
_TAKES: Final = {
    "application/json": Schema(
        type=OpenAPIType.OBJECT,
        title="GaitRequest",
        properties={
            "video_url": Schema(type=OpenAPIType.STRING, min_length=1, max_length=2_048),
            "dog_id": Schema(one_of=[_TEXT, Schema(type=OpenAPIType.NULL)]),
            "captured_at": Schema(one_of=[_TEXT, Schema(type=OpenAPIType.NULL)]),
        },
        required=["video_url"],
        additional_properties=False,
    ),
    "multipart/form-data": Schema(
        type=OpenAPIType.OBJECT,
        properties={
            "file": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY),
            "dog_id": _TEXT,
            "captured_at": _TEXT,
        },
        required=["file"],
    ),
}


async def _begin(
    platform: Platform, user: CurrentUser, request: Request[Any, Any, Any], priority: int
) -> str:
    """Take either form of a request and make its job."""
    language: Literal["ko", "en"] = language_of(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with received(platform, request) as clip:
            job_id = await service.begin(
                platform, user, request, clip, language, priority, clip.content_sha256
            )
        if job_id != clip.job_id:  # The same request came before: its clip is kept already.
            await jobs.delete_files(platform, clip.job_id)
        return job_id
    if kind not in ("application/json", ""):
        raise Problem("unsupported_media_type")
    raw = await _small_body(request)
    sha256 = hashlib.sha256(raw).hexdigest()
    data = _JSON.decode(raw)
    return await service.begin(platform, user, request, data, language, priority, sha256)


async def _small_body(request: Request[Any, Any, Any]) -> bytes:
    """Return a JSON body: the route takes uploads, but no JSON is as long as one of them."""
    raw = bytearray()
    async for part in request.stream():
        raw += part
        if len(raw) > MAX_JSON_BYTES:
            raise Problem("too_large")
    return bytes(raw)


@post(
    "/api/healthcare/jobs",
    summary="Create a gait job",
    status_code=202,
    request_max_body_size=MAX_FORM_BYTES,
    exception_handlers=_FAULTS,
    opt={"takes": _TAKES},
    responses=jobs.error_answers("healthcare", 403, 404, 409, 413, 415, 502),
)
async def create_gait_job(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    idempotency_key: IdempotencyKey = None,
) -> GaitAccepted:
    """Take a clip (a form with the file, or JSON with its URL) and answer at once."""
    job_id = await _begin(platform, user, request, jobs.PRIORITY_BACKGROUND)
    return GaitAccepted(job_id, "queued")


@post(
    "/api/healthcare/analyze",
    summary="Analyse a gait, and wait for it",
    status_code=200,
    request_max_body_size=MAX_FORM_BYTES,
    exception_handlers=_FAULTS,
    opt={"takes": _TAKES},
    responses={
        **jobs.error_answers("healthcare", 403, 404, 409, 413, 415, 422, 502, 504),
        202: ResponseSpec(
            GaitStillRuns,
            generate_examples=False,
            description="Takes longer than the wait: ask on there",
        ),
    },
)
async def analyze_gait(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    idempotency_key: IdempotencyKey = None,
) -> Response[GaitResult | GaitStillRuns]:
    """Answer the analysis; past the wait, where to ask on."""
    job_id = await _begin(platform, user, request, jobs.PRIORITY_WAITED_FOR)
    job = await jobs.waited_for(platform, user, request, job_id)
    if not job.is_final:
        return Response(GaitStillRuns(job.job_id, job.status, jobs.next_urls(job)), status_code=202)
    language = language_of(request)
    jobs.finished(job, language)
    return Response(result_document(platform, job, language))


@get(
    "/api/healthcare/jobs/{job_id:str}",
    summary="The state of a gait job",
    exception_handlers=_FAULTS,
    responses=jobs.error_answers("healthcare", 404),
)
async def gait_status(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    job_id: FromPath[str],
) -> GaitStatus:
    """Answer state and progress: queued, processing, succeeded or failed."""
    async with platform.database.read() as tx:
        job = await jobs.own_job(tx, user.user_no, job_id, service.JOB_TYPES)
    progress = jobs.StageProgress(job.stage, job.percent, job.message)
    if job.error is None:
        return GaitStatus(job.job_id, job.status, progress)
    why = jobs.error_words(job, language_of(request))
    return GaitStatus(
        job.job_id, job.status, progress,
        jobs.DetailedError(why.code, why.message, why.details),
    )  # fmt: skip


@get(
    "/api/healthcare/jobs/{job_id:str}/result",
    summary="The result of a gait job",
    exception_handlers=_FAULTS,
    responses=jobs.error_answers("healthcare", 404, 409, 422, 502, 504),
)
async def gait_result(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    job_id: FromPath[str],
) -> GaitResult:
    """Answer scores at once, the pictures' addresses when they are ready."""
    async with platform.database.read() as tx:
        job = await jobs.own_job(tx, user.user_no, job_id, service.JOB_TYPES)
    language = language_of(request)
    jobs.finished(job, language)
    return result_document(platform, job, language)


@get(
    "/api/healthcare/health",
    summary="Whether gait analysis works",
    exception_handlers=_FAULTS,
    responses=jobs.error_answers("healthcare"),
)
async def gait_health(platform: NamedDependency[Platform]) -> GaitHealth:
    """Answer the dependencies, the queue and the models; always 200 while the database answers."""
    states, said = await service.health(platform)
    models = said.get("models")
    return GaitHealth(
        "ok" if set(states.values()) == {"ok"} else "degraded",
        states,
        {
            "length": float(said.get("queue_length") or 0),
            "age_s": float(said.get("queue_age_s") or 0),
        },
        {str(k): str(v) for k, v in models.items()} if isinstance(models, dict) else {},
    )


@get(
    "/api/healthcare/history",
    summary="A dog's gait over time",
    responses=problems("not_found"),
)
async def gait_history(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    dog_id: FromQuery[Annotated[str, QueryParameter(min_length=1, max_length=64)]],
    before_ms: Annotated[int | None, QueryParameter(ge=0, le=2**53)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 30,
) -> GaitHistory:
    """Answer the sessions of phone and server, and the trend against the dog's own baseline."""
    async with platform.database.read() as tx:
        return await service.history(
            tx, user.user_no, dog_id, before_ms, limit, language_of(request)
        )


ROUTES: list[ControllerRouterHandler] = [
    create_gait_job,
    analyze_gait,
    gait_status,
    gait_result,
    gait_health,
    gait_history,
]
