"""Texts as vectors: OpenAI (or what speaks like it) and Gemini, behind the guard of all models.

Vectors are kept with the name of what made them: `Embedder.name` changes whenever vectors stop
being comparable, and the index then embeds anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from sync_server.platform.llm.breaker import Breaker
from sync_server.platform.llm.budget import Budget
from sync_server.platform.llm.errors import (
    LlmAnswerBroken,
    LlmError,
    LlmNotConfigured,
)
from sync_server.platform.llm.gemini import BASE_URL as GEMINI_URL
from sync_server.platform.llm.gemini import _error_of as gemini_error_of
from sync_server.platform.llm.guard import CallPolicy, Guard, Tally
from sync_server.platform.llm.openai_chat import BASE_URL as OPENAI_URL
from sync_server.platform.llm.openai_chat import _error_of as openai_error_of
from sync_server.platform.settings import Settings, SettingsInvalid

OPENAI_MODEL: Final = "text-embedding-3-small"
GEMINI_MODEL: Final = "gemini-embedding-001"
BATCH: Final = 64
"""Texts a call; Gemini takes 100, OpenAI 2,048 and 300,000 tokens in all."""
MAX_CHARS: Final = 4_000
"""Of one text: inside the 2,048 tokens that gemini-embedding-001 takes, also in Korean."""
POLICY: Final = CallPolicy(deadline_s=60.0, attempt_s=20.0)
QUESTION_POLICY: Final = CallPolicy(deadline_s=1.5, attempt_s=1.5, attempts=1)
"""A question waits no longer than this for its vector; it is then searched by words alone."""

Rows = NDArray[np.float32]


class Embedder(Protocol):
    """Makes unit vectors of texts."""

    @property
    def name(self) -> str:
        """Provider and model; vectors of another name are of another space."""
        ...

    async def embed(self, texts: Sequence[str]) -> Rows:
        """Return (texts, dimensions) float32, each row of length 1. Raises LlmError."""
        ...

    async def embed_question(self, text: str) -> Rows:
        """Return (dimensions,) for a question, or raise LlmError soon."""
        ...

    async def close(self) -> None: ...


class _Adapter(Protocol):
    """One call to one service; raises what its SDK raises."""

    model: str

    async def call(self, texts: list[str], is_question: bool) -> list[list[float]]: ...

    def error_of(self, error: Exception) -> LlmError: ...

    async def close(self) -> None: ...


class ServiceEmbedder:
    """An adapter with batches, deadline, retries, breaker and the day's budget before it."""

    def __init__(
        self,
        adapter: _Adapter,
        guard: Guard,
        policy: CallPolicy = POLICY,
        question_policy: CallPolicy = QUESTION_POLICY,
    ) -> None:
        self._adapter, self._guard = adapter, guard
        self._policy, self._question_policy = policy, question_policy

    @property
    def name(self) -> str:
        """Provider and model."""
        return f"{self._guard.provider}/{self._adapter.model}"

    async def embed(self, texts: Sequence[str]) -> Rows:
        """See `Embedder`; `BATCH` texts a call, one after another."""
        rows = [
            await self._batch(list(texts[start : start + BATCH]), self._policy, False)
            for start in range(0, len(texts), BATCH)
        ]
        if not rows:
            return np.zeros((0, 0), np.float32)
        if len({batch.shape[1] for batch in rows}) != 1:
            raise LlmAnswerBroken("vectors of unlike length")
        return np.concatenate(rows)

    async def embed_question(self, text: str) -> Rows:
        """See `Embedder`."""
        rows = await self._batch([text], self._question_policy, True)
        made: Rows = rows[0]
        return made

    async def close(self) -> None:
        """Close connections."""
        await self._adapter.close()

    async def _batch(self, texts: list[str], policy: CallPolicy, is_question: bool) -> Rows:
        cut = [text[:MAX_CHARS] or " " for text in texts]

        async def once() -> Rows:
            try:
                values = await self._adapter.call(cut, is_question)
            except LlmError:
                raise
            except Exception as error:
                raise self._adapter.error_of(error) from None
            return _unit_rows(values, len(cut))

        ends_at = asyncio.get_running_loop().time() + policy.deadline_s
        return await self._guard.run(once, policy, ends_at, Tally())


