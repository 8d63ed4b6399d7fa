"""No secret, coordinate or word of a user is in the log of a real server at its most talkative."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest

from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import DiarySet, Fact, WalkPoints, make_fact
from sync_server.platform.clock import system_clock
from tests.support.household import DIARY_TEXT, HOME, jpeg
from tests.support.process import ServerProcess
from tests.support.walks import straight, walk_bodies

pytestmark = pytest.mark.slow
DEVICE_NAME = "보호자의 은밀한 전화기"
DOG_NAME = "초코비밀"
TITLE = "아무도 몰라야 할 제목"
QUESTION = "밤마다 몰래 기침을 하는데 왜 그럴까요"
FACT = "남몰래 항생제를 먹이고 있어요"
PAST = "지난번에 이렇게 답했습니다"


@pytest.fixture(params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").url(f"logs_{tmp_path.name}")
    process = ServerProcess(
        tmp_path, url, {"DAENGDONG_LOG_LEVEL": "debug", "DAENGDONG_RATE_LIMITS": "on"}
    )
    process.start()
    yield process
    if process.process is not None:
        process.stop()


class Session:
    """A phone that does everything, rightly and wrongly, and remembers what must stay secret."""

    def __init__(self, server: ServerProcess) -> None:
        self.client = httpx.Client(base_url=server.address, timeout=30)
        self.client_id = uuid7()
        self.secrets: dict[str, str] = {
            "diary text": DIARY_TEXT, "title": TITLE, "device name": DEVICE_NAME,
            "dog name": DOG_NAME, "question": QUESTION, "past answer": PAST,
            "past question": FACT,
        }  # fmt: skip
        self.tokens: dict[str, Any] = {}

    def call(self, method: str, path: str, *, status: int | None = None, **more: Any) -> Any:
        token = self.tokens.get("access_token")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= more.pop("headers", {})
        answer = self.client.request(method, path, headers=headers, **more)
        assert status is None or answer.status_code == status, answer.text
        return answer

    def keep(self, tokens: dict[str, Any], when: str) -> None:
        self.tokens = tokens
        for name in ("access_token", "refresh_token", "guest_secret"):
            if tokens.get(name):
                self.secrets[f"{name} {when}"] = tokens[name]

    def sign_in(self) -> None:
        body = {"client_id": self.client_id, "device_name": DEVICE_NAME}
        self.keep(self.call("POST", "/api/auth/guest", json=body, status=201).json(), "first")
        user = {"user_id": self.tokens["user_id"], "guest_secret": self.tokens["guest_secret"]}
        wrong = {**user, "guest_secret": "w" * 40}
        self.call("POST", "/api/auth/guest", json={**body, **wrong}, status=401)
        self.keep(
            self.call("POST", "/api/auth/guest", json={**body, **user}, status=201).json(), "again"
        )
        first = self.tokens["refresh_token"]
        self.refresh(first, "refreshed", self.client_id, 200)
        self.refresh(first, "within grace", self.client_id, 200)
        # Another device with this token: it leaked, which is a warning in the log.
        self.refresh(self.tokens["refresh_token"], "leaked", uuid7(), 401)
        self.keep(
            self.call("POST", "/api/auth/guest", json={**body, **user}, status=201).json(), "last"
        )

    def refresh(self, token: str, when: str, client_id: str, status: int) -> None:
        body = {"refresh_token": token, "client_id": client_id}
        answer = self.call("POST", "/api/auth/refresh", json=body, status=status)
        if status == 200:
            self.keep(answer.json(), when)

    def live(self) -> None:
        consent = {"kind": "location", "granted": True, "version": "1"}
        self.call("PUT", "/api/consents", json=consent, status=200)
        self.call("PUT", "/api/me/home", json=HOME, status=200)
        self.call("GET", f"/api/regions/at?lat={HOME['lat']}&lng={HOME['lng']}", status=200)
        dog = {"dog_id": uuid7(), "name": DOG_NAME}
        self.call("POST", "/api/dogs", json=dog, status=201)
        self.call("POST", "/api/dogs", json={**dog, "sex": "male"}, status=409)
        entry = {"date": "2026-11-18", "title": TITLE, "text": DIARY_TEXT}
        self.call("PUT", f"/api/diary/{uuid7()}", json=entry, status=200)
        self.call("PUT", f"/api/diary/{uuid7()}", json={**entry, "mood": TITLE}, status=400)
        self.call("PUT", f"/api/diary/{TITLE}", json=entry, status=400)
        self.call("GET", f"/api/breeds?q={TITLE[:20]}", status=200)
        self.call("GET", f"/api/{DOG_NAME}", status=404)
        self.call("POST", "/api/dogs", content=f'{{"name": "{DOG_NAME}'.encode(), status=400,
                  headers={"content-type": "application/json"})  # fmt: skip

    def walk(self) -> None:
        fixes = straight(system_clock() - 900_000)
        bodies = walk_bodies(fixes)
        for lat, lng in zip(fixes.lat_e5[::40].tolist(), fixes.lng_e5[::40].tolist(), strict=True):
            self.secrets[f"latitude {lat}"] = f"{lat / 1e5:.4f}"[:-1]
            self.secrets[f"longitude {lng}"] = f"{lng / 1e5:.4f}"[:-1]
            self.secrets[f"latitude e5 {lat}"] = str(lat)
            self.secrets[f"longitude e5 {lng}"] = str(lng)
        for body in bodies:
            if isinstance(body, WalkPoints):
                self.secrets[f"packed {body.chunk}"] = body.packed[:40]
        stamp = f"{system_clock():015d}-0000-{self.client_id}"
        diary = DiarySet(uuid7(), None, "2026-11-18", "text", DIARY_TEXT, stamp)
        wrong = msgspec.structs.replace(diary, field=TITLE)
        facts = [make_fact(seq, body) for seq, body in enumerate((*bodies, diary, wrong), 1)]
        self.push(facts, 200)
        self.push(facts[:1], 200)
        self.push([Fact(99, *_wire(facts[-1]))], 409)
        broken = Fact(facts[-1].seq + 1, "walk.points", '{"packed": "' + DIARY_TEXT, "0" * 64)
        self.push([broken], 200)
        self.call("POST", "/api/sync/push", content=json.dumps(
            {"client_id": self.client_id, "facts": [{"seq": "1", "payload": DIARY_TEXT}]}
        ).encode(), headers={"content-type": "application/json"}, status=400)  # fmt: skip
        walk_id = msgspec.json.decode(facts[0].payload)["walk_id"]
        self.call("GET", f"/api/walks/{walk_id}", status=200)
        self.call("GET", "/api/sync/pull", status=200)
        box = f"{HOME['lng']},{HOME['lat']},{HOME['lng'] + 0.01},{HOME['lat'] + 0.01}"
        self.call("GET", f"/api/map/cells?bbox={box}&format=geojson", status=200)
        self.call("GET", f"/api/map/cells?bbox={box},1", status=400)

    def push(self, facts: list[Fact], status: int) -> None:
        body = msgspec.json.encode({"client_id": self.client_id, "facts": facts})
        self.call("POST", "/api/sync/push", content=body, status=status,
                  headers={"content-type": "application/json"})  # fmt: skip

    def photo(self) -> None:
        data = jpeg()
        announced = {"kind": "dog_photo", "content_type": "image/jpeg", "size_bytes": len(data)}
        ticket = self.call("POST", "/api/uploads", json=announced, status=201).json()
        url = urlsplit(ticket["upload_url"])
        self.secrets["upload signature"] = parse_qs(url.query)["signature"][0]
        path = f"{url.path}?{url.query}"
        self.call("PUT", path, content=data + b"too much", status=413)
        self.call("PUT", path, content=data[:50] + b"\0" * (len(data) - 50), status=204)
        self.call("POST", f"/api/uploads/{ticket['key']}/complete")
        self.call("PUT", path, content=data, status=204)
        self.call("POST", f"/api/uploads/{ticket['key']}/complete", status=200)
        link = self.call("POST", f"/api/media/{ticket['key']}/link", status=200).json()["url"]
        self.secrets["link signature"] = parse_qs(urlsplit(link).query)["signature"][0]
        signed = urlsplit(link)
        assert self.client.get(f"{signed.path}?{signed.query}").status_code == 200

    def ask_the_vet(self) -> None:
        past = [{"role": "user", "content": FACT}, {"role": "assistant", "content": PAST}]
        body = {"conversation_id": "secret", "message": {"role": "user", "content": QUESTION},
                "history": past}  # fmt: skip
        self.call("POST", "/api/vet/chat", json=body)
        self.call("POST", "/api/vet/chat/stream", json=body)
        self.call("POST", "/api/vet/chat", json={**body, "image_url": QUESTION}, status=400)
        self.call("POST", "/api/vet/chat", json={**body, "tone": QUESTION}, status=400)
        self.call("POST", "/api/vet/chat", json={**body, "conversation_id": FACT}, status=400)
        self.call("GET", f"/api/vet/chat/stream/{QUESTION}", status=404)
        self.call("GET", f"/api/vet/conversations/{QUESTION}", status=404)
        self.call("GET", "/api/vet/conversations/secret", status=200)
        self.call("POST", "/api/vet/jobs", json={"conversation_id": "secret"}, status=202)
        self.call("DELETE", "/api/vet/conversations/secret", status=204)

    def stream(self) -> None:
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        with self.client.stream("GET", "/api/sync/events", headers=headers) as events:
            assert next(events.iter_lines()) == "event: pull"

    def leave(self) -> None:
        self.call("GET", "/api/me/export", status=200)
        self.call("POST", "/api/auth/logout",
                  json={"refresh_token": self.tokens["refresh_token"]}, status=204)  # fmt: skip
        self.call("DELETE", "/api/me", status=204)
        self.call("GET", "/api/me", status=401)


def _wire(fact: Fact) -> tuple[str, str, str]:
    return fact.type, fact.payload, fact.hash


def test_a_whole_life_leaves_no_secret_in_the_log(server: ServerProcess, tmp_path: Path) -> None:
    session = Session(server)
    session.sign_in()
    session.live()
    session.walk()
    session.photo()
    session.ask_the_vet()
    session.stream()
    # A fault of the server while a secret is in its hands: the pictures' folder is gone.
    (tmp_path / "media").rename(tmp_path / "away")
    (tmp_path / "media").write_text("not a folder")
    session.call("GET", "/api/sync/pull", status=200)
    upload = {"kind": "dog_photo", "content_type": "image/jpeg", "size_bytes": 9}
    ticket = session.call("POST", "/api/uploads", json=upload, status=201).json()
    url = urlsplit(ticket["upload_url"])
    session.secrets["second signature"] = parse_qs(url.query)["signature"][0]
    session.call("PUT", f"{url.path}?{url.query}", content=b"x" * 9, status=503)
    (tmp_path / "media").unlink()
    (tmp_path / "away").rename(tmp_path / "media")
    session.leave()
    for _ in range(25):
        session.call("POST", "/api/auth/guest", json={"client_id": "x"}, status=400)
    server.stop()
    log = server.log()
    # It is the log of this session, at level debug: the leaked token and the store's fault.
    assert "sign_in_revoked" in log and "object_store_failed" in log
    leaked = {name for name, secret in session.secrets.items() if secret in log}
    escaped = {
        name
        for name, secret in session.secrets.items()
        if json.dumps(secret)[1:-1] in log or secret.encode().hex() in log
    }
    assert leaked | escaped == set(), log[-3000:]
    assert len(session.secrets) > 30
