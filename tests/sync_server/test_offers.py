"""Missions on a walk: offered when their moment has come, taken once, judged once, paid once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import MissionSubmit, WalkStart
from game_engine.rules import CURRENT_RULES
from sync_server.ai.contract import Event, JobRequest
from sync_server.missions import service as missions
from sync_server.missions.settling import WAIT_FOR_VIDEOS_MS
from tests.contract.ai_paths import Backend, Owner, backend
from tests.support.accounts import renew
from tests.support.ai_role import complete, failed
from tests.support.walks import straight, walk_bodies

pytestmark = pytest.mark.anyio
MINUTE_MS = 60_000
Judge = Callable[[str], dict[str, Any]]


@pytest.fixture
async def ai(database_url: str, tmp_path: Path) -> AsyncIterator[Backend]:
    async with backend(database_url, tmp_path, apart=False) as made:
        yield made


async def upload(
    ai: Backend, owner: Owner | None = None, state: str = "ready", kind: str = "mission_clip"
) -> str:
    """A mission video of the owner, as the media domain keeps it; or another kind of media."""
    key = uuid7().replace("-", "")
    async with ai.server.platform.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO media_object (media_key, user_no, kind, state, declared_type,
                 declared_bytes, created_ms, object_key, check_ms)
               SELECT ?, user_no, ?, ?, 'video/mp4', 9, 0, ?, ?
               FROM app_user WHERE user_id = ?""",
            key, kind, state, f"media/{key}", 2**53, (owner or ai.own).phone.user_id,
        )  # fmt: skip
    return key


async def set_state(ai: Backend, key: str, state: str) -> None:
    async with ai.server.platform.database.transaction() as tx:
        await tx.execute("UPDATE media_object SET state = ? WHERE media_key = ?", state, key)


@dataclass
class Walk:
    """A walk that goes on, with what the server offers on it."""

    ai: Backend
    walk_id: str
    started_ms: int

    @classmethod
    async def of(cls, ai: Backend) -> Walk:
        walk_id, now_ms = uuid7(), ai.server.clock.now_ms
        ai.own.log.add(WalkStart(walk_id, [ai.own.dog_id], now_ms, CURRENT_RULES, "live"))
        await ai.own.log.push()
        return cls(ai, walk_id, now_ms)

    async def ask(self) -> dict[str, Any]:
        await renew(self.ai.server, self.ai.own.phone)
        answer = await self.ai.post("/api/missions/offers", {"walk_id": self.walk_id})
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    async def listed(self) -> dict[str, Any]:
        await renew(self.ai.server, self.ai.own.phone)
        answer = await self.ai.get("/api/missions/offers", params={"walk_id": self.walk_id})
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    async def offers(self) -> list[dict[str, Any]]:
        """Go through the whole walk and take each mission when it comes."""
        said = await self.ask()
        while said["next_at_ms"] is not None:
            self.ai.server.clock.now_ms = said["next_at_ms"]
            said = await self.ask()
        found: list[dict[str, Any]] = said["offers"]
        return found

    async def submit(self, offer: dict[str, Any], key: str, **more: Any) -> dict[str, Any]:
        """Push the fact of a submission; return its result."""
        values = {
            "mission_id": offer["mission_id"], "walk_id": self.walk_id,
            "mission_type": offer["mission_type"], "media_key": key, "nonce": offer["nonce"],
            "at_ms": offer["offered_at_ms"] + 60_000,
        }  # fmt: skip
        log = self.ai.own.log
        answer = await log.send(log.add(MissionSubmit(**(values | more))))
        log.pushed = answer["last"]
        result: dict[str, Any] = answer["results"][0]
        return result

    async def finish(self) -> None:
        """End the walk; its missions are judged at once."""
        log = self.ai.own.log
        log.add(*walk_bodies(straight(self.started_ms, seed=3), self.walk_id)[1:])
        await log.push()
        await self.ai.server.platform.tasks.settle()

    async def document(self) -> dict[str, Any]:
        await renew(self.ai.server, self.ai.own.phone)
        return await self.ai.own.log.walk_doc(self.walk_id)

    async def points(self) -> int:
        async with self.ai.server.platform.database.read() as tx:
            user_no = await tx.fetch_value(
                "SELECT user_no FROM app_user WHERE user_id = ?", self.ai.own.phone.user_id
            )
            return await missions.points(tx, int(user_no))


