"""The vet chat in another process: signed calls to /internal/ai/vet."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import httpx
import msgspec

from sync_server.ai.role import RoleUnavailable
from sync_server.ai.vet.contract import ChatEvent, ChatRequest
from sync_server.ai.vet.wire import read_events
from sync_server.platform.settings import Settings
from sync_server.platform.webhooks import message_id, parse_secrets, sign

_STREAM: Final = "/internal/ai/vet/chat/stream"
_HEALTH: Final = "/internal/ai/vet/health"
_CONNECT_S: Final = 5.0
_HEALTH_S: Final = 10.0
_SPARE_S: Final = 10.0


class HttpVetRole:
    """`VetRole` behind HTTP. Closing a chat closes its connection, which ends the answer there.

    Where the other process cannot be reached, or its answer breaks, RoleUnavailable is raised.
    """

    def __init__(self, settings: Settings) -> None:
        if not settings.ai_url:
            raise ValueError("role api needs DAENGDONG_AI_URL")
        self._secrets = parse_secrets(settings.internal_secrets)
        if not self._secrets:
            raise ValueError("role api needs DAENGDONG_INTERNAL_SECRETS")
        # The silence before the first text is the longest; the other side bounds it.
        silence_s = settings.vet_deadline_s * 2 + _SPARE_S
        self._client = httpx.AsyncClient(
            base_url=settings.ai_url.rstrip("/"), follow_redirects=False, trust_env=False,
            timeout=httpx.Timeout(silence_s, connect=_CONNECT_S, pool=_CONNECT_S),
            # Each open stream has a connection of its own.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )  # fmt: skip

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Yield the events of a turn (`VetRole.chat`)."""
        body = msgspec.json.encode(request)
        try:
            async with self._client.stream(
                "POST", _STREAM, content=body, headers=self._headers("POST", _STREAM, body)
            ) as answer:
                if answer.status_code != 200:
                    raise RoleUnavailable(f"status {answer.status_code}")
                async with aclosing(read_events(answer.aiter_lines(), request.language)) as events:
                    async for event in events:
                        yield event
        except httpx.HTTPError as error:
            raise RoleUnavailable(type(error).__name__) from None

    async def health(self) -> dict[str, object]:
        """Say how it is (`VetRole.health`)."""
        try:
            answer = await self._client.get(
                _HEALTH, headers=self._headers("GET", _HEALTH, b""), timeout=_HEALTH_S
            )
            if not answer.is_success:
                raise RoleUnavailable(f"status {answer.status_code}")
            return msgspec.json.decode(answer.content, type=dict[str, object])
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            raise RoleUnavailable(type(error).__name__) from None

    def _headers(self, method: str, path: str, body: bytes) -> dict[str, str]:
        signed = sign(self._secrets, message_id(method, path, body), int(time.time()), body)
        return {**signed, "content-type": "application/json"} if body else signed
