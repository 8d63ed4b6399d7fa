"""Another user's id is nobody's id: on every route and in every fact, found from the document.

A new route or fact that takes an id fails `test_every_place_of_an_id_is_covered` until it is
listed here.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import (
    AnalysisAdd,
    Body,
    DiarySet,
    MissionSubmit,
    Prediction,
    WalkCancel,
    WalkFinish,
    WalkPoints,
    WalkStart,
)
from game_engine.rules import CURRENT_RULES
from sync_server.app import create_app
from sync_server.domains import FACTS
from sync_server.platform.settings import Settings
from tests.support.app import Server, running
from tests.support.household import Household, settle
from tests.support.operations import Operation, operations_of
from tests.support.walks import straight, walk_bodies

pytestmark = pytest.mark.anyio
OPERATIONS = {
    operation.label: operation
    for operation in operations_of(create_app(Settings(secret_key="only for the document")))
}
DAY = "2026-11-18"


@dataclass(frozen=True)
class Attempt:
    """A request with an id in one place; `status` is what an unknown id gets."""

    operation: str
    place: str
    of: Callable[[Household], str]
    body: Callable[[str], dict[str, Any]] | None = None
    status: int = 404

    def request(self, own: Household, used_id: str) -> dict[str, Any]:
        """The request by `own` with `used_id`; every other id in it is `own`'s."""
        method, _, path = self.operation.partition(" ")
        ids = {**own.ids, "key": own.photo_key, "name": "frame.jpg"}
        if self.place.startswith("path."):
            ids[self.place.removeprefix("path.")] = used_id
        signed = urlsplit(own.pending_url).query if path.endswith("/content") else ""
        if self.place.startswith("query."):
            signed = f"{self.place.removeprefix('query.')}={used_id}"
        request: dict[str, Any] = {"method": method, "url": f"{path.format(**ids)}?{signed}"}
        if self.body is not None:
            request["json"] = self.body(used_id)
        return request


def _dog(dog_id: str, photo_key: str | None = None) -> dict[str, Any]:
    return {"dog_id": dog_id, "name": "초코", "photo_key": photo_key}


def _entry(**more: Any) -> dict[str, Any]:
    return {"date": DAY, "text": "남의 것", **more}


def _key(household: Household) -> str:
    return household.photo_key


def _job(household: Household) -> str:
    return household.job_id


# The product's own paths have the product's own error bodies.
_JUDGE = ("/api/missions/judge", "/api/mission/judge")
_FACE = tuple(f"/api/face/{kind}" for kind in ("detect", "emotion-inference", "analyze"))
_GAIT = ("/api/healthcare/jobs", "/api/healthcare/analyze")
_VET = ("/api/vet/chat", "/api/vet/jobs", "/api/vet/health")
_PRODUCTS = (*_JUDGE, *_FACE, *_GAIT, "/api/healthcare/health", *_VET)
_VIDEO = "https://clips.example/clip.mp4"


def _is_products(operation: str) -> bool:
    return operation.partition(" ")[2].startswith(_PRODUCTS)


def _judge(walk_id: str) -> dict[str, Any]:
    mission = {"mission_id": "m", "mission_type": "SIT", "video_url": _VIDEO}
    return {"analysis_id": "a", "walk_id": walk_id, "missions": [mission]}


def _face(path: str, **ids: str) -> dict[str, Any]:
    if "emotion" in path:
        return {"analysis_id": "a", "frame_id": "f", "frame_url": _VIDEO, **ids}
    return {"analysis_id": "a", "video_url": _VIDEO, **ids}


