"""What the contract tests of the AI paths share: a server whose AI role says what they want."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.ai_role import KEY, ScriptedAiRole, install
from tests.support.app import Server, running
from tests.support.household import Household, settle

VIDEO = "https://cdn.service.com/missions/sit_01.mp4"
ENGLISH = {"Accept-Language": "en"}


@dataclass(frozen=True)
class Backend:
    """A signed-in household, and the AI role behind the server."""

    server: Server
    own: Household
    role: ScriptedAiRole

    async def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request of the household."""
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
        own = await settle(server, server.clock.now_ms)
        yield Backend(server, own, install(server, apart=apart))
