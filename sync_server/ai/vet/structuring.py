"""What stands beside an answer: its citations, and questions to ask next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sync_server.ai.vet.contract import Language
from sync_server.ai.vet.ports import Passage, SafetyFlags
from sync_server.ai.vet.routing import Kind

MAX_FOLLOWUPS: Final = 3
USED_SHARE: Final = 0.2
"""A passage counts as used when so much of its wording (three characters at a time) comes back."""

_URGENT: Final = {
    "ko": (
        "지금 숨을 편하게 쉬고 의식이 또렷한가요?",
        "언제부터, 얼마나 자주 그런가요?",
        "가장 가까운 24시 동물병원에 연락하셨나요?",
    ),
    "en": (
        "Is your dog breathing easily and fully awake right now?",
        "Since when and how often?",
        "Have you called the nearest 24-hour clinic?",
    ),
}
_GENERAL: Final = {
    "ko": (
        "언제부터 그런 모습이 보였나요?",
        "먹고 마시는 것과 대소변은 평소와 같나요?",
        "아이의 나이와 체중, 앓고 있는 병이 있나요?",
    ),
    "en": (
        "Since when have you seen this?",
        "Are eating, drinking and toilet as usual?",
        "How old and heavy is your dog, and does it have any illness?",
    ),
}
_SENTENCE: Final = re.compile(r".+?(?:[.!?。…]\s+|\n+|\Z)", re.DOTALL)


def pieces_of(text: str) -> list[str]:
    """Sentences and lines with the blanks behind them: joined they are the text."""
    return _SENTENCE.findall(text)


def followups(
    flags: SafetyFlags, kind: Kind, document: Sequence[Passage], language: Language
) -> list[str]:
    """Questions that would help most: what presses, the document's own, general ones."""
    small_talk = kind in ("greeting", "thanks") or "off_topic" in flags.declined
    if (small_talk and not flags.pressing) or flags.owner_crisis:
        return []
    urgent = any(sign.urgency == "now" for sign in flags.pressing)
    asked = list(_URGENT[language]) if urgent else []
    asked += _lines(document, "followups") or list(_GENERAL[language])
    return list(dict.fromkeys(asked))[:MAX_FOLLOWUPS]


def used_passages(told: Sequence[Passage], answer: str) -> list[Passage]:
    """The passages whose wording shows in a model's answer; a guess, on the narrow side."""
    shown = _triples(answer)
    return [one for one in told if _share(_triples(one.text), shown) >= USED_SHARE]


def _share(wording: set[str], shown: set[str]) -> float:
    return len(wording & shown) / len(wording) if wording else 0.0


def _triples(text: str) -> set[str]:
    bare = re.sub(r"[\W_]+", "", text.casefold())
    return {bare[at : at + 3] for at in range(len(bare) - 2)}


def _lines(document: Sequence[Passage], section: str) -> list[str]:
    return [
        line.strip().removeprefix("- ")
        for one in document
        if one.section == section
        for line in one.text.splitlines()
        if line.strip()
    ]
