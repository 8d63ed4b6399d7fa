"""Sign-in with Kakao against a local server of the same wire format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from edge_sdk.ids import uuid7
from sync_server.auth import service as auth
from sync_server.auth.kakao import code_challenge
from tests.support.app import Server, running
from tests.support.kakao import CLIENT_ID, Fault, Kakao, Person, Step
from tests.support.log_watch import LogWatch, watching

pytestmark = pytest.mark.anyio
BACK = "https://app.daengdong.example/kakao"
OTHER_BACK = "daengdong://kakao"


@pytest.fixture
def kakao() -> Iterator[Kakao]:
    with Kakao() as kakao:
        yield kakao


@pytest.fixture
async def log_watch(kakao: Kakao) -> AsyncIterator[LogWatch]:
    """Every test of this file also is a test that no secret is written anywhere."""
    with watching() as watch:
        yield watch
        watch.secrets |= kakao.secrets_seen
        assert watch.leaks() == []


@pytest.fixture
async def server(
    database_url: str, tmp_path: Path, kakao: Kakao, log_watch: LogWatch
) -> AsyncIterator[Server]:
    settings = {**kakao.settings(BACK, OTHER_BACK), "kakao_timeout_s": "0.7"}
    async with running(database_url, tmp_path, log_level="debug", **settings) as server:
        log_watch.watch(server.client)
        yield server


async def start(server: Server, redirect_uri: str = BACK) -> dict[str, str]:
    answer = await server.client.get("/api/auth/kakao/start", params={"redirect_uri": redirect_uri})
    assert answer.status_code == 200, answer.text
    started: dict[str, str] = answer.json()
    return started


async def at_kakao(authorize_url: str) -> dict[str, str]:
    """Do what the user's browser does; return what Kakao sends back."""
    location = urlsplit(await asyncio.to_thread(_browse, authorize_url))
    return {name: values[0] for name, values in parse_qs(location.query).items()}


def _browse(url: str) -> str:
    # Not httpx: its log would hold the state, and the watch looks at all logs of the process.
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        assert answer.status == 302, answer.read()
        return answer.headers["Location"]
    finally:
        connection.close()


