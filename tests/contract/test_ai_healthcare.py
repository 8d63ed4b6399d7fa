"""Gait as the product's specification has it: each of its examples, on each of its paths."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import msgspec
import pytest

from sync_server.ai.contract import Event, JobRequest
from tests.conftest import REPOSITORY
from tests.contract.ai_paths import ENGLISH, Backend
from tests.support.ai_role import complete, failed, progress
from tests.support.shapes import has_shape

pytestmark = pytest.mark.anyio
JOBS = "/api/healthcare/jobs"
CREATE = [JOBS, "/api/healthcare/analyze"]
CLIP = REPOSITORY / "assets" / "clips" / "walk-sound.mp4"
MP4 = CLIP.read_bytes()

# 1-3 and 1-6.
REQUEST = {
    "video_url": "https://storage/.../gait.mp4",
    "dog_id": "d_456",
    "captured_at": "2026-01-06T10:29:30+09:00",
}
ACCEPTED = {"job_id": "job_3f2a9c8d1b", "status": "queued"}
STATUS = {
    "job_id": "job_3f2a9c8d1b",
    "status": "processing",
    "progress": {
        "stage": "KEYPOINT_ESTIMATION",
        "percent": 55,
        "message": "키포인트를 추정하고 있습니다.",
    },
}
RESULT: dict[str, Any] = {
    "analysis_id": "gait_3f2a9c8d1b",
    "analyze_at": "2026-01-06T10:30:00+09:00",
    "processing": {
        "analysis_time_ms": 8200, "video_duration_sec": 8.3, "frames_sampled": 96, "fps_used": 12,
    },
    "result": {
        "overall_risk_level": "medium",
        "summary": "좌우 보행 균형이 다소 불안정해 보입니다.",
    },
    "metrics": {
        "patella_risk_signal": {
            "level": "medium", "score": 62,
            "description": "후지 지지 패턴의 좌우 차이가 관측됩니다. (...)",
        },
        "gait_balance": {
            "score": 68, "description": "좌우 보폭/지지 시간 차이가 존재합니다. (...)",
        },
        "knee_mobility": {
            "score": 72, "description": "무릎 관절 가동 범위가 약간 제한적입니다. (...)",
        },
        "gait_stability": {
            "score": 75, "description": "전반적으로 안정적이나 간헐적 흔들림이 관측됩니다. (...)",
        },
        "gait_rhythm": {"score": 80, "description": "보행 리듬은 비교적 일정합니다. (...)"},
    },
    "artifacts": {
        "keypoint_overlay_video_url": "https://storage/.../gait_3f2a9c8d1b_overlay.mp4",
        "report_image_url": "https://storage/.../gait_3f2a9c8d1b_summary.png",
    },
    "model_version": "gait_analysis_v1",
}  # fmt: skip
SCHEMA = {
    **RESULT,
    "job_id": "string",
    "artifacts": {"status": "pending|ready|failed", "keypoint_overlay_video_url": None,
                  "report_image_url": None},
}  # fmt: skip
TIMED_OUT = {
    "job_id": "string",
    "status": "processing",
    "next": {"status_url": "/api/healthcare/jobs/{job_id}",
             "result_url": "/api/healthcare/jobs/{job_id}/result"},
}  # fmt: skip
# 1-4, all errors to the letter.
ERRORS: dict[str, tuple[int, dict[str, Any]]] = {
    "INVALID_FILE_TYPE": (400, {
        "code": "INVALID_FILE_TYPE", "message": "mp4 형식의 영상을 업로드해 주세요.",
        "details": {"allowed": ["video/mp4"]}}),
    "VIDEO_TOO_LONG": (400, {
        "code": "VIDEO_TOO_LONG",
        "message": "영상 길이가 너무 깁니다. 10초 이하로 업로드해 주세요.",
        "details": {"max_duration_sec": 10}}),
    "DOG_NOT_TRACKED": (422, {
        "code": "DOG_NOT_TRACKED",
        "message": "반려견을 안정적으로 추적하지 못했습니다. 촬영 각도/거리/조명을 바꿔 "
                   "다시 촬영해 주세요.",
        "details": {}}),
    "INSUFFICIENT_FRAMES": (422, {
        "code": "INSUFFICIENT_FRAMES",
        "message": "분석에 필요한 보행 장면이 부족합니다. 5~10초 정도 다시 촬영해 주세요.",
        "details": {"min_frames": 60}}),
    "INFERENCE_TIMEOUT": (504, {
        "code": "INFERENCE_TIMEOUT",
        "message": "분석 시간이 초과되었습니다. 잠시 후 다시 시도해 주세요.",
        "details": {"timeout_ms": 15000}}),
}  # fmt: skip

# 3-3, events, to the letter.
QUEUED = """{
  "event_type": "STATUS",
  "status": "queued",
  "progress": { "stage": "VALIDATING", "percent": 0, "message": "대기열에 등록되었습니다." }
}"""
PROGRESS = """{
  "event_type": "PROGRESS",
  "status": "processing",
  "progress": {
    "stage": "KEYPOINT_ESTIMATION", "percent": 55, "message": "키포인트를 추정하고 있습니다."
  }
}"""
COMPLETE = json.dumps({"event_type": "COMPLETE", "status": "succeeded", "result": RESULT})
FAILED_EVENT = """{
  "event_type": "FAILED",
  "status": "failed",
  "progress": {
    "stage": "KEYPOINT_ESTIMATION", "percent": 55, "message": "처리 중 오류가 발생했습니다."
  },
  "error": { "code": "INFERENCE_TIMEOUT", "message": "분석 시간이 초과되었습니다." },
  "details": { "timeout_ms": 15000 }
}"""


def body(ai: Backend, **more: Any) -> dict[str, Any]:
    """The request of 1-6, about a dog that is there."""
    return {**REQUEST, "dog_id": ai.own.dog_id, **more}


def found(request: JobRequest) -> list[Event]:
    """What an AI role finds: the example's own result."""
    return [progress("VALIDATING", 1, seq=1), complete(RESULT, "succeeded", seq=2)]


