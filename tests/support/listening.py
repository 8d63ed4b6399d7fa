"""The application in this process behind a real socket, for tools that bring their own client."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from litestar import Litestar

from sync_server.app import create_app
from sync_server.platform.settings import load_settings
from tests.support.postgres import free_port


@contextmanager
def listening(database_url: str, folder: Path, **settings: str) -> Iterator[tuple[str, Litestar]]:
    """Serve the application from a thread; yield its address and the application."""
    port = free_port()
    environment = {
        "DAENGDONG_DATABASE_URL": database_url,
        "DAENGDONG_DATA_DIR": str(folder),
        "DAENGDONG_LOG_LEVEL": "error",
        "DAENGDONG_PUBLIC_URL": f"http://127.0.0.1:{port}",
        **{f"DAENGDONG_{name.upper()}": value for name, value in settings.items()},
    }
    app = create_app(load_settings(environment))
    server = uvicorn.Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]
            host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=2,
        )
    )  # fmt: skip
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
        time.sleep(0.02)
    address = f"http://127.0.0.1:{port}"
    assert httpx.get(f"{address}/readyz").status_code == 200
    try:
        yield address, app
    finally:
        server.should_exit = True
        thread.join(30)
