"""Chat completions as a stream: with the usage, and pictures inline as data URLs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from sync_server.platform.llm.errors import LlmAnswerBroken, LlmBlocked
from sync_server.platform.llm.talk import Ended, Piece, Said, Talk

if TYPE_CHECKING:
    from openai import AsyncOpenAI


async def pieces(
    client: AsyncOpenAI, talk: Talk, model: str, length_name: str
) -> AsyncGenerator[Piece, None]:
    """Stream once; see `StreamModel`. Raises the SDK's exceptions besides ours."""
    asked: dict[str, Any] = {
        "model": model,
        "messages": _messages(talk),
        "temperature": talk.temperature,
        length_name: talk.max_output_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    reason, usage, named = "", None, model
    stream = await client.chat.completions.create(**asked)
    async for chunk in stream:
        named = chunk.model or named
        usage = chunk.usage or usage
        if not chunk.choices:
            continue
        first = chunk.choices[0]
        if first.delta is not None and first.delta.refusal:
            raise LlmBlocked("refusal")
        if first.delta is not None and first.delta.content:
            yield Said(first.delta.content)
        reason = first.finish_reason or reason
        if reason == "content_filter":
            raise LlmBlocked("content filter")
    if reason not in ("stop", "length"):
        raise LlmAnswerBroken(f"it is not finished ({reason or 'no finish reason'})")
    yield Ended(
        named,
        cut=reason == "length",
        input_tokens=usage.prompt_tokens if usage else None,
        output_tokens=usage.completion_tokens if usage else None,
    )


def _messages(talk: Talk) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": talk.system}]
    messages += [{"role": role, "content": text} for role, text in talk.turns]
    if talk.jpeg is not None:
        url = "data:image/jpeg;base64," + b64encode(talk.jpeg).decode()
        asked = max(at for at, one in enumerate(messages) if one["role"] == "user")
        messages[asked]["content"] = [
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "text", "text": messages[asked]["content"]},
        ]
    return messages
