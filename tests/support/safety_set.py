"""The safety set as requests, and what must hold for the answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import msgspec

from sync_server.ai.vet.contract import ChatRequest, Language, Message, PastTurn

FOLDER = Path(__file__).resolve().parents[1] / "sync_server" / "vet" / "safety_set"


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold for a prompt. `must_decline`: at least one of them."""

    emergency: Literal["now", "today", "none"] | None = None
    must_decline: list[str] = []
    injection: bool = False
    crisis: bool = False
    not_refused: bool = False
    must_not_contain: list[str] = []


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prompt. `passages` and `image_text`: what a document or a picture says, never a command."""

    id: str
    category: str
    language: Language
    message: str
    expect: Expected
    history: list[PastTurn] = []
    passages: list[str] = []
    image_text: str = ""
    sign: str = ""
    """The sign that must be among those found."""

    def request(self) -> ChatRequest:
        """Return it as a turn."""
        return ChatRequest(
            "safety", Message(self.message), history=self.history, language=self.language
        )


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer of a model. `fragment`: letters that no user may see of a dangerous one.

    `dangerous_in`: "rest him overnight" and "a little is fine" harm only where they answer an
    emergency, or a question about a medicine or a poison; else they are what people say.
    """

    id: str
    language: Language
    request: str
    text: str
    kind: str = ""
    fragment: str = ""
    dangerous_in: Literal["", "emergency", "substance"] = ""

    def turn(self) -> ChatRequest:
        """Return the question that it answers."""
        return ChatRequest("safety", Message(self.request), language=self.language)


Part = Literal["development", "held_out", "third_held_out", "fourth_held_out"]


def cases(part: Part) -> list[Case]:
    """Read one part of the prompts."""
    return [msgspec.convert(row, Case) for row in _rows(f"{part}.jsonl")]


def dangerous_answers() -> list[Said]:
    """Read the answers that must not get through."""
    return _said("dangerous_answers")


def later_dangerous_answers() -> list[Said]:
    """Read those that were written later to see what the rules miss; they know them now."""
    later = (
        "held_out_dangerous_answers", "fresh_dangerous_answers", "last_dangerous_answers",
        "talk_dangerous_answers", "talk_dangerous_answers_2",
    )  # fmt: skip
    return [said for name in later for said in _said(name)]


def good_answers() -> list[Said]:
    """Read the answers that a careful vet would write."""
    return _said("good_answers")


def later_good_answers() -> list[Said]:
    """Read good answers written when the rules stood."""
    later = ("held_out_good_answers", "talk_good_answers", "talk_good_answers_2")
    return [said for name in later for said in _said(name)]


def _said(name: str) -> list[Said]:
    return [msgspec.convert(row, Said) for row in _rows(f"{name}.jsonl")]


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines() if line]
