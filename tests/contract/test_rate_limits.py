"""Rate limits hold across processes: two real servers over one PostgreSQL."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest

from edge_sdk.ids import uuid7
from sync_server.platform import rate_limit
from tests.support.postgres import Postgres
from tests.support.process import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.anyio]
AT_ONCE = 60


@pytest.fixture
def servers(postgres: Postgres, tmp_path: Path) -> Iterator[list[ServerProcess]]:
    """Two processes with one database and one secret key."""
    url = postgres.url(f"limits_{tmp_path.name}")
    settings = {"DAENGDONG_RATE_LIMITS": "on", "DAENGDONG_SECRET_KEY": "one key for both" * 3}
    started = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        started.append(ServerProcess(tmp_path / name, url, settings))
    try:
        for server in started:
            server.start()
        yield started
    finally:
        for server in started:
            server.stop()


async def test_sixty_sign_ins_at_once_at_two_servers_pass_the_burst_and_no_more(
    servers: list[ServerProcess],
) -> None:
    bucket = rate_limit.SIGN_IN
    answers: list[httpx.Response] = []
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:

        async def sign_in(number: int) -> None:
            body = {"client_id": uuid7(), "device_name": f"phone {number}"}
            address = servers[number % 2].address
            answers.append(await client.post(f"{address}/api/auth/guest", json=body))

        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for number in range(AT_ONCE):
                group.start_soon(sign_in, number)
        took_s = time.monotonic() - began
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) == {201, 429}, statuses
        assert bucket.burst <= statuses[201] <= bucket.burst + 1 + bucket.per_s * took_s, statuses
        refused = [answer for answer in answers if answer.status_code == 429]
        waits_s = {int(answer.headers["retry-after"]) for answer in refused}
        assert min(waits_s) >= 1
        assert {answer.json()["code"] for answer in refused} == {"rate_limited"}
        # Who waits as long as asked gets in, at either server.
        await anyio.sleep(max(waits_s))
        answers.clear()
        await sign_in(1)
        assert answers[0].status_code == 201
        # Another device's sign-in does not use up what signed-in users have.
        token = answers[0].json()["access_token"]
        for server in servers:
            me = await client.get(
                f"{server.address}/api/me", headers={"Authorization": f"Bearer {token}"}
            )
            assert me.status_code == 200


async def test_writes_of_one_user_are_counted_together(servers: list[ServerProcess]) -> None:
    bucket, statuses = rate_limit.UPLOAD, Counter[int]()
    async with httpx.AsyncClient(timeout=60) as client:
        body = {"client_id": uuid7(), "device_name": "phone"}
        guest = await client.post(f"{servers[0].address}/api/auth/guest", json=body)
        headers = {"Authorization": f"Bearer {guest.json()['access_token']}"}
        upload = {"kind": "diary_photo", "content_type": "image/jpeg", "size_bytes": 1}

        async def announce(number: int) -> None:
            address = servers[number % 2].address
            answer = await client.post(f"{address}/api/uploads", json=upload, headers=headers)
            statuses[answer.status_code] += 1

        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for number in range(AT_ONCE):
                group.start_soon(announce, number)
        took_s = time.monotonic() - began
    refilled = 1 + bucket.per_s * took_s
    assert set(statuses) <= {201, 403, 429}, statuses
    assert bucket.burst <= AT_ONCE - statuses[429] <= bucket.burst + refilled, statuses
