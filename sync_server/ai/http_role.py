"""The AI role in another process: signed calls to /internal/ai."""

from __future__ import annotations

import time
from typing import Any, Final, TypeVar

import httpx
import msgspec

from sync_server.ai.contract import Accepted, Area, JobRequest
from sync_server.ai.role import JobConflict, RoleUnavailable, TooBusy
from sync_server.platform.settings import Settings
from sync_server.platform.webhooks import message_id, parse_secrets, sign

TIMEOUT_S: Final = 10.0
T = TypeVar("T")


class HttpAiRole:
    """`AiRole` behind HTTP; events come back to `backend_url` by signed webhook."""

    def __init__(self, settings: Settings) -> None:
        if not settings.ai_url:
            raise ValueError("role api needs DAENGDONG_AI_URL")
        self._secrets = parse_secrets(settings.internal_secrets)
        if not self._secrets:
            raise ValueError("role api needs DAENGDONG_INTERNAL_SECRETS")
        self._backend = settings.backend_url
        self._client = httpx.AsyncClient(
            base_url=settings.ai_url.rstrip("/"), timeout=TIMEOUT_S, follow_redirects=False,
            trust_env=False,
        )  # fmt: skip

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def submit(self, area: Area, request: JobRequest) -> Accepted:
        """Hand a job over (`AiRole.submit`)."""
        if not request.callback_url:
            url = f"{self._backend}/internal/{area}/jobs/{request.job_id}/events"
            request = msgspec.structs.replace(request, callback_url=url)
        answer = await self._call("POST", f"/internal/ai/{area}/jobs", msgspec.json.encode(request))
        if answer.status_code == 409:
            raise JobConflict(request.job_id)
        if answer.status_code == 429:
            raise TooBusy(float(answer.headers.get("retry-after", "5")))
        return _decoded(answer, Accepted)

    async def cancel(self, job_id: str) -> bool:
        """Cancel a job (`AiRole.cancel`)."""
        body = msgspec.json.encode({"job_id": job_id})
        answer = await self._call("POST", f"/internal/ai/jobs/{job_id}/cancel", body)
        return bool(_decoded(answer, dict[str, Any])["cancelled"])

    async def health(self) -> dict[str, object]:
        """Say how the role is (`AiRole.health`)."""
        return _decoded(await self._call("GET", "/internal/ai/health", b""), dict[str, object])

    async def _call(self, method: str, path: str, body: bytes) -> httpx.Response:
        name = message_id(method, path, body)
        headers = sign(self._secrets, name, int(time.time()), body)
        if body:
            headers["content-type"] = "application/json"
        try:
            return await self._client.request(method, path, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise RoleUnavailable(f"{type(error).__name__}: {error}") from error


def _decoded(answer: httpx.Response, kind: type[T]) -> T:
    if not answer.is_success:
        raise RoleUnavailable(f"status {answer.status_code}: {answer.text[:200]}")
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.DecodeError as error:
        raise RoleUnavailable(f"an answer that is none: {error}") from error
