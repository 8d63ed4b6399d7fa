"""What other domains may use of jobs: make one, find one, take events, sweep and erase."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
from litestar import Request

from sync_server.ai.contract import AREA_OF, Event
from sync_server.ai.role import EventSink, RoleUnavailable, TooBusy
from sync_server.jobs import artifacts, events, store
from sync_server.jobs.catalogue import UNKNOWN_JOB, cause, words
from sync_server.jobs.creating import (
    NewJob,
    create,
    fail,
    hand_over,
    hand_over_later,
    iso,
    new_job_id,
    require_role,
    withdraw,
)
from sync_server.jobs.documents import (
    JobAccepted,
    JobStatus,
    JobStillRuns,
    Next,
    StageProgress,
    error_words,
    inner,
    job_document,
    job_status,
    next_urls,
    processing,
    still_runs,
)
from sync_server.jobs.errors import (
    DetailedError,
    DetailedFailed,
    JobRefused,
    error_answers,
    error_handlers,
)
from sync_server.jobs.inputs import resolve
from sync_server.jobs.model import PRIORITY_BACKGROUND, PRIORITY_WAITED_FOR, Job, JobError
from sync_server.jobs.notices import listen
from sync_server.jobs.sweeping import delete_files, erase, forget, sweep
from sync_server.jobs.waiting import until_ended
from sync_server.platform import idempotency, rate_limit
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem, not_found
from sync_server.platform.tokens import CurrentUser

__all__ = [
    "PRIORITY_BACKGROUND",
    "PRIORITY_WAITED_FOR",
    "DetailedError",
    "DetailedFailed",
    "Job",
    "JobAccepted",
    "JobError",
    "JobRefused",
    "JobStatus",
    "JobStillRuns",
    "NewJob",
    "Next",
    "StageProgress",
    "accepted",
    "artifacts",
    "begin",
    "begun",
    "cancel",
    "cause",
    "create",
    "delete_files",
    "erase",
    "error_answers",
    "error_handlers",
    "error_words",
    "event_sink",
    "export",
    "fail",
    "failure",
    "finished",
    "forget",
    "hand_over_later",
    "inner",
    "iso",
    "job_document",
    "job_status",
    "listen",
    "new_job_id",
    "next_urls",
    "own_job",
    "processing",
    "resolve",
    "still_runs",
    "sweep",
    "waited_for",
    "words",
]  # fmt: skip


def event_sink(platform: Platform) -> EventSink:
    """Return what the AI role in this process calls with each event of a job."""

    async def take(job_id: str, event: Event) -> None:
        await events.apply(platform, None, job_id, event)

    return take


class _Began(msgspec.Struct, frozen=True):
    job_id: str


async def begin(
    platform: Platform,
    user: CurrentUser,
    request: Request[Any, Any, Any],
    build: Callable[[Tx, int], Awaitable[NewJob]],
    after: Callable[[Tx, Job], Awaitable[None]] | None = None,
    content_sha256: str | None = None,
) -> str:
    """Make the job of a request, once per Idempotency-Key, and hand it over; return its id.

    `build` says what is to be analysed and `after` sees a new job, in the transaction that keeps
    it. Raises JobRefused
    TOO_BUSY (the job is undone), MODEL_SERVICE_UNAVAILABLE, and what `build` raises.
    """
    require_role(platform)
    fresh = False
    async with idempotency.idempotent(platform, user.user_no, request, content_sha256) as once:
        await rate_limit.limit(platform, once.tx, rate_limit.JOB, str(user.user_no))
        if once.is_first:
            now_ms = platform.clock()
            new = await build(once.tx, now_ms)
            job = await create(platform, once.tx, user.user_no, new, now_ms)
            fresh = job.event_no == 0
            if fresh and after is not None:
                await after(once.tx, job)
            once.answer(202, _Began(job.job_id))
        job_id = msgspec.json.decode(once.stored[1], type=_Began).job_id
    try:
        await hand_over(platform, job_id)
    except TooBusy as busy:
        if fresh:
            await withdraw(platform, job_id)
            async with platform.database.transaction() as tx:
                await idempotency.forget(tx, user.user_no, request)
            raise JobRefused(
                "TOO_BUSY", analysis_id="", retry_after_s=max(1.0, busy.retry_after_s)
            ) from None
        # It was taken before; the sweeper hands it over.
    return job_id


async def begun(platform: Platform, user: CurrentUser, job_id: str) -> Job:
    """Return a job that this request has just made."""
    async with platform.database.read() as tx:
        job = await store.load_own(tx, user.user_no, job_id)
    if job is None:  # The account was erased meanwhile.
        raise Problem("unauthorized")
    return job


async def waited_for(
    platform: Platform, user: CurrentUser, request: Request[Any, Any, Any], job_id: str
) -> Job:
    """Return the job once it has ended, or as it is when the wait is over."""
    job = await until_ended(platform, request, user.user_no, job_id)
    if job is None:
        raise Problem("unauthorized")
    return job


def accepted(job: Job) -> JobAccepted:
    """Return the answer to a job request of missions or face: the same whenever it is repeated."""
    return JobAccepted(job.analysis_id, job.job_id, "queued", iso(job.created_ms))


async def own_job(
    tx: Tx, user_no: int, job_id: str, job_types: tuple[str, ...], *, says_analysis: bool = False
) -> Job:
    """Return the user's job of one of these types.

    Raises JobRefused with the area's code for an unknown job: another user's and one of another
    type look the same. `says_analysis`: the answer has an (empty) analysis_id.
    """
    job = await store.load_own(tx, user_no, job_id)
    if job is None or job.job_type not in job_types:
        code = UNKNOWN_JOB[AREA_OF[job_types[0]]]
        if says_analysis:
            raise JobRefused(code, analysis_id="")
        raise JobRefused(code)
    return job


def finished(job: Job, language: str) -> dict[str, Any]:
    """Return the result of a job that is done.

    Raises JobRefused: JOB_NOT_FINISHED, RESULT_NOT_AVAILABLE, or what the job failed of.
    """
    about: dict[str, Any] = {"analysis_id": job.analysis_id, "job_id": job.job_id}
    if job.state in ("queued", "processing"):
        note = "Analysis is not finished yet."
        details = {"status": job.status}
        raise JobRefused("JOB_NOT_FINISHED", status=job.status, note=note, details=details, **about)
    if job.state != "done":
        raise failure(job, language)
    if job.result is None:
        raise JobRefused("RESULT_NOT_AVAILABLE", **about)
    return job.result


def failure(job: Job, language: str) -> JobRefused:
    """Return the refusal that says why a job failed."""
    error = error_words(job, language)
    return JobRefused(
        error.code,
        message=error.message,
        details=error.details,
        analysis_id=job.analysis_id,
        job_id=job.job_id,
    )


async def cancel(platform: Platform, user_no: int, job_id: str) -> Job:
    """Stop a job of the user; again answers the same.

    Raises Problem not_found, conflict for a job that has ended otherwise.
    """
    async with platform.database.read() as tx:
        job = await store.load_own(tx, user_no, job_id)
    if job is None:
        raise not_found()
    if job.is_final and job.state != "cancelled":
        raise Problem("conflict", "the job has ended")
    if not job.is_final:
        if platform.ai is not None and job.handed:
            # Where it does not answer it may run on; what it says then is too late.
            with suppress(RoleUnavailable):
                await platform.ai.cancel(job_id)
        await fail(platform, job_id, "JOB_CANCELLED")
    async with platform.database.read() as tx:
        after = await store.load_own(tx, user_no, job_id)
    if after is None:
        raise not_found()
    if after.state != "cancelled":
        raise Problem("conflict", "the job has ended")
    return after


async def export(tx: Tx, user_no: int) -> list[dict[str, Any]]:
    """Return a user's jobs with their results, for the export of the account."""
    found: list[dict[str, Any]] = []
    before_ms: int | None = None
    while True:
        jobs = await store.list_own(tx, user_no, before_ms, 200)
        found += [
            {
                **_builtins(job_document(job)),
                "request": _builtins(job.request),
                "result": job.result,
            }
            for job in jobs
        ]
        if len(jobs) < 200:
            return found
        before_ms = jobs[-1].created_ms


def _builtins(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain
