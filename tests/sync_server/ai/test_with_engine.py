"""The pipelines under the real engine: every area from a signed link to its last event."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sync_server.ai.contract import Event, JobRequest, MissionInput
from sync_server.platform.clock import system_clock
from sync_server.platform.object_store import ObjectStore
from sync_server.platform.settings import Settings
from sync_server.platform.signed_links import media_link, object_key
from sync_server.platform.tokens import TokenSigner
from tests.support.clips import FACE, SIT, WALK

local_role = pytest.importorskip("sync_server.ai.local_role")
pytestmark = [pytest.mark.anyio, pytest.mark.slow]


class Backend:
    """Takes events, and waits for one that ends a job."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Event]] = []
        self._changed = asyncio.Condition()

    async def take(self, job_id: str, event: Event) -> None:
        async with self._changed:
            self.told.append((job_id, event))
            self._changed.notify_all()

    def of(self, job_id: str, *kinds: str) -> list[Event]:
        return [e for name, e in self.told if name == job_id and e.event_type in kinds]

    async def ended(self, job_id: str, count: int = 1) -> Event:
        async with asyncio.timeout(300), self._changed:
            await self._changed.wait_for(
                lambda: len(self.of(job_id, "COMPLETE", "FAILED")) >= count
            )
        return self.of(job_id, "COMPLETE", "FAILED")[-1]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Any]:
    settings = Settings(data_dir=str(tmp_path), secret_key="k" * 32, worker_processes=1)
    objects = ObjectStore(settings.object_store)
    signer = TokenSigner(settings.secret_key, 900, system_clock)
    links = {}
    for clip in (SIT, FACE, WALK):
        key = hashlib.sha256(clip.name.encode()).hexdigest()[:32]
        await objects.put(object_key(key), clip.read_bytes())
        links[clip] = media_link(signer, settings.public_url, key, system_clock() + 10**7)
    role, backend = local_role.LocalRole(settings), Backend()
    role.sink = backend.take
    await role.start()
    yield role, backend, links
    await role.close()
    assert not list((tmp_path / "jobs").glob("*")), "a job's folder was left"


async def test_every_area_ends_with_its_result(running: Any) -> None:
    role, backend, links = running
    missions = [MissionInput("a", "SIT", links[SIT]), MissionInput("b", "FLY", links[SIT])]
    await role.submit("mission", JobRequest("m1", "MISSION_JUDGE", missions=missions))
    await role.submit("face", JobRequest("f1", "FACE_ANALYSIS", video_url=links[FACE]))
    await role.submit("healthcare", JobRequest("g1", video_url=links[WALK]))
    await role.submit("healthcare", JobRequest("g2", video_url=links[FACE]))

    judged = await backend.ended("m1")
    assert judged.event_type == "COMPLETE" and judged.status == "finished"
    assert judged.result is not None
    sat, flew = judged.result["result"]["missions"]
    assert sat["success"] is True and flew["error"]["code"] == "INVALID_MISSION_TYPE"

    face = await backend.ended("f1")
    assert face.status == "succeeded" and face.result is not None
    assert face.result["result"]["narration"]

    gait = await backend.ended("g1", count=2)
    assert gait.result is not None and gait.result["artifacts"]["status"] == "ready"
    first = backend.of("g1", "COMPLETE")[0].result
    assert first is not None and first["artifacts"]["status"] == "pending"

    refused = await backend.ended("g2")
    assert refused.error is not None and refused.error.code in (
        "DOG_NOT_TRACKED", "INSUFFICIENT_FRAMES",
    )  # fmt: skip
    for job_id in ("m1", "f1", "g1", "g2"):
        told = [event.progress for name, event in backend.told if name == job_id]
        percents = [progress.percent for progress in told if progress is not None]
        assert percents == sorted(percents)