ATTEMPTS = [
    *(
        Attempt(f"{method} /api/dogs/{{dog_id}}", "path.dog_id", lambda a: a.dog_id, body)
        for method, body in (("GET", None), ("PATCH", lambda _: {"name": "초코"}), ("DELETE", None))
    ),
    Attempt("PATCH /api/dogs/{dog_id}", "body.photo_key", _key, lambda k: {"photo_key": k}, 400),
    Attempt("POST /api/dogs", "body.photo_key", _key, lambda k: _dog(uuid7(), k), 400),
    Attempt("GET /api/walks/{walk_id}", "path.walk_id", lambda a: a.walk_id),
    Attempt("GET /api/diary/{entry_id}", "path.entry_id", lambda a: a.entry_id),
    Attempt("DELETE /api/diary/{entry_id}", "path.entry_id", lambda a: a.entry_id),
    Attempt("PUT /api/diary/{entry_id}", "body.walk_id", lambda a: a.walk_id,
            lambda i: _entry(walk_id=i)),
    Attempt("PUT /api/diary/{entry_id}", "body.photos", _key, lambda k: _entry(photos=[k])),
    Attempt("PUT /api/uploads/{key}/content", "path.key", lambda a: a.pending_key),
    Attempt("POST /api/uploads/{key}/complete", "path.key", lambda a: a.pending_key),
    Attempt("GET /api/media/{key}", "path.key", _key),
    Attempt("POST /api/media/{key}/link", "path.key", _key),
    Attempt("POST /api/sync/push", "body.client_id", lambda a: a.phone.client_id,
            lambda i: {"client_id": i, "facts": []}),
    Attempt("POST /api/auth/guest", "body.user_id", lambda a: a.phone.user_id,
            lambda i: {"client_id": uuid7(), "device_name": "x", "user_id": i,
                       "guest_secret": "x" * 40}, 401),
    *(
        Attempt(f"GET {base}{form}", "path.job_id", _job)
        for base in (*(f"{each}/jobs" for each in (*_JUDGE, *_FACE)), "/api/healthcare/jobs")
        for form in ("/{job_id}", "/{job_id}/result", "/status/{job_id}", "/result/{job_id}")
        if not (base.startswith("/api/healthcare") and not form.startswith("/{job_id}"))
    ),
    *(
        Attempt(f"POST {base}{form}", "body.walk_id", lambda a: a.walk_id, _judge)
        for base in _JUDGE
        for form in ("", "/jobs")
    ),
    *(
        Attempt(f"POST {base}{form}", f"body.{name}", lambda a, name=name: a.ids[name],
                lambda i, base=base, name=name: _face(base, **{name: i}))
        for base in _FACE
        for form in ("", "/jobs")
        for name in ("walk_id", "dog_id")
    ),
    *(
        Attempt(f"POST {path}", "body.dog_id", lambda a: a.dog_id,
                lambda i: {"video_url": _VIDEO, "dog_id": i})
        for path in _GAIT
    ),
    *(
        Attempt(f"POST /api/vet/chat{form}", "body.dog_id", lambda a: a.dog_id,
                lambda i: {"message": {"role": "user", "content": "?"}, "dog_id": i})
        for form in ("", "/stream")
    ),
    Attempt("GET /api/vet/chat/stream/{turn_id}", "path.turn_id", lambda a: a.turn_id),
    *(
        Attempt(f"{method} /api/vet/conversations/{{conversation_id}}", "path.conversation_id",
                lambda a: a.conversation_id)
        for method in ("GET", "DELETE")
    ),
    Attempt("POST /api/vet/jobs", "body.conversation_id", lambda a: a.conversation_id,
            lambda i: {"conversation_id": i}),
    Attempt("POST /api/vet/jobs", "body.dog_id", lambda a: a.dog_id, lambda i: {"dog_id": i}),
    *(
        Attempt(f"GET /api/vet/jobs/{{job_id}}{form}", "path.job_id", lambda a: a.report_id)
        for form in ("", "/result")
    ),
    Attempt("GET /api/healthcare/history", "query.dog_id", lambda a: a.dog_id),
    Attempt("GET /api/jobs/{job_id}/events", "path.job_id", _job),
    Attempt("POST /api/jobs/{job_id}/cancel", "path.job_id", _job),
    Attempt("GET /api/artifacts/{job_id}/{name}", "path.job_id", _job),
    Attempt("POST /api/missions/offers", "body.walk_id", lambda a: a.walk_id,
            lambda i: {"walk_id": i}),
    Attempt("GET /api/missions/offers", "query.walk_id", lambda a: a.walk_id),
    Attempt("POST /api/missions/offers/{mission_id}/judge", "path.mission_id",
            lambda a: a.mission_id),
]  # fmt: skip

