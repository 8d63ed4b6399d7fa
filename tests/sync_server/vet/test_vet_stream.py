"""Streams of answers: pieces with places, resumed anywhere, joined, broken off, never spliced."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import anyio
import pytest

from edge_sdk.ids import uuid7
from sync_server.ai.vet.contract import ChatRefused, ChatRequest, Replace
from sync_server.platform.context import Platform
from sync_server.platform.sse import PING
from sync_server.vet import answering as writing
from sync_server.vet import store
from sync_server.vet.answering import Answering, answering
from sync_server.vet.model import LEASE_MS
from sync_server.vet.stream import AnswerStream, Position, position_of
from tests.support.accounts import user_no_of
from tests.support.sse import Event, event_of, events_of, shown
from tests.support.vet_role import PIECES, ask
from tests.sync_server.vet.conftest import Talk

pytestmark = pytest.mark.anyio
WHOLE = "".join(PIECES)
STREAM = "/api/vet/chat/stream"


async def _stream(talk: Talk, content: str, conversation_id: str = "", **more: Any) -> list[Event]:
    headers = more.pop("headers", {})
    answer = await talk.send("POST", STREAM, json=ask(content, conversation_id, **more),
                             headers=headers)  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    return events_of(answer.text)


async def _again(talk: Talk, turn_id: str, last: str | None = None) -> list[Event]:
    headers = {} if last is None else {"Last-Event-ID": last}
    answer = await talk.send("GET", f"{STREAM}/{turn_id}", headers=headers)
    assert answer.status_code == 200, answer.text
    return events_of(answer.text)


class Reader:
    """A reader of an answer inside the process, who may leave in the middle."""

    def __init__(self, live: Answering, seen: Position | None = None) -> None:
        self.stream = AnswerStream(live, seen, "ko")
        self.events: list[Event] = []

    async def next(self) -> Event:
        with anyio.fail_after(10):
            event = event_of((await anext(self.stream)).decode())
        assert event is not None
        self.events.append(event)
        return event

    async def until(self, text: str) -> None:
        while shown(self.events) != text:
            await self.next()

    async def rest(self) -> list[Event]:
        with anyio.fail_after(10):
            async for chunk in self.stream:
                event = event_of(chunk.decode())
                assert event is not None
                self.events.append(event)
        return self.events


async def _begun(talk: Talk, content: str, conversation_id: str) -> tuple[int, str]:
    """A turn kept as its request does, whose answer has not begun."""
    from sync_server.ai.vet.contract import UserContext
    from sync_server.vet.model import Turn

    platform, now_ms = talk.server.platform, talk.server.clock.now_ms
    user_no = await user_no_of(talk.server, talk.phone)
    async with platform.database.transaction() as tx:
        held, _ = await store.open_conversation(tx, user_no, conversation_id, "", now_ms)
        turn = Turn(
            uuid7(now_ms), held.conversation_no, conversation_id, user_no, held.turns + 1, "ko",
            content, None, None, None, UserContext(), "", 0, "streaming", None, None,
            store.WRITER, now_ms, now_ms, None,
        )  # fmt: skip
        await store.add_turn(tx, turn)
    return user_no, turn.turn_id


async def _kept(talk: Talk, user_no: int, turn_id: str) -> Any:
    async with talk.server.platform.database.read() as tx:
        turn = await store.turn(tx, user_no, turn_id)
    assert turn is not None
    return turn


# --- events --------------------------------------------------------------------------------


async def test_tokens_then_the_same_final_as_the_synchronous_answer(talk: Talk) -> None:
    events = await _stream(talk, "귀를 긁어요", "s1")
    assert {event.name for event in events[:-1]} == {"token"}
    assert events[-1].name == "final"
    assert shown(events) == WHOLE == events[-1].data["answer"]["content"]
    kept = await talk.read("s1")
    assert kept["turns"][0]["answer"] == events[-1].data
    sync = await talk.answer("귀를 긁어요", "s2")
    assert set(sync) == set(events[-1].data)


async def test_each_events_id_is_its_turn_revision_and_place_in_code_points(talk: Talk) -> None:
    talk.role.script = lambda request: ["개🐶", "é", Replace("다시 "), "끝"]
    events = await _stream(talk, "자리", "s3")
    turn_id = events[0].id.split(".")[0]
    text, revision = "", 0
    for event in events:
        where = position_of(event.id)
        assert where is not None and where.turn_id == turn_id
        if event.name == "replace":
            text, revision = event.text, revision + 1
        elif event.name == "token":
            text += event.text
        assert where.offset == len(text)
        assert where.revision >= revision
    assert text == "다시 끝" == events[-1].data["answer"]["content"]


async def test_a_refusal_in_the_middle_is_an_error_event_with_the_products_body(
    talk: Talk,
) -> None:
    talk.role.script = lambda request: ["시작은 했", ChatRefused("LLM_TIMEOUT")]
    events = await _stream(talk, "늦어요", "s4")
    assert events[-1].name == "error"
    assert events[-1].data["error"]["code"] == "LLM_TIMEOUT"
    assert events[-1].data["error"]["details"] == {"timeout_ms": 15000}
    turn_id = events[-1].id.split(".")[0]
    # Asked again it is told the same, and nobody is asked a second time.
    assert (await _again(talk, turn_id))[-1].data == events[-1].data
    assert len(talk.role.requests) == 1


async def test_the_answer_of_a_stream_names_conversation_and_turn_in_its_headers(
    talk: Talk,
) -> None:
    answer = await talk.send("POST", STREAM, json=ask("누구세요?"))
    final = events_of(answer.text)[-1].data
    assert answer.headers["x-conversation-id"] == final["conversation_id"]
    assert answer.headers["x-turn-id"] == final["turn_id"]


# --- resuming ------------------------------------------------------------------------------


async def test_a_finished_answer_is_resumed_at_every_place(talk: Talk) -> None:
    talk.role.script = lambda request: ["가나다라마바사 🐕 아자차카", "타파하"]
    events = await _stream(talk, "모두", "s5")
    whole, turn_id = shown(events), events[0].id.split(".")[0]
    for offset in range(len(whole) + 1):
        rest = await _again(talk, turn_id, f"{turn_id}.0.{offset}")
        assert shown(rest, whole[:offset]) == whole
        assert rest[-1] == events[-1]
        assert "replace" not in {event.name for event in rest}
    for foreign in (f"{turn_id}.3.1", f"{turn_id}.0.999", f"{uuid7()}.0.4", "nonsense", "1.2.3"):
        rest = await _again(talk, turn_id, foreign)
        assert shown(rest) == whole


async def test_last_event_id_on_a_post_resumes_only_the_very_same_question(talk: Talk) -> None:
    events = await _stream(talk, "같은 질문", "s6")
    headers = {"Last-Event-ID": events[0].id}
    again = await _stream(talk, "같은 질문", "s6", headers=headers)
    assert shown(again, shown(events[:1])) == WHOLE
    assert len(talk.role.requests) == 1
    other = await _stream(talk, "다음 질문", "s6", headers=headers)
    assert shown(other) == WHOLE and len(talk.role.requests) == 2
    foreign = await (await talk.beside()).send(
        "POST", STREAM, json=ask("같은 질문"), headers=headers
    )
    assert foreign.status_code == 404
    assert foreign.json()["error"]["code"] == "TURN_NOT_FOUND"


async def test_the_same_key_streams_the_same_answer_again(talk: Talk) -> None:
    key = {"Idempotency-Key": "k"}
    first = await _stream(talk, "한 번", headers=key)
    again = await _stream(talk, "한 번", headers=key)
    assert again[-1] == first[-1] and shown(again) == shown(first)
    assert len(talk.role.requests) == 1


# --- readers that leave --------------------------------------------------------------------


async def test_the_last_reader_who_leaves_ends_the_call_and_the_answer_goes_on_later(
    talk: Talk,
) -> None:
    never = asyncio.Event()
    talk.role.script = lambda request: ["하나 ", "둘 ", never]
    user_no, turn_id = await _begun(talk, "길게", "b1")
    live = await answering(talk.server.platform, user_no, turn_id)
    one, two = Reader(live), Reader(live)
    await one.until("하나 둘 ")
    await two.until("하나 둘 ")
    one.stream.close()
    await asyncio.sleep(0)
    assert talk.role.running == 1
    two.stream.close()
    await talk.role.becomes(running=0)
    await live.is_over.wait()
    kept = await _kept(talk, user_no, turn_id)
    assert (kept.state, kept.content, kept.revision) == ("interrupted", "하나 둘 ", 0)
    assert talk.role.ended_early == 1

    def goes_on(request: ChatRequest) -> list[Any]:
        assert request.partial == "하나 둘 "
        return ["셋"]

    talk.role.script = goes_on
    rest = await _again(talk, turn_id, two.events[-1].id)
    assert [event.name for event in rest] == ["token", "final"]
    assert shown(rest, "하나 둘 ") == "하나 둘 셋" == rest[-1].data["answer"]["content"]


async def test_a_reader_that_is_forgotten_has_left(talk: Talk) -> None:
    never = asyncio.Event()
    talk.role.script = lambda request: ["하나 ", never]
    user_no, turn_id = await _begun(talk, "잊힌", "b2")
    reader = Reader(await answering(talk.server.platform, user_no, turn_id))
    await reader.until("하나 ")
    del reader
    gc.collect()
    await talk.role.becomes(running=0)
    # One whose response never began.
    live = await answering(talk.server.platform, user_no, turn_id)
    stream = AnswerStream(live, None, "ko")
    await talk.role.becomes(running=1)
    del stream
    gc.collect()
    await talk.role.becomes(running=0)


async def test_a_reader_that_is_cancelled_has_left(talk: Talk) -> None:
    never = asyncio.Event()
    talk.role.script = lambda request: ["하나 ", never]
    user_no, turn_id = await _begun(talk, "끊긴", "b3")
    reader = Reader(await answering(talk.server.platform, user_no, turn_id))
    with anyio.move_on_after(0.2):
        await reader.rest()
    await talk.role.becomes(running=0)


async def test_who_comes_while_an_answer_is_being_ended_waits_and_goes_on(talk: Talk) -> None:
    never = asyncio.Event()
    talk.role.script = lambda request: ["하나 ", never] if not request.partial else ["둘"]
    user_no, turn_id = await _begun(talk, "다시", "b4")
    live = await answering(talk.server.platform, user_no, turn_id)
    reader = Reader(live)
    await reader.until("하나 ")
    reader.stream.close()
    assert live.is_left and not live.ended
    events = await Reader(await answering(talk.server.platform, user_no, turn_id)).rest()
    assert shown(events) == "하나 둘" and events[-1].name == "final"


async def test_a_reader_who_joins_late_gets_all_and_a_slow_one_misses_nothing(talk: Talk) -> None:
    go = [asyncio.Event() for _ in range(3)]
    talk.role.script = lambda request: [
        "하나 ", go[0], "둘 ", Replace("고친 답 "), go[1], "끝 ", go[2], "!",
    ]  # fmt: skip
    user_no, turn_id = await _begun(talk, "여럿", "b5")
    platform: Platform = talk.server.platform
    first = Reader(await answering(platform, user_no, turn_id))
    slow = Reader(await answering(platform, user_no, turn_id))
    await first.until("하나 ")
    await slow.until("하나 ")
    go[0].set()
    await first.until("고친 답 ")
    late = Reader(await answering(platform, user_no, turn_id))
    go[1].set()
    await first.until("고친 답 끝 ")
    go[2].set()
    for reader in (first, slow, late):
        assert shown(await reader.rest()) == "고친 답 끝 !"
        assert reader.events[-1].name == "final"
    assert [event.name for event in slow.events].count("replace") == 1
    assert "replace" not in {event.name for event in late.events}
    assert len(talk.role.requests) == 1


async def test_a_quiet_stream_is_pinged(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync_server.vet.stream.PING_S", 0.05)
    never = asyncio.Event()
    talk.role.script = lambda request: [never]
    user_no, turn_id = await _begun(talk, "조용", "b6")
    stream = AnswerStream(await answering(talk.server.platform, user_no, turn_id), None, "ko")
    with anyio.fail_after(5):
        assert await anext(stream) == PING.encode()
    stream.close()


# --- processes that die --------------------------------------------------------------------


async def test_what_a_dead_process_had_shown_is_replaced_by_what_was_kept(talk: Talk) -> None:
    platform = talk.server.platform
    _, turn_id = await _begun(talk, "죽음", "d1")
    # What a process leaves that is killed: kept up to its last save, and nobody to end it.
    async with platform.database.transaction() as tx:
        await tx.execute(
            "UPDATE vet_turn SET content = ?, writer = 'dead' WHERE turn_id = ?", "하나 ", turn_id
        )
    talk.role.script = lambda request: ["셋"]
    busy = await talk.send("GET", f"{STREAM}/{turn_id}")
    assert busy.status_code == 409
    assert busy.json()["error"]["code"] == "TURN_IN_PROGRESS"
    refused = await talk.ask("다른 질문", "d1")
    assert refused.status_code == 409
    talk.server.clock.advance(ms=LEASE_MS)
    # The reader had seen more than was kept.
    rest = await _again(talk, turn_id, f"{turn_id}.0.{len('하나 둘 ')}")
    assert [event.name for event in rest][:1] == ["replace"]
    assert shown(rest, "하나 둘 ") == "하나 셋"
    assert talk.role.requests[-1].partial == "하나 "


async def test_after_the_lease_another_question_may_be_asked(talk: Talk) -> None:
    _, turn_id = await _begun(talk, "죽음", "d2")
    async with talk.server.platform.database.transaction() as tx:
        await tx.execute("UPDATE vet_turn SET writer = 'dead' WHERE turn_id = ?", turn_id)
    talk.server.clock.advance(ms=LEASE_MS)
    await talk.answer("다음 질문", "d2")
    kept = await talk.read("d2")
    assert [turn["state"] for turn in kept["turns"]] == ["interrupted", "done"]


async def test_text_is_kept_while_it_streams(talk: Talk) -> None:
    never = asyncio.Event()
    talk.role.script = lambda request: ["하나 ", "둘 ", never]
    user_no, turn_id = await _begun(talk, "오래", "d3")
    reader = Reader(await answering(talk.server.platform, user_no, turn_id))
    await reader.until("하나 둘 ")
    await writing.save(talk.server.platform)
    kept = await _kept(talk, user_no, turn_id)
    assert (kept.state, kept.content) == ("streaming", "하나 둘 ")
    # Said to be alive though nothing new came.
    talk.server.clock.advance(ms=writing.BEAT_MS)
    await writing.save(talk.server.platform)
    assert (await _kept(talk, user_no, turn_id)).saved_ms == talk.server.clock.now_ms
    reader.stream.close()


async def test_a_server_that_stops_keeps_what_was_shown(talk: Talk) -> None:
    never = asyncio.Event()
    talk.role.script = lambda request: ["하나 ", never]
    user_no, turn_id = await _begun(talk, "끝", "d4")
    reader = Reader(await answering(talk.server.platform, user_no, turn_id))
    await reader.until("하나 ")
    await talk.server.platform.tasks.close()
    kept = await _kept(talk, user_no, turn_id)
    assert (kept.state, kept.content) == ("interrupted", "하나 ")
    # The stream just ends: the client comes again with Last-Event-ID.
    assert [event.name for event in await reader.rest()] == ["token"]
