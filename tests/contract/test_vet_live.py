"""Streams of answers over real sockets: a client that leaves, a server that is killed."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx
import pytest

from edge_sdk.ids import uuid7
from tests.support.app import Server, TestClock
from tests.support.listening import listening
from tests.support.postgres import Postgres
from tests.support.process import ServerProcess
from tests.support.sse import Event, events_from, shown
from tests.support.vet_role import ScriptedVetRole, ask, install_vet
from tests.support.vet_slow_process import WORDS

pytestmark = [pytest.mark.slow, pytest.mark.anyio]
STREAM = "/api/vet/chat/stream"


async def _signed_in(client: httpx.AsyncClient) -> dict[str, str]:
    body = {"client_id": uuid7(), "device_name": "phone"}
    guest = (await client.post("/api/auth/guest", json=body)).json()
    return {"Authorization": f"Bearer {guest['access_token']}"}


async def _heard(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], pieces: int,
    **more: object,
) -> list[Event]:  # fmt: skip
    """Hear so many events, then leave."""
    heard: list[Event] = []
    with anyio.fail_after(60):
        async with client.stream(method, path, headers=headers, **more) as answer:  # type: ignore[arg-type]
            assert answer.status_code == 200
            async for event in events_from(answer.aiter_lines()):
                heard.append(event)
                if len(heard) >= pieces:
                    break
    return heard


# --- a client that leaves ------------------------------------------------------------------


@dataclass
class Live:
    """A listening server, a client of it, and its vet role."""

    client: httpx.AsyncClient
    headers: dict[str, str]
    role: ScriptedVetRole

    async def becomes(self, running: int) -> None:
        """The role lives in another thread: it is looked at, not waited for."""
        for _ in range(400):
            if self.role.running == running:
                return
            await anyio.sleep(0.025)
        raise AssertionError(f"{self.role.running} calls under way, not {running}")


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    limits = httpx.Limits(max_connections=100)
    with listening(url, tmp_path, rate_limits="off") as (address, app):
        async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
            role = install_vet(
                Server(app, client, TestClock()), lambda request: ["하나 ", 0.02, "둘 ", 60.0]
            )
            yield Live(client, await _signed_in(client), role)


async def test_clients_that_leave_end_their_calls_and_their_answers_are_kept(live: Live) -> None:
    async with anyio.create_task_group() as group:

        async def one(number: int) -> None:
            body = ask(f"질문 {number}", f"c{number}")
            heard = await _heard(live.client, "POST", STREAM, live.headers, 2, json=body)
            assert shown(heard) == "하나 둘 "

        for number in range(12):
            group.start_soon(one, number)
    await live.becomes(running=0)
    assert live.role.ended_early == 12
    metrics = (await live.client.get("/metrics")).text
    found = re.search(r"^daengdong_vet_streams (\S+)$", metrics, re.MULTILINE)
    assert found is not None and float(found[1]) == 0
    for number in range(12):
        path = f"/api/vet/conversations/c{number}"
        (turn,) = (await live.client.get(path, headers=live.headers)).json()["turns"]
        assert (turn["state"], turn["content"]) == ("interrupted", "하나 둘 ")


async def test_a_question_right_after_leaving_is_answered(live: Live) -> None:
    await _heard(live.client, "POST", STREAM, live.headers, 2, json=ask("첫째", "same"))
    live.role.script = lambda request: ["답"]
    for _ in range(50):
        answer = await live.client.post(
            "/api/vet/chat", json=ask("둘째", "same"), headers=live.headers
        )
        if answer.status_code != 409:
            break
        await asyncio.sleep(0.05)
    assert answer.status_code == 200, answer.text
    assert live.role.requests[-1].history[-1].content == "하나 둘 "


# --- a server that is killed ---------------------------------------------------------------


class SlowServer(ServerProcess):
    """The server with the slow role."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.support.vet_slow_process", str(self.port)]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_an_answer_survives_its_server(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    if kind == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.url(f"vet_{tmp_path.name}"[:60])
    process = SlowServer(tmp_path, url)
    process.start()
    try:
        async with httpx.AsyncClient(base_url=process.address, timeout=60) as client:
            headers = await _signed_in(client)
            heard = await _heard(client, "POST", STREAM, headers, 30, json=ask("길게", "k"))
            turn_id = heard[0].id.split(".")[0]
            # Heard on, so that the process dies while it writes.
            rest = asyncio.create_task(
                _heard(client, "GET", f"{STREAM}/{turn_id}", headers, 10_000)
            )
            await anyio.sleep(1.0)
            await anyio.to_thread.run_sync(process.kill)
            with pytest.raises(httpx.HTTPError):
                await rest
            await anyio.to_thread.run_sync(process.start)
            text, last = shown(heard), heard[-1].id
            for _ in range(30):
                answer = await client.get(
                    f"{STREAM}/{turn_id}", headers={**headers, "Last-Event-ID": last}
                )
                if answer.status_code != 409:
                    break
                # On PostgreSQL another process may still be writing it: its lease runs out.
                await anyio.sleep(1)
            assert answer.status_code == 200, answer.text
            events = [event async for event in events_from(_lines(answer.text))]
            assert shown(events, text) == "".join(WORDS)
            assert events[-1].name == "final"
            assert events[-1].data["answer"]["content"] == "".join(WORDS)
    finally:
        process.stop()


async def _lines(text: str) -> AsyncIterator[str]:
    for line in text.splitlines():
        yield line
