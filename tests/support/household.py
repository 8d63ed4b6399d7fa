"""A signed-in guest with one of everything: dog, walk, diary entry, photo, upload, home, job."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from PIL import Image

from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import DiarySet, WalkStart
from game_engine.rules import CURRENT_RULES
from sync_server.ai.contract import Event, JobRequest
from tests.support.ai_role import failed, install
from tests.support.app import Phone, Server
from tests.support.vet_role import ask, install_vet
from tests.support.walks import Log, straight

DIARY_TEXT = "보리는 오늘 한강에서 갈매기를 쫓았다"
QUESTION = "보리가 갈매기를 쫓은 뒤로 기침을 해요"
HOME = {"lat": 37.54401, "lng": 127.04402}


@dataclass(frozen=True)
class Household:
    """What exists, by id."""

    phone: Phone
    log: Log
    second_client_id: str
    dog_id: str
    walk_id: str
    entry_id: str
    photo_key: str
    pending_key: str
    pending_url: str
    """Signed address of the upload whose bytes have not come yet."""
    job_id: str
    """A job that has failed or will."""
    mission_id: str
    """A mission offered on an open walk."""
    conversation_id: str
    turn_id: str
    """An answered question to the vet chat."""
    report_id: str
    """A report job on it, which has failed or will."""

    @property
    def ids(self) -> dict[str, str]:
        """Ids by the name they have in paths."""
        return {
            "dog_id": self.dog_id, "walk_id": self.walk_id, "entry_id": self.entry_id,
            "job_id": self.job_id, "mission_id": self.mission_id,
            "conversation_id": self.conversation_id, "turn_id": self.turn_id,
        }  # fmt: skip


def jpeg(edge_px: int = 64) -> bytes:
    """A small real photo."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize((edge_px, edge_px)).convert("RGB").save(out, "JPEG")
    return out.getvalue()


async def settle(server: Server, now_ms: int, east_of_seoul: float = 0.0) -> Household:
    """Sign a guest in and let them make one of everything; walks `east_of_seoul` degrees away."""
    log = await Log.of(server)
    phone = log.phone

    async def send(method: str, path: str, **more: Any) -> httpx.Response:
        answer = await server.client.request(method, path, headers=phone.headers, **more)
        assert answer.is_success, answer.text
        return answer

    dog_id, entry_id, second = uuid7(), uuid7(), uuid7()
    await send("POST", "/api/auth/clients", json={"client_id": second, "device_name": "시계"})
    photo_key = await _photo(server, phone)
    dog = {"dog_id": dog_id, "name": "보리", "breed_code": "jindo", "photo_key": photo_key}
    await send("POST", "/api/dogs", json=dog)
    await send("PUT", "/api/me/home", json=HOME)
    walk_id = await log.walk(straight(now_ms - 900_000, (37.544, 127.044 + east_of_seoul)))
    stamp = f"{now_ms:015d}-0000-{phone.client_id}"
    log.add(DiarySet(entry_id, walk_id, "2026-11-18", "text", DIARY_TEXT, stamp))
    await log.push()
    ticket = (await send("POST", "/api/uploads", json=_announcement(jpeg()))).json()
    url = urlsplit(ticket["upload_url"])
    install(server, script=_cannot_fetch)
    clip = {"analysis_id": "analysis_001", "video_url": "https://clips.example/face.mp4"}
    job = (await send("POST", "/api/face/detect/jobs", json=clip)).json()
    open_walk_id = uuid7()
    log.add(WalkStart(open_walk_id, [dog_id], now_ms - 420_000, CURRENT_RULES, "live"))
    await log.push()
    offers = (await send("POST", "/api/missions/offers", json={"walk_id": open_walk_id})).json()
    install_vet(server)
    question = ask(QUESTION, dog_id=dog_id)
    answer = (await send("POST", "/api/vet/chat", json=question)).json()
    about = {"conversation_id": answer["conversation_id"]}
    report = (await send("POST", "/api/vet/jobs", json=about)).json()
    return Household(
        phone, log, second, dog_id, walk_id, entry_id, photo_key, ticket["key"],
        f"{url.path}?{url.query}", job["job_id"], offers["offers"][0]["mission_id"],
        answer["conversation_id"], answer["turn_id"], report["job_id"],
    )  # fmt: skip


def _cannot_fetch(request: JobRequest) -> list[Event]:
    return [failed("INVALID_MEDIA_URL", seq=1)]


async def _photo(server: Server, phone: Phone) -> str:
    data = jpeg()
    announced = await server.client.post(
        "/api/uploads", json=_announcement(data), headers=phone.headers
    )
    ticket = announced.json()
    url = urlsplit(ticket["upload_url"])
    sent = await server.client.put(
        f"{url.path}?{url.query}", content=data, headers=ticket["headers"]
    )
    assert sent.status_code == 204, sent.text
    key: str = ticket["key"]
    done = await server.client.post(f"/api/uploads/{key}/complete", headers=phone.headers)
    assert done.status_code == 200, done.text
    return key


def _announcement(data: bytes) -> dict[str, Any]:
    return {"kind": "diary_photo", "content_type": "image/jpeg", "size_bytes": len(data)}
