"""Face as the product's specification has it: each of its examples, on each of its paths."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sync_server.ai.contract import Event, JobRequest
from tests.contract.ai_paths import ENGLISH, Backend
from tests.support.ai_role import complete, failed, progress
from tests.support.shapes import has_shape

pytestmark = pytest.mark.anyio
VIDEO = "https://cdn.service.com/videos/face_walk.mp4"
FRAME = "https://cdn.service.com/frames/frame_003.jpg"
KINDS = ["detect", "emotion-inference", "analyze"]
FORMS_OF_STATUS = ["/{}", "/status/{}"]
FORMS_OF_RESULT = ["/{}/result", "/result/{}"]
ADDED = ("$.model_version", "$.job_id", "$.result.narration", "$.result.face")

# 1-3, answers.
ANSWER_JOB = {"analysis_id": "string", "job_id": "string", "status": "queued",
              "submitted_at": "string"}  # fmt: skip
ANSWER_STATUS = {"analysis_id": "string", "job_id": "string", "status": "processing",
                 "progress": 80}  # fmt: skip
DETECTED = {
    "analysis_id": "string", "job_id": "string", "analyze_at": "string",
    "processing": {"analysis_time_ms": 320, "frames_sampled": 45, "fps_used": 5},
    "result": {"face": {"frame_id": "string", "frame_score": 0.91, "frame_url": "string",
                        "face_crop_url": "string"}},
}  # fmt: skip
EMOTION = {
    "analysis_id": "string", "job_id": "string", "analyze_at": "string",
    "processing": {"analysis_time_ms": 180, "face_detected": True},
    "result": {"emotion": {
        "predicted_emotion": "happy", "confidence": 0.91,
        "summary": "반려견이 매우 긍정적이고 즐거운 상태입니다.",
        "emotion_probabilities": {"happy": 0.72, "relaxed": 0.18, "sad": 0.06, "angry": 0.04}}},
}  # fmt: skip
DETECT_FAILED = {"code": "FACE_NOT_DETECTED",
                 "message": "영상에서 반려견 얼굴을 검출하지 못했습니다."}  # fmt: skip
EMOTION_FAILED = {"code": "EMOTION_INFERENCE_FAILED",
                  "message": "감정 분석 모델 추론 중 오류가 발생했습니다."}  # fmt: skip
COMMON_ERROR = {"analysis_id": "string", "status": "failed",
                "error": {"code": "ERROR_CODE", "message": "string"}}  # fmt: skip

# 3-3, events, to the letter.
QUEUED = """{
  "event_type": "STATUS",
  "status": "queued",
  "progress": {
    "stage": "QUEUED",
    "percent": 0,
    "message": "표정 분석 대기열에 등록되었습니다."
  }
}"""
PROGRESS = """{
  "event_type": "PROGRESS",
  "status": "processing",
  "progress": {
    "stage": "FACE_DETECTION",
    "percent": 40,
    "message": "반려견 얼굴을 탐지하고 있습니다."
  }
}"""
COMPLETE = """{
  "event_type": "COMPLETE",
  "status": "succeeded",
  "result": {
    "emotion": {
      "predicted_emotion": "happy",
      "confidence": 0.82,
      "summary": "반려견이 편안하고 즐거운 상태로 보입니다."
    }
  }
}"""
FAILED_EVENT = """{
  "event_type": "FAILED",
  "status": "failed",
  "error": {
    "code": "FACE_NOT_DETECTED",
    "message": "분석 가능한 얼굴을 찾지 못했습니다."
  }
}"""
# 4-3.
PROGRESS_72 = """{
  "event_type": "PROGRESS",
  "status": "processing",
  "progress": {
    "stage": "EMOTION_INFERENCE",
    "percent": 72,
    "message": "반려견의 감정을 분석하고 있습니다."
  }
}"""


def body(kind: str, **more: Any) -> dict[str, Any]:
    """The request of 1-3."""
    if kind == "emotion-inference":
        return {"analysis_id": "analysis_001", "frame_id": "frame_003", "frame_url": FRAME} | more
    return {"analysis_id": "analysis_001", "video_url": VIDEO} | more


def example(kind: str) -> dict[str, Any]:
    return DETECTED if kind == "detect" else EMOTION


def found(request: JobRequest) -> list[Event]:
    """What an AI role finds: the example's own result."""
    kind = "detect" if request.job_type == "FACE_DETECTION" else "emotion-inference"
    result = {name: example(kind)[name] for name in ("processing", "result")}
    return [
        progress("VALIDATING", 5, seq=1),
        complete({**result, "analyze_at": "2026-01-09T13:00:00+09:00",
                  "model_version": "face_pipeline_v1:test"}, seq=2),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_the_synchronous_path_answers_at_once(ai: Backend, kind: str) -> None:
    ai.role.script = found
    answer = await ai.post(f"/api/face/{kind}", body(kind))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    has_shape(said, example(kind), ADDED)
    assert said["analysis_id"] == "analysis_001"
    assert said["analyze_at"] == "2026-01-09T13:00:00+09:00"
    assert {name: said[name] for name in ("processing", "result")} == {
        name: example(kind)[name] for name in ("processing", "result")
    }
    assert said["model_version"] == "face_pipeline_v1:test"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_job_is_taken_with_202_and_followed_to_its_result(ai: Backend, kind: str) -> None:
    answer = await ai.post(f"/api/face/{kind}/jobs", body(kind))
    assert answer.status_code == 202, answer.text
    has_shape(answer.json(), ANSWER_JOB)
    assert answer.json()["status"] == "queued"
    job_id = answer.json()["job_id"]
    base = f"/api/face/{kind}/jobs"
    for event, status, percent in (
        (QUEUED, "queued", 0), (PROGRESS, "processing", 40), (PROGRESS_72, "processing", 72),
        (PROGRESS, "processing", 72), (QUEUED, "processing", 72),
    ):  # fmt: skip
        await ai.role.say(job_id, event.encode())
        for form in FORMS_OF_STATUS:
            said = (await ai.get((base + form).format(job_id))).json()
            has_shape(said, ANSWER_STATUS)
            assert (said["status"], said["progress"]) == (status, percent)
    for form in FORMS_OF_RESULT:
        early = await ai.get((base + form).format(job_id))
        assert early.status_code == 409
        assert early.json()["error"]["code"] == "JOB_NOT_FINISHED"
        assert early.json()["message"] == "Analysis is not finished yet."
    (end,) = found(ai.role.requests[job_id])[1:]
    await ai.role.say(job_id, end)
    for form in FORMS_OF_RESULT:
        done = await ai.get((base + form).format(job_id))
        assert done.status_code == 200, done.text
        has_shape(done.json(), example(kind), ADDED)
        assert done.json()["job_id"] == job_id
    status = (await ai.get(f"{base}/{job_id}")).json()
    assert (status["status"], status["progress"]) == ("finished", 100)


async def test_the_complete_event_of_the_specification_is_a_result(ai: Backend) -> None:
    job_id = await ai.job("/api/face/analyze/jobs", body("analyze"))
    await ai.role.say(job_id, COMPLETE.encode())
    said = (await ai.get(f"/api/face/analyze/jobs/{job_id}/result")).json()
    emotion = said["result"]["emotion"]
    assert {**emotion, **json.loads(COMPLETE)["result"]["emotion"]} == emotion
    assert said["processing"]["face_detected"] is True
    assert said["analyze_at"]


@pytest.mark.parametrize(
    ("kind", "error"), [("detect", DETECT_FAILED), ("emotion-inference", EMOTION_FAILED)]
)
async def test_a_failed_job_says_what_it_failed_of(
    ai: Backend, kind: str, error: dict[str, str]
) -> None:
    job_id = await ai.job(f"/api/face/{kind}/jobs", body(kind))
    await ai.role.say(job_id, failed(error["code"]))
    for form in FORMS_OF_RESULT:
        answer = await ai.get(f"/api/face/{kind}/jobs{form}".format(job_id))
        assert answer.json() == {
            "analysis_id": "analysis_001", "job_id": job_id, "status": "failed", "error": error,
        }  # fmt: skip
        assert answer.status_code == (422 if kind == "detect" else 502)
    status = (await ai.get(f"/api/face/{kind}/jobs/{job_id}")).json()
    assert (status["status"], status["error"]) == ("failed", error)


async def test_the_failed_event_of_the_specification_keeps_its_words(ai: Backend) -> None:
    job_id = await ai.job("/api/face/detect/jobs", body("detect"))
    await ai.role.say(job_id, FAILED_EVENT.encode())
    answer = await ai.get(f"/api/face/detect/jobs/{job_id}/result")
    assert answer.json()["error"] == json.loads(FAILED_EVENT)["error"]
    english = await ai.get(f"/api/face/detect/jobs/{job_id}/result", headers=ENGLISH)
    assert english.json()["error"]["message"] == "No dog's face was found in the video."


@pytest.mark.parametrize("kind", KINDS)
async def test_a_synchronous_request_tells_why_its_job_failed(ai: Backend, kind: str) -> None:
    ai.role.script = lambda request: [
        failed("LOW_QUALITY_FACE", "대표 프레임을 선택할 수 없습니다.")
    ]
    answer = await ai.post(f"/api/face/{kind}", body(kind))
    assert answer.status_code == 422
    has_shape(answer.json(), {**COMMON_ERROR, "job_id": "string"})
    assert answer.json()["error"]["code"] == "LOW_QUALITY_FACE"


@pytest.mark.parametrize("kind", KINDS)
async def test_unknown_jobs(ai: Backend, kind: str) -> None:
    other = "detect" if kind != "detect" else "emotion-inference"
    job_id = await ai.job(f"/api/face/{other}/jobs", body(other))
    for unknown in ("job_unknown", job_id):
        for form in (*FORMS_OF_STATUS, *FORMS_OF_RESULT):
            answer = await ai.get(f"/api/face/{kind}/jobs{form}".format(unknown))
            said = answer.json()
            assert answer.status_code == 404
            assert said["error"] == {"code": "JOB_NOT_FOUND",
                                     "message": "존재하지 않는 Job ID입니다."}  # fmt: skip
            assert said["status"] == "failed"
            assert ("analysis_id" in said) == (form in FORMS_OF_RESULT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["", "/jobs"])
async def test_wrong_requests_get_the_products_error_body(
    ai: Backend, kind: str, form: str
) -> None:
    url = "frame_url" if kind == "emotion-inference" else "video_url"
    wrong = [
        ({url: None}, 400, "INVALID_REQUEST"),
        ({"extra": 1}, 400, "INVALID_REQUEST"),
        ({"dog_id": "d_456"}, 400, "INVALID_REQUEST"),
        ({url: "file:///etc/passwd"}, 400, "INVALID_MEDIA_URL"),
        ({url: "http://cdn.service.com/a.mp4"}, 400, "INVALID_MEDIA_URL"),
        ({url: "https://user@cdn.service.com/a.mp4"}, 400, "INVALID_MEDIA_URL"),
        ({url: "/api/artifacts/job_other/frame.jpg"}, 400, "INVALID_MEDIA_URL"),
    ]
    for change, status, code in wrong:
        answer = await ai.post(f"/api/face/{kind}{form}", body(kind) | change)
        assert answer.status_code == status, answer.text
        has_shape(answer.json(), COMMON_ERROR)
        assert answer.json()["analysis_id"] == "analysis_001"
        assert answer.json()["error"]["code"] == code
    assert ai.role.requests == {}
    stranger = await ai.server.client.post(f"/api/face/{kind}{form}", json=body(kind))
    assert stranger.status_code == 401
    has_shape(stranger.json(), COMMON_ERROR)


async def test_the_ai_role_gets_the_internal_request(ai: Backend) -> None:
    # 3-3: job_type, video_url, meta.
    job_id = await ai.job("/api/face/analyze/jobs", body("analyze"))
    request = ai.role.requests[job_id]
    assert (request.job_type, request.video_url) == ("FACE_ANALYSIS", VIDEO)
    assert request.meta.analysis_id == "analysis_001"
    job_id = await ai.job("/api/face/emotion-inference/jobs", body("emotion-inference"))
    request = ai.role.requests[job_id]
    assert (request.job_type, request.frame_id, request.frame_url) == (
        "EMOTION_INFERENCE", "frame_003", FRAME,
    )  # fmt: skip


async def test_a_detected_frame_goes_on_to_its_emotion(ai: Backend) -> None:
    def script(request: JobRequest) -> list[Event]:
        face = {"frame_id": "frame_003", "frame_score": 0.91,
                "frame_url": f"https://any.host/api/artifacts/{request.job_id}/frame.jpg",
                "face_crop_url": f"/api/artifacts/{request.job_id}/crop.jpg"}  # fmt: skip
        return [complete({"result": {"face": face}})]

    ai.role.script = script
    face = (await ai.post("/api/face/detect", body("detect"))).json()["result"]["face"]
    assert face["frame_url"].startswith("http://127.0.0.1:8000/api/artifacts/job_")
    assert "signature=" in face["frame_url"] and "signature=" in face["face_crop_url"]
    asked = body("emotion-inference", frame_url=face["frame_url"])
    ai.role.script = None
    job_id = await ai.job("/api/face/emotion-inference/jobs", asked)
    handed = ai.role.requests[job_id].frame_url
    assert handed is not None and handed.partition("?")[0] == face["frame_url"].partition("?")[0]
