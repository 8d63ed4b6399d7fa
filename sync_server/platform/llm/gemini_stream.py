"""`streamGenerateContent` by google-genai: text as it comes, pictures inline."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from sync_server.platform.llm.errors import LlmAnswerBroken, LlmBlocked
from sync_server.platform.llm.gemini_words import BLOCKED, output_tokens, word
from sync_server.platform.llm.talk import Ended, Piece, Said, Talk

if TYPE_CHECKING:
    from google.genai import types
    from google.genai.client import AsyncClient


async def pieces(
    client: AsyncClient, kinds: Any, talk: Talk, model: str
) -> AsyncGenerator[Piece, None]:
    """Stream once; see `StreamModel`. `kinds` is the SDK's `types`; its exceptions pass."""
    stream = await client.models.generate_content_stream(
        model=model,
        contents=_contents(kinds, talk),
        config=kinds.GenerateContentConfig(
            system_instruction=talk.system or None,
            temperature=talk.temperature,
            max_output_tokens=talk.max_output_tokens,
            candidate_count=1,
        ),
    )
    reason, usage, named = "", None, model
    async for reply in stream:
        named = reply.model_version or named
        usage = reply.usage_metadata or usage
        if reply.prompt_feedback is not None and reply.prompt_feedback.block_reason is not None:
            raise LlmBlocked(f"prompt: {word(reply.prompt_feedback.block_reason)}")
        if not reply.candidates:
            continue
        first = reply.candidates[0]
        text = _text(first)
        if text:
            yield Said(text)
        reason = word(first.finish_reason) or reason
        if reason in BLOCKED:
            raise LlmBlocked(f"answer: {reason}")
    if reason not in ("STOP", "MAX_TOKENS"):
        raise LlmAnswerBroken(f"it is not finished ({reason or 'no finish reason'})")
    yield Ended(
        named,
        cut=reason == "MAX_TOKENS",
        input_tokens=usage.prompt_token_count if usage else None,
        output_tokens=output_tokens(usage),
    )


def _contents(kinds: Any, talk: Talk) -> list[types.Content]:
    asked = max(at for at, (role, _) in enumerate(talk.turns) if role == "user")
    contents = []
    for at, (role, text) in enumerate(talk.turns):
        parts = [kinds.Part(text=text)]
        if talk.jpeg is not None and at == asked:
            blob = kinds.Blob(data=talk.jpeg, mime_type="image/jpeg")
            parts = [kinds.Part(inline_data=blob), *parts]
        contents.append(kinds.Content(role="model" if role == "assistant" else role, parts=parts))
    return contents


def _text(candidate: types.Candidate) -> str:
    parts = (candidate.content.parts if candidate.content else None) or []
    return "".join(part.text or "" for part in parts if not part.thought)
