"""The AI role behind HTTP: signed calls, answers, callbacks; and who may be called back."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from sync_server.ai.callbacks import CallbackRefused, check_callback
from sync_server.ai.contract import JobRequest
from sync_server.ai.http_role import HttpAiRole
from sync_server.ai.role import JobConflict, RoleUnavailable, TooBusy
from sync_server.ai_app import create_ai_app
from sync_server.app import create_app
from sync_server.platform.settings import Settings, SettingsInvalid
from sync_server.platform.webhooks import message_id, sign, verify
from tests.support import job_pipelines
from tests.support.app import running
from tests.support.postgres import free_port

pytestmark = pytest.mark.anyio
SECRET = "whsec_" + base64.b64encode(b"between the roles of a test!!!!!").decode()
OTHER = "whsec_" + base64.b64encode(b"somebody else's, not of this ring").decode()


class Recipient:
    """A backend as a real HTTP server: keeps calls, answers as it is told."""

    def __init__(self) -> None:
        self.port = free_port()
        self.calls: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.calls.append((scope["path"], headers, body))
        status = self.statuses.pop(0) if self.statuses else 204
        location = [(b"location", b"http://127.0.0.1:1/")] if status == 307 else []
        await send({"type": "http.response.start", "status": status, "headers": location})
        await send({"type": "http.response.body", "body": b""})

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.calls]


@pytest.fixture
async def recipient() -> AsyncIterator[Recipient]:
    made = Recipient()
    config = uvicorn.Config(made, host="127.0.0.1", port=made.port, log_level="error",
                            lifespan="off")  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    yield made
    server.should_exit = True
    await serving


def settings(folder: Path, recipient: Recipient, **more: Any) -> Settings:
    return Settings(
        data_dir=str(folder), role="ai", internal_secrets=SECRET, rate_limits="off",
        public_url=f"http://127.0.0.1:{recipient.port}", **more,
    )  # fmt: skip


@pytest.fixture
async def role(tmp_path: Path, recipient: Recipient) -> AsyncIterator[HttpAiRole]:
    """The backend's view of an AI role that is another process (here: another application)."""
    with job_pipelines.registered():
        app = create_ai_app(settings(tmp_path, recipient, queue_age_limit_s=0.5))
        async with app.lifespan():
            there = HttpAiRole(settings(tmp_path, recipient, ai_url="http://ai.internal"))
            await there._client.aclose()
            there._client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=False),
                base_url="http://ai.internal",
            )
            yield there
            await there.close()


def face(job_id: str, **more: Any) -> JobRequest:
    return JobRequest(job_id, "EMOTION_INFERENCE", frame_id="", frame_url="https://a.b/c", **more)


async def _told(recipient: Recipient, count: int) -> None:
    async with asyncio.timeout(120):
        while len(recipient.calls) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_job_is_taken_once_and_a_conflict_is_told(role: HttpAiRole) -> None:
    assert (await role.submit("face", face("j1"))).job_id == "j1"
    assert (await role.submit("face", face("j1"))).accepted
    with pytest.raises(JobConflict):
        await role.submit("face", face("j1", again=True))


async def test_events_come_signed_to_the_backends_own_path(
    role: HttpAiRole, recipient: Recipient
) -> None:
    await role.submit("face", face("j1"))
    await _told(recipient, 1)
    path, headers, body = recipient.calls[0]
    assert path == "/internal/face/jobs/j1/events"
    said = verify([SECRET], headers, body, int(headers["webhook-timestamp"]))
    assert said == message_id("j1", "STATUS", 1)
    assert recipient.events()[0]["progress"]["stage"] == "QUEUED"


async def test_a_refused_delivery_is_made_again_with_the_same_id_and_body(
    role: HttpAiRole, recipient: Recipient
) -> None:
    recipient.statuses = [500, 307]  # a redirect is not followed
    await role.submit("face", face("j1"))
    await _told(recipient, 3)
    ids = {headers["webhook-id"] for _, headers, _ in recipient.calls}
    assert len(ids) == 1 and len({body for _, _, body in recipient.calls}) == 1