async def test_a_job_is_taken_and_followed_to_its_result(ai: Backend) -> None:
    answer = await ai.post(JOBS, body(ai))
    assert answer.status_code == 202, answer.text
    has_shape(answer.json(), ACCEPTED)
    assert answer.json()["status"] == "queued"
    job_id = answer.json()["job_id"]
    await ai.role.say(job_id, QUEUED.encode())
    first = (await ai.get(f"{JOBS}/{job_id}")).json()
    has_shape(first, STATUS)
    assert first["status"] == "queued"
    assert first["progress"] == json.loads(QUEUED)["progress"]
    await ai.role.say(job_id, PROGRESS.encode())
    assert (await ai.get(f"{JOBS}/{job_id}")).json() == {**STATUS, "job_id": job_id}
    early = await ai.get(f"{JOBS}/{job_id}/result")
    assert early.status_code == 409
    assert early.json()["error"]["code"] == "JOB_NOT_FINISHED"
    await ai.role.say(job_id, COMPLETE.encode())
    status = (await ai.get(f"{JOBS}/{job_id}")).json()
    assert (status["status"], status["progress"]["percent"]) == ("succeeded", 100)
    answer = await ai.get(f"{JOBS}/{job_id}/result")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    has_shape(said, SCHEMA)
    # The example has no `artifacts.status`; its pictures are there, so they are ready.
    expected = {**RESULT, "artifacts": {"status": "ready", **RESULT["artifacts"]},
                "analysis_id": said["analysis_id"], "job_id": job_id}  # fmt: skip
    assert said == expected
    assert said["analysis_id"] == "gait_" + job_id.removeprefix("job_")


async def test_the_ai_role_gets_the_internal_request(ai: Backend) -> None:
    job_id = await ai.job(JOBS, body(ai))
    request = ai.role.requests[job_id]
    assert (request.job_id, request.job_type) == (job_id, "GAIT_ANALYSIS")
    assert request.video_url == REQUEST["video_url"]
    policy = request.policy
    assert (policy.max_duration_sec, policy.target_fps, policy.max_resolution) == (10, None, 720)
    meta = request.meta
    assert (meta.user_id, meta.dog_id) == (ai.own.phone.user_id, ai.own.dog_id)
    assert meta.requested_at is not None
    assert meta.captured_at == "2026-01-06T01:29:30+00:00"


@pytest.mark.parametrize("form", ["json", "multipart"])
async def test_the_synchronous_path_answers_the_result(ai: Backend, form: str) -> None:
    ai.role.script = found
    if form == "json":
        answer = await ai.post("/api/healthcare/analyze", body(ai))
    else:
        fields = {"dog_id": ai.own.dog_id, "captured_at": str(REQUEST["captured_at"])}
        answer = await ai.send("POST", "/api/healthcare/analyze", data=fields,
                               files={"file": ("gait.mp4", MP4, "video/mp4")})  # fmt: skip
    assert answer.status_code == 200, answer.text
    has_shape(answer.json(), SCHEMA)
    again = await ai.get(f"{JOBS}/{answer.json()['job_id']}/result")
    assert again.json() == answer.json()