# Ids that the client makes itself: an unknown one is a new thing, another's is refused.
CLIENT_MADE = [
    Attempt("POST /api/dogs", "body.dog_id", lambda a: a.dog_id, _dog, 404),
    Attempt("PUT /api/diary/{entry_id}", "path.entry_id", lambda a: a.entry_id,
            lambda _: _entry(), 404),
    Attempt("POST /api/auth/guest", "body.client_id", lambda a: a.phone.client_id,
            lambda i: {"client_id": i, "device_name": "x"}, 409),
    Attempt("POST /api/auth/clients", "body.client_id", lambda a: a.second_client_id,
            lambda i: {"client_id": i, "device_name": "x"}, 409),
]  # fmt: skip

NOBODYS = {
    **{
        (f"POST {base}{form}", f"body.{name}"): "a label of the caller's own"
        for base in (*_JUDGE, *_FACE)
        for form in ("", "/jobs")
        for name in ("analysis_id", "frame_id")
        if (name == "frame_id") == ("emotion" in base) or name == "analysis_id"
    },
    **{
        (f"POST {base}{form}", f"body.{name}"): "counts only for an offer of one's own; test_offers"
        for base in _JUDGE
        for form in ("", "/jobs")
        for name in ("mission_id", "missions_id")
    },
    **{
        (f"POST /api/vet/chat{form}", "body.conversation_id"): "each user's own; test_vet_chat.py"
        for form in ("", "/stream")
    },
    ("GET /api/artifacts/{job_id}/{name}", "path.name"): "the name of a file of the job",
    ("GET /api/regions/{region_id}", "path.region_id"): "regions are everybody's",
    ("GET /api/rankings/{board}", "path.board"): "the name of a board",
    ("GET /api/rankings/{board}", "query.key"): "the name of a period",
    ("GET /api/rankings/{board}", "query.region_id"): "regions are everybody's",
    ("POST /api/auth/kakao", "body.client_id"): "bound as in a guest's sign-in; test_kakao.py",
    ("POST /api/auth/refresh", "body.client_id"): "test_a_refresh_token_works_on_its_device_only",
}


def test_every_place_of_an_id_is_covered() -> None:
    places = {(o.label, place) for o in OPERATIONS.values() for place in o.id_places()}
    covered = {(each.operation, each.place) for each in (*ATTEMPTS, *CLIENT_MADE)} | set(NOBODYS)
    assert places == covered


@dataclass(frozen=True)
class Neighbours:
    """A, who has something, and B, who tries to get at it."""

    server: Server
    a: Household
    b: Household

    async def as_b(self, attempt: Attempt, used_id: str) -> httpx.Response:
        headers = self.b.phone.headers
        return await self.server.client.request(**attempt.request(self.b, used_id), headers=headers)


