"""Phones of the histories: the real SDK over files, a network that fails, a process that dies."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_sdk.errors import Unreachable
from edge_sdk.sync.backoff import RetryPolicy
from edge_sdk.sync.client import SyncClient
from edge_sdk.sync.store import LocalStore
from edge_sdk.sync.transport import HttpAnswer, HttpTransport
from edge_sdk.walk.recorder import WalkRecorder

Request = tuple[str, str, Mapping[str, str] | None, bytes | None, Mapping[str, str] | None]


class Killed(BaseException):
    """The phone's process ends here, between two writes."""


class DyingConnection:
    """A store's connection whose process dies before the n-th statement from now."""

    def __init__(self, real: Any, statements: int) -> None:
        self._real = real
        self._left = statements
        self.dead = False

    def _step(self) -> None:
        if self.dead:
            raise sqlite3.OperationalError("the process is dead")
        self._left -= 1
        if self._left < 0:
            self.dead = True
            raise Killed

    def execute(self, *words: Any) -> Any:
        self._step()
        return self._real.execute(*words)

    def executemany(self, *words: Any) -> Any:
        self._step()
        return self._real.executemany(*words)

    def execute_fetchall(self, *words: Any) -> Any:
        self._step()
        return self._real.execute_fetchall(*words)

    async def rollback(self) -> None:
        if self.dead:
            raise sqlite3.OperationalError("the process is dead")
        await self._real.rollback()


class BadNetwork:
    """A transport that loses, doubles, holds back and reorders pushes and pulls as told."""

    def __init__(self, real: HttpTransport) -> None:
        self._real = real
        self.faults: list[str] = []
        self.held: list[Request] = []

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        sent: Request = (method, path, query, body, headers)
        fault = self.faults.pop(0) if self.faults and path.startswith("/api/sync") else "none"
        if fault == "request lost":
            raise Unreachable("the request was lost")
        if fault == "held back":
            self.held.append(sent)
            raise Unreachable("the request is still on its way")
        answer = await self._send(sent)
        if fault == "doubled":
            answer = await self._send(sent)
        if fault == "copied":
            self.held.append(sent)
        if fault == "answer lost":
            raise Unreachable("the answer was lost")
        return answer

    async def _send(self, sent: Request) -> HttpAnswer:
        method, path, query, body, headers = sent
        return await self._real.request(method, path, query=query, body=body, headers=headers)

    async def deliver(self) -> None:
        """Let a request that was held back arrive now, late and out of order."""
        if self.held:
            sent = self.held.pop()
            try:
                await self._send(sent)
            except Unreachable:
                self.held.append(sent)

    def events(self, path: str, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[str]:
        return self._real.events(path, headers=headers)

    async def close(self) -> None:
        await self._real.close()


@dataclass
class Device:
    """A phone: its file, its network, its clock."""

    name: str
    path: Path
    address: str
    skew_ms: int = 0
    pending: dict[str, Any] = field(default_factory=dict)
    store: LocalStore = field(init=False)
    network: BadNetwork = field(init=False)
    client: SyncClient = field(init=False)

    async def open(self) -> None:
        self.network = BadNetwork(HttpTransport(self.address, timeout_s=20))
        await self._open_store()

    async def _open_store(self) -> None:
        self.store = await LocalStore.open(self.path)
        self.client = SyncClient(
            self.store, self.network, policy=RetryPolicy(attempts=1, base_s=0.0, cap_s=0.0)
        )

    @property
    def recorder(self) -> WalkRecorder:
        return WalkRecorder(self.store)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.skew_ms

    def die_before(self, statement: int) -> None:
        """Arm: the process dies before the n-th statement from now."""
        file: Any = self.store._file
        file._connection = DyingConnection(file._connection, statement)

    async def revive(self) -> None:
        """Start the process again after it was killed (or armed and never reached)."""
        file: Any = self.store._file
        if isinstance(file._connection, DyingConnection):
            real = file._connection._real
            # What the kernel does for a dead process: files and locks are let go, no commit.
            await real.close()
            os.close(file._lock_fd)
            file._connection = None
            await self._open_store()

    async def fill_disk(self) -> None:
        pages = await self._pragma("page_count")
        await self._pragma(f"max_page_count = {pages}")

    async def free_disk(self) -> None:
        await self._pragma("max_page_count = 1073741823")

    async def _pragma(self, text: str) -> int:
        file: Any = self.store._file
        rows = await file._connection.execute_fetchall(f"PRAGMA {text}")
        return int(next(iter(rows))[0])

    async def close(self) -> None:
        await self.revive()
        await self.store.close()
        await self.network.close()
