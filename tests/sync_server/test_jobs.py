"""Jobs: the AI role's events in any order, twice, late; handing over; waiting; what is kept."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sync_server.ai.contract import Event
from sync_server.jobs import service as jobs
from sync_server.jobs import store, waiting
from sync_server.jobs.catalogue import all_codes
from sync_server.jobs.sweeping import INPUT_KEPT_MS, JOBS_KEPT_MS, SILENT_MS
from tests.conftest import REPOSITORY
from tests.contract.ai_paths import Backend, Owner, backend
from tests.support.accounts import renew
from tests.support.ai_role import KEY, complete, failed, progress
from tests.support.app import running
from tests.support.postgres import Postgres

pytestmark = pytest.mark.anyio
CLIP = {"analysis_id": "a1", "video_url": "https://clips.example/face.mp4"}
FACE = {"result": {"face": {"frame_id": "f", "frame_score": 0.5, "frame_url": "https://h/f.jpg",
                            "face_crop_url": "https://h/c.jpg"}}}  # fmt: skip
MP4 = (REPOSITORY / "assets" / "clips" / "walk-sound.mp4").read_bytes()
OTHER = (REPOSITORY / "assets" / "clips" / "walk-lame.mp4").read_bytes()


@pytest.fixture
async def ai(database_url: str, tmp_path: Path) -> AsyncIterator[Backend]:
    async with backend(database_url, tmp_path, apart=False) as made:
        yield made


@pytest.fixture
async def lite(tmp_path: Path) -> AsyncIterator[Backend]:
    """On SQLite, where the engine makes no difference."""
    url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    async with backend(url, tmp_path, apart=False, rate_limits="on") as made:
        yield made


async def new_job(ai: Backend, **more: Any) -> str:
    return await ai.job("/api/face/detect/jobs", CLIP | more)


async def kept(ai: Backend, job_id: str) -> jobs.Job:
    async with ai.server.platform.database.read() as tx:
        job = await store.load(tx, job_id)
    assert job is not None
    return job


async def told(ai: Backend, job_id: str) -> tuple[str, int]:
    status = (await ai.get(f"/api/face/detect/jobs/{job_id}")).json()
    return status["status"], status["progress"]


# Events -----------------------------------------------------------------------------------------

LIFE = [
    Event("STATUS", "queued", event_seq=1),
    progress("VALIDATING", 5, seq=2),
    progress("FETCHING_VIDEO", 15, seq=3),
    progress("FACE_DETECTION", 40, seq=4),
    complete(FACE, seq=5),
]


async def test_in_every_order_and_twice_a_job_ends_the_same(lite: Backend) -> None:
    orders = list(itertools.permutations(LIFE))
    for order in random.Random(5).sample(orders, 24):
        job_id = await new_job(lite, analysis_id=str(orders.index(order)))
        percent = 0
        for event in (*order, *order):
            await lite.role.say(job_id, event)
            job = await kept(lite, job_id)
            assert job.percent >= percent, "a percent went back"
            assert (job.percent == 100) == (job.state == "done")
            percent = job.percent
        assert (job.state, job.percent, job.result_seq) == ("done", 100, 5)
        async with lite.server.platform.database.read() as tx:
            events = await store.events_after(tx, job_id, 0)
        percents = [snapshot.percent for _, _, snapshot in events]
        assert percents == sorted(percents)
        assert [number for number, _, _ in events] == list(range(1, len(events) + 1))


async def test_an_ended_job_stays_as_it_ended(ai: Backend) -> None:
    done, broken = await new_job(ai), await new_job(ai, analysis_id="a2")
    await ai.role.say(done, complete(FACE, seq=3))
    await ai.role.say(broken, failed("FACE_NOT_DETECTED", seq=3))
    for job_id, state in ((done, "done"), (broken, "failed")):
        before = await kept(ai, job_id)
        for event in (failed("INTERNAL_ERROR", seq=9), progress("FINALIZING", 99, seq=10),
                      Event("STATUS", "queued", event_seq=11)):  # fmt: skip
            await ai.role.say(job_id, event)
        if state == "failed":
            await ai.role.say(job_id, complete(FACE, seq=12))
        assert await kept(ai, job_id) == before
        assert before.state == state


async def test_a_second_complete_replaces_the_result_alone(ai: Backend) -> None:
    job_id = await new_job(ai)
    await ai.role.say(job_id, complete(FACE, seq=3))
    before = await kept(ai, job_id)
    newer = msgspec.json.decode(msgspec.json.encode(FACE).replace(b'"f"', b'"g"'))
    ai.server.clock.advance(s=5)
    for seq in (4, 3, 2):
        await ai.role.say(job_id, complete(newer if seq == 4 else FACE, seq=seq))
    after = await kept(ai, job_id)
    assert after.result is not None and after.result["result"] == newer["result"]
    assert after.finished_ms == before.finished_ms and after.percent == 100
    result = (await ai.get(f"/api/face/detect/jobs/{job_id}/result")).json()
    assert result["result"]["face"]["frame_id"] == "g"


async def test_events_without_numbers_are_known_by_their_content(ai: Backend) -> None:
    job_id = await new_job(ai)
    for event in (progress("FACE_DETECTION", 40), progress("FACE_DETECTION", 40),
                  progress("VALIDATING", 5), complete(FACE), complete(FACE)):  # fmt: skip
        await ai.role.say(job_id, event)
    job = await kept(ai, job_id)
    # Made, 40 %, done.
    assert (job.state, job.event_no) == ("done", 3)
    other = msgspec.json.decode(msgspec.json.encode(FACE).replace(b'"f"', b'"g"'))
    await ai.role.say(job_id, complete(other))
    assert (await kept(ai, job_id)).result == job.result


async def test_many_events_at_once_are_each_taken_once(ai: Backend) -> None:
    job_id = await new_job(ai)
    events = [progress("FACE_DETECTION", percent, seq=percent) for percent in range(1, 21)]
    await asyncio.gather(*(ai.role.say(job_id, each) for each in (*events, *events)))
    await asyncio.gather(*(ai.role.say(job_id, complete(FACE, seq=30)) for _ in range(5)))
    async with ai.server.platform.database.read() as tx:
        kinds = [kind for _, kind, _ in await store.events_after(tx, job_id, 0)]
    assert kinds.count("COMPLETE") == 1
    assert (await kept(ai, job_id)).state == "done"


async def test_events_of_unknown_jobs_and_of_another_area_are_taken_and_dropped(
    ai: Backend,
) -> None:
    job_id = await new_job(ai)
    for area, name in (("face", "job_nobody"), ("mission", job_id), ("healthcare", job_id)):
        answer = await ai.role.post(area, name, msgspec.json.encode(complete(FACE)))
        assert (answer.status_code, answer.json()) == (200, {"accepted": True, "job_id": name})
    assert (await kept(ai, job_id)).state == "queued"


async def test_an_event_without_a_right_signature_changes_nothing(lite: Backend) -> None:
    job_id = await new_job(lite)
    body = msgspec.json.encode(complete(FACE))
    wrong = [
        ({"webhook-signature": "v1," + "A" * 43 + "="}, "webhook_forged"),
        ({"webhook-signature": "v1,AAAA"}, "webhook_malformed"),
        ({"webhook-timestamp": "1"}, "webhook_expired"),
        ({"webhook-timestamp": "x"}, "webhook_malformed"),
        ({"webhook-id": "other"}, "webhook_forged"),
    ]
    for headers, code in wrong:
        answer = await lite.role.post("face", job_id, body, headers)
        assert (answer.status_code, answer.json()["code"]) == (401, code)
    bare = await lite.server.client.post(f"/internal/face/jobs/{job_id}/events", content=body)
    assert (bare.status_code, bare.json()["code"]) == (401, "webhook_unsigned")
    for wrong_body in (b"", b"{}", b"[]", b'{"event_type":"OTHER","status":"x"}', b"\xff"):
        answer = await lite.role.post("face", job_id, wrong_body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert (await kept(lite, job_id)).event_no == 1


async def test_without_keys_no_event_is_taken_from_outside(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    async with backend(url, tmp_path, apart=False, internal_secrets="") as ai:
        job_id = await new_job(ai)
        answer = await ai.role.post("face", job_id, msgspec.json.encode(complete(FACE)))
        assert (answer.status_code, answer.json()["code"]) == (401, "webhook_not_configured")


async def test_a_result_shows_no_file_of_another_job(lite: Backend) -> None:
    other, job_id = await new_job(lite), await new_job(lite, analysis_id="a2")
    text = msgspec.json.encode(FACE).replace(
        b"https://h/f.jpg", f"https://h/api/artifacts/{other}/f.jpg".encode()
    )
    await lite.role.say(job_id, complete(msgspec.json.decode(text)))
    face = (await lite.get(f"/api/face/detect/jobs/{job_id}/result")).json()["result"]["face"]
    assert "signature" not in face["frame_url"]


@pytest.mark.parametrize(("area", "code"), sorted(all_codes()))
def test_every_code_has_a_status_and_words_in_both_languages(area: str, code: str) -> None:
    known = all_codes()[(area, code)]  # type: ignore[index]
    assert 400 <= known.status < 600
    assert any("가" <= letter <= "힣" for letter in known.ko)
    assert known.en.isascii()


# Making and handing over ------------------------------------------------------------------------


async def test_the_same_analysis_again_is_the_same_job_until_it_fails(ai: Backend) -> None:
    first = await new_job(ai)
    assert await new_job(ai) == first
    assert await new_job(ai, video_url="https://clips.example/other.mp4") != first
    await ai.role.say(first, failed("FACE_NOT_DETECTED"))
    assert await new_job(ai) != first


async def test_an_idempotency_key_makes_one_job(ai: Backend) -> None:
    headers = {"Idempotency-Key": "once"}
    clip = {"video_url": CLIP["video_url"]}
    answers = [await ai.post("/api/healthcare/jobs", clip, headers=headers) for _ in range(3)]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0].status_code == 202
    other = await ai.post("/api/healthcare/jobs", {"video_url": "https://h/x.mp4"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_MISMATCH")
    assert len((await ai.get("/api/jobs")).json()["jobs"]) == 1


async def test_an_upload_sent_twice_under_one_key_is_one_job_with_one_file(ai: Backend) -> None:
    async def send(data: bytes) -> Any:
        return await ai.send("POST", "/api/healthcare/jobs", headers={"Idempotency-Key": "up"},
                             files={"file": ("a.mp4", data, "video/mp4")})  # fmt: skip

    first, second = await send(MP4), await send(MP4)
    assert first.status_code == 202 and first.content == second.content
    assert (await send(OTHER)).status_code == 409
    keys = [key async for key in ai.server.platform.objects.keys("artifacts/")]
    assert keys == [("artifacts/" + first.json()["job_id"] + "/input.mp4", keys[0][1])]


async def test_a_full_queue_is_429_and_leaves_nothing_behind(ai: Backend) -> None:
    ai.role.busy_s = 7.4
    headers = {"Idempotency-Key": "busy"}
    for path, body in (("/api/face/detect", CLIP), ("/api/face/detect/jobs", CLIP),
                       ("/api/healthcare/jobs", {"video_url": CLIP["video_url"]})):  # fmt: skip
        answer = await ai.post(path, body, headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert answer.json()["error"]["code"] == "TOO_BUSY"
    upload = await ai.send(
        "POST", "/api/healthcare/jobs", files={"file": ("a.mp4", MP4, "video/mp4")}
    )
    assert upload.status_code == 429
    assert (await ai.get("/api/jobs")).json()["jobs"] == []
    assert [key async for key in ai.server.platform.objects.keys("artifacts/")] == []
    ai.role.busy_s = None
    assert (await ai.post("/api/face/detect/jobs", CLIP, headers=headers)).status_code == 202


async def test_an_ai_role_that_is_away_costs_a_delay_only(ai: Backend) -> None:
    ai.role.gone = True
    job_id = await new_job(ai)
    assert await told(ai, job_id) == ("queued", 0)
    ai.role.gone = False
    await jobs.sweep(ai.server.platform, ai.server.clock.now_ms)
    assert ai.role.requests[job_id].job_id == job_id
    assert (await kept(ai, job_id)).handed
    # Away for too long: the job has failed, for a reason of the system's own.
    ai.role.gone = True
    job_id = await new_job(ai, analysis_id="a2")
    ai.server.clock.advance(s=11 * 60)
    await jobs.sweep(ai.server.platform, ai.server.clock.now_ms)
    job = await kept(ai, job_id)
    assert job.error is not None and job.error.code == "MODEL_SERVICE_UNAVAILABLE"
    assert job.failure_type == "SYSTEM_ERROR"


async def test_a_job_that_is_never_heard_of_again_is_lost(ai: Backend) -> None:
    job_id = await new_job(ai)
    ai.server.clock.advance(ms=SILENT_MS + 1)
    await jobs.sweep(ai.server.platform, ai.server.clock.now_ms)
    assert (await kept(ai, job_id)).state == "failed"


async def test_a_user_has_so_many_analyses_at_a_time(lite: Backend) -> None:
    statuses = []
    for number in range(32):
        answer = await lite.post("/api/face/detect/jobs", CLIP | {"analysis_id": str(number)})
        statuses.append(answer.status_code)
    assert statuses[:30] == [202] * 30 and statuses[-1] == 429
    assert answer.json()["error"]["code"] == "RATE_LIMITED"
    assert int(answer.headers["retry-after"]) >= 1


async def test_priority_is_higher_for_those_who_wait(ai: Backend) -> None:
    ai.role.script = lambda request: [complete(FACE)]
    waited = (await ai.post("/api/face/detect", CLIP)).json()["job_id"]
    later = await new_job(ai, analysis_id="a2")
    assert ai.role.requests[waited].priority < ai.role.requests[later].priority


async def test_the_language_of_the_request_is_that_of_the_job(ai: Backend) -> None:
    answer = await ai.post("/api/face/detect/jobs", CLIP, headers={"Accept-Language": "en"})
    await ai.server.platform.tasks.settle()
    assert ai.role.requests[answer.json()["job_id"]].language == "en"


# Own uploads ------------------------------------------------------------------------------------


async def test_another_users_media_and_files_are_unknown_ones(ai: Backend) -> None:
    other = await Owner.of(ai.server)
    key = "k" * 32
    async with ai.server.platform.database.transaction() as tx:
        for name, phone in ((key, other.phone), ("m" * 32, ai.own.phone)):
            await tx.execute(
                """INSERT INTO media_object (media_key, user_no, kind, state, declared_type,
                     declared_bytes, created_ms, object_key, check_ms)
                   SELECT ?, user_no, 'mission_clip', 'ready', 'video/mp4', 9, 0, ?, ?
                   FROM app_user WHERE user_id = ?""",
                name, f"media/{name}", 2**53, phone.user_id,
            )  # fmt: skip
    foreign = await ai.post("/api/face/detect/jobs", CLIP | {"video_url": key})
    unknown = await ai.post("/api/face/detect/jobs", CLIP | {"video_url": "u" * 32})
    assert foreign.status_code == unknown.status_code == 400
    assert foreign.content == unknown.content
    for said in ("m" * 32, f"/api/media/{'m' * 32}",
                 f"http://127.0.0.1:8000/api/media/{'m' * 32}?expires=1&signature=x"):  # fmt: skip
        job_id = await new_job(ai, video_url=said, analysis_id=said[:40])
        handed = ai.role.requests[job_id].video_url
        assert handed is not None
        assert handed.startswith(f"http://127.0.0.1:8000/api/media/{'m' * 32}?expires=")
    theirs = await ai.server.client.post(
        "/api/face/detect/jobs", json=CLIP, headers=other.phone.headers
    )
    name = f"/api/artifacts/{theirs.json()['job_id']}/frame.jpg"
    for url in (name, f"http://127.0.0.1:8000{name}", "http://127.0.0.1:8000/api/me"):
        answer = await ai.post("/api/face/detect/jobs", CLIP | {"video_url": url})
        assert answer.json()["error"]["code"] == "INVALID_MEDIA_URL", url


async def test_files_are_the_owners_or_whose_link_is_signed(ai: Backend) -> None:
    job_id = await new_job(ai)
    stranger = await Owner.of(ai.server)
    objects = ai.server.platform.objects
    for name, kind in (("crop.jpg", "image/jpeg"), ("o.mp4", "video/mp4"), ("r.png", "image/png")):
        await objects.put(f"artifacts/{job_id}/{name}", name.encode())
        url = f"/api/artifacts/{job_id}/{name}"
        own = await ai.get(url)
        assert (own.status_code, own.content) == (200, name.encode())
        assert own.headers["content-type"] == kind
        assert own.headers["x-content-type-options"] == "nosniff"
        signed = jobs.artifacts.signed_url(ai.server.platform, job_id, name)
        _, _, where = signed.partition("127.0.0.1:8000")
        assert (await ai.server.client.get(where)).content == name.encode()
        other = where.replace(name, "other.mp4")
        for wrong in (other, where[:-1], where.replace("expires=1", "expires=2")):
            assert (await ai.server.client.get(wrong)).status_code == 404, wrong
        theirs = await ai.server.client.get(url, headers=stranger.phone.headers)
        assert theirs.status_code == 404
        tail = await ai.get(url, headers={"Range": "bytes=-3"})
        assert (tail.status_code, tail.content) == (206, name.encode()[-3:])
        assert tail.headers["content-range"] == f"bytes {len(name) - 3}-{len(name) - 1}/{len(name)}"
        past = await ai.get(url, headers={"Range": "bytes=99-"})
        assert (past.status_code, past.content) == (200, name.encode())
    ai.server.clock.advance(s=3601)
    assert (await ai.server.client.get(where)).status_code == 404


# Live -------------------------------------------------------------------------------------------


async def test_a_waiting_request_is_woken_by_the_end_of_its_job(ai: Backend) -> None:
    asked = asyncio.create_task(ai.post("/api/face/detect", CLIP))
    await asyncio.wait_for(ai.role.taken.wait(), 10)
    (job_id,) = ai.role.requests
    assert not asked.done()
    await ai.role.say(job_id, complete(FACE))
    answer = await asked
    assert (answer.status_code, answer.json()["job_id"]) == (200, job_id)
    assert len(ai.server.platform.wakes) == 0


async def test_the_stream_tells_each_event_once_and_resumes(ai: Backend) -> None:
    job_id = await new_job(ai)
    for event in LIFE:
        await ai.role.say(job_id, event)
    whole = await ai.get(f"/api/jobs/{job_id}/events")
    assert whole.headers["content-type"].startswith("text/event-stream")
    events = _events(whole.text)
    assert [each["event"] for each in events] == [
        "status", "progress", "progress", "progress", "complete",
    ]  # fmt: skip
    percents = [msgspec.json.decode(each["data"])["progress"]["percent"] for each in events]
    assert percents == [0, 5, 15, 40, 100]
    rest = await ai.get(f"/api/jobs/{job_id}/events", headers={"Last-Event-ID": events[2]["id"]})
    assert _events(rest.text) == events[3:]
    assert len(ai.server.platform.wakes) == 0


def _events(text: str) -> list[dict[str, str]]:
    blocks = [block for block in text.replace("\r\n", "\n").split("\n\n") if block.strip()]
    return [dict(line.split(": ", 1) for line in block.strip().split("\n")) for block in blocks]


async def test_a_cancelled_job_ends_at_once_and_stays_so(ai: Backend) -> None:
    job_id = await new_job(ai)
    answer = await ai.send("POST", f"/api/jobs/{job_id}/cancel")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["error"]["code"]) == ("failed", "JOB_CANCELLED")
    assert ai.role.cancelled == [job_id]
    await ai.role.say(job_id, complete(FACE))
    assert (await ai.send("POST", f"/api/jobs/{job_id}/cancel")).json() == answer.json()
    result = await ai.get(f"/api/face/detect/jobs/{job_id}/result")
    assert (result.status_code, result.json()["error"]["code"]) == (409, "JOB_CANCELLED")
    # The AI role may say so itself, before the answer to who cancels.
    told_first = await new_job(ai, analysis_id="a3")
    await ai.role.say(told_first, failed("JOB_CANCELLED", seq=9))
    assert (await ai.send("POST", f"/api/jobs/{told_first}/cancel")).status_code == 200
    done = await new_job(ai, analysis_id="a2")
    await ai.role.say(done, complete(FACE))
    late = await ai.send("POST", f"/api/jobs/{done}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "conflict")


# Kept and forgotten -----------------------------------------------------------------------------


async def test_what_is_kept_how_long(ai: Backend) -> None:
    answer = await ai.send(
        "POST", "/api/healthcare/jobs", files={"file": ("a.mp4", MP4, "video/mp4")}
    )
    job_id, platform = answer.json()["job_id"], ai.server.platform
    await platform.tasks.settle()
    await platform.objects.put(f"artifacts/{job_id}/report.png", b"png")
    await ai.role.say(job_id, failed("DOG_NOT_TRACKED"))

    async def files() -> set[str]:
        return {key.rpartition("/")[2] async for key, _ in platform.objects.keys("artifacts/")}

    assert await files() == {"input.mp4", "report.png"}
    ai.server.clock.advance(ms=INPUT_KEPT_MS + 1)
    await jobs.sweep(platform, ai.server.clock.now_ms)
    assert await files() == {"report.png"}
    await renew(ai.server, ai.own.phone)
    told = await ai.get(f"/api/jobs/{job_id}/events")
    assert [each["event"] for each in _events(told.text)] == ["failed"]
    ai.server.clock.advance(ms=JOBS_KEPT_MS)
    await jobs.sweep(platform, ai.server.clock.now_ms)
    assert await files() == set()
    await renew(ai.server, ai.own.phone)
    assert (await ai.get(f"/api/healthcare/jobs/{job_id}")).status_code == 404


async def test_an_erased_account_leaves_no_job_no_event_and_no_file(ai: Backend) -> None:
    running = await new_job(ai)
    answer = await ai.send(
        "POST", "/api/healthcare/jobs", files={"file": ("a.mp4", MP4, "video/mp4")}
    )
    assert answer.status_code == 202
    platform = ai.server.platform
    await platform.tasks.settle()
    exported = (await ai.get("/api/me/export")).json()["collections"]["jobs"]
    assert {job["job_id"] for job in exported} == {running, answer.json()["job_id"]}
    assert (await ai.send("DELETE", "/api/me")).status_code == 204
    async with platform.database.read() as tx:
        for table in ("analysis_job", "job_event"):
            assert await tx.fetch_value(f"SELECT COUNT(*) FROM {table}") == 0
    assert [key async for key in platform.objects.keys("artifacts/")] == []
    await jobs.sweep(platform, ai.server.clock.now_ms)
    assert running in ai.role.cancelled
    # What the AI role still says of it is dropped.
    await ai.role.say(running, complete(FACE))


# Who leaves, and who is elsewhere ---------------------------------------------------------------


async def test_a_client_that_leaves_is_not_waited_for(lite: Backend) -> None:
    platform = lite.server.platform
    slow = msgspec.structs.replace(platform.settings, job_wait_s=600)
    lite.server.app.state.platform = replace(platform, settings=slow)
    body = msgspec.json.encode(CLIP)
    incoming = asyncio.Queue[dict[str, Any]]()
    await incoming.put({"type": "http.request", "body": body, "more_body": False})
    headers = {**lite.own.phone.headers, "content-type": "application/json"}
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/api/face/detect", "raw_path": b"/api/face/detect",
        "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
        "server": ("testserver.local", 80),
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
    }  # fmt: skip
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asked = asyncio.create_task(
        lite.server.app(scope, incoming.get, send)  # type: ignore[arg-type]
    )
    await asyncio.wait_for(lite.role.taken.wait(), 10)
    assert not asked.done()
    await incoming.put({"type": "http.disconnect"})
    await asyncio.wait_for(asked, 10)
    assert len(platform.wakes) == 0
    # Its job goes on.
    (job_id,) = lite.role.requests
    await lite.role.say(job_id, complete(FACE))
    assert await told(lite, job_id) == ("finished", 100)


async def test_an_end_that_another_process_heard_of_wakes_a_waiter_here(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without news from the other process nobody would look again before the test gives up.
    monkeypatch.setattr(waiting, "LOOK_AGAIN_S", 600.0)
    url = postgres.url(f"news_{tmp_path.name}")
    async with (
        backend(url, tmp_path, apart=False, job_wait_s="500") as here,
        running(url, tmp_path, internal_secrets=KEY) as elsewhere,
    ):
        await asyncio.sleep(1)  # Until both have begun to listen.
        asked = asyncio.create_task(here.post("/api/face/detect", CLIP))
        await asyncio.wait_for(here.role.taken.wait(), 10)
        (job_id,) = here.role.requests
        await jobs.event_sink(elsewhere.platform)(job_id, complete(FACE))
        answer = await asyncio.wait_for(asked, 30)
        assert answer.status_code == 200, answer.text
