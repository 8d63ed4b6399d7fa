"""The AI store: jobs and their states. One transaction writes a state and the events that tell it.

A job that has ended stays as it ended: every write of a state names the states it may follow in
its WHERE, so a worker that was taken for dead and comes back changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from sync_server.ai.contract import Area, Event, EventError, JobRequest, Progress
from sync_server.ai.role import JobConflict
from sync_server.ai.stages import Json
from sync_server.ai.store_schema import migrate_store
from sync_server.platform.database import Database, Tx

Status = Literal["queued", "processing", "succeeded", "failed", "cancelled"]
ENDED: Final = ("succeeded", "failed", "cancelled")
POOL: Final = (1, 10)


def real_ms() -> int:
    """Return the time in ms: what leases and deliveries go by, whatever a test's clock says."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class JobRow:
    """A job as it is kept. Times in ms (UTC); `result` and `error` are JSON."""

    job_id: str
    run_no: int
    area: Area
    job_type: str
    version: str
    request: JobRequest
    status: Status
    stage: str
    percent: int
    result: Json | None
    error: Json | None
    code: str | None
    failure_type: str | None
    amended: bool
    crash_count: int
    executor_id: str
    priority: int
    last_seq: int
    created_ms: int
    started_ms: int | None
    finished_ms: int | None
    undelivered: bool


@dataclass(frozen=True)
class Words:
    """A text in both languages."""

    ko: str
    en: str

    def of(self, language: str) -> str:
        """Return the text in a language."""
        return self.en if language == "en" else self.ko


@dataclass(frozen=True)
class Ending:
    """How a job ends: its status, its event, and what is kept beside."""

    status: Literal["succeeded", "failed", "cancelled"]
    event: Event
    result: Json | None = None
    error: Json | None = None
    code: str = ""
    failure_type: str = ""


StageStart = Literal["started", "again", "ended", "fenced"]

_COLUMNS: Final = (
    "job_id, run_no, area, job_type, version, request, status, stage, percent, result, error, "
    "code, failure_type, amended, crash_count, executor_id, priority, last_seq, created_ms, "
    "started_ms, finished_ms, next_delivery_ms"
)
_NEXT_EVENT: Final = "last_seq = last_seq + 1, next_delivery_ms = COALESCE(next_delivery_ms, ?)"
"""Draws the number of the next event of a job, and makes it due at `?` (real time)."""


