"""The process of role `worker`: runs jobs, drains at SIGTERM, shows its metrics if asked."""

from __future__ import annotations

import asyncio
import signal
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sync_server.ai.local_role import LocalRole
from sync_server.platform import metrics
from sync_server.platform.settings import Settings

_READ_S = 5.0


async def run_worker(settings: Settings, port: int = 0, host: str = "127.0.0.1") -> None:
    """Run jobs until SIGTERM or SIGINT; then take no more, finish those under way, return.

    `port` not 0: answers /healthz and /metrics there. Raises AlreadyRunning, DatabaseError.
    """
    role = LocalRole(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await role.start()
    server = await asyncio.start_server(_answer, host, port) if port else None
    try:
        await stop.wait()
    finally:
        if server is not None:
            server.close()
        await role.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request; two paths need no web framework."""
    try:
        async with asyncio.timeout(_READ_S):
            line = await reader.readline()
            while (await reader.readline()).strip():
                pass
        path = line.split(b" ")[1] if line.count(b" ") >= 2 else b""
        status, kind, body = HTTPStatus.NOT_FOUND, "text/plain", b""
        if path == b"/healthz":
            status, kind, body = HTTPStatus.OK, "application/json", b'{"status":"ok"}'
        elif path == b"/metrics":
            status, kind, body = (
                HTTPStatus.OK,
                CONTENT_TYPE_LATEST,
                generate_latest(metrics.registry),
            )
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {kind}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
    except (TimeoutError, ConnectionError, ValueError):
        pass
    finally:
        writer.close()
