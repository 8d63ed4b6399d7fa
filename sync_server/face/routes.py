"""/api/face: the best frame of a clip, the emotion of a frame, and both at once."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler

from sync_server.ai.contract import JobType
from sync_server.face import service
from sync_server.face.schemas import DetectRequest, DetectResult, EmotionRequest, EmotionResult
from sync_server.jobs import service as jobs
from sync_server.platform.context import Platform
from sync_server.platform.idempotency import IdempotencyKey
from sync_server.platform.problem_details import language_of
from sync_server.platform.tokens import CurrentUser

_FAULTS: Final = jobs.error_handlers("face")
_CREATE: Final = jobs.error_answers("face", 404, 409, 502)
_READ: Final = jobs.error_answers("face", 404, 409, 422, 502, 504)
_WAIT: Final = {
    **_READ,
    202: ResponseSpec(
        jobs.JobStillRuns,
        generate_examples=False,
        description="Takes longer than the wait: ask on there",
    ),
}


def _result(platform: Platform, job: jobs.Job, language: str) -> DetectResult | EmotionResult:
    jobs.finished(job, language)
    if job.job_type == "FACE_DETECTION":
        return service.detect_result(platform, job)
    return service.emotion_result(platform, job)


async def _waited_for(
    platform: Platform,
    user: CurrentUser,
    request: Request[Any, Any, Any],
    job_type: JobType,
    data: DetectRequest | EmotionRequest,
) -> Response[Any]:
    language = language_of(request)
    job_id = await service.begin(
        platform, user, request, job_type, data, language, jobs.PRIORITY_WAITED_FOR
    )
    job = await jobs.waited_for(platform, user, request, job_id)
    if not job.is_final:
        return Response(jobs.still_runs(job), status_code=202)
    return Response(_result(platform, job, language))


async def _accepted(
    platform: Platform,
    user: CurrentUser,
    request: Request[Any, Any, Any],
    job_type: JobType,
    data: DetectRequest | EmotionRequest,
) -> jobs.JobAccepted:
    job_id = await service.begin(
        platform, user, request, job_type, data, language_of(request), jobs.PRIORITY_BACKGROUND
    )
    return jobs.accepted(await jobs.begun(platform, user, job_id))


@post("/api/face/detect", summary="Pick the best frame of a clip, and wait for it",
      status_code=200, exception_handlers=_FAULTS, responses=_WAIT)  # fmt: skip
async def detect(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[DetectRequest],
    idempotency_key: IdempotencyKey = None,
) -> Response[DetectResult | jobs.JobStillRuns]:
    """Answer the frame; past the wait, where to ask on."""
    return await _waited_for(platform, user, request, "FACE_DETECTION", data)


@post("/api/face/detect/jobs", summary="Create a job that picks the best frame of a clip",
      status_code=202, exception_handlers=_FAULTS, responses=_CREATE)  # fmt: skip
async def create_detect_job(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[DetectRequest],
    idempotency_key: IdempotencyKey = None,
) -> jobs.JobAccepted:
    """Take the job and answer at once."""
    return await _accepted(platform, user, request, "FACE_DETECTION", data)


@post("/api/face/emotion-inference", summary="See the emotion of a frame, and wait for it",
      status_code=200, exception_handlers=_FAULTS, responses=_WAIT)  # fmt: skip
async def infer_emotion(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[EmotionRequest],
    idempotency_key: IdempotencyKey = None,
) -> Response[EmotionResult | jobs.JobStillRuns]:
    """Answer the emotion; past the wait, where to ask on."""
    return await _waited_for(platform, user, request, "EMOTION_INFERENCE", data)


@post("/api/face/emotion-inference/jobs", summary="Create a job that sees the emotion of a frame",
      status_code=202, exception_handlers=_FAULTS, responses=_CREATE)  # fmt: skip
async def create_emotion_job(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[EmotionRequest],
    idempotency_key: IdempotencyKey = None,
) -> jobs.JobAccepted:
    """Take the job and answer at once."""
    return await _accepted(platform, user, request, "EMOTION_INFERENCE", data)


@post("/api/face/analyze", summary="See the emotion of a clip, and wait for it",
      status_code=200, exception_handlers=_FAULTS, responses=_WAIT)  # fmt: skip
async def analyze(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[DetectRequest],
    idempotency_key: IdempotencyKey = None,
) -> Response[EmotionResult | jobs.JobStillRuns]:
    """Pick the best frame, see its emotion and put it into words, as one job."""
    return await _waited_for(platform, user, request, "FACE_ANALYSIS", data)


@post("/api/face/analyze/jobs", summary="Create a job that sees the emotion of a clip",
      status_code=202, exception_handlers=_FAULTS, responses=_CREATE)  # fmt: skip
async def create_analyze_job(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[DetectRequest],
    idempotency_key: IdempotencyKey = None,
) -> jobs.JobAccepted:
    """Take the job and answer at once."""
    return await _accepted(platform, user, request, "FACE_ANALYSIS", data)


def _readers(kind: str, job_type: JobType, result: Any) -> list[ControllerRouterHandler]:
    """Make the routes that read the jobs of one kind: state and result, both spellings."""
    base = f"/api/face/{kind}/jobs"

    @get(
        [f"{base}/{{job_id:str}}", f"{base}/status/{{job_id:str}}"],
        name=f"face_status_{kind}",
        summary=f"The state of a job of {kind}",
        exception_handlers=_FAULTS,
        responses=jobs.error_answers("face", 404),
    )
    async def status(
        platform: NamedDependency[Platform],
        user: NamedDependency[CurrentUser],
        request: Request[Any, Any, Any],
        job_id: FromPath[str],
    ) -> jobs.JobStatus:
        """Answer the state alone: queued, processing, finished or failed."""
        async with platform.database.read() as tx:
            job = await jobs.own_job(tx, user.user_no, job_id, (job_type,))
        return jobs.job_status(job, language_of(request))

    @get(
        [f"{base}/{{job_id:str}}/result", f"{base}/result/{{job_id:str}}"],
        name=f"face_result_{kind}",
        summary=f"The result of a job of {kind}",
        exception_handlers=_FAULTS,
        responses={**_READ, 200: ResponseSpec(result, generate_examples=False)},
    )
    async def read_result(
        platform: NamedDependency[Platform],
        user: NamedDependency[CurrentUser],
        request: Request[Any, Any, Any],
        job_id: FromPath[str],
    ) -> Response[Any]:
        """Answer what was found, once the job is finished."""
        async with platform.database.read() as tx:
            job = await jobs.own_job(tx, user.user_no, job_id, (job_type,), says_analysis=True)
        return Response(_result(platform, job, language_of(request)))

    return [status, read_result]


ROUTES: list[ControllerRouterHandler] = [
    detect,
    create_detect_job,
    infer_emotion,
    create_emotion_job,
    analyze,
    create_analyze_job,
    *_readers("detect", "FACE_DETECTION", DetectResult),
    *_readers("emotion-inference", "EMOTION_INFERENCE", EmotionResult),
    *_readers("analyze", "FACE_ANALYSIS", EmotionResult),
]