def says(**verdicts: dict[str, Any]) -> Callable[[JobRequest], list[Event]]:
    """A script that judges by type of mission; what is not named succeeds."""

    def script(request: JobRequest) -> list[Event]:
        found = []
        for each in request.missions:
            found.append({
                "mission_id": each.mission_id, "mission_type": each.mission_type, "success": True,
                "confidence": 0.9, "summary": "잘했어요",
                **verdicts.get(each.mission_type, {}),
            })  # fmt: skip
        return [complete({"result": {"missions": found}, "model_version": "v1:test"}, seq=3)]

    return script


FAIL = {"success": False, "verdict": "FAIL", "summary": "앉지 않았어요"}
UNCERTAIN = {"success": False, "verdict": "UNCERTAIN", "summary": "잘 보이지 않아요"}
BROKEN = {"success": False, "failure_type": "SYSTEM_ERROR", "summary": "",
          "error": {"code": "MULTIMODAL_API_TIMEOUT", "message": "시간 초과"}}  # fmt: skip


async def test_three_missions_come_in_their_windows_and_never_before(ai: Backend) -> None:
    walk = await Walk.of(ai)
    first = await walk.ask()
    assert first["offers"] == []
    assert 3 * MINUTE_MS <= first["next_at_ms"] - walk.started_ms < 7 * MINUTE_MS
    offers = await walk.offers()
    after = [offer["offered_at_ms"] - walk.started_ms for offer in offers]
    for moment, (low, high) in zip(after, ((3, 7), (10, 20), (25, 40)), strict=True):
        assert low * MINUTE_MS <= moment < high * MINUTE_MS
    assert len({offer["nonce"] for offer in offers}) == 3
    assert len({offer["mission_type"] for offer in offers}) == 3
    for offer in offers:
        assert offer["deadline_ms"] == offer["offered_at_ms"] + 3 * MINUTE_MS
        assert offer["mission_name"] in offer["instruction"]
        assert any("가" <= letter <= "힣" for letter in offer["instruction"])
    assert (await walk.ask())["offers"] == offers
    english = await ai.get("/api/missions/offers", params={"walk_id": walk.walk_id},
                           headers={"Accept-Language": "en"})  # fmt: skip
    assert all(offer["instruction"].isascii() for offer in english.json()["offers"])


async def test_a_phone_that_asks_too_late_has_missed_the_mission(ai: Backend) -> None:
    walk = await Walk.of(ai)
    await walk.ask()
    ai.server.clock.advance(s=60 * 60)
    assert (await walk.ask())["offers"] == []


async def test_offers_reach_the_phones_by_pull(ai: Backend) -> None:
    walk = await Walk.of(ai)
    offers = await walk.offers()
    changes = (await ai.own.log.pull())["changes"]["missions"]
    assert {change["id"] for change in changes} == {offer["mission_id"] for offer in offers}


async def test_a_submission_is_checked_and_a_refusal_is_a_result(ai: Backend) -> None:
    walk = await Walk.of(ai)
    offer, second, _ = await walk.offers()
    key, stranger = await upload(ai), await Owner.of(ai.server)
    foreign = await upload(ai, stranger)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"nonce": "other"}, "wrong_nonce"),
        ({"nonce": second["nonce"]}, "wrong_nonce"),
        ({"mission_type": second["mission_type"]}, "wrong_mission_type"),
        ({"walk_id": ai.own.walk_id}, "unknown_mission"),
        ({"mission_id": uuid7()}, "unknown_mission"),
        ({"media_key": foreign}, "unknown_media"),
        ({"media_key": await upload(ai, kind="gait_clip")}, "unknown_media"),
        ({"media_key": await upload(ai, kind="face_photo")}, "unknown_media"),
        ({"media_key": "u" * 32}, "unknown_media"),
        ({"at_ms": offer["offered_at_ms"] - 31_000}, "too_early"),
        ({"at_ms": offer["deadline_ms"] + 31_000}, "too_late"),
    ]
    for change, code in wrong:
        result = await walk.submit(offer, key, **change)
        assert (result["status"], result["code"]) == ("refused", code), change
    right = await walk.submit(offer, key)
    assert (right["status"], right["data"]["state"]) == ("applied", "submitted")
    assert (await walk.submit(offer, key))["data"] == right["data"]
    other = await walk.submit(offer, await upload(ai))
    assert (other["status"], other["code"]) == ("refused", "already_submitted")
    assert [each["state"] for each in (await walk.listed())["offers"]] == [
        "submitted", "offered", "offered",
    ]  # fmt: skip


async def test_a_submission_days_late_is_too_late(ai: Backend) -> None:
    walk = await Walk.of(ai)
    offer = (await walk.offers())[0]
    ai.server.clock.advance(days=2)
    await renew(ai.server, ai.own.phone)
    assert (await walk.submit(offer, await upload(ai)))["code"] == "too_late"