class AiStore:
    """Jobs in the AI role's own database.

    `clock` stamps what people read, `now` (real time) what is due. `on_event` is called after
    each transaction that wrote an event, `on_queued` after one that left a run to enqueue.
    Raises DatabaseError and its kinds for faults that pass.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], int] = real_ms,
        now: Callable[[], int] = real_ms,
    ) -> None:
        self.database, self.clock, self.now = database, clock, now
        self.on_event: Callable[[], None] = lambda: None
        self.on_queued: Callable[[], None] = lambda: None

    async def open(self) -> None:
        """Open and migrate the database."""
        await self.database.open(bind=False, pool=POOL)
        await migrate_store(self.database)

    async def close(self) -> None:
        """Close the database."""
        await self.database.close()

    # Jobs ------------------------------------------------------------------------------

    async def add(
        self, area: Area, request: JobRequest, content_hash: str, parts: Sequence[str], words: Words
    ) -> bool:
        """Keep a new job and its first event; False when it is known with the same content.

        Raises JobConflict when it is known with other content.
        """
        now, created = self.now(), self.clock()
        async with self.database.transaction() as tx:
            fresh = await tx.execute(
                """INSERT INTO ai_job (job_id, area, job_type, request, request_hash,
                     callback_url, language, priority, status, stage, percent, created_ms,
                     waiting_since_ms)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', 'QUEUED', 0, ?, ?)
                   ON CONFLICT (job_id) DO NOTHING""",
                request.job_id, area, request.job_type or "",
                msgspec.json.encode(request).decode(), content_hash, request.callback_url,
                request.language, request.priority, created, now,
            )  # fmt: skip
            if not fresh:
                known = await tx.fetch_value(
                    "SELECT request_hash FROM ai_job WHERE job_id = ?", request.job_id
                )
                if known != content_hash:
                    raise JobConflict(request.job_id)
                return False
            await tx.executemany(
                "INSERT INTO ai_part (job_id, part_no, part) VALUES (?, ?, ?)",
                [(request.job_id, number, part) for number, part in enumerate(parts)],
            )
            await self._queued_event(tx, request.job_id, words.of(request.language))
        self._told(queued=True)
        return True

    async def _queued_event(self, tx: Tx, job_id: str, message: str) -> None:
        await self._event(
            tx, job_id, await self._next_seq(tx, job_id),
            Event("STATUS", "queued", Progress("QUEUED", 0, message)),
        )  # fmt: skip

    async def job(self, job_id: str) -> JobRow | None:
        """Return a job, or None."""
        async with self.database.read(snapshot=False) as tx:
            row = await tx.fetch_one(f"SELECT {_COLUMNS} FROM ai_job WHERE job_id = ?", job_id)
        return None if row is None else _job(row)

    async def crashes(self, job_id: str) -> int:
        """Return how many deaths of processes the present stage of a job has met."""
        async with self.database.read(snapshot=False) as tx:
            found = await tx.fetch_value("SELECT crash_count FROM ai_job WHERE job_id = ?", job_id)
        return int(found or 0)

    async def jobs(self, status: str | None = None, limit: int = 50) -> list[JobRow]:
        """Return the newest jobs."""
        where, args = ("WHERE status = ? ", [status]) if status else ("", [])
        async with self.database.read(snapshot=False) as tx:
            rows = await tx.fetch_all(
                f"SELECT {_COLUMNS} FROM ai_job {where}ORDER BY job_no DESC LIMIT ?", *args, limit
            )
        return [_job(row) for row in rows]

    async def waiting(self) -> tuple[int, float]:
        """Return how many jobs wait and how long the oldest has, in seconds."""
        async with self.database.read(snapshot=False) as tx:
            row = await tx.fetch_one(
                "SELECT COUNT(*), MIN(waiting_since_ms) FROM ai_job WHERE status = 'queued'"
            )
        oldest = row[1] if row[0] else self.now()
        return int(row[0]), max(0.0, (self.now() - oldest) / 1000)

    async def has_open_work(self) -> bool:
        """Say whether any job has not ended, or any event is to be delivered."""
        async with self.database.read(snapshot=False) as tx:
            return bool(
                await tx.fetch_value(
                    """SELECT 1 FROM ai_job WHERE status IN ('queued', 'processing')
                       UNION ALL SELECT 1 FROM ai_job WHERE next_delivery_ms IS NOT NULL LIMIT 1"""
                )
            )

    # The gap between a job's row and the engine's queue ----------------------------------

    async def to_enqueue(self, limit: int = 100) -> list[tuple[str, int, int]]:
        """Return (job id, run number, priority) of jobs the engine does not know, oldest first."""
        async with self.database.read(snapshot=False) as tx:
            rows = await tx.fetch_tuples(
                """SELECT job_id, run_no, priority FROM ai_job
                   WHERE status = 'queued' AND enqueued_ms IS NULL
                   ORDER BY waiting_since_ms, job_no LIMIT ?""",
                limit,
            )
        return [(row[0], row[1], row[2]) for row in rows]

    async def enqueued(self, runs: Sequence[tuple[str, int]]) -> None:
        """Note that the engine has these runs."""
        async with self.database.transaction() as tx:
            await tx.executemany(
                "UPDATE ai_job SET enqueued_ms = ? WHERE job_id = ? AND run_no = ?",
                [(self.now(), job_id, run_no) for job_id, run_no in runs],
            )

    async def open_since(self, before_ms: int, limit: int = 1_000) -> list[tuple[str, int, int]]:
        """Return (job id, run number, priority) of open jobs that the engine had by then."""
        async with self.database.read(snapshot=False) as tx:
            rows = await tx.fetch_tuples(
                """SELECT job_id, run_no, priority FROM ai_job
                   WHERE status IN ('queued', 'processing') AND enqueued_ms < ?
                   ORDER BY enqueued_ms LIMIT ?""",
                before_ms, limit,
            )  # fmt: skip
        return [(row[0], row[1], row[2]) for row in rows]

    # A run -------------------------------------------------------------------------------

    async def begin(self, job_id: str, run_no: int, executor_id: str, version: str) -> bool:
        """Mark a run as under way; False when the job has ended or was retried since."""
        async with self.database.transaction() as tx:
            return bool(
                await tx.execute(
                    """UPDATE ai_job SET status = 'processing', executor_id = ?, version = ?,
                         started_ms = COALESCE(started_ms, ?)
                       WHERE job_id = ? AND run_no = ? AND status IN ('queued', 'processing')""",
                    executor_id, version, self.clock(), job_id, run_no,
                )
            )  # fmt: skip

    async def stage_started(
        self, job_id: str, run_no: int, part_no: int, stage: str, percent: int, words: Words,
        executor_id: str,
    ) -> StageStart:  # fmt: skip
        """Note that a part enters a stage, and tell it.

        A stage that follows another is progress: the count of crashes starts anew. `again` when
        the same stage starts a second time after a crash (nothing is told twice).
        """
        async with self.database.transaction() as tx:
            entered = await tx.fetch_one(
                """UPDATE ai_job SET executor_id = ?, stage = ?
                   WHERE job_id = ? AND run_no = ? AND status = 'processing' AND EXISTS (
                     SELECT 1 FROM ai_executor e WHERE e.executor_id = ? AND e.taker = '')
                   RETURNING language, (SELECT p.stage FROM ai_part p
                     WHERE p.job_id = ai_job.job_id AND p.part_no = ?)""",
                executor_id, stage, job_id, run_no, executor_id, part_no,
            )  # fmt: skip
            if entered is None:
                living = await tx.fetch_value(
                    "SELECT 1 FROM ai_executor WHERE executor_id = ? AND taker = ''", executor_id
                )
                return "ended" if living else "fenced"
            if entered[1] == stage:
                await tx.execute(
                    "UPDATE ai_part SET in_stage = 1 WHERE job_id = ? AND part_no = ?",
                    job_id, part_no,
                )  # fmt: skip
                return "again"
            await self._percent(
                tx, job_id, part_no, stage, percent, words.of(entered[0]), entered=True
            )
        self._told()
        return "started"

    async def stage_left(self, job_id: str, part_no: int) -> None:
        """Note that a part waits before it tries its stage again: no crash is its fault now."""
        async with self.database.transaction() as tx:
            await tx.execute(
                "UPDATE ai_part SET in_stage = 0 WHERE job_id = ? AND part_no = ?", job_id, part_no
            )

    async def progress(
        self, job_id: str, run_no: int, part_no: int, stage: str, percent: int, message: str
    ) -> bool:
        """Tell progress inside a stage; False when the job is not under way."""
        async with self.database.transaction() as tx:
            open_job = await tx.fetch_value(
                "SELECT 1 FROM ai_job WHERE job_id = ? AND run_no = ? AND status = 'processing'"
                + tx.for_update,
                job_id, run_no,
            )  # fmt: skip
            if not open_job:
                return False
            await self._percent(tx, job_id, part_no, stage, percent, message, entered=False)
        self._told()
        return True

    async def _percent(
        self, tx: Tx, job_id: str, part_no: int, stage: str, percent: int, message: str,
        entered: bool,
    ) -> None:  # fmt: skip
        """Move a part, the mean of the parts with it, and write the event; the job's row is held.

        Whole points below 100: 100 is for the job that is done.
        """
        changed = await tx.execute(
            """UPDATE ai_part SET percent = ?, stage = ?, in_stage = 1
               WHERE job_id = ? AND part_no = ? AND (percent < ? OR ? = 1)""",
            min(percent, 99), stage, job_id, part_no, min(percent, 99), int(entered),
        )  # fmt: skip
        if not changed:
            return
        row = await tx.fetch_one(
            f"""WITH mean AS (
                  SELECT SUM(percent) / COUNT(*) AS points FROM ai_part WHERE job_id = ?)
                UPDATE ai_job SET {_NEXT_EVENT},
                  crash_count = CASE WHEN ? = 1 THEN 0 ELSE crash_count END,
                  percent = CASE WHEN percent < (SELECT points FROM mean)
                    THEN (SELECT points FROM mean) ELSE percent END
                WHERE job_id = ? RETURNING last_seq, percent""",
            job_id, self.now(), int(entered), job_id,
        )  # fmt: skip
        await self._event(
            tx, job_id, row[0], Event("PROGRESS", "processing", Progress(stage, row[1], message))
        )

    async def part_ended(self, job_id: str, part_no: int, done: bool) -> None:
        """Note that a part is through (99: what is left is the job's end), or has failed."""
        async with self.database.transaction() as tx:
            await tx.execute(
                """UPDATE ai_part SET in_stage = 0, percent = CASE WHEN ? = 1 THEN 99
                     ELSE percent END WHERE job_id = ? AND part_no = ?""",
                int(done), job_id, part_no,
            )  # fmt: skip

    async def finish(self, job_id: str, run_no: int, ending: Ending) -> bool:
        """End a job once: result, state and event in one transaction. False when it has ended."""
        return await self._end(job_id, run_no, ending, ("processing",))

    async def give_up(self, job_id: str, run_no: int, ending: Ending) -> bool:
        """End a job that no worker runs to its end (crashes, a lost run)."""
        return await self._end(job_id, run_no, ending, ("queued", "processing"))

    async def cancel(self, job_id: str, words: Words) -> JobRow | None:
        """Cancel an open job; None when it is unknown or has ended."""
        job = await self.job(job_id)
        if job is None or job.status in ENDED:
            return None
        message = words.of(job.request.language)
        error = EventError("JOB_CANCELLED", message)
        ending = Ending(
            "cancelled",
            Event("FAILED", "cancelled", Progress(job.stage, job.percent, message), error=error,
                  details={"message": {"ko": words.ko, "en": words.en}}),
            error=msgspec.to_builtins(error), code="JOB_CANCELLED",
        )  # fmt: skip
        return job if await self.give_up(job_id, job.run_no, ending) else None

    async def _end(self, job_id: str, run_no: int, ending: Ending, before: tuple[str, ...]) -> bool:
        words = ", ".join(f"'{status}'" for status in before)
        event = ending.event
        least = event.progress.percent if event.progress else 0
        async with self.database.transaction() as tx:
            row = await tx.fetch_one(
                f"""UPDATE ai_job SET status = ?, result = ?, error = ?, code = ?,
                     failure_type = ?, finished_ms = ?, executor_id = '', {_NEXT_EVENT},
                     percent = CASE WHEN percent < ? THEN ? ELSE percent END,
                     stage = COALESCE(?, stage)
                   WHERE job_id = ? AND run_no = ? AND status IN ({words})
                   RETURNING last_seq, percent""",
                ending.status, _text(ending.result), _text(ending.error), ending.code or None,
                ending.failure_type or None, self.clock(), self.now(), least, least,
                event.progress.stage if event.progress else None, job_id, run_no,
            )  # fmt: skip
            if row is None:
                return False
            if event.progress is not None:
                moved = msgspec.structs.replace(event.progress, percent=row[1])
                event = msgspec.structs.replace(event, progress=moved)
            await self._event(tx, job_id, row[0], event)
        self._told()
        return True

    async def amend(self, job_id: str, run_no: int, result: Json, event: Event) -> bool:
        """Replace the result of a job that succeeded, once, and tell it by a second COMPLETE."""
        async with self.database.transaction() as tx:
            seq = await tx.fetch_value(
                f"""UPDATE ai_job SET result = ?, amended = 1, {_NEXT_EVENT}
                   WHERE job_id = ? AND run_no = ? AND status = 'succeeded' AND amended = 0
                   RETURNING last_seq""",
                _text(result), self.now(), job_id, run_no,
            )  # fmt: skip
            if seq is None:
                return False
            await self._event(tx, job_id, seq, event)
        self._told()
        return True

    async def retry(self, job_id: str, words: Words) -> bool:
        """Queue a job that failed or was cancelled again, as its next run; an operator's act."""
        async with self.database.transaction() as tx:
            row = await tx.fetch_one(
                """UPDATE ai_job SET status = 'queued', run_no = run_no + 1, enqueued_ms = NULL,
                     stage = 'QUEUED', percent = 0, result = NULL, error = NULL, code = NULL,
                     failure_type = NULL, amended = 0, crash_count = 0, started_ms = NULL,
                     finished_ms = NULL, executor_id = '', waiting_since_ms = ?
                   WHERE job_id = ? AND status IN ('failed', 'cancelled') RETURNING language""",
                self.now(), job_id,
            )  # fmt: skip
            if row is None:
                return False
            await tx.execute(
                "UPDATE ai_part SET stage = '', percent = 0, in_stage = 0 WHERE job_id = ?", job_id
            )
            await self._queued_event(tx, job_id, words.of(row[0]))
        self._told(queued=True)
        return True

    async def run_again(self, job_id: str, run_no: int) -> bool:
        """Queue an open job as its next run: the engine has lost the one it had.

        What has been told stays told: percent and numbers of events go on.
        """
        async with self.database.transaction() as tx:
            queued = await tx.execute(
                """UPDATE ai_job SET status = 'queued', run_no = run_no + 1, enqueued_ms = NULL,
                     executor_id = ''
                   WHERE job_id = ? AND run_no = ? AND status IN ('queued', 'processing')""",
                job_id, run_no,
            )  # fmt: skip
        self._told(queued=True)
        return bool(queued)

    async def cancelled_of(self, job_ids: Sequence[str]) -> list[str]:
        """Return which of these jobs have been cancelled."""
        async with self.database.read(snapshot=False) as tx:
            within, argument = tx.in_list("job_id", job_ids)
            rows = await tx.fetch_tuples(
                f"SELECT job_id FROM ai_job WHERE status = 'cancelled' AND {within}", argument
            )
        return [row[0] for row in rows]

    async def forget(self, before_ms: int) -> int:
        """Delete what ended before that time and is delivered; return how many jobs."""
        async with self.database.transaction() as tx:
            old = """FROM ai_job WHERE status IN ('succeeded', 'failed', 'cancelled')
                     AND finished_ms < ? AND next_delivery_ms IS NULL"""
            for table in ("ai_event", "ai_part"):
                await tx.execute(
                    f"DELETE FROM {table} WHERE job_id IN (SELECT job_id {old})", before_ms
                )
            return await tx.execute(f"DELETE {old}", before_ms)

    # Events --------------------------------------------------------------------------------

    async def _next_seq(self, tx: Tx, job_id: str) -> int:
        return int(
            await tx.fetch_value(
                f"UPDATE ai_job SET {_NEXT_EVENT} WHERE job_id = ? RETURNING last_seq",
                self.now(),
                job_id,
            )
        )

    async def _event(self, tx: Tx, job_id: str, seq: int, event: Event) -> None:
        """Write an event; the caller has drawn `seq` (`_NEXT_EVENT`) and so holds the job's row."""
        told = msgspec.structs.replace(event, event_seq=seq, at=_iso(self.clock()))
        await tx.execute(
            """INSERT INTO ai_event (job_id, seq, event_type, payload, created_ms, made_ms)
               VALUES (?, ?, ?, ?, ?, ?)""",
            job_id, seq, event.event_type, msgspec.json.encode(told).decode(), self.clock(),
            self.now(),
        )  # fmt: skip

    def _told(self, queued: bool = False) -> None:
        self.on_event()
        if queued:
            self.on_queued()


def _job(row: Any) -> JobRow:
    return JobRow(
        job_id=row["job_id"], run_no=row["run_no"], area=row["area"], job_type=row["job_type"],
        version=row["version"], request=msgspec.json.decode(row["request"], type=JobRequest),
        status=row["status"], stage=row["stage"], percent=row["percent"],
        result=_json(row["result"]), error=_json(row["error"]), code=row["code"],
        failure_type=row["failure_type"], amended=bool(row["amended"]),
        crash_count=row["crash_count"], executor_id=row["executor_id"], priority=row["priority"],
        last_seq=row["last_seq"], created_ms=row["created_ms"], started_ms=row["started_ms"],
        finished_ms=row["finished_ms"], undelivered=row["next_delivery_ms"] is not None,
    )  # fmt: skip


def _text(value: Json | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _json(text: str | None) -> Json | None:
    return None if text is None else msgspec.json.decode(text)


def _iso(at_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
