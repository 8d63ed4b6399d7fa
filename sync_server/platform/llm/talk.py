"""What a chat asks of a model and what comes back, piece by piece; nothing here knows a vendor."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias


@dataclass(frozen=True)
class Talk:
    """A conversation to go on with. `turns` end with the user's; `jpeg` belongs to that one.

    `model`: another one than the adapter's own (for pictures), or empty.
    """

    prompt_version: str
    system: str
    turns: tuple[tuple[Literal["user", "assistant"], str], ...]
    jpeg: bytes | None = None
    max_output_tokens: int = 512
    temperature: float = 0.4
    model: str = ""


@dataclass(frozen=True)
class Said:
    """Some more text; never empty."""

    text: str


@dataclass(frozen=True)
class Ended:
    """The service has finished. `cut`: it ran into `max_output_tokens`. `model` has answered."""

    model: str
    cut: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None


Piece: TypeAlias = Said | Ended


class StreamModel(Protocol):
    """A model behind an adapter that can stream; one `stream` is one try."""

    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...

    def stream(self, talk: Talk) -> AsyncGenerator[Piece, None]:
        """Yield text as it comes, then `Ended` once, as the last.

        No retry, no deadline of its own. Cancelling the task that reads closes the connection.
        Raises an `LlmError`: also where the stream ends without a finish reason.
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
