"""Missions judged one by one: the product's result, its failures, and what is judged once only."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from prometheus_client import REGISTRY

from edge_sdk.errors import InvalidMissionType
from sync_server.ai.contract import JobRequest, MissionInput, Policy, RequestMeta
from sync_server.ai.missions.judgement import Judgement
from sync_server.ai.missions.judges import EmbeddedJudge
from sync_server.ai.missions.pipeline import MISSION_JUDGE
from sync_server.ai.missions.types import mission_called
from sync_server.ai.references import Criteria
from sync_server.ai.stages import StageUnavailable
from tests.support.clips import FACE, SIT, WALK, no_dog, web_page
from tests.support.run_pipeline import Bench, OneWorker, bench

pytestmark = pytest.mark.anyio


class CountingJudge:
    """The embedded judge, counted; or what it is told to raise instead."""

    version = "counting:1"

    def __init__(self, inner: EmbeddedJudge, raises: list[Exception] | None = None) -> None:
        self._inner = inner
        self.raises = raises or []
        self.asked = 0

    async def judge(self, video: Path, criteria: Criteria, deadline_s: float) -> Judgement:
        self.asked += 1
        if self.raises:
            raise self.raises.pop(0)
        return await self._inner.judge(video, criteria, deadline_s)


def job(job_id: str, *missions: tuple[str, str], **more: object) -> JobRequest:
    """(type, url) pairs as missions m0, m1 ..."""
    inputs = [
        MissionInput(mission_id=f"m{at}", mission_type=kind, video_url=url)
        for at, (kind, url) in enumerate(missions)
    ]
    return JobRequest(job_id=job_id, missions=inputs, **more)  # type: ignore[arg-type]


def counting(cpu: OneWorker, *raises: Exception) -> CountingJudge:
    return CountingJudge(EmbeddedJudge(cpu), list(raises))


def timeout() -> StageUnavailable:
    return StageUnavailable(
        "MULTIMODAL_API_TIMEOUT", "미션 판정 시간이 초과되었습니다.", "It took too long.",
        reason="EXTERNAL_API_TIMEOUT",
    )  # fmt: skip


async def test_a_walks_missions_become_the_products_result(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        sit = await made.put_media(SIT)
        meta = RequestMeta(analysis_id="analysis_001", walk_id="walk_001")
        ran = await made.run(
            MISSION_JUDGE, job("j1", ("SIT", sit), ("DOWN", sit), meta=meta), twice=True
        )
    result = ran.done
    assert set(result) == {
        "analysis_id", "walk_id", "job_id", "analyzed_at", "processing", "result",
        "model_version", "details",
    }  # fmt: skip
    assert (result["analysis_id"], result["walk_id"]) == ("analysis_001", "walk_001")
    assert result["model_version"].startswith("mission_pipeline_v1:embedded:dog-pose-")
    sat, lay = result["result"]["missions"]
    assert set(sat) == {
        "mission_id", "mission_type", "success", "confidence", "summary", "verdict",
    }  # fmt: skip
    assert sat["mission_id"] == "m0" and sat["success"] is True and sat["confidence"] > 0.5
    assert sat["summary"] == "지시에 맞춰 안정적으로 앉았습니다."
    assert lay["success"] is False and "failure_type" not in lay
    inside = result["details"]["missions"]
    assert [one["verdict"] for one in inside] == ["SUCCESS", "FAIL"]
    assert inside[0]["reference_version"] and inside[0]["evidence"]
    ran.check_progress(MISSION_JUDGE)
    first = [(one.stage, one.percent, one.message) for one in ran.told if one.part == "0"]
    assert first == [
        ("VALIDATING", 5, "입력 정보를 확인하고 있습니다."),
        ("FETCHING_VIDEO", 15, "영상을 불러오고 있습니다."),
        ("MISSION_INFERENCE", 60, "미션 수행 여부를 판정 중입니다."),
        ("RESULT_PARSING", 90, "분석 결과를 정리하고 있습니다."),
        ("FINALIZING", 99, "결과를 저장하고 있습니다."),
    ]


async def test_words_are_english_for_who_asks_in_english(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        sit = await made.put_media(SIT)
        ran = await made.run(MISSION_JUDGE, job("j1", ("SIT", sit), ("FLY", sit), language="en"))
    sat, flew = ran.done["result"]["missions"]
    assert sat["summary"] == "Your dog sat down and stayed."
    assert flew["summary"] == "This kind of mission is not known."
    assert ran.told[0].message == "Checking the request."


def test_a_spin_is_a_turn() -> None:
    assert mission_called("SPIN") == "TURN" == mission_called("TURN")
    with pytest.raises(InvalidMissionType):
        mission_called("spin around")


async def test_a_mission_that_fails_leaves_the_others_be(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        sit = await made.put_media(SIT)
        page = await made.put_media(web_page(tmp_path / "page.mp4"))
        walk = await made.put_media(WALK)
        request = job(
            "j1", ("FLY", sit), ("SIT", page), ("SIT", walk), ("SIT", made.link("g" * 32)),
            ("SIT", "https://127.0.0.1/sit.mp4"), ("SIT", sit),
        )  # fmt: skip
        ran = await made.run(MISSION_JUDGE, request)
    *failed, sat = ran.done["result"]["missions"]
    assert sat["success"] is True
    assert [one["error"]["code"] for one in failed] == [
        "INVALID_MISSION_TYPE", "MISSION_VIDEO_INVALID", "VIDEO_TOO_LONG", "VIDEO_FETCH_FAILED",
        "VIDEO_FETCH_FAILED",
    ]  # fmt: skip
    assert [one["failure_type"] for one in failed] == [
        "USER_ERROR", "USER_ERROR", "USER_ERROR", "SYSTEM_ERROR", "USER_ERROR",
    ]  # fmt: skip
    assert all(one["success"] is False and one["confidence"] == 0 for one in failed)
    assert failed[0]["summary"] == "지원하지 않는 미션 유형입니다."
    assert failed[2]["summary"] == "돌발미션 영상 길이가 정책을 초과했습니다."
    # Who does not answer is asked three times; what is refused, once.
    assert ran.attempts["3", "FETCHING_VIDEO"] == 3
    assert ran.attempts["4", "FETCHING_VIDEO"] == 1
    stopped = ran.done["details"]["missions"]
    assert stopped[2]["failure"]["details"] == {"max_duration_sec": 5}
    assert "/sit.mp4" not in str(stopped[4]["failure"]["details"])


async def test_a_fault_of_the_system_is_no_failed_mission(tmp_path: Path, cpu: OneWorker) -> None:
    judge = counting(cpu, timeout(), timeout(), timeout())
    async with bench(tmp_path, cpu, judge=judge) as made:
        sit = await made.put_media(SIT)
        ran = await made.run(MISSION_JUDGE, job("j1", ("SIT", sit), ("DOWN", sit)))
    broken, judged = ran.done["result"]["missions"]
    assert broken == {
        "mission_id": "m0", "mission_type": "SIT", "success": False, "confidence": 0.0,
        "summary": "이번 미션은 분석에 실패했습니다", "failure_type": "SYSTEM_ERROR",
        "reason": "EXTERNAL_API_TIMEOUT",
        "error": {
            "code": "MULTIMODAL_API_TIMEOUT", "message": "미션 판정 시간이 초과되었습니다."
        },
    }  # fmt: skip
    assert ran.done["details"]["missions"][0]["verdict"] is None
    assert "failure_type" not in judged
    assert ran.attempts["0", "MISSION_INFERENCE"] == 3


async def test_a_judge_that_recovers_is_asked_again(tmp_path: Path, cpu: OneWorker) -> None:
    judge = counting(cpu, timeout(), RuntimeError("a bug"))
    async with bench(tmp_path, cpu, judge=judge) as made:
        sit = await made.put_media(SIT)
        ran = await made.run(MISSION_JUDGE, job("j1", ("SIT", sit)))
    assert ran.done["result"]["missions"][0]["success"] is True
    assert judge.asked == 3


async def test_the_job_fails_when_no_mission_could_be_judged(
    tmp_path: Path, cpu: OneWorker
) -> None:
    async with bench(tmp_path, cpu, judge=counting(cpu, *(timeout() for _ in range(6)))) as made:
        sit = await made.put_media(SIT)
        alike = await made.run(MISSION_JUDGE, job("j1", ("SIT", sit), ("DOWN", sit)))
        mixed = await made.run(MISSION_JUDGE, job("j2", ("FLY", sit), ("SIT", made.link("g" * 32))))
        nothing = await made.run(MISSION_JUDGE, job("j3"))
    assert alike.failed.code == "MULTIMODAL_API_TIMEOUT" and alike.failed.system
    assert [one["mission_id"] for one in alike.failed.details["missions"]] == ["m0", "m1"]
    assert mixed.failed.code == "JOB_EXECUTION_FAILED" and not mixed.failed.system
    assert mixed.failed.ko == "돌발미션 분석 Job이 실패했습니다."
    assert nothing.failed.code == "INVALID_REQUEST"


async def test_a_wider_policy_than_ours_is_refused(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        sit = await made.put_media(SIT)
        wide = await made.run(MISSION_JUDGE, job("j1", ("SIT", sit), policy=Policy(6.0)))
        narrow = await made.run(MISSION_JUDGE, job("j2", ("SIT", sit), policy=Policy(2.0)))
    assert (wide.failed.code, wide.failed.percent) == ("VIDEO_TOO_LONG", 2)
    assert wide.outcomes[0].failure is not None and narrow.outcomes[0].failure is not None
    assert wide.outcomes[0].failure["stage"] == "VALIDATING"
    assert narrow.outcomes[0].failure["stage"] == "FETCHING_VIDEO"
    assert cpu.calls == []


async def test_a_video_without_a_dog_is_uncertain(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        empty = await made.put_media(no_dog(tmp_path / "empty.mp4"))
        ran = await made.run(MISSION_JUDGE, job("j1", ("SIT", empty)))
    entry, inside = ran.done["result"]["missions"][0], ran.done["details"]["missions"][0]
    assert (entry["success"], entry["confidence"]) == (False, 0.0)
    assert inside["verdict"] == "UNCERTAIN" and "failure_type" not in entry


def _remembered() -> float:
    labels = {"judge": "embedded", "verdict": "SUCCESS", "source": "memory"}
    return REGISTRY.get_sample_value("daengdong_mission_verdicts_total", labels) or 0.0


async def test_the_same_video_and_mission_are_judged_once(tmp_path: Path, cpu: OneWorker) -> None:
    judge = counting(cpu)
    async with bench(tmp_path, cpu, judge=judge) as made:
        sit = await made.put_media(SIT)
        copy = await made.put_media(SIT, "another_upload_of_the_same_video")
        first = await made.run(MISSION_JUDGE, job("j1", ("SIT", sit)))
        remembered = _remembered()
        same = await made.run(MISSION_JUDGE, job("j2", ("SIT", copy), ("SIT", sit)))
        assert judge.asked == 1
        assert _remembered() == remembered + 2
        other = await made.run(MISSION_JUDGE, job("j3", ("DOWN", sit)))
        assert judge.asked == 2
        again = await made.run(MISSION_JUDGE, job("j4", ("SIT", sit), again=True))
        assert judge.asked == 3
        judge.version = "counting:2"
        await made.run(MISSION_JUDGE, job("j5", ("SIT", sit)))
        assert judge.asked == 4
    assert same.done["details"]["missions"][0]["judged_before"] is True
    assert first.done["details"]["missions"][0]["judged_before"] is False
    assert again.done["details"]["missions"][0]["judged_before"] is False
    wanted = first.done["result"]["missions"][0]
    assert {**same.done["result"]["missions"][1], "mission_id": "m0"} == wanted
    assert other.done["result"]["missions"][0] != wanted


async def test_a_fault_is_not_kept_as_a_verdict(tmp_path: Path, cpu: OneWorker) -> None:
    judge = counting(cpu, *(timeout() for _ in range(3)))
    async with bench(tmp_path, cpu, judge=judge) as made:
        sit = await made.put_media(SIT)
        await made.run(MISSION_JUDGE, job("j1", ("SIT", sit)))
        later = await made.run(MISSION_JUDGE, job("j2", ("SIT", sit)))
    assert later.done["result"]["missions"][0]["success"] is True
    assert judge.asked == 4


class OddJudge(CountingJudge):
    """Answers with a confidence that is none, and says that it is sure."""

    async def judge(self, video: Path, criteria: Criteria, deadline_s: float) -> Judgement:
        judged = await super().judge(video, criteria, deadline_s)
        return msgspec.structs.replace(judged, confidence=7.0)


async def test_an_answer_that_is_none_is_the_systems_fault(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu, judge=OddJudge(EmbeddedJudge(cpu))) as made:
        sit = await made.put_media(SIT)
        ran = await made.run(MISSION_JUDGE, job("j1", ("SIT", sit)))
    assert ran.failed.code == "MISSION_RESULT_PARSE_FAILED" and ran.failed.system
    assert ran.failed.ko == "미션 판정 결과를 해석할 수 없습니다."


async def test_a_stage_on_another_machine_fetches_again(tmp_path: Path, cpu: OneWorker) -> None:
    def lose_all(stage: str, folder: Path) -> None:
        for path in folder.iterdir():
            path.unlink()

    async with bench(tmp_path, cpu) as made:
        sit = await made.put_media(SIT)
        ran = await made.run(MISSION_JUDGE, job("j1", ("SIT", sit)), before=lose_all)
    assert ran.done["result"]["missions"][0]["success"] is True


async def test_a_video_that_changed_meanwhile_is_not_judged(tmp_path: Path, cpu: OneWorker) -> None:
    async with bench(tmp_path, cpu) as made:
        sit = await made.put_media(SIT, "k" * 32)

        def exchange(stage: str, folder: Path) -> None:
            if stage == "MISSION_INFERENCE":
                (folder / "0-video").unlink(missing_ok=True)
                (made.store_folder / "media" / ("k" * 32)).write_bytes(FACE.read_bytes())

        ran = await made.run(MISSION_JUDGE, job("j1", ("SIT", sit)), before=exchange)
    assert ran.failed.code == "VIDEO_FETCH_FAILED"
    assert ran.failed.details["reason"] == "changed"


async def test_two_jobs_at_once_tell_the_same(tmp_path: Path, cpu: OneWorker) -> None:
    async def one(made: Bench, number: int, url: str) -> str:
        ran = await made.run(MISSION_JUDGE, job(f"j{number}", ("SIT", url)))
        return str(ran.done["details"]["missions"][0]["confidence"])

    class Unsteady(CountingJudge):
        async def judge(self, video: Path, criteria: Criteria, deadline_s: float) -> Judgement:
            judged = await super().judge(video, criteria, deadline_s)
            return msgspec.structs.replace(judged, confidence=round(self.asked / 10, 1))

    async with bench(tmp_path, cpu, judge=Unsteady(EmbeddedJudge(cpu))) as made:
        sit = await made.put_media(SIT)
        told = await asyncio.gather(*(one(made, number, sit) for number in range(3)))
    assert len(set(told)) == 1
