"""`Idempotency-Key`: once executed, the same answer again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sync_server.platform import idempotency
from tests.support.accounts import renew
from tests.support.app import Phone, Server, running

pytestmark = pytest.mark.anyio
WANTED: dict[str, Any] = {"kind": "diary_photo", "content_type": "image/jpeg", "size_bytes": 1000}


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path) as running_server:
        yield running_server


async def _announce(
    server: Server, phone: Phone, key: str | None, body: dict[str, Any] | None = None
) -> httpx.Response:
    headers = phone.headers | ({} if key is None else {"Idempotency-Key": key})
    return await server.client.post("/api/uploads", json=body or WANTED, headers=headers)


async def _uploads(server: Server) -> int:
    async with server.platform.database.read() as tx:
        return int(await tx.fetch_value("SELECT COUNT(*) FROM media_object"))


async def test_the_same_key_and_request_answer_the_same_again(server: Server) -> None:
    phone = await server.guest()
    first = await _announce(server, phone, "key-1")
    server.clock.advance(s=600)
    second = await _announce(server, phone, "key-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert await _uploads(server) == 1


async def test_the_same_key_with_another_request_is_a_mismatch(server: Server) -> None:
    phone = await server.guest()
    await _announce(server, phone, "key-1")
    answer = await _announce(server, phone, "key-1", WANTED | {"size_bytes": 1001})
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_mismatch")
    assert await _uploads(server) == 1


async def test_ten_duplicates_at_once_execute_once(server: Server) -> None:
    phone = await server.guest()
    answers = await asyncio.gather(*(_announce(server, phone, "key-1") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await _uploads(server) == 1


async def test_without_a_key_every_request_counts(server: Server) -> None:
    phone = await server.guest()
    keys = {(await _announce(server, phone, None)).json()["key"] for _ in range(2)}
    assert len(keys) == 2


async def test_keys_of_two_users_do_not_meet(server: Server) -> None:
    phones = [await server.guest(), await server.guest()]
    keys = {(await _announce(server, phone, "key-1")).json()["key"] for phone in phones}
    assert len(keys) == 2


async def test_a_failed_request_leaves_its_key_free(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, media_quota_bytes="1500") as server:
        phone = await server.guest()
        await _announce(server, phone, "first")
        refused = await _announce(server, phone, "second")
        assert (refused.status_code, refused.json()["code"]) == (403, "quota_exceeded")
        async with server.platform.database.transaction() as tx:
            await tx.execute("DELETE FROM media_object")
        assert (await _announce(server, phone, "second")).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 65, "two words", "tab\there", "caf\u00e9"])
async def test_a_key_that_is_not_visible_ascii_is_invalid(server: Server, key: str) -> None:
    token = (await server.guest()).headers["Authorization"].encode()
    answer = await server.client.post(
        "/api/uploads",
        json=WANTED,
        headers={b"Authorization": token, b"Idempotency-Key": key.encode()},
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


async def test_answers_are_kept_for_24_hours(server: Server) -> None:
    phone = await server.guest()
    first = (await _announce(server, phone, "key-1")).json()["key"]
    server.clock.advance(hours=24)
    await renew(server, phone)
    # An old answer does not count even where the sweeper has not come by yet.
    second = await _announce(server, phone, "key-1")
    assert second.json()["key"] != first
    server.clock.advance(hours=24)
    await idempotency.sweep(server.platform, server.clock())
    async with server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT COUNT(*) FROM idempotent_answer") == 0
