"""Making a job and handing it to the AI role: kept first, handed over after the commit.

A server that dies in between, or an AI role that does not answer, costs a delay: the sweeper
hands over what is left. The AI role takes the same job twice as once.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
import structlog

from edge_sdk.ids import uuid7
from sync_server.ai.contract import AREA_OF, JobRequest, JobType, MissionInput, Policy, RequestMeta
from sync_server.ai.role import JobConflict, RoleUnavailable, TooBusy
from sync_server.jobs import store
from sync_server.jobs.catalogue import words
from sync_server.jobs.errors import JobRefused
from sync_server.jobs.events import CANCELLED, SYSTEM_ERROR, count, ended
from sync_server.jobs.model import PRIORITY_BACKGROUND, Job, JobError
from sync_server.jobs.notices import tell
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx

log = structlog.get_logger(__name__)
HANDED_BEFORE_MS: Final = 10 * 60_000
"""A job that the AI role has not taken for so long has failed."""
_QUEUED: Final = {
    "mission": ("돌발미션 분석 대기열에 등록되었습니다.", "The mission job is queued."),
    "face": ("표정 분석 대기열에 등록되었습니다.", "The face job is queued."),
    "healthcare": ("대기열에 등록되었습니다.", "Queued."),
    "vet": ("리포트 작성 대기열에 등록되었습니다.", "The report is queued."),
}

_PREFIX: Final = {"mission": "mission", "face": "face", "healthcare": "gait", "vet": "vet"}
"""How an analysis without a name of the client's own is called."""

_FIRST_STAGE: Final = {
    "mission": "QUEUED", "face": "QUEUED", "healthcare": "VALIDATING", "vet": "VALIDATING"
}  # fmt: skip


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """What a domain wants analysed; addresses are resolved already (`inputs.resolve`).

    `said` is the request in the client's own words: the same words for the same `analysis_id`
    are the same job, unless that failed or `again` is set. None: always a new job.
    """

    job_type: JobType
    user_id: str
    job_id: str = ""
    analysis_id: str | None = None
    said: bytes | None = None
    walk_id: str | None = None
    dog_id: str | None = None
    captured_ms: int | None = None
    missions: list[MissionInput] = []
    video_url: str | None = None
    frame_id: str | None = None
    frame_url: str | None = None
    document_url: str | None = None
    policy: Policy = Policy()
    priority: int = PRIORITY_BACKGROUND
    again: bool = False
    language: Literal["ko", "en"] = "ko"
    input_bytes: int = 0
    """Bytes of an upload that is kept as the job's input."""


def new_job_id(now_ms: int) -> str:
    """Make an id for a job; ids sort by time made."""
    return f"job_{uuid7(now_ms).replace('-', '')}"


async def create(platform: Platform, tx: Tx, user_no: int, new: NewJob, now_ms: int) -> Job:
    """Keep a job and hand it over after the commit; the same request answers the same job."""
    request_hash = secrets.token_hex(32)
    if new.said is not None:
        parts = (new.job_type, new.analysis_id or "", new.walk_id or "", new.dog_id or "")
        head = "\n".join(parts).encode()
        request_hash = hashlib.sha256(head + b"\n" + new.said).hexdigest()
        known = None if new.again else await store.same_request(tx, user_no, request_hash)
        if known is not None:
            return known
    if new.input_bytes:
        kept = await tx.fetch_value(
            "SELECT COALESCE(SUM(input_bytes), 0) FROM analysis_job WHERE user_no = ?", user_no
        )
        if int(kept) + new.input_bytes > platform.settings.media_quota_bytes:
            raise JobRefused("QUOTA_EXCEEDED", analysis_id="")
    job_id = new.job_id or new_job_id(now_ms)
    area = AREA_OF[new.job_type]
    analysis_id = new.analysis_id or f"{_PREFIX[area]}_{job_id.removeprefix('job_')}"
    apart = bool(platform.settings.ai_url)
    base = platform.settings.backend_url
    request = JobRequest(
        job_id=job_id,
        job_type=new.job_type,
        callback_url=f"{base}/internal/{area}/jobs/{job_id}/events" if apart else "",
        missions=new.missions,
        video_url=new.video_url,
        frame_id=new.frame_id,
        frame_url=new.frame_url,
        document_url=new.document_url,
        policy=new.policy,
        meta=RequestMeta(
            analysis_id=analysis_id,
            walk_id=new.walk_id,
            user_id=new.user_id,
            dog_id=new.dog_id,
            requested_at=iso(now_ms),
            captured_at=None if new.captured_ms is None else iso(new.captured_ms),
        ),
        priority=new.priority,
        again=new.again,
        language=new.language,
    )
    korean, english = _QUEUED[area]
    job = Job(
        job_id=job_id, user_no=user_no, area=area, job_type=new.job_type, analysis_id=analysis_id,
        walk_id=new.walk_id, dog_id=new.dog_id, captured_ms=new.captured_ms, request=request,
        state="queued", stage=_FIRST_STAGE[area], percent=0,
        message=english if new.language == "en" else korean, error=None, failure_type=None,
        result=None, model_version=None, last_seq=0, result_seq=0, event_no=0, handed=False,
        tries=0, created_ms=now_ms, updated_ms=now_ms, finished_ms=None,
    )  # fmt: skip
    await store.insert(tx, job, request_hash, new.input_bytes)
    return job


