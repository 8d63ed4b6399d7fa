"""Models behind the chat, over the true wires of OpenAI and Gemini: every fault ends as told.

The same tests run by the previous major of each SDK (`nox -s previous_llm_sdks`).
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sync_server.ai.vet.backends.remote import RemoteBackend, Seam, stream_policy
from sync_server.ai.vet.contract import ChatRefused, Replace, Token
from sync_server.ai.vet.pipeline import VetChat
from sync_server.platform.llm.breaker import Breaker
from sync_server.platform.llm.budget import DailyBudget
from sync_server.platform.llm.gemini import GeminiModel
from sync_server.platform.llm.guard import Guard
from sync_server.platform.llm.guarded_stream import StreamDesk
from sync_server.platform.llm.openai_chat import OpenAiModel
from tests.support import gemini, openai_chat
from tests.support.desks import NOON_MS
from tests.support.vet_parts import FewEntries, asking, make_chat, shown, told
from tests.support.wire_service import WireService

pytestmark = pytest.mark.anyio
PIECES = ("물을 조금씩 ", "나누어 주세요. ", "하루에 여러 번 ", "토하면 병원에 가세요.")
WHOLE = "".join(PIECES)
REST = PIECES[2:]
BROKEN_OFF = "동물병원에 문의해 주세요."
EMBEDDED = "embedded-knowledge/1"
URGENT = "지금 바로 응급 동물병원으로 가세요."


@pytest.fixture(params=["openai", "gemini"])
def service(request: pytest.FixtureRequest) -> Iterator[WireService]:
    made: WireService = openai_chat.OpenAi() if request.param == "openai" else gemini.Gemini()
    made.pieces = PIECES
    with made:
        yield made


def model_at(service: WireService) -> OpenAiModel | GeminiModel:
    if isinstance(service, openai_chat.OpenAi):
        return OpenAiModel(openai_chat.API_KEY, openai_chat.MODEL, service.base_url)
    return GeminiModel(gemini.API_KEY, gemini.MODEL, service.url)


@asynccontextmanager
async def chatting(
    service: WireService,
    folder: Path,
    *,
    deadline_s: float = 8.0,
    attempt_s: float = 5.0,
    stall_s: float = 2.0,
    calls_a_day: int = 1_000,
    failures_to_open: int = 1_000,
    vision_model: str = "",
    **parts: Any,
) -> AsyncIterator[VetChat]:
    model = model_at(service)
    budget = DailyBudget(folder / "llm-calls.sqlite", calls_a_day, lambda: NOON_MS)
    guard = Guard(model.provider, budget, Breaker(model.provider, failures_to_open))
    policy = stream_policy(deadline_s)
    call = replace(policy.call, first_wait_s=0.01, attempt_s=attempt_s)
    backend = RemoteBackend(
        StreamDesk(model, guard), replace(policy, call=call, stall_s=stall_s), vision_model
    )
    chat = make_chat(backend, deadline_s=deadline_s, **parts)
    try:
        yield chat
    finally:
        await chat.close()


async def test_an_answer_streams_with_usage_and_the_model_that_answered(
    service: WireService, tmp_path: Path
) -> None:
    async with chatting(service, tmp_path) as chat:
        events, answer = await told(chat, asking("강아지가 토해요"))
    assert answer.answer.content == WHOLE
    assert len([event for event in events if isinstance(event, Token)]) >= 2
    is_openai = isinstance(service, openai_chat.OpenAi)
    assert (answer.processing.tokens_in, answer.processing.tokens_out) == (
        (512, 96) if is_openai else (2011, 143)
    )
    named = "openai/gpt-4o-mini-2024-07-18" if is_openai else "gemini/gemini-2.5-flash-lite-001"
    assert answer.processing.model_used == f"{named}/vet-chat-1"
    assert not answer.processing.notice and len(service.paid_calls()) == 1


async def test_the_first_piece_comes_before_the_last_is_made(
    service: WireService, tmp_path: Path
) -> None:
    service.pace_s = 0.3
    async with chatting(service, tmp_path) as chat:
        events = chat.chat(asking("강아지가 토해요"))
        await anext(events)
        assert not service.hung_up.is_set()
        first_s = time.monotonic()
        rest = [event async for event in events]
    assert rest and time.monotonic() - first_s > 0.25


# fault -> how it ends when it stays: "takeover", "safe_end", a refusal's code
ENDS = {
    "429": "RATE_LIMITED",
    "500": "takeover", "503": "takeover", "drop": "takeover", "401": "takeover",
    "400": "takeover", "404": "takeover", "redirect": "takeover",
    "hang": "LLM_TIMEOUT", "stall_first": "LLM_TIMEOUT", "504": "LLM_TIMEOUT",
    "bad_first": "takeover", "empty": "takeover", "html": "takeover",
    "blocked_first": "takeover", "refusal": "takeover", "blocked": "takeover",
    "stall": "safe_end", "eof": "safe_end", "lost": "safe_end", "bad_chunk": "safe_end",
    "error_inside": "safe_end",
}  # fmt: skip


@pytest.mark.parametrize("fault", ENDS)
async def test_every_fault_that_stays_ends_as_documented(
    service: WireService, fault: str, tmp_path: Path
) -> None:
    service.always, service.retry_after = fault, "9"
    # Time runs out only where that is the fault: a busy machine must not end the others.
    quick = {"deadline_s": 1.2, "attempt_s": 0.5, "stall_s": 0.4}
    if ENDS[fault] != "LLM_TIMEOUT":
        quick["deadline_s"] = 20.0
    async with chatting(service, tmp_path, **quick) as chat:
        if ENDS[fault] in ("RATE_LIMITED", "LLM_TIMEOUT"):
            with pytest.raises(ChatRefused) as refused:
                await told(chat, asking("강아지가 토해요"))
            assert refused.value.code == ENDS[fault]
            if fault == "429":
                assert refused.value.retry_after_s == pytest.approx(9.0)
            else:
                assert refused.value.details == {"timeout_ms": 1_200}
            return
        _, answer = await told(chat, asking("강아지가 토해요"))
    assert answer.processing.notice
    if ENDS[fault] == "takeover":
        assert answer.processing.model_used == EMBEDDED and answer.citations
        assert "물을 조금씩 나누어 주세요. 하루" not in answer.answer.content
    else:
        assert answer.answer.content.startswith("물을 조금씩 나누어 주세요.")
        assert answer.answer.content.endswith(BROKEN_OFF)
        assert len(service.paid_calls()) == 2


@pytest.mark.parametrize("fault", ENDS)
async def test_in_an_emergency_every_fault_leaves_the_urgent_advice(
    service: WireService, fault: str, tmp_path: Path
) -> None:
    service.always, service.retry_after = fault, "9"
    quick = {"deadline_s": 0.8, "attempt_s": 0.3, "stall_s": 0.3}
    async with chatting(service, tmp_path, **quick) as chat:
        events, answer = await told(chat, asking("강아지가 경련하고 토해요"))
    assert events[0] == Token(URGENT)
    assert answer.answer.content.startswith(URGENT)
    assert answer.answer.tone == "urgent" and answer.processing.notice


@pytest.mark.parametrize("fault", ["500", "503", "drop", "429", "bad_first", "empty", "hang"])
async def test_a_fault_that_passes_is_not_noticed(
    service: WireService, fault: str, tmp_path: Path
) -> None:
    service.faults.append(fault)
    service.retry_after = "0"
    async with chatting(service, tmp_path, attempt_s=1.0) as chat:
        _, answer = await told(chat, asking("강아지가 토해요"))
    assert answer.answer.content == WHOLE and not answer.processing.notice
    assert len(service.paid_calls()) == 2


@pytest.mark.parametrize("fault", ["stall", "eof", "lost", "bad_chunk", "error_inside"])
async def test_what_breaks_off_once_is_continued_without_a_seam(
    service: WireService, fault: str, tmp_path: Path
) -> None:
    service.faults.append(fault)
    # As models do, it repeats the last words before it goes on.
    service.pieces = PIECES[:2]
    async with chatting(service, tmp_path, stall_s=0.4) as chat:
        events = chat.chat(asking("강아지가 토해요"))
        seen = [await anext(events)]
        service.pieces = ("나누어 주세요. 하루에 ", "여러 번 토하면 병원에 가세요.")
        seen += [event async for event in events]
    assert shown(seen) == WHOLE
    assert not any(isinstance(event, Replace) for event in seen)
    again = service.paid_calls()[1].json()
    asked = str(again)
    assert "물을 조금씩 나누어 주세요." in asked and "Go on from exactly" in asked


async def test_an_answer_of_full_length_says_so(service: WireService, tmp_path: Path) -> None:
    service.always = "length"
    async with chatting(service, tmp_path) as chat:
        _, answer = await told(chat, asking("강아지가 토해요"))
    assert (
        answer.answer.content == "물을 조금씩 나누어 주세요." and "길어" in answer.processing.notice
    )


async def test_a_spent_budget_and_an_open_breaker_are_answered_by_the_knowledge(
    service: WireService, tmp_path: Path
) -> None:
    async with chatting(service, tmp_path, calls_a_day=1) as chat:
        await told(chat, asking("강아지가 토해요"))
        _, answer = await told(chat, asking("강아지가 또 토해요"))
    assert answer.processing.model_used == EMBEDDED and "모두 써서" in answer.processing.notice
    service.always = "500"
    async with chatting(service, tmp_path / "b", failures_to_open=3) as chat:
        await told(chat, asking("강아지가 토해요"))
        paid = len(service.paid_calls())
        _, answer = await told(chat, asking("강아지가 또 토해요"))
    assert answer.processing.model_used == EMBEDDED and len(service.paid_calls()) == paid


async def test_the_conversation_and_the_rules_travel_as_the_service_has_them(
    service: WireService, tmp_path: Path
) -> None:
    async with chatting(service, tmp_path) as chat:
        await told(chat, asking("강아지가 토해요"))
    (call,) = service.paid_calls()
    body = call.json()
    if isinstance(service, openai_chat.OpenAi):
        assert [one["role"] for one in body["messages"]] == ["system", "user"]
        assert body["messages"][1]["content"] == "강아지가 토해요"
        assert body["max_tokens"] == 512 and body["temperature"] == 0.4
    else:
        known = gemini.request_of(call)
        assert known["contents"][-1]["parts"][-1]["text"] == "강아지가 토해요"
        assert known["generationConfig"]["maxOutputTokens"] == 512


async def test_a_picture_travels_inline_to_the_model_that_sees(
    service: WireService, tmp_path: Path
) -> None:
    sees = openai_chat if isinstance(service, openai_chat.OpenAi) else gemini
    async with chatting(service, tmp_path, vision_model=sees.VISION_MODEL) as chat:
        _, answer = await told(
            chat, asking("피부가 빨개요", image_url="https://cdn.example.com/a.jpg")
        )
    (call,) = service.paid_calls()
    assert answer.processing.route == "vlm"
    if isinstance(service, openai_chat.OpenAi):
        picture, text = call.json()["messages"][-1]["content"]
        kind, _, data = picture["image_url"]["url"].partition(";base64,")
        assert kind == "data:image/jpeg" and text["text"] == "피부가 빨개요"
        assert base64.b64decode(data) == b"\xff\xd8\xff jpeg"
        assert call.json()["model"] == openai_chat.VISION_MODEL
    else:
        parts = gemini.request_of(call)["contents"][-1]["parts"]
        assert gemini.bytes_of(parts[0]) == b"\xff\xd8\xff jpeg"
        assert gemini.VISION_MODEL in call.path


@pytest.mark.parametrize("when", ["before the first text", "between two pieces", "while it waits"])
async def test_who_leaves_ends_the_upstream_call(
    service: WireService, when: str, tmp_path: Path
) -> None:
    if when == "before the first text":
        service.always = "hang"
    service.pace_s = 3.0
    async with chatting(service, tmp_path, stall_s=5.0) as chat:
        events = chat.chat(asking("강아지가 토해요"))
        if when == "between two pieces":
            service.pieces = ("물을 조금씩 나누어 주세요. ", *REST)
            await anext(events)
            await events.aclose()
        else:
            waiting = asyncio.ensure_future(anext(events))
            while not service.paid_calls():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        # How soon is a figure of benchmarks/vet_stream.py; here before the model's next piece.
        assert await asyncio.to_thread(service.hung_up.wait, 2.5)


async def test_a_dangerous_answer_ends_the_upstream_call(
    service: WireService, tmp_path: Path
) -> None:
    service.pieces = ("물을 주세요. ", "타이레놀 100mg을 주세요. ", "그리고")
    service.pace_s = 0.2
    async with chatting(service, tmp_path, knowledge=FewEntries()) as chat:
        events, answer = await told(chat, asking("강아지가 토해요"))
    assert isinstance(events[-2], Replace) and "mg" not in answer.answer.content


@pytest.mark.parametrize(
    ("said", "more", "joined"),
    [
        ("물을 조금씩 나누어 ", ["주세요."], "주세요."),
        ("물을 조금씩 나누어 주세요. ", ["나누어 주세요. 그리고"], "그리고"),
        ("물을 조금씩 나누어 주세요.", ["물을 조금씩 나누어", " 주세요. 그리고"], " 그리고"),
        ("물을", ["물을 주세요"], "물을 주세요"),  # too short to be told from a new sentence
        ("", ["물을", " 주세요"], "물을 주세요"),
        ("가나다라마바사", ["가나다라마바사"], ""),
    ],
)
def test_a_seam_drops_a_repetition_and_nothing_else(
    said: str, more: list[str], joined: str
) -> None:
    seam = Seam(said)
    assert "".join([*(seam.feed(text) for text in more), seam.rest()]) == joined
