"""What is told of a job in answers: the product's status documents and ours."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from sync_server.ai.contract import AREA_OF
from sync_server.jobs.catalogue import words
from sync_server.jobs.errors import ErrorWords
from sync_server.jobs.model import Job, JobError, Snapshot, snapshot_of

#: Canonical path of a kind of job, below which its id, status and result are.
BASE = {
    "MISSION_JUDGE": "/api/missions/judge/jobs",
    "FACE_DETECTION": "/api/face/detect/jobs",
    "EMOTION_INFERENCE": "/api/face/emotion-inference/jobs",
    "FACE_ANALYSIS": "/api/face/analyze/jobs",
    "GAIT_ANALYSIS": "/api/healthcare/jobs",
    "VET_REPORT": "/api/vet/jobs",
}


class StageProgress(msgspec.Struct, frozen=True):
    """Where a job stands."""

    stage: str
    percent: int
    message: str


class Next(msgspec.Struct, frozen=True):
    """Where to ask on for a job that takes longer than the wait."""

    status_url: str
    result_url: str


class JobAccepted(msgspec.Struct, frozen=True):
    """A job of missions or face was taken."""

    analysis_id: str
    job_id: str
    status: str
    submitted_at: str


class JobStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a job of missions or face; `error` only with failed."""

    analysis_id: str
    job_id: str
    status: str
    progress: int
    error: ErrorWords | UnsetType = UNSET


class JobStillRuns(msgspec.Struct, frozen=True):
    """A synchronous request whose job takes longer than the wait (202)."""

    analysis_id: str
    job_id: str
    status: str
    next: Next


class LiveStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """Data of an event of the live stream."""

    job_id: str
    analysis_id: str
    status: str
    progress: StageProgress
    error: JobError | UnsetType = UNSET
    result_url: str | UnsetType = UNSET


class LiveEvent(msgspec.Struct, frozen=True):
    """An event of the live stream; `data` is JSON.

    `{"job_id", "analysis_id", "status", "progress": {"stage", "percent", "message"}}`, with `error`
    when it failed and `result_url` when it is done. `id` goes into Last-Event-ID.
    """

    id: str
    event: Literal["status", "progress", "complete", "failed"]
    data: str


class JobDoc(msgspec.Struct, frozen=True):
    """A job in the list of the user's own."""

    job_id: str
    analysis_id: str
    area: str
    job_type: str
    status: str
    progress: StageProgress
    walk_id: str | None
    dog_id: str | None
    error: JobError | None
    model_version: str | None
    created_at_ms: int
    finished_at_ms: int | None
    status_url: str
    result_url: str


class JobList(msgspec.Struct, frozen=True):
    """Jobs, newest first; `next_before_ms` asks for the next page, null at the end."""

    jobs: list[JobDoc]
    next_before_ms: int | None


def next_urls(job: Job) -> Next:
    """Return where status and result of a job are."""
    base = f"{BASE[job.job_type]}/{job.job_id}"
    return Next(base, f"{base}/result")


def error_words(job: Job, language: str) -> JobError:
    """Return why a job failed, in a language where the code is known in it."""
    error = job.error or JobError("JOB_EXECUTION_FAILED", "")
    if error.message and language == job.request.language:
        return error
    return msgspec.structs.replace(error, message=words(error.code, job.area, language))


def job_status(job: Job, language: str) -> JobStatus:
    """Return the status document of missions and face."""
    why = error_words(job, language)
    error = UNSET if job.error is None else ErrorWords(why.code, why.message)
    return JobStatus(job.analysis_id, job.job_id, job.status, job.percent, error)


def still_runs(job: Job) -> JobStillRuns:
    """Return the 202 answer of the synchronous paths of missions and face."""
    return JobStillRuns(job.analysis_id, job.job_id, job.status, next_urls(job))


def live_status(job: Job, snapshot: Snapshot | None = None) -> LiveStatus:
    """Return what the live stream tells of a job at an event (or now)."""
    seen = snapshot or snapshot_of(job)
    return LiveStatus(
        job.job_id,
        job.analysis_id,
        seen.status,
        StageProgress(seen.stage, seen.percent, seen.message),
        UNSET if seen.error is None else seen.error,
        next_urls(job).result_url if seen.state == "done" else UNSET,
    )


def job_document(job: Job) -> JobDoc:
    """Return a job as its owner's list has it."""
    urls = next_urls(job)
    return JobDoc(
        job.job_id, job.analysis_id, AREA_OF[job.job_type], job.job_type, job.status,
        StageProgress(job.stage, job.percent, job.message), job.walk_id, job.dog_id, job.error,
        job.model_version, job.created_ms, job.finished_ms, urls.status_url, urls.result_url,
    )  # fmt: skip


def inner(result: dict[str, Any] | None) -> dict[str, Any]:
    """Return the part of a result that says what was found, whichever of its two forms it has.

    A whole result JSON has it under `result`; a worker's bare report is it.
    """
    whole = result or {}
    part = whole.get("result")
    return part if isinstance(part, dict) else whole


def processing(job: Job, names: tuple[str, ...]) -> dict[str, Any]:
    """Return `processing` of a result: what was said, and the time it took where nothing was."""
    said = (job.result or {}).get("processing")
    known: dict[str, Any] = dict(said) if isinstance(said, dict) else {}
    known.setdefault("analysis_time_ms", max(0, (job.finished_ms or 0) - job.created_ms))
    for name in names:
        known.setdefault(name, 0)
    return known
