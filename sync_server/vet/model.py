"""Conversations and turns as they are kept."""

from __future__ import annotations

import secrets
from typing import Any, Final, Literal, TypeAlias

import msgspec

from sync_server.ai.vet.contract import Language, Memory, PastTurn, UserContext
from sync_server.vet.memory import Fact
from sync_server.vet.schemas import VetAnswer

State: TypeAlias = Literal["streaming", "done", "interrupted", "failed"]
WRITER: Final = secrets.token_hex(8)
"""Names this process as the one that writes a streaming turn."""
LEASE_MS: Final = 10_000
"""A streaming turn whose writer has been silent for longer broke off with its process."""


class TurnError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a turn failed: a code of the catalogue; the words are made for each reader."""

    code: str
    details: dict[str, Any] = {}
    message: str | None = None


class Conversation(msgspec.Struct, frozen=True):
    """A row of `vet_conversation`."""

    conversation_no: int
    user_no: int
    conversation_id: str
    dog_id: str | None
    title: str
    summary: str
    facts: list[Fact]
    brought: list[PastTurn]
    folded_no: int
    turns: int
    created_ms: int
    updated_ms: int

    @property
    def memory(self) -> Memory:
        """What the AI role is told of the older turns."""
        return Memory(self.summary, [fact.text for fact in self.facts])


class Turn(msgspec.Struct, frozen=True):
    """A row of `vet_turn`; `answer` is set where it is done, `error` where it failed."""

    turn_id: str
    conversation_no: int
    conversation_id: str
    user_no: int
    turn_no: int
    language: Language
    user_text: str
    image: str | None
    image_key: str | None
    dog_id: str | None
    user_context: UserContext
    content: str
    revision: int
    state: State
    answer: VetAnswer | None
    error: TurnError | None
    writer: str
    created_ms: int
    saved_ms: int
    finished_ms: int | None

    def is_written_elsewhere(self, now_ms: int) -> bool:
        """Whether another process writes this turn just now."""
        return (
            self.state == "streaming"
            and self.writer != WRITER
            and now_ms - self.saved_ms < LEASE_MS
        )


def conversation_of(row: Any) -> Conversation:
    """Read a row of `vet_conversation`."""
    return Conversation(
        row["conversation_no"], row["user_no"], row["conversation_id"], row["dog_id"],
        row["title"], row["summary"], msgspec.json.decode(row["key_facts"], type=list[Fact]),
        msgspec.json.decode(row["brought"], type=list[PastTurn]), row["folded_no"], row["turns"],
        row["created_ms"], row["updated_ms"],
    )  # fmt: skip


def turn_of(row: Any) -> Turn:
    """Read a row of `vet_turn` with its `conversation_id`."""
    values = {name: row[name] for name in Turn.__struct_fields__}
    values["user_context"] = msgspec.json.decode(row["user_context"], type=UserContext)
    for name, kind in (("answer", VetAnswer), ("error", TurnError)):
        text = row[name]
        values[name] = None if text is None else msgspec.json.decode(text, type=kind)
    return Turn(**values)
