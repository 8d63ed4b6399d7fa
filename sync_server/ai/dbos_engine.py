"""The engine on DBOS Transact, the only file that imports it.

What its traps are, and how each is met (docs/decisions/0013-durable-jobs.md): an executor id of
its own per boot, a pinned application version, a name of its own per step, a short polling
interval, limits per worker only, JSON instead of pickle, launch in the event loop's own thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import structlog
from dbos import DBOS, DBOSClient, DBOSConfig
from dbos._serialization import Serializer

from sync_server.ai.engine import Body, Reserved, RunState, Steps, Work
from sync_server.ai.stages import Json

log = structlog.get_logger(__name__)
T = TypeVar("T")

APP_NAME: Final = "daengdong"
APP_VERSION: Final = "1"
"""Pinned: a hash of the code would strand the jobs of the version before."""
WORKFLOW: Final = "analysis.v1"
QUEUE: Final = "analysis"
SCHEMA: Final = "ai_engine"
# How often a process looks for a run. Each look is five statements and 3 ms of CPU; several workers
# on PostgreSQL look in turn, so that one looks often enough.
POLL_S: Final = {"sqlite": 0.1, "postgresql": 0.5}
POOL: Final = 10
_RUNNING: Final = ("PENDING",)
_WAITING: Final = ("ENQUEUED", "DELAYED")


class JsonText(Serializer):
    """Checkpoints as JSON text: readable, and a file somebody changed runs no code."""

    def serialize(self, data: Any) -> str:
        """Write a value."""
        return json.dumps(_plain(data), ensure_ascii=False, separators=(",", ":"))

    def deserialize(self, serialized_data: str) -> Any:
        """Read a value."""
        return _lively(json.loads(serialized_data))

    def name(self) -> str:
        """Name the format in the engine's rows."""
        return "daengdong_json"


def _plain(data: Any) -> Any:
    # The engine keeps the exception of a workflow that broke through the same door.
    return {"$error": repr(data)} if isinstance(data, BaseException) else data


def _lively(data: Any) -> Any:
    return RuntimeError(data["$error"]) if isinstance(data, dict) and "$error" in data else data


class _DbosSteps:
    async def run_stage(self, name: str, work: Work) -> Json:
        return await self.reserve(name)(work)

    def reserve(self, name: str) -> Reserved:
        place = DBOS.reserve_step()

        async def run(work: Work) -> Json:
            # The library tells async from sync work by the function it is given.
            async def step() -> Json:
                return await work()

            return await place.run_async({"name": name}, step)

        return run


_body: Body | None = None


@DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
async def _analysis(run_id: str) -> None:
    assert _body is not None, "a workflow runs before its executor has started"
    steps: Steps = _DbosSteps()
    await _body(run_id, steps)


