"""OpenAI's chat completions by its SDK, at OpenAI or any compatible address.

The SDK retries twice and waits ten minutes unless told otherwise; here the guard does both.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from sync_server.platform.llm.contract import Question, RawAnswer
from sync_server.platform.llm.errors import (
    LlmAnswerBroken,
    LlmBlocked,
    LlmError,
    LlmNotConfigured,
    LlmRefused,
    LlmTimeout,
    LlmUnavailable,
    error_of_status,
    retry_after_of,
)
from sync_server.platform.llm.openai_stream import pieces
from sync_server.platform.llm.talk import Piece, Talk
from sync_server.platform.llm.transport import error_of_transport

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

PROVIDER: Final = "openai"
BASE_URL: Final = "https://api.openai.com/v1"


class OpenAiModel:
    """One model; `base_url` empty is OpenAI's. Raises LlmNotConfigured without a key.

    A compatible server at `base_url` that wants no key takes any.
    """

    provider: Final = PROVIDER

    def __init__(self, api_key: str, model: str, base_url: str = "") -> None:
        if not api_key:
            raise LlmNotConfigured("no key for OpenAI")
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        self.model = model
        self._client = AsyncOpenAI(
            api_key=api_key,
            base_url=base_url or BASE_URL,
            max_retries=0,
            timeout=None,
            http_client=DefaultAsyncHttpxClient(follow_redirects=False),
        )
        # OpenAI's newer models refuse `max_tokens`; many compatible servers know only that.
        self._length = "max_tokens" if base_url else "max_completion_tokens"

    async def answer(self, question: Question) -> RawAnswer:
        """Ask once; see `AnswerModel`."""
        if question.video is not None:
            raise LlmRefused("this adapter takes no video")
        system = [{"role": "system", "content": question.system}] if question.system else []
        asked: dict[str, Any] = {
            "model": self.model,
            "messages": [*system, {"role": "user", "content": question.text}],
            "temperature": question.temperature,
            self._length: question.max_output_tokens,
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "strict": True,
                    "schema": _strict(question.schema),
                },
            },
        }
        try:
            reply: ChatCompletion = await self._client.chat.completions.create(**asked)
            return _read(reply, self.model)
        except LlmError:
            raise
        except Exception as error:
            raise error_of(error) from None

    async def stream(self, talk: Talk) -> AsyncGenerator[Piece, None]:
        """Stream once; see `StreamModel`."""
        try:
            said = pieces(self._client, talk, talk.model or self.model, self._length)
            async with aclosing(said):
                async for piece in said:
                    yield piece
        except LlmError:
            raise
        except Exception as error:
            raise error_of(error) from None

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()


def _strict(schema: Any) -> Any:
    """The schema with every object closed, which strict mode asks for."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _strict(value) for name, value in schema.items()}
    return {**made, "additionalProperties": False} if made.get("type") == "object" else made


def error_of(error: Exception) -> LlmError:
    """Our error for one of the SDK's."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return LlmTimeout(type(error).__name__)
    if isinstance(error, openai.APIStatusError):
        return error_of_status(error.status_code, retry_after_of(error.response.headers))
    if isinstance(error, openai.APIConnectionError):
        return LlmUnavailable(type(error).__name__)
    if type(error) is openai.APIError:
        return LlmUnavailable("an error inside the stream")
    known = error_of_transport(error)
    if known is not None:
        return known
    # A body that is no JSON, or not the documented one.
    return LlmAnswerBroken(f"not the documented answer: {type(error).__name__}")


def _read(reply: ChatCompletion, asked: str) -> RawAnswer:
    if not reply.choices:
        raise LlmAnswerBroken("it is empty")
    first = reply.choices[0]
    if first.finish_reason == "content_filter" or first.message.refusal:
        raise LlmBlocked("content filter or refusal")
    if first.finish_reason == "length":
        raise LlmAnswerBroken("it is cut: too long")
    if first.finish_reason != "stop":
        raise LlmAnswerBroken("it is not finished (no finish reason)")
    text = first.message.content or ""
    if not text.strip():
        raise LlmAnswerBroken("it is empty")
    usage = reply.usage
    return RawAnswer(
        text=text,
        model=reply.model or asked,
        input_tokens=usage.prompt_tokens if usage else None,
        output_tokens=usage.completion_tokens if usage else None,
    )