async def finish(
    server: Server, back: dict[str, str], headers: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    sent = {"client_id": uuid7(), "device_name": "phone", **back, **body}
    return await server.client.post("/api/auth/kakao", json=sent, headers=headers)


async def sign_in(server: Server, headers: dict[str, str] | None = None, **body: Any) -> Any:
    back = await at_kakao((await start(server))["authorize_url"])
    answer = await finish(server, back, headers, **body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_first_sign_in_makes_an_account_and_a_second_finds_it(
    server: Server, kakao: Kakao
) -> None:
    first = await sign_in(server)
    me = await server.client.get(
        "/api/me", headers={"Authorization": f"Bearer {first['access_token']}"}
    )
    assert (me.json()["kind"], me.json()["display_name"]) == ("kakao", "보리 보호자")
    assert first["guest_secret"] is None
    assert (await sign_in(server))["user_id"] == first["user_id"]
    kakao.person = Person(77)
    assert (await sign_in(server))["user_id"] != first["user_id"]


async def test_the_requests_are_in_kakaos_wire_format(server: Server, kakao: Kakao) -> None:
    await sign_in(server)
    (_, authorize), (token_path, form), (me_path, _) = kakao.requests
    assert authorize["client_id"] == CLIENT_ID
    assert authorize["response_type"] == "code"
    assert authorize["redirect_uri"] == BACK
    assert token_path == "/oauth/token"
    assert form["grant_type"] == "authorization_code"
    assert form["redirect_uri"] == BACK
    assert code_challenge(form["code_verifier"]) == authorize["code_challenge"]
    assert 43 <= len(form["code_verifier"]) <= 128
    assert me_path == "/v2/user/me"


def test_the_challenge_is_that_of_rfc_7636() -> None:
    challenge = code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


async def test_an_address_that_is_not_allowed_is_refused(server: Server) -> None:
    for uri in ("https://evil.example/", BACK + "/x", BACK.upper(), BACK + "?a=b", "x"):
        answer = await server.client.get("/api/auth/kakao/start", params={"redirect_uri": uri})
        assert answer.status_code == 400, uri
        assert answer.json()["errors"][0]["field"] == "redirect_uri"
    assert (await start(server, OTHER_BACK))["state"]


async def test_a_state_works_once(server: Server, kakao: Kakao) -> None:
    started = await start(server)
    back = await at_kakao(started["authorize_url"])
    assert back["state"] == started["state"]
    assert (await finish(server, back)).status_code == 201
    asked = len(kakao.requests)
    again = await finish(server, back)
    assert again.status_code == 400
    assert again.json()["errors"][0]["field"] == "state"
    assert len(kakao.requests) == asked


async def test_a_state_used_ten_times_at_once_signs_in_once(server: Server) -> None:
    back = await at_kakao((await start(server))["authorize_url"])
    answers = await asyncio.gather(*(finish(server, back) for _ in range(10)))
    assert sorted(a.status_code for a in answers) == [201] + [400] * 9


async def test_a_state_lives_ten_minutes(server: Server) -> None:
    back = await at_kakao((await start(server))["authorize_url"])
    server.clock.advance(s=600)
    assert (await finish(server, back)).status_code == 400
    await start(server)
    server.clock.advance(s=600)
    await auth.sweep(server.platform, server.clock())
    async with server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT COUNT(*) FROM oauth_state") == 0


async def test_a_state_that_kakao_changed_is_refused(server: Server, kakao: Kakao) -> None:
    kakao.wrong_state = True
    back = await at_kakao((await start(server))["authorize_url"])
    assert (await finish(server, back)).status_code == 400


async def test_a_code_of_another_sign_in_fails_its_pkce_check(
    server: Server, log_watch: LogWatch
) -> None:
    mine = await at_kakao((await start(server))["authorize_url"])
    stolen = await at_kakao((await start(server))["authorize_url"])
    answer = await finish(server, {"code": stolen["code"], "state": mine["state"]})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "code"


async def test_a_code_that_was_used_is_refused(server: Server) -> None:
    back = await at_kakao((await start(server))["authorize_url"])
    assert (await finish(server, back)).status_code == 201
    fresh = await start(server)
    answer = await finish(server, {"code": back["code"], "state": fresh["state"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


@pytest.mark.parametrize("step", ["token", "me"])
@pytest.mark.parametrize(
    "fault", ["500", "429", "hang", "drip", "bad_json", "wrong_json", "huge", "redirect", "cut"]
)
async def test_a_fault_of_kakao_is_upstream_failed(
    server: Server, kakao: Kakao, step: Step, fault: Fault
) -> None:
    kakao.faults[step] = fault
    back = await at_kakao((await start(server))["authorize_url"])
    began = perf_counter()
    answer = await finish(server, back)
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_failed")
    assert perf_counter() - began < 60, "a hang, not a slow machine"
    kakao.faults.clear()
    assert (await sign_in(server))["user_id"]


async def test_a_wrong_client_secret_is_the_operators_fault(
    database_url: str, tmp_path: Path, kakao: Kakao, log_watch: LogWatch
) -> None:
    settings = {**kakao.settings(BACK), "kakao_client_secret": "wrong-client-secret-0123456789"}
    log_watch.secrets.add(settings["kakao_client_secret"])
    async with running(database_url, tmp_path, **settings) as server:
        back = await at_kakao((await start(server))["authorize_url"])
        assert (await finish(server, back)).json()["code"] == "upstream_failed"
        assert "KOE010" in log_watch.written.getvalue()


async def test_nobody_listens_at_kakao(database_url: str, tmp_path: Path) -> None:
    with Kakao() as gone:
        settings = gone.settings(BACK)
        async with running(database_url, tmp_path, **settings) as server:
            back = await at_kakao((await start(server))["authorize_url"])
            gone.__exit__()
            assert (await finish(server, back)).status_code == 502


async def test_without_settings_kakao_is_not_configured(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as server:
        answer = await server.client.get("/api/auth/kakao/start", params={"redirect_uri": BACK})
        assert (answer.status_code, answer.json()["code"]) == (503, "not_configured")
        answer = await finish(server, {"code": "c", "state": "s"})
        assert (answer.status_code, answer.json()["code"]) == (503, "not_configured")


# Linking -----------------------------------------------------------------------------------


async def test_a_guest_becomes_the_kakao_account(server: Server) -> None:
    phone = await server.guest()
    linked = await sign_in(server, phone.headers, client_id=phone.client_id)
    assert linked["user_id"] == phone.user_id
    me = await server.client.get("/api/me", headers=phone.headers)
    assert me.json()["kind"] == "kakao"
    assert (await sign_in(server))["user_id"] == phone.user_id
    # The account has one way in now.
    answer = await server.client.post(
        "/api/auth/guest",
        json={
            "client_id": phone.client_id,
            "device_name": "p",
            "user_id": phone.user_id,
            "guest_secret": phone.tokens["guest_secret"],
        },
    )
    assert answer.status_code == 401


async def test_linking_again_after_a_lost_answer_is_harmless(server: Server) -> None:
    phone = await server.guest()
    for _ in range(2):
        linked = await sign_in(server, phone.headers, client_id=phone.client_id)
        assert linked["user_id"] == phone.user_id


async def test_a_kakao_account_that_exists_is_not_linked_to_a_guest(server: Server) -> None:
    owner = await sign_in(server)
    phone = await server.guest()
    back = await at_kakao((await start(server))["authorize_url"])
    answer = await finish(server, back, phone.headers, client_id=phone.client_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    me = await server.client.get("/api/me", headers=phone.headers)
    assert (me.json()["kind"], me.json()["user_id"]) == ("guest", phone.user_id)
    assert (await sign_in(server))["user_id"] == owner["user_id"]


async def test_a_linked_account_takes_no_second_kakao_account(server: Server, kakao: Kakao) -> None:
    phone = await server.guest()
    await sign_in(server, phone.headers, client_id=phone.client_id)
    kakao.person = Person(88)
    back = await at_kakao((await start(server))["authorize_url"])
    answer = await finish(server, back, phone.headers, client_id=phone.client_id)
    assert answer.status_code == 409


async def test_linking_with_a_bad_access_token_signs_nobody_in(server: Server) -> None:
    back = await at_kakao((await start(server))["authorize_url"])
    answer = await finish(server, back, {"Authorization": "Bearer nonsense"})
    assert answer.status_code == 401
    # The state was not used up: the app may try again without the token.
    assert (await finish(server, back)).status_code == 201


async def test_a_device_of_another_user_is_bound_here_too(server: Server) -> None:
    phone = await server.guest()
    back = await at_kakao((await start(server))["authorize_url"])
    answer = await finish(server, back, client_id=phone.client_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "client_bound")
    async with server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT COUNT(*) FROM app_user") == 1


async def test_two_first_sign_ins_at_once_make_one_account(server: Server) -> None:
    backs = [await at_kakao((await start(server))["authorize_url"]) for _ in range(4)]
    answers = await asyncio.gather(*(finish(server, back) for back in backs))
    assert {a.status_code for a in answers} <= {201, 409}
    users = {a.json()["user_id"] for a in answers if a.status_code == 201}
    assert len(users) == 1


@pytest.mark.parametrize(
    ("nickname", "shown"),
    [("a\u0000b\u202ec", "abc"), ("가" * 80, "가" * 30), ("  \n ", None), (None, None)],
)
async def test_a_nickname_is_cleaned(
    server: Server, kakao: Kakao, nickname: str | None, shown: str | None
) -> None:
    kakao.person = Person(99, nickname)
    signed_in = await sign_in(server)
    me = await server.client.get(
        "/api/me", headers={"Authorization": f"Bearer {signed_in['access_token']}"}
    )
    name = me.json()["display_name"]
    assert name == shown if shown else name.startswith("산책친구")


async def test_kakaos_own_tokens_are_kept_nowhere(server: Server, kakao: Kakao) -> None:
    await sign_in(server)
    stored = []
    async with server.platform.database.read() as tx:
        for table in ("app_user", "token_family", "refresh_token", "oauth_state"):
            stored += [str(tuple(r)) for r in await tx.fetch_tuples(f"SELECT * FROM {table}")]
    assert not [secret for secret in kakao.secrets_seen if secret in "\n".join(stored)]