class DbosJobs:
    """`JobEngine` over the engine's tables; opens no queue and runs nothing."""

    def __init__(self, url: str) -> None:
        self._url = _driver_url(url)
        self._client: DBOSClient | None = None
        # Threads of our own: the event loop's default pool becomes DBOS's at launch and ends
        # with it.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="job-engine")

    async def open(self) -> None:
        """Create or migrate the engine's tables and connect."""
        self._client = await self._in_thread(self._connect)

    def _connect(self) -> DBOSClient:
        DBOS.migrate(self._url, schema=SCHEMA)
        return DBOSClient(
            system_database_url=self._url,
            dbos_system_schema=SCHEMA,
            serializer=JsonText(),
            system_database_pool_size=4,
            application_name=APP_NAME,
            # Who waits for the database here has a loop of its own that tries again.
            retry_connection_errors=False,
        )

    async def submit(self, run_id: str, priority: int) -> None:
        """Enqueue a run (`JobEngine.submit`)."""
        client = self._open_client()
        await self._in_thread(
            lambda: client.enqueue(
                {
                    "workflow_name": WORKFLOW,
                    "queue_name": QUEUE,
                    "workflow_id": run_id,
                    "app_version": APP_VERSION,
                    "priority": priority,
                },
                run_id,
            )
        )

    async def cancel(self, run_id: str) -> None:
        """Cancel a run (`JobEngine.cancel`)."""
        client = self._open_client()
        if await self.states([run_id]):
            await self._in_thread(lambda: client.cancel_workflow(run_id))

    async def states(self, run_ids: Sequence[str]) -> Mapping[str, RunState]:
        """Return how runs are (`JobEngine.states`)."""
        if not run_ids:
            return {}
        found = await self._list(workflow_ids=list(run_ids))
        return {status.workflow_id: _state(status.status) for status in found}

    async def orphans(self, living: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return runs without a living executor (`JobEngine.orphans`)."""
        by_executor: dict[str, list[str]] = {}
        for status in await self._list(status=list(_RUNNING)):
            if status.executor_id and status.executor_id not in living:
                by_executor.setdefault(status.executor_id, []).append(status.workflow_id)
        return by_executor

    async def takeover(self, executor_id: str) -> Sequence[str]:
        """Enqueue again what an executor left (`JobEngine.takeover`)."""
        client = self._open_client()
        left = await self._list(status=list(_RUNNING), executor_id=executor_id)
        ids = [status.workflow_id for status in left]
        if ids:
            await self._in_thread(lambda: client.resume_workflows(ids, queue_name=QUEUE))
        return ids

    async def forget(self, before_ms: int) -> int:
        """Drop old runs (`JobEngine.forget`)."""
        client = self._open_client()
        count = 0
        while True:
            old = await self._list(
                status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
                end_time=_iso(before_ms),
                limit=200,
            )
            ids = [status.workflow_id for status in old]
            if not ids:
                return count
            await self._in_thread(lambda ids=ids: client.delete_workflows(ids))  # type: ignore[misc]
            count += len(ids)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await self._in_thread(client.destroy)
        self._threads.shutdown(wait=False)

    async def _list(self, **filters: Any) -> list[Any]:
        client = self._open_client()
        return await self._in_thread(
            lambda: client.list_workflows(
                name=WORKFLOW, load_input=False, load_output=False, **filters
            )
        )

    def _open_client(self) -> DBOSClient:
        assert self._client is not None, "open() comes first"
        return self._client

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class DbosExecutor:
    """`JobExecutor`: this process takes runs off the queue. One at a time in a process."""

    def __init__(self, url: str, executor_id: str, slots: int, body: Body) -> None:
        self._url = _driver_url(url)
        self._executor_id, self._slots, self._body = executor_id, slots, body
        self._dbos: DBOS | None = None

    async def start(self) -> None:
        """Launch DBOS here: its steps then run in this event loop, as our database pools need."""
        global _body
        if _body is not None:
            raise RuntimeError("this process already runs an executor")
        _body = self._body
        try:
            config: DBOSConfig = {
                "name": APP_NAME,
                "system_database_url": self._url,
                "dbos_system_schema": SCHEMA,
                "sys_db_pool_size": POOL,
                "application_version": APP_VERSION,
                "executor_id": self._executor_id,
                "serializer": JsonText(),
                "log_level": "ERROR",
                "use_listen_notify": False,
                "run_migrations": False,
                "scheduler_polling_interval_sec": 3600.0,
            }
            self._dbos = DBOS(config=config)
            DBOS.launch()
            await DBOS.register_queue_async(
                QUEUE,
                worker_concurrency=self._slots,
                polling_interval_sec=POLL_S[
                    "sqlite" if self._url.startswith("sqlite") else "postgresql"
                ],
                on_conflict="always_update",
            )
        except BaseException:
            await self.stop(0)
            raise

    async def stop(self, drain_s: float) -> bool:
        """Stop (`JobExecutor.stop`); what is left behind stays under way in the engine's rows."""
        global _body
        if _body is not self._body:
            return True
        dbos, self._dbos = self._dbos, None
        if dbos is not None:
            busy = dbos._active_workflows_set.activeList()
            # The destructor sleeps a second first where it is asked to wait at all.
            wait_s = int(drain_s) if busy else 0
            with ThreadPoolExecutor(1) as thread:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(
                    thread, lambda: DBOS.destroy(workflow_completion_timeout_sec=wait_s)
                )
            left = bool(dbos._active_workflows_set.activeList())
            for task in list(dbos._workflow_tasks):
                task.cancel()
            # DBOS has put its own pool, which is closed now, in the place of the loop's.
            loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        else:
            left = False
        _body = None
        return not left


def _driver_url(url: str) -> str:
    if url.startswith("postgres"):
        return "postgresql" + url[url.index(":") :]
    return url


def _state(status: str) -> RunState:
    if status in _RUNNING:
        return "running"
    return "waiting" if status in _WAITING else "ended"


def _iso(at_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
