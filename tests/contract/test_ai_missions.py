"""Missions as the product's specification has them: each of its examples, on each of its paths."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sync_server.ai.contract import Event, JobRequest
from tests.contract.ai_paths import ENGLISH, VIDEO, Backend
from tests.support.ai_role import complete, failed, progress
from tests.support.shapes import has_shape

pytestmark = pytest.mark.anyio
BASES = ["/api/missions/judge", "/api/mission/judge"]
STATUS_PATHS = [f"{base}/jobs{form}" for base in BASES for form in ("/{}", "/status/{}")]
RESULT_PATHS = [f"{base}/jobs{form}" for base in BASES for form in ("/{}/result", "/result/{}")]
#: Every result says the version of its model and pipeline, how long it took and whose it is.
ADDED = ("$.model_version", "$.processing", "$.job_id", "$.walk_id")

# 1-3, request and answers.
ANSWER_SYNC = {
    "analysis_id": "string", "walk_id": "string", "analyzed_at": "string",
    "result": {"missions": [{"mission_id": "string", "mission_type": "enum", "success": True,
                             "confidence": 0.5, "summary": "string"}]},
}  # fmt: skip
ANSWER_JOB = {"analysis_id": "string", "job_id": "string", "status": "string",
              "submitted_at": "string"}  # fmt: skip
ANSWER_STATUS = {"analysis_id": "string", "job_id": "string", "status": "processing",
                 "progress": 66}  # fmt: skip
ANSWER_RESULT = {**ANSWER_SYNC, "job_id": "string"}
UNKNOWN_STATUS = {
    "status": "failed",
    "error": {"code": "INVALID_JOB_ID", "message": "존재하지 않는 Job ID입니다."},
}
NOT_FINISHED = {"analysis_id": "string", "job_id": "string", "status": "processing",
                "message": "Analysis is not finished yet."}  # fmt: skip
FAILED = {"code": "JOB_EXECUTION_FAILED", "message": "돌발미션 분석 Job이 실패했습니다."}
COMMON_ERROR = {"analysis_id": "string", "status": "failed",
                "error": {"code": "ERROR_CODE", "message": "string"}}  # fmt: skip

# 3-3, events, to the letter (the example for "complete" is a second PROGRESS).
QUEUED = """{
    "event_type": "STATUS",
    "status": "queued",
    "progress": {
        "stage": "QUEUED",
        "percent": 0,
        "message": "돌발미션 분석 대기열에 등록되었습니다."
    }
}"""
PROGRESS = """{
  "event_type": "PROGRESS",
  "status": "processing",
  "progress": {
    "stage": "MISSION_INFERENCE",
    "percent": 66,
    "message": "상용 멀티모달 AI로 미션을 판정 중입니다."
  }
}"""
FAILED_EVENT = """{
  "event_type": "FAILED",
  "status": "failed",
  "progress": {
    "stage": "MISSION_INFERENCE",
    "percent": 40,
    "message": "미션 분석 중 오류가 발생했습니다."
  },
  "error": {
    "code": "MULTIMODAL_API_TIMEOUT",
    "message": "외부 AI 호출 시간이 초과되었습니다."
  }
}"""
PROGRESS_60 = """{
  "event_type": "PROGRESS",
  "status": "processing",
  "progress": {
    "stage": "MISSION_INFERENCE",
    "percent": 60,
    "message": "상용 멀티모달 AI로 돌발미션을 판정 중입니다."
  }
}"""
# 3-3, what a worker reports.
WORKER_RESULT = """{
    "missions": [
        {
            "mission_id": "mission_01",
            "success": true,
            "confidence": 0.92,
            "summary": "지시에 맞춰 안정적으로 앉았습니다."
        }
    ]
}"""
SUMMARY = "지시에 맞춰 안정적으로 앉았습니다."


def body(ai: Backend, *, other_names: bool = False, **more: Any) -> dict[str, Any]:
    """The request of 1-3 with the missions of 3-3."""
    names = ("missions_id", "missions_type") if other_names else ("mission_id", "mission_type")
    missions = [
        {names[0]: "mission_01", names[1]: "SIT", "instruction": "앉아", "video_url": VIDEO},
        {names[0]: "mission_02", names[1]: "PAW", "instruction": "손",
         "video_url": "https://cdn.service.com/missions/paw_02.mp4"},
    ]  # fmt: skip
    known = {"analysis_id": "analysis_001", "walk_id": ai.own.walk_id, "missions": missions}
    return known | more


def verdicts(request: JobRequest, **more: Any) -> dict[str, Any]:
    """What an AI role finds for each mission of a job."""
    missions = [
        {"mission_id": each.mission_id, "mission_type": each.mission_type, "success": True,
         "confidence": 0.92, "summary": SUMMARY}
        for each in request.missions
    ]  # fmt: skip
    return {"result": {"missions": missions}, "model_version": "mission_pipeline_v1:test"} | more


def judged(request: JobRequest) -> list[Event]:
    return [progress("MISSION_INFERENCE", 60, seq=1), complete(verdicts(request), seq=2)]


async def waiting_job(ai: Backend, base: str = BASES[0], **more: Any) -> str:
    """A job that its AI role has taken and said nothing of."""
    ai.role.script = None
    return await ai.job(f"{base}/jobs", body(ai, **more))


@pytest.mark.parametrize("base", BASES)
async def test_the_synchronous_path_answers_all_verdicts_at_once(ai: Backend, base: str) -> None:
    ai.role.script = judged
    answer = await ai.post(base, body(ai))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    has_shape(said, ANSWER_SYNC, ADDED)
    assert (said["analysis_id"], said["walk_id"]) == ("analysis_001", ai.own.walk_id)
    assert [(m["mission_id"], m["mission_type"]) for m in said["result"]["missions"]] == [
        ("mission_01", "SIT"), ("mission_02", "PAW"),
    ]  # fmt: skip
    assert said["model_version"] == "mission_pipeline_v1:test"


@pytest.mark.parametrize("base", BASES)
async def test_a_job_is_taken_with_202(ai: Backend, base: str) -> None:
    answer = await ai.post(f"{base}/jobs", body(ai))
    assert answer.status_code == 202, answer.text
    has_shape(answer.json(), ANSWER_JOB)
    assert answer.json()["analysis_id"] == "analysis_001"
    assert answer.json()["status"] == "queued"


async def test_the_ai_role_gets_the_internal_request(ai: Backend) -> None:
    job_id = await waiting_job(ai)
    request = ai.role.requests[job_id]
    assert (request.job_id, request.job_type) == (job_id, "MISSION_JUDGE")
    assert [(m.mission_id, m.mission_type, m.video_url) for m in request.missions] == [
        ("mission_01", "SIT", VIDEO),
        ("mission_02", "PAW", "https://cdn.service.com/missions/paw_02.mp4"),
    ]
    assert request.meta.analysis_id == "analysis_001"
    assert request.meta.walk_id == ai.own.walk_id
    assert request.meta.requested_at is not None


async def test_both_spellings_of_the_fields_are_taken(ai: Backend) -> None:
    ai.role.script = judged
    answer = await ai.post(BASES[0], body(ai, other_names=True))
    assert answer.status_code == 200, answer.text
    has_shape(answer.json(), ANSWER_SYNC, ADDED)


async def test_a_result_in_the_other_spelling_is_answered_in_the_tables(ai: Backend) -> None:
    missions = [{"missions_id": "mission_01", "missions_type": "SIT", "success": True,
                 "confidence": 0.92, "summary": "string"}]  # fmt: skip
    ai.role.script = lambda request: [
        complete({"analyze_at": "2026-01-09T13:00:09+09:00", "result": {"missions": missions}})
    ]
    answer = (await ai.post(BASES[0], body(ai))).json()
    first, second = answer["result"]["missions"]
    has_shape(first, ANSWER_SYNC["result"]["missions"][0])  # type: ignore[index]
    assert first["success"] and answer["analyzed_at"] == "2026-01-09T13:00:09+09:00"
    # The result says nothing of the second one: no verdict on the dog.
    assert not second["success"] and second["error"]["code"] == "MISSION_INFERENCE_FAILED"


@pytest.mark.parametrize("path", STATUS_PATHS)
async def test_the_status_is_told_on_every_path(ai: Backend, path: str) -> None:
    job_id = await waiting_job(ai)
    first = (await ai.get(path.format(job_id))).json()
    has_shape(first, ANSWER_STATUS)
    assert (first["status"], first["progress"]) == ("queued", 0)
    await ai.role.say(job_id, QUEUED.encode())
    await ai.role.say(job_id, PROGRESS.encode())
    # The specification's third example is the second one again.
    await ai.role.say(job_id, PROGRESS.encode())
    answer = (await ai.get(path.format(job_id))).json()
    assert answer == {"analysis_id": "analysis_001", "job_id": job_id, "status": "processing",
                      "progress": 66}  # fmt: skip
    await ai.role.say(job_id, PROGRESS_60.encode())
    assert (await ai.get(path.format(job_id))).json()["progress"] == 66
    await ai.role.say(job_id, complete(verdicts(ai.role.requests[job_id])))
    answer = (await ai.get(path.format(job_id))).json()
    assert (answer["status"], answer["progress"]) == ("finished", 100)


@pytest.mark.parametrize("path", STATUS_PATHS)
async def test_the_status_of_an_unknown_job(ai: Backend, path: str) -> None:
    answer = await ai.get(path.format("job_unknown"))
    assert (answer.status_code, answer.json()) == (404, UNKNOWN_STATUS)


@pytest.mark.parametrize("path", RESULT_PATHS)
async def test_the_result_of_an_unknown_job(ai: Backend, path: str) -> None:
    answer = await ai.get(path.format("job_unknown"))
    assert answer.status_code == 404
    has_shape(answer.json(), {**UNKNOWN_STATUS, "analysis_id": "string"})
    assert answer.json()["error"] == UNKNOWN_STATUS["error"]
    english = await ai.get(path.format("job_unknown"), headers=ENGLISH)
    assert english.json()["error"] == {"code": "INVALID_JOB_ID", "message": "No such job id."}


@pytest.mark.parametrize("path", RESULT_PATHS)
async def test_the_result_of_a_finished_job(ai: Backend, path: str) -> None:
    ai.role.script = judged
    job_id = await ai.job(f"{BASES[0]}/jobs", body(ai))
    answer = await ai.get(path.format(job_id))
    assert answer.status_code == 200, answer.text
    has_shape(answer.json(), ANSWER_RESULT, ADDED)
    assert answer.json()["job_id"] == job_id


@pytest.mark.parametrize("path", RESULT_PATHS)
async def test_the_result_before_the_end(ai: Backend, path: str) -> None:
    job_id = await waiting_job(ai)
    await ai.role.say(job_id, PROGRESS.encode())
    answer = await ai.get(path.format(job_id))
    assert answer.status_code == 409
    said = answer.json()
    has_shape(said, NOT_FINISHED, ("$.error",))
    assert said["message"] == NOT_FINISHED["message"]
    assert (said["status"], said["error"]["code"]) == ("processing", "JOB_NOT_FINISHED")


@pytest.mark.parametrize("path", RESULT_PATHS)
async def test_the_result_of_a_failed_job(ai: Backend, path: str) -> None:
    job_id = await waiting_job(ai)
    await ai.role.say(job_id, FAILED_EVENT.encode())
    answer = await ai.get(path.format(job_id))
    said = answer.json()
    has_shape(said, {**COMMON_ERROR, "job_id": "string"}, ("$.cause",))
    assert (said["status"], said["error"]) == ("failed", FAILED)
    assert (said["analysis_id"], said["job_id"]) == ("analysis_001", job_id)
    assert said["cause"] == json.loads(FAILED_EVENT)["error"]
    assert answer.status_code == 504
    status = (await ai.get(STATUS_PATHS[0].format(job_id))).json()
    assert (status["status"], status["progress"]) == ("failed", 40)
    assert status["error"] == json.loads(FAILED_EVENT)["error"]


async def test_a_synchronous_request_tells_why_its_job_failed(ai: Backend) -> None:
    ai.role.script = lambda request: [failed("MULTIMODAL_API_TIMEOUT")]
    answer = await ai.post(BASES[0], body(ai))
    assert answer.status_code == 504
    has_shape(answer.json(), {**COMMON_ERROR, "job_id": "string"})
    assert answer.json()["error"] == {"code": "MULTIMODAL_API_TIMEOUT",
                                      "message": "외부 AI 호출 시간이 초과되었습니다."}  # fmt: skip
    english = await ai.post(BASES[0], body(ai), headers=ENGLISH)
    assert english.json()["error"]["message"] == "The external AI took too long."


async def test_what_a_worker_reports_is_a_result_too(ai: Backend) -> None:
    ai.role.script = lambda request: [complete(json.loads(WORKER_RESULT), "completed")]
    one = body(ai)
    one["missions"] = one["missions"][:1]
    answer = (await ai.post(BASES[0], one)).json()
    assert answer["result"]["missions"] == [
        {"mission_id": "mission_01", "mission_type": "SIT", "success": True, "confidence": 0.92,
         "summary": SUMMARY}
    ]  # fmt: skip


async def test_what_finalizing_reports_is_a_result_too(ai: Backend) -> None:
    # 4-7: `analyze_at`, `processing`, `model_version`.
    def script(request: JobRequest) -> list[Event]:
        more = {"analyze_at": "2026-01-09T13:00:00+00:00",
                "processing": {"analysis_time_ms": 4200, "video_duration_sec": 5}}  # fmt: skip
        return [complete(verdicts(request, **more))]

    ai.role.script = script
    answer = (await ai.post(BASES[0], body(ai))).json()
    assert answer["analyzed_at"] == "2026-01-09T13:00:00+00:00"
    assert answer["processing"] == {"analysis_time_ms": 4200}


async def test_a_mission_that_could_not_be_judged_is_not_told_as_failed_by_the_dog(
    ai: Backend,
) -> None:
    def script(request: JobRequest) -> list[Event]:
        result = verdicts(request)
        result["result"]["missions"][1] = {
            "mission_id": "mission_02", "mission_type": "PAW", "success": False, "confidence": 0.0,
            "summary": "", "failure_type": "SYSTEM_ERROR",
            "error": {"code": "MULTIMODAL_API_TIMEOUT", "message": "시간 초과"},
        }  # fmt: skip
        return [complete(result)]

    ai.role.script = script
    first, second = (await ai.post(BASES[0], body(ai))).json()["result"]["missions"]
    assert first["success"] and "error" not in first
    assert not second["success"] and second["summary"] == "이번 미션은 분석에 실패했습니다."
    assert second["error"] == {"code": "MULTIMODAL_API_TIMEOUT", "message": "시간 초과"}
    assert set(second) == {*ANSWER_SYNC["result"]["missions"][0], "error"}  # type: ignore[index]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("form", ["", "/jobs"])
async def test_wrong_requests_get_the_products_error_body(
    ai: Backend, base: str, form: str
) -> None:
    mission = body(ai)["missions"][0]
    wrong = [
        ({"walk_id": 3}, 400, "INVALID_REQUEST"),
        ({"missions": []}, 400, "INVALID_REQUEST"),
        ({"missions": [{**mission, "mission_type": "FLY"}]}, 400, "INVALID_MISSION_TYPE"),
        ({"missions": [{"mission_type": "SIT", "video_url": VIDEO}]}, 400, "INVALID_REQUEST"),
        ({"missions": [mission, mission]}, 400, "INVALID_REQUEST"),
        ({"missions": [{**mission, "video_url": "ftp://x/y"}]}, 400, "MISSION_VIDEO_INVALID"),
        ({"missions": [{**mission, "video_url": "no url"}]}, 400, "MISSION_VIDEO_INVALID"),
        ({"missions": [{**mission, "video_url": "a" * 32}]}, 400, "MISSION_VIDEO_INVALID"),
        ({"walk_id": "walk_001"}, 404, "WALK_NOT_FOUND"),
    ]
    for change, status, code in wrong:
        answer = await ai.post(base + form, body(ai) | change)
        assert answer.status_code == status, answer.text
        has_shape(answer.json(), COMMON_ERROR)
        said = answer.json()
        assert (said["analysis_id"], said["status"]) == ("analysis_001", "failed")
        assert said["error"]["code"] == code
        assert any("가" <= letter <= "힣" for letter in said["error"]["message"]) or code in (
            "INVALID_REQUEST",
        )
    assert ai.role.requests == {}
    stranger = await ai.server.client.post(base + form, json=body(ai))
    assert (stranger.status_code, stranger.headers["www-authenticate"]) == (401, "Bearer")
    has_shape(stranger.json(), COMMON_ERROR)
    assert stranger.json()["error"]["code"] == "UNAUTHORIZED"


async def test_spin_is_taken_as_turn(ai: Backend) -> None:
    spin = {**body(ai)["missions"][0], "mission_type": "SPIN"}
    job_id = await waiting_job(ai, missions=[spin])
    assert [each.mission_type for each in ai.role.requests[job_id].missions] == ["TURN"]
