"""No model: the best document of the reviewed knowledge, told for this question and this dog.

What comes first is decided by the kind of question and by how urgent it is; the dog is mentioned
where the document speaks of what holds for it (its age, its size) or of what was measured (gait,
mood, walks). Nothing is made up: every sentence is the document's, ours below, or a record.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Final

from sync_server.ai.vet.contract import DogFacts, Language, UserContext
from sync_server.ai.vet.own_words import HEADINGS, NOT_FOUND, ON_THE_WAY, SMALL_TALK, WORST
from sync_server.ai.vet.ports import Ask, Passage, Usage
from sync_server.ai.vet.structuring import pieces_of

NAME: Final = "embedded-knowledge/1"
_PUPPY_YEARS: Final = 1.0
_SENIOR_YEARS: Final = 8.0
_SMALL_KG: Final = 7.0
_LARGE_KG: Final = 25.0

#: kind or urgency -> sections in order, with the most lines of each
_PLANS: Final[dict[str, tuple[tuple[str, int], ...]]] = {
    "now": (("avoid", 3), ("emergency", 3), ("summary", 2)),
    "today": (("summary", 9), ("see_vet", 3), ("emergency", 3), ("avoid", 2)),
    "may_eat": (("summary", 9), ("avoid", 3), ("see_vet", 2), ("emergency", 3)),
    "when_vet": (("summary", 9), ("emergency", 4), ("see_vet", 4), ("home_care", 2)),
    "home_care": (("summary", 9), ("home_care", 5), ("avoid", 3), ("see_vet", 2)),
    "what_is": (("summary", 9), ("home_care", 3), ("see_vet", 3), ("avoid", 2)),
}
_DECLINED_WHOLLY: Final = frozenset({"off_topic", "illegal"})
_SENTENCE_END: Final = re.compile(r"(?<=[.!?。…])\s+")
_NAME: Final = re.compile(r"[^\W\d_]{1,12}(?:[ -][^\W\d_]{1,12})?")
_YOUNG: Final = re.compile(
    r"어린\s?(강아지|아이|개)|새끼|퍼피|\bpupp(y|ies)\b|\byoung\b", re.IGNORECASE
)
_OLD: Final = re.compile(r"노령|노견|나이\s?(가\s)?(든|많)|\b(old|older|senior)\b", re.IGNORECASE)
_SMALL: Final = re.compile(
    r"소형견|작은\s?(개|강아지|아이|견종)|체중|\bsmall (dog|breed)|\btoy\b|\bbody ?weight\b", re.I
)
_LARGE: Final = re.compile(
    r"대형견|큰\s?(개|강아지|견종)|가슴이\s?깊|\b(large|big|deep-chested)\b", re.IGNORECASE
)
_OF_GAIT: Final = re.compile(
    r"절뚝|절름|걸음|보행|관절|다리를|슬개골|\blimp|\bgait|\bjoint|\bpatella|\bhip\b", re.I
)
_OF_MOOD: Final = re.compile(
    r"불안|스트레스|무서|분리|공격|짖|통증|아파|\banxi|\bstress|\bfear|\bpain", re.IGNORECASE
)
_OF_WALKS: Final = re.compile(
    r"산책|운동|비만|체중\s?관리|\bwalk|\bexercise|\bobes|\boverweight", re.IGNORECASE
)


class EmbeddedBackend:
    """`Backend` of the demo, and what answers where a model fails."""

    name: Final = NAME
    sees: Final = False

    async def answer(self, ask: Ask, usage: Usage) -> AsyncGenerator[str, None]:
        """Yield the answer a sentence or line at a time; the same question, the same text."""
        usage.model = NAME
        text, usage.used = composed(ask)
        for piece in pieces_of(text):
            yield piece
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Nothing is open."""


