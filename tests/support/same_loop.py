"""The application in the test's own event loop.

Litestar's AsyncTestClient runs the application in another thread's loop; a test that also opens
the database itself would then use asyncpg's connections from two loops, which breaks them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx

from sync_server.app import create_app
from sync_server.platform.settings import load_settings
from sync_server.platform.tokens import CurrentUser
from tests.support.app import Phone, Server, TestClock


@asynccontextmanager
async def running_here(
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
    transport = httpx.ASGITransport(app=cast("Any", app), raise_app_exceptions=False)
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://testserver.local") as client,
    ):
        yield Server(app, cast("Any", client), own)


async def user_no_of(server: Server, phone: Phone) -> int:
    """Return the account number of a signed-in phone."""
    async with server.platform.database.read() as tx:
        return int(
            await tx.fetch_value("SELECT user_no FROM app_user WHERE user_id = ?", phone.user_id)
        )


async def renew(server: Server, phone: Phone) -> None:
    """Give the phone a fresh access token after the test has moved the clock."""
    user = CurrentUser(await user_no_of(server, phone), phone.user_id, phone.client_id)
    phone.headers["Authorization"] = f"Bearer {server.platform.signer.access_token(user)}"
