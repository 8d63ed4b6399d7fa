"""A phone in a folder: a local store, and a server to sync with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from daengdong.output import fail
from edge_sdk.errors import EdgeError
from edge_sdk.ids import uuid7
from edge_sdk.sync.client import SyncClient, SyncReport
from edge_sdk.sync.session import Problem
from edge_sdk.sync.store import LocalStore
from edge_sdk.sync.transport import HttpTransport
from game_engine.errors import GameError

T = TypeVar("T")
CONSENT_VERSION = "2026-11"
LOCATION_CONSENT = {"kind": "location", "granted": True, "version": CONSENT_VERSION}


def now_ms() -> int:
    """Return the wall clock as UTC milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass
class Phone:
    """An open store with its connection to a server."""

    store: LocalStore
    client: SyncClient
    device_name: str

    async def sign_in(self) -> str:
        """Sign in as this device's guest, with consent to the use of location; return user_id."""
        user_id = await self.client.sign_in_guest(self.device_name)
        await self.send("PUT", "/api/consents", LOCATION_CONSENT)
        return user_id

    async def set_up(self, name: str, dog: str) -> str:
        """Set the owner's name and make sure that the dog exists; return dog_id."""
        await self.send("PATCH", "/api/me", {"display_name": name})
        known = await self.store.get_meta("dog_id")
        if known is not None:
            return known
        dog_id = uuid7()
        await self.send("POST", "/api/dogs", {"dog_id": dog_id, "name": dog})
        await self.store.set_meta({"dog_id": dog_id})
        return dog_id

    async def sync(self) -> SyncReport:
        """Push and pull, signed in."""
        await self.sign_in()
        return await self.client.sync()

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send a signed-in request; return the decoded JSON answer."""
        data = None if body is None else msgspec.json.encode(body)
        answer = await self.client.session.send(method, path, body=data)
        return msgspec.json.decode(answer.body) if answer.body else None

    async def get(self, path: str, **query: Any) -> Any:
        """Send a signed-in GET with query parameters."""
        text = {name: str(value) for name, value in query.items() if value not in (None, "")}
        answer = await self.client.session.send("GET", path, query=text)
        return msgspec.json.decode(answer.body)


@asynccontextmanager
async def open_phone(home: Path, server: str) -> AsyncIterator[Phone]:
    """Open the phone that lives in a folder."""
    home.mkdir(parents=True, exist_ok=True)
    store = await LocalStore.open(home / "phone.sqlite")
    transport = HttpTransport(server)
    try:
        yield Phone(store, SyncClient(store, transport), home.name)
    finally:
        await transport.close()
        await store.close()


def run_phone(
    home: Path, server: str, work: Callable[[Phone], Awaitable[T]], as_json: bool = False
) -> T:
    """Run work on a phone; every known error ends the program with its code and a clear line."""

    async def run() -> T:
        async with open_phone(home, server) as phone:
            return await work(phone)

    try:
        return asyncio.run(run())
    except (EdgeError, GameError) as error:
        raise fail(error.code, str(error), as_json) from None
    except Problem as problem:
        raise fail(problem.code or "refused", str(problem), as_json) from None
    except OSError as error:
        raise fail("os_error", str(error), as_json) from None
