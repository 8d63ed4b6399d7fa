"""A server on each database whose vet role does what the test says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_sdk.ids import uuid7
from tests.support.app import Phone, Server, running
from tests.support.vet_role import ScriptedVetRole, ask, install_vet


class Talk:
    """A signed-in owner who talks with the vet chat."""

    def __init__(self, server: Server, phone: Phone, role: ScriptedVetRole) -> None:
        self.server, self.phone, self.role = server, phone, role

    async def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.phone.headers, **more.pop("headers", {})}
        return await self.server.client.request(method, path, headers=headers, **more)

    async def ask(self, content: str, conversation_id: str = "", **more: Any) -> httpx.Response:
        headers = more.pop("headers", {})
        body = ask(content, conversation_id, **more)
        return await self.send("POST", "/api/vet/chat", json=body, headers=headers)

    async def answer(self, content: str, conversation_id: str = "", **more: Any) -> Any:
        answer = await self.ask(content, conversation_id, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def dog(self, **more: Any) -> str:
        dog_id = uuid7()
        answer = await self.send(
            "POST", "/api/dogs", json={"dog_id": dog_id, "name": "보리", **more}
        )
        assert answer.status_code == 201, answer.text
        return dog_id

    async def read(self, conversation_id: str) -> Any:
        answer = await self.send("GET", f"/api/vet/conversations/{conversation_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def beside(self) -> Talk:
        """Another user of the same server."""
        return Talk(self.server, await self.server.guest(), self.role)


@pytest.fixture
async def talk(database_url: str, tmp_path: Path) -> AsyncIterator[Talk]:
    async with running(database_url, tmp_path, rate_limits="off") as server:
        yield Talk(server, await server.guest(), install_vet(server))