@pytest.mark.parametrize("path", CREATE)
async def test_an_upload_lies_where_the_ai_role_is_sent(ai: Backend, path: str) -> None:
    ai.role.script = found
    answer = await ai.send("POST", path, files={"file": ("gait.mp4", MP4, "video/mp4")})
    assert answer.status_code in (200, 202), answer.text
    job_id = answer.json()["job_id"]
    await ai.server.platform.tasks.settle()
    url = ai.role.requests[job_id].video_url
    assert url is not None
    _, _, where = url.partition("127.0.0.1:8000")
    fetched = await ai.server.client.get(where)
    assert (fetched.status_code, fetched.content[4:8]) == (200, b"ftyp")
    part = await ai.server.client.get(where, headers={"Range": "bytes=4-11"})
    assert (part.status_code, part.content) == (206, fetched.content[4:12])
    assert part.headers["content-range"] == f"bytes 4-11/{len(fetched.content)}"


@pytest.mark.parametrize("path", CREATE)
async def test_an_upload_is_kept_without_what_a_phone_wrote_into_it(
    ai: Backend, path: str, tmp_path: Path
) -> None:
    ai.role.script = found
    sent = with_place(CLIP, tmp_path / "place.mp4")
    assert b"loci" in sent
    answer = await ai.send("POST", path, files={"file": ("gait.mp4", sent, "video/mp4")})
    assert answer.status_code in (200, 202), answer.text
    stored = await ai.server.platform.objects.get(f"artifacts/{answer.json()['job_id']}/input.mp4")
    assert stored is not None and b"loci" not in stored and len(stored) > 100_000


@pytest.mark.parametrize("path", CREATE)
async def test_what_is_no_video_is_refused_before_it_is_a_job(ai: Backend, path: str) -> None:
    html = b"\x00\x00\x00\x18ftypmp42" + b"<html>" * 400
    answer = await ai.send("POST", path, files={"file": ("gait.mp4", html, "video/mp4")})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_FILE_TYPE")
    assert (await ai.get("/api/jobs")).json()["jobs"] == []


@pytest.mark.parametrize("code", ERRORS)
async def test_each_error_is_told_to_the_letter(ai: Backend, code: str) -> None:
    status, error = ERRORS[code]
    ai.role.script = lambda request: [failed(code, "", None, **error["details"])]
    answer = await ai.post("/api/healthcare/analyze", body(ai))
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    job_id = await ai.job(JOBS, body(ai))
    answer = await ai.get(f"{JOBS}/{job_id}/result")
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    told = (await ai.get(f"{JOBS}/{job_id}")).json()
    has_shape(told, STATUS, ("$.error",))
    assert (told["status"], told["error"]) == ("failed", error)
    english = await ai.get(f"{JOBS}/{job_id}/result", headers=ENGLISH)
    assert english.json()["error"]["message"].isascii()


async def test_the_failed_event_of_the_specification(ai: Backend) -> None:
    job_id = await ai.job(JOBS, body(ai))
    await ai.role.say(job_id, FAILED_EVENT.encode())
    told = (await ai.get(f"{JOBS}/{job_id}")).json()
    assert told["status"] == "failed"
    progressed = told["progress"]
    assert (progressed["stage"], progressed["percent"]) == ("KEYPOINT_ESTIMATION", 55)
    event = json.loads(FAILED_EVENT)
    assert told["error"] == {**event["error"], "details": event["details"]}


async def test_a_video_that_is_no_mp4_is_refused_before_any_job(ai: Backend) -> None:
    for path in CREATE:
        for data in (b"<html>" * 50, b"", b"\x00\x00\x00"):
            answer = await ai.send("POST", path, files={"file": ("a.mp4", data, "video/mp4")})
            status, error = ERRORS["INVALID_FILE_TYPE"]
            assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert ai.role.requests == {}
    assert [key async for key in ai.server.platform.objects.keys("artifacts/")] == []


async def test_past_the_wait_the_answer_is_202_with_where_to_ask_on(ai: Backend) -> None:
    platform = ai.server.platform
    short = msgspec.structs.replace(platform.settings, job_wait_s=0.05)
    ai.server.app.state.platform = replace(platform, settings=short)
    answer = await ai.post("/api/healthcare/analyze", body(ai))
    assert answer.status_code == 202, answer.text
    said = answer.json()
    has_shape(said, TIMED_OUT)
    job_id = said["job_id"]
    assert said["next"] == {
        name: url.format(job_id=job_id)
        for name, url in TIMED_OUT["next"].items()  # type: ignore[attr-defined]
    }
    assert (await ai.get(said["next"]["status_url"])).json()["status"] == said["status"]
    await ai.role.say(job_id, COMPLETE.encode())
    assert (await ai.get(said["next"]["result_url"])).status_code == 200


