"""What the demo lets the server analyse: a walk's missions, a face and a gait, as jobs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import msgspec

from daengdong.demo_clips import CLIPS
from daengdong.phone import Phone, now_ms
from edge_sdk.ids import uuid7

Tell = Callable[[str], None]
WAIT_S: Final = 180.0
DIARY: Final = "오늘은 숲길을 걸었다."
MISSIONS: Final = (("SIT", "sit"), ("JUMP", "jump"), ("DOWN", "sit"))
"""Mission and clip: the third dog sits where it should lie down."""


class JobsFailed(Exception):
    """A job of the demo did not end, or a clip was refused; the message says which."""

    code = "demo_jobs_failed"


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """One job: what was asked, how it ended, what it says to a person, and its whole answer."""

    task: str
    job_id: str
    state: str
    says: tuple[str, ...]
    seconds: float
    answer: dict[str, Any]


class JobsResult(msgspec.Struct, frozen=True, kw_only=True):
    """All jobs of the demo's walk, and what its day in the diary shows afterwards."""

    walk_id: str
    jobs: tuple[JobRow, ...]
    diary: dict[str, Any]


async def analyse_on_server(
    phone: Phone, address: str, walk_id: str, out: Path, tell: Tell
) -> JobsResult:
    """Upload the shipped clips as this phone's, run the jobs side by side, read the diary.

    Overlay and report of the gait go to `out`. Raises JobsFailed.
    """
    dog_id = await phone.store.get_meta("dog_id")
    await _write_diary(phone, walk_id)
    async with httpx.AsyncClient(base_url=address, timeout=30) as plain:
        keys = {
            (clip, kind): await _upload(phone, plain, CLIPS / f"{clip}.mp4", kind)
            for clip, kind in (
                ("sit", "mission_clip"), ("jump", "mission_clip"),
                ("face", "face_clip"), ("walk-lame", "gait_clip"),
            )
        }  # fmt: skip
        tell(f"{len(keys)} clips uploaded, checked and stored without metadata")
        missions = [
            {"mission_id": f"m{number}", "mission_type": mission, "instruction": "",
             "video_url": keys[clip, "mission_clip"]}
            for number, (mission, clip) in enumerate(MISSIONS, 1)
        ]  # fmt: skip
        walk = {"analysis_id": f"demo-{walk_id[-8:]}", "walk_id": walk_id}
        wanted = (
            ("missions", "/api/missions/judge/jobs", {**walk, "missions": missions}),
            ("face", "/api/face/analyze/jobs",
             {**walk, "dog_id": dog_id, "video_url": keys["face", "face_clip"]}),
            ("gait", "/api/healthcare/jobs",
             {"dog_id": dog_id, "video_url": keys["walk-lame", "gait_clip"]}),
        )  # fmt: skip
        async with asyncio.timeout(WAIT_S):
            rows = await asyncio.gather(
                *(_run(phone, plain, task, path, body, tell) for task, path, body in wanted)
            )
        await _fetch_artifacts(plain, rows, out)
    walk_now = (await phone.get(f"/api/walks/{walk_id}"))["walk"]
    day = walk_now["started_at_ms"]
    days = await phone.get("/api/diary", **{"from": _date(day), "to": _date(day)})
    return JobsResult(walk_id=walk_id, jobs=tuple(rows), diary={"walk": walk_now, **days})


async def _write_diary(phone: Phone, walk_id: str) -> None:
    """Write an entry about the walk; the emotion that the server sees joins it."""
    began_ms = (await phone.get(f"/api/walks/{walk_id}"))["walk"]["started_at_ms"]
    await phone.store.set_diary(uuid7(), walk_id, _date(began_ms), "text", DIARY, now_ms())
    await phone.sync()


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo("Asia/Seoul")).date().isoformat()


async def _upload(phone: Phone, plain: httpx.AsyncClient, path: Path, kind: str) -> str:
    data = path.read_bytes()
    ticket = await phone.send(
        "POST", "/api/uploads",
        {"kind": kind, "content_type": "video/mp4", "size_bytes": len(data),
         "sha256": hashlib.sha256(data).hexdigest()},
    )  # fmt: skip
    # The address names the server's public name; here it is the one that was started.
    target = httpx.URL(ticket["upload_url"])
    sent = await plain.put(target.raw_path.decode(), content=data, headers=ticket["headers"])
    if sent.status_code >= 300:
        raise JobsFailed(f"{path.name}: {sent.status_code} {sent.text}")
    key: str = ticket["key"]
    await phone.send("POST", f"/api/uploads/{key}/complete")
    return key


async def _run(
    phone: Phone, plain: httpx.AsyncClient, task: str, path: str, body: dict[str, Any], tell: Tell
) -> JobRow:
    loop = asyncio.get_running_loop()
    began = loop.time()
    job_id: str = (await phone.send("POST", path, body))["job_id"]
    state = ""
    async for status in _follow(phone, plain, job_id):
        state, progress = status["status"], status["progress"]
        tell(f"{task:>8} {progress['percent']:3d} %  {progress['message']}")
        if "error" in status:
            raise JobsFailed(f"{task}: {status['error']}")
    answer = await phone.get(f"{path}/{job_id}/result")
    return JobRow(
        task=task, job_id=job_id, state=state, says=tuple(_says(task, answer)),
        seconds=loop.time() - began, answer=answer,
    )  # fmt: skip


async def _follow(
    phone: Phone, plain: httpx.AsyncClient, job_id: str
) -> AsyncIterator[dict[str, Any]]:
    """Yield the states of a job as the server tells them, until nothing more can come."""
    token = await phone.store.get_meta("access_token")
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    async with plain.stream(
        "GET", f"/api/jobs/{job_id}/events", headers=headers, timeout=60
    ) as stream:
        if stream.status_code != 200:
            raise JobsFailed(f"{job_id}: {stream.status_code}")
        async for line in stream.aiter_lines():
            name, _, value = line.partition(":")
            if name == "data":
                yield msgspec.json.decode(value.strip())


def _says(task: str, answer: dict[str, Any]) -> list[str]:
    result = answer["result"]
    if task == "missions":
        return [
            f"{each['mission_type']}: {'success' if each['success'] else 'no success'} "
            f"({each['confidence']:.0%}) {each['summary']}"
            for each in result["missions"]
        ]
    if task == "face":
        emotion = result["emotion"]
        words = result.get("narration") or emotion["summary"]
        return [f"{emotion['predicted_emotion']} ({emotion['confidence']:.0%}): {words}"]
    scores = ", ".join(
        f"{name} {'-' if each['score'] is None else each['score']}"
        for name, each in answer["metrics"].items()
    )
    return [f"{result['overall_risk_level']}: {result['summary']} ({scores})"]


async def _fetch_artifacts(plain: httpx.AsyncClient, rows: Any, out: Path) -> None:
    """Keep the overlay and the report of the gait job: by their signed addresses, as a phone."""
    gait = next(row for row in rows if row.task == "gait")
    out.mkdir(parents=True, exist_ok=True)
    named = gait.answer["artifacts"]
    for name, field in (("overlay.mp4", "keypoint_overlay_video_url"),
                        ("report.png", "report_image_url")):  # fmt: skip
        if named.get(field):
            target = httpx.URL(named[field])
            got = await plain.get(target.raw_path.decode())
            if got.status_code == 200:
                (out / name).write_bytes(got.content)
