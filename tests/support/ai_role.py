"""An AI role for tests of the backend: accepts jobs and says of them what the test wants.

It keeps the contract (same job again, conflicts, a full queue, cancel) and sends its events either
as calls or as signed webhooks, so that the same tests hold for roles in one process and apart.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from sync_server.ai.contract import AREA_OF, Accepted, Area, Event, EventError, JobRequest, Progress
from sync_server.ai.role import JobConflict, RoleUnavailable, TooBusy
from sync_server.jobs.service import event_sink
from sync_server.platform.webhooks import sign
from tests.support.app import Server

KEY = "whsec_" + base64.b64encode(b"the key that only tests know").decode()
Script = Callable[[JobRequest], Sequence[Event]]


@dataclass
class ScriptedAiRole:
    """Takes jobs; with a script it plays the script's events for each of them at once."""

    server: Server
    apart: bool = False
    """Events as signed webhooks over HTTP instead of calls."""
    script: Script | None = None
    requests: dict[str, JobRequest] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    busy_s: float | None = None
    gone: bool = False
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a job was taken."""
    _sent: int = 0

    async def submit(self, area: Area, request: JobRequest) -> Accepted:
        """As AiRole.submit."""
        if self.gone:
            raise RoleUnavailable("the test has switched it off")
        if self.busy_s is not None:
            raise TooBusy(self.busy_s)
        assert request.job_type is not None and AREA_OF[request.job_type] == area
        known = self.requests.setdefault(request.job_id, request)
        if known != request:
            raise JobConflict
        self.taken.set()
        if self.script is not None:
            self.server.platform.tasks.start(self._play(request), "play")
        return Accepted(True, request.job_id)

    async def cancel(self, job_id: str) -> bool:
        """As AiRole.cancel."""
        self.cancelled.append(job_id)
        return job_id in self.requests

    async def health(self) -> dict[str, object]:
        """As AiRole.health."""
        if self.gone:
            raise RoleUnavailable("the test has switched it off")
        return {"status": "ok", "queue_length": 0, "queue_age_s": 0.0, "models": {"pose": "test"}}

    async def _play(self, request: JobRequest) -> None:
        assert self.script is not None
        for event in self.script(request):
            await asyncio.sleep(0)
            await self.say(request.job_id, event)

    async def say(self, job_id: str, event: Event | bytes) -> None:
        """Send one event (or the raw bytes of one, as a webhook)."""
        if not self.apart and isinstance(event, Event):
            await event_sink(self.server.platform)(job_id, event)
            return
        job_type = self.requests[job_id].job_type if job_id in self.requests else "MISSION_JUDGE"
        assert job_type is not None
        body = event if isinstance(event, bytes) else msgspec.json.encode(event)
        answer = await self.post(AREA_OF[job_type], job_id, body)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"accepted": True, "job_id": job_id}

    async def post(
        self, area: str, job_id: str, body: bytes, headers: dict[str, str] | None = None
    ) -> Any:
        """Send a body to the backend as the AI role does; return the answer."""
        self._sent += 1
        signed = sign([KEY], f"msg_{self._sent}", self.server.clock.now_ms // 1000, body)
        return await self.server.client.post(
            f"/internal/{area}/jobs/{job_id}/events",
            content=body,
            headers={"content-type": "application/json", **signed, **(headers or {})},
        )


def install(server: Server, *, apart: bool = False, script: Script | None = None) -> ScriptedAiRole:
    """Give a running server this AI role."""
    role = ScriptedAiRole(server, apart, script)
    server.app.state.platform = replace(server.platform, ai=role)
    return role


def progress(stage: str, percent: int, message: str = "…", seq: int | None = None) -> Event:
    """A PROGRESS event."""
    return Event("PROGRESS", "processing", Progress(stage, percent, message), event_seq=seq)


def complete(result: dict[str, Any], status: str = "finished", seq: int | None = None) -> Event:
    """A COMPLETE event."""
    return Event("COMPLETE", status, result=result, event_seq=seq)


def failed(code: str, message: str = "", seq: int | None = None, **details: Any) -> Event:
    """A FAILED event."""
    return Event("FAILED", "failed", error=EventError(code, message, details), event_seq=seq)
