"""The account: profile, consents, export, and an erasure that really erases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_sdk.ids import uuid7
from sync_server import domains
from sync_server.platform import feed
from sync_server.platform.database import DatabaseBusy, Tx
from sync_server.platform.tokens import CurrentUser
from sync_server.users import service as users
from tests.support.app import Phone, Server, running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path) as server:
        yield server


async def get(server: Server, phone: Phone, path: str, status: int = 200) -> Any:
    answer = await server.client.get(path, headers=phone.headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def patch_me(server: Server, phone: Phone, body: bytes | dict[str, Any]) -> httpx.Response:
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    return await server.client.patch("/api/me", headers=phone.headers, **sent)


async def consent(server: Server, phone: Phone, kind: str, granted: bool, version: str) -> Any:
    answer = await server.client.put(
        "/api/consents",
        json={"kind": kind, "granted": granted, "version": version},
        headers=phone.headers,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["consents"]


async def make_dog(server: Server, phone: Phone, name: str = "보리") -> str:
    dog_id = uuid7()
    answer = await server.client.post(
        "/api/dogs", json={"dog_id": dog_id, "name": name}, headers=phone.headers
    )
    assert answer.status_code == 201, answer.text
    return dog_id


async def user_no_of(server: Server, phone: Phone) -> int:
    async with server.platform.database.read() as tx:
        return int(
            await tx.fetch_value("SELECT user_no FROM app_user WHERE user_id = ?", phone.user_id)
        )


# Profile -----------------------------------------------------------------------------------


async def test_the_profile_counts_what_the_user_has(server: Server) -> None:
    phone = await server.guest()
    await make_dog(server, phone)
    async with server.platform.database.transaction() as tx:
        user_no = await tx.fetch_value(
            "SELECT user_no FROM app_user WHERE user_id = ?", phone.user_id
        )
        for collection in ("walks", "walks", "diary"):
            await feed.publish(tx, user_no, collection, uuid7(), {"x": 1}, 1)
        await feed.publish(tx, user_no, "walks", uuid7(), None, 1)
    me = await get(server, phone, "/api/me")
    assert me["counts"] == {"dogs": 1, "walks": 2, "diary": 1, "photos": 0, "devices": 1}
    assert me["kind"] == "guest"
    assert me["display_name"].startswith("산책친구")


async def test_name_and_language_change_one_by_one(server: Server) -> None:
    phone = await server.guest()
    assert (await patch_me(server, phone, {"display_name": "  보리 아빠🐕 "})).json()[
        "display_name"
    ] == "보리 아빠🐕"
    changed = (await patch_me(server, phone, {"language": "en"})).json()
    assert (changed["display_name"], changed["language"]) == ("보리 아빠🐕", "en")
    assert (await patch_me(server, phone, {})).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"display_name": ""}, {"display_name": "   "}, {"display_name": "x" * 31},
        {"display_name": "a\u0000b"}, {"display_name": "a\nb"}, {"display_name": "a\u202eb"},
        {"display_name": 7}, {"language": "fr"}, {"user_no": 1}, {"kind": "kakao"},
        b'{"display_name": "\\ud800"}', b"{", b"[1]", b"",
    ],
)  # fmt: skip
async def test_wrong_profiles_are_refused(server: Server, body: bytes | dict[str, Any]) -> None:
    phone = await server.guest()
    answer = await patch_me(server, phone, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_nothing_answers_without_a_token(server: Server) -> None:
    for method, path in (
        ("GET", "/api/me"), ("PATCH", "/api/me"), ("DELETE", "/api/me"),
        ("GET", "/api/me/export"), ("GET", "/api/consents"), ("PUT", "/api/consents"),
        ("GET", "/api/consents/history"), ("GET", "/api/dogs"), ("POST", "/api/auth/clients"),
    ):  # fmt: skip
        answer = await server.client.request(method, path)
        assert answer.status_code == 401, (method, path)


# Consents ----------------------------------------------------------------------------------


async def test_consents_start_ungranted_and_keep_a_history(server: Server) -> None:
    phone = await server.guest()
    states = (await get(server, phone, "/api/consents"))["consents"]
    assert [(s["kind"], s["granted"], s["at_ms"]) for s in states] == [
        (kind, False, None) for kind in ("terms", "location", "camera", "marketing")
    ]
    begin = server.clock()
    for granted, version in ((True, "v1"), (True, "v1"), (False, "v1"), (True, "v2")):
        states = await consent(server, phone, "location", granted, version)
        server.clock.advance(s=1)
    assert states[1] == {
        "kind": "location", "granted": True, "version": "v2", "at_ms": begin + 3000,
    }  # fmt: skip
    history = (await get(server, phone, "/api/consents/history"))["history"]
    assert [(e["granted"], e["version"], e["at_ms"] - begin) for e in history] == [
        (True, "v1", 0), (False, "v1", 2000), (True, "v2", 3000),
    ]  # fmt: skip


async def test_has_consent_follows_grants_and_withdrawals(server: Server) -> None:
    phone, other = await server.guest(), await server.guest()
    user_no, other_no = await user_no_of(server, phone), await user_no_of(server, other)
    for granted in (True, False):
        await consent(server, phone, "location", granted, "v1")
        async with server.platform.database.read() as tx:
            assert await users.has_consent(tx, user_no, "location") is granted
            assert await users.has_consent(tx, user_no, "camera") is False
            assert await users.has_consent(tx, other_no, "location") is False


async def test_two_devices_that_grant_at_once_make_one_event(server: Server) -> None:
    phone = await server.guest()
    await asyncio.gather(*(consent(server, phone, "camera", True, "v1") for _ in range(10)))
    assert len((await get(server, phone, "/api/consents/history"))["history"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "everything", "granted": True, "version": "v1"},
        {"kind": "terms", "granted": "maybe", "version": "v1"},
        {"kind": "terms", "granted": True, "version": ""},
        {"kind": "terms", "granted": True, "version": "a b"},
        {"kind": "terms", "granted": True},
        {"kind": "terms", "granted": True, "version": "v1", "at_ms": 1},
    ],
)
async def test_wrong_consents_are_refused(server: Server, body: dict[str, Any]) -> None:
    phone = await server.guest()
    answer = await server.client.put("/api/consents", json=body, headers=phone.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


# Export ------------------------------------------------------------------------------------


async def test_the_export_holds_the_users_data_and_nobody_elses(server: Server) -> None:
    phone, other = await server.guest("my phone"), await server.guest("foreign phone")
    dog_id, foreign = await make_dog(server, phone), await make_dog(server, other, "남의 개")
    await consent(server, phone, "terms", True, "v1")
    answer = await server.client.get("/api/me/export", headers=phone.headers)
    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    export = answer.json()
    assert export["profile"]["user_id"] == phone.user_id
    assert [device["device_name"] for device in export["devices"]] == ["my phone"]
    assert [dog["dog_id"] for dog in export["collections"]["dogs"]] == [dog_id]
    assert set(export["collections"]) >= {"walks", "diary", "settings", "photos"}
    assert len(export["consent_history"]) == 1
    assert foreign not in answer.text
    assert other.user_id not in answer.text
    for secret in (phone.tokens["guest_secret"], "argon2"):
        assert secret not in answer.text


# Erasure -----------------------------------------------------------------------------------

# What stays: the account's numbers, and counters by address that expire by themselves.
KEPT = {"app_user", "rate_bucket"}


async def rows_of_user(server: Server, user_no: int, phone: Phone) -> list[str]:
    """Return the tables that still hold the user's number or one of its ids."""
    found = []
    async with server.platform.database.read() as tx:
        if tx.dialect == "sqlite":
            sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        else:
            sql = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        for (table,) in await tx.fetch_tuples(sql):
            for row in await tx.fetch_all(f'SELECT * FROM "{table}"'):
                values = {name: row[name] for name in row.keys()}  # noqa: SIM118
                mine = values.get("user_no") == user_no or any(
                    isinstance(value, str) and (phone.user_id in value or phone.client_id in value)
                    for value in values.values()
                )
                if mine and table not in KEPT:
                    found.append(table)
    return found


