"""The vet chat in this process, opened when it is first asked: most processes never chat."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from sync_server.ai.role import RoleUnavailable
from sync_server.ai.vet.contract import ChatEvent, ChatRequest
from sync_server.ai.vet.pipeline import VetChat
from sync_server.ai.vet.turn import place_of
from sync_server.platform.clock import Clock
from sync_server.platform.settings import Settings, SettingsInvalid

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class OpenVet:
    """A chat that is ready, and what closes all that it holds open."""

    chat: VetChat
    close: Callable[[], Awaitable[None]]


OpenChat: TypeAlias = Callable[[Settings, Clock], Awaitable[OpenVet]]


async def open_vet(settings: Settings, clock: Clock) -> OpenVet:
    """Open the chat of the settings; the parts are imported here, which takes a moment."""
    assembly = await asyncio.to_thread(importlib.import_module, "sync_server.ai.vet.assembly")
    opened: OpenVet = await assembly.open_vet(settings, clock)
    return opened


class LocalVetRole:
    """`VetRole` in this process. Raises SettingsInvalid at once for a backend without its key."""

    def __init__(self, settings: Settings, clock: Clock, open_chat: OpenChat = open_vet) -> None:
        keys = {"openai": settings.openai_api_key, "gemini": settings.gemini_api_key}
        if not keys.get(settings.vet_backend, "none is needed"):
            name = f"DAENGDONG_{settings.vet_backend.upper()}_API_KEY"
            raise SettingsInvalid(f"{name} is needed for DAENGDONG_VET_BACKEND")
        self._settings, self._clock, self._open = settings, clock, open_chat
        self._opening = asyncio.Lock()
        self._opened: OpenVet | None = None
        self._closed = False

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Yield the events of a turn (`VetRole.chat`); RoleUnavailable if it cannot be opened."""
        chat = await self._chat()
        async with aclosing(chat.chat(request)) as events:
            async for event in events:
                yield event

    async def health(self) -> dict[str, object]:
        """Say how it is (`VetRole.health`)."""
        return await (await self._chat()).health()

    async def close(self) -> None:
        """Close what was opened; nothing opens after it."""
        self._closed = True
        async with self._opening:
            opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    async def _chat(self) -> VetChat:
        async with self._opening:
            if self._closed:
                raise RoleUnavailable("the vet chat is closed")
            if self._opened is None:
                try:
                    self._opened = await self._open(self._settings, self._clock)
                except SettingsInvalid:
                    raise
                except Exception as error:
                    log.error("vet_not_opened", kind=type(error).__name__, at=place_of(error))
                    raise RoleUnavailable(f"not opened: {type(error).__name__}") from None
            return self._opened.chat