def hand_over_later(platform: Platform, tx: Tx, job_id: str) -> None:
    """Hand a job over once the transaction is committed, without waiting for it."""

    def begin() -> None:
        platform.tasks.start(_hand_over_quietly(platform, job_id), "hand over")

    tx.after_commit(begin)


async def _hand_over_quietly(platform: Platform, job_id: str) -> None:
    try:
        await hand_over(platform, job_id)
    except TooBusy:
        log.info("job_waits_for_queue")  # the sweeper tries again


async def hand_over(platform: Platform, job_id: str) -> None:
    """Give a kept job to the AI role unless that was done; outside every transaction.

    Raises TooBusy. What else goes wrong leaves the job for the sweeper, or ends it.
    """
    async with platform.database.read() as tx:
        job = await store.load(tx, job_id)
    if job is None or job.handed or job.is_final:
        return
    late = platform.clock() - job.created_ms > HANDED_BEFORE_MS
    try:
        if platform.ai is None:
            raise RoleUnavailable("this process has no AI role")
        await platform.ai.submit(job.area, job.request)
    except JobConflict:
        await fail(platform, job_id, "JOB_CONFLICT")
        return
    except TooBusy:
        if late:
            await fail(platform, job_id, "MODEL_SERVICE_UNAVAILABLE")
            return
        raise
    except RoleUnavailable as error:
        log.warning("ai_role_unavailable", detail=str(error)[:200])
        if late:
            await fail(platform, job_id, "MODEL_SERVICE_UNAVAILABLE")
        return
    async with platform.database.transaction() as tx:
        await tx.execute("UPDATE analysis_job SET handed = 1 WHERE job_id = ?", job_id)


async def fail(platform: Platform, job_id: str, code: str) -> None:
    """End a job that has not ended, for a reason of the server's own."""
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        job = await store.load(tx, job_id, lock=True)
        if job is None or job.is_final:
            return
        message = words(code, job.area, job.request.language)
        after = msgspec.structs.replace(
            job,
            state="cancelled" if code == "JOB_CANCELLED" else "failed",
            message=message,
            error=JobError(code, message),
            failure_type=CANCELLED if code == "JOB_CANCELLED" else SYSTEM_ERROR,
            updated_ms=now_ms,
            finished_ms=now_ms,
        )
        await store.save(tx, after)
        await store.add_event(tx, after, f"own:{code}", "FAILED", now_ms)
        await ended(platform, tx, after, now_ms)
        await tell(platform, tx, after)
    count(after)


async def withdraw(platform: Platform, job_id: str) -> None:
    """Forget a job that was never handed over, and what was kept for it."""
    async with platform.database.transaction() as tx:
        job = await store.load(tx, job_id, lock=True)
        if job is not None and not job.handed:
            await store.delete(tx, job)


def require_role(platform: Platform) -> None:
    """Refuse at once where no AI role is set up; JobRefused MODEL_SERVICE_UNAVAILABLE."""
    if platform.ai is None:
        raise JobRefused("MODEL_SERVICE_UNAVAILABLE", analysis_id="", retry_after_s=30)


def iso(at_ms: int) -> str:
    """Return a time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
