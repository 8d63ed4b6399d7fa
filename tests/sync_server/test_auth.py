"""Sign-in of guests, devices, access and refresh tokens, and what attackers try with them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from edge_sdk.ids import uuid7
from sync_server.auth import service as auth
from sync_server.auth import sessions
from sync_server.platform.tokens import CurrentUser, TokenSigner
from tests.support.app import Phone, Server, running
from tests.support.log_watch import LogWatch, watching

pytestmark = pytest.mark.anyio


@pytest.fixture
async def log_watch() -> AsyncIterator[LogWatch]:
    """Every test of this file also is a test that no secret is written anywhere."""
    with watching() as watch:
        yield watch
        assert watch.leaks() == []


@pytest.fixture
async def server(database_url: str, tmp_path: Path, log_watch: LogWatch) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path, log_level="debug") as server:
        log_watch.watch(server.client)
        yield server


async def post(server: Server, path: str, status: int, **body: Any) -> dict[str, Any]:
    answer = await server.client.post(path, json=body)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"].startswith("application/problem+json")
    return answer.json() if answer.content else {}


async def refresh(server: Server, token: str, client_id: str) -> httpx.Response:
    return await server.client.post(
        "/api/auth/refresh", json={"refresh_token": token, "client_id": client_id}
    )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def me(server: Server, token: str) -> httpx.Response:
    return await server.client.get("/api/me", headers=bearer(token))


# Guests ------------------------------------------------------------------------------------


async def test_a_guest_signs_up_and_is_who_the_token_says(server: Server) -> None:
    phone = await server.guest()
    assert phone.tokens["expires_in"] == 900
    assert len(phone.tokens["guest_secret"]) == 43
    assert (await me(server, phone.tokens["access_token"])).json()["user_id"] == phone.user_id


async def test_a_guest_signs_in_again_on_the_same_and_on_another_device(server: Server) -> None:
    phone = await server.guest()
    for client_id in (phone.client_id, uuid7()):
        answer = await post(
            server, "/api/auth/guest", 201, client_id=client_id, device_name="again",
            user_id=phone.user_id, guest_secret=phone.tokens["guest_secret"],
        )  # fmt: skip
        assert answer["user_id"] == phone.user_id
        assert answer["guest_secret"] is None
    async with server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT COUNT(*) FROM sync_client") == 2
        assert await tx.fetch_value("SELECT COUNT(*) FROM app_user") == 1


async def test_a_sign_up_with_its_own_secret_survives_a_lost_answer(server: Server) -> None:
    body = {"client_id": uuid7(), "device_name": "p", "guest_secret": "s" * 20 + uuid7()}
    first = await post(server, "/api/auth/guest", 201, **body)
    assert (await post(server, "/api/auth/guest", 201, **body))["user_id"] == first["user_id"]
    other = {**body, "guest_secret": "another-secret-" + uuid7()}
    assert (await post(server, "/api/auth/guest", 409, **other))["code"] == "client_bound"


async def test_the_same_sign_up_ten_times_at_once_makes_one_account(server: Server) -> None:
    body = {"client_id": uuid7(), "device_name": "p", "guest_secret": "s" * 20 + uuid7()}
    answers = await asyncio.gather(
        *(post(server, "/api/auth/guest", 201, **body) for _ in range(10))
    )
    assert len({answer["user_id"] for answer in answers}) == 1


@pytest.mark.parametrize("known", [True, False])
async def test_a_wrong_secret_is_refused_like_an_unknown_user(server: Server, known: bool) -> None:
    phone = await server.guest()
    answer = await post(
        server, "/api/auth/guest", 401, client_id=uuid7(), device_name="thief",
        user_id=phone.user_id if known else uuid7(), guest_secret="guess-" * 8,
    )  # fmt: skip
    assert answer["code"] == "unauthorized"


async def test_a_device_of_another_user_is_bound(server: Server) -> None:
    mine, other = await server.guest(), await server.guest()
    answer = await post(
        server, "/api/auth/guest", 409, client_id=mine.client_id, device_name="p",
        user_id=other.user_id, guest_secret=other.tokens["guest_secret"],
    )  # fmt: skip
    assert answer["code"] == "client_bound"
    answer = await post(server, "/api/auth/guest", 409, client_id=mine.client_id, device_name="p")
    assert answer["code"] == "client_bound"
    response = await server.client.post(
        "/api/auth/clients",
        json={"client_id": mine.client_id, "device_name": "p"},
        headers=other.headers,
    )
    assert response.status_code == 409


async def test_a_further_device_id_is_registered_once(server: Server) -> None:
    phone, client_id = await server.guest(), uuid7()
    for _ in range(2):
        response = await server.client.post(
            "/api/auth/clients",
            json={"client_id": client_id, "device_name": "watch"},
            headers=phone.headers,
        )
        assert response.status_code == 201
        assert response.json() == {
            "client_id": client_id, "device_name": "watch", "last_seq": 0,
        }  # fmt: skip


async def test_the_secret_is_stored_as_argon2_and_tokens_as_hashes(server: Server) -> None:
    phone = await server.guest()
    await refresh(server, phone.tokens["refresh_token"], phone.client_id)
    stored = []
    async with server.platform.database.read() as tx:
        for table in ("app_user", "sync_client", "token_family", "refresh_token"):
            stored += [str(tuple(r)) for r in await tx.fetch_tuples(f"SELECT * FROM {table}")]
    text = "\n".join(stored)
    assert "$argon2id$" in text
    for name in ("guest_secret", "refresh_token", "access_token"):
        assert phone.tokens[name] not in text


# Refresh -----------------------------------------------------------------------------------


async def test_refreshing_rotates(server: Server) -> None:
    phone = await server.guest()
    token = phone.tokens["refresh_token"]
    for _ in range(5):
        server.clock.advance(hours=1)
        answer = await refresh(server, token, phone.client_id)
        assert answer.status_code == 200, answer.text
        assert answer.json()["refresh_token"] != token
        assert answer.json()["guest_secret"] is None
        token = answer.json()["refresh_token"]
        assert (await me(server, answer.json()["access_token"])).status_code == 200


async def test_a_refresh_token_used_fifty_times_at_once_gives_one_new_token(
    server: Server,
) -> None:
    phone = await server.guest()
    answers = await asyncio.gather(
        *(refresh(server, phone.tokens["refresh_token"], phone.client_id) for _ in range(50))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 50}
    successors = {answer.json()["refresh_token"] for answer in answers}
    assert len(successors) == 1
    async with server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT COUNT(*) FROM refresh_token") == 2
    server.clock.advance(hours=1)
    assert (await refresh(server, successors.pop(), phone.client_id)).status_code == 200


async def test_a_lost_answer_is_given_again_within_ten_seconds(server: Server) -> None:
    phone = await server.guest()
    first = await refresh(server, phone.tokens["refresh_token"], phone.client_id)
    server.clock.advance(s=10)
    again = await refresh(server, phone.tokens["refresh_token"], phone.client_id)
    assert again.json()["refresh_token"] == first.json()["refresh_token"]


async def test_reuse_after_the_grace_revokes_the_family_and_it_stays_revoked(
    server: Server, log_watch: LogWatch
) -> None:
    phone = await server.guest()
    first = await refresh(server, phone.tokens["refresh_token"], phone.client_id)
    server.clock.advance(ms=10_001)
    reused = await refresh(server, phone.tokens["refresh_token"], phone.client_id)
    assert (reused.status_code, reused.json()["code"]) == (401, "refresh_refused")
    for _ in range(3):
        answer = await refresh(server, first.json()["refresh_token"], phone.client_id)
        assert answer.status_code == 401
        server.clock.advance(days=1)
    assert "sign_in_revoked" in log_watch.written.getvalue()
    again = await post(
        server, "/api/auth/guest", 201, client_id=phone.client_id, device_name="p",
        user_id=phone.user_id, guest_secret=phone.tokens["guest_secret"],
    )  # fmt: skip
    assert (await refresh(server, again["refresh_token"], phone.client_id)).status_code == 200


async def test_use_from_another_device_revokes_the_family(server: Server) -> None:
    phone = await server.guest()
    stolen = await refresh(server, phone.tokens["refresh_token"], uuid7())
    assert stolen.status_code == 401
    own = await refresh(server, phone.tokens["refresh_token"], phone.client_id)
    assert own.status_code == 401


async def test_another_sign_in_of_the_user_is_untouched_by_a_revocation(server: Server) -> None:
    phone = await server.guest()
    second = await post(
        server, "/api/auth/guest", 201, client_id=uuid7(), device_name="tablet",
        user_id=phone.user_id, guest_secret=phone.tokens["guest_secret"],
    )  # fmt: skip
    await refresh(server, phone.tokens["refresh_token"], uuid7())
    answer = await refresh(server, second["refresh_token"], second["client_id"])
    assert answer.status_code == 200


async def test_a_reuse_that_races_a_rotation_leaves_no_living_token(server: Server) -> None:
    phone = await server.guest()
    old = phone.tokens["refresh_token"]
    current = (await refresh(server, old, phone.client_id)).json()["refresh_token"]
    server.clock.advance(s=11)
    answers = await asyncio.gather(
        *(refresh(server, token, phone.client_id) for token in (current, old) * 10)
    )
    given = {a.json()["refresh_token"] for a in answers if a.status_code == 200}
    for token in given:
        assert (await refresh(server, token, phone.client_id)).status_code == 401


async def test_logout_revokes_and_may_be_repeated(server: Server) -> None:
    phone = await server.guest()
    for _ in range(2):
        await post(server, "/api/auth/logout", 204, refresh_token=phone.tokens["refresh_token"])
    answer = await refresh(server, phone.tokens["refresh_token"], phone.client_id)
    assert answer.status_code == 401
    await post(server, "/api/auth/logout", 204, refresh_token="never-existed")


async def test_an_old_refresh_token_expires_and_is_swept(server: Server) -> None:
    phone = await server.guest()
    server.clock.advance(days=60)
    answer = await refresh(server, phone.tokens["refresh_token"], phone.client_id)
    assert answer.status_code == 401
    await auth.sweep(server.platform, server.clock())
    async with server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT COUNT(*) FROM refresh_token") == 0
        assert await tx.fetch_value("SELECT COUNT(*) FROM token_family") == 0


async def test_a_family_that_is_used_lives_longer_than_sixty_days(server: Server) -> None:
    phone = await server.guest()
    token = phone.tokens["refresh_token"]
    for _ in range(4):
        server.clock.advance(days=40)
        await auth.sweep(server.platform, server.clock())
        answer = await refresh(server, token, phone.client_id)
        assert answer.status_code == 200, answer.text
        token = answer.json()["refresh_token"]


async def test_a_changed_server_key_refuses_instead_of_inventing_a_token(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path, secret_key="first-key-" * 4) as server:
        phone = await server.guest()
        await refresh(server, phone.tokens["refresh_token"], phone.client_id)
    async with running(database_url, tmp_path, secret_key="other-key-" * 4) as server:
        answer = await refresh(server, phone.tokens["refresh_token"], phone.client_id)
        assert answer.status_code == 401


# What attackers try -------------------------------------------------------------------------


async def test_a_refresh_token_is_no_access_token_and_the_other_way_round(
    server: Server,
) -> None:
    phone = await server.guest()
    assert (await me(server, phone.tokens["refresh_token"])).status_code == 401
    answer = await refresh(server, phone.tokens["access_token"], phone.client_id)
    assert answer.json()["code"] == "refresh_refused"


def _signing_key(server: Server) -> bytes:
    return server.platform.signer._access_key


async def test_forged_tokens_are_refused(server: Server) -> None:
    phone = await server.guest()
    claims = jwt.decode(phone.tokens["access_token"], options={"verify_signature": False})
    key = _signing_key(server)

    def unsigned(algorithm: str) -> str:
        parts = ({"alg": algorithm, "typ": "JWT"}, claims)
        texts = (base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts)
        return b".".join((*texts, b"")).decode()

    def signed(**changed: Any) -> str:
        kept = {name: value for name, value in {**claims, **changed}.items() if value is not None}
        return jwt.encode(kept, key, algorithm="HS256")

    assert (await me(server, signed())).status_code == 200
    header, body, signature = phone.tokens["access_token"].split(".")
    other = TokenSigner("another secret key", 900, server.clock)
    forged = {
        "alg none": unsigned("none"),
        "alg None": unsigned("None"),
        "other key": other.access_token(CurrentUser(1, phone.user_id, phone.client_id)),
        "other algorithm": jwt.encode(claims, key * 2, algorithm="HS512"),
        "wrong audience": signed(aud="somebody-else"),
        "no audience": signed(aud=None),
        "wrong issuer": signed(iss="somebody-else"),
        "no expiry": signed(exp=None),
        "no jti": signed(jti=None),
        "other kind": signed(typ="refresh"),
        "number as text": signed(no="x"),
        "other user's number": signed(no=claims["no"] + 1),
        "other user's id": signed(sub=uuid7()),
        "cut": phone.tokens["access_token"][:-4],
        "empty signature": f"{header}.{body}.",
        "swapped": f"{body}.{header}.{signature}",
        "no token": "",
        "no ascii": "é",
    }
    for name, token in forged.items():
        answer = await server.client.get(
            "/api/me", headers={b"Authorization": f"Bearer {token}".encode()}
        )
        assert answer.status_code == 401, name
        assert answer.json()["code"] == "unauthorized", name
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_an_access_token_expires_after_fifteen_minutes(server: Server) -> None:
    phone = await server.guest()
    server.clock.advance(s=899)
    assert (await me(server, phone.tokens["access_token"])).status_code == 200
    server.clock.advance(s=1)
    answer = await me(server, phone.tokens["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"client_id": "\\ud800"}',
        b'{"client_id": 7, "device_name": "p"}',
        b'{"client_id": "not-a-uuid", "device_name": "p"}',
        b'{"client_id": "%s\\n", "device_name": "p"}',
        b'{"client_id": "%s"}',
        b'{"client_id": "%s", "device_name": ""}',
        b'{"client_id": "%s", "device_name": "a\\u0000b"}',
        b'{"client_id": "%s", "device_name": ["p"]}',
        b'{"client_id": "%s", "device_name": "p", "admin": true}',
        b'{"client_id": "%s", "device_name": "p", "guest_secret": "short"}',
        b'{"client_id": "%s", "device_name": "p", "user_id": "%s"}',
        b'{"client_id": "%s", "device_name": "' + b"x" * 5000 + b'"}',
        b"[" * 5000,
    ],
)  # fmt: skip
async def test_wrong_bodies_are_problems(server: Server, body: bytes) -> None:
    answer = await server.client.post(
        "/api/auth/guest",
        content=body.replace(b"%s", uuid7().encode()),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["code"] == "invalid_input"


async def test_an_oversize_body_is_too_large(server: Server) -> None:
    answer = await server.client.post(
        "/api/auth/guest", json={"client_id": uuid7(), "device_name": "x" * 100_000}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_sign_in_is_limited_by_address_and_failures_count(server: Server) -> None:
    body = {"user_id": uuid7(), "guest_secret": "guess-" * 8, "device_name": "p"}
    answers = [
        await server.client.post("/api/auth/guest", json={**body, "client_id": uuid7()})
        for _ in range(21)
    ]
    assert [a.status_code for a in answers] == [401] * 20 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    server.clock.advance(s=3)
    assert (await server.guest()).user_id


async def test_refresh_is_limited_by_family(server: Server) -> None:
    phone, other = await server.guest(), await server.guest()
    token = phone.tokens["refresh_token"]
    answers = [await refresh(server, token, phone.client_id) for _ in range(121)]
    assert [a.status_code for a in answers] == [200] * 120 + [429]
    assert (
        await refresh(server, other.tokens["refresh_token"], other.client_id)
    ).status_code == 200


def test_an_ipv6_network_counts_as_one_address() -> None:
    assert auth.network_of("2001:db8::1") == auth.network_of("2001:db8::ffff:1")
    assert auth.network_of("2001:db8::1") != auth.network_of("2001:db8:0:1::1")
    assert auth.network_of("::ffff:192.0.2.7") == auth.network_of("192.0.2.7")


async def test_many_sign_ins_at_once_leave_the_server_answering(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path, rate_limits="off") as server:
        phones: list[Phone] = await asyncio.gather(*(server.guest() for _ in range(40)))
        assert len({phone.user_id for phone in phones}) == 40


async def test_a_server_fault_in_a_sign_in_is_logged_without_secrets(
    server: Server, log_watch: LogWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = await server.guest()

    async def stumble(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a stumble")

    monkeypatch.setattr(sessions, "_advance", stumble)
    answer = await refresh(server, phone.tokens["refresh_token"], phone.client_id)
    assert (answer.status_code, answer.json()["code"]) == (500, "server_fault")
    # The watch really sees the log; its fixture then looks for secrets in it.
    assert "server_fault" in log_watch.written.getvalue()
    assert "a stumble" in log_watch.written.getvalue()
    assert len(log_watch.secrets) >= 3
