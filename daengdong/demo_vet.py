"""What the demo asks the server's vet chat about its dog: an everyday question, an emergency."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from daengdong.phone import Phone
from daengdong.vet_chat import Talk, ask, rest_of

QUESTIONS: Final = (
    "강아지가 귀를 계속 긁는데 진드기일까요?",
    "산책하다가 땅에 떨어진 초콜릿을 먹었어요. 지금 몸을 떨고 있어요.",
)


class VetRow(msgspec.Struct, frozen=True, kw_only=True):
    """One question and its whole answer."""

    question: str
    answer: dict[str, Any]


async def ask_vet(
    phone: Phone, address: str, tell: Callable[[str], None], show: Callable[[str], None]
) -> tuple[VetRow, ...]:
    """Ask about this phone's dog, in one conversation; raises ChatFailed.

    `show` gets the pieces of an answer as they come, `tell` whole lines.
    """
    talk = Talk(dog_id=await phone.store.get_meta("dog_id"))
    rows = []
    for question in QUESTIONS:
        tell(f"\n> {question}")
        answer = await ask(phone, address, talk, question, show)
        for line in rest_of(talk.language, answer):
            tell(line)
        rows.append(VetRow(question=question, answer=answer))
    return tuple(rows)
