"""What an adapter is asked and what it answers; nothing here knows a vendor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Video:
    """A video file to look at, `frames_per_second` of it."""

    path: Path
    mime_type: str
    frames_per_second: float


@dataclass(frozen=True)
class Question:
    """One question with the shape of its answer.

    `schema` is JSON Schema of the plain subset that all services take (`schema.py`). `system` may
    be empty. `max_output_tokens` bounds the cost of an answer; one of ours has some 200, models
    that think before they answer need the rest.
    """

    prompt_version: str
    text: str
    schema: dict[str, Any]
    system: str = ""
    video: Video | None = None
    max_output_tokens: int = 2_048
    temperature: float = 0.0

    def again(self, problem: str) -> Question:
        """The same question, saying what was wrong with the answer before."""
        note = (
            "Your previous answer could not be used: "
            f"{problem}. Answer again with one complete JSON object of the given schema."
        )
        return replace(self, text=f"{self.text}\n\n{note}")


@dataclass(frozen=True)
class RawAnswer:
    """What a model said. `model` is what the service says has answered."""

    text: str
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None


class AnswerModel(Protocol):
    """A model behind an adapter; one `answer` is one try."""

    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...

    async def answer(self, question: Question) -> RawAnswer:
        """Ask once; no retry, no deadline of its own. Cancelling closes the connection.

        Raises an `LlmError`; never returns an answer that the service did not finish.
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


@dataclass(frozen=True)
class Answered(Generic[Answer]):
    """A checked answer, and what is written down of how it came about."""

    value: Answer
    provider: str
    model: str
    prompt_version: str
    calls: int
    repaired: bool
    input_tokens: int | None
    output_tokens: int | None