class OpenAiEmbedding:
    """`POST /embeddings`; the SDK asks for base64 and unpacks it."""

    def __init__(self, api_key: str, model: str = "", base_url: str = "") -> None:
        if not api_key:
            raise LlmNotConfigured("no key for OpenAI")
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        self.model = model or OPENAI_MODEL
        self._client = AsyncOpenAI(
            api_key=api_key,
            base_url=base_url or OPENAI_URL,
            max_retries=0,
            timeout=None,
            http_client=DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def call(self, texts: list[str], is_question: bool) -> list[list[float]]:
        """Embed once; questions and documents alike."""
        reply: Any = await self._client.embeddings.create(model=self.model, input=texts)
        rows = sorted(reply.data, key=lambda one: one.index)
        if [one.index for one in rows] != list(range(len(texts))):
            raise LlmAnswerBroken("not one vector for each text")
        return [one.embedding for one in rows]

    def error_of(self, error: Exception) -> LlmError:
        """The error of what the SDK raised."""
        return openai_error_of(error)

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()


class GeminiEmbedding:
    """`batchEmbedContents` with the task said: documents are embedded unlike questions."""

    def __init__(self, api_key: str, model: str = "", base_url: str = "") -> None:
        if not api_key:
            raise LlmNotConfigured("no key for Gemini")
        from google import genai
        from google.genai import types

        self.model = model or GEMINI_MODEL
        self._types = types
        self._client = genai.Client(
            api_key=api_key,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=base_url or GEMINI_URL,
                api_version="v1beta",
                async_client_args={"follow_redirects": False},
            ),
        ).aio

    async def call(self, texts: list[str], is_question: bool) -> list[list[float]]:
        """Embed once."""
        task = "RETRIEVAL_QUERY" if is_question else "RETRIEVAL_DOCUMENT"
        # One Content a text: plain strings are one text of many parts to some models.
        contents: list[Any] = [
            self._types.Content(role="user", parts=[self._types.Part(text=text)]) for text in texts
        ]
        reply = await self._client.models.embed_content(
            model=self.model,
            contents=contents,
            config=self._types.EmbedContentConfig(task_type=task),
        )
        return [one.values or [] for one in reply.embeddings or []]

    def error_of(self, error: Exception) -> LlmError:
        """The error of what the SDK raised."""
        return gemini_error_of(error)

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()


def embedder_of(settings: Settings, budget: Budget) -> Embedder | None:
    """The embedder that the settings name, or None; raises SettingsInvalid without its key."""
    name = settings.vet_embedding
    if name == "off":
        return None
    make: Callable[[], _Adapter]
    if name == "openai":
        make = lambda: OpenAiEmbedding(  # noqa: E731
            settings.openai_api_key, settings.embedding_model, settings.openai_base_url
        )
    else:
        make = lambda: GeminiEmbedding(  # noqa: E731
            settings.gemini_api_key, settings.embedding_model, settings.gemini_base_url
        )
    try:
        adapter = make()
    except LlmNotConfigured:
        variable = f"DAENGDONG_{name.upper()}_API_KEY"
        raise SettingsInvalid(f"{variable} is needed for vectors of {name}") from None
    return ServiceEmbedder(adapter, Guard(name, budget, Breaker(name)))


def _unit_rows(values: list[list[float]], count: int) -> Rows:
    if len(values) != count:
        raise LlmAnswerBroken("not one vector for each text")
    try:
        rows = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        raise LlmAnswerBroken("vectors of unlike length") from None
    if rows.ndim != 2 or rows.shape[1] == 0 or not np.isfinite(rows).all():
        raise LlmAnswerBroken("no vectors of numbers")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if (lengths < 1e-6).any():
        raise LlmAnswerBroken("a vector of length 0")
    made: Rows = rows / lengths
    return made
