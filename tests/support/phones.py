"""A phone with its store and sync client, for the tests of the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from edge_sdk import (
    HttpTransport,
    LocalStore,
    RetryPolicy,
    SyncClient,
    uuid7,
)
from edge_sdk.sync.facts import WalkCancel
from tests.edge_sdk.reference_server import ReferenceServer

NOW = 1_795_000_000_000


class Phone:
    """A store and its client; waits are written down, not waited for."""

    def __init__(self, store: LocalStore, client: SyncClient, waits: list[float]) -> None:
        self.store, self.client, self.waits = store, client, waits

    async def write(self, count: int) -> None:
        for _ in range(count):
            await self.store.add(WalkCancel(uuid7(), NOW), NOW)


@asynccontextmanager
async def phone(
    server: ReferenceServer, path: Path, *, sign_in: bool = True, attempts: int = 5
) -> AsyncIterator[Phone]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with await LocalStore.open(path) as store, HttpTransport(server.url) as transport:
        client = SyncClient(
            store,
            transport,
            policy=RetryPolicy(attempts=attempts),
            clock=lambda: NOW,
            sleep=sleep,
            random=Random(1).random,
        )
        if sign_in:
            await client.sign_in_guest("phone")
        yield Phone(store, client, waits)


def each_once(server: ReferenceServer, count: int) -> None:
    assert len(server.state.applied) == count
    assert len(set(server.state.applied)) == count
