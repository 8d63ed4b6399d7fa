"""/api/missions: judging missions, and the offers of a walk."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ControllerRouterHandler

from sync_server.jobs import service as jobs
from sync_server.missions import judging, offers, settling
from sync_server.missions.results import result_document
from sync_server.missions.schemas import (
    JudgeRequest,
    Label,
    MissionResult,
    OfferDoc,
    Offers,
    OffersWanted,
)
from sync_server.platform import rate_limit
from sync_server.platform.context import Platform
from sync_server.platform.idempotency import IdempotencyKey
from sync_server.platform.problem_details import language_of, problems
from sync_server.platform.tokens import CurrentUser

_FAULTS: Final = jobs.error_handlers("mission")
_BASES: Final = ("/api/missions/judge", "/api/mission/judge")


@post(
    list(_BASES),
    summary="Judge missions, and wait for all of them",
    status_code=200,
    exception_handlers=_FAULTS,
    responses={
        **jobs.error_answers("mission", 404, 409, 422, 502, 504),
        202: ResponseSpec(jobs.JobStillRuns, generate_examples=False,
                          description="Takes longer than the wait: ask on there"),
    },
)  # fmt: skip
async def judge(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[JudgeRequest],
    idempotency_key: IdempotencyKey = None,
) -> Response[MissionResult | jobs.JobStillRuns]:
    """Answer when every mission is judged; past the wait, where to ask on."""
    language = language_of(request)
    job_id = await judging.begin(platform, user, request, data, language, jobs.PRIORITY_WAITED_FOR)
    job = await jobs.waited_for(platform, user, request, job_id)
    if not job.is_final:
        return Response(jobs.still_runs(job), status_code=202)
    jobs.finished(job, language)
    return Response(result_document(job))


@post(
    [f"{base}/jobs" for base in _BASES],
    summary="Create a job that judges missions",
    status_code=202,
    exception_handlers=_FAULTS,
    responses=jobs.error_answers("mission", 404, 409, 502),
)
async def create_judge_job(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[JudgeRequest],
    idempotency_key: IdempotencyKey = None,
) -> jobs.JobAccepted:
    """Take the job and answer at once."""
    job_id = await judging.begin(
        platform, user, request, data, language_of(request), jobs.PRIORITY_BACKGROUND
    )
    return jobs.accepted(await jobs.begun(platform, user, job_id))


@get(
    [path for base in _BASES for path in
     (f"{base}/jobs/{{job_id:str}}", f"{base}/jobs/status/{{job_id:str}}")],
    summary="The state of a judge job",
    exception_handlers=_FAULTS,
    responses=jobs.error_answers("mission", 404),
)  # fmt: skip
async def judge_status(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    job_id: FromPath[str],
) -> jobs.JobStatus:
    """Answer the state alone: queued, processing, finished or failed."""
    async with platform.database.read() as tx:
        job = await jobs.own_job(tx, user.user_no, job_id, judging.JOB_TYPES)
    return jobs.job_status(job, language_of(request))


@get(
    [path for base in _BASES for path in
     (f"{base}/jobs/{{job_id:str}}/result", f"{base}/jobs/result/{{job_id:str}}")],
    summary="The result of a judge job",
    exception_handlers=_FAULTS,
    responses=jobs.error_answers("mission", 404, 409, 422, 502, 504),
)  # fmt: skip
async def judge_result(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    job_id: FromPath[str],
) -> MissionResult:
    """Answer what was found, once the job is finished."""
    async with platform.database.read() as tx:
        job = await jobs.own_job(tx, user.user_no, job_id, judging.JOB_TYPES, says_analysis=True)
    language = language_of(request)
    if job.state in ("failed", "cancelled"):
        raise jobs.failure(job, language).as_failed_job()
    jobs.finished(job, language)
    return result_document(job)


# --- offers --------------------------------------------------------------------------------


@post(
    "/api/missions/offers",
    summary="Ask for the missions of my open walk",
    status_code=200,
    responses=problems("not_found", "conflict"),
)
async def ask_for_offers(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    data: JSONBody[OffersWanted],
) -> Offers:
    """Draw the moments of the walk once, and issue the missions whose moment has come."""
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        await rate_limit.limit(platform, tx, rate_limit.WRITE, str(user.user_no))
        await offers.issue(tx, user.user_no, data.walk_id, now_ms)
        return await offers.of_walk(tx, user.user_no, data.walk_id, language_of(request), now_ms)


@get(
    "/api/missions/offers",
    summary="The missions of a walk of mine",
    responses=problems("not_found"),
)
async def list_offers(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    walk_id: FromQuery[Label],
) -> Offers:
    """Answer what was offered on the walk and what became of it."""
    async with platform.database.read() as tx:
        return await offers.of_walk(
            tx, user.user_no, walk_id, language_of(request), platform.clock()
        )


@post(
    "/api/missions/offers/{mission_id:str}/judge",
    summary="Judge a mission of mine again",
    status_code=202,
    responses=problems("not_found", "conflict"),
)
async def judge_again(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    request: Request[Any, Any, Any],
    mission_id: FromPath[str],
) -> OfferDoc:
    """Judge again what was uncertain or failed for a reason of the system's own."""
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        await rate_limit.limit(platform, tx, rate_limit.JOB, str(user.user_no))
        await settling.judge_again(platform, tx, user, mission_id, now_ms)
        return await offers.one(tx, user.user_no, mission_id, language_of(request))


ROUTES: list[ControllerRouterHandler] = [
    judge,
    create_judge_job,
    judge_status,
    judge_result,
    ask_for_offers,
    list_offers,
    judge_again,
]
