"""A judge over a local TwelveLabs v1.3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.mission.result import Mission, Verdict
from sync_server.ai.missions.judges import RemoteJudge
from sync_server.ai.references import MissionReferenceStore
from sync_server.ai.stages import StageUnavailable
from sync_server.platform.llm.twelvelabs import TwelveLabsModel
from tests.support.desks import QUICK, desk_of
from tests.support.twelvelabs import API_KEY, MODELS, TwelveLabs

CLIP = Path(__file__).resolve().parents[2] / "assets" / "clips" / "sit.mp4"
STORE = MissionReferenceStore()
pytestmark = pytest.mark.anyio

FAULTS = {
    "hang": ("MULTIMODAL_API_TIMEOUT", "EXTERNAL_API_TIMEOUT"),
    "429": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_RATE_LIMITED"),
    "500": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_UNAVAILABLE"),
    "503": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_UNAVAILABLE"),
    "drop": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_UNAVAILABLE"),
    "cut": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_UNAVAILABLE"),
    "400": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_REFUSED"),
    "401": ("MISSION_INFERENCE_FAILED", "EXTERNAL_API_NOT_CONFIGURED"),
    "cut_json": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER"),
    "length": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER"),
    "no_finish": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER"),
    "wrong_schema": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER"),
    "empty": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER"),
    "not_json": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER"),
    "html": ("MISSION_RESULT_PARSE_FAILED", "EXTERNAL_API_BAD_ANSWER"),
}


@pytest.fixture
def service() -> Iterator[TwelveLabs]:
    with TwelveLabs() as made:
        made.retry_after = "0"
        yield made


@asynccontextmanager
async def judging(service: TwelveLabs, folder: Path, **model: Any) -> AsyncIterator[RemoteJudge]:
    desk = desk_of(TwelveLabsModel(API_KEY, MODELS[0], service.base_url, **model), folder)
    try:
        yield RemoteJudge("twelvelabs", desk, QUICK)
    finally:
        await desk.close()


@pytest.mark.parametrize("mission", list(Mission))
async def test_a_short_clip_travels_in_the_request(
    service: TwelveLabs, tmp_path: Path, mission: Mission
) -> None:
    async with judging(service, tmp_path) as judge:
        one = await judge.judge(CLIP, STORE.criteria(mission))
    assert (one.mission, one.verdict, one.judge) == (mission, Verdict.SUCCESS, "twelvelabs")
    assert (one.model, one.input_tokens, one.output_tokens) == (MODELS[0], 1903, 131)
    assert service.videos == [CLIP.read_bytes()]
    assert [call.path for call in service.calls] == ["/v1.3/analyze"]
    body = service.calls[0].json()
    assert body["stream"] is False and body["temperature"] == 0
    assert body["prompt"].startswith("You are a professional dog training judge.")


async def test_a_large_clip_becomes_an_asset_and_is_deleted(
    service: TwelveLabs, tmp_path: Path
) -> None:
    async with judging(service, tmp_path, inline_bytes=1_000) as judge:
        one = await judge.judge(CLIP, STORE.criteria(Mission.SIT))
    assert one.verdict is Verdict.SUCCESS
    assert service.videos == [CLIP.read_bytes()]
    assert len(service.deleted) == 1 and not service.assets


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_ends_in_the_code_of_the_product(
    service: TwelveLabs, tmp_path: Path, fault: str
) -> None:
    service.always = fault
    async with judging(service, tmp_path) as judge:
        with pytest.raises(StageUnavailable) as caught:
            await judge.judge(CLIP, STORE.criteria(Mission.SIT), 1.0 if fault == "hang" else 20.0)
    assert (caught.value.code, caught.value.reason) == FAULTS[fault]
    assert caught.value.system


@pytest.mark.parametrize("fault", ["500", "wrong_schema"])
async def test_an_asset_is_deleted_even_when_judging_fails(
    service: TwelveLabs, tmp_path: Path, fault: str
) -> None:
    service.always = fault
    async with judging(service, tmp_path, inline_bytes=1_000) as judge:
        with pytest.raises(StageUnavailable):
            await judge.judge(CLIP, STORE.criteria(Mission.SIT))
    assert service.deleted and not service.assets


async def test_an_asset_that_fails_is_no_verdict(service: TwelveLabs, tmp_path: Path) -> None:
    service.asset_state = "failed"
    async with judging(service, tmp_path, inline_bytes=1_000) as judge:
        with pytest.raises(StageUnavailable) as caught:
            await judge.judge(CLIP, STORE.criteria(Mission.SIT))
    assert caught.value.reason == "EXTERNAL_API_REFUSED"
    assert not service.assets and not service.paid_calls()


async def test_an_asset_is_deleted_when_the_caller_goes_away(
    service: TwelveLabs, tmp_path: Path
) -> None:
    service.always = "hang"
    async with judging(service, tmp_path, inline_bytes=1_000) as judge:
        task = asyncio.create_task(judge.judge(CLIP, STORE.criteria(Mission.SIT)))
        async with asyncio.timeout(10):
            while not service.paid_calls():  # noqa: ASYNC110 - happens in another thread
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            while not service.hung_up.is_set():  # noqa: ASYNC110 - happens in another thread
                await asyncio.sleep(0.01)
    assert len(service.deleted) == 1 and not service.assets


async def test_a_redirect_is_not_followed(service: TwelveLabs, tmp_path: Path) -> None:
    service.always = "redirect"
    async with judging(service, tmp_path) as judge:
        with pytest.raises(StageUnavailable):
            await judge.judge(CLIP, STORE.criteria(Mission.SIT))
    assert len(service.calls) == 1
