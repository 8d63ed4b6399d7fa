"""The application in this process, with a clock the test can move, and signed-in phones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar

from edge_sdk.ids import uuid7
from sync_server.app import create_app
from sync_server.platform.context import Platform
from sync_server.platform.settings import load_settings

START_MS = 1_795_000_000_000  # 2026-11-18


class TestClock:
    """A clock that only moves when told."""

    __test__ = False

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, *, ms: int = 0, s: float = 0, hours: float = 0, days: float = 0) -> None:
        self.now_ms += ms + int(s * 1000 + hours * 3_600_000 + days * 86_400_000)


@dataclass
class Phone:
    """A signed-in device."""

    user_id: str
    client_id: str
    headers: dict[str, str]
    tokens: dict[str, Any] = field(default_factory=dict)


@dataclass
class Server:
    """The running application, its HTTP client and its clock."""

    app: Litestar
    client: httpx.AsyncClient
    clock: TestClock

    @property
    def platform(self) -> Platform:
        platform: Platform = self.app.state.platform
        return platform

    async def guest(self, name: str = "phone") -> Phone:
        """Sign in a new guest on a new device."""
        client_id = uuid7()
        answer = await self.client.post(
            "/api/auth/guest", json={"client_id": client_id, "device_name": name}
        )
        assert answer.status_code == 201, answer.text
        tokens = answer.json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        return Phone(tokens["user_id"], client_id, headers, tokens)


@asynccontextmanager
async def running(
    database_url: str, folder: Path, clock: TestClock | None = None, **settings: str
) -> AsyncIterator[Server]:
    """Run the application on a database; settings are given in lower case without prefix."""
    environment = {
        "DAENGDONG_DATABASE_URL": database_url,
        "DAENGDONG_DATA_DIR": str(folder),
        "DAENGDONG_LOG_LEVEL": "warning",
        **{f"DAENGDONG_{name.upper()}": value for name, value in settings.items()},
    }
    own = clock or TestClock()
    app = create_app(load_settings(environment), own)
    # In this event loop, so that a test may use the same database pool beside the requests.
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 40000))
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://testserver.local") as client,
    ):
        yield Server(app, client, own)
