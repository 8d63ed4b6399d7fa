"""Erasing a conversation or the account: messages, memory, pictures, reports, answers under way."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from edge_sdk.ids import uuid7
from sync_server.platform.artifact_links import artifact_key
from sync_server.platform.signed_links import object_key
from sync_server.vet import conversations, limits
from sync_server.vet.answering import answering
from sync_server.vet.reports import FILES
from sync_server.vet.stream import AnswerStream
from tests.support.accounts import renew, user_no_of
from tests.support.ai_role import install
from tests.support.household import jpeg
from tests.support.vet_role import install_vet
from tests.sync_server.vet.conftest import Talk

pytestmark = pytest.mark.anyio
SECRET = "아무에게도 말하지 않은 기침"
TABLES = ("vet_conversation", "vet_turn", "vet_report")


async def _rows(talk: Talk) -> dict[str, int]:
    async with talk.server.platform.database.read() as tx:
        return {
            table: int(await tx.fetch_value(f"SELECT COUNT(*) FROM {table}")) for table in TABLES
        }


async def _photo(talk: Talk, kind: str, edge_px: int) -> str:
    data = jpeg(edge_px)
    announced = {"kind": kind, "content_type": "image/jpeg", "size_bytes": len(data)}
    ticket = (await talk.send("POST", "/api/uploads", json=announced)).json()
    url = urlsplit(ticket["upload_url"])
    await talk.server.client.put(f"{url.path}?{url.query}", content=data, headers=ticket["headers"])
    key: str = ticket["key"]
    done = await talk.send("POST", f"/api/uploads/{key}/complete")
    assert done.status_code == 200, done.text
    return key


async def _is_there(talk: Talk, key: str) -> bool:
    answer = await talk.send("GET", f"/api/media/{key}")
    stored = await talk.server.platform.objects.size(object_key(key)) is not None
    assert (answer.status_code == 200) == stored
    return stored


async def _delete(talk: Talk, conversation_id: str) -> int:
    answer = await talk.send("DELETE", f"/api/vet/conversations/{conversation_id}")
    return answer.status_code


async def test_a_deleted_conversation_leaves_nothing(talk: Talk) -> None:
    install(talk.server)
    install_vet(talk.server)
    await talk.answer(SECRET, "gone", headers={"Idempotency-Key": "k"})
    await talk.answer("다른 대화", "stays")
    made = await talk.send("POST", "/api/vet/jobs", json={"conversation_id": "gone"})
    job_id = made.json()["job_id"]
    objects = talk.server.platform.objects
    material = artifact_key(job_id, FILES[0])
    assert await objects.size(material) is not None
    await objects.put(artifact_key(job_id, FILES[1]), b"{}")
    assert await _delete(talk, "gone") == 204
    assert await _delete(talk, "gone") == 404
    assert await _rows(talk) == {"vet_conversation": 1, "vet_turn": 1, "vet_report": 0}
    for name in FILES:
        assert await objects.size(artifact_key(job_id, name)) is None
    status = await talk.send("GET", f"/api/vet/jobs/{job_id}")
    assert status.status_code == 404
    # Nor does the key of the question answer it again.
    again = await talk.ask(SECRET, "gone", headers={"Idempotency-Key": "k"})
    assert again.json()["error"]["code"] == "CONVERSATION_NOT_FOUND"
    async with talk.server.platform.database.read() as tx:
        kept = await tx.fetch_tuples("SELECT body FROM idempotent_answer")
        cancelled = await tx.fetch_value("SELECT COUNT(*) FROM job_to_cancel")
    assert all(SECRET not in row[0] for row in kept) and cancelled == 1


async def test_pictures_go_with_the_last_conversation_that_shows_them(talk: Talk) -> None:
    only, both, diary, dogs = [
        await _photo(talk, kind, edge)
        for kind, edge in (("vet_photo", 60), ("vet_photo", 61), ("diary_photo", 62),
                           ("dog_photo", 63))
    ]  # fmt: skip
    await talk.answer("하나", "a", image_url=only)
    await talk.answer("둘", "a", image_url=both)
    await talk.answer("셋", "a", image_url=f"/api/media/{diary}")
    await talk.answer("넷", "a", image_url=dogs)
    await talk.answer("다섯", "b", image_url=both)
    entry = {"date": "2026-11-18", "text": "사진", "photos": [diary]}
    await talk.send("PUT", f"/api/diary/{uuid7()}", json=entry)
    first = talk.role.requests[0].image_url
    assert first is not None and "signature=" in first
    # While a conversation shows them they are not swept, however long ago they were uploaded.
    talk.server.clock.advance(days=40)
    await renew(talk.server, talk.phone)
    for sweeper in talk.server.platform.sweepers:
        await sweeper(talk.server.platform, talk.server.clock())
    assert [await _is_there(talk, key) for key in (only, both, diary, dogs)] == [True] * 4
    assert await _delete(talk, "a") == 204
    there = [await _is_there(talk, key) for key in (only, both, diary, dogs)]
    assert there == [False, True, True, False]
    assert await _delete(talk, "b") == 204
    assert not await _is_there(talk, both)


async def test_another_users_picture_is_no_picture(talk: Talk) -> None:
    other = await talk.beside()
    key = await _photo(other, "vet_photo", 64)
    answer = await talk.ask("남의 사진", image_url=key)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "IMAGE_FETCH_FAILED"


async def test_an_answer_under_way_ends_with_its_conversation_and_writes_nothing(
    talk: Talk,
) -> None:
    never = asyncio.Event()
    talk.role.script = lambda request: [SECRET, never]
    platform = talk.server.platform
    asking = asyncio.create_task(talk.ask("지금", "live"))
    await talk.role.becomes(running=1)
    turn_id = next(iter(platform.texts))
    live = await answering(platform, await user_no_of(talk.server, talk.phone), turn_id)
    stream = AnswerStream(live, None, "ko")
    assert SECRET in (await anext(stream)).decode()
    assert await _delete(talk, "live") == 204
    await talk.role.becomes(running=0)
    last = (await anext(stream)).decode()
    assert "event: error" in last and "CONVERSATION_NOT_FOUND" in last
    assert (await asking).status_code == 404
    assert await _rows(talk) == dict.fromkeys(TABLES, 0)


async def test_an_erased_account_leaves_nothing(talk: Talk) -> None:
    install(talk.server)
    install_vet(talk.server)
    other = await talk.beside()
    await other.answer("남는 질문", "c")
    key = await _photo(talk, "vet_photo", 65)
    dog_id = await talk.dog()
    await talk.answer(SECRET, "c", image_url=key, dog_id=dog_id)
    made = [await talk.send("POST", "/api/vet/jobs", json=body)
            for body in ({"conversation_id": "c"}, {"dog_id": dog_id})]  # fmt: skip
    job_ids = [each.json()["job_id"] for each in made]
    assert (await talk.send("DELETE", "/api/me")).status_code == 204
    assert await _rows(talk) == {"vet_conversation": 1, "vet_turn": 1, "vet_report": 0}
    objects = talk.server.platform.objects
    for job_id in job_ids:
        assert await objects.size(artifact_key(job_id, FILES[0])) is None
    assert await objects.size(object_key(key)) is None
    kept = await other.read("c")
    assert [turn["question"] for turn in kept["turns"]] == ["남는 질문"]


async def test_an_answer_under_way_ends_with_its_account(talk: Talk) -> None:
    never = asyncio.Event()
    talk.role.script = lambda request: [SECRET, never]
    asking = asyncio.create_task(talk.ask("지금"))
    await talk.role.becomes(running=1)
    assert (await talk.send("DELETE", "/api/me")).status_code == 204
    await conversations.sweep(talk.server.platform, talk.server.clock())
    await talk.role.becomes(running=0)
    assert (await asking).status_code == 404
    assert await _rows(talk) == dict.fromkeys(TABLES, 0)


async def test_the_export_has_all_that_was_said_and_remembered(talk: Talk) -> None:
    past = [{"role": "user", "content": "예전에 구토를 했어요"}]
    await talk.answer(SECRET, "e", history=past)
    exported: Any = (await talk.send("GET", "/api/me/export")).json()
    (held,) = exported["collections"]["vet_conversations"]
    assert held["conversation"]["conversation_id"] == "e"
    assert held["turns"][0]["question"] == SECRET
    assert held["turns"][0]["answer"]["answer"]["content"]
    assert held["brought"] == past
    assert any("구토" in fact for fact in held["memory"]["key_facts"])
    other = await talk.beside()
    theirs: Any = (await other.send("GET", "/api/me/export")).json()
    assert theirs["collections"]["vet_conversations"] == []


async def test_a_conversation_unused_for_a_year_is_swept(talk: Talk) -> None:
    await talk.answer("오래된 질문", "old")
    talk.server.clock.advance(days=200)
    await renew(talk.server, talk.phone)
    await talk.answer("새 질문", "new")
    talk.server.clock.advance(ms=limits.KEPT_MS - 200 * 86_400_000 + 1)
    await conversations.sweep(talk.server.platform, talk.server.clock())
    await renew(talk.server, talk.phone)
    listed = (await talk.send("GET", "/api/vet/conversations")).json()
    assert [each["conversation_id"] for each in listed["conversations"]] == ["new"]


async def test_conversations_are_listed_page_by_page_last_used_first(talk: Talk) -> None:
    for number in range(5):
        talk.server.clock.advance(s=1)
        await talk.answer(f"질문 {number} {'길게 ' * 30}", f"c{number}")
    talk.server.clock.advance(s=1)
    await talk.answer("다시", "c0")
    found, more = [], ""
    while True:
        page = (await talk.send("GET", f"/api/vet/conversations?limit=2{more}")).json()
        found += page["conversations"]
        if page["next_before_ms"] is None:
            break
        more = f"&before_ms={page['next_before_ms']}"
    assert [each["conversation_id"] for each in found] == ["c0", "c4", "c3", "c2", "c1"]
    assert found[0]["turns"] == 2 and len(found[0]["title"]) <= 40
    first = (await talk.send("GET", "/api/vet/conversations/c0?limit=1")).json()
    rest = (await talk.send(
        "GET", f"/api/vet/conversations/c0?after={first['next_after']}"
    )).json()  # fmt: skip
    assert [turn["turn_no"] for turn in first["turns"] + rest["turns"]] == [1, 2]
    assert rest["next_after"] is None
