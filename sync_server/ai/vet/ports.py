"""What the pipeline is made of: who screens, who searches, who answers.

Flags and passages are values; the pipeline composes them and never looks inside a part.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from sync_server.ai.vet.contract import ChatRequest, Citation, Language, Route, SafetyNote

Declined: TypeAlias = Literal[
    "diagnosis", "dose", "prescription", "human_medicine", "procedure_at_home", "euthanasia",
    "illegal", "off_topic",
]  # fmt: skip
"""What is asked for and kindly not given; something useful is said instead."""


@dataclass(frozen=True)
class Sign:
    """One sign of an emergency that the user reports. `sign_id` is stable; `name` is shown."""

    sign_id: str
    name: str
    urgency: Literal["now", "today"]
    """now: go to an emergency clinic at once; today: see a vet the same day."""
    earlier: bool = False
    """Reported in an earlier turn, not said to be over, and this message asks something else."""


@dataclass(frozen=True)
class SafetyFlags:
    """What pre-safety saw in message and history (and nothing a document or picture says)."""

    signs: tuple[Sign, ...] = ()
    declined: frozenset[Declined] = frozenset()
    injection: bool = False
    """Someone tries to change the rules; the rest of the message is answered under them."""
    owner_crisis: bool = False
    """The owner may hurt themselves: help lines first, kindly."""

    @property
    def emergency(self) -> bool:
        """Whether a sign asks for a clinic at once, one of an earlier turn too."""
        return any(sign.urgency == "now" for sign in self.signs)

    @property
    def pressing(self) -> tuple[Sign, ...]:
        """The signs that this message is about: they are what is answered."""
        return tuple(sign for sign in self.signs if not sign.earlier)

    @property
    def earlier(self) -> tuple[Sign, ...]:
        """The signs of earlier turns: a reminder comes first, then this message is answered."""
        return tuple(sign for sign in self.signs if sign.earlier)


class PreSafety(Protocol):
    """Screens a turn before any model sees it; never raises, never waits."""

    def screen(self, request: ChatRequest) -> SafetyFlags: ...


@dataclass(frozen=True)
class Verdict:
    """The checked whole. `replaced`: all that was shown is void and `content` stands instead,
    its opening included; else `content` is the model's answer, the opening stands before it."""

    content: str
    replaced: bool
    reasons: tuple[str, ...] = ()
    """Codes of what was found and rewritten: "dose", "diagnosis", "dangerous_advice", ..."""


class StreamCheck(Protocol):
    """Post-safety of one answer while it streams; holds back what it cannot judge yet."""

    def feed(self, text: str) -> str:
        """Take the model's next text and return what may be shown now (maybe empty)."""
        ...

    @property
    def tripped(self) -> bool:
        """Whether the rest of the model's answer is of no use: stop it and call `finish`."""
        ...

    def finish(self) -> Verdict:
        """Judge the whole. Without `replaced`, what `feed` returned is a prefix of `content`."""
        ...


class PostSafety(Protocol):
    """Makes the check of one answer."""

    def check(self, request: ChatRequest, flags: SafetyFlags) -> StreamCheck: ...


@dataclass(frozen=True)
class Passage:
    """A found piece of a document. `score` 0..1, comparable between questions."""

    doc_id: str
    chunk_id: str
    title: str
    text: str
    score: float
    section: str = ""
    """Of our own entries: summary, home_care, see_vet, emergency, avoid, followups; else empty."""

    def citation(self) -> Citation:
        """The passage as it is shown."""
        snippet = self.text if len(self.text) <= 240 else self.text[:239].rstrip() + "…"
        return Citation(self.doc_id, self.title, self.chunk_id, round(self.score, 4), snippet)


class Knowledge(Protocol):
    """Searches what has been reviewed; open to many readers."""

    async def search(self, query: str, language: Language, limit: int = 5) -> Sequence[Passage]:
        """Return the best passages above the floor, best first; empty when nothing fits."""
        ...

    async def document(self, doc_id: str, language: Language) -> Sequence[Passage]:
        """Return all passages of a document in their order (score 1), for a whole answer of it."""
        ...

    async def health(self) -> dict[str, int]:
        """Count documents, chunks, vectors."""
        ...


@dataclass(frozen=True)
class Picture:
    """A checked picture for a model: at most 1024 px, no metadata."""

    jpeg: bytes
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Prompt:
    """What a backend answers from. `turns` end with the user's message.

    `system` holds the rules and, fenced as data, dog, memory and passages.
    """

    version: str
    system: str
    turns: tuple[tuple[Literal["user", "assistant"], str], ...]
    picture: Picture | None = None
    max_tokens: int = 512
    temperature: float = 0.4


@dataclass(frozen=True)
class Ask:
    """All that a backend may need for one turn."""

    request: ChatRequest
    flags: SafetyFlags
    route: Route
    passages: Sequence[Passage]
    prompt: Prompt
    said: str = ""
    """What this backend has already said of the answer: it goes on from there."""
    kind: str = "what_is"
    """What kind of question it is (`routing.Kind`)."""
    document: Sequence[Passage] = ()
    """All of the document that the best passage is from, its score that passage's."""


@dataclass
class Usage:
    """Filled while a backend answers."""

    model: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    details: dict[str, float] = field(default_factory=dict)
    cut: bool = False
    """Whether the answer ran into its greatest length."""
    used: list[Passage] | None = None
    """The passages that the answer rests on, where the backend knows; else the pipeline judges."""


class Backend(Protocol):
    """Answers a turn: a model behind an address, or the knowledge base itself."""

    @property
    def name(self) -> str:
        """For `model_used` and the health check."""
        ...

    @property
    def sees(self) -> bool:
        """Whether it can look at a picture."""
        ...

    def answer(self, ask: Ask, usage: Usage) -> AsyncGenerator[str, None]:
        """Yield text as it comes; closing it ends the call. Raises `platform.llm` errors."""
        ...

    async def close(self) -> None: ...


class Notes(Protocol):
    """The safety texts that no model writes (`safety/notes.py`)."""

    def opening(self, flags: SafetyFlags, language: Language) -> str:
        """What comes first: go to a clinic, or whom to call; empty where nothing presses."""
        ...

    def decline_text(self, flags: SafetyFlags, language: Language) -> str:
        """Say kindly what is not given, and what helps; empty where nothing was declined."""
        ...

    def safety_note(
        self, flags: SafetyFlags, passages: Sequence[Passage], language: Language
    ) -> SafetyNote:
        """Disclaimer, signs to watch for (also those of the passages), and what to do then."""
        ...

    def safe_template(self, request: ChatRequest, flags: SafetyFlags, language: Language) -> str:
        """A whole answer, its opening included, that is right whatever was asked."""
        ...

    def system_rules(self, language: Language) -> str:
        """The rules for a model."""
        ...