async def test_erasing_leaves_only_an_empty_account_row(server: Server) -> None:
    phone, other = await server.guest(), await server.guest()
    await patch_me(server, phone, {"display_name": "지울 이름"})
    await make_dog(server, phone)
    kept = await make_dog(server, other)
    await consent(server, phone, "location", True, "v1")
    await server.client.post(
        "/api/auth/refresh",
        json={"refresh_token": phone.tokens["refresh_token"], "client_id": phone.client_id},
    )
    user_no = await user_no_of(server, phone)
    assert await rows_of_user(server, user_no, phone)
    answer = await server.client.delete("/api/me", headers=phone.headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await rows_of_user(server, user_no, phone) == []
    async with server.platform.database.read() as tx:
        row = await tx.fetch_one("SELECT * FROM app_user WHERE user_no = ?", user_no)
    assert (row["display_name"], row["kakao_id"], row["secret_hash"]) == ("", None, None)
    assert row["deleted_ms"] == row["erased_ms"] == server.clock()
    dogs = (await get(server, other, "/api/dogs"))["dogs"]
    assert [dog["dog_id"] for dog in dogs] == [kept]


async def test_a_deleted_account_is_refused_at_once_everywhere(server: Server) -> None:
    phone = await server.guest()
    await server.client.delete("/api/me", headers=phone.headers)
    for method, path in (("GET", "/api/me"), ("DELETE", "/api/me"), ("GET", "/api/dogs")):
        answer = await server.client.request(method, path, headers=phone.headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    refreshed = await server.client.post(
        "/api/auth/refresh",
        json={"refresh_token": phone.tokens["refresh_token"], "client_id": phone.client_id},
    )
    assert refreshed.status_code == 401
    again = await server.client.post(
        "/api/auth/guest",
        json={
            "client_id": phone.client_id,
            "device_name": "p",
            "user_id": phone.user_id,
            "guest_secret": phone.tokens["guest_secret"],
        },
    )
    assert again.status_code == 401
    fresh = await server.client.post(
        "/api/auth/guest", json={"client_id": phone.client_id, "device_name": "p"}
    )
    assert fresh.status_code == 201
    assert fresh.json()["user_id"] != phone.user_id


async def test_deleting_twice_at_once_erases_once(server: Server) -> None:
    phone = await server.guest()
    answers = await asyncio.gather(
        *(server.client.delete("/api/me", headers=phone.headers) for _ in range(5))
    )
    assert sorted(a.status_code for a in answers) == [204] + [401] * 4


async def test_every_domain_erases_and_its_objects_go(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = await server.guest()
    user_no = await user_no_of(server, phone)
    asked: list[int] = []

    async def erase_walks(tx: Tx, user_no: int, now_ms: int) -> list[str]:
        # A domain finds its rows through the devices: they are still there.
        assert await tx.fetch_value("SELECT COUNT(*) FROM sync_client WHERE user_no = ?", user_no)
        asked.append(user_no)
        return ["media/one", "media/never-stored"]

    monkeypatch.setattr(domains, "ERASERS", [*domains.ERASERS, erase_walks])
    await server.platform.objects.put("media/one", b"picture")
    await server.platform.objects.put("media/foreign", b"picture")
    assert (await server.client.delete("/api/me", headers=phone.headers)).status_code == 204
    assert asked == [user_no]
    assert await server.platform.objects.get("media/one") is None
    assert await server.platform.objects.get("media/foreign") == b"picture"


async def test_an_erasure_that_stumbles_is_finished_by_the_sweeper(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = await server.guest()
    await make_dog(server, phone)
    user_no = await user_no_of(server, phone)

    async def busy(tx: Tx, user_no: int, now_ms: int) -> list[str]:
        raise DatabaseBusy("another process")

    with monkeypatch.context() as patched:
        patched.setattr(domains, "ERASERS", [busy])
        answer = await server.client.delete("/api/me", headers=phone.headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_busy")
    # Closed already, though not yet erased.
    assert (await server.client.get("/api/me", headers=phone.headers)).status_code == 401
    assert "dog" in await rows_of_user(server, user_no, phone)
    await users.sweep(server.platform, server.clock())
    assert await rows_of_user(server, user_no, phone) == []


async def test_writes_that_race_an_erasure_leave_nothing(server: Server) -> None:
    phone = await server.guest()
    user_no = await user_no_of(server, phone)

    async def write(number: int) -> int:
        answer = await server.client.post(
            "/api/dogs", json={"dog_id": uuid7(), "name": f"{number}"}, headers=phone.headers
        )
        return answer.status_code

    async def close() -> int:
        await asyncio.sleep(0.01)
        answer = await server.client.delete("/api/me", headers=phone.headers)
        return answer.status_code

    *written, closed = await asyncio.gather(*(write(n) for n in range(30)), close())
    assert closed == 204
    assert set(written) <= {201, 401}
    assert await rows_of_user(server, user_no, phone) == []


async def test_an_unknown_user_number_erases_nothing(server: Server) -> None:
    phone = await server.guest()
    nobody = CurrentUser(999_999, uuid7(), uuid7())
    with pytest.raises(Exception, match="unauthorized"):
        await users.erase_account(server.platform, nobody)
    assert (await get(server, phone, "/api/me"))["user_id"] == phone.user_id
