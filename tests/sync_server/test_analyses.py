"""What analyses leave: the emotion on walk, diary and calendar; a dog's gait history and trend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_sdk.gait.measures import Measure
from edge_sdk.gait.trend import FOLLOWED
from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import AnalysisAdd, DiarySet
from tests.contract.ai_paths import ENGLISH, Backend, backend
from tests.support.ai_role import complete

pytestmark = pytest.mark.anyio
EMOTION = {
    "predicted_emotion": "happy",
    "confidence": 0.82,
    "summary": "편안해 보입니다.",
    "emotion_probabilities": {"happy": 0.82, "relaxed": 0.18, "sad": 0, "angry": 0},
}


@pytest.fixture
async def ai(database_url: str, tmp_path: Path) -> AsyncIterator[Backend]:
    async with backend(database_url, tmp_path, apart=False) as made:
        yield made


# Emotion ----------------------------------------------------------------------------------------


async def analyse_face(ai: Backend, name: str = "a1", emotion: dict[str, Any] = EMOTION) -> str:
    body = {"analysis_id": name, "video_url": "https://h/f.mp4", "dog_id": ai.own.dog_id,
            "walk_id": ai.own.walk_id}  # fmt: skip
    job_id = await ai.job("/api/face/analyze/jobs", body)
    await ai.role.say(job_id, complete({"emotion": emotion}, "succeeded", seq=3))
    return job_id


async def entry(ai: Backend, entry_id: str) -> dict[str, Any]:
    said: dict[str, Any] = (await ai.get(f"/api/diary/{entry_id}")).json()
    return said


async def test_an_emotion_is_shown_with_its_walk_and_in_the_diary_of_the_walk(ai: Backend) -> None:
    empty, written = uuid7(), uuid7()
    own = {"mood": "mine"}
    for entry_id, emotion in ((empty, None), (written, own)):
        body = {"date": "2026-11-18", "walk_id": ai.own.walk_id, "text": "산책", "emotion": emotion}
        answer = await ai.send("PUT", f"/api/diary/{entry_id}", json=body)
        assert answer.status_code == 200, answer.text
    job_id = await analyse_face(ai)
    assert (await ai.own.log.walk_doc(ai.own.walk_id))["emotion"] == "happy"
    assert (await entry(ai, empty))["emotion"] == EMOTION
    # What a user wrote stays.
    assert (await entry(ai, written))["emotion"] == own
    changes = (await ai.own.log.pull())["changes"]
    (analysis,) = [msgspec.json.decode(change["doc"]) for change in changes["analyses"]]
    assert (analysis["kind"], analysis["dog_id"], analysis["walk_id"], analysis["job_id"]) == (
        "face", ai.own.dog_id, ai.own.walk_id, job_id,
    )  # fmt: skip
    assert analysis["result"]["emotion"] == EMOTION
    month = (await ai.get("/api/footprints", params={"month": "2026-11"})).json()
    assert "face" in month["days"][0]["stickers"]


async def test_a_phone_may_still_change_what_the_server_put_into_the_diary(ai: Backend) -> None:
    entry_id = uuid7()
    body = {"date": "2026-11-18", "walk_id": ai.own.walk_id, "text": "산책"}
    await ai.send("PUT", f"/api/diary/{entry_id}", json=body)
    await analyse_face(ai)
    stamp = f"{ai.server.clock.now_ms + 1_000:015d}-0000-{ai.own.phone.client_id}"
    ai.own.log.add(
        DiarySet(entry_id, ai.own.walk_id, "2026-11-18", "emotion", {"mood": "own"}, stamp)
    )
    await ai.own.log.push()
    assert (await entry(ai, entry_id))["emotion"] == {"mood": "own"}
    await analyse_face(ai, "a2")
    assert (await entry(ai, entry_id))["emotion"] == {"mood": "own"}


async def test_a_result_that_comes_twice_is_one_analysis(ai: Backend) -> None:
    job_id = await analyse_face(ai)
    await ai.role.say(job_id, complete({"emotion": EMOTION}, "succeeded", seq=3))
    await ai.role.say(
        job_id, complete({"emotion": {**EMOTION, "confidence": 0.9}}, "succeeded", seq=4)
    )
    changes = (await ai.own.log.pull())["changes"]
    (analysis,) = [msgspec.json.decode(change["doc"]) for change in changes["analyses"]]
    assert analysis["result"]["emotion"]["confidence"] == 0.9


async def test_an_analysis_of_no_dog_in_particular_is_kept_too(ai: Backend) -> None:
    job_id = await ai.job(
        "/api/face/analyze/jobs", {"analysis_id": "a", "video_url": "https://h/f.mp4"}
    )
    await ai.role.say(job_id, complete({"emotion": EMOTION}, "succeeded"))
    (analysis,) = (await ai.own.log.pull())["changes"]["analyses"]
    assert msgspec.json.decode(analysis["doc"])["dog_id"] is None


# Gait -------------------------------------------------------------------------------------------


def measures(stance: float) -> dict[str, Any]:
    """The measures of a clip in which only the hind stance differs between clips."""
    return {
        name: msgspec.to_builtins(
            Measure(
                name=name,
                unit="%",
                value=stance if name == "hind_stance_si" else 10.0,
                ci95=(0.0, 20.0),
                mdc95=5.0,
                strides=8,
                quality="good",
            )
        )
        for name in FOLLOWED
    }


def gait(stance: float) -> dict[str, Any]:
    return {
        "analyze_at": "2026-11-18T10:00:00+00:00",
        "result": {"overall_risk_level": "low", "summary": "고른 걸음입니다."},
        "metrics": {"gait_balance": {"score": 90, "description": "고릅니다."}},
        "artifacts": {"status": "pending"},
        "model_version": "gait_v1:test",
        "details": {"measures": measures(stance), "summary_en": "An even walk."},
    }


async def analyse_gait(ai: Backend, day: int, stance: float) -> str:
    captured_at = f"2026-11-{day:02d}T09:00:00+09:00"
    body = {"video_url": "https://h/g.mp4", "dog_id": ai.own.dog_id, "captured_at": captured_at}
    job_id = await ai.job("/api/healthcare/jobs", body)
    await ai.role.say(job_id, complete(gait(stance), "succeeded", seq=5))
    return job_id


async def history(ai: Backend, **more: Any) -> dict[str, Any]:
    answer = await ai.get(
        "/api/healthcare/history",
        params={"dog_id": ai.own.dog_id, **more.pop("params", {})},
        **more,
    )
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def test_the_history_of_a_dog_has_sessions_of_server_and_phone(ai: Backend) -> None:
    job_id = await analyse_gait(ai, 2, 1.0)
    at_ms = ai.server.clock.now_ms
    report = {"measures": measures(1.0), "model_version": "phone", "overall_risk_level": "high"}
    ai.own.log.add(AnalysisAdd(uuid7(), "gait", ai.own.dog_id, None, at_ms, report))
    await ai.own.log.push()
    said = await history(ai)
    phone, server = said["sessions"]
    assert (phone["source"], phone["job_id"], phone["overall_risk_level"]) == (
        "device",
        None,
        "high",
    )
    assert (server["source"], server["job_id"], server["scores"]) == (
        "server", job_id, {"gait_balance": 90},
    )  # fmt: skip
    assert server["summary"] == "고른 걸음입니다."
    assert (await history(ai, headers=ENGLISH))["sessions"][1]["summary"] == "An even walk."
    page = await history(ai, params={"limit": 1})
    assert page["sessions"] == [phone] and page["next_before_ms"] == at_ms
    older = await history(ai, params={"before_ms": at_ms})
    assert older["sessions"] == [server]


async def test_one_session_beyond_error_is_no_alert_and_two_are(ai: Backend) -> None:
    # The bound is MDC95 x sqrt 2 = 7.1 from a baseline of 1.
    for day, stance in ((1, 1.0), (2, 1.0), (3, 1.0), (4, 9.0)):
        await analyse_gait(ai, day, stance)
    trend = (await history(ai))["trend"]
    assert (trend["sessions"], trend["alerts"]) == (4, [])
    await analyse_gait(ai, 5, 9.5)
    trend = (await history(ai))["trend"]
    assert trend["alerts"] == ["hind_stance_si"]
    (measure,) = [each for each in trend["measures"] if each["alert"]]
    assert (measure["direction"], measure["bound"]) == ("worse", 7.0711)
    assert "두 번" in trend["summary"]
    assert (await history(ai, headers=ENGLISH))["trend"]["summary"].isascii()


async def test_two_sessions_within_error_are_no_alert(ai: Backend) -> None:
    for day, stance in ((1, 1.0), (2, 1.0), (3, 1.0), (4, 8.0), (5, 8.0)):
        await analyse_gait(ai, day, stance)
    assert (await history(ai))["trend"]["alerts"] == []


async def test_the_pictures_that_come_later_change_the_kept_analysis(ai: Backend) -> None:
    job_id = await analyse_gait(ai, 2, 1.0)
    url = f"http://127.0.0.1:8000/api/artifacts/{job_id}/report.png?expires=1&signature=x"
    later = gait(1.0) | {"artifacts": {"status": "ready", "report_image_url": url}}
    await ai.role.say(job_id, complete(later, "succeeded", seq=6))
    (analysis,) = (await ai.own.log.pull())["changes"]["analyses"]
    doc = msgspec.json.decode(analysis["doc"])
    # Without a signature that would have expired: its owner can read it.
    assert doc["result"]["artifacts"]["report_image_url"] == f"/api/artifacts/{job_id}/report.png"
    assert len((await history(ai))["sessions"]) == 1
