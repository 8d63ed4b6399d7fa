"""Rows of jobs and of their events; a query names the owner wherever a user asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from sync_server.jobs.model import Job, Snapshot, job_of, snapshot_of
from sync_server.platform.database import Tx

_JOB_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_COLUMNS: Final = ", ".join(Job.__struct_fields__)


async def insert(tx: Tx, job: Job, request_hash: str, input_bytes: int) -> None:
    """Keep a new job and its first event."""
    await tx.execute(
        """INSERT INTO analysis_job (job_id, user_no, area, job_type, analysis_id, walk_id, dog_id,
             captured_ms, request, request_hash, state, stage, percent, message, created_ms,
             updated_ms, input_bytes)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        job.job_id, job.user_no, job.area, job.job_type, job.analysis_id, job.walk_id, job.dog_id,
        job.captured_ms, _json(job.request), request_hash, job.state, job.stage, job.percent,
        job.message, job.created_ms, job.updated_ms, input_bytes,
    )  # fmt: skip
    await add_event(tx, job, "created", "STATUS", job.created_ms)


async def load(tx: Tx, job_id: str, *, lock: bool = False) -> Job | None:
    """Return a job whoever owns it (for the AI role's events), or None."""
    if not _JOB_ID.fullmatch(job_id):
        return None
    row = await tx.fetch_one(
        f"SELECT {_COLUMNS} FROM analysis_job WHERE job_id = ?{tx.for_update if lock else ''}",
        job_id,
    )
    return None if row is None else job_of(row)


async def load_own(tx: Tx, user_no: int, job_id: str, *, lock: bool = False) -> Job | None:
    """Return a job of a user; None for an unknown one and for another user's."""
    if not _JOB_ID.fullmatch(job_id):
        return None
    row = await tx.fetch_one(
        f"SELECT {_COLUMNS} FROM analysis_job WHERE job_id = ? AND user_no = ?"
        f"{tx.for_update if lock else ''}",
        job_id,
        user_no,
    )
    return None if row is None else job_of(row)


async def same_request(tx: Tx, user_no: int, request_hash: str) -> Job | None:
    """Return the newest job of this request that did not fail, or None."""
    row = await tx.fetch_one(
        f"""SELECT {_COLUMNS} FROM analysis_job WHERE user_no = ? AND request_hash = ?
              AND state IN ('queued', 'processing', 'done')
            ORDER BY created_ms DESC, job_id DESC LIMIT 1""",
        user_no, request_hash,
    )  # fmt: skip
    return None if row is None else job_of(row)


async def list_own(tx: Tx, user_no: int, before_ms: int | None, limit: int) -> list[Job]:
    """Return a user's jobs, newest first."""
    rows = await tx.fetch_all(
        f"""SELECT {_COLUMNS} FROM analysis_job WHERE user_no = ? AND created_ms < ?
            ORDER BY created_ms DESC, job_id DESC LIMIT ?""",
        user_no, 2**62 if before_ms is None else before_ms, limit,
    )  # fmt: skip
    return [job_of(row) for row in rows]


async def save(tx: Tx, job: Job) -> None:
    """Write what may change of a job."""
    await tx.execute(
        """UPDATE analysis_job SET state = ?, stage = ?, percent = ?, message = ?, error = ?,
             failure_type = ?, result = ?, model_version = ?, last_seq = ?, result_seq = ?,
             handed = ?, tries = ?, updated_ms = ?, finished_ms = ?
           WHERE job_id = ? AND user_no = ?""",
        job.state, job.stage, job.percent, job.message,
        None if job.error is None else _json(job.error), job.failure_type,
        None if job.result is None else _json(job.result), job.model_version, job.last_seq,
        job.result_seq, int(job.handed), job.tries, job.updated_ms, job.finished_ms, job.job_id,
        job.user_no,
    )  # fmt: skip


async def delete(tx: Tx, job: Job) -> None:
    """Forget a job and its events."""
    await tx.execute("DELETE FROM job_event WHERE job_id = ?", job.job_id)
    await tx.execute(
        "DELETE FROM analysis_job WHERE job_id = ? AND user_no = ?", job.job_id, job.user_no
    )


async def is_known_event(tx: Tx, job_id: str, dedup_key: str) -> bool:
    """Say whether this event was kept before."""
    found = await tx.fetch_value(
        "SELECT 1 FROM job_event WHERE job_id = ? AND dedup_key = ?", job_id, dedup_key
    )
    return found is not None


async def add_event(tx: Tx, job: Job, dedup_key: str, event_type: str, now_ms: int) -> None:
    """Keep an event that changed a job, with what it made of it; the caller holds the job."""
    event_no = await tx.fetch_value(
        "UPDATE analysis_job SET event_no = event_no + 1 WHERE job_id = ? RETURNING event_no",
        job.job_id,
    )
    await tx.execute(
        """INSERT INTO job_event (job_id, event_no, dedup_key, event_type, snapshot, at_ms)
           VALUES (?, ?, ?, ?, ?, ?)""",
        job.job_id, event_no, dedup_key, event_type, _json(snapshot_of(job)), now_ms,
    )  # fmt: skip


async def events_after(tx: Tx, job_id: str, event_no: int) -> Sequence[tuple[int, str, Snapshot]]:
    """Return (number, type, what it made of the job) of the events after one, in order."""
    rows = await tx.fetch_tuples(
        """SELECT event_no, event_type, snapshot FROM job_event
           WHERE job_id = ? AND event_no > ? ORDER BY event_no""",
        job_id, event_no,
    )  # fmt: skip
    return [
        (int(number), kind, msgspec.json.decode(text, type=Snapshot)) for number, kind, text in rows
    ]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
