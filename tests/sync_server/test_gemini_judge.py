"""A judge over a local Gemini that speaks the true wire: verdicts, faults, files, costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_sdk.mission.result import Mission, Verdict
from sync_server.ai.contract import JobRequest, MissionInput
from sync_server.ai.missions.judgement import Judgement
from sync_server.ai.missions.judges import RemoteJudge
from sync_server.ai.missions.prompts import FRAMES_PER_SECOND, PROMPT_VERSION
from sync_server.ai.references import MissionReferenceStore
from sync_server.ai.stages import Json, Stage, StageContext, StageUnavailable
from sync_server.platform.llm.gemini import GeminiModel
from sync_server.platform.llm.guard import CallPolicy
from tests.support import judge_words
from tests.support.desks import QUICK, desk_of
from tests.support.gemini import API_KEY, MODEL, Gemini, bytes_of, prompt_of, request_of, video_of
from tests.support.stage_runner import StageRunner

CLIP = Path(__file__).resolve().parents[2] / "assets" / "clips" / "sit.mp4"
STORE = MissionReferenceStore()
pytestmark = pytest.mark.anyio

#: fault that stays -> (the product's code, reason, percent)
FAULTS = {
    "hang": ("MULTIMODAL_API_TIMEOUT", "EXTERNAL_API_TIMEOUT", 70),
    "504": ("MULTIMODAL_API_TIMEOUT", "EXTERNAL_API_TIMEOUT", 70),
    "429": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_RATE_LIMITED", 70),
    "429_in_body": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_RATE_LIMITED", 70),
    "503": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_UNAVAILABLE", 70),
    "500": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_UNAVAILABLE", 70),
    "drop": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_UNAVAILABLE", 70),
    "cut": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_UNAVAILABLE", 70),
    "400": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_REFUSED", 70),
    "403": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_NOT_CONFIGURED", 70),
    "safety_prompt": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_BLOCKED", 70),
    "safety_answer": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_BLOCKED", 70),
    "cut_json": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER", 90),
    "wrong_schema": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER", 90),
    "prose": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER", 90),
    "max_tokens": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER", 90),
    "no_finish": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER", 90),
    "empty": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER", 90),
    "empty_content": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER", 90),
    "not_json": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER", 90),
    "html": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER", 90),
}
#: those for which a second try within seconds is of no use
HOPELESS = {"400", "403", "safety_prompt", "safety_answer"}
MESSAGES = {
    "MULTIMODAL_API_TIMEOUT": "미션 판정 시간이 초과되었습니다.",
    "MISSION_INFERENCE_FAILED": "미션 판정 중 오류가 발생했습니다.",
    "MISSION_RESULT_PARSE_FAILED": "미션 판정 결과를 해석할 수 없습니다.",
}


@pytest.fixture
def gemini() -> Iterator[Gemini]:
    with Gemini() as service:
        service.retry_after = "0"
        yield service


@asynccontextmanager
async def judging(
    gemini: Gemini, folder: Path, *, key: str = API_KEY, **model: Any
) -> AsyncIterator[RemoteJudge]:
    desk = desk_of(GeminiModel(key, MODEL, gemini.url, **model), folder)
    try:
        yield RemoteJudge("gemini", desk, QUICK)
    finally:
        await desk.close()


async def judged(
    gemini: Gemini, folder: Path, mission: Mission = Mission.SIT, deadline_s: float = 20.0
) -> Judgement:
    async with judging(gemini, folder) as judge:
        return await judge.judge(CLIP, STORE.criteria(mission), deadline_s)


@pytest.mark.parametrize("mission", list(Mission))
async def test_a_verdict_says_what_it_was_made_by(
    gemini: Gemini, tmp_path: Path, mission: Mission
) -> None:
    one = await judged(gemini, tmp_path, mission)
    assert (one.mission, one.verdict, one.success) == (mission, Verdict.SUCCESS, True)
    assert one.judge == "gemini" and one.model == f"{MODEL}-001"
    assert one.prompt_version == PROMPT_VERSION
    assert one.reference_version == STORE.current().version
    assert (one.input_tokens, one.output_tokens, one.calls) == (2011, 143, 1)
    assert one.answer("mission_01") == {
        "mission_id": "mission_01",
        "mission_type": mission.value,
        "success": True,
        "confidence": 0.92,
        "summary": "지시에 맞춰 안정적으로 해냈습니다.",
    }
    # What a stage returns is kept as JSON.
    assert msgspec.json.decode(msgspec.json.encode(one), type=Judgement) == one
    assert one.answer("mission_01", "en")["summary"] == "Your dog did what it was asked to."


@pytest.mark.parametrize("verdict", list(Verdict))
async def test_what_is_uncertain_inside_is_no_success_outside(
    gemini: Gemini, tmp_path: Path, verdict: Verdict
) -> None:
    gemini.said = lambda body: judge_words.reply("SIT", verdict.value)
    one = await judged(gemini, tmp_path)
    assert one.verdict is verdict
    assert one.answer("m")["success"] is (verdict is Verdict.SUCCESS)
    assert one.judge_json()["verdict"] == verdict.value


async def test_the_request_holds_criteria_schema_and_enough_frames(
    gemini: Gemini, tmp_path: Path
) -> None:
    await judged(gemini, tmp_path, Mission.PAW)
    (call,) = gemini.paid_calls()
    body = request_of(call)
    prompt = prompt_of(body)
    own = STORE.criteria(Mission.PAW).reference
    for line in (*own.success_criteria.en, *own.failure_cases.en, own.confidence_guideline.low.en):
        assert f"{line}" in prompt
    assert "training judge" in body["systemInstruction"]["parts"][0]["text"]
    config = body["generationConfig"]
    assert config["responseJsonSchema"]["properties"]["verdict"]["enum"] == [
        "FAIL", "SUCCESS", "UNCERTAIN",
    ]  # fmt: skip
    assert config["temperature"] == 0 and config["maxOutputTokens"] == 2048
    part = video_of(body)
    assert bytes_of(part) == CLIP.read_bytes()
    assert part["inlineData"]["mimeType"] == "video/mp4"
    # Half a second of contact has to be several frames.
    assert part["videoMetadata"]["fps"] * 0.5 >= 3


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_ends_in_the_code_of_the_product(
    gemini: Gemini, tmp_path: Path, fault: str
) -> None:
    gemini.always = fault
    code, reason, percent = FAULTS[fault]
    with pytest.raises(StageUnavailable) as caught:
        await judged(gemini, tmp_path, deadline_s=1.0 if fault == "hang" else 20.0)
    failure = caught.value
    assert (failure.code, failure.reason, failure.percent) == (code, reason, percent)
    assert failure.ko == MESSAGES[code]
    assert failure.system and failure.again is (fault not in HOPELESS)
    if percent == 90:
        assert failure.details["stage"] == "RESULT_PARSING"
        assert len(gemini.paid_calls()) == 2, "one answer and one repair"
    elif fault in HOPELESS:
        assert len(gemini.paid_calls()) == 1
    elif fault != "hang":
        assert len(gemini.paid_calls()) == QUICK.attempts


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_that_passes_is_not_seen(gemini: Gemini, tmp_path: Path, fault: str) -> None:
    if fault in HOPELESS:
        pytest.skip("does not pass within seconds")
    gemini.faults.append(fault)
    async with judging(gemini, tmp_path) as judge:
        quick = RemoteJudge("gemini", judge.desk, _attempt_s(0.5 if fault == "hang" else 15.0))
        one = await quick.judge(CLIP, STORE.criteria(Mission.SIT), 20.0)
    assert one.verdict is Verdict.SUCCESS
    assert one.calls == 2


@pytest.mark.parametrize("fault", ["fenced", "thinking"])
async def test_decoration_around_the_json_is_taken_off(
    gemini: Gemini, tmp_path: Path, fault: str
) -> None:
    gemini.always = fault
    assert (await judged(gemini, tmp_path)).calls == 1


@pytest.mark.parametrize(
    "said",
    [
        judge_words.reply("DOWN"),
        judge_words.reply("SIT", hold_duration_sec=0.4),
        judge_words.reply("SIT", hold_duration_sec=None),
        judge_words.reply("SIT", confidence=92),
        judge_words.reply("SIT", summary={"ko": "Good dog.", "en": "Good dog."}),
        judge_words.reply("SIT", summary={"ko": "아주 잘했어요. " * 40, "en": "Well done."}),
        judge_words.reply(
            "SIT", evidence=[{"time_sec": -1, "description": {"ko": "가", "en": "a"}}]
        ),
    ],
    ids=["other mission", "short hold", "no hold", "percent", "English ko", "long", "negative"],
)
async def test_an_answer_that_contradicts_itself_is_not_taken(
    gemini: Gemini, tmp_path: Path, said: dict[str, Any]
) -> None:
    gemini.said = lambda body: said
    with pytest.raises(StageUnavailable) as caught:
        await judged(gemini, tmp_path)
    assert caught.value.code == "MISSION_RESULT_PARSE_FAILED"
    first, second = gemini.paid_calls()
    assert "could not be used" not in prompt_of(request_of(first))
    assert "could not be used" in prompt_of(request_of(second))


async def test_retry_after_is_waited_for_when_it_fits(gemini: Gemini, tmp_path: Path) -> None:
    gemini.retry_after = "1"
    gemini.faults.extend(["429", "429_in_body"])
    assert (await judged(gemini, tmp_path)).calls == 3
    first, second, third = (call.at_s for call in gemini.paid_calls())
    assert second - first >= 1.0 and third - second >= 1.0


async def test_a_retry_after_beyond_the_deadline_is_handed_on(
    gemini: Gemini, tmp_path: Path
) -> None:
    gemini.always, gemini.retry_after = "429", "120"
    with pytest.raises(StageUnavailable) as caught:
        await judged(gemini, tmp_path)
    assert caught.value.retry_after_s == pytest.approx(120)
    assert len(gemini.paid_calls()) == 1


async def test_a_wrong_key_is_a_matter_of_settings(gemini: Gemini, tmp_path: Path) -> None:
    async with judging(gemini, tmp_path, key="another-key") as judge:
        with pytest.raises(StageUnavailable) as caught:
            await judge.judge(CLIP, STORE.criteria(Mission.SIT))
    assert caught.value.reason == "EXTERNAL_API_NOT_CONFIGURED"


async def test_a_redirect_is_not_followed(gemini: Gemini, tmp_path: Path) -> None:
    gemini.always = "redirect"
    with pytest.raises(StageUnavailable):
        await judged(gemini, tmp_path)
    assert {call.path for call in gemini.calls} == {gemini.paid_calls()[0].path}


async def test_a_missing_file_is_no_verdict(gemini: Gemini, tmp_path: Path) -> None:
    async with judging(gemini, tmp_path) as judge:
        with pytest.raises(StageUnavailable) as caught:
            await judge.judge(tmp_path / "gone.mp4", STORE.criteria(Mission.SIT))
    assert caught.value.code == "MISSION_INFERENCE_FAILED"
    assert not gemini.paid_calls()


async def test_cancelling_closes_the_call(gemini: Gemini, tmp_path: Path) -> None:
    gemini.always = "hang"
    async with judging(gemini, tmp_path) as judge:
        task = asyncio.create_task(judge.judge(CLIP, STORE.criteria(Mission.SIT)))
        await _until(lambda: bool(gemini.paid_calls()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _until(gemini.hung_up.is_set)


# Files API ---------------------------------------------------------------------------------------


async def test_a_large_video_is_uploaded_and_deleted(gemini: Gemini, tmp_path: Path) -> None:
    async with judging(gemini, tmp_path, inline_bytes=1_000) as judge:
        one = await judge.judge(CLIP, STORE.criteria(Mission.SIT))
    assert one.verdict is Verdict.SUCCESS
    part = video_of(request_of(gemini.paid_calls()[0]))
    assert part["fileData"]["mimeType"] == "video/mp4"
    assert part["videoMetadata"]["fps"] == FRAMES_PER_SECOND["SIT"]
    assert len(gemini.deleted) == 1 and not gemini.files


@pytest.mark.parametrize("fault", ["503", "safety_answer", "cut_json", "hang"])
async def test_a_file_is_deleted_even_when_judging_fails(
    gemini: Gemini, tmp_path: Path, fault: str
) -> None:
    gemini.always = fault
    async with judging(gemini, tmp_path, inline_bytes=1_000) as judge:
        with pytest.raises(StageUnavailable):
            await judge.judge(CLIP, STORE.criteria(Mission.SIT), 3.0 if fault == "hang" else 20.0)
    assert gemini.deleted and not gemini.files


async def test_a_file_is_deleted_when_the_caller_goes_away(gemini: Gemini, tmp_path: Path) -> None:
    gemini.always = "hang"
    async with judging(gemini, tmp_path, inline_bytes=1_000) as judge:
        task = asyncio.create_task(judge.judge(CLIP, STORE.criteria(Mission.SIT)))
        await _until(lambda: bool(gemini.paid_calls()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(gemini.deleted) == 1 and not gemini.files


async def test_a_file_that_google_cannot_process_is_no_verdict(
    gemini: Gemini, tmp_path: Path
) -> None:
    gemini.file_state = "FAILED"
    async with judging(gemini, tmp_path, inline_bytes=1_000) as judge:
        with pytest.raises(StageUnavailable) as caught:
            await judge.judge(CLIP, STORE.criteria(Mission.SIT))
    assert caught.value.reason == "EXTERNAL_API_REFUSED"
    assert not gemini.paid_calls() and gemini.deleted and not gemini.files


# In a pipeline -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
async def test_in_a_pipeline_a_fault_is_recorded_as_the_systems(
    gemini: Gemini, tmp_path: Path, fault: str
) -> None:
    gemini.always = fault
    runner = StageRunner(tmp_path)
    async with judging(gemini, tmp_path) as judge:
        stage = _inference(judge, 0.3 if fault == "hang" else 20.0)
        outcome = await runner.run(_job(), [stage])
    code, reason, percent = FAULTS[fault]
    assert outcome.state is None and outcome.failure is not None
    assert outcome.failure["code"] == code
    assert outcome.failure["failure_type"] == "SYSTEM_ERROR"
    assert outcome.failure["reason"] == reason
    assert outcome.failure["percent"] == percent
    assert outcome.failure["stage"] == ("RESULT_PARSING" if percent == 90 else "MISSION_INFERENCE")
    assert "verdict" not in outcome.failure and "success" not in outcome.failure
    assert runner.waited_s == ([] if fault in HOPELESS else [2.0, 2.0])


async def test_in_a_pipeline_two_retries_are_enough_for_a_short_outage(
    gemini: Gemini, tmp_path: Path
) -> None:
    gemini.faults.extend(["503"] * (2 * QUICK.attempts))
    runner = StageRunner(tmp_path)
    async with judging(gemini, tmp_path) as judge:
        outcome = await runner.run(_job(), [_inference(judge)])
    assert outcome.state is not None
    assert outcome.state["answer"]["success"] is True
    assert runner.waited_s == [2.0, 2.0]


def _inference(judge: RemoteJudge, deadline_s: float = 20.0) -> Stage:
    async def run(context: StageContext, state: Json) -> Json:
        one = await judge.judge(CLIP, STORE.criteria(Mission.SIT), deadline_s)
        return {"answer": one.answer("mission_01", context.job.language)}

    return Stage("MISSION_INFERENCE", (25, 85), "판정 중", "Judging", run, 90.0)


def _job() -> JobRequest:
    mission = MissionInput("mission_01", "SIT", "https://media.example.com/sit.mp4")
    return JobRequest("job_mission_001", "MISSION_JUDGE", missions=[mission])


def _attempt_s(attempt_s: float) -> CallPolicy:

    return replace(QUICK, attempt_s=attempt_s)


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.01)
