"""The worker: runs jobs under a lease, takes over from workers that died, ends when fenced."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import structlog

from sync_server.ai.engine import JobEngine, JobExecutor
from sync_server.ai.executors import MAX_CRASHES, Executors
from sync_server.ai.locks import ExecutorLock
from sync_server.ai.runner import Runner, crashed_ending
from sync_server.ai.stages import Pipeline
from sync_server.ai.store import AiStore
from sync_server.platform import metrics
from sync_server.platform.database import DatabaseError

log = structlog.get_logger(__name__)
LEASE_MS: Final = 3_000
CANCEL_POLL_S: Final = 0.5
TAKEOVER_S: Final = 0.5
ORPHANS_S: Final = 30.0
FENCED_EXIT: Final = 70

MakeExecutor = Callable[[str, Any], JobExecutor]
"""(executor id, body) -> the engine's executor."""


def end_process() -> None:
    """End this process at once: it was taken for dead and must not write."""
    os._exit(FENCED_EXIT)


class Worker:
    """One executor. `scope` names its data folder on this machine."""

    def __init__(
        self,
        store: AiStore,
        engine: JobEngine,
        make_executor: MakeExecutor,
        pipelines: Mapping[str, Pipeline],
        services: Any,
        data_dir: Path,
        *,
        role: str,
        scope: str,
        lease_ms: int = LEASE_MS,
        on_fenced: Callable[[], None] = end_process,
    ) -> None:
        self.executor_id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._store, self._engine, self._make_executor = store, engine, make_executor
        self._role, self._scope = role, scope
        self._lock = ExecutorLock(data_dir)
        self._executors = Executors(store, lease_ms)
        self._on_fenced = on_fenced
        self.runner = Runner(store, pipelines, services, data_dir, self.executor_id)
        self._executor: JobExecutor | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._settled_ms = 0
        self._lost_ms = 0

    async def start(self) -> None:
        """Take a lease, take over what dead ones left, begin to run jobs."""
        self._lock.take(self.executor_id)
        await self._executors.register(self.executor_id, self._role, self._scope)
        # The lease must not run out while the engine starts.
        self._tasks = [asyncio.create_task(self._heartbeat())]
        executor = self._make_executor(self.executor_id, self.runner.body)
        await executor.start()
        self._executor = executor
        self._tasks += [
            asyncio.create_task(work)
            for work in (self._take_over(), self._watch_cancelled(), self._watch_fence())
        ]

    async def stop(self, drain_s: float) -> None:
        """Take no more jobs, wait for those under way, give the lease back."""
        idle = True
        if self._executor is not None:
            idle = await self._executor.stop(drain_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(DatabaseError):
            await self._executors.leave(self.executor_id, idle)
        self._lock.release()

    async def _heartbeat(self) -> None:
        pause_s = self._executors.lease_ms / 4_000
        renewed_ms = self._store.now()
        while True:
            try:
                if not await self._executors.renew(self.executor_id):
                    self.runner.fenced.set()
                    return
                now = self._store.now()
                if now - renewed_ms > self._executors.lease_ms:
                    # The database (or this process) was away: the others' leases ran out as
                    # well. Who lives renews within a lease.
                    self._settled_ms = now + self._executors.lease_ms
                renewed_ms = now
            except DatabaseError as error:
                log.warning("lease_waits", code=error.code)
            await asyncio.sleep(pause_s)

    async def _watch_fence(self) -> None:
        await self.runner.fenced.wait()
        log.error("fenced", executor_id=self.executor_id)
        self._on_fenced()

    async def _take_over(self) -> None:
        while True:
            try:
                await self.take_over()
            except Exception as error:
                log.warning("takeover_waits", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(TAKEOVER_S)

    async def take_over(self) -> None:
        """Take over from every executor that is dead, if this one is first among the living."""
        for neighbour in await self._executors.neighbours(self._scope, self.executor_id):
            if self._lock.is_dead(neighbour):
                await self._executors.leave(neighbour, idle=False)
        now = self._store.now()
        if now < self._settled_ms:
            return
        if now - self._lost_ms > ORPHANS_S * 1000:
            lost = await self._engine.orphans(await self._executors.known())
            await self._executors.note_lost(list(lost))
            self._lost_ms = now
        for dead in await self._executors.dead(self.executor_id):
            if not await self._executors.claim(dead, self.executor_id):
                continue
            for job in await self._executors.count_crashes(dead):
                if job.count >= MAX_CRASHES:
                    ending = crashed_ending(job.stage, job.percent, job.language)
                    await self._store.give_up(job.job_id, job.run_no, ending)
                    log.error("job_kills_workers", job_id=job.job_id, stage=job.stage)
            runs = await self._engine.takeover(dead)
            await self._executors.remove(dead)
            if runs:
                metrics.JOB_CRASHES.inc()
                log.warning("taken_over", executor_id=dead, runs=len(runs))

    async def _watch_cancelled(self) -> None:
        while True:
            await asyncio.sleep(CANCEL_POLL_S)
            if jobs := self.runner.jobs:
                with suppress(DatabaseError):
                    for job_id in await self._store.cancelled_of(jobs):
                        self.runner.stop_job(job_id)
