"""Taking the AI role's events: each once, in whatever order they come, never backwards.

An event with `event_seq` is known by (job, type, seq); a foreign sender's without one by (job,
type, content). Percents never go back and are 100 only when done; an ended job stays as it ended.
Only a second COMPLETE may still come: with a higher seq (or, without one, where it brings the
pictures that were pending) it replaces the result and nothing else.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from sync_server.ai.contract import DONE_WORDS, Area, Event
from sync_server.jobs import artifacts, store
from sync_server.jobs.catalogue import all_codes, words
from sync_server.jobs.model import Job, JobError, snapshot_of
from sync_server.jobs.notices import tell
from sync_server.platform import metrics
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx

log = structlog.get_logger(__name__)
MAX_RESULT_BYTES: Final = 2_000_000
SYSTEM_ERROR: Final = "SYSTEM_ERROR"
CANCELLED: Final = "CANCELLED"
_SYSTEM_CODES: Final = frozenset(
    {
        "INTERNAL_ERROR", "INFERENCE_TIMEOUT", "JOB_EXECUTION_FAILED", "MODEL_SERVICE_UNAVAILABLE",
        "MULTIMODAL_API_TIMEOUT", "MISSION_INFERENCE_FAILED", "MISSION_RESULT_PARSE_FAILED",
        "EMOTION_INFERENCE_FAILED", "VIDEO_FETCH_FAILED", "JOB_LOST",
    }
)  # fmt: skip


async def apply(platform: Platform, area: Area | None, job_id: str, event: Event) -> bool:
    """Take an event of a job; return whether it changed anything.

    `area` is the path it came by, None inside the process; an event of another area's job is
    dropped, as is one of an unknown job. Raises only what passes (faults of the database).
    """
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        job = await store.load(tx, job_id, lock=True)
        if job is None or area not in (None, job.area):
            log.info("event_of_unknown_job", area=area, event_type=event.event_type)
            return False
        key = _dedup_key(event)
        if await store.is_known_event(tx, job_id, key):
            return False
        after = advance(job, event, now_ms)
        if after is None:
            return False
        await store.save(tx, after)
        if event.result is None and snapshot_of(after) == snapshot_of(job):
            # Only its number is news: that is in the job.
            return True
        await store.add_event(tx, after, key, event.event_type, now_ms)
        if after.is_final:
            await ended(platform, tx, after, now_ms)
        await tell(platform, tx, after)
    if after.is_final and not job.is_final:
        count(after)
        log.info("job_ended", area=after.area, state=after.state,
                 code=None if after.error is None else after.error.code,
                 failure_type=after.failure_type)  # fmt: skip
    return True


async def ended(platform: Platform, tx: Tx, job: Job, now_ms: int) -> None:
    """Let the job's domain draw its conclusions, in the transaction of the end."""
    effect = platform.job_effects.get(job.area)
    if effect is not None:
        await effect(platform, tx, job, now_ms)


def count(job: Job) -> None:
    """Count a job that has just ended."""
    code = "" if job.error is None else job.error.code
    known = code if (job.area, code) in all_codes() else "other" if code else ""
    # The version is the AI role's own word; only its length is bounded here.
    metrics.JOBS.labels(job.area, job.state, known, (job.model_version or "")[:80]).inc()


def advance(job: Job, event: Event, now_ms: int) -> Job | None:
    """Return the job after an event, or None where the event changes nothing."""
    if event.event_type == "COMPLETE" or event.status in DONE_WORDS:
        return _completed(job, event, now_ms)
    if job.is_final:
        return None
    if event.event_type == "FAILED" or event.status == "failed":
        return _failed(job, event, now_ms)
    return _progressed(job, event, now_ms)