async def test_at_the_end_the_missions_are_judged_as_one_job_and_paid_once(ai: Backend) -> None:
    walk = await Walk.of(ai)
    offers = await walk.offers()
    keys = [await upload(ai) for _ in offers]
    for offer, key in zip(offers, keys, strict=True):
        await walk.submit(offer, key)
    fail, broken = offers[1]["mission_type"], offers[2]["mission_type"]
    ai.role.script = says(**{fail: FAIL, broken: BROKEN})
    await walk.finish()
    (request,) = [r for r in ai.role.requests.values() if r.job_type == "MISSION_JUDGE"]
    assert [each.mission_id for each in request.missions] == [o["mission_id"] for o in offers]
    for each, key in zip(request.missions, keys, strict=True):
        assert each.video_url.startswith(f"http://127.0.0.1:8000/api/media/{key}?expires=")
    said = await walk.listed()
    assert [(o["state"], o["points"], o["reason"]) for o in said["offers"]] == [
        ("succeeded", 100, "잘했어요"), ("failed", 0, "앉지 않았어요"),
        ("system_error", 0, "이번 미션은 분석에 실패했습니다."),
    ]  # fmt: skip
    assert (said["points"], await walk.points()) == (100, 100)
    document = await walk.document()
    assert document["points"] == 100
    assert [each["state"] for each in document["missions"]] == [
        "succeeded", "failed", "system_error",
    ]  # fmt: skip
    # Whatever comes again: the same event, a newer result, the sweeper, the walk's own facts.
    job_id = request.job_id
    await ai.role.say(job_id, says()(request)[0])
    await ai.role.say(job_id, complete({"result": {"missions": []}}, seq=9))
    await missions.sweep(ai.server.platform, ai.server.clock.now_ms)
    await walk.finish()
    assert (await walk.listed())["offers"] == said["offers"]
    assert await walk.points() == 100
    assert len([r for r in ai.role.requests.values() if r.job_type == "MISSION_JUDGE"]) == 1
    result = await ai.get(f"/api/missions/judge/jobs/{job_id}/result")
    assert result.status_code == 200


async def test_what_is_uncertain_or_broken_pays_nothing_and_may_be_judged_again(
    ai: Backend,
) -> None:
    walk = await Walk.of(ai)
    offers = await walk.offers()
    for offer in offers[:2]:
        await walk.submit(offer, await upload(ai))
    first, second = offers[0]["mission_type"], offers[1]["mission_type"]
    ai.role.script = says(**{first: UNCERTAIN, second: FAIL})
    await walk.finish()
    uncertain, fails, never = (await walk.listed())["offers"]
    assert (uncertain["state"], uncertain["points"]) == ("uncertain", 0)
    assert "다시" in uncertain["reason"]
    for offer in (fails, never):
        answer = await ai.send("POST", f"/api/missions/offers/{offer['mission_id']}/judge")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    ai.role.script = lambda request: [failed("MULTIMODAL_API_TIMEOUT")]
    path = f"/api/missions/offers/{uncertain['mission_id']}/judge"
    assert (await ai.send("POST", path)).status_code == 202
    await ai.server.platform.tasks.settle()
    assert (await walk.listed())["offers"][0]["state"] == "system_error"
    ai.role.script = says()
    assert (await ai.send("POST", path)).json()["state"] == "judging"
    await ai.server.platform.tasks.settle()
    again = (await walk.listed())["offers"][0]
    assert (again["state"], again["points"]) == ("succeeded", 100)
    assert all(r.again for r in list(ai.role.requests.values())[1:])
    assert (await ai.send("POST", path)).status_code == 409
    assert await walk.points() == 100


async def test_a_video_that_is_not_to_be_judged_fails_for_good(ai: Backend) -> None:
    walk = await Walk.of(ai)
    offer = (await walk.offers())[0]
    await walk.submit(offer, await upload(ai))
    words = "돌발미션 영상 길이가 정책을 초과했습니다."
    refused = {"success": False, "failure_type": "USER_ERROR", "summary": words,
               "error": {"code": "VIDEO_TOO_LONG", "message": words}}  # fmt: skip
    ai.role.script = says(**{offer["mission_type"]: refused})
    await walk.finish()
    said = (await walk.listed())["offers"][0]
    assert (said["state"], said["points"], said["reason"]) == ("failed", 0, words)
    answer = await ai.send("POST", f"/api/missions/offers/{offer['mission_id']}/judge")
    assert answer.status_code == 409


