"""The orchestrator: takes jobs, hands them to the engine, tells what becomes of them.

It runs no stage. A job's row is written first, the engine told afterwards: `_fill` closes the gap
between the two writes whenever a process died in it, at the start and every 30 s.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from sync_server.ai.callbacks import check_callback
from sync_server.ai.contract import AREA_OF, Accepted, Area, JobRequest
from sync_server.ai.dispatcher import Dispatcher
from sync_server.ai.engine import JobEngine, run_id_of
from sync_server.ai.folders import sweep_folders
from sync_server.ai.persist import persist
from sync_server.ai.role import RoleUnavailable, TooBusy
from sync_server.ai.runner import BROKE, failed_ending
from sync_server.ai.stages import Pipeline
from sync_server.ai.store import AiStore, Words
from sync_server.platform import metrics
from sync_server.platform.database import DatabaseError
from sync_server.platform.settings import Settings

log = structlog.get_logger(__name__)
RECONCILE_S: Final = 30.0
MEASURE_S: Final = 5.0
MAX_LOST_RUNS: Final = 3
RETENTION_MS: Final = 30 * 24 * 3_600_000
RETENTION_EVERY_S: Final = 24 * 3600.0
CANCELLED: Final = Words("취소된 분석입니다.", "The analysis was cancelled.")
QUEUED: Final = Words("대기열에 등록되었습니다.", "Queued.")
_DEFAULT_TYPE: Final[Mapping[str, str]] = {
    "mission": "MISSION_JUDGE", "face": "FACE_ANALYSIS", "healthcare": "GAIT_ANALYSIS",
    "vet": "VET_REPORT",
}  # fmt: skip


class RequestRefused(ValueError):
    """A job request asks for what its area does not do."""

    code = "invalid_input"


class Orchestrator:
    """`AiRole` over a store and an engine. `on_cancel` ends a stage that runs in this process."""

    def __init__(
        self,
        settings: Settings,
        store: AiStore,
        engine: JobEngine,
        pipelines: Mapping[str, Pipeline],
        dispatcher: Dispatcher,
        *,
        inside: bool,
        on_cancel: Callable[[str], None] = lambda job_id: None,
        reconcile_s: float = RECONCILE_S,
    ) -> None:
        self._settings, self._store, self._engine = settings, store, engine
        self._pipelines, self._dispatcher = pipelines, dispatcher
        self._inside, self._on_cancel, self._reconcile_s = inside, on_cancel, reconcile_s
        self._gap = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to enqueue, reconcile, deliver and measure."""
        self._store.on_event = self._dispatcher.wake
        self._store.on_queued = self._gap.set
        self._dispatcher.start()
        self._tasks = [
            asyncio.create_task(work)
            for work in (self._fill(), self._reconcile(), self._measure(), self._retain())
        ]

    async def stop(self) -> None:
        """Stop; nothing is lost by it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._dispatcher.stop()

    # AiRole ----------------------------------------------------------------------------------

    async def submit(self, area: Area, request: JobRequest) -> Accepted:
        """Take a job (`AiRole.submit`).

        Besides JobConflict and TooBusy raises RequestRefused (a kind the area does not do, a part
        twice), CallbackRefused.
        """
        job = _typed(area, request)
        if job.callback_url:
            check_callback(job.callback_url, self._settings)
        elif not self._inside:
            raise RequestRefused("callback_url is needed: the backend is another process")
        pipeline = self._pipelines.get(job.job_type or "")
        parts = list(pipeline.parts(job)) if pipeline else [""]
        words = Words(pipeline.queued_ko, pipeline.queued_en) if pipeline else QUEUED
        if len(set(parts)) != len(parts) or not parts:
            raise RequestRefused("each part of a job has an id of its own, and there is one")
        try:
            if await self._store.job(job.job_id) is None:
                count, age_s = await self._store.waiting()
                if count and age_s > self._settings.queue_age_limit_s:
                    metrics.JOBS_REFUSED.labels("too_busy").inc()
                    raise TooBusy(_retry_after_s(age_s))
            await self._store.add(area, job, _hash(area, job), parts, words)
        except DatabaseError as error:
            raise RoleUnavailable(f"{error.code}: {error}") from error
        return Accepted(True, job.job_id)

    async def cancel(self, job_id: str) -> bool:
        """Cancel a job (`AiRole.cancel`)."""
        try:
            job = await self._store.cancel(job_id, CANCELLED)
        except DatabaseError as error:
            raise RoleUnavailable(f"{error.code}: {error}") from error
        if job is None:
            return False
        metrics.AI_JOBS.labels(job.job_type, "cancelled", "JOB_CANCELLED").inc()
        self._on_cancel(job_id)
        try:
            await self._engine.cancel(run_id_of(job_id, job.run_no))
        except Exception as error:
            # The run sees by itself that its job has ended.
            log.warning("engine_cancel_failed", job_id=job_id, error=str(error))
        return True

    async def health(self) -> dict[str, object]:
        """Say how the role is (`AiRole.health`)."""
        count, age_s = await self._store.waiting()
        models = {job_type: pipeline.version for job_type, pipeline in self._pipelines.items()}
        busy = count > 0 and age_s > self._settings.queue_age_limit_s
        return {
            "status": "busy" if busy else "ok", "queue_length": count,
            "queue_age_s": round(age_s, 1), "models": models,
        }  # fmt: skip

    # The loops -------------------------------------------------------------------------------

    async def _fill(self) -> None:
        """Tell the engine of jobs it does not have yet."""
        while True:
            self._gap.clear()
            full = False
            try:
                full = await self.enqueue_waiting()
            except DatabaseError as error:
                log.warning("enqueue_waits", code=error.code)
                self._gap.set()
                await asyncio.sleep(0.3)
            except Exception as error:
                log.warning("enqueue_waits", error=f"{type(error).__name__}: {error}")
                self._gap.set()
                await asyncio.sleep(0.3)
            if not full:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._reconcile_s):
                        await self._gap.wait()

    async def enqueue_waiting(self) -> bool:
        """Enqueue a batch of what waits; say whether there may be more."""
        batch = await self._store.to_enqueue()
        for job_id, run_no, priority in batch:
            await self._engine.submit(run_id_of(job_id, run_no), priority)
        if batch:
            await self._store.enqueued([(job_id, run_no) for job_id, run_no, _ in batch])
        return bool(batch)

    async def _reconcile(self) -> None:
        while True:
            await asyncio.sleep(self._reconcile_s)
            try:
                await self.reconcile()
            except Exception as error:
                log.warning("reconcile_failed", error=f"{type(error).__name__}: {error}")

    async def reconcile(self) -> None:
        """Compare open jobs with the engine's runs.

        A run the engine does not know is enqueued (its tables were replaced). One that has ended
        without ending its job (a fault of the program, or commits that a database lost) is done
        anew, and after the third time the job fails and says so.
        """
        before = self._store.now() - int(self._reconcile_s * 1000)
        rows = await self._store.open_since(before)
        runs = {run_id_of(job_id, run_no): (job_id, run_no, p) for job_id, run_no, p in rows}
        states = await self._engine.states(list(runs))
        for run_id, (job_id, run_no, priority) in runs.items():
            state = states.get(run_id)
            if state is None:
                log.warning("run_unknown", job_id=job_id)
                await self._engine.submit(run_id, priority)
            elif state == "ended" and run_no < MAX_LOST_RUNS:
                if await self._store.run_again(job_id, run_no):
                    log.error("run_lost", job_id=job_id, run_no=run_no)
            elif state == "ended":
                await self._give_up(job_id, run_no)

    async def _give_up(self, job_id: str, run_no: int) -> None:
        job = await self._store.job(job_id)
        if job is None:
            return
        failure = {
            "stage": job.stage, "percent": job.percent, "code": "INTERNAL_ERROR",
            "message": {"ko": BROKE.ko, "en": BROKE.en}, "details": {},
            "failure_type": "SYSTEM_ERROR", "reason": "RUN_LOST",
        }  # fmt: skip
        if await self._store.give_up(job_id, run_no, failed_ending(failure, job.request.language)):
            log.error("job_given_up", job_id=job_id)

    async def _measure(self) -> None:
        while True:
            with suppress(DatabaseError):
                count, age_s = await self._store.waiting()
                metrics.JOBS_WAITING.set(count)
                metrics.JOBS_WAITING_AGE.set(age_s if count else 0)
            await asyncio.sleep(MEASURE_S)

    async def _retain(self) -> None:
        while True:
            # Not at the start: a process that is restarted often need not sweep each time.
            await asyncio.sleep(RETENTION_EVERY_S)
            try:
                await self.retain()
            except Exception as error:
                log.warning("retention_failed", error=f"{type(error).__name__}: {error}")

    async def retain(self) -> None:
        """Delete jobs, events and runs that ended 30 days ago, and forgotten folders."""
        jobs = await persist(lambda: self._store.forget(self._store.clock() - RETENTION_MS))
        runs = await self._engine.forget(self._store.now() - RETENTION_MS)
        folders = await asyncio.to_thread(sweep_folders, Path(self._settings.data_dir), 86_400.0)
        log.info("retention", jobs=jobs, runs=runs, folders=folders)


def _typed(area: Area, request: JobRequest) -> JobRequest:
    job_type: Any = request.job_type or _DEFAULT_TYPE[area]
    if AREA_OF[job_type] != area:
        raise RequestRefused(f"{job_type} is no job of {area}")
    return msgspec.structs.replace(request, job_type=job_type)


def _hash(area: Area, job: JobRequest) -> str:
    content = msgspec.json.encode([area, job], order="deterministic")
    return hashlib.sha256(content).hexdigest()


def _retry_after_s(age_s: float) -> float:
    return max(5.0, min(60.0, age_s / 4))
