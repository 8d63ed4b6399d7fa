"""What a pipeline is: stages with the seed's names, percents and messages, run part by part.

The engine (`dbos_engine.py`) runs pipelines durably; pipelines know nothing of it. A stage takes
the small JSON that the stages before it have returned, and returns small JSON of its own: big
things (videos, pictures, arrays) are files under `StageContext.folder` or objects in the store,
named in the JSON. A stage may run twice after a crash: same inputs, same names, written aside and
renamed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sync_server.ai.contract import JobRequest

Json = dict[str, Any]


class StageFailed(Exception):
    """The input is at fault: not tried again; `code` is the seed's.

    `message` is for the user (Korean, English); `percent` where the seed says one.
    """

    system = False

    def __init__(
        self,
        code: str,
        ko: str,
        en: str,
        *,
        details: Mapping[str, Any] | None = None,
        percent: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {en}")
        self.code, self.ko, self.en = code, ko, en
        self.details: Json = dict(details or {})
        self.percent = percent

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their args alone; these cross from worker processes.
        fields = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return _again, (type(self), fields)


class StageUnavailable(StageFailed):
    """The system is at fault (a service, the network, a timeout): tried again twice after 2 s.

    What still fails ends with `code` and is recorded as failure_type SYSTEM_ERROR with `reason`
    (EXTERNAL_API_TIMEOUT ...); it is never told as "the dog failed the mission".
    `retry_after_s`: what the service asked for, honoured within the stage's timeout. `again`
    False: the system's fault too, but the same again within seconds (no key, budget spent,
    blocked by the service): not tried again.
    """

    system = True

    def __init__(
        self,
        code: str,
        ko: str,
        en: str,
        *,
        reason: str,
        retry_after_s: float | None = None,
        details: Mapping[str, Any] | None = None,
        percent: int | None = None,
        again: bool = True,
    ) -> None:
        super().__init__(code, ko, en, details=details, percent=percent)
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.again = again


def _again(kind: type[StageFailed], fields: Json) -> StageFailed:
    return kind(**fields)


class CpuPool(Protocol):
    """Killable worker processes for decoding and inference."""

    async def call(self, function: str, *args: Any, timeout_s: float) -> Any:
        """Run `package.module:function` in a worker process and return its (JSON-like) result.

        StageFailed raised there is raised here. Raises TimeoutError when it took longer than
        `timeout_s` (the process is killed and replaced), WorkerDied when the process died.
        """
        ...


class Services(Protocol):
    """What pipelines may use; put together once by the composition root (`ai/services.py`)."""

    @property
    def cpu(self) -> CpuPool: ...
    @property
    def objects(self) -> Any: ...
    @property
    def settings(self) -> Any: ...
    @property
    def clock(self) -> Callable[[], int]: ...


@dataclass(frozen=True)
class StageContext:
    """One run of one stage.

    `part` is the id of the part ("" where a job is one part), `attempt` counts from 1. `folder`
    is this job's own scratch folder (kept between stages of a part on one machine, may be empty
    again after a crash on another: fetch again then). `progress(fraction, message)` reports
    inside the stage's percents; at most two a second are kept.
    """

    job: JobRequest
    part: str
    attempt: int
    folder: Path
    services: Any
    progress: Callable[[float, str | None], Awaitable[None]]


StageFunction = Callable[[StageContext, Json], Awaitable[Json]]


@dataclass(frozen=True)
class Stage:
    """A named step: percent range, what the user reads when it starts, and its time limit.

    `name` is unique within a pipeline: checkpoints are matched by it. Attempts: 3 in all for
    StageUnavailable, TimeoutError and WorkerDied, 2 s apart; `timeout_code` with its words is
    what a last timeout becomes.
    """

    name: str
    percents: tuple[int, int]
    ko: str
    en: str
    run: StageFunction
    timeout_s: float
    start_percent: int | None = None
    """The seed's percent at the stage's start, where it names one (else the range's first)."""
    timeout_failure: StageUnavailable | None = None


@dataclass(frozen=True)
class PartOutcome:
    """How a part ended: its merged JSON, or its failure."""

    part: str
    state: Json | None
    failure: Json | None = None
    """{"stage", "percent", "code", "message": {"ko","en"}, "details", "failure_type"
    (USER_ERROR or SYSTEM_ERROR), "reason"}"""


@dataclass(frozen=True)
class Pipeline:
    """A kind of job.

    `parts` splits a job (a mission job: one part a mission; the percent of the job is the mean
    of its parts and a failed part does not stop the others); `[""]` is the job as one part,
    whose failure is the job's. `combine` makes the final result JSON of the parts' outcomes; it
    may raise StageFailed (then the job FAILED). `afterwards` run after COMPLETE; what they merge
    is given to `recombine`, whose result is sent as a second COMPLETE. `done_word` is the status
    of COMPLETE.
    """

    job_type: str
    version: str
    stages: tuple[Stage, ...]
    combine: Callable[[JobRequest, Sequence[PartOutcome], int, int], Json]
    """(job, outcomes, started_ms, finished_ms) -> result JSON"""
    done_word: str
    parts: Callable[[JobRequest], Sequence[str]] = lambda job: [""]
    part_failure_ends_job: bool = True
    afterwards: tuple[Stage, ...] = ()
    recombine: Callable[[JobRequest, Json, PartOutcome], Json] | None = None
    """(job, first result, outcome of afterwards) -> result JSON"""
    queued_ko: str = "대기열에 등록되었습니다."
    queued_en: str = "Queued."
    extra: Mapping[str, Any] = field(default_factory=dict)
