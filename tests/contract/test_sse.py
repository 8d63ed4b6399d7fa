"""GET /api/sync/events of a real server: pokes at once, the right user only, leaves nothing."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx
import msgspec
import pytest

from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import SettingsSet, make_fact
from sync_server.platform.clock import system_clock
from sync_server.platform.sse import PING
from tests.support.process import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.anyio]
SOON_S = 1.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path, f"sqlite:///{tmp_path / 'test.sqlite'}")
    process.start()
    yield process
    process.stop()


@dataclass
class Device:
    """A signed-in device with its own log."""

    client: httpx.AsyncClient
    client_id: str
    headers: dict[str, str]
    account: dict[str, str]
    seq: int = 0

    @classmethod
    async def of(cls, client: httpx.AsyncClient, account: dict[str, str] | None = None) -> Device:
        client_id = uuid7()
        body = {"client_id": client_id, "device_name": "phone", **(account or {})}
        answer = (await client.post("/api/auth/guest", json=body)).json()
        known = account or {name: answer[name] for name in ("user_id", "guest_secret")}
        return cls(client, client_id, {"Authorization": f"Bearer {answer['access_token']}"}, known)

    async def push(self) -> None:
        self.seq += 1
        stamp = f"{system_clock():015d}-0000-{self.client_id}"
        fact = make_fact(self.seq, SettingsSet("map.zoom", self.seq, stamp))
        body = msgspec.json.encode({"client_id": self.client_id, "facts": [fact]})
        answer = await self.client.post("/api/sync/push", content=body, headers=self.headers)
        assert answer.status_code == 200, answer.text

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[AsyncIterator[str]]:
        async with self.client.stream("GET", "/api/sync/events", headers=self.headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[str]:
    """Names of events; comments (pings) are `: ...` lines and no events."""
    async for line in answer.aiter_lines():
        if line.startswith("event: "):
            yield line.removeprefix("event: ")


async def _next(events: AsyncIterator[str], within_s: float = SOON_S) -> str:
    with anyio.fail_after(within_s):
        return await anext(events)


async def _open_streams(client: httpx.AsyncClient) -> int:
    text = (await client.get("/metrics")).text
    found = re.search(r"^daengdong_event_streams (\S+)$", text, re.MULTILINE)
    assert found, "the metric is missing"
    return int(float(found[1]))


async def _becomes(client: httpx.AsyncClient, streams: int) -> None:
    deadline = time.monotonic() + 10
    while await _open_streams(client) != streams:
        assert time.monotonic() < deadline, f"{await _open_streams(client)} streams, not {streams}"
        await anyio.sleep(0.05)


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=server.address, timeout=30, limits=limits) as opened:
        yield opened


async def test_a_push_pokes_the_other_devices_of_the_user_and_nobody_else(
    client: httpx.AsyncClient,
) -> None:
    phone = await Device.of(client)
    tablet = await Device.of(client, phone.account)
    stranger = await Device.of(client)
    async with tablet.stream() as events, stranger.stream() as others:
        assert await _next(events) == "pull"
        assert await _next(others) == "pull"
        await _becomes(client, 2)
        for _ in range(3):
            await phone.push()
            assert await _next(events) == "pull"
        with pytest.raises(TimeoutError):
            await _next(others, within_s=1.5)
    await _becomes(client, 0)


async def test_a_change_by_a_route_pokes_too(client: httpx.AsyncClient) -> None:
    phone = await Device.of(client)
    tablet = await Device.of(client, phone.account)
    async with tablet.stream() as events:
        assert await _next(events) == "pull"
        dog = {"dog_id": uuid7(), "name": "보리"}
        await client.post("/api/dogs", json=dog, headers=phone.headers)
        assert await _next(events) == "pull"
        entry = {"date": "2026-11-18", "text": "산책"}
        await client.put(f"/api/diary/{uuid7()}", json=entry, headers=phone.headers)
        assert await _next(events) == "pull"


async def test_streams_that_break_off_leave_nothing_behind(client: httpx.AsyncClient) -> None:
    phone = await Device.of(client)
    for _ in range(2):
        async with anyio.create_task_group() as group:

            async def listen() -> None:
                async with phone.stream() as events:
                    await _next(events, within_s=10)
                    await anyio.sleep(30)

            for _ in range(20):
                group.start_soon(listen)
            await _becomes(client, 20)
            group.cancel_scope.cancel()
        await _becomes(client, 0)
    # Who pushes afterwards pokes nobody and fails at nothing.
    await phone.push()


async def test_a_quiet_stream_stays_open_past_a_ping_and_still_pokes(
    client: httpx.AsyncClient,
) -> None:
    phone = await Device.of(client)
    lines: list[str] = []
    async with client.stream("GET", "/api/sync/events", headers=phone.headers) as answer:
        reading = answer.aiter_lines()
        with anyio.move_on_after(20):
            async for line in reading:
                lines.append(line)
                if line.startswith(":"):
                    break
        assert any(line.startswith(":") for line in lines), lines
        await phone.push()
        with anyio.fail_after(SOON_S):
            async for line in reading:
                if line == "event: pull":
                    break


async def test_a_server_that_stops_does_not_wait_for_open_streams(
    client: httpx.AsyncClient, server: ServerProcess
) -> None:
    phone = await Device.of(client)
    async with phone.stream() as events:
        await _next(events)
        began = time.monotonic()
        await anyio.to_thread.run_sync(server.stop)
        assert time.monotonic() - began < 15


def test_a_ping_is_a_comment_and_no_message() -> None:
    assert PING.encode() == b": ping\r\n\r\n"
