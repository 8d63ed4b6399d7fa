"""Dogs of a user and the list of breeds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from edge_sdk.ids import uuid7
from sync_server.dogs import breeds
from sync_server.dogs import service as dogs
from tests.support.app import Phone, Server, running

pytestmark = pytest.mark.anyio
BORI = {
    "name": "보리", "breed_code": "jindo", "sex": "female", "neutered": True,
    "born_on": "2023-05-01", "weight_kg": 14.5,
}  # fmt: skip


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path) as server:
        yield server


async def create(server: Server, phone: Phone, **body: Any) -> httpx.Response:
    sent = {"dog_id": uuid7(), "name": "보리", **body}
    return await server.client.post("/api/dogs", json=sent, headers=phone.headers)


async def change(server: Server, phone: Phone, dog_id: str, **body: Any) -> httpx.Response:
    return await server.client.patch(f"/api/dogs/{dog_id}", json=body, headers=phone.headers)


async def feed_rows(server: Server) -> list[tuple[Any, ...]]:
    async with server.platform.database.read() as tx:
        return list(
            await tx.fetch_tuples(
                "SELECT row_id, deleted, doc, rev FROM feed_row WHERE collection = 'dogs' "
                "ORDER BY row_id"
            )
        )


async def test_a_dog_is_kept_changed_and_deleted_and_the_feed_follows(server: Server) -> None:
    phone, dog_id = await server.guest(), uuid7()
    made = await create(server, phone, dog_id=dog_id, **BORI)
    assert made.status_code == 201, made.text
    expected = {
        "dog_id": dog_id, **BORI, "photo_key": None,
        "created_at_ms": server.clock(), "changed_at_ms": server.clock(),
    }  # fmt: skip
    assert made.json() == expected
    assert (await server.client.get(f"/api/dogs/{dog_id}", headers=phone.headers)).json() == (
        expected
    )
    ((row_id, deleted, doc, first_rev),) = await feed_rows(server)
    assert (row_id, deleted, msgspec.json.decode(doc)) == (dog_id, 0, expected)

    server.clock.advance(s=5)
    changed = await change(server, phone, dog_id, weight_kg=15, neutered=None)
    assert changed.json() == {
        **expected, "weight_kg": 15.0, "neutered": None, "changed_at_ms": server.clock(),
    }  # fmt: skip
    ((_, _, doc, rev),) = await feed_rows(server)
    assert (msgspec.json.decode(doc), rev > first_rev) == (changed.json(), True)

    gone = await server.client.delete(f"/api/dogs/{dog_id}", headers=phone.headers)
    assert (gone.status_code, gone.content) == (204, b"")
    ((row_id, deleted, doc, _),) = await feed_rows(server)
    assert (row_id, deleted, doc) == (dog_id, 1, "")
    assert (await server.client.get("/api/dogs", headers=phone.headers)).json() == {"dogs": []}
    async with server.platform.database.read() as tx:
        row = await tx.fetch_one("SELECT * FROM dog WHERE dog_id = ?", dog_id)
    assert (row["name"], row["breed_code"], row["born_on"]) == ("", None, None)


async def test_a_user_has_several_dogs_oldest_first(server: Server) -> None:
    phone = await server.guest()
    for name in ("하나", "둘", "셋"):
        await create(server, phone, name=name)
        server.clock.advance(s=1)
    listed = (await server.client.get("/api/dogs", headers=phone.headers)).json()["dogs"]
    assert [dog["name"] for dog in listed] == ["하나", "둘", "셋"]


async def test_the_same_dog_again_is_harmless_and_other_content_a_conflict(
    server: Server,
) -> None:
    phone, dog_id = await server.guest(), uuid7()
    answers = await asyncio.gather(
        *(create(server, phone, dog_id=dog_id, **BORI) for _ in range(10))
    )
    assert Counter(a.status_code for a in answers) == {201: 10}
    assert len({a.text for a in answers}) == 1
    other = await create(server, phone, dog_id=dog_id, **{**BORI, "name": "콩"})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    await server.client.delete(f"/api/dogs/{dog_id}", headers=phone.headers)
    late = await create(server, phone, dog_id=dog_id, **BORI)
    assert (late.status_code, late.json()["code"]) == (409, "conflict")


async def test_another_users_dog_is_not_found_on_every_route(server: Server) -> None:
    owner, thief = await server.guest(), await server.guest()
    dog_id = (await create(server, owner, **BORI)).json()["dog_id"]
    tries = [
        await server.client.get(f"/api/dogs/{dog_id}", headers=thief.headers),
        await change(server, thief, dog_id, name="훔친 개"),
        await change(server, thief, dog_id),
        await server.client.delete(f"/api/dogs/{dog_id}", headers=thief.headers),
        await create(server, thief, dog_id=dog_id, **BORI),
    ]
    unknown = await server.client.get(f"/api/dogs/{uuid7()}", headers=thief.headers)
    for answer in tries:
        assert answer.status_code == 404
        assert answer.json() == unknown.json()
    kept = await server.client.get(f"/api/dogs/{dog_id}", headers=owner.headers)
    assert kept.json()["name"] == "보리"


@pytest.mark.parametrize("dog_id", ["x", "%00", "%ff", "1" * 3000, "..%2f", "0" * 36])
async def test_ids_that_are_none_are_not_found(server: Server, dog_id: str) -> None:
    phone = await server.guest()
    for method in ("GET", "PATCH", "DELETE"):
        body = {"name": "x"} if method == "PATCH" else None
        answer = await server.client.request(
            method, f"/api/dogs/{dog_id}", headers=phone.headers, json=body
        )
        assert answer.status_code == 404, (method, answer.text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "  "}, {"name": "x" * 31}, {"name": None}, {"name": "a\u0000"},
        {"breed_code": "cat"}, {"breed_code": 7}, {"sex": "other"}, {"neutered": "yes"},
        {"born_on": "2026-13-01"}, {"born_on": "2099-01-01"},
        {"born_on": "1900-01-01"}, {"born_on": 20230501}, {"weight_kg": 0},
        {"weight_kg": -1}, {"weight_kg": 1000},
        {"photo_key": "../../etc/passwd"}, {"photo_key": "A" * 32}, {"user_no": 1},
        {"created_at_ms": 1},
    ],
)  # fmt: skip
async def test_wrong_dogs_are_refused(server: Server, wrong: dict[str, Any]) -> None:
    phone = await server.guest()
    dog_id = (await create(server, phone, **BORI)).json()["dog_id"]
    for answer in (
        await create(server, phone, **wrong),
        await change(server, phone, dog_id, **wrong),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
        assert answer.headers["content-type"].startswith("application/problem+json")


async def test_an_oversize_dog_is_too_large(server: Server) -> None:
    phone = await server.guest()
    answer = await create(server, phone, name="x" * 100_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_the_number_of_dogs_is_limited(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dogs, "MAX_DOGS", 3)
    phone = await server.guest()
    statuses = [(await create(server, phone)).status_code for _ in range(4)]
    assert statuses == [201, 201, 201, 422]


async def test_owned_dogs_are_the_users_own_deleted_ones_included(server: Server) -> None:
    phone, other = await server.guest(), await server.guest()
    mine, deleted, foreign = [
        (await create(server, owner)).json()["dog_id"] for owner in (phone, phone, other)
    ]
    await server.client.delete(f"/api/dogs/{deleted}", headers=phone.headers)
    async with server.platform.database.read() as tx:
        user_no = await tx.fetch_value(
            "SELECT user_no FROM app_user WHERE user_id = ?", phone.user_id
        )
        found = await dogs.owned_dogs(tx, user_no, [mine, deleted, foreign, uuid7(), "x"])
        assert found == {mine, deleted}
        assert await dogs.owned_dogs(tx, user_no, []) == set()


# Breeds ------------------------------------------------------------------------------------


def test_the_list_of_breeds_is_sound() -> None:
    listed = list(breeds.all_breeds().values())
    assert len(listed) >= 120
    for field in ("code", "name_ko", "name_en"):
        values = [getattr(breed, field) for breed in listed]
        assert len(set(values)) == len(values)
        assert all(value == value.strip() and value for value in values)
    assert {"jindo", "maltese", "mixed", "unknown"} <= set(breeds.all_breeds())
    assert {breed.size for breed in listed} == {
        "toy", "small", "medium", "large", "giant", "mixed",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("진돗", "jindo"), ("말티즈", "maltese"), ("MALTESE", "maltese"),
        ("골든리트리버", "golden-retriever"), ("shih tzu", "shih-tzu"), ("쉽", None),
        ("리트리버", "nova-scotia-duck-tolling-retriever"),
        ("\u1106\u1161\u11af\u1110\u1175", "maltese"),
    ],
)  # fmt: skip
def test_breeds_are_found_in_both_languages(words: str, first: str | None) -> None:
    found = breeds.search(words)
    assert (found[0].code if found else None) == first


async def test_breeds_answer_in_the_language_of_the_request(server: Server) -> None:
    for language, name in ((None, "진돗개"), ("ko-KR", "진돗개"), ("en-US", "Korean Jindo")):
        headers = {} if language is None else {"Accept-Language": language}
        answer = await server.client.get("/api/breeds", params={"q": "jindo"}, headers=headers)
        assert answer.status_code == 200
        assert [b["name"] for b in answer.json()["breeds"]] == [name]
    everything = (await server.client.get("/api/breeds")).json()["breeds"]
    assert len(everything) == len(breeds.all_breeds())
    too_long = await server.client.get("/api/breeds", params={"q": "x" * 51})
    assert too_long.status_code == 400
