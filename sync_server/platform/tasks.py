"""Work that goes on after the request that began it; ends with the server."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Tasks:
    """Running pieces of work; each must be safe to lose (a sweeper finds what is left)."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._lasting: set[asyncio.Task[Any]] = set()

    def start(
        self, work: Coroutine[Any, Any, Any], name: str, *, lasting: bool = False
    ) -> asyncio.Task[Any]:
        """Run a coroutine beside everything else; its errors are logged.

        `lasting` work runs as long as the server and is not waited for by `settle`.
        """
        task = asyncio.get_running_loop().create_task(work, name=name)
        (self._lasting if lasting else self._running).add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._lasting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", task=task.get_name(), exc_info=error)

    async def settle(self) -> None:
        """Wait until nothing runs but what lasts (tests)."""
        while self._running:
            await asyncio.wait(set(self._running))

    async def close(self) -> None:
        """Stop everything that still runs."""
        running = self._running | self._lasting
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=5)
