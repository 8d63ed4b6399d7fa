"""A job from begin to end: parts beside each other, stages one after another, the result once.

What is durable is the engine's (`engine.py`): here are the seed's rules. A stage is tried three
times, two seconds apart, when the system is at fault; a part that fails does not stop the others;
the result, the state and the event are one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import msgspec
import structlog

from sync_server.ai.contract import Event, EventError, JobRequest, Progress
from sync_server.ai.cpu_pool import WorkerDied
from sync_server.ai.engine import Reserved, Steps, job_of
from sync_server.ai.folders import job_folder, remove_folder
from sync_server.ai.persist import persist
from sync_server.ai.stages import (
    Json,
    PartOutcome,
    Pipeline,
    Stage,
    StageContext,
    StageFailed,
    StageUnavailable,
)
from sync_server.ai.store import AiStore, Ending, Words
from sync_server.platform import metrics

log = structlog.get_logger(__name__)
ATTEMPTS: Final = 3
PAUSE_S: Final = 2.0
KEEP_MS: Final = 500
"""Progress inside stages: at most two a second and job are kept."""
SUSPECT: Final = 2
"""Jobs that have met so many crashes in one stage make their attempts one at a time."""
BROKE: Final = Words("처리 중 오류가 발생했습니다.", "Something went wrong while processing.")
DONE: Final = Words("분석이 완료되었습니다.", "The analysis is done.")


@dataclass(frozen=True)
class _Again:
    """An attempt failed in a way that another may not."""

    failure: StageFailed
    pause_s: float


@dataclass(frozen=True)
class Plan:
    """What a run does, fixed when it begins: a later program finishes it by these names."""

    job: JobRequest
    run_no: int
    pipeline: Pipeline
    parts: tuple[str, ...]
    stages: tuple[str, ...]
    afterwards: tuple[str, ...]
    started_ms: int

    def key(self, part_no: int) -> str:
        return f"{self.job.job_id}#{part_no}"


class Fenced(Exception):
    """This process was taken for dead: it must write nothing more."""


class Runner:
    """Runs jobs in this process for an executor; `body` is what the engine calls."""

    def __init__(
        self,
        store: AiStore,
        pipelines: Mapping[str, Pipeline],
        services: Any,
        data_dir: Path,
        executor_id: str,
        *,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._store, self._pipelines, self._services = store, pipelines, services
        self._data_dir, self._executor_id, self._pause_s = data_dir, executor_id, pause_s
        self._under_way: dict[str, set[asyncio.Task[Json]]] = {}
        self._cancelled: set[str] = set()
        self._kept_ms: dict[str, int] = {}
        self._suspected: set[str] = set()
        self._suspects = asyncio.Lock()
        self.fenced = asyncio.Event()

    @property
    def jobs(self) -> list[str]:
        """Jobs with a stage under way here."""
        return list(self._under_way)

    def stop_job(self, job_id: str) -> None:
        """End the stages of a cancelled job now (and with them the processes they wait for)."""
        if job_id in self._under_way:
            self._cancelled.add(job_id)
            for task in self._under_way[job_id]:
                task.cancel()

    async def body(self, run_id: str, steps: Steps) -> None:
        """Run a job: begin, its parts, the end, what comes afterwards."""
        job_id, run_no = job_of(run_id)
        plan = self._plan(await steps.run_stage("begin", lambda: self._begin(job_id, run_no)))
        if plan is None:
            return
        # Whoever counts a crash puts the run back first: the count does not rise during a run.
        if await persist(lambda: self._store.crashes(job_id)) >= SUSPECT:
            self._suspected.add(job_id)
        # All places are taken before the first part starts: the same on every run.
        chains = [
            self._part(plan, part_no, [steps.reserve(f"{part_no}:{name}") for name in plan.stages])
            for part_no in range(len(plan.parts))
        ]
        outcomes = await asyncio.gather(*chains)
        if any(outcome is None for outcome in outcomes):
            await self._clear(job_id)
            return
        told = [outcome for outcome in outcomes if outcome is not None]
        ended = await steps.run_stage("finish", lambda: self._finish(plan, told))
        if ended["first"] is not None and plan.afterwards and plan.pipeline.recombine:
            after = await self._afterwards(plan, steps, told)
            await steps.run_stage("amend", lambda: self._amend(plan, ended["first"], after))
        await self._clear(job_id)

    # Begin ---------------------------------------------------------------------------------

    async def _begin(self, job_id: str, run_no: int) -> Json:
        job = await persist(lambda: self._store.job(job_id))
        if job is None or job.run_no != run_no:
            return {}
        pipeline = self._pipelines.get(job.job_type)
        version = pipeline.version if pipeline else ""
        if not await persist(lambda: self._store.begin(job_id, run_no, self._executor_id, version)):
            return {}
        if pipeline is None:
            failure = _system_failure("QUEUED", 0, "INTERNAL_ERROR", BROKE, "UNKNOWN_JOB_TYPE")
            ending = failed_ending(failure, job.request.language)
            await persist(lambda: self._store.finish(job_id, run_no, ending))
            return {}
        return {
            "job": msgspec.to_builtins(job.request),
            "job_type": job.job_type,
            "run_no": run_no,
            "parts": list(pipeline.parts(job.request)),
            "stages": [stage.name for stage in pipeline.stages],
            "afterwards": [stage.name for stage in pipeline.afterwards],
            "started_ms": self._store.clock(),
        }

    def _plan(self, begun: Json) -> Plan | None:
        if not begun:
            return None
        return Plan(
            job=msgspec.convert(begun["job"], JobRequest),
            run_no=begun["run_no"],
            pipeline=self._pipelines[begun["job_type"]],
            parts=tuple(begun["parts"]),
            stages=tuple(begun["stages"]),
            afterwards=tuple(begun["afterwards"]),
            started_ms=begun["started_ms"],
        )

    # Parts and stages ------------------------------------------------------------------------

    async def _part(
        self, plan: Plan, part_no: int, places: Sequence[Reserved]
    ) -> PartOutcome | None:
        """Run the stages of a part; None when the job was cancelled."""
        state: Json = {}
        for name, place in zip(plan.stages, places, strict=True):
            stage = _stage(plan.pipeline.stages, name)
            given = dict(state)
            done = await place(
                lambda stage=stage, name=name, given=given: self._stage_step(  # type: ignore[misc]
                    plan, part_no, stage, name, given
                )
            )
            if "stopped" in done:
                return None
            if "failure" in done:
                return PartOutcome(plan.parts[part_no], None, done["failure"])
            state |= done["state"]
        return PartOutcome(plan.parts[part_no], state)

    async def _stage_step(
        self, plan: Plan, part_no: int, stage: Stage | None, name: str, state: Json
    ) -> Json:
        """One stage with its attempts: {"state"}, {"failure"} or {"stopped"}."""
        if stage is None:
            return {"failure": _system_failure(name, 0, "INTERNAL_ERROR", BROKE, "STAGE_GONE")}
        done = await self._attempts(plan, part_no, stage, state)
        if "failure" in done or ("state" in done and stage.name == plan.stages[-1]):
            ok = "failure" not in done
            await persist(lambda: self._store.part_ended(plan.job.job_id, part_no, ok))
        return done

    async def _attempts(self, plan: Plan, part_no: int, stage: Stage, state: Json) -> Json:
        job_id = plan.job.job_id
        for attempt in range(1, ATTEMPTS + 1):
            async with await self._turn(job_id):
                if not await self._entered(plan, part_no, stage):
                    return {"stopped": True}
                tried = await self._tried(plan, part_no, stage, state, attempt)
                if job_id in self._suspected:
                    # Its next stage waits for the one that has the lock now: what that one kills
                    # meanwhile is not this job's doing.
                    await persist(lambda: self._store.stage_left(job_id, part_no))
            if not isinstance(tried, _Again):
                return tried
            if attempt == ATTEMPTS:
                return {"failure": _failure(stage, tried.failure)}
            # What dies during the pause does not die of this job, nor need others wait for it.
            await persist(lambda: self._store.stage_left(job_id, part_no))
            try:
                await self._tracked(job_id, _pause(tried.pause_s))
            except asyncio.CancelledError:
                if job_id in self._cancelled:
                    return {"stopped": True}
                raise
        raise AssertionError("the last attempt ends the loop")

    async def _turn(self, job_id: str) -> AbstractAsyncContextManager[Any]:
        """What to hold during an attempt: suspects one lock, the others nothing."""
        if job_id in self._suspected:
            if await persist(lambda: self._store.crashes(job_id)) >= SUSPECT:
                return self._suspects
            self._suspected.discard(job_id)
        return nullcontext()

    async def _entered(self, plan: Plan, part_no: int, stage: Stage) -> bool:
        """Note that an attempt begins; False when the job has ended since."""
        if stage.name in plan.afterwards:
            return True  # the job has ended, and what comes after is told with the second result
        percent = stage.percents[0] if stage.start_percent is None else stage.start_percent
        started = await persist(
            lambda: self._store.stage_started(
                plan.job.job_id, plan.run_no, part_no, stage.name, percent,
                Words(stage.ko, stage.en), self._executor_id,
            )
        )  # fmt: skip
        if started == "fenced":
            await self._halt()
        return started != "ended"

    async def _tried(
        self, plan: Plan, part_no: int, stage: Stage, state: Json, attempt: int
    ) -> Json | _Again:
        """One attempt: {"state"}, {"failure"}, {"stopped"}, or that it is worth another."""
        began = perf_counter()
        outcome = "failed"
        try:
            out = await self._attempt(plan, part_no, stage, state, attempt)
            outcome = "done"
            return {"state": out}
        except StageUnavailable as error:
            outcome = "unavailable"
            wait_s = error.retry_after_s
            if not getattr(error, "again", True) or (wait_s or 0.0) > stage.timeout_s:
                return {"failure": _failure(stage, error)}
            return _Again(error, max(self._pause_s, wait_s or 0.0))
        except StageFailed as error:
            return {"failure": _failure(stage, error)}
        except TimeoutError:
            outcome = "timeout"
            return _Again(stage.timeout_failure or _broke("TIMEOUT"), self._pause_s)
        except WorkerDied:
            outcome = "worker_died"
            return _Again(_broke("WORKER_DIED"), self._pause_s)
        except asyncio.CancelledError:
            if plan.job.job_id in self._cancelled:
                return {"stopped": True}
            raise
        except Exception as error:
            log.error("stage_broke", stage=stage.name, job_type=plan.pipeline.job_type,
                      exc_info=error)  # fmt: skip
            return {"failure": _failure(stage, _broke(type(error).__name__))}
        finally:
            metrics.JOB_STAGES.labels(
                plan.pipeline.job_type, stage.name, outcome
            ).observe(perf_counter() - began)  # fmt: skip

    async def _attempt(
        self, plan: Plan, part_no: int, stage: Stage, state: Json, attempt: int
    ) -> Json:
        folder = job_folder(self._data_dir, plan.job.job_id)
        if len(plan.parts) > 1:
            folder = folder / str(part_no)
        folder.mkdir(parents=True, exist_ok=True)
        context = StageContext(
            job=plan.job, part=plan.parts[part_no] if plan.parts else "", attempt=attempt,
            folder=folder, services=self._services,
            progress=self._progress(plan, part_no, stage),
        )  # fmt: skip
        work = stage.run(context, dict(state))
        out = await self._tracked(plan.job.job_id, _limited(work, stage.timeout_s))
        # What a checkpoint can't hold must fail here, where it is this stage's fault.
        kept: Json = msgspec.json.decode(msgspec.json.encode(out))
        if not isinstance(kept, dict):
            raise TypeError(f"stage {stage.name} returned {type(out).__name__}, not a dict")
        return kept

    async def _tracked(self, job_id: str, work: Any) -> Json:
        """Run work as a task that `stop_job` can end."""
        task: asyncio.Task[Json] = asyncio.ensure_future(work)
        tasks = self._under_way.setdefault(job_id, set())
        tasks.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            tasks.discard(task)
            if not tasks:
                self._under_way.pop(job_id, None)

    def _progress(self, plan: Plan, part_no: int, stage: Stage) -> Callable[..., Any]:
        low, high = stage.percents
        key = plan.key(part_no)

        async def progress(fraction: float, message: str | None = None) -> None:
            now = self._store.now()
            if now - self._kept_ms.get(key, 0) < KEEP_MS * len(plan.parts):
                return
            self._kept_ms[key] = now
            percent = int(low + (high - low) * min(1.0, max(0.0, fraction)))
            text = message or Words(stage.ko, stage.en).of(plan.job.language)
            await persist(
                lambda: self._store.progress(
                    plan.job.job_id, plan.run_no, part_no, stage.name, percent, text
                )
            )

        return progress

    async def _halt(self) -> None:
        """Stop here for ever: the process ends (`Worker`), and another runs the job."""
        self.fenced.set()
        await asyncio.Event().wait()

    # The end -----------------------------------------------------------------------------------

    async def _finish(self, plan: Plan, outcomes: Sequence[PartOutcome]) -> Json:
        """End the job; {"first": result} when it succeeded and may still be amended."""
        ending = self._ending(plan, outcomes)
        job_id = plan.job.job_id
        if await persist(lambda: self._store.finish(job_id, plan.run_no, ending)):
            metrics.AI_JOBS.labels(
                plan.pipeline.job_type, ending.status, ending.code or "ok"
            ).inc()  # fmt: skip
            return {"first": ending.result}
        # Ended before: by this very step before a crash, or otherwise.
        job = await persist(lambda: self._store.job(job_id))
        mine = job is not None and job.run_no == plan.run_no and job.status == "succeeded"
        return {"first": job.result if job is not None and mine and not job.amended else None}

    def _ending(self, plan: Plan, outcomes: Sequence[PartOutcome]) -> Ending:
        language, pipeline = plan.job.language, plan.pipeline
        failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
        if failures and pipeline.part_failure_ends_job:
            return failed_ending(failures[0], language)
        last = pipeline.stages[-1]
        try:
            result = msgspec.to_builtins(
                pipeline.combine(plan.job, outcomes, plan.started_ms, self._store.clock())
            )
        except StageFailed as error:
            return failed_ending(_failure(last, error), language)
        except Exception as error:
            log.error("combine_broke", job_type=pipeline.job_type, exc_info=error)
            return failed_ending(_failure(last, _broke(type(error).__name__)), language)
        event = Event(
            "COMPLETE", pipeline.done_word, Progress(last.name, 100, DONE.of(language)), result
        )
        return Ending("succeeded", event, result)

    async def _afterwards(
        self, plan: Plan, steps: Steps, outcomes: Sequence[PartOutcome]
    ) -> PartOutcome:
        state: Json = {}
        for outcome in outcomes:
            state |= outcome.state or {}
        for name in plan.afterwards:
            stage = _stage(plan.pipeline.afterwards, name)
            given = dict(state)
            done = await steps.run_stage(
                f"after:{name}",
                lambda stage=stage, name=name, given=given: self._after_step(  # type: ignore[misc]
                    plan, stage, name, given
                ),
            )
            if "failure" in done:
                return PartOutcome("", None, done["failure"])
            state |= done["state"]
        return PartOutcome("", state)

    async def _after_step(self, plan: Plan, stage: Stage | None, name: str, state: Json) -> Json:
        if stage is None:
            return {"failure": _system_failure(name, 100, "INTERNAL_ERROR", BROKE, "STAGE_GONE")}
        done = await self._attempts(plan, 0, stage, state)
        stopped = _system_failure(name, 100, "INTERNAL_ERROR", BROKE, "STOPPED")
        return {"failure": stopped} if "stopped" in done else done

    async def _amend(self, plan: Plan, first: Json, after: PartOutcome) -> Json:
        pipeline = plan.pipeline
        assert pipeline.recombine is not None
        try:
            result = msgspec.to_builtins(pipeline.recombine(plan.job, first, after))
        except Exception as error:
            log.error("recombine_broke", job_type=pipeline.job_type, exc_info=error)
            return {}
        last = (*pipeline.afterwards, *pipeline.stages)[0].name
        event = Event(
            "COMPLETE", pipeline.done_word, Progress(last, 100, DONE.of(plan.job.language)), result
        )
        await persist(lambda: self._store.amend(plan.job.job_id, plan.run_no, result, event))
        return {}

    async def _clear(self, job_id: str) -> None:
        """Remove what the job left on the disk; no step of the engine, for twice is as once."""
        self._cancelled.discard(job_id)
        for key in [key for key in self._kept_ms if key.rpartition("#")[0] == job_id]:
            del self._kept_ms[key]
        await asyncio.to_thread(remove_folder, job_folder(self._data_dir, job_id))


def failed_ending(failure: Json, language: str) -> Ending:
    """Return how a job ends by a failure (`PartOutcome.failure`)."""
    words = Words(failure["message"]["ko"], failure["message"]["en"])
    message = words.of(language)
    error = EventError(failure["code"], message, failure.get("details") or {})
    details: Json = {
        "failure_type": failure["failure_type"],
        "message": failure["message"],
        "stage": failure["stage"],
    }
    if failure.get("reason"):
        details["reason"] = failure["reason"]
    event = Event(
        "FAILED", "failed", Progress(failure["stage"], failure["percent"], message),
        error=error, details=details,
    )  # fmt: skip
    kept = {**failure, "message": failure["message"]}
    return Ending("failed", event, None, kept, failure["code"], failure["failure_type"])


def crashed_ending(stage: str, percent: int, language: str) -> Ending:
    """Return how a job ends that has taken its worker down too often."""
    return failed_ending(
        _system_failure(stage, percent, "INTERNAL_ERROR", BROKE, "WORKER_CRASHED"), language
    )


def _stage(stages: Sequence[Stage], name: str) -> Stage | None:
    return next((stage for stage in stages if stage.name == name), None)


def _broke(reason: str) -> StageUnavailable:
    return StageUnavailable("INTERNAL_ERROR", BROKE.ko, BROKE.en, reason=reason)


def _failure(stage: Stage, error: StageFailed) -> Json:
    start = stage.percents[0] if stage.start_percent is None else stage.start_percent
    return {
        "stage": stage.name,
        "percent": start if error.percent is None else error.percent,
        "code": error.code,
        "message": {"ko": error.ko, "en": error.en},
        "details": msgspec.to_builtins(error.details),
        "failure_type": "SYSTEM_ERROR" if error.system else "USER_ERROR",
        "reason": error.reason if isinstance(error, StageUnavailable) else None,
    }


def _system_failure(stage: str, percent: int, code: str, words: Words, reason: str) -> Json:
    return {
        "stage": stage, "percent": percent, "code": code,
        "message": {"ko": words.ko, "en": words.en}, "details": {},
        "failure_type": "SYSTEM_ERROR", "reason": reason,
    }  # fmt: skip


async def _limited(work: Any, timeout_s: float) -> Json:
    async with asyncio.timeout(timeout_s):
        done: Json = await work
    return done


async def _pause(seconds: float) -> Json:
    await asyncio.sleep(seconds)
    return {}
