"""Every error is a problem (RFC 9457) with a stable code, in the client's language."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from edge_sdk.ids import uuid7
from sync_server.platform import rate_limit
from sync_server.platform.errors import TITLES
from sync_server.users import service as users
from tests.support.app import Phone, Server, running
from tests.support.postgres import Postgres
from tests.support.process import ServerProcess

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path) as started:
        yield started


@pytest.fixture
async def lite(tmp_path: Path) -> AsyncIterator[Server]:
    """A server on SQLite, where the engine makes no difference."""
    async with running(f"sqlite:///{tmp_path / 'test.sqlite'}", tmp_path) as started:
        yield started


def problem(answer: httpx.Response, status: int, code: str, language: str = "ko") -> dict[str, Any]:
    """Check an answer to be this problem in this language; return its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    _, korean, english = TITLES[code]
    assert set(body) - {"errors", "last"} == {"type", "title", "status", "detail", "code"}
    assert (body["type"], body["status"], body["code"]) == (f"/problems/{code}", status, code)
    assert body["title"] == (english if language == "en" else korean)
    assert isinstance(body["detail"], str) and body["detail"]
    return body


async def announce(server: Server, phone: Phone, **more: Any) -> httpx.Response:
    return await server.client.post(
        "/api/dogs", json={"dog_id": uuid7(), "name": "보리", **more}, headers=phone.headers
    )


@pytest.mark.parametrize("code", sorted(TITLES))
def test_every_problem_has_a_korean_and_an_english_title(code: str) -> None:
    status, korean, english = TITLES[code]
    assert 400 <= status <= 599
    assert any("가" <= letter <= "힣" for letter in korean)
    assert english.isascii()


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "ko"), ("ko-KR,ko;q=0.9,en;q=0.8", "ko"), ("en", "en"), ("en-GB,en;q=0.9", "en"),
     ("fr", "ko"), ("*", "ko"), ("\x7f", "ko")],
)  # fmt: skip
async def test_problems_speak_the_language_of_the_client(
    lite: Server, accepted: str, language: str
) -> None:
    headers = {"Accept-Language": accepted} if accepted else {}
    problem(await lite.client.get("/api/me", headers=headers), 401, "unauthorized", language)
    problem(await lite.client.get("/api/nowhere", headers=headers), 404, "not_found", language)


async def test_unknown_paths_are_not_found(lite: Server) -> None:
    for path in ("/api/nowhere", "/nowhere", "/api/dogs/a/b", "/api/regions/x", "/API/ME"):
        problem(await lite.client.get(path), 404, "not_found")


async def test_a_wrong_method_names_the_right_ones(lite: Server) -> None:
    for path, allowed in (("/api/me", {"GET", "PATCH", "DELETE", "OPTIONS"}),
                          ("/api/sync/push", {"POST", "OPTIONS"})):  # fmt: skip
        answer = await lite.client.put(path)
        problem(answer, 405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) == allowed
        options = await lite.client.options(path)
        assert (options.status_code, options.content) == (204, b"")
        assert set(options.headers["allow"].split(", ")) == allowed


async def test_a_body_past_its_limit_is_too_large(lite: Server) -> None:
    phone = await lite.guest()
    for path, size in (("/api/dogs", 17_000), ("/api/sync/push", 400_000), ("/api/uploads", 2**24)):
        body = b'{"name":"' + b"x" * size + b'"}'
        headers = {**phone.headers, "content-type": "application/json"}
        problem(await lite.client.post(path, content=body, headers=headers), 413, "too_large")

        async def streamed(data: bytes = body) -> AsyncIterator[bytes]:
            for at in range(0, len(data), 65_536):
                yield data[at : at + 65_536]

        # Without a Content-Length to refuse by.
        answer = await lite.client.post(path, content=streamed(), headers=headers)
        problem(answer, 413, "too_large")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
             "application/xml", "application/jsonp", "image/png", "json", ";", "\xff"]
)  # fmt: skip
async def test_a_body_that_says_it_is_not_json_is_unsupported(lite: Server, kind: str) -> None:
    phone = await lite.guest()
    body = b'{"display_name":"x"}'
    headers = {**phone.headers, "content-type": kind}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = await lite.client.patch("/api/me", content=body, headers=raw)
    problem(answer, 415, "unsupported_media_type")
    for right in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        answer = await lite.client.patch(
            "/api/me", content=body, headers={**phone.headers, "content-type": right}
        )
        assert answer.status_code == 200, answer.text


async def test_a_wrong_field_is_named(lite: Server) -> None:
    phone = await lite.guest()
    body = problem(await announce(lite, phone, weight_kg="7"), 400, "invalid_input")
    assert [error["field"] for error in body["errors"]] == ["weight_kg"]
    answer = await lite.client.get("/api/walks?limit=0", headers=phone.headers)
    body = problem(answer, 400, "invalid_input")
    assert [error["field"] for error in body["errors"]] == ["limit"]


async def test_a_limit_says_when_to_come_back(server: Server) -> None:
    phone = await server.guest()

    async def rename() -> httpx.Response:
        return await server.client.patch("/api/me", json={"language": "en"}, headers=phone.headers)

    answers = [await rename() for _ in range(rate_limit.WRITE.burst + 1)]
    assert {answer.status_code for answer in answers[:-1]} == {200}
    problem(answers[-1], 429, "rate_limited")
    wait_s = int(answers[-1].headers["retry-after"])
    assert wait_s >= 1
    server.clock.advance(s=wait_s)
    assert (await rename()).status_code == 200