def composed(ask: Ask) -> tuple[str, list[Passage]]:
    """The whole answer and the passages it is made of."""
    language = ask.request.language
    flags = ask.flags
    if ask.kind in SMALL_TALK:
        return _in(language, SMALL_TALK[ask.kind]), []
    if flags.declined and flags.declined <= _DECLINED_WHOLLY and not flags.pressing:
        return "", []
    if flags.owner_crisis and not flags.pressing:
        return "", []
    pressing = {sign.urgency for sign in flags.pressing}
    urgency = "now" if "now" in pressing else "today" if pressing else ""
    if not ask.passages:
        return _in(language, ON_THE_WAY if urgency else NOT_FOUND), []
    if not any(one.section for one in ask.document):
        return _told_plainly(ask)
    parts, used = [], []
    if urgency == "now":
        parts.append(_in(language, ON_THE_WAY))
    for section, most in _PLANS[urgency or ask.kind]:
        passage = next((one for one in ask.document if one.section == section), None)
        if passage is not None:
            parts.append(_section(passage, most, language, urgency))
            used.append(passage)
        if section == "summary":
            parts.append(about_the_dog(ask, language))
    return "\n\n".join(part for part in parts if part), used


def about_the_dog(ask: Ask, language: Language) -> str:
    """A sentence or two on this dog, where the document says that it matters; or empty."""
    dog, said = ask.request.dog or DogFacts(), ask.request.user_context
    whole = "\n".join(one.text for one in ask.document)
    facts = [*_by_body(dog, said, whole, language), *_by_records(dog, whole)]
    if not facts:
        return ""
    if language == "ko":
        return f"{_called(dog) or '이 아이'} 기준으로 보면, " + " ".join(facts)
    return f"For {_called(dog) or 'your dog'}: " + " ".join(facts)


def _called(dog: DogFacts) -> str:
    """The dog's name if it is one: whatever else an owner has written there is not repeated."""
    return dog.name if _NAME.fullmatch(dog.name) else ""


def _by_body(dog: DogFacts, said: UserContext, whole: str, language: Language) -> list[str]:
    age = said.dog_age_years if dog.age_years is None else dog.age_years
    weight = said.dog_weight_kg if dog.weight_kg is None else dog.weight_kg
    korean = language == "ko"
    facts = []
    if age is not None and age < _PUPPY_YEARS and _YOUNG.search(whole):
        facts.append(
            "아직 한 살이 안 되어, 어린 강아지에 대한 주의가 그대로 해당돼요."
            if korean
            else "it is under a year old, so what is said of puppies holds."
        )
    if age is not None and age >= _SENIOR_YEARS and _OLD.search(whole):
        facts.append(
            f"{age:g}살이라 노령견에 대한 주의가 그대로 해당돼요."
            if korean
            else f"it is {age:g} years old, so what is said of older dogs holds."
        )
    if weight is not None and weight < _SMALL_KG and _SMALL.search(whole):
        facts.append(
            f"체중이 {weight:g}kg으로 작은 편이라 적은 양에도 영향을 더 받을 수 있어요."
            if korean
            else f"at {weight:g} kg it is small, so even little can matter more."
        )
    if weight is not None and weight >= _LARGE_KG and _LARGE.search(whole):
        facts.append(
            f"체중이 {weight:g}kg으로 큰 편이라 대형견에 대한 주의가 해당돼요."
            if korean
            else f"at {weight:g} kg it is large, so what is said of large dogs holds."
        )
    return facts


def _by_records(dog: DogFacts, whole: str) -> list[str]:
    known = ((dog.gait, _OF_GAIT), (dog.emotion, _OF_MOOD), (dog.walks, _OF_WALKS))
    return [record for record, matters in known if record and matters.search(whole)][:2]


def _section(passage: Passage, most: int, language: Language, urgency: str) -> str:
    if passage.section == "summary":
        return " ".join(_SENTENCE_END.split(passage.text)[:most])
    lines = [line.strip().removeprefix("- ") for line in passage.text.splitlines() if line.strip()]
    told_to_go = urgency == "now" and passage.section == "emergency"
    heading = _in(language, WORST if told_to_go else HEADINGS[passage.section])
    return "\n".join([heading, *(f"- {line}" for line in lines[:most])])


def _told_plainly(ask: Ask) -> tuple[str, list[Passage]]:
    """Of a document without our sections: its best passages, said to be what they are."""
    best = [one for one in ask.passages if one.doc_id == ask.passages[0].doc_id][:2]
    head = (
        f"검토된 자료 '{best[0].title}'에 이런 내용이 있어요."
        if ask.request.language == "ko"
        else f"A reviewed document, '{best[0].title}', says:"
    )
    return "\n\n".join([head, *(one.text for one in best)]), best


def _in(language: Language, both: tuple[str, str]) -> str:
    return both[0 if language == "ko" else 1]
