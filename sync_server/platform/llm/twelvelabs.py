"""TwelveLabs v1.3 by plain HTTP: `POST /analyze` on a video given inline or as an asset.

Wire: docs.twelvelabs.io v1.3 (analyze videos; direct uploads). Up to 30 MB travel as base64 in the
request; larger files (to 200 MB) become an asset first, which is deleted after use.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Final, TypeVar

import httpx
import msgspec
import structlog
from msgspec import Meta

from sync_server.platform.llm.contract import Question, RawAnswer, Video
from sync_server.platform.llm.errors import (
    LlmAnswerBroken,
    LlmError,
    LlmNotConfigured,
    LlmRefused,
    error_of_status,
    retry_after_of,
)
from sync_server.platform.llm.transport import error_of_transport

log = structlog.get_logger(__name__)
_Kind = TypeVar("_Kind")
PROVIDER: Final = "twelvelabs"
INLINE_BYTES: Final = 20_000_000
ASSET_BYTES: Final = 200_000_000
MAX_ANSWER_BYTES: Final = 1_000_000
POLL_S: Final = 1.0
DELETE_S: Final = 5.0


class _Asset(msgspec.Struct, frozen=True):
    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,128}$")] = msgspec.field(name="_id")
    status: str


class _Usage(msgspec.Struct, frozen=True):
    output_tokens: int
    input_tokens: int | None = None


class _Analysis(msgspec.Struct, frozen=True):
    data: str = ""
    finish_reason: str = ""
    usage: _Usage | None = None


class TwelveLabsModel:
    """One Pegasus model. Raises LlmNotConfigured without a key."""

    provider: Final = PROVIDER

    def __init__(
        self, api_key: str, model: str, base_url: str, *, inline_bytes: int = INLINE_BYTES
    ) -> None:
        if not api_key:
            raise LlmNotConfigured("no key for TwelveLabs")
        self.model = model
        self._inline_bytes = inline_bytes
        self._deletions: set[asyncio.Task[None]] = set()
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers={"x-api-key": api_key},
            timeout=None,  # noqa: S113 - the guard's deadline bounds every call
            follow_redirects=False,
        )

    async def answer(self, question: Question) -> RawAnswer:
        """Ask once; see `AnswerModel`."""
        if question.video is None:
            raise LlmRefused("this adapter takes only videos")
        async with self._source_of(question.video) as source:
            body = await self._send(
                "POST",
                "analyze",
                json={
                    "model_name": self.model,
                    "video": source,
                    "prompt": "\n\n".join(
                        part for part in (question.system, question.text) if part
                    ),
                    "temperature": question.temperature,
                    "response_format": {"type": "json_schema", "json_schema": question.schema},
                    "max_tokens": question.max_output_tokens,
                    "stream": False,
                },
            )
        return _read(_decoded(body, _Analysis), self.model)

    async def close(self) -> None:
        """Wait for deletions under way, close connections."""
        if self._deletions:
            await asyncio.wait(self._deletions, timeout=DELETE_S)
        await self._client.aclose()

    @asynccontextmanager
    async def _source_of(self, video: Video) -> AsyncIterator[dict[str, str]]:
        try:
            size = video.path.stat().st_size
            content = await asyncio.to_thread(video.path.read_bytes) if size <= ASSET_BYTES else b""
        except OSError as error:
            raise LlmRefused(f"the video cannot be read: {type(error).__name__}") from None
        if not content:
            raise LlmRefused(f"a video of {size} bytes")
        if size <= self._inline_bytes:
            encoded = await asyncio.to_thread(b64encode, content)
            yield {"type": "base64_string", "base64_string": encoded.decode()}
            return
        asset = await self._asset("POST", "assets", data={
            "method": "direct", "enable_hls": "false", "enable_thumbnail": "false",
        }, files={"file": ("video.mp4", content, video.mime_type)})  # fmt: skip
        try:
            while asset.status == "processing":
                await asyncio.sleep(POLL_S)
                asset = await self._asset("GET", f"assets/{asset.id}")
            if asset.status != "ready":
                raise LlmRefused("the asset failed")
            yield {"type": "asset_id", "asset_id": asset.id}
        finally:
            await self._deleted(asset.id)

    async def _asset(self, method: str, path: str, **content: Any) -> _Asset:
        return _decoded(await self._send(method, path, **content), _Asset)

    async def _deleted(self, asset_id: str) -> None:
        """Delete an asset; goes on in the background when the caller is cancelled meanwhile."""
        task = asyncio.create_task(self._delete(asset_id))
        self._deletions.add(task)
        task.add_done_callback(self._deletions.discard)
        with suppress(TimeoutError):
            async with asyncio.timeout(DELETE_S):
                await asyncio.shield(task)

    async def _delete(self, asset_id: str) -> None:
        try:
            async with asyncio.timeout(DELETE_S):
                await self._send("DELETE", f"assets/{asset_id}")
        except (LlmError, TimeoutError) as error:
            log.warning("twelvelabs_asset_not_deleted", kind=type(error).__name__)

    async def _send(self, method: str, path: str, **content: Any) -> bytes:
        try:
            async with self._client.stream(method, path, **content) as reply:
                body = bytearray()
                async for part in reply.aiter_bytes():
                    body += part
                    if len(body) > MAX_ANSWER_BYTES:
                        raise LlmAnswerBroken("it is too long")
                if not reply.is_success:
                    raise error_of_status(reply.status_code, retry_after_of(reply.headers))
                return bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise error_of_transport(error) or LlmNotConfigured(type(error).__name__) from None


def _decoded(body: bytes, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise LlmAnswerBroken("not the documented answer") from None


def _read(analysis: _Analysis, asked: str) -> RawAnswer:
    if analysis.finish_reason == "length":
        raise LlmAnswerBroken("it is cut: too long")
    if analysis.finish_reason != "stop":
        raise LlmAnswerBroken("it is not finished (no finish reason)")
    if not analysis.data.strip():
        raise LlmAnswerBroken("it is empty")
    usage = analysis.usage
    return RawAnswer(
        text=analysis.data,
        model=asked,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
    )
