"""Executors and their leases: who runs jobs, who is dead, and who takes over.

The library recovers no other machine's work. So each process that runs jobs keeps a row with a
lease (written before it takes any); the living executor with the smallest number takes over from
one whose lease has run out: it first claims the row (which fences its owner), then puts the runs
back into the queue, then deletes the row. Neighbours on one machine are seen to be dead at once
by their locks (`locks.ExecutorLock`), which expires their leases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sync_server.ai.store import AiStore

MAX_CRASHES: Final = 3
TAKER_MS: Final = 10_000


@dataclass(frozen=True)
class Crashed:
    """A job that was in a stage when its executor died, and how often in that stage by now."""

    job_id: str
    run_no: int
    count: int
    language: str
    stage: str
    percent: int


class Executors:
    """Rows of `ai_executor`; `lease_ms` is how long a silent one counts as alive."""

    def __init__(self, store: AiStore, lease_ms: int) -> None:
        self._store, self.lease_ms = store, lease_ms

    async def register(self, executor_id: str, role: str, scope: str) -> None:
        """Take a lease; `scope` names the folder on this machine that the process holds."""
        now = self._store.now()
        async with self._store.database.transaction() as tx:
            await tx.execute(
                """INSERT INTO ai_executor (executor_id, role, scope, lease_until_ms, started_ms)
                   VALUES (?, ?, ?, ?, ?)""",
                executor_id, role, scope, now + self.lease_ms, now,
            )  # fmt: skip

    async def renew(self, executor_id: str) -> bool:
        """Renew a lease; False when it is being taken over: the process must end."""
        async with self._store.database.transaction() as tx:
            return bool(
                await tx.execute(
                    """UPDATE ai_executor SET lease_until_ms = ?
                       WHERE executor_id = ? AND taker = ''""",
                    self._store.now() + self.lease_ms, executor_id,
                )
            )  # fmt: skip

    async def leave(self, executor_id: str, idle: bool) -> None:
        """Give a lease back; one that leaves work behind leaves its row, expired."""
        async with self._store.database.transaction() as tx:
            if idle:
                await tx.execute("DELETE FROM ai_executor WHERE executor_id = ?", executor_id)
            else:
                await tx.execute(
                    "UPDATE ai_executor SET lease_until_ms = 0 WHERE executor_id = ?", executor_id
                )

    async def neighbours(self, scope: str, mine: str) -> list[str]:
        """Return the other executors of this folder on this machine that count as alive."""
        async with self._store.database.read(snapshot=False) as tx:
            rows = await tx.fetch_tuples(
                """SELECT executor_id FROM ai_executor
                   WHERE scope = ? AND executor_id <> ? AND lease_until_ms >= ?""",
                scope, mine, self._store.now(),
            )  # fmt: skip
        return [row[0] for row in rows]

    async def known(self) -> list[str]:
        """Return all executors that have a row."""
        async with self._store.database.read(snapshot=False) as tx:
            rows = await tx.fetch_tuples("SELECT executor_id FROM ai_executor")
        return [row[0] for row in rows]

    async def note_lost(self, executor_ids: Sequence[str]) -> None:
        """Write expired rows for executors that have work but no row."""
        async with self._store.database.transaction() as tx:
            await tx.executemany(
                """INSERT INTO ai_executor (executor_id, role, scope, lease_until_ms, started_ms)
                   VALUES (?, 'lost', '', 0, 0) ON CONFLICT (executor_id) DO NOTHING""",
                [(executor_id,) for executor_id in executor_ids],
            )

    async def dead(self, mine: str) -> list[str]:
        """Return whose work this executor should take over now: nobody's unless it is first."""
        now = self._store.now()
        async with self._store.database.read(snapshot=False) as tx:
            first = await tx.fetch_value(
                """SELECT executor_id FROM ai_executor WHERE lease_until_ms >= ? AND taker = ''
                   ORDER BY executor_no LIMIT 1""",
                now,
            )
            if first != mine:
                return []
            rows = await tx.fetch_tuples(
                """SELECT executor_id FROM ai_executor
                   WHERE lease_until_ms < ? AND (taker IN ('', ?) OR taker_until_ms < ?)""",
                now, mine, now,
            )  # fmt: skip
        return [row[0] for row in rows]

    async def claim(self, executor_id: str, mine: str) -> bool:
        """Claim a dead executor and so fence it; False when it lives or another has it."""
        now = self._store.now()
        async with self._store.database.transaction() as tx:
            return bool(
                await tx.execute(
                    """UPDATE ai_executor SET taker = ?, taker_until_ms = ?
                       WHERE executor_id = ? AND lease_until_ms < ?
                         AND (taker IN ('', ?) OR taker_until_ms < ?)""",
                    mine, now + TAKER_MS, executor_id, now, mine, now,
                )
            )  # fmt: skip

    async def count_crashes(self, executor_id: str) -> list[Crashed]:
        """Count one crash for each job that was in a stage there; again changes nothing."""
        async with self._store.database.transaction() as tx:
            rows = await tx.fetch_all(
                """UPDATE ai_job SET executor_id = '', crash_count = crash_count + 1
                   WHERE executor_id = ? AND status = 'processing' AND EXISTS (
                     SELECT 1 FROM ai_part p WHERE p.job_id = ai_job.job_id AND p.in_stage = 1)
                   RETURNING job_id, run_no, crash_count, language, stage, percent""",
                executor_id,
            )
            await tx.executemany(
                "UPDATE ai_part SET in_stage = 0 WHERE job_id = ?", [(row[0],) for row in rows]
            )
        return [Crashed(*tuple(row)) for row in rows]

    async def remove(self, executor_id: str) -> None:
        """Delete the row of an executor whose work has been taken over."""
        async with self._store.database.transaction() as tx:
            await tx.execute("DELETE FROM ai_executor WHERE executor_id = ?", executor_id)
