"""Periodic work on jobs: hand over, give up, and delete what is no longer kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from sync_server.ai.role import RoleUnavailable, TooBusy
from sync_server.jobs import artifacts, store
from sync_server.jobs.creating import fail, hand_over
from sync_server.jobs.model import Job
from sync_server.platform import rate_limit
from sync_server.platform.artifact_links import artifact_key
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem
from sync_server.platform.object_store import ObjectStoreFailed

log = structlog.get_logger(__name__)
_DAY_MS: Final = 86_400_000
SILENT_MS: Final = 25 * 3_600_000
"""Events are tried again for 24 hours; a job unheard of for longer is lost."""
INPUT_KEPT_MS: Final = 7 * _DAY_MS
EVENTS_KEPT_MS: Final = 7 * _DAY_MS
JOBS_KEPT_MS: Final = 180 * _DAY_MS
ORPHAN_MS: Final = 2 * 3_600_000
_BATCH: Final = 50
_LISTING: Final = rate_limit.Limit("artifact-listing", 1, 1 / 3600)


async def sweep(platform: Platform, now_ms: int) -> None:
    """Do each kind of it once, in small transactions."""
    await _hand_over_rest(platform)
    await _cancel_erased(platform)
    await _give_up(platform, now_ms)
    await _delete_inputs(platform, now_ms)
    await _delete_events(platform, now_ms)
    await _delete_jobs(platform, now_ms)
    await _delete_orphans(platform, now_ms)


async def _hand_over_rest(platform: Platform) -> None:
    rows = await _read(
        platform,
        "SELECT job_id FROM analysis_job WHERE finished_ms IS NULL AND handed = 0 "
        "ORDER BY created_ms LIMIT ?",
        _BATCH,
    )
    for job_id in rows:
        try:
            await hand_over(platform, job_id)
        except TooBusy:
            return


async def _cancel_erased(platform: Platform) -> None:
    for job_id in await _read(platform, "SELECT job_id FROM job_to_cancel LIMIT ?", _BATCH):
        if platform.ai is not None:
            try:
                await platform.ai.cancel(job_id)
            except RoleUnavailable:
                return
        async with platform.database.transaction() as tx:
            await tx.execute("DELETE FROM job_to_cancel WHERE job_id = ?", job_id)


async def _give_up(platform: Platform, now_ms: int) -> None:
    rows = await _read(
        platform,
        "SELECT job_id FROM analysis_job WHERE finished_ms IS NULL AND updated_ms < ? LIMIT ?",
        now_ms - SILENT_MS, _BATCH,
    )  # fmt: skip
    for job_id in rows:
        await fail(platform, job_id, "JOB_LOST")


async def _delete_inputs(platform: Platform, now_ms: int) -> None:
    rows = await _read(
        platform,
        "SELECT job_id FROM analysis_job WHERE finished_ms < ? AND input_bytes > 0 LIMIT ?",
        now_ms - INPUT_KEPT_MS, _BATCH,
    )  # fmt: skip
    for job_id in rows:
        await platform.objects.delete(artifact_key(job_id, artifacts.INPUT_NAME))
        async with platform.database.transaction() as tx:
            await tx.execute("UPDATE analysis_job SET input_bytes = 0 WHERE job_id = ?", job_id)


async def _delete_events(platform: Platform, now_ms: int) -> None:
    async with platform.database.transaction() as tx:
        due = "SELECT job_id FROM analysis_job WHERE finished_ms < ? AND events_kept = 1 LIMIT 200"
        rows = [row[0] for row in await tx.fetch_tuples(due, now_ms - EVENTS_KEPT_MS)]
        if rows:
            clause, argument = tx.in_list("job_id", rows)
            await tx.execute(f"DELETE FROM job_event WHERE {clause}", argument)
            await tx.execute(f"UPDATE analysis_job SET events_kept = 0 WHERE {clause}", argument)


async def _delete_jobs(platform: Platform, now_ms: int) -> None:
    rows = await _read(
        platform, "SELECT job_id FROM analysis_job WHERE finished_ms < ? LIMIT ?",
        now_ms - JOBS_KEPT_MS, _BATCH,
    )  # fmt: skip
    for job_id in rows:
        async with platform.database.transaction() as tx:
            job = await store.load(tx, job_id, lock=True)
            if job is not None:
                await store.delete(tx, job)
        await delete_files(platform, job_id)


async def _delete_orphans(platform: Platform, now_ms: int) -> None:
    """Delete files of jobs that are gone (an erased account, a job that ended late)."""
    try:
        async with platform.database.transaction() as tx:
            await rate_limit.take(tx, _LISTING, "all", now_ms)
    except Problem:
        return
    old: dict[str, list[str]] = {}
    async for key, modified_ms in platform.objects.keys("artifacts/"):
        if modified_ms < now_ms - ORPHAN_MS:
            old.setdefault(key.split("/")[1], []).append(key)
    jobs = sorted(old)
    for at in range(0, len(jobs), 500):
        part = jobs[at : at + 500]
        async with platform.database.read() as tx:
            clause, argument = tx.in_list("job_id", part)
            rows = await tx.fetch_tuples(
                f"SELECT job_id FROM analysis_job WHERE {clause}", argument
            )
        for job_id in set(part) - {row[0] for row in rows}:
            for key in old[job_id]:
                await platform.objects.delete(key)


async def delete_files(platform: Platform, job_id: str) -> None:
    """Delete all files of a job; a fault leaves them for the sweeper of orphans."""
    try:
        async for key, _ in platform.objects.keys(f"artifacts/{job_id}/"):
            await platform.objects.delete(key)
    except ObjectStoreFailed:
        log.warning("artifacts_left_for_sweeper")


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Erase a user's jobs; those that run are cancelled. Returns the files that are known of."""
    rows = await tx.fetch_all(
        "SELECT job_id FROM analysis_job WHERE user_no = ? ORDER BY job_id", user_no
    )
    keys: list[str] = []
    for row in rows:
        keys += await forget(tx, user_no, row["job_id"], now_ms)
    return keys


async def forget(tx: Tx, user_no: int, job_id: str, now_ms: int) -> list[str]:
    """Erase one job of a user, cancelled if it runs; return the files that are known of."""
    job = await store.load_own(tx, user_no, job_id, lock=True)
    if job is None:
        return []
    if not job.is_final:
        await tx.execute(
            "INSERT INTO job_to_cancel (job_id, at_ms) VALUES (?, ?) ON CONFLICT DO NOTHING",
            job.job_id, now_ms,
        )  # fmt: skip
    await store.delete(tx, job)
    return list(_file_keys(job))


def _file_keys(job: Job) -> Iterable[str]:
    names = artifacts.names_in(job.result or {}, job.job_id) | {artifacts.INPUT_NAME}
    return [artifact_key(job.job_id, name) for name in sorted(names)]


async def _read(platform: Platform, sql: str, *args: int) -> list[str]:
    async with platform.database.read() as tx:
        return [str(row[0]) for row in await tx.fetch_tuples(sql, *args)]
