"""What is said of a face: by a model within bounds, else by the template, never by nobody."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_sdk.errors import NarrationFailed
from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.face.narration import narrate
from edge_sdk.face.result import Probabilities
from sync_server.ai.face.narrator import (
    FALLBACKS,
    POLICY,
    ModelNarrator,
    TemplateNarrator,
    Told,
    face_narrator,
)
from sync_server.ai.face.prompts import PROMPT_VERSION, NarratorReply, problem_of
from sync_server.ai.references import EmotionReferenceStore
from sync_server.platform.llm.contract import AnswerModel
from sync_server.platform.llm.desks import Desks
from sync_server.platform.llm.gemini import GeminiModel
from sync_server.platform.llm.openai_chat import OpenAiModel
from sync_server.platform.settings import Settings, SettingsInvalid
from tests.support import gemini, openai_chat
from tests.support.desks import NOON_MS, desk_of
from tests.support.wire_service import WireService

STORE = EmotionReferenceStore()
HAPPY = Probabilities(happy=0.72, relaxed=0.18, sad=0.06, angry=0.04)
ANGRY = Probabilities(happy=0.02, relaxed=0.03, sad=0.05, angry=0.9)
QUICK = replace(POLICY, first_wait_s=0.01)
pytestmark = pytest.mark.anyio

#: fault that stays -> the reason in the log
FAULTS = {
    "hang": "LLM_API_TIMEOUT", "504": "LLM_API_TIMEOUT",
    "429": "LLM_API_ERROR", "500": "LLM_API_ERROR", "503": "LLM_API_ERROR",
    "401": "LLM_API_ERROR", "400": "LLM_API_ERROR", "drop": "LLM_API_ERROR",
    "cut": "LLM_API_ERROR", "cut_json": "LLM_API_ERROR", "not_json": "LLM_API_ERROR",
    "html": "LLM_API_ERROR", "no_finish": "LLM_API_ERROR", "redirect": "LLM_API_ERROR",
}  # fmt: skip
OF_OPENAI = {"length", "filtered", "refusal", "no_choices", "quota"}
OF_GEMINI = {"max_tokens", "safety_prompt", "safety_answer", "empty", "wrong_schema"}
ALL = [
    *((service, fault) for fault in FAULTS for service in ("openai", "gemini")),
    *(("openai", fault) for fault in sorted(OF_OPENAI)),
    *(("gemini", fault) for fault in sorted(OF_GEMINI)),
]


def good_reply(prompt: str, **changed: Any) -> dict[str, Any]:
    """What a good narrator answers."""
    emotion = re.search(r"- Emotion Type: (\w+)", prompt)
    confidence = re.search(r"- Confidence: ([\d.]+)", prompt)
    assert emotion is not None and confidence is not None
    return {
        "emotion": emotion[1],
        "confidence": float(confidence[1]),
        "explanation": {
            "ko": "입꼬리가 올라가고 눈이 또렷해서 즐거워하는 것으로 보여요.",
            "en": "With the corners of its mouth drawn up, your dog seems to enjoy itself.",
        },
        "narration": {"ko": "나 기분이 좋아. 조금 더 걷자!", "en": "I feel good. Let us walk on!"},
        **changed,
    }


def prompt_in(body: dict[str, Any]) -> str:
    """The prompt in a request of either service."""
    return json.dumps(body, ensure_ascii=False).replace("\\n", "\n")


@pytest.fixture(params=["openai", "gemini"])
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def service(name: str) -> Iterator[WireService]:
    made: WireService = openai_chat.OpenAi() if name == "openai" else gemini.Gemini()
    made.said = lambda body: good_reply(prompt_in(body))
    made.retry_after = "0"
    with made:
        yield made


@asynccontextmanager
async def narrating(
    name: str, service: WireService, folder: Path, **policy: Any
) -> AsyncIterator[ModelNarrator]:
    model: AnswerModel
    if name == "openai":
        model = OpenAiModel(openai_chat.API_KEY, openai_chat.MODEL, f"{service.url}/v1")
    else:
        model = GeminiModel(gemini.API_KEY, gemini.MODEL, service.url)
    desk = desk_of(model, folder)
    try:
        yield ModelNarrator(name, desk, STORE, replace(QUICK, **policy))
    finally:
        await desk.close()


def assert_is_the_template(told: Told, probabilities: Probabilities) -> None:
    said = narrate(probabilities)
    assert (told.narration, told.summary) == (said.narration, said.summary)
    assert told.narrator == "template"


async def test_the_template_says_the_same_of_the_same(tmp_path: Path) -> None:
    told = await TemplateNarrator(STORE).tell(HAPPY)
    assert_is_the_template(told, HAPPY)
    assert told == await TemplateNarrator(STORE).tell(HAPPY)
    assert told.failure_reason == "" and told.reference_version == STORE.current().version


@pytest.mark.parametrize("reading", [HAPPY, ANGRY])
async def test_a_model_explains_by_the_references(
    name: str, service: WireService, tmp_path: Path, reading: Probabilities
) -> None:
    async with narrating(name, service, tmp_path) as narrator:
        told = await narrator.tell(reading)
    assert told.narrator == name and told.prompt_version == PROMPT_VERSION
    assert told.narration.ko == "나 기분이 좋아. 조금 더 걷자!"
    assert told.summary.en.startswith("With the corners")
    assert told.failure_reason == "" and (told.input_tokens or 0) > 0
    (call,) = service.paid_calls()
    prompt = prompt_in(call.json())
    own = STORE.current().value.emotions[reading.ranked()[0][0]]
    for line in (*own.visual_cues.en, *own.interpretation_guideline.en, own.tone.en):
        assert line in prompt
    assert "assistant that explains a dog's emotional state" in prompt


@pytest.mark.parametrize(("name", "fault"), ALL)
async def test_whatever_fails_the_owner_sees_the_normal_result(
    name: str, service: WireService, tmp_path: Path, fault: str
) -> None:
    service.always = fault
    reason = FAULTS.get(fault, "LLM_API_ERROR")
    before = FALLBACKS.labels(reason)._value.get()
    async with narrating(name, service, tmp_path, deadline_s=1.0 if fault == "hang" else 20.0) as n:
        told = await n.tell(HAPPY)
    assert_is_the_template(told, HAPPY)
    assert (told.failure_type, told.failure_reason) == ("SYSTEM_ERROR", reason)
    assert FALLBACKS.labels(reason)._value.get() == before + 1
    assert len(service.paid_calls()) <= 3, "two retries at most"
    assert {call.path for call in service.calls} == {service.paid_calls()[0].path}


async def test_cancelling_closes_the_call(name: str, service: WireService, tmp_path: Path) -> None:
    service.always = "hang"
    async with narrating(name, service, tmp_path) as narrator:
        task = asyncio.create_task(narrator.tell(HAPPY))
        async with asyncio.timeout(10):
            while not service.paid_calls():  # noqa: ASYNC110 - happens in another thread
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            while not service.hung_up.is_set():  # noqa: ASYNC110 - happens in another thread
                await asyncio.sleep(0.01)


async def test_two_retries_save_an_answer(name: str, service: WireService, tmp_path: Path) -> None:
    service.faults.extend(["503", "429"])
    async with narrating(name, service, tmp_path) as narrator:
        assert (await narrator.tell(HAPPY)).narrator == name


@pytest.mark.parametrize(
    "changed",
    [
        {"explanation": {"ko": "관절 질환이 의심돼요.", "en": "It may enjoy itself."}},
        {"explanation": {"ko": "즐거워 보여요.", "en": "It shows symptoms of arthritis."}},
        {"explanation": {"ko": "수의사에게 데려가세요.", "en": "It may enjoy itself."}},
        {"narration": {"ko": "나 배가 아파.", "en": "I feel good."}},
        {"explanation": {"ko": "위험한 상태예요.", "en": "It may enjoy itself."}},
        {"explanation": {"ko": "즐거워 보여요.", "en": "Your dog is definitely happy."}},
        {"explanation": {"ko": "즐거워 보여요.", "en": "Your dog is about to attack."}},
        {"explanation": {"ko": "즐거워 보여요. " * 40, "en": "It may enjoy itself."}},
        {"narration": {"ko": "I feel good.", "en": "I feel good."}},
        {"narration": {"ko": "나 좋아.", "en": "나 좋아."}},
        {"explanation": {"ko": "즐거워 보여요 https://x.example", "en": "It may enjoy itself."}},
        {"explanation": {"ko": "**즐거워** 보여요.", "en": "It may enjoy itself."}},
        {"emotion": "SAD"},
        {"confidence": 0.99},
    ],
)
async def test_what_must_not_reach_an_owner_does_not(
    name: str, service: WireService, tmp_path: Path, changed: dict[str, Any]
) -> None:
    service.said = lambda body: good_reply(prompt_in(body), **changed)
    async with narrating(name, service, tmp_path) as narrator:
        told = await narrator.tell(HAPPY)
    assert_is_the_template(told, HAPPY)
    assert told.failure_reason == "LLM_API_ERROR"
    assert len(service.paid_calls()) == 2, "asked once more, saying why"


def test_our_own_sentences_pass_our_own_check() -> None:
    known = STORE.current().value
    for name, own in known.emotions.items():
        reading = Probabilities(**{**dict.fromkeys(EMOTIONS, 0.1), name: 0.7})
        for level in ("high", "medium", "low"):
            said, summary = getattr(own.narration, level), getattr(own.summary, level)
            reply = {
                "emotion": own.emotion_type,
                "confidence": 0.7,
                "explanation": {"ko": summary.ko, "en": summary.en},
                "narration": {"ko": said.ko, "en": said.en},
            }

            assert problem_of(msgspec.convert(reply, NarratorReply), reading, known) is None


async def test_probabilities_that_are_none_are_nobodys_words(
    name: str, service: WireService, tmp_path: Path
) -> None:
    async with narrating(name, service, tmp_path) as narrator:
        with pytest.raises(NarrationFailed):
            await narrator.tell(Probabilities(happy=0.9, relaxed=0.9, sad=0.0, angry=0.0))
    assert not service.calls


# By settings -------------------------------------------------------------------------------------


def test_the_narrator_is_the_settings(tmp_path: Path) -> None:
    def made(**settings: Any) -> Any:
        known = Settings(data_dir=str(tmp_path), **settings)
        return face_narrator(known, STORE, Desks(known, lambda: NOON_MS))

    assert isinstance(made(), TemplateNarrator)
    for chosen in ("gemini", "openai"):
        narrator = made(narrator=chosen, **{f"{chosen}_api_key": "key"})
        assert isinstance(narrator, ModelNarrator) and narrator.name == chosen
        with pytest.raises(SettingsInvalid, match=f"DAENGDONG_{chosen.upper()}_API_KEY"):
            made(narrator=chosen)
