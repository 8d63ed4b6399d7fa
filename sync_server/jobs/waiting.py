"""Waiting for a job: as long as asked, or until the client has left; and its live stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import msgspec
from litestar import Request
from litestar.response import ServerSentEventMessage

from sync_server.jobs import artifacts, store
from sync_server.jobs.documents import LiveStatus, live_status
from sync_server.jobs.model import Job
from sync_server.platform import metrics
from sync_server.platform.context import Platform
from sync_server.platform.sse import PING, PING_S
from sync_server.platform.wakes import LOOK_AGAIN_S


async def until_ended(
    platform: Platform, request: Request[Any, Any, Any], user_no: int, job_id: str
) -> Job | None:
    """Return the user's job once it has ended, or as it is when the wait is over.

    The wait is `settings.job_wait_s`, or until the client has gone. None where the job is gone.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + platform.settings.job_wait_s
    leaving = loop.create_task(_left(request))
    try:
        with platform.wakes.waiting(job_id) as woken:
            while True:
                woken.clear()
                async with platform.database.read() as tx:
                    job = await store.load_own(tx, user_no, job_id)
                rest_s = until - loop.time()
                if job is None or job.is_final or rest_s <= 0 or leaving.done():
                    return job
                waking = loop.create_task(woken.wait())
                await asyncio.wait(
                    {waking, leaving},
                    timeout=min(rest_s, LOOK_AGAIN_S),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                waking.cancel()
    finally:
        leaving.cancel()


async def _left(request: Request[Any, Any, Any]) -> None:
    """Return when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def stream(
    platform: Platform, user_no: int, job_id: str, after: int
) -> AsyncIterator[ServerSentEventMessage]:
    """Tell a job's events after a number, then each new one, until nothing can come any more."""
    loop = asyncio.get_running_loop()
    metrics.JOB_STREAMS.inc()
    try:
        with platform.wakes.waiting(job_id) as woken:
            quiet_since = loop.time()
            while True:
                woken.clear()
                # A client that leaves cancels this task at every await; the connection of a read
                # that is under way must find its way back.
                with anyio.CancelScope(shield=True):
                    async with platform.database.read() as tx:
                        job = await store.load_own(tx, user_no, job_id)
                        events = await store.events_after(tx, job_id, after)
                if job is None:
                    return
                for number, kind, snapshot in events:
                    after, quiet_since = number, loop.time()
                    yield _message(kind.lower(), number, live_status(job, snapshot))
                if _is_over(job):
                    if after < job.event_no:
                        # Its events are swept: how it ended is all there is.
                        kind = "complete" if job.state == "done" else "failed"
                        yield _message(kind, job.event_no, live_status(job))
                    return
                try:
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        await woken.wait()
                except TimeoutError:
                    if loop.time() - quiet_since >= PING_S:
                        quiet_since = loop.time()
                        yield PING
    finally:
        # Nothing here awaits: after a disconnect no await in a finally completes.
        metrics.JOB_STREAMS.dec()


def _is_over(job: Job) -> bool:
    """Say whether nothing can come any more: pictures may follow a finished analysis."""
    return job.is_final and not (job.state == "done" and artifacts.status(job.result) == "pending")


def _message(kind: str, number: int, status: LiveStatus) -> ServerSentEventMessage:
    return ServerSentEventMessage(
        event=kind, id=str(number), data=msgspec.json.encode(status).decode()
    )
