"""Identical questions are answered once, and never from another dog's answer."""

from __future__ import annotations

import asyncio

import pytest

from sync_server.ai.vet.cache import AnswerCache, normalised
from sync_server.ai.vet.contract import (
    ChatOptions,
    ChatRefused,
    ChatRequest,
    DogFacts,
    Memory,
    PastTurn,
    Token,
    UserContext,
)
from sync_server.platform.llm.errors import LlmTimeout, LlmUnavailable
from tests.support.vet_parts import FewEntries, ScriptedBackend, asking, make_chat, told

pytestmark = pytest.mark.anyio
SAID = ("물을 조금씩 나누어 주세요. ", "하루에 여러 번 토하면 병원에 가세요.")
CHOCO = DogFacts(name="초코", age_years=11, weight_kg=4.6, version="1")


async def test_the_same_question_is_answered_from_the_cache_in_pieces_and_says_so() -> None:
    backend = ScriptedBackend(SAID)
    chat = make_chat(backend)
    _, first = await told(chat, asking("강아지가 토해요"))
    events, again = await told(chat, asking("  강아지가  토해요. "))
    assert len(backend.asked) == 1
    assert not first.processing.cached and again.processing.cached
    assert (again.answer, again.citations) == (first.answer, first.citations)
    assert len([event for event in events if isinstance(event, Token)]) == 2
    assert again.processing.tokens_in is None, "nothing was spent on it"


@pytest.mark.parametrize(
    "other",
    [
        asking("강아지가 설사하고 토해요", dog=CHOCO),
        asking("My dog vomits", dog=CHOCO, language="en"),
        asking("강아지가 토해요", dog=DogFacts(name="초코", weight_kg=30.0, version="2")),
        asking("강아지가 토해요"),
        asking("강아지가 토해요", dog=CHOCO, user_context=UserContext(breed="푸들")),
        asking("강아지가 토해요", dog=CHOCO, options=ChatOptions(max_tokens=64)),
        asking("강아지가 토해요", dog=CHOCO, options=ChatOptions(use_rag=False)),
        asking("강아지가 토해요", dog=CHOCO, history=[PastTurn("user", "안녕")]),
        asking("강아지가 토해요", dog=CHOCO, memory=Memory("당뇨가 있음")),
        asking("강아지가 토해요", dog=CHOCO, image_url="https://cdn.example.com/a.jpg"),
    ],
)
async def test_whatever_an_answer_depends_on_makes_another_question(other: ChatRequest) -> None:
    backend = ScriptedBackend(SAID)
    chat = make_chat(backend)
    await told(chat, asking("강아지가 토해요", dog=CHOCO))
    _, answer = await told(chat, other)
    assert len(backend.asked) == 2 and not answer.processing.cached


async def test_a_question_of_dogs_in_general_is_shared_between_dogs() -> None:
    backend = ScriptedBackend(SAID)
    chat = make_chat(backend)
    await told(chat, asking("강아지는 보통 왜 토해요?", dog=CHOCO))
    other = DogFacts(name="보리", weight_kg=30.0, version="9")
    _, answer = await told(chat, asking("강아지는 보통 왜 토해요?", dog=other))
    assert answer.processing.cached
    (ask,) = backend.asked
    assert ask.request.dog is None and "초코" not in ask.prompt.system


@pytest.mark.parametrize(
    "text", ["강아지가 경련해요", "피를 토했어요", "토하는데 약 용량은요", "죽고 싶어"]
)
async def test_emergencies_and_declined_wishes_are_never_cached(text: str) -> None:
    chat = make_chat(ScriptedBackend(SAID))
    await told(chat, asking(text))
    _, again = await told(chat, asking(text))
    assert not again.processing.cached


async def test_limited_answers_are_never_cached() -> None:
    chat = make_chat(ScriptedBackend([LlmUnavailable("x")]))
    await told(chat, asking("강아지가 토해요"))
    _, again = await told(chat, asking("강아지가 토해요"))
    assert not again.processing.cached and again.processing.notice
    knowledge = FewEntries(failing=True)
    chat = make_chat(ScriptedBackend(SAID), knowledge)
    await told(chat, asking("강아지가 토해요"))
    knowledge.failing = False
    _, whole = await told(chat, asking("강아지가 토해요"))
    assert not whole.processing.cached and whole.citations


async def test_an_edited_entry_counts_at_once() -> None:
    knowledge = FewEntries()
    sections = ("title", "asked", "summary", "home_care", "see_vet", "emergency", "avoid",
                "followups")  # fmt: skip
    entry = dict.fromkeys(sections, ("감자 먹기", "potato"))
    knowledge.more["potato"] = entry
    backend = ScriptedBackend(SAID)
    chat = make_chat(backend, knowledge)
    await told(chat, asking("감자 먹어도 돼요?"))
    knowledge.more["potato"] = {**entry, "avoid": ("싹은 주지 마세요.", "no sprouts")}
    _, answer = await told(chat, asking("감자 먹어도 돼요?"))
    assert not answer.processing.cached and len(backend.asked) == 2


async def test_one_flight_serves_all_who_ask_meanwhile() -> None:
    backend = ScriptedBackend([0.1, *SAID])
    chat = make_chat(backend)
    answers = await asyncio.gather(*(told(chat, asking("강아지가 토해요")) for _ in range(20)))
    assert len(backend.asked) == 1
    assert sum(answer.processing.cached for _, answer in answers) == 19


async def test_who_leaves_or_fails_lets_the_next_one_ask() -> None:
    backend = ScriptedBackend([0.2, *SAID])
    chat = make_chat(backend)
    first = asyncio.ensure_future(told(chat, asking("강아지가 토해요")))
    await asyncio.sleep(0.05)
    second = asyncio.ensure_future(told(chat, asking("강아지가 토해요")))
    await asyncio.sleep(0.05)
    first.cancel()
    _, answer = await second
    assert not answer.processing.cached and len(backend.asked) == 2

    failing = ScriptedBackend([0.05, LlmTimeout("x")])
    chat = make_chat(failing)
    ended = await asyncio.gather(
        *(told(chat, asking("강아지가 토해요")) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(one, ChatRefused) for one in ended) and len(failing.asked) == 3


async def test_a_slow_reader_holds_nobody_up_for_longer_than_the_deadline() -> None:
    backend = ScriptedBackend(SAID)
    chat = make_chat(backend, deadline_s=0.1)
    slow = chat.chat(asking("강아지가 토해요"))
    await anext(slow)
    _, answer = await told(chat, asking("강아지가 토해요"))
    assert not answer.processing.cached
    await slow.aclose()


async def test_the_cache_is_bounded_in_number_and_time() -> None:
    now = [0.0]
    cache = AnswerCache(max_answers=2, kept_s=10.0, monotonic=lambda: now[0])
    _, answer = await told(make_chat(), asking("강아지가 토해요"))
    for key in ("a", "b"):
        cache.put(key, answer)
    assert cache.get("a") is answer
    cache.put("c", answer)
    assert cache.get("b") is None, "the least recently used went"
    assert cache.get("a") is answer and cache.get("c") is answer
    now[0] = 10.0
    assert cache.get("a") is None and cache.get("c") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("강아지가 토해요", "강아지가  토해요!!", True),
        ("My Dog vomits", "my dog vomits.", True),
        ("ｄｏｇ", "dog", True),
        ("토해요", "토했어요", False),
        ("먹어도 돼요?", "먹어도 돼요", False),
    ],
)
def test_only_what_means_the_same_is_the_same(one: str, other: str, same: bool) -> None:
    assert (normalised(one) == normalised(other)) == same
