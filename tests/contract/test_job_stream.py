"""The live stream of a job over real sockets: live, pinged, resumed, and nothing left behind."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import msgspec
import pytest

from edge_sdk.ids import uuid7
from sync_server.ai.contract import Event
from sync_server.platform.webhooks import sign
from tests.support.ai_role import KEY, complete, install, progress
from tests.support.app import Server, TestClock
from tests.support.listening import listening

pytestmark = [pytest.mark.slow, pytest.mark.anyio]
RESULT = {"emotion": {"predicted_emotion": "happy", "confidence": 0.8, "summary": "좋아요"}}


@dataclass
class Live:
    """A listening server, and a signed-in user's client of it."""

    client: httpx.AsyncClient
    headers: dict[str, str]
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def job(self, name: str) -> str:
        body = {"analysis_id": name, "video_url": "https://h/f.mp4"}
        answer = await self.client.post("/api/face/analyze/jobs", json=body, headers=self.headers)
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["job_id"]
        return job_id

    async def say(self, job_id: str, event: Event) -> None:
        """Say something of a job as an AI role elsewhere does."""
        body = msgspec.json.encode(event)
        headers = sign([KEY], f"msg_{next(self.numbers)}", int(time.time()), body)
        path = f"/internal/face/jobs/{job_id}/events"
        answer = await self.client.post(path, content=body, headers=headers)
        assert answer.status_code == 200, answer.text

    @asynccontextmanager
    async def follow(self, job_id: str, after: str = "") -> AsyncIterator[AsyncIterator[str]]:
        headers = self.headers | ({"Last-Event-ID": after} if after else {})
        path = f"/api/jobs/{job_id}/events"
        async with self.client.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == 200
            yield answer.aiter_lines()

    async def streams(self) -> int:
        text = (await self.client.get("/metrics")).text
        found = re.search(r"^daengdong_job_streams (\S+)$", text, re.MULTILINE)
        assert found
        return int(float(found[1]))

    async def becomes(self, streams: int) -> None:
        deadline = time.monotonic() + 30
        while await self.streams() != streams:
            assert time.monotonic() < deadline, f"{await self.streams()} streams, not {streams}"
            await anyio.sleep(0.05)


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    settings = {"rate_limits": "off", "internal_secrets": KEY}
    limits = httpx.Limits(max_connections=100)
    with listening(url, tmp_path, **settings) as (address, app):
        async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
            install(Server(app, client, TestClock()))
            body = {"client_id": uuid7(), "device_name": "phone"}
            guest = (await client.post("/api/auth/guest", json=body)).json()
            yield Live(client, {"Authorization": f"Bearer {guest['access_token']}"})


async def _next(lines: AsyncIterator[str], start: str) -> str:
    with anyio.fail_after(30):
        async for line in lines:
            if line.startswith(start):
                return line.removeprefix(start)
    raise AssertionError("the stream has ended")


async def test_each_event_arrives_while_the_job_runs_and_the_stream_ends_with_it(
    live: Live,
) -> None:
    job_id = await live.job("a")
    async with live.follow(job_id) as lines:
        assert await _next(lines, "event: ") == "status"
        await _next(lines, "data: ")
        for percent in (5, 40, 72):
            await live.say(job_id, progress("FACE_DETECTION", percent, seq=percent))
            said = msgspec.json.decode(await _next(lines, "data: "))
            assert said["progress"]["percent"] == percent
        await live.say(job_id, complete(RESULT, "succeeded", seq=99))
        assert await _next(lines, "event: ") == "complete"
        with anyio.fail_after(30):
            rest = [line async for line in lines]
        assert any('"status":"finished"' in line for line in rest)
    await live.becomes(0)


async def test_streams_that_break_off_leave_nothing_and_the_database_answers(live: Live) -> None:
    job_ids = [await live.job(str(number)) for number in range(4)]
    async with anyio.create_task_group() as group:

        async def listen(job_id: str) -> None:
            async with live.follow(job_id) as lines:
                await _next(lines, "event: ")
                await anyio.sleep(60)

        for _ in range(6):
            for job_id in job_ids:
                group.start_soon(listen, job_id)
        await live.becomes(24)
        # While they wait they look; leaving in the middle of a look must not lose a connection.
        await anyio.sleep(1.5)
        group.cancel_scope.cancel()
    await live.becomes(0)
    for job_id in job_ids:
        await live.say(job_id, progress("FACE_DETECTION", 40, seq=1))
        status = await live.client.get(f"/api/face/analyze/jobs/{job_id}", headers=live.headers)
        assert status.json()["progress"] == 40


async def test_a_quiet_stream_is_pinged(live: Live) -> None:
    job_id = await live.job("a")
    async with live.follow(job_id) as lines:
        assert await _next(lines, ":") == " ping"
