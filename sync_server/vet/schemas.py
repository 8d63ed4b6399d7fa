"""What the vet routes take and answer; the chat's bodies are the product's."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge_sdk.sync.facts import Id
from sync_server.ai.contract import ShortText
from sync_server.ai.vet.contract import (
    MAX_HISTORY,
    MAX_MESSAGE_CHARS,
    AnswerText,
    Citation,
    PastTurn,
    Route,
    SafetyNote,
    UserContext,
)
from sync_server.ai.vet.report_contract import ReportSection
from sync_server.jobs import service as jobs

CONVERSATION_PATTERN: Final = r"^([A-Za-z0-9_][A-Za-z0-9_.:-]*)?$"
ConversationId: TypeAlias = Annotated[str, Meta(max_length=128, pattern=CONVERSATION_PATTERN)]
ImageUrl: TypeAlias = Annotated[str, Meta(max_length=2_048, pattern=r"^[^\x00]*$")]


class ChatMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user's question."""

    role: Literal["user"]
    content: Annotated[str, Meta(max_length=MAX_MESSAGE_CHARS, pattern=r"^[^\x00]*$")]


class ClientContext(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the client says of the dog; 0 kg means that it does not know."""

    dog_age_years: Annotated[float, Meta(ge=0, le=40)] | None = None
    dog_weight_kg: Annotated[float, Meta(ge=0, le=150)] | None = None
    breed: ShortText | None = None

    def known(self) -> UserContext:
        """Return what is really said."""
        return UserContext(self.dog_age_years, self.dog_weight_kg or None, self.breed or None)


class ChatBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn of a user.

    `conversation_id` empty or left out: a new conversation. `history` counts only for a
    conversation that is not kept here. `image_url`: the key of an own upload, or a URL. `dog_id`:
    an own dog, whose records are then taken into account; it stays the conversation's.
    """

    message: ChatMessage
    conversation_id: ConversationId | None = None
    image_url: ImageUrl | None = None
    history: Annotated[list[PastTurn], Meta(max_length=MAX_HISTORY)] | None = None
    user_context: ClientContext | None = None
    dog_id: Id | None = None


class VetProcessing(msgspec.Struct, frozen=True):
    """How the answer came about; `notice` says what was limited, or is empty."""

    latency_ms: int
    model_used: str
    route: Route
    rag_used: bool
    cached: bool
    notice: str


class VetAnswer(msgspec.Struct, frozen=True):
    """The answer of a turn, and the `final` event of its stream."""

    conversation_id: str
    turn_id: str
    answered_at: str
    answer: AnswerText
    safety: SafetyNote
    followups: list[str]
    citations: list[Citation]
    processing: VetProcessing


class StreamEvent(msgspec.Struct, frozen=True):
    """An event of a stream; `data` is JSON.

    `token` and `replace`: `{"text"}`, where a replacement voids all that was shown before;
    `final`: the answer of the synchronous path; `error`: the error body. `id` is
    `turn.revision.offset` and goes into Last-Event-ID.
    """

    id: str
    event: Literal["token", "replace", "final", "error"]
    data: str


class VetHealth(msgspec.Struct, frozen=True):
    """Whether the vet chat works: `ok` or `degraded`, and each part it needs."""

    status: str
    dependencies: dict[str, str]
    backend: str
    model: str
    knowledge: dict[str, int]


# --- conversations -------------------------------------------------------------------------


class ConversationDoc(msgspec.Struct, frozen=True):
    """A conversation in the list; `title` is how its first question begins."""

    conversation_id: str
    title: str
    dog_id: str | None
    turns: int
    created_at_ms: int
    updated_at_ms: int


class ConversationList(msgspec.Struct, frozen=True):
    """Conversations, last used first; `next_before_ms` asks for the next page, null at the end."""

    conversations: list[ConversationDoc]
    next_before_ms: int | None


class TurnDoc(msgspec.Struct, frozen=True):
    """A turn: question and answer; `answer` is null until it is done.

    `content` is what was shown so far. `state`: streaming, done, interrupted or failed.
    """

    turn_id: str
    turn_no: int
    question: str
    image_url: str | None
    content: str
    state: str
    answer: VetAnswer | None
    error_code: str | None
    created_at_ms: int
    finished_at_ms: int | None


class MemoryDoc(msgspec.Struct, frozen=True):
    """What is remembered of turns that are too old to be read again word for word."""

    summary: str
    key_facts: list[str]


class ConversationRead(msgspec.Struct, frozen=True):
    """A conversation with a page of its turns, oldest first; `next_after` asks for the next."""

    conversation: ConversationDoc
    memory: MemoryDoc
    turns: list[TurnDoc]
    next_after: int | None


# --- reports -------------------------------------------------------------------------------


class ReportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to report on: an own dog, an own conversation, or both."""

    conversation_id: (
        Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]*$")] | None
    ) = None
    dog_id: Id | None = None


class ReportAccepted(msgspec.Struct, frozen=True):
    """A report job was taken."""

    job_id: str
    status: str


class ReportStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a report job; `error` only with failed."""

    job_id: str
    status: str
    progress: jobs.StageProgress
    error: jobs.DetailedError | UnsetType = UNSET


class ReportResult(msgspec.Struct, frozen=True):
    """A finished report. General information, no diagnosis."""

    job_id: str
    analysis_id: str
    analyze_at: str
    conversation_id: str | None
    dog_id: str | None
    sections: list[ReportSection]
    disclaimer: str
    model_version: str
