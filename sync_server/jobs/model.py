"""A job as it is kept: one state machine inside, two spellings of its states outside."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from sync_server.ai.contract import Area, JobRequest

State: TypeAlias = Literal["queued", "processing", "done", "failed", "cancelled"]
FINAL: Final[frozenset[State]] = frozenset({"done", "failed", "cancelled"})
DONE_WORD: Final[dict[Area, str]] = {
    "mission": "finished",
    "face": "finished",
    "healthcare": "succeeded",
    "vet": "succeeded",
}
PRIORITY_WAITED_FOR: Final = 2
"""Somebody looks at a spinner."""
PRIORITY_BACKGROUND: Final = 5


class JobError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a job failed: the seed's code, and words for the user as they came."""

    code: str
    message: str
    details: dict[str, Any] = {}


class Job(msgspec.Struct, frozen=True):
    """A row of `analysis_job`.

    `stage`, `percent` and `message` are what was reported last; `error` is set where `state` is
    failed or cancelled, `result` where it is done.
    """

    job_id: str
    user_no: int
    area: Area
    job_type: str
    analysis_id: str
    walk_id: str | None
    dog_id: str | None
    captured_ms: int | None
    request: JobRequest
    state: State
    stage: str
    percent: int
    message: str
    error: JobError | None
    failure_type: str | None
    result: dict[str, Any] | None
    model_version: str | None
    last_seq: int
    result_seq: int
    event_no: int
    handed: bool
    tries: int
    created_ms: int
    updated_ms: int
    finished_ms: int | None

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.state in FINAL

    @property
    def status(self) -> str:
        """The state in the words of its area; a cancelled job is a failed one to the outside."""
        if self.state == "done":
            return DONE_WORD[self.area]
        return "failed" if self.state == "cancelled" else self.state


def job_of(row: Any) -> Job:
    """Read a row of `analysis_job`."""
    values = {name: row[name] for name in Job.__struct_fields__}
    values["request"] = msgspec.json.decode(row["request"], type=JobRequest)
    values["handed"] = bool(row["handed"])
    for name, kind in (("error", JobError), ("result", dict[str, Any])):
        text = row[name]
        values[name] = None if text is None else msgspec.json.decode(text, type=kind)
    return Job(**values)


class Snapshot(msgspec.Struct, frozen=True):
    """What an event made of a job: what its live stream tells."""

    state: State
    status: str
    stage: str
    percent: int
    message: str
    error: JobError | None = None


def snapshot_of(job: Job) -> Snapshot:
    """Return what is to be told of a job now."""
    return Snapshot(job.state, job.status, job.stage, job.percent, job.message, job.error)
