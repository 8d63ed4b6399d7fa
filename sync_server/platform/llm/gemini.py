"""Gemini by google-genai: `generateContent`, short videos inline, long ones by the Files API.

Wire: ai.google.dev, REST v1beta (said, because google-genai 3 would ask v1, and 2 v1beta). The SDK
neither retries nor limits time unless told to, answers `parsed=None` for what it cannot parse, and
has no exception for a safety block: so only its text is taken, and only with finish reason STOP.
Its own timeout is not set: it is also sent as `X-Server-Timeout`, and the service refuses values
under 10 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import httpx
import structlog

from sync_server.platform.llm.contract import Question, RawAnswer, Video
from sync_server.platform.llm.errors import (
    LlmAnswerBroken,
    LlmBlocked,
    LlmError,
    LlmNotConfigured,
    LlmRefused,
    LlmUnavailable,
    error_of_status,
    retry_after_of,
    retry_delay_of,
)
from sync_server.platform.llm.gemini_stream import pieces
from sync_server.platform.llm.gemini_words import BLOCKED, output_tokens, word
from sync_server.platform.llm.talk import Piece, Talk
from sync_server.platform.llm.transport import error_of_transport

if TYPE_CHECKING:
    from google.genai import types

log = structlog.get_logger(__name__)
PROVIDER: Final = "gemini"
BASE_URL: Final = "https://generativelanguage.googleapis.com"
INLINE_BYTES: Final = 15_000_000
"""A whole request may have 20 MB; base64 makes 4 bytes of 3."""
DELETE_S: Final = 5.0
POLL_S: Final = 0.5


class GeminiModel:
    """One Gemini model; `base_url` empty is Google's. Raises LlmNotConfigured without a key."""

    provider: Final = PROVIDER

    def __init__(
        self, api_key: str, model: str, base_url: str = "", *, inline_bytes: int = INLINE_BYTES
    ) -> None:
        if not api_key:
            raise LlmNotConfigured("no key for Gemini")
        # Here and not above: it takes a second to import, and most servers never ask Gemini.
        from google import genai
        from google.genai import types

        self.model = model
        self._types = types
        self._inline_bytes = inline_bytes
        self._deletions: set[asyncio.Task[None]] = set()
        # Key, service and address are said, or the SDK takes them from variables of its own.
        self._client = genai.Client(
            api_key=api_key,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=base_url or BASE_URL,
                api_version="v1beta",
                # The SDK would follow a redirect anywhere, with the key in a header of its own.
                # Its 100 connections are fewer than there may be chats at a time.
                async_client_args={
                    "follow_redirects": False,
                    "limits": httpx.Limits(max_connections=1_000, max_keepalive_connections=64),
                },
            ),
        ).aio

    async def answer(self, question: Question) -> RawAnswer:
        """Ask once; see `AnswerModel`."""
        with _mapped():
            async with self._part_of(question.video) as part:
                reply = await self._client.models.generate_content(
                    model=self.model,
                    contents=self._contents(question, part),
                    config=self._types.GenerateContentConfig(
                        system_instruction=question.system or None,
                        temperature=question.temperature,
                        max_output_tokens=question.max_output_tokens,
                        response_mime_type="application/json",
                        response_json_schema=question.schema,
                        candidate_count=1,
                    ),
                )
        return _read(reply, self.model)

    async def stream(self, talk: Talk) -> AsyncGenerator[Piece, None]:
        """Stream once; see `StreamModel`."""
        with _mapped():
            said = pieces(self._client, self._types, talk, talk.model or self.model)
            async with aclosing(said):
                async for piece in said:
                    yield piece

    async def close(self) -> None:
        """Wait for deletions under way, close connections."""
        if self._deletions:
            await asyncio.wait(self._deletions, timeout=DELETE_S)
        await self._client.aclose()

    def _contents(self, question: Question, part: types.Part | None) -> types.Content:
        parts = [self._types.Part(text=question.text)]
        # Media first, text after: the order that Google recommends for one video.
        return self._types.Content(role="user", parts=[part, *parts] if part else parts)

    @asynccontextmanager
    async def _part_of(self, video: Video | None) -> AsyncIterator[types.Part | None]:
        if video is None:
            yield None
            return
        seen = self._types.VideoMetadata(fps=video.frames_per_second)
        size = video.path.stat().st_size
        if size <= self._inline_bytes:
            data = await asyncio.to_thread(video.path.read_bytes)
            blob = self._types.Blob(data=data, mime_type=video.mime_type)
            yield self._types.Part(inline_data=blob, video_metadata=seen)
            return
        async with self._uploaded(video) as file:
            stored = self._types.FileData(file_uri=file.uri, mime_type=video.mime_type)
            yield self._types.Part(file_data=stored, video_metadata=seen)

    @asynccontextmanager
    async def _uploaded(self, video: Video) -> AsyncIterator[types.File]:
        file = await self._client.files.upload(
            file=video.path, config=self._types.UploadFileConfig(mime_type=video.mime_type)
        )
        name = file.name
        if not name:
            raise LlmAnswerBroken("an upload without a name")
        try:
            while (state := word(file.state)) == "PROCESSING":
                await asyncio.sleep(POLL_S)
                file = await self._client.files.get(name=name)
            if state != "ACTIVE":
                raise LlmRefused(f"file state {state}")
            yield file
        finally:
            await self._deleted(name)

    async def _deleted(self, name: str) -> None:
        """Delete a file; goes on in the background when the caller is cancelled meanwhile."""
        task = asyncio.create_task(self._delete(name))
        self._deletions.add(task)
        task.add_done_callback(self._deletions.discard)
        with suppress(TimeoutError):
            async with asyncio.timeout(DELETE_S):
                await asyncio.shield(task)

    async def _delete(self, name: str) -> None:
        try:
            with _mapped():
                async with asyncio.timeout(DELETE_S):
                    await self._client.files.delete(name=name)
        except LlmError as error:
            # Google deletes it after 48 hours; an operator may want to know.
            log.warning("gemini_file_not_deleted", code=error.code)


