"""The vet chat as the backend sees it: in this process, or behind HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, runtime_checkable

from sync_server.ai.vet.contract import ChatAnswer, ChatEvent, ChatRequest, Done


@runtime_checkable
class VetRole(Protocol):
    """Answer a turn, piece by piece."""

    def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Yield checked pieces, then `Done` once, as the last.

        Raises ChatRefused. Closing the generator (or cancelling the task) ends the upstream call
        at once.
        """
        ...

    async def health(self) -> dict[str, object]:
        """Say how it is: {"status", "backend", "model", "knowledge": {"documents": n, ...}}."""
        ...


async def answered(role: VetRole, request: ChatRequest) -> ChatAnswer:
    """Return the whole answer of a turn; raises ChatRefused."""
    events = role.chat(request)
    try:
        async for event in events:
            if isinstance(event, Done):
                return event.answer
    finally:
        await events.aclose()
    raise AssertionError("a chat ends with Done")
