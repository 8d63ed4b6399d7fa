"""What the contract tests of the AI paths share: a server whose AI role says what they want."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import WalkStart
from game_engine.rules import CURRENT_RULES
from tests.support.ai_role import KEY, ScriptedAiRole, install
from tests.support.app import Phone, Server, running
from tests.support.walks import Log

VIDEO = "https://cdn.service.com/missions/sit_01.mp4"
ENGLISH = {"Accept-Language": "en"}


@dataclass(frozen=True)
class Owner:
    """A guest with a dog and an open walk."""

    log: Log
    dog_id: str
    walk_id: str

    @property
    def phone(self) -> Phone:
        return self.log.phone

    @classmethod
    async def of(cls, server: Server) -> Owner:
        log = await Log.of(server)
        now_ms = server.clock.now_ms
        dog_id, walk_id = uuid7(), uuid7()
        dog = {"dog_id": dog_id, "name": "보리"}
        answer = await server.client.post("/api/dogs", json=dog, headers=log.phone.headers)
        assert answer.status_code == 201, answer.text
        log.add(WalkStart(walk_id, [dog_id], now_ms - 60_000, CURRENT_RULES, "live"))
        await log.push()
        return cls(log, dog_id, walk_id)


@dataclass(frozen=True)
class Backend:
    """A signed-in owner, and the AI role behind the server."""

    server: Server
    own: Owner
    role: ScriptedAiRole

    async def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request of the owner."""
        headers = {**self.own.phone.headers, **more.pop("headers", {})}
        return await self.server.client.request(method, path, headers=headers, **more)

    async def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        """POST a JSON body."""
        return await self.send("POST", path, json=body, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """GET a path."""
        return await self.send("GET", path, **more)

    async def job(self, path: str, body: Any) -> str:
        """Create a job and return its id."""
        answer = await self.post(path, body)
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["job_id"]
        await self.server.platform.tasks.settle()
        return job_id


@asynccontextmanager
async def backend(
    database_url: str, folder: Path, apart: bool, **more: str
) -> AsyncIterator[Backend]:
    """Run the application with a scripted AI role: events as calls, or apart as signed webhooks."""
    settings = {"internal_secrets": KEY, "job_wait_s": "5", "rate_limits": "off", **more}
    async with running(database_url, folder, **settings) as server:
        own = await Owner.of(server)
        yield Backend(server, own, install(server, apart=apart))
