"""The embedded judge, the pre-check, the judge of the settings; costs held by the guard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_sdk.mission.result import Mission, Verdict
from edge_sdk.references.texts import Text
from sync_server.ai.missions.assembly import mission_judge
from sync_server.ai.missions.judgement import Judgement
from sync_server.ai.missions.judges import (
    AGREEMENT,
    SURE,
    EmbeddedJudge,
    MissionJudge,
    PrecheckedJudge,
    RemoteJudge,
)
from sync_server.ai.references import Criteria, MissionReferenceStore
from sync_server.ai.stages import StageUnavailable
from sync_server.platform.llm.desks import Desks
from sync_server.platform.llm.gemini import GeminiModel
from sync_server.platform.settings import Settings, SettingsInvalid
from tests.support import cpu_missions, judge_words
from tests.support.desks import NOON_MS, QUICK, desk_of
from tests.support.gemini import API_KEY, MODEL, Gemini

CLIP = Path(__file__).resolve().parents[2] / "assets" / "clips" / "sit.mp4"
STORE = MissionReferenceStore()
SIT = STORE.criteria(Mission.SIT)
EMBEDDED = EmbeddedJudge(cpu_missions.SpawnedPool(), function=cpu_missions.JUDGE)
pytestmark = pytest.mark.anyio


@pytest.fixture
def gemini() -> Iterator[Gemini]:
    with Gemini() as service:
        yield service


class Said:
    """A judge that has made up its mind; counts how often it is asked."""

    def __init__(self, verdict: Verdict, confidence: float, name: str = "said") -> None:
        self.verdict, self.confidence, self.version, self.asked = verdict, confidence, name, 0

    async def judge(self, video: Path, criteria: Criteria, deadline_s: float) -> Judgement:
        self.asked += 1
        return Judgement(
            criteria.reference.mission_type, self.verdict, self.confidence, Text("가", "a"), (),
            1.5, self.version, "model", "", criteria.version,
        )  # fmt: skip


class Broken:
    """A judge that fails."""

    version = "broken"

    async def judge(self, video: Path, criteria: Criteria, deadline_s: float) -> Judgement:
        raise RuntimeError("a worker died")


async def test_the_embedded_judge_sees_a_dog_sit_and_asks_nobody() -> None:
    one = await EMBEDDED.judge(CLIP, SIT, 300.0)
    assert one.verdict is Verdict.SUCCESS
    assert one.hold_duration_sec is not None and one.hold_duration_sec >= 1.0
    assert one.judge == "embedded" and one.model.startswith("mission_pipeline_v1")
    assert one.prompt_version == "" and one.reference_version == SIT.version
    assert one.summary == SIT.reference.success
    assert one.evidence and one.calls == 0


async def test_its_words_are_those_in_force() -> None:
    own = msgspec.structs.replace(SIT.reference, success=Text("참 잘했어요.", "Well done."))
    one = await EMBEDDED.judge(CLIP, Criteria(own, SIT.uncertain, "edited"), 300.0)
    assert (one.summary.ko, one.reference_version) == ("참 잘했어요.", "edited")


async def test_an_embedded_answer_of_another_shape_is_the_systems_fault() -> None:
    function = "tests.support.cpu_missions:broken_judge"
    judge = EmbeddedJudge(cpu_missions.SpawnedPool(), function=function)
    with pytest.raises(StageUnavailable) as caught:
        await judge.judge(CLIP, SIT, 300.0)
    assert caught.value.code == "MISSION_INFERENCE_FAILED"


@pytest.mark.parametrize("mode", ["log", "save"])
@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("confidence", [SURE - 0.01, SURE])
async def test_a_precheck_spares_only_what_it_is_sure_of(
    mode: Any, verdict: Verdict, confidence: float
) -> None:
    first, then = Said(verdict, confidence, "early"), Said(Verdict.FAIL, 0.7, "late")
    one = await PrecheckedJudge(first, then, mode).judge(CLIP, SIT)
    spared = mode == "save" and verdict is not Verdict.UNCERTAIN and confidence >= SURE
    assert then.asked == (0 if spared else 1)
    assert one.judge == ("early" if spared else "late")
    assert one.precheck is verdict


async def test_agreement_is_counted() -> None:
    labels = ("SIT", "SUCCESS", "FAIL")
    before = AGREEMENT.labels(*labels)._value.get()
    judge = PrecheckedJudge(Said(Verdict.SUCCESS, 0.9), Said(Verdict.FAIL, 0.9), "log")
    await judge.judge(CLIP, SIT)
    assert AGREEMENT.labels(*labels)._value.get() == before + 1


async def test_a_precheck_that_fails_changes_nothing() -> None:
    then = Said(Verdict.SUCCESS, 0.9, "late")
    one = await PrecheckedJudge(Broken(), then, "save").judge(CLIP, SIT)
    assert (one.judge, one.precheck) == ("late", None)


async def test_a_remote_fault_is_not_covered_up_by_the_precheck() -> None:
    judge = PrecheckedJudge(Said(Verdict.SUCCESS, 0.9), Broken(), "log")
    with pytest.raises(RuntimeError):
        await judge.judge(CLIP, SIT)


async def test_a_real_precheck_before_a_real_remote_judge(gemini: Gemini, tmp_path: Path) -> None:
    gemini.said = lambda body: judge_words.reply("SIT", "FAIL")
    desk = desk_of(GeminiModel(API_KEY, MODEL, gemini.url), tmp_path)
    one = await PrecheckedJudge(EMBEDDED, RemoteJudge("gemini", desk, QUICK), "log").judge(
        CLIP, SIT, 900.0
    )
    await desk.close()
    assert (one.judge, one.verdict, one.precheck) == ("gemini", Verdict.FAIL, Verdict.SUCCESS)


# By settings -------------------------------------------------------------------------------------


def _judge(folder: Path, **settings: Any) -> MissionJudge:
    known = Settings(data_dir=str(folder), **settings)
    return mission_judge(known, cpu_missions.SpawnedPool(), Desks(known, lambda: NOON_MS))


def test_the_judge_is_embedded_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    assert isinstance(_judge(tmp_path), EmbeddedJudge)


@pytest.mark.parametrize("judge", ["gemini", "twelvelabs"])
def test_a_remote_judge_comes_with_the_precheck_of_the_settings(tmp_path: Path, judge: Any) -> None:
    key = {f"{judge}_api_key": "key"}
    remote = _judge(tmp_path, judge=judge, judge_precheck="off", **key)
    assert isinstance(remote, RemoteJudge) and remote.name == judge
    for mode in ("log", "save"):
        checked = _judge(tmp_path, judge=judge, judge_precheck=mode, **key)
        assert isinstance(checked, PrecheckedJudge) and checked.mode == mode
    assert remote.version != checked.version, "a cache must not mix them"


@pytest.mark.parametrize("judge", ["gemini", "twelvelabs"])
def test_a_remote_judge_without_its_key_is_told_at_the_start(tmp_path: Path, judge: Any) -> None:
    with pytest.raises(SettingsInvalid, match=f"DAENGDONG_{judge.upper()}_API_KEY"):
        _judge(tmp_path, judge=judge)


async def test_a_spent_budget_asks_nobody_until_tomorrow(gemini: Gemini, tmp_path: Path) -> None:
    model = GeminiModel(API_KEY, MODEL, gemini.url)
    desk = desk_of(model, tmp_path, calls_a_day=2)
    judge = RemoteJudge("gemini", desk, QUICK)
    for _ in range(2):
        await judge.judge(CLIP, SIT)
    with pytest.raises(StageUnavailable) as caught:
        await judge.judge(CLIP, SIT)
    assert (caught.value.reason, caught.value.again) == ("EXTERNAL_API_BUDGET_SPENT", False)
    assert len(gemini.paid_calls()) == 2
    # The count is on the disk: a restart does not give it back.
    restarted = RemoteJudge("gemini", desk_of(model, tmp_path, calls_a_day=2), QUICK)
    with pytest.raises(StageUnavailable):
        await restarted.judge(CLIP, SIT)
    await desk.close()


async def test_many_judgements_at_once_share_one_model(gemini: Gemini, tmp_path: Path) -> None:
    desk = desk_of(GeminiModel(API_KEY, MODEL, gemini.url), tmp_path)
    judge = RemoteJudge("gemini", desk, QUICK)
    made = await asyncio.gather(*(judge.judge(CLIP, STORE.criteria(one)) for one in Mission))
    await desk.close()
    assert [one.mission for one in made] == list(Mission)