async def test_a_fault_of_the_server_says_nothing_of_its_inside(
    lite: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = await lite.guest()

    async def fail(*_: object) -> None:
        raise RuntimeError("the inside: secret-of-the-inside")

    with monkeypatch.context() as patch:
        patch.setattr(users, "profile", fail)
        answer = await lite.client.get("/api/me", headers=phone.headers)
        problem(answer, 500, "server_fault")
        assert "inside" not in answer.text and "Traceback" not in answer.text
        english = await lite.client.get(
            "/api/me", headers={**phone.headers, "Accept-Language": "en"}
        )
        problem(english, 500, "server_fault", "en")
    assert (await lite.client.get("/api/me", headers=phone.headers)).status_code == 200


@pytest.mark.slow
async def test_a_database_that_is_gone_is_503_and_the_next_request_is_fine(tmp_path: Path) -> None:
    postgres = Postgres.create()
    try:
        async with running(postgres.url("gone"), tmp_path) as server:
            phone = await server.guest()
            for _ in range(2):
                postgres.stop()
                answers = [
                    await announce(server, phone),
                    await server.client.get("/readyz"),
                    await server.client.get("/api/me", headers=phone.headers),
                    await server.client.get("/api/sync/pull", headers=phone.headers),
                ]
                for answer in answers:
                    problem(answer, 503, "database_unavailable")
                    assert int(answer.headers["retry-after"]) >= 1
                assert (await server.client.get("/healthz")).status_code == 200
                postgres.start()
                assert (await announce(server, phone)).status_code == 201
                assert (await server.client.get("/readyz")).status_code == 200
            dogs = await server.client.get("/api/dogs", headers=phone.headers)
            assert len(dogs.json()["dogs"]) == 2
    finally:
        postgres.remove()


async def test_a_postgresql_that_takes_no_writes_is_503_and_reads_go_on(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.url("read_only")
    async with running(url, tmp_path) as server:
        phone = await server.guest()
        # What a standby or a server under maintenance says to every connection.
        for value in ("on", "off"):
            postgres.sql(f"ALTER DATABASE read_only SET default_transaction_read_only = {value}")
            postgres.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = 'read_only' AND pid <> pg_backend_pid()"
            )
            await anyio.sleep(0.2)  # Until the pool has seen that its connections are gone.
            if value == "on":
                answer = await announce(server, phone)
                problem(answer, 503, "storage_read_only")
                assert int(answer.headers["retry-after"]) >= 1
                me = await server.client.get("/api/me", headers=phone.headers)
                assert me.status_code == 200
        assert (await announce(server, phone)).status_code == 201


# A real server process, and a real disk ---------------------------------------------------------


@contextmanager
def _server_on_disk(folder: Path) -> Iterator[ServerProcess]:
    # With limits, as in production: reads must go on although their bucket can't be written.
    settings = {"DAENGDONG_RATE_LIMITS": "on"}
    process = ServerProcess(folder, f"sqlite:///{folder / 'test.sqlite'}", settings)
    process.start()
    try:
        yield process
    finally:
        process.stop()


def _sign_in(client: httpx.Client) -> dict[str, str]:
    answer = client.post("/api/auth/guest", json={"client_id": uuid7(), "device_name": "phone"})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def _write(client: httpx.Client, headers: dict[str, str], title: str = "x" * 200) -> httpx.Response:
    body = {"date": "2026-11-18", "title": title, "text": title * 40}
    return client.put(f"/api/diary/{uuid7()}", json=body, headers=headers)


@pytest.mark.slow
def test_a_full_disk_is_507_loses_nothing_and_the_next_request_is_fine(tmp_path: Path) -> None:
    with (
        _server_on_disk(tmp_path) as process,
        httpx.Client(base_url=process.address, timeout=30) as client,
    ):
        headers = _sign_in(client)
        assert _write(client, headers).status_code == 200
        process.limit_files_to(4096)
        for _ in range(3):
            answer = _write(client, headers)
            problem(answer, 507, "storage_full")
            assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/api/me", headers=headers).status_code == 200
        assert client.get("/readyz").status_code == 200
        process.limit_files_to(None)
        assert _write(client, headers).status_code == 200
        assert client.get("/api/me", headers=headers).json()["counts"]["diary"] == 2


def _immutable(files: list[Path], on: bool) -> bool:
    """Make files unchangeable even for root; False where the file system can't."""
    command = ["chattr", "+i" if on else "-i", *map(str, files)]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.slow
def test_a_database_file_that_is_read_only_is_503_and_the_server_lives_on(tmp_path: Path) -> None:
    with (
        _server_on_disk(tmp_path) as process,
        httpx.Client(base_url=process.address, timeout=30) as client,
    ):
        headers = _sign_in(client)
        assert _write(client, headers).status_code == 200
        # Not -shm: it is mapped into memory, and a write into it would be a SIGBUS.
        files = [tmp_path / "test.sqlite", tmp_path / "test.sqlite-wal"]
        if not _immutable(files, on=True):
            pytest.skip("chattr +i does not work here")
        try:
            # The first write meets the file that it has open and may only see an I/O error.
            assert _write(client, headers).status_code in (503, 507)
            for _ in range(3):
                answer = _write(client, headers)
                problem(answer, 503, "storage_read_only")
                assert int(answer.headers["retry-after"]) >= 1
            assert client.get("/api/me", headers=headers).status_code == 200
        finally:
            assert _immutable(files, on=False)
        assert _write(client, headers).status_code == 200
        assert client.get("/api/me", headers=headers).json()["counts"]["diary"] == 2
