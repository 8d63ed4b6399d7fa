"""News of jobs between the processes of one PostgreSQL (LISTEN, NOTIFY).

A waiter in another process than the one that took the event is woken at once. Lost news cost
nothing but time: who waits looks by itself too.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from sync_server.jobs.model import Job
from sync_server.platform.context import Platform
from sync_server.platform.database import DRIVER_FAULTS, Tx

log = structlog.get_logger(__name__)
_CHANNEL: Final = "daengdong_jobs"
_AGAIN_S: Final = 2.0


async def tell(platform: Platform, tx: Tx, job: Job) -> None:
    """Wake those who wait for a job, and the owner's phones when it has ended, after the commit."""

    def here() -> None:
        _wake(platform, job.job_id, job.user_no if job.is_final else 0)

    tx.after_commit(here)
    if tx.dialect == "postgres":
        news = f"{job.job_id} {job.user_no if job.is_final else 0}"
        await tx.execute("SELECT pg_notify(?, ?)", _CHANNEL, news)


def _wake(platform: Platform, job_id: str, user_no: int) -> None:
    platform.wakes.wake(job_id)
    if user_no:
        platform.pokes.poke(user_no)


async def listen(platform: Platform) -> None:
    """Hear the other processes' news from now on (PostgreSQL); ends with the platform."""
    if platform.database.dialect == "postgres":
        platform.tasks.start(_listen(platform), "news of jobs", lasting=True)


async def _listen(platform: Platform) -> None:
    import asyncpg

    def heard(_connection: Any, _pid: int, _channel: str, news: Any) -> None:
        job_id, _, user_no = str(news).partition(" ")
        _wake(platform, job_id, int(user_no) if user_no.isdecimal() else 0)

    while True:
        connection = None
        try:
            connection = await asyncpg.connect(dsn=platform.database.url)
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _, lost=lost: lost.set())
            await connection.add_listener(_CHANNEL, heard)
            await lost.wait()
        except DRIVER_FAULTS as error:
            log.info("news_of_jobs_interrupted", kind=type(error).__name__)
        finally:
            if connection is not None:
                connection.terminate()
        await asyncio.sleep(_AGAIN_S)
