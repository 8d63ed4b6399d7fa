"""The port to the durable engine: what orchestrator and worker ask of it, and what it asks back.

One file implements it (`dbos_engine.py`). A run of a job is a *workflow*: it calls named steps,
each of which is done once and its small JSON kept; after a crash the workflow starts anew
elsewhere and gets the kept outputs of the steps that were done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, Protocol

from sync_server.ai.stages import Json

Work = Callable[[], Awaitable[Json]]
Reserved = Callable[[Work], Awaitable[Json]]
RunState = Literal["waiting", "running", "ended"]


class Steps(Protocol):
    """The steps of one run of a workflow. Names are unique within it, or checkpoints mix up."""

    async def run_stage(self, name: str, work: Work) -> Json:
        """Do `work` once; later and after a crash return what it returned then."""
        ...

    def reserve(self, name: str) -> Reserved:
        """Take the next place for a step that runs later, beside others.

        Places are taken in one order on every run, whatever order the work ends in: so parts of a
        job run at the same time and still find their checkpoints.
        """
        ...


Body = Callable[[str, Steps], Awaitable[None]]
"""What a workflow does: (run id, steps)."""


class JobEngine(Protocol):
    """Enqueue and look after runs, from any process; nothing here runs one."""

    async def submit(self, run_id: str, priority: int) -> None:
        """Enqueue a run; nothing happens when it is known already."""
        ...

    async def cancel(self, run_id: str) -> None:
        """Let a run that waits never start, and one that runs start no further step."""
        ...

    async def states(self, run_ids: Sequence[str]) -> Mapping[str, RunState]:
        """Return how runs are; unknown ones are left out."""
        ...

    async def orphans(self, living: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the runs under way of executors that are not among the living, by executor."""
        ...

    async def takeover(self, executor_id: str) -> Sequence[str]:
        """Enqueue what an executor had under way, for whoever is free; return the run ids."""
        ...

    async def forget(self, before_ms: int) -> int:
        """Drop what ended before that time; return how many runs."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class JobExecutor(Protocol):
    """Runs workflows in this process, one event loop, up to its slots."""

    async def start(self) -> None:
        """Begin to take runs off the queue."""
        ...

    async def stop(self, drain_s: float) -> bool:
        """Take no more; wait for those under way. False when some were left behind."""
        ...


def run_id_of(job_id: str, run_no: int) -> str:
    """Name a run of a job: the job's own id, and a suffix once an operator has retried it."""
    return f"{job_id}/{run_no}" if run_no else job_id


def job_of(run_id: str) -> tuple[str, int]:
    """Return the job id and the number of the run; no job id has a slash."""
    job_id, _, number = run_id.partition("/")
    return job_id, int(number or 0)