class _mapped:  # noqa: N801 - used as a statement
    """Turns what the SDK raises into ours; cancellation passes."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, LlmError):
            raise error_of(error) from None


def error_of(error: Exception) -> LlmError:
    """Our error for one of the SDK's."""
    from google.genai import errors

    if isinstance(error, errors.APIError):
        return _error_of_status(error)
    known = error_of_transport(error)
    if known is not None:
        return known
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return LlmRefused(f"the video cannot be read: {type(error).__name__}")
    if isinstance(error, OSError):
        return LlmUnavailable(type(error).__name__)
    # A body that is no JSON, or not the documented one: ValueError, KeyError, pydantic's ...
    return LlmAnswerBroken(f"not the documented answer: {type(error).__name__}")


def _error_of_status(error: Any) -> LlmError:
    status = error.code if isinstance(error.code, int) else 500
    headers = getattr(error.response, "headers", None) or {}
    wait_s = retry_after_of(headers)
    if wait_s is None:
        wait_s = retry_delay_of(error.details)
    if status == 400 and "API_KEY_INVALID" in str(error.details):
        return LlmNotConfigured("the key is not valid")
    return error_of_status(status, wait_s)


def _read(reply: types.GenerateContentResponse, asked: str) -> RawAnswer:
    feedback = reply.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        raise LlmBlocked(f"prompt: {word(feedback.block_reason)}")
    if not reply.candidates:
        raise LlmAnswerBroken("it is empty")
    first = reply.candidates[0]
    reason = word(first.finish_reason)
    if reason in BLOCKED:
        raise LlmBlocked(f"answer: {reason}")
    if reason == "MAX_TOKENS":
        raise LlmAnswerBroken("it is cut: too long")
    if reason != "STOP":
        raise LlmAnswerBroken(f"it is not finished ({reason or 'no finish reason'})")
    parts = (first.content.parts if first.content else None) or []
    text = "".join(part.text or "" for part in parts if not part.thought)
    if not text.strip():
        raise LlmAnswerBroken("it is empty")
    usage = reply.usage_metadata
    return RawAnswer(
        text=text,
        model=reply.model_version or asked,
        input_tokens=usage.prompt_token_count if usage else None,
        output_tokens=output_tokens(usage),
    )
