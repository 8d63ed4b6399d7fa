"""The outbox: events of the AI store, each delivered in its job's order by one process at a time.

A process claims a job (not an event) for a short lease, delivers what the job has in order, and
lets it go: so two processes never tell the same job at once, and one that dies is followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sync_server.ai.contract import Area
from sync_server.ai.store import AiStore

CLAIM_MS: Final = 30_000
BATCH: Final = 20


@dataclass(frozen=True)
class Lane:
    """A job whose events this process delivers now."""

    job_id: str
    area: Area
    callback_url: str
    failed: int
    """Attempts that failed in a row."""


@dataclass(frozen=True)
class Waiting:
    """An event to deliver; `made_ms` is real time."""

    seq: int
    event_type: str
    payload: str
    made_ms: int


class Outbox:
    """Claims and notes deliveries; `owner` names this process."""

    def __init__(self, store: AiStore, owner: str) -> None:
        self._store, self._owner = store, owner

    async def claim(self, limit: int, inside: bool, outside: bool) -> Sequence[Lane]:
        """Claim up to `limit` due jobs: those told inside this process, by HTTP, or both."""
        now = self._store.now()
        kinds = [kind for kind, wanted in (("= ''", inside), ("<> ''", outside)) if wanted]
        if not kinds:
            return []
        which = " OR ".join(f"callback_url {kind}" for kind in kinds)
        async with self._store.database.transaction() as tx:
            skip = " FOR UPDATE SKIP LOCKED" if tx.dialect == "postgres" else ""
            rows = await tx.fetch_all(
                f"""UPDATE ai_job SET lane_by = ?, lane_until_ms = ?
                    WHERE job_no IN (SELECT job_no FROM ai_job
                      WHERE next_delivery_ms <= ? AND lane_until_ms <= ? AND ({which})
                      ORDER BY next_delivery_ms LIMIT ?{skip})
                    RETURNING job_id, area, callback_url, failed_deliveries""",
                self._owner, now + CLAIM_MS, now, now, limit,
            )  # fmt: skip
        return [Lane(row[0], row[1], row[2], row[3]) for row in rows]

    async def due(self, inside: bool, outside: bool) -> bool:
        """Say whether `claim` might find something (a read, which takes no write lock)."""
        now = self._store.now()
        async with self._store.database.read(snapshot=False) as tx:
            return bool(
                await tx.fetch_value(
                    """SELECT 1 FROM ai_job WHERE next_delivery_ms <= ? AND lane_until_ms <= ?
                       AND ((? = 1 AND callback_url = '') OR (? = 1 AND callback_url <> ''))
                       LIMIT 1""",
                    now, now, int(inside), int(outside),
                )
            )  # fmt: skip

    async def waiting(self, job_id: str) -> Sequence[Waiting]:
        """Return the next events of a job, in order."""
        async with self._store.database.read(snapshot=False) as tx:
            rows = await tx.fetch_tuples(
                """SELECT seq, event_type, payload, made_ms FROM ai_event
                   WHERE job_id = ? AND delivered_ms IS NULL AND dropped = 0
                   ORDER BY seq LIMIT ?""",
                job_id, BATCH,
            )  # fmt: skip
        return [Waiting(*row) for row in rows]

    async def delivered(self, job_id: str, seq: int, dropped: bool = False) -> bool:
        """Note a delivery and keep the claim; False when another process has it now."""
        now = self._store.now()
        async with self._store.database.transaction() as tx:
            held = await tx.execute(
                """UPDATE ai_job SET lane_until_ms = ?, failed_deliveries = 0
                   WHERE job_id = ? AND lane_by = ?""",
                now + CLAIM_MS, job_id, self._owner,
            )  # fmt: skip
            await tx.execute(
                """UPDATE ai_event SET delivered_ms = ?, dropped = ?
                   WHERE job_id = ? AND seq = ? AND delivered_ms IS NULL""",
                self._store.clock(), int(dropped), job_id, seq,
            )  # fmt: skip
        return bool(held)

    async def let_go(self, job_id: str, last_seq: int | None, retry_ms: int | None) -> None:
        """End a claim: all delivered up to `last_seq`, or to be tried again at `retry_ms`.

        An event that came meanwhile has a higher number: then the job stays due.
        """
        async with self._store.database.transaction() as tx:
            if retry_ms is not None:
                await tx.execute(
                    """UPDATE ai_job SET lane_until_ms = 0, lane_by = '', next_delivery_ms = ?,
                         failed_deliveries = failed_deliveries + 1
                       WHERE job_id = ? AND lane_by = ?""",
                    retry_ms, job_id, self._owner,
                )  # fmt: skip
                return
            await tx.execute(
                """UPDATE ai_job SET lane_until_ms = 0, lane_by = '',
                     next_delivery_ms = CASE WHEN last_seq = ? THEN NULL ELSE next_delivery_ms END
                   WHERE job_id = ? AND lane_by = ?""",
                -1 if last_seq is None else last_seq, job_id, self._owner,
            )  # fmt: skip

    async def give_back(self) -> None:
        """Let every claim of this process go (it stops)."""
        async with self._store.database.transaction() as tx:
            await tx.execute(
                "UPDATE ai_job SET lane_until_ms = 0, lane_by = '' WHERE lane_by = ?", self._owner
            )