async def test_a_video_that_is_still_on_its_way_is_waited_for(ai: Backend) -> None:
    ai.role.script = says()
    walk = await Walk.of(ai)
    first, second, _ = await walk.offers()
    key, never = await upload(ai, state="pending"), await upload(ai, state="pending")
    await walk.submit(first, key)
    await walk.submit(second, never)
    await walk.finish()
    assert ai.role.requests == {}
    await set_state(ai, key, "ready")
    await missions.sweep(ai.server.platform, ai.server.clock.now_ms)
    assert ai.role.requests == {}
    ai.server.clock.advance(ms=WAIT_FOR_VIDEOS_MS + 1)
    await missions.sweep(ai.server.platform, ai.server.clock.now_ms)
    await ai.server.platform.tasks.settle()
    states = [(o["state"], o["reason"]) for o in (await walk.listed())["offers"][:2]]
    assert states == [("succeeded", "잘했어요"), ("lost", "영상이 도착하지 않았습니다.")]


async def test_a_submission_after_the_end_is_judged_too(ai: Backend) -> None:
    ai.role.script = says()
    walk = await Walk.of(ai)
    offer = (await walk.offers())[0]
    await walk.finish()
    assert ai.role.requests == {}
    await walk.submit(offer, await upload(ai))
    await ai.server.platform.tasks.settle()
    assert (await walk.listed())["offers"][0]["points"] == 100


async def test_the_apps_own_judge_request_judges_the_submitted_offer_and_pays_it(
    ai: Backend,
) -> None:
    ai.role.script = says()
    walk = await Walk.of(ai)
    first, second, third = await walk.offers()
    key = await upload(ai)
    await walk.submit(first, key)

    async def judge(offer: dict[str, Any], video: str, name: str) -> None:
        mission = {"mission_id": offer["mission_id"], "mission_type": offer["mission_type"],
                   "video_url": video}  # fmt: skip
        body = {"analysis_id": name, "walk_id": walk.walk_id, "missions": [mission]}
        answer = await ai.post("/api/missions/judge", body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["result"]["missions"][0]["success"]

    # Another video than the submitted one, and a mission that was not submitted: no reward.
    await judge(first, await upload(ai), "a1")
    await judge(second, await upload(ai), "a2")
    assert await walk.points() == 0
    await judge(first, key, "a3")
    assert await walk.points() == 100
    before = len(ai.role.requests)
    await walk.finish()
    assert (len(ai.role.requests), await walk.points()) == (before, 100)
    assert third["state"] == "offered"


async def test_a_cancelled_walk_has_no_missions_and_no_points(ai: Backend) -> None:
    ai.role.script = says()
    walk = await Walk.of(ai)
    offers = await walk.offers()
    await walk.submit(offers[0], await upload(ai))
    await walk.finish()
    assert await walk.points() == 100
    await ai.own.log.cancel(walk.walk_id, ai.server.clock.now_ms)
    assert await walk.points() == 0
    late = await walk.submit(offers[1], await upload(ai))
    assert (late["status"], late["code"]) == ("refused", "walk_cancelled")
    assert (await walk.document())["points"] == 0


async def test_another_users_offer_pays_nobody(ai: Backend) -> None:
    ai.role.script = says()
    walk = await Walk.of(ai)
    offer = (await walk.offers())[0]
    key = await upload(ai)
    await walk.submit(offer, key)
    stranger = await Owner.of(ai.server)
    mission = {"mission_id": offer["mission_id"], "mission_type": offer["mission_type"],
               "video_url": await upload(ai, stranger)}  # fmt: skip
    body = {"analysis_id": "a", "walk_id": stranger.walk_id, "missions": [mission]}
    answer = await ai.server.client.post(
        "/api/missions/judge", json=body, headers=stranger.phone.headers
    )
    assert answer.status_code == 200, answer.text
    async with ai.server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT COUNT(*) FROM point_entry") == 0
    assert (await walk.listed())["offers"][0]["state"] == "submitted"


async def test_an_erased_account_leaves_no_offer_and_no_point(ai: Backend) -> None:
    ai.role.script = says()
    walk = await Walk.of(ai)
    offers = await walk.offers()
    await walk.submit(offers[0], await upload(ai))
    await walk.finish()
    assert (await ai.send("DELETE", "/api/me")).status_code == 204
    async with ai.server.platform.database.read() as tx:
        for table in ("mission_offer", "mission_draw", "point_entry", "analysis_job"):
            assert await tx.fetch_value(f"SELECT COUNT(*) FROM {table}") == 0