async def test_cancel_and_health_go_over_http(role: HttpAiRole, recipient: Recipient) -> None:
    await role.submit("face", face("j1"))
    assert (await role.health())["queue_length"] == 1
    assert await role.cancel("j1")
    assert not await role.cancel("j1")
    assert not await role.cancel("nobody")
    await _told(recipient, 2)
    assert recipient.events()[1]["status"] == "cancelled"


async def test_an_old_queue_is_told_with_the_time_to_wait(role: HttpAiRole) -> None:
    await role.submit("face", face("j1"))  # no worker here: it waits
    await asyncio.sleep(0.8)
    with pytest.raises(TooBusy) as refused:
        await role.submit("face", face("j2"))
    assert refused.value.retry_after_s >= 1


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"job_id": "../x"}', b'{"job_id": "a", "job_type": "GAIT_ANALYSIS"}', b"[", b"null",
     b'{"job_id": "a", "priority": 0}', b'{"job_id": "a", "callback_url": "http://10.0.0.1/x"}',
     b'{"job_id": "a", "callback_url": ""}'],
)  # fmt: skip
async def test_a_wrong_request_is_refused_and_leaves_nothing(role: HttpAiRole, body: bytes) -> None:
    answer = await role._call("POST", "/internal/ai/face/jobs", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert (await role.health())["queue_length"] == 0


async def test_unsigned_and_wrongly_signed_calls_are_refused(role: HttpAiRole) -> None:
    body = b'{"job_id": "j1"}'
    path = "http://ai.internal/internal/ai/healthcare/jobs"
    json_kind = {"content-type": "application/json"}
    for headers in ({}, sign([OTHER], "m1", 1, body)):
        answer = await role._client.post(path, content=body, headers=headers | json_kind)
        assert answer.status_code == 401
    for other in ("/internal/ai/health", "/internal/ai/jobs/j1/cancel"):
        method = "GET" if other.endswith("health") else "POST"
        assert (await role._client.request(method, other)).status_code == 401
    assert (await role.health())["queue_length"] == 0


async def test_nobody_there_is_role_unavailable(tmp_path: Path, recipient: Recipient) -> None:
    there = HttpAiRole(settings(tmp_path, recipient, ai_url=f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(RoleUnavailable):
        await there.submit("face", face("j1"))
    await there.close()


async def test_a_server_without_jobs_starts_no_engine(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'app.sqlite'}"
    async with running(url, tmp_path) as server:
        await server.guest()
        assert server.platform.ai is not None
    assert not (tmp_path / "ai.sqlite").exists()
    assert not (tmp_path / "engine.sqlite").exists()


def test_callbacks_go_to_the_backend_and_to_allowed_hosts_only(tmp_path: Path) -> None:
    ours = Settings(public_url="https://api.example", fetch_allow_hosts="cb.example, 10.1.2.3:8080")
    for good in ("https://api.example/x", "https://cb.example/x", "http://10.1.2.3:8080/x"):
        check_callback(good, ours)
    for bad in (
        "http://api.example/x", "https://api.example:8443/x", "https://api.example.evil/x",
        "https://user@api.example/x", "http://10.1.2.3/x", "ftp://api.example/x", "//api.example",
        "https://api.example:99999/x", "file:///etc/passwd", "",
    ):  # fmt: skip
        with pytest.raises(CallbackRefused):
            check_callback(bad, ours)


def test_a_role_that_lacks_a_setting_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid):
        create_app(Settings(data_dir=str(tmp_path), role="worker"))
    with pytest.raises(SettingsInvalid):
        create_app(Settings(data_dir=str(tmp_path), role="ai"))
    with pytest.raises(ValueError, match="AI_URL"):
        HttpAiRole(Settings(data_dir=str(tmp_path), role="api"))
