"""Hostile texts and numbers in every text and number: refused or kept, never a fault, both engines.

What was kept must be readable afterwards by every route that shows it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import httpx
import msgspec
import pytest

from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import Fact
from edge_sdk.sync.hashes import fact_hash
from tests.support.app import Server, running
from tests.support.household import Household, settle

pytestmark = pytest.mark.anyio
RULES_OF_JSON = [b'{"name": NaN}', b"[" * 100_000, b'{"a":1,"a":2}', b"\xff\xfe", b"\xef\xbb\xbf{}",
                 b'"\xed\xa0\x80"', b"{} {}", b"{'a': 1}", b"nul", b"1e999", b""]  # fmt: skip
TEXTS = [
    "\x00", "a\x00b", "\ud800", "x\udfff", "\u202e\u2066", "\uffff\ufffe", "\U0010ffff", "\x1b[2J",
    "e\u0301" * 40, "ﷺ" * 30, "👩‍👩‍👧‍👦" * 9, "'; DROP TABLE app_user; --", "%_\\",
    "$1 ? :a {0} %s", "../../etc/passwd", "a\r\nSet-Cookie: b=c", "", " ", "\u3000", "null",
    "9" * 400, "x" * 70_000,
]  # fmt: skip
NUMBERS = [-1, 0, 2**31, 2**53, 2**63, 2**64, 10**30, -(10**30), 1e308, True, None, "1", [], {}]
RAW = [b"%00", b"%ff%fe", b"%ed%a0%80", b"%c0%80", b"%", b"%zz", b"%e2%80%ae", b"%0d%0aX:%20y",
       b"1e999", b"NaN", b"-0", b"0x10", b"%27%3b--", b"%2e%2e%2f", b"a" * 5000]  # fmt: skip


def _bodies(own: Household) -> list[tuple[str, str, dict[str, Any]]]:
    entry = {"date": "2026-11-18", "walk_id": own.walk_id, "title": "t", "text": "t",
             "mood": "happy", "weather": "sunny", "emotion": {"happy": 0.5},
             "photos": [own.photo_key]}  # fmt: skip
    dog = {"name": "초코", "breed_code": "jindo", "sex": "male", "neutered": True,
           "born_on": "2020-02-02", "weight_kg": 7.5, "photo_key": own.photo_key}  # fmt: skip
    device = {"client_id": uuid7(), "device_name": "시계"}
    upload = {"kind": "dog_photo", "content_type": "image/png", "size_bytes": 99,
              "sha256": "a" * 64}  # fmt: skip
    consent = {"kind": "marketing", "granted": True, "version": "2026-01"}
    return [
        ("PATCH", "/api/me", {"display_name": "보호자", "language": "ko"}),
        ("PUT", "/api/consents", consent),
        ("PUT", "/api/me/home", {"lat": 37.5, "lng": 127.0}),
        ("POST", "/api/dogs", {"dog_id": uuid7(), **dog}),
        ("PATCH", f"/api/dogs/{own.dog_id}", dog),
        ("PUT", f"/api/diary/{own.entry_id}", entry),
        ("POST", "/api/uploads", upload),
        ("POST", "/api/auth/clients", device),
        ("POST", "/api/auth/refresh", {"refresh_token": "x" * 43, "client_id": uuid7()}),
        ("POST", "/api/auth/logout", {"refresh_token": "x" * 43}),
        ("POST", "/api/auth/guest", {**device, "guest_secret": "s" * 40, "user_id": uuid7()}),
        ("POST", "/api/auth/kakao", {**device, "code": "c", "state": "s"}),
        ("POST", "/api/sync/push", {"client_id": own.phone.client_id, "facts": []}),
        ("POST", "/api/missions/judge/jobs", {"analysis_id": "a", "walk_id": own.walk_id,
         "missions": [{"mission_id": "m", "mission_type": "SIT", "instruction": "앉아",
                       "video_url": "https://clips.example/a.mp4"}]}),
        ("POST", "/api/face/detect/jobs", {"analysis_id": "a", "dog_id": own.dog_id,
         "walk_id": own.walk_id, "video_url": "https://clips.example/a.mp4"}),
        ("POST", "/api/face/emotion-inference/jobs", {"analysis_id": "a", "frame_id": "f",
         "frame_url": "https://clips.example/a.jpg"}),
        ("POST", "/api/healthcare/jobs", {"video_url": "https://clips.example/a.mp4",
         "dog_id": own.dog_id, "captured_at": "2026-01-06T10:29:30+09:00"}),
        ("POST", "/api/missions/offers", {"walk_id": own.walk_id}),
        ("POST", "/api/vet/chat", {"conversation_id": "", "message": {"role": "user",
         "content": "기침을 해요"}, "image_url": None, "history": [{"role": "user",
         "content": "안녕"}], "user_context": {"dog_age_years": 2, "dog_weight_kg": 4.6,
         "breed": "푸들"}, "dog_id": own.dog_id}),
        ("POST", "/api/vet/jobs", {"conversation_id": own.conversation_id, "dog_id": own.dog_id}),
    ]  # fmt: skip


def _spoilt(body: dict[str, Any]) -> Iterator[bytes]:
    """The body with each of its values, and then each of its names, replaced by something else."""
    for name in body:
        for value in (*TEXTS, *NUMBERS):
            yield json.dumps({**body, name: value}).encode()
            if isinstance(body[name], list):
                yield json.dumps({**body, name: [value]}).encode()
            if isinstance(body[name], dict):
                yield json.dumps({**body, name: {"a": value, str(value): 1}}).encode()
    yield from (json.dumps({**body, text: 1}).encode() for text in TEXTS)
    yield from RULES_OF_JSON


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path, rate_limits="off") as started:
        yield started


@pytest.fixture
async def own(server: Server) -> Household:
    return await settle(server, server.clock.now_ms)


def _check(answer: httpx.Response, what: object) -> None:
    wanted = answer.status_code < 500 or answer.json().get("code") == "not_configured"
    assert wanted, f"{what!r}: {answer.text}"
    if answer.status_code >= 400:
        if answer.headers["content-type"] == "application/json":
            # The product's own paths have the product's own error body.
            assert answer.json()["error"]["code"] != "INTERNAL_ERROR", what
            return
        assert answer.headers["content-type"] == "application/problem+json", what
        assert answer.json()["code"] != "server_fault", what


async def _everything_can_be_read(server: Server, own: Household) -> None:
    for path in ("/api/me", "/api/me/export", "/api/dogs", "/api/diary", "/api/walks",
                 "/api/sync/pull", "/api/consents/history", "/api/footprints", "/api/me/home",
                 f"/api/dogs/{own.dog_id}", f"/api/diary/{own.entry_id}", "/api/jobs",
                 f"/api/healthcare/history?dog_id={own.dog_id}",
                 f"/api/missions/offers?walk_id={own.walk_id}", "/api/vet/conversations?limit=100",
                 f"/api/vet/conversations/{own.conversation_id}"):  # fmt: skip
        answer = await server.client.get(path, headers=own.phone.headers)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        answer.json()


async def test_hostile_bodies(server: Server, own: Household) -> None:
    headers = {**own.phone.headers, "content-type": "application/json"}
    for method, path, body in _bodies(own):
        right = await server.client.request(method, path, headers=headers, json=body)
        assert right.status_code != 400 or "kakao" in path, right.text
        for data in _spoilt(body):
            answer = await server.client.request(method, path, headers=headers, content=data)
            _check(answer, (method, path, data[:200]))
    await _everything_can_be_read(server, own)


async def test_hostile_paths_and_queries(server: Server, own: Household) -> None:
    paths = ["/api/dogs/{}", "/api/walks/{}", "/api/diary/{}", "/api/media/{}", "/api/regions/{}",
             "/api/rankings/{}", "/api/{}", "/{}", "/api/jobs/{}/events", "/api/healthcare/jobs/{}",
             "/api/missions/judge/jobs/{}/result", "/api/face/detect/jobs/status/{}",
             "/api/artifacts/{}/a.mp4", "/api/artifacts/job_a/{}", "/api/vet/conversations/{}",
             "/api/vet/chat/stream/{}", "/api/vet/jobs/{}", "/api/vet/jobs/{}/result"]  # fmt: skip
    queries = [
        "/api/breeds?q={}", "/api/regions?q={}", "/api/regions?level={}", "/api/regions?parent={}",
        "/api/regions?limit={}", "/api/regions/at?lat={}&lng=1", "/api/regions/1?geometry={}",
        "/api/rankings/everyone?key={}", "/api/rankings/region?region_id={}&period=day",
        "/api/rankings/everyone?period={}", "/api/rankings/everyone?offset={}",
        "/api/sync/pull?cursor={}", "/api/sync/pull?limit={}", "/api/walks?before_ms={}",
        "/api/walks?limit={}", "/api/map/cells?bbox={}", "/api/map/cells?bbox=1,1,{},2",
        "/api/map/cells?bbox=127,37.5,127.01,37.51&zoom={}",
        "/api/map/cells?bbox=127,37.5,127.01,37.51&since_ms={}",
        "/api/map/cells?bbox=127,37.5,127.01,37.51&format={}", "/api/territory/losses?since_ms={}",
        "/api/diary?from={}", "/api/diary?from=2026-11-01&to={}", "/api/footprints?month={}",
        "/api/me/location-log?before_ms={}", "/api/me?{}", "/api/me?a={}&a={}",
        "/api/jobs?before_ms={}", "/api/jobs?limit={}", "/api/healthcare/history?dog_id={}",
        "/api/healthcare/history?dog_id=a&limit={}", "/api/missions/offers?walk_id={}",
        "/api/artifacts/job_a/a.mp4?expires={}&signature=x",
        "/api/vet/conversations?before_ms={}", "/api/vet/conversations?limit={}",
        f"/api/vet/conversations/{own.conversation_id}?after={{}}",
        f"/api/media/{own.photo_key}?expires={{}}&signature=x",
        f"/api/media/{own.photo_key}?expires=1&signature={{}}",
    ]  # fmt: skip
    numbers = [str(n).encode() for n in NUMBERS if isinstance(n, (int, float))]
    texts = [
        quote_from_bytes(text.encode("utf-8", "surrogatepass")).encode()
        for text in TEXTS
        if len(text) < 1000
    ]
    for template in (*paths, *queries):
        for raw in (*RAW, *numbers, *texts):
            target = template.encode().replace(b"{}", raw)
            path, _, _ = target.partition(b"?")
            # As bytes, so that httpx does not make the address a right one first.
            url = httpx.URL("http://testserver.local").copy_with(raw_path=target)
            answer = await server.client.get(url, headers=own.phone.headers)
            _check(answer, target[:200])
            if b"%00" in path:
                assert answer.status_code == 404, target
    await _everything_can_be_read(server, own)


async def test_hostile_headers(server: Server, own: Household) -> None:
    upload = {"kind": "diary_photo", "content_type": "image/jpeg", "size_bytes": 9}
    for value in (b"\xff", b"", b"a b", b"x" * 65, "열쇠".encode(), b"'; --", b"\x7f"):
        for name in (b"Idempotency-Key", b"Accept-Language", b"If-None-Match", b"Authorization"):
            headers = [(name, value)]
            if name != b"Authorization":
                headers.append((b"authorization", own.phone.headers["Authorization"].encode()))
            for request in ({"method": "POST", "url": "/api/uploads", "json": upload},
                            {"method": "GET", "url": f"/api/media/{own.photo_key}"}):  # fmt: skip
                _check(await server.client.request(**request, headers=headers), (name, value))


def _payloads(own: Household) -> Iterator[tuple[str, dict[str, Any]]]:
    stamp = f"001795000000000-0000-{own.phone.client_id}"
    at_ms = 1_795_000_000_000
    yield "diary.set", {"entry_id": own.entry_id, "walk_id": own.walk_id, "date": "2026-11-18",
                        "field": "title", "value": "t", "hlc": stamp}  # fmt: skip
    yield "settings.set", {"field": "map.zoom", "value": 3, "hlc": stamp}
    yield "analysis.add", {"analysis_id": uuid7(), "kind": "face", "dog_id": own.dog_id,
                           "walk_id": own.walk_id, "at_ms": at_ms, "result": {"a": 1}}  # fmt: skip
    yield "mission.submit", {"mission_id": own.mission_id, "walk_id": own.walk_id,
                             "mission_type": "sit",
                             "media_key": "k", "nonce": "n", "at_ms": at_ms}  # fmt: skip
    yield "walk.start", {"walk_id": uuid7(), "dog_ids": [own.dog_id], "started_at_ms": at_ms,
                         "rules_version": "2026.1", "source": "live"}  # fmt: skip
    yield "walk.points", {"walk_id": uuid7(), "chunk": 0, "packed": "AAAA", "sha256": "a" * 64,
                          "mono_first_ms": 0, "mono_last_ms": 1}  # fmt: skip
    yield "walk.finish", {"walk_id": uuid7(), "ended_at_ms": at_ms, "chunks": 1, "auto": False,
                          "predicted": {"cells": 1, "distance_m": 1.0}}  # fmt: skip
    yield "walk.cancel", {"walk_id": uuid7(), "at_ms": at_ms}
    yield "no.such", {"a": 1}


async def test_a_hostile_fact_is_refused_or_kept_and_never_blocks_those_behind_it(
    server: Server, own: Household
) -> None:
    texts: list[tuple[str, str]] = []
    for kind, right in _payloads(own):
        fresh = [name for name in ("analysis_id", "mission_id") if name in right]
        for data in _spoilt(right):
            try:
                payload = data.decode()
                body = json.loads(payload)
            except (ValueError, RecursionError):
                continue
            # Of a thing that exists already nothing new would be stored.
            if isinstance(body, dict) and all(body.get(name) == right[name] for name in fresh):
                payload = json.dumps({**body, **{name: uuid7() for name in fresh}})
            texts.append((kind, payload))
    facts = [
        Fact(len(own.log.facts) + number, kind, payload, fact_hash(kind, payload))
        for number, (kind, payload) in enumerate(texts, 1)
    ]
    for at in range(0, len(facts), 50):
        part = facts[at : at + 50]
        while part:
            body = msgspec.json.encode({"client_id": own.phone.client_id, "facts": part})
            answer = await server.client.post(
                "/api/sync/push",
                content=body,
                headers={**own.phone.headers, "content-type": "application/json"},
            )
            if answer.status_code == 413:
                part = part[: len(part) // 2]
                continue
            assert answer.status_code == 200, f"{[f.payload[:300] for f in part]} {answer.text}"
            for fact, result in zip(part, answer.json()["results"], strict=True):
                assert result["code"] != "server_fault", (fact.type, fact.payload[:300], result)
            done = answer.json()["last"]
            part = [fact for fact in facts[at : at + 50] if fact.seq > done]
    await _everything_can_be_read(server, own)


async def test_a_fact_with_a_nul_is_refused_and_the_phone_goes_on(
    server: Server, own: Household
) -> None:
    seq = len(own.log.facts) + 1
    for kind, payload in (("no\x00such", "{}"), ("diary.set", '{"a":"\x00"}')):
        fact = Fact(seq, kind, payload, fact_hash(kind, payload))
        answer = await own.log.send([fact], status=400)
        assert answer["code"] == "invalid_input"
    assert (await own.log.send([Fact(seq, "no.such", "{}", fact_hash("no.such", "{}"))]))["last"]