@pytest.fixture
async def neighbours(database_url: str, tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with running(database_url, tmp_path, rate_limits="off", job_wait_s="5") as server:
        now_ms = server.clock.now_ms
        yield Neighbours(
            server, await settle(server, now_ms), await settle(server, now_ms, east_of_seoul=0.1)
        )


def _unknown(like: str) -> str:
    return uuid7() if len(like) == 36 else secrets.token_urlsafe(24)


async def _state(household: Household) -> Any:
    """Everything A sees: the documents, and the bytes of the photo."""
    log = household.log
    pulled = await log.pull()
    photo = await log.server.client.get(
        f"/api/media/{household.photo_key}", headers=household.phone.headers
    )
    me = await log.get("/api/me")
    return pulled["changes"], pulled["clients"], pulled["checksums"], me, photo.content


async def test_another_users_id_answers_as_an_unknown_one(neighbours: Neighbours) -> None:
    before = await _state(neighbours.a)
    for attempt in ATTEMPTS:
        theirs = attempt.of(neighbours.a)
        foreign = await neighbours.as_b(attempt, theirs)
        unknown = await neighbours.as_b(attempt, _unknown(theirs))
        where = f"{attempt.operation} {attempt.place}: {foreign.text}"
        assert foreign.status_code == attempt.status, where
        assert foreign.content == unknown.content, where
        kind = "json" if _is_products(attempt.operation) else "problem+json"
        assert foreign.headers["content-type"] == f"application/{kind}", where
    for attempt in CLIENT_MADE:
        foreign = await neighbours.as_b(attempt, attempt.of(neighbours.a))
        where = f"{attempt.operation} {attempt.place}: {foreign.text}"
        assert foreign.status_code == attempt.status, where
    assert await _state(neighbours.a) == before


async def test_a_refresh_token_works_on_its_device_only(neighbours: Neighbours) -> None:
    answers = []
    for client_id in (neighbours.a.phone.client_id, uuid7()):
        guest = await neighbours.server.guest()
        token = guest.tokens["refresh_token"]
        body = {"refresh_token": token, "client_id": client_id}
        answers.append(await neighbours.server.client.post("/api/auth/refresh", json=body))
    assert answers[0].status_code == 401
    assert answers[0].content == answers[1].content


# Facts -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FactAttempt:
    """A fact with an id in one field; a new id there is fine where the client makes it."""

    type: str
    field: str
    of: Callable[[Household], str]
    body: Callable[[Household, str], Body]
    client_made: bool = False


def _analysis(own: Household, **more: Any) -> AnalysisAdd:
    values: dict[str, Any] = {"analysis_id": uuid7(), "dog_id": own.dog_id, "walk_id": None} | more
    return AnalysisAdd(kind="face", at_ms=1_795_000_000_000, result={"mood": "happy"}, **values)


def _diary(own: Household, **more: Any) -> DiarySet:
    stamp = f"1795000000000-0000-{own.phone.client_id}".zfill(57)
    values: dict[str, Any] = {"entry_id": uuid7(), "walk_id": None} | more
    return DiarySet(date=DAY, field="text", value="남의 것", hlc=stamp, **values)


def _mission(own: Household, **more: Any) -> MissionSubmit:
    values: dict[str, Any] = {"mission_id": own.mission_id, "walk_id": own.walk_id} | more
    values = {"media_key": own.photo_key} | values
    return MissionSubmit(mission_type="sit", nonce="n", at_ms=1_795_000_000_000, **values)


def _start(walk_id: str, dog_ids: list[str]) -> WalkStart:
    return WalkStart(walk_id, dog_ids, 1_794_999_000_000, CURRENT_RULES, "live")


def _points(walk_id: str) -> WalkPoints:
    body = walk_bodies(straight(1_794_999_000_000, metres=30), walk_id)[1]
    assert isinstance(body, WalkPoints)
    return msgspec.structs.replace(body, chunk=7)


FACT_ATTEMPTS = [
    FactAttempt("walk.start", "walk_id", lambda a: a.walk_id, lambda b, i: _start(i, []), True),
    FactAttempt("walk.start", "dog_ids", lambda a: a.dog_id, lambda b, i: _start(uuid7(), [i])),
    FactAttempt("walk.points", "walk_id", lambda a: a.walk_id, lambda b, i: _points(i), True),
    FactAttempt("walk.finish", "walk_id", lambda a: a.walk_id,
                lambda b, i: WalkFinish(i, 1_795_000_000_000, 1, False, Prediction(0, 0)), True),
    FactAttempt("walk.cancel", "walk_id", lambda a: a.walk_id,
                lambda b, i: WalkCancel(i, 1_795_000_000_000), True),
    FactAttempt("analysis.add", "analysis_id", lambda a: _made(a, "analysis_id"),
                lambda b, i: _analysis(b, analysis_id=i), True),
    FactAttempt("analysis.add", "dog_id", lambda a: a.dog_id,
                lambda b, i: _analysis(b, dog_id=i)),
    FactAttempt("analysis.add", "walk_id", lambda a: a.walk_id,
                lambda b, i: _analysis(b, walk_id=i)),
    FactAttempt("diary.set", "entry_id", lambda a: a.entry_id,
                lambda b, i: _diary(b, entry_id=i), True),
    FactAttempt("diary.set", "walk_id", lambda a: a.walk_id,
                # A walk of one's own may come after the diary that names it.
                lambda b, i: _diary(b, walk_id=i), True),
    FactAttempt("mission.submit", "mission_id", lambda a: a.mission_id,
                lambda b, i: _mission(b, mission_id=i)),
    FactAttempt("mission.submit", "walk_id", lambda a: a.walk_id,
                lambda b, i: _mission(b, walk_id=i)),
]  # fmt: skip
ELSEWHERE = {("mission.submit", "media_key"): "test_offers: another user's key is an unknown one"}


def _made(household: Household, field: str) -> str:
    """The id of what `_fill` has added to A's log."""
    payloads = (msgspec.json.decode(fact.payload) for fact in household.log.facts)
    return next(payload[field] for payload in payloads if field in payload)


def test_every_id_of_every_fact_is_covered() -> None:
    places = {
        (name, field)
        for name, kind in FACTS.items()
        for field in kind.payload.__struct_fields__
        if field.endswith(("_id", "_ids", "_key", "_keys"))
    }
    assert places == {(each.type, each.field) for each in FACT_ATTEMPTS} | set(ELSEWHERE)


async def test_a_fact_with_another_users_id_is_refused(neighbours: Neighbours) -> None:
    a, b = neighbours.a, neighbours.b
    a.log.add(_analysis(a))
    await a.log.push()
    before = await _state(a)
    for attempt in FACT_ATTEMPTS:
        theirs = attempt.of(a)
        facts = b.log.add(attempt.body(b, theirs), attempt.body(b, uuid7()))
        foreign, unknown = (await b.log.send(facts))["results"]
        where = f"{attempt.type} {attempt.field}: {foreign}"
        assert foreign["status"] == "refused", where
        if attempt.client_made:
            assert unknown["status"] == "applied", f"{where} {unknown}"
        else:
            assert {**foreign, "seq": 0} == {**unknown, "seq": 0}, where
    assert await _state(a) == before


# Who must sign in ------------------------------------------------------------------------------

WITHOUT_SIGNING_IN = {
    "GET /healthz", "GET /readyz", "GET /metrics",  # for operators
    "POST /api/auth/guest", "POST /api/auth/kakao", "GET /api/auth/kakao/start",
    "POST /api/auth/refresh", "POST /api/auth/logout",  # the token is in the body
    "GET /api/breeds",  # the same for everybody
    "PUT /api/uploads/{key}/content", "GET /api/media/{key}",  # the signature permits
    "GET /api/artifacts/{job_id}/{name}", "GET /api/healthcare/health", "GET /api/vet/health",
}  # fmt: skip
SIGNED_IN = [operation for operation in OPERATIONS.values() if operation.is_signed_in]


def test_the_routes_without_a_token_are_the_listed_ones() -> None:
    assert set(OPERATIONS) - {operation.label for operation in SIGNED_IN} == WITHOUT_SIGNING_IN


async def test_without_an_access_token_every_route_answers_401(neighbours: Neighbours) -> None:
    b = neighbours.b
    other = (await neighbours.server.guest()).tokens
    wrong = {
        "none": {},
        "empty": {"Authorization": "Bearer "},
        "refresh": {"Authorization": f"Bearer {b.phone.tokens['refresh_token']}"},
        "secret": {"Authorization": f"Bearer {other['guest_secret']}"},
        "basic": {"Authorization": f"Basic {other['access_token']}"},
        "cut": {"Authorization": f"Bearer {other['access_token'][:-2]}"},
    }
    for operation in SIGNED_IN:
        for name, headers in wrong.items():
            for body in ({}, {"json": {}}):
                answer = await neighbours.server.client.request(
                    operation.method, _path(operation, b), headers=headers, **body
                )
                where = f"{operation.label} with {name}: {answer.text}"
                assert answer.status_code == 401, where
                assert answer.headers["www-authenticate"] == "Bearer", where
                if _is_products(operation.label):
                    assert answer.headers["content-type"] == "application/json", where
                    assert answer.json()["error"]["code"] == "UNAUTHORIZED", where
                else:
                    assert answer.headers["content-type"] == "application/problem+json", where
                    assert answer.json()["code"] == "unauthorized", where
    # Pictures: neither a signature nor a token.
    for path in (f"/api/media/{b.photo_key}", f"/api/artifacts/{b.job_id}/frame.jpg"):
        assert (await neighbours.server.client.get(path)).status_code == 401


def _path(operation: Operation, household: Household) -> str:
    ids = {**household.ids, "key": household.photo_key, "region_id": "1", "board": "everyone",
           "name": "frame.jpg"}  # fmt: skip
    return operation.path.format(**ids)
