"""The AI role in this process: orchestrator, worker or both, opened when first needed.

Starting the engine takes a second or so of imports and some threads: a server whose users make no
jobs never pays for it. A job is taken as soon as its row is written; the engine starts behind it.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from sync_server.ai.contract import Accepted, Area, JobRequest
from sync_server.ai.cpu_pool import ProcessPool
from sync_server.ai.dispatcher import Dispatcher
from sync_server.ai.engine import JobEngine, RunState
from sync_server.ai.locks import FolderLock
from sync_server.ai.orchestrator import Orchestrator
from sync_server.ai.role import EventSink, RoleUnavailable
from sync_server.ai.stages import Pipeline
from sync_server.ai.store import AiStore, real_ms
from sync_server.ai.worker import LEASE_MS, Worker, end_process
from sync_server.platform.database import Database, DatabaseError
from sync_server.platform.object_store import ObjectStore
from sync_server.platform.settings import Settings
from sync_server.platform.webhooks import parse_secrets

if TYPE_CHECKING:
    from sync_server.ai.services import AiServices

log = structlog.get_logger(__name__)
DRAIN_S: Final = {"all": 3.0, "worker": 30.0}
RESTART_S: Final = 0.5
PATIENCE_MS: Final = 60_000


class _LazyEngine:
    """`JobEngine` that opens with its first use, and tries again when that fails."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opening = asyncio.Lock()
        self._engine: Any = None

    async def opened(self) -> JobEngine:
        async with self._opening:
            if self._engine is None:
                module = await asyncio.to_thread(
                    importlib.import_module, "sync_server.ai.dbos_engine"
                )
                engine = module.DbosJobs(self._url)
                try:
                    await engine.open()
                except BaseException:
                    await engine.close()
                    raise
                self._engine = engine
        found: JobEngine = self._engine
        return found

    async def submit(self, run_id: str, priority: int) -> None:
        await (await self.opened()).submit(run_id, priority)

    async def cancel(self, run_id: str) -> None:
        await (await self.opened()).cancel(run_id)

    async def states(self, run_ids: Sequence[str]) -> Mapping[str, RunState]:
        return await (await self.opened()).states(run_ids)

    async def orphans(self, living: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return await (await self.opened()).orphans(living)

    async def takeover(self, executor_id: str) -> Sequence[str]:
        return await (await self.opened()).takeover(executor_id)

    async def forget(self, before_ms: int) -> int:
        return await (await self.opened()).forget(before_ms)

    async def close(self) -> None:
        async with self._opening:
            engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()


class LocalRole:
    """`AiRole` in this process. Role `all` does both halves, `ai` takes jobs, `worker` runs them.

    `start` takes the lock on the data folder (AlreadyRunning) and, in role `all`, opens the rest
    in the background only when an earlier process left work.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], int] = real_ms,
        *,
        lease_ms: int = LEASE_MS,
        on_fenced: Callable[[], None] = end_process,
        reconcile_s: float = 30.0,
    ) -> None:
        self.settings, self.clock = settings, clock
        self.sink: EventSink | None = None
        """Takes the events of jobs without a callback URL; set before `start`."""
        self._lease_ms, self._on_fenced, self._reconcile_s = lease_ms, on_fenced, reconcile_s
        self._lock = FolderLock(Path(settings.data_dir))
        self._opening = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._store: AiStore | None = None
        self._engine = _LazyEngine(settings.engine_database)
        self._pool: ProcessPool | None = None
        self._orchestrator: Orchestrator | None = None
        self._worker: Worker | None = None
        self._services: AiServices | None = None
        self._pipelines: Mapping[str, Pipeline] = {}
        self._closed = False

    @property
    def processes(self) -> int:
        """How many processes decode and infer."""
        return self.settings.worker_processes or os.cpu_count() or 1

    async def start(self) -> None:
        """Start; see the class."""
        sqlite = self.settings.ai_database.startswith("sqlite")
        self._lock.take(exclusive=sqlite and self.settings.role == "all")
        try:
            if self.settings.role == "all":
                self._tasks.append(asyncio.create_task(self._resume()))
            else:
                await self._opened_patiently()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Drain and stop."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._worker is not None:
            await self._worker.stop(DRAIN_S.get(self.settings.role, 0.0))
        if self._orchestrator is not None:
            await self._orchestrator.stop()
        if self._services is not None:
            await self._services.close()
        if self._pool is not None:
            await self._pool.close()
        await self._engine.close()
        if self._store is not None:
            await self._store.close()
        self._lock.release()

    # AiRole ----------------------------------------------------------------------------------

    async def submit(self, area: Area, request: JobRequest) -> Accepted:
        """Take a job (`Orchestrator.submit`)."""
        return await (await self._front()).submit(area, request)

    async def cancel(self, job_id: str) -> bool:
        """Cancel a job (`AiRole.cancel`)."""
        return await (await self._front()).cancel(job_id)

    async def health(self) -> dict[str, object]:
        """Say how the role is (`AiRole.health`)."""
        return await (await self._front()).health()

    # Opening -----------------------------------------------------------------------------------

    async def _front(self) -> Orchestrator:
        try:
            await self._opened()
        except DatabaseError as error:
            raise RoleUnavailable(f"{error.code}: {error}") from error
        if self._orchestrator is None:
            raise RoleUnavailable("this process runs jobs and takes none")
        return self._orchestrator

    async def _resume(self) -> None:
        """Open everything if an earlier process left jobs or events behind."""
        if await self._left_work():
            while not self._closed:
                try:
                    await self._opened()
                    return
                except DatabaseError as error:
                    log.warning("ai_role_waits", code=error.code)
                    await asyncio.sleep(RESTART_S)

    async def _opened_patiently(self) -> None:
        """Open; a database that restarts just now is waited for."""
        deadline_ms = real_ms() + PATIENCE_MS
        while True:
            try:
                return await self._opened()
            except DatabaseError as error:
                if real_ms() > deadline_ms:
                    raise
                log.warning("ai_role_waits", code=error.code)
                await asyncio.sleep(RESTART_S)

    async def _left_work(self) -> bool:
        url = self.settings.ai_database
        if url.startswith("sqlite") and not Path(url.removeprefix("sqlite:///")).exists():
            return False
        database = Database(url)
        try:
            await database.open(bind=False, pool=(1, 1))
            async with database.read() as tx:
                there = (
                    "SELECT to_regclass('ai_executor')"
                    if tx.dialect == "postgres"
                    else "SELECT name FROM sqlite_master WHERE name = 'ai_executor'"
                )
                if await tx.fetch_value(there) is None:
                    return False
            return await AiStore(database).has_open_work()
        except DatabaseError:
            return True
        finally:
            await database.close()

    async def _opened(self) -> None:
        if self._orchestrator is not None or self._worker is not None:
            return
        async with self._opening:
            if self._closed:
                raise RoleUnavailable("the server stops")
            if self._store is None:
                registry: Any = await asyncio.to_thread(
                    importlib.import_module, "sync_server.ai.registry"
                )
                store = AiStore(Database(self.settings.ai_database), self.clock)
                try:
                    self._pipelines = await asyncio.to_thread(registry.pipelines, self.settings)
                    await store.open()
                except BaseException:
                    await store.close()
                    raise
                self._store = store
            role = self.settings.role
            if role in ("all", "ai") and self._orchestrator is None:
                self._orchestrator = self._make_orchestrator(self._store)
                self._orchestrator.start()
                if role == "all":
                    self._tasks.append(asyncio.create_task(self._work(self._store)))
            if role == "worker" and self._worker is None:
                await self._start_worker(self._store)

    def _make_orchestrator(self, store: AiStore) -> Orchestrator:
        settings = self.settings
        owner = f"{os.getpid()}-{id(self):x}-{os.urandom(4).hex()}"
        dispatcher = Dispatcher(
            store, owner, self.sink, partial(parse_secrets, settings.internal_secrets)
        )
        return Orchestrator(
            settings, store, self._engine, self._pipelines, dispatcher,
            inside=self.sink is not None, on_cancel=self._stop_job, reconcile_s=self._reconcile_s,
        )  # fmt: skip

    def _stop_job(self, job_id: str) -> None:
        if self._worker is not None:
            self._worker.runner.stop_job(job_id)

    async def _work(self, store: AiStore) -> None:
        pause_s = RESTART_S
        while not self._closed:
            try:
                await self._start_worker(store)
                return
            except Exception as error:
                log.warning("worker_start_failed", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(pause_s)
                pause_s = min(30.0, 2 * pause_s)

    async def _start_worker(self, store: AiStore) -> None:
        await self._engine.opened()
        if self._pool is None:
            self._pool = ProcessPool(self.processes, nice=5)
        settings = self.settings
        if self._services is None:
            # Imported when first used, like the engine: they bring the whole of the SDK.
            rooms: Any = await asyncio.to_thread(importlib.import_module, "sync_server.ai.services")
            self._services = rooms.make_services(
                settings, self._pool, ObjectStore(settings.object_store), self.clock, store.database
            )
        module = importlib.import_module("sync_server.ai.dbos_engine")
        slots = self.settings.worker_jobs or 2 * self.processes
        worker = Worker(
            store, self._engine,
            lambda executor_id, body: module.DbosExecutor(
                self.settings.engine_database, executor_id, slots, body
            ),
            self._pipelines, self._services, Path(self.settings.data_dir),
            role=self.settings.role, scope=self._lock.scope,
            lease_ms=self._lease_ms, on_fenced=self._on_fenced,
        )  # fmt: skip
        try:
            await worker.start()
        except BaseException:
            with suppress(Exception):
                await asyncio.shield(worker.stop(0))
            raise
        self._worker = worker
