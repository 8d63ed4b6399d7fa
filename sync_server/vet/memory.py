"""What is remembered of turns that are too old to be read again: a summary and facts.

Deterministic, and only from what the *user* said: an answer that was wrong once must not become a
fact. Newest wins: a later age, a symptom that has stopped. Sentences that speak to the machine
(`INJECTION`) are dropped. Both parts are bounded; the oldest goes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from sync_server.ai.vet.contract import Language
from sync_server.vet import memory_rules as rules

Kind: TypeAlias = Literal["age", "weight", "symptom", "medicine", "allergy", "operation", "food"]
MAX_FACTS: Final = 40
MAX_SUMMARY_CHARS: Final = 1_200
_SENTENCE_CHARS: Final = 120
_A_TURN: Final = 2
"""Sentences of one turn that the summary keeps."""
_EVERYTHING: Final = "*"

_LABELS: Final[dict[Kind, tuple[str, str]]] = {
    "age": ("나이", "age"),
    "weight": ("체중", "weight"),
    "symptom": ("증상", "symptom"),
    "medicine": ("약", "medicine"),
    "allergy": ("알레르기", "allergy"),
    "operation": ("수술", "operation"),
    "food": ("먹이", "food"),
}


class Fact(msgspec.Struct, frozen=True):
    """A fact; a later one of the same kind and subject replaces it. `text` is what is told."""

    kind: Kind
    subject: str
    text: str


class Said(msgspec.Struct, frozen=True):
    """Words of the user and their day (ISO)."""

    on: str
    text: str


def remember(
    summary: str, facts: Sequence[Fact], said: Iterable[Said], language: Language
) -> tuple[str, list[Fact]]:
    """Fold more words of the user into what is remembered; oldest first."""
    lines = summary.split("\n") if summary else []
    known = {(fact.kind, fact.subject): fact for fact in facts}
    for words in said:
        found = facts_of(words, language)
        for fact in found:
            if fact.kind == "allergy" and fact.subject == _EVERYTHING:
                known = {key: old for key, old in known.items() if key[0] != "allergy"}
            elif fact.kind == "allergy":
                known.pop(("allergy", _EVERYTHING), None)
            # Taken out first, so that what was said last stands last.
            known.pop((fact.kind, fact.subject), None)
            known[fact.kind, fact.subject] = fact
        lines += _told(words, lines)
    while len("\n".join(lines)) > MAX_SUMMARY_CHARS:
        lines.pop(0)
    return "\n".join(lines), list(known.values())[-MAX_FACTS:]


def facts_of(said: Said, language: Language) -> list[Fact]:
    """Return the facts in a user's words, in their order."""
    found: list[Fact] = []
    for sentence in sentences(said.text):
        for kind, subject, told in _found(sentence, language):
            label = _LABELS[kind][language == "en"]
            text = " ".join(f"{label}: {told} ({said.on})".split())
            found.append(Fact(kind, subject, text[:300]))
    return found


def sentences(text: str) -> list[str]:
    """Return the sentences of a user, without those that speak to the machine."""
    # What is not said in letters, digits and ordinary signs cannot be a fact either.
    parts = (" ".join(part.split()) for part in rules.SENTENCE_END.split(text) if part)
    return [part for part in parts if part and not rules.INJECTION.search(part)]


def _told(words: Said, lines: Sequence[str]) -> Iterator[str]:
    """The sentences of a turn that say most, shortened, with their day; none twice."""
    known = {line.partition(": ")[2] for line in lines}
    kept = 0
    found = sentences(words.text)
    telling = [each for each in found if any(_found(each, "ko"))] or found[:1]
    for sentence in telling:
        short = sentence if len(sentence) <= _SENTENCE_CHARS else sentence[:119].rstrip() + "…"
        if short not in known and kept < _A_TURN:
            kept += 1
            yield f"{words.on}: {short}"


def _found(sentence: str, language: Language) -> Iterator[tuple[Kind, str, str]]:
    yield from _age_and_weight(sentence)
    yield from _symptoms(sentence, language)
    yield from _medicines(sentence, language)
    yield from _allergies(sentence, language)
    yield from _operations(sentence)
    food = rules.FOOD.search(sentence)
    if food is not None and not rules.ASKS.search(sentence):
        yield "food", "food", sentence[:_SENTENCE_CHARS]


def _age_and_weight(sentence: str) -> Iterator[tuple[Kind, str, str]]:
    age = rules.AGE.search(sentence)
    if age is not None:
        yield "age", "age", age[0]
    for weight in rules.WEIGHT.finditer(sentence):
        around = (sentence[max(0, weight.start() - 12) : weight.start()], sentence[weight.end() :])
        value = float(weight["value"].replace(",", "."))
        if 0.2 <= value <= 150 and not any(rules.NOT_A_WEIGHT.search(part) for part in around):
            yield "weight", "weight", f"{value:g} {_unit(weight['unit'])}"


def _unit(said: str) -> str:
    return "lb" if said.lower().startswith(("lb", "pound")) else "kg"


def _symptoms(sentence: str, language: Language) -> Iterator[tuple[Kind, str, str]]:
    when = rules.DURATION.search(sentence)
    often = rules.TIMES.search(sentence)
    for symptom in rules.SYMPTOMS:
        at = symptom.pattern.search(sentence)
        if at is None:
            continue
        name = symptom.en if language == "en" else symptom.ko
        absent = rules.ABSENT_AFTER.search(sentence[at.end() :]) or rules.ABSENT_BEFORE.search(
            sentence[: at.start()]
        )
        if absent:
            told = f"{name}: {'not now' if language == 'en' else '지금은 없음'}"
        else:
            more = [part[0].strip() for part in (when, often) if part is not None]
            told = ", ".join([name, *more])
        yield "symptom", symptom.ko, told


def _medicines(sentence: str, language: Language) -> Iterator[tuple[Kind, str, str]]:
    if not rules.TAKES.search(sentence) and not rules.STOPPED.search(sentence):
        return
    stopped = rules.STOPPED.search(sentence)
    if not stopped and rules.ASKS.search(sentence):
        return  # "May I give ...?" is a question, not what was given.
    when = rules.DURATION.search(sentence)
    for medicine in rules.MEDICINE.finditer(sentence):
        name = re.sub(r"\s+", " ", medicine[0].strip().lower())
        told = name if when is None else f"{name}, {when[0].strip()}"
        if stopped:
            told += " (stopped)" if language == "en" else " (중단)"
        yield "medicine", name, told


def _allergies(sentence: str, language: Language) -> Iterator[tuple[Kind, str, str]]:
    if rules.NO_ALLERGY.search(sentence):
        yield "allergy", _EVERYTHING, "none known" if language == "en" else "없다고 함"
        return
    if rules.ASKS.search(sentence):
        return
    for allergy in rules.ALLERGY.finditer(sentence):
        name = (allergy["ko"] or allergy["en"] or allergy["en2"] or "").strip().lower()
        if name:
            yield "allergy", name, name


def _operations(sentence: str) -> Iterator[tuple[Kind, str, str]]:
    when = rules.DURATION.search(sentence)
    for operation in rules.OPERATION.finditer(sentence):
        if operation["en"] is not None and not rules.HAD.search(sentence):
            continue
        name = operation[0].strip().lower()
        yield "operation", name, name if when is None else f"{name}, {when[0].strip()}"
