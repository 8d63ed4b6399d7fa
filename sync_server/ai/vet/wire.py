"""The answers of /internal/ai/vet: error bodies, and server-sent events, written and read.

    event: token
    data: {"text": "..."}

`token` and `replace` have a text, `final` has the whole answer, `error` has the error body.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import msgspec

from sync_server.ai.role import RoleUnavailable
from sync_server.ai.vet.contract import (
    ChatAnswer,
    ChatEvent,
    ChatRefused,
    Code,
    Done,
    Language,
    Replace,
    Token,
)
from sync_server.ai.vet.notices import message_of

STATUS: Final[dict[Code, int]] = {
    "INVALID_INPUT": 400, "IMAGE_FETCH_FAILED": 400, "LLM_TIMEOUT": 504, "RATE_LIMITED": 429,
    "INTERNAL_ERROR": 500,
}  # fmt: skip


class ErrorSaid(msgspec.Struct, frozen=True):
    """The seed's error; `retry_after_s` only where there is a time to wait."""

    code: Code
    message: str
    details: dict[str, Any]
    retry_after_s: float | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of an error answer."""

    error: ErrorSaid


class _Text(msgspec.Struct, frozen=True):
    text: str


def error_body(refused: ChatRefused, language: Language) -> ErrorBody:
    """A refusal as it travels, in words for the user."""
    message = refused.message or message_of(refused.code, language)
    return ErrorBody(ErrorSaid(refused.code, message, refused.details, refused.retry_after_s))


def refused_of(body: ErrorBody, language: Language) -> ChatRefused:
    """The refusal that a body tells of."""
    said = body.error
    own = None if said.message == message_of(said.code, language) else said.message
    return ChatRefused(
        said.code, details=said.details, message=own, retry_after_s=said.retry_after_s
    )


def event_bytes(event: ChatEvent | ErrorBody) -> bytes:
    """One server-sent event."""
    match event:
        case Done(answer):
            name, data = "final", msgspec.json.encode(answer)
        case ErrorBody():
            name, data = "error", msgspec.json.encode(event)
        case Token(text) | Replace(text):
            name = "token" if isinstance(event, Token) else "replace"
            data = msgspec.json.encode(_Text(text))
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


async def read_events(
    lines: AsyncIterator[str], language: Language
) -> AsyncGenerator[ChatEvent, None]:
    """Read what `event_bytes` wrote; raises ChatRefused as told, RoleUnavailable if it breaks."""
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            event = _event(name, line.removeprefix("data: "))
            if isinstance(event, ErrorBody):
                raise refused_of(event, language)
            yield event
            if isinstance(event, Done):
                return
    raise RoleUnavailable("the answer broke off")


def _event(name: str, data: str) -> ChatEvent | ErrorBody:
    try:
        if name == "token":
            return Token(msgspec.json.decode(data, type=_Text).text)
        if name == "replace":
            return Replace(msgspec.json.decode(data, type=_Text).text)
        if name == "final":
            return Done(msgspec.json.decode(data, type=ChatAnswer))
        if name == "error":
            return msgspec.json.decode(data, type=ErrorBody)
    except msgspec.DecodeError:
        raise RoleUnavailable(f"an event {name} that is none") from None
    raise RoleUnavailable("an event of no known name")
