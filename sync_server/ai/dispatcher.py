"""Brings events to the backend: a call inside the process, or a signed webhook.

In the order of each job; tried again with growing pauses for a day. A delivery whose answer was
lost is made again with the same message id and body: the recipient knows it by job and
`event_seq`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import httpx
import msgspec
import structlog

from sync_server.ai.contract import Event
from sync_server.ai.outbox import BATCH, Lane, Outbox, Waiting
from sync_server.ai.persist import persist
from sync_server.ai.role import EventSink
from sync_server.ai.store import AiStore
from sync_server.platform import metrics
from sync_server.platform.database import DatabaseError
from sync_server.platform.webhooks import message_id, sign

log = structlog.get_logger(__name__)
LANES: Final = 16
TIMEOUT_S: Final = 10.0
POLL_S: Final = 0.25
FIRST_PAUSE_S: Final = 0.5
LAST_PAUSE_S: Final = 20.0
GIVE_UP_MS: Final = 24 * 3_600_000


class Dispatcher:
    """Delivers events of `store`; `sink` takes those of jobs without a callback URL."""

    def __init__(
        self,
        store: AiStore,
        owner: str,
        sink: EventSink | None,
        secrets: Callable[[], Sequence[str]],
        *,
        poll_s: float = POLL_S,
        outside: bool = True,
    ) -> None:
        self._store, self._outbox, self._sink = store, Outbox(store, owner), sink
        self._secrets, self._poll_s, self._outside = secrets, poll_s, outside
        self._wake = asyncio.Event()
        self._lanes: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._http: httpx.AsyncClient | None = None

    def start(self) -> None:
        """Begin to deliver."""
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)
        self._loop = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Say that there is an event."""
        self._wake.set()

    async def stop(self) -> None:
        """Stop; what is not delivered is delivered by the next process."""
        tasks = [task for task in (self._loop, *self._lanes) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()
        with suppress(DatabaseError):
            await self._outbox.give_back()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            claimed: Sequence[Lane] = []
            try:
                inside, free = self._sink is not None, LANES - len(self._lanes)
                if free > 0 and await self._outbox.due(inside, self._outside):
                    claimed = await self._outbox.claim(free, inside, self._outside)
            except DatabaseError as error:
                log.warning("dispatcher_waits", code=error.code)
            for lane in claimed:
                task = asyncio.create_task(self._deliver(lane))
                self._lanes.add(task)
                task.add_done_callback(self._ended)
            if not claimed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await self._wake.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._lanes.discard(task)
        self._wake.set()
        if not task.cancelled() and task.exception() is not None:
            log.error("delivery_broke", exc_info=task.exception())

    async def _deliver(self, lane: Lane) -> None:
        """Deliver what a job has; the first failure leaves the rest for later."""
        last: int | None = None
        while True:
            events = await persist(lambda: self._outbox.waiting(lane.job_id))
            for event in events:
                way = "sink" if not lane.callback_url else "webhook"
                fault = await self._send(lane, event)
                too_old = self._store.now() - event.made_ms > GIVE_UP_MS
                if fault is not None and not too_old:
                    metrics.JOB_DELIVERIES.labels(way, "again").inc()
                    retry_ms = self._store.now() + int(_pause_s(lane.failed) * 1000)
                    await persist(lambda at=retry_ms: self._outbox.let_go(lane.job_id, None, at))  # type: ignore[misc]
                    return
                metrics.JOB_DELIVERIES.labels(way, "dropped" if fault else "delivered").inc()
                if fault is not None:
                    log.error("event_dropped", job_id=lane.job_id, seq=event.seq, fault=fault)
                held = await persist(
                    lambda event=event, fault=fault: self._outbox.delivered(  # type: ignore[misc]
                        lane.job_id, event.seq, dropped=fault is not None
                    )
                )
                if not held:
                    return
                last = event.seq
            if len(events) < BATCH:
                break  # what came meanwhile keeps the job due (`let_go`)
        if last is None:
            # Nothing was open: take the mark away, unless something came meanwhile.
            job = await persist(lambda: self._store.job(lane.job_id))
            last = job.last_seq if job is not None else None
        await persist(lambda: self._outbox.let_go(lane.job_id, last, None))

    async def _send(self, lane: Lane, event: Waiting) -> str | None:
        """Deliver one event; return what went wrong, or None."""
        if not lane.callback_url:
            assert self._sink is not None
            try:
                decoded = msgspec.json.decode(event.payload, type=Event)
                await self._sink(lane.job_id, decoded)
            except Exception as error:
                # The backend's faults pass (its database is away), or it is a fault of the
                # program that a restart mends: either way later.
                log.warning("sink_failed", job_id=lane.job_id, exc_info=error)
                return type(error).__name__
            return None
        assert self._http is not None
        body = event.payload.encode()
        name = message_id(lane.job_id, event.event_type, event.seq)
        try:
            headers = sign(self._secrets(), name, self._store.clock() // 1000, body)
            answer = await self._http.post(
                lane.callback_url, content=body,
                headers={**headers, "content-type": "application/json"},
            )  # fmt: skip
        except httpx.HTTPError as error:
            return type(error).__name__
        except Exception as error:
            # A connection that ends while it is made comes out of the transport as anything.
            log.warning("delivery_failed", job_id=lane.job_id, error=f"{type(error).__name__}")
            return type(error).__name__
        return None if answer.is_success else f"status {answer.status_code}"


def _pause_s(failed: int) -> float:
    grown: float = min(LAST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failed, 10))
    return grown * random.uniform(0.75, 1.25)  # noqa: S311
