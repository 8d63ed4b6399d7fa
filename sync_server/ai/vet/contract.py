"""The wire of the vet chat between backend and AI role, after the product's chapter on it.

`POST /internal/ai/vet/chat` takes a `ChatRequest` and answers a `ChatAnswer`; `.../chat/stream`
answers server-sent events: `token`, `replace`, `final`, `error`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from sync_server.ai.contract import ShortText, Url

Language: TypeAlias = Literal["ko", "en"]
Route: TypeAlias = Literal["text_only", "vlm"]
MAX_MESSAGE_CHARS: Final = 2_000
MAX_HISTORY: Final = 40
RECENT_TURNS: Final = 6
"""So many last questions with their answers go to the model word for word; what is older comes as
memory."""
TIMEOUT_MS: Final = 15_000

Words: TypeAlias = Annotated[str, Meta(max_length=8_000, pattern=r"^[^\x00]*$")]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user's turn; there is no other role to send."""

    content: Annotated[str, Meta(max_length=8_000, pattern=r"^[^\x00]*$")]
    role: Literal["user"] = "user"


class PastTurn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn of before. A client cannot send a `system` turn."""

    role: Literal["user", "assistant"]
    content: Words


class UserContext(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the client says of the dog; years and kilograms, halves allowed."""

    dog_age_years: Annotated[float, Meta(ge=0, le=40)] | None = None
    dog_weight_kg: Annotated[float, Meta(gt=0, le=150)] | None = None
    breed: ShortText | None = None


class DogFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the backend knows of the dog, read through the services that own it.

    `walks`, `gait`, `emotion`: one plain sentence each in the language of the request, with dates;
    empty where there is nothing. All of it is data, never instruction.
    """

    name: ShortText = ""
    breed: ShortText = ""
    age_years: float | None = None
    weight_kg: float | None = None
    sex: ShortText = ""
    neutered: bool | None = None
    walks: Words = ""
    gait: Words = ""
    emotion: Words = ""
    version: ShortText = ""
    """Changes with any of the above: the answer cache keys on it."""


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Older turns of the conversation: a summary and facts, from what the *user* said only."""

    summary: Words = ""
    key_facts: Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(max_length=40)] = []


class ChatOptions(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How to answer."""

    use_rag: bool = True
    max_tokens: Annotated[int, Meta(ge=32, le=2_048)] = 512
    temperature: Annotated[float, Meta(ge=0, le=1)] = 0.4


class ChatRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn as the backend hands it over. Only the first three fields are the seed's must.

    `partial`: what a stream that broke off has already shown; the answer goes on from there.
    """

    conversation_id: Annotated[str, Meta(min_length=1, max_length=128)]
    message: Message
    image_url: Url | None = None
    history: Annotated[list[PastTurn], Meta(max_length=MAX_HISTORY)] = []
    user_context: UserContext = UserContext()
    options: ChatOptions = ChatOptions()
    dog: DogFacts | None = None
    memory: Memory | None = None
    language: Language = "ko"
    partial: Words = ""


class Citation(msgspec.Struct, frozen=True):
    """A passage that the answer rests on. `score` 0..1, `snippet` at most 240 characters."""

    doc_id: str
    title: str
    chunk_id: str
    score: float
    snippet: str


class AnswerText(msgspec.Struct, frozen=True):
    """What the user reads; `tone` urgent where the dog should be seen at once."""

    content: str
    tone: Literal["informative", "urgent", "supportive"] = "informative"


class SafetyNote(msgspec.Struct, frozen=True):
    """The disclaimer, general warning signs, and what to do when they show."""

    disclaimer: str
    urgent_signals: list[str]
    urgent_recommendation: str


class Processing(msgspec.Struct, frozen=True):
    """How the answer came about. `notice` says in the user's language what was limited, or empty.

    `stage_ms`: the nine stages. `model_used` names backend, model and prompt version.
    """

    latency_ms: int
    model_used: str
    route: Route = "text_only"
    rag_used: bool = False
    cached: bool = False
    notice: str = ""
    stage_ms: dict[str, float] = {}
    tokens_in: int | None = None
    tokens_out: int | None = None


class ChatAnswer(msgspec.Struct, frozen=True):
    """The whole answer of a turn. `citations` is empty where nothing was used."""

    answer: AnswerText
    safety: SafetyNote
    followups: list[str]
    citations: list[Citation]
    processing: Processing


class Token(msgspec.Struct, frozen=True, tag="token"):
    """The next piece of the answer, already checked. Pieces joined are the answer so far."""

    text: str


class Replace(msgspec.Struct, frozen=True, tag="replace"):
    """All that was shown of this answer is void; this stands in its place."""

    text: str


class Done(msgspec.Struct, frozen=True, tag="final"):
    """The answer is complete; its `answer.content` is what the pieces amounted to."""

    answer: ChatAnswer


ChatEvent: TypeAlias = Token | Replace | Done

Code: TypeAlias = Literal[
    "INVALID_INPUT", "IMAGE_FETCH_FAILED", "LLM_TIMEOUT", "RATE_LIMITED", "INTERNAL_ERROR"
]


class ChatRefused(Exception):
    """A turn that ends in an error of the product: 400, 400, 504, 429, 500."""

    def __init__(
        self,
        code: Code,
        *,
        details: dict[str, Any] | None = None,
        message: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code)
        self.code: Code = code
        self.details = details or {}
        self.message = message
        self.retry_after_s = retry_after_s
