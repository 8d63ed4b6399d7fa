"""The AI role's own schema: jobs, parts, events to deliver, executors with leases.

Not in the application's migration history: the AI role may live on another machine. The same
rules hold: plain statements for both engines, a released step is never edited, all or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sync_server.platform.database import Database
from sync_server.platform.ddl import render

_LOCK_SPACE: Final = 2
_LOCK_KEY: Final = 0x6A6F6273

STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        # lane_*: who delivers the job's events just now; next_delivery_ms: when it is due, NULL
        # when everything is delivered.
        """CREATE TABLE ai_job (
            job_no {serial}, job_id TEXT NOT NULL, run_no INTEGER NOT NULL DEFAULT 0,
            area TEXT NOT NULL, job_type TEXT NOT NULL, version TEXT NOT NULL DEFAULT '',
            request TEXT NOT NULL, request_hash TEXT NOT NULL, callback_url TEXT NOT NULL,
            language TEXT NOT NULL, priority INTEGER NOT NULL,
            status TEXT NOT NULL, stage TEXT NOT NULL, percent INTEGER NOT NULL,
            result TEXT, error TEXT, code TEXT, failure_type TEXT,
            amended INTEGER NOT NULL DEFAULT 0, crash_count INTEGER NOT NULL DEFAULT 0,
            executor_id TEXT NOT NULL DEFAULT '', last_seq INTEGER NOT NULL DEFAULT 0,
            created_ms BIGINT NOT NULL, waiting_since_ms BIGINT NOT NULL, enqueued_ms BIGINT,
            started_ms BIGINT, finished_ms BIGINT,
            next_delivery_ms BIGINT, lane_by TEXT NOT NULL DEFAULT '',
            lane_until_ms BIGINT NOT NULL DEFAULT 0,
            failed_deliveries INTEGER NOT NULL DEFAULT 0)""",
        "CREATE UNIQUE INDEX ai_job_id ON ai_job (job_id)",
        "CREATE INDEX ai_job_open ON ai_job (status, waiting_since_ms) "
        "WHERE status IN ('queued', 'processing')",
        "CREATE INDEX ai_job_due ON ai_job (next_delivery_ms) WHERE next_delivery_ms IS NOT NULL",
        "CREATE INDEX ai_job_executor ON ai_job (executor_id) WHERE executor_id <> ''",
        """CREATE TABLE ai_part (
            job_id TEXT NOT NULL, part_no INTEGER NOT NULL, part TEXT NOT NULL,
            stage TEXT NOT NULL DEFAULT '', percent INTEGER NOT NULL DEFAULT 0,
            in_stage INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (job_id, part_no)) {clustered}""",
        """CREATE TABLE ai_event (
            job_id TEXT NOT NULL, seq INTEGER NOT NULL, event_type TEXT NOT NULL,
            payload TEXT NOT NULL, created_ms BIGINT NOT NULL, made_ms BIGINT NOT NULL,
            delivered_ms BIGINT, dropped INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (job_id, seq)) {clustered}""",
        # taker: the executor that takes the jobs of this one over; a name there is a fence.
        """CREATE TABLE ai_executor (
            executor_no {serial}, executor_id TEXT NOT NULL, role TEXT NOT NULL,
            scope TEXT NOT NULL, lease_until_ms BIGINT NOT NULL, started_ms BIGINT NOT NULL,
            taker TEXT NOT NULL DEFAULT '', taker_until_ms BIGINT NOT NULL DEFAULT 0)""",
        "CREATE UNIQUE INDEX ai_executor_id ON ai_executor (executor_id)",
    ),
)


async def migrate_store(
    database: Database, others: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> None:
    """Bring the AI store to this program's schema; several processes may start at once.

    `others` are tables that pipelines keep here, by name, each made once.
    """
    async with database.transaction() as tx:
        await tx.lock(_LOCK_SPACE, [_LOCK_KEY])
        await tx.execute("CREATE TABLE IF NOT EXISTS ai_schema (step INTEGER PRIMARY KEY)")
        done = await tx.fetch_value("SELECT COALESCE(MAX(step), 0) FROM ai_schema")
        for number, statements in enumerate(STEPS[done:], done + 1):
            for statement in statements:
                await tx.execute(render(statement, tx.dialect))
            await tx.execute("INSERT INTO ai_schema (step) VALUES (?)", number)
        await tx.execute("CREATE TABLE IF NOT EXISTS ai_schema_other (name TEXT PRIMARY KEY)")
        for name, wanted in others.items():
            if await tx.execute(
                "INSERT INTO ai_schema_other (name) VALUES (?) ON CONFLICT (name) DO NOTHING", name
            ):
                for statement in wanted:
                    await tx.execute(render(statement, tx.dialect))