def _progressed(job: Job, event: Event, now_ms: int) -> Job | None:
    seq = event.event_seq
    if seq is not None and seq <= job.last_seq:
        return None
    changes: dict[str, Any] = {"updated_ms": now_ms, "handed": True}
    if seq is not None:
        changes["last_seq"] = seq
    if event.status == "processing":
        changes["state"] = "processing"
    elif job.state == "processing":
        return None
    if event.progress is not None:
        percent = min(99, max(0, event.progress.percent))
        if percent < job.percent:
            # A stage that runs again says smaller percents; without a number it may be old.
            if seq is None:
                return None
            percent = job.percent
        changes |= {
            "percent": percent,
            "stage": event.progress.stage[:64],
            "message": event.progress.message[:2_000],
        }
    after = msgspec.structs.replace(job, **changes)
    seen = ("state", "percent", "stage", "message", "last_seq")
    return None if all(getattr(after, n) == getattr(job, n) for n in seen) else after


def _failed(job: Job, event: Event, now_ms: int) -> Job:
    said = event.error
    code = "JOB_EXECUTION_FAILED" if said is None else said.code[:64]
    details = {} if said is None else dict(said.details)
    if event.details:
        details = {**event.details, **details}
    failure_type = details.pop("failure_type", None)
    reason = details.pop("reason", None)
    message = (said.message if said is not None else "") or words(
        code, job.area, job.request.language
    )
    changes: dict[str, Any] = {}
    if event.progress is not None:
        changes["stage"] = event.progress.stage[:64]
        changes["percent"] = max(job.percent, min(99, max(0, event.progress.percent)))
    if code == "JOB_CANCELLED":
        failure_type = CANCELLED
    elif failure_type not in (SYSTEM_ERROR, "USER_ERROR"):
        failure_type = SYSTEM_ERROR if code in _SYSTEM_CODES else "USER_ERROR"
    if reason is not None:
        log.warning("job_failed", area=job.area, code=code, failure_type=failure_type,
                    reason=str(reason)[:64])  # fmt: skip
    return msgspec.structs.replace(
        job,
        state="cancelled" if code == "JOB_CANCELLED" else "failed",
        message=message[:2_000],
        error=JobError(code, message[:2_000], details),
        failure_type=failure_type,
        last_seq=max(job.last_seq, event.event_seq or 0),
        handed=True,
        updated_ms=now_ms,
        finished_ms=now_ms,
        **changes,
    )


def _completed(job: Job, event: Event, now_ms: int) -> Job | None:
    seq = event.event_seq or 0
    if job.state == "done":
        if not _replaces(job, event):
            return None
    elif job.is_final:
        return None
    result = event.result
    if result is not None:
        result = artifacts.unsigned(result, job.job_id)
        if len(msgspec.json.encode(result)) > MAX_RESULT_BYTES:
            log.error("result_too_large", area=job.area)
            result = None
        else:
            # Who knows when it was analysed says so; else it is when we heard of it.
            result.setdefault("analyze_at", result.get("analyzed_at") or _iso(event.at, now_ms))
    if job.state == "done":
        return msgspec.structs.replace(
            job, result=result, result_seq=max(job.result_seq, seq), updated_ms=now_ms
        )
    version = None if result is None else result.get("model_version")
    language = job.request.language
    return msgspec.structs.replace(
        job,
        state="done",
        stage="FINALIZING",
        percent=100,
        message="분석이 완료되었습니다." if language == "ko" else "The analysis is done.",
        result=result,
        model_version=version if isinstance(version, str) else None,
        last_seq=max(job.last_seq, seq),
        result_seq=seq,
        handed=True,
        updated_ms=now_ms,
        finished_ms=now_ms,
    )


def _replaces(job: Job, event: Event) -> bool:
    """Say whether a COMPLETE after the first one brings a newer result."""
    if event.result is None:
        return False
    if event.event_seq is not None and job.result_seq:
        return event.event_seq > job.result_seq
    return job.result is None or (
        artifacts.status(job.result) == "pending"
        and artifacts.status(event.result) in ("ready", "failed")
    )


def _dedup_key(event: Event) -> str:
    if event.event_seq is not None:
        return f"{event.event_type}:{event.event_seq}"
    content = msgspec.json.encode(event, order="sorted")
    return f"{event.event_type}:{hashlib.sha256(content).hexdigest()}"


def _iso(said: str | None, now_ms: int) -> str:
    if said:
        return said
    return datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="seconds")