async def test_scores_come_first_and_the_pictures_later(ai: Backend) -> None:
    job_id = await ai.job(JOBS, body(ai))
    pending = {"status": "pending", "keypoint_overlay_video_url": None, "report_image_url": None}
    ready = {
        "status": "ready",
        "keypoint_overlay_video_url": f"/api/artifacts/{job_id}/o.mp4",
        "report_image_url": f"https://h/api/artifacts/{job_id}/r.png?signature=old",
    }
    await ai.role.say(job_id, complete({**RESULT, "artifacts": pending}, "succeeded", seq=5))
    first = (await ai.get(f"{JOBS}/{job_id}/result")).json()
    assert first["artifacts"] == pending
    await ai.role.say(job_id, complete({**RESULT, "artifacts": ready}, "succeeded", seq=6))
    # The first one comes again, late.
    await ai.role.say(job_id, complete({**RESULT, "artifacts": pending}, "succeeded", seq=5))
    second = (await ai.get(f"{JOBS}/{job_id}/result")).json()
    assert second["artifacts"]["status"] == "ready"
    for name, file in (("keypoint_overlay_video_url", "o.mp4"), ("report_image_url", "r.png")):
        start = f"http://127.0.0.1:8000/api/artifacts/{job_id}/{file}?expires="
        assert second["artifacts"][name].startswith(start)
    assert {**second, "artifacts": pending} == first


async def test_wrong_requests_get_the_products_error_body(ai: Backend) -> None:
    common = {"error": {"code": "STRING_CODE", "message": "string", "details": {}}}
    wrong = [
        ({"video_url": 1}, 400, "INVALID_REQUEST"),
        ({"extra": 1}, 400, "INVALID_REQUEST"),
        ({"captured_at": "yesterday"}, 400, "INVALID_REQUEST"),
        ({"video_url": "gopher://x"}, 400, "INVALID_MEDIA_URL"),
        ({"dog_id": "0192f0c0-0000-7000-8000-000000000000"}, 404, "DOG_NOT_FOUND"),
    ]
    for path in CREATE:
        for change, status, code in wrong:
            answer = await ai.post(path, body(ai, **change))
            assert answer.status_code == status, answer.text
            has_shape({"error": {**answer.json()["error"], "details": {}}}, common)
            assert answer.json()["error"]["code"] == code
        for files, data in (
            ({"other": ("a.mp4", MP4)}, {}), ({"file": ("a.mp4", MP4)}, {"dog_id": "d_456"}),
            ({"file": ("a.mp4", MP4)}, {"extra": "1"}),
        ):  # fmt: skip
            answer = await ai.send("POST", path, files=files, data=data)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST")
        plain = await ai.send("POST", path, content=b"x", headers={"content-type": "text/plain"})
        assert plain.status_code == 415
        long = await ai.post(path, body(ai, video_url="https://h/" + "x" * 70_000))
        assert (long.status_code, long.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")
        stranger = await ai.server.client.post(path, json=body(ai))
        assert (stranger.status_code, stranger.headers["www-authenticate"]) == (401, "Bearer")
        assert stranger.json()["error"] == {
            "code": "UNAUTHORIZED",
            "message": "로그인이 필요합니다.",
            "details": {},
        }
    assert ai.role.requests == {}


async def test_unknown_jobs(ai: Backend) -> None:
    error = {"code": "JOB_NOT_FOUND", "message": "존재하지 않는 Job ID입니다.", "details": {}}
    for form in ("", "/result"):
        answer = await ai.get(f"{JOBS}/job_unknown{form}")
        assert (answer.status_code, answer.json()) == (404, {"error": error})


async def test_the_health_check_names_each_part(ai: Backend) -> None:
    said = (await ai.server.client.get("/api/healthcare/health")).json()
    assert said == {
        "status": "ok",
        "dependencies": {"database": "ok", "object_store": "ok", "ai": "ok"},
        "queue": {"length": 0, "age_s": 0},
        "models": {"pose": "test"},
    }
    ai.role.gone = True
    said = (await ai.server.client.get("/api/healthcare/health")).json()
    assert (said["status"], said["dependencies"]["ai"]) == ("degraded", "unavailable")


def with_place(clip: Path, path: Path) -> bytes:
    """Copy a clip as a phone writes it: with the place where it was filmed."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as copy:
        copy.metadata["location"] = "+37.5444+127.0374/"
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    return path.read_bytes()
