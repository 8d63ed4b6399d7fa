"""A vet chat of small real parts: a few entries searched by words, rules of a dozen phrases.

What is tested with them is the pipeline; the product's own parts have tests of their own.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sync_server.ai.vet.backends.embedded import EmbeddedBackend
from sync_server.ai.vet.contract import (
    ChatAnswer,
    ChatEvent,
    ChatRequest,
    Done,
    Language,
    Message,
    Replace,
    SafetyNote,
    Token,
)
from sync_server.ai.vet.pipeline import VetChat
from sync_server.ai.vet.ports import (
    Ask,
    Backend,
    Declined,
    Knowledge,
    Passage,
    Picture,
    SafetyFlags,
    Sign,
    Usage,
    Verdict,
)
from sync_server.ai.vet.role import VetRole

SECTIONS = ("summary", "home_care", "see_vet", "emergency", "avoid", "followups")
ENTRIES: dict[str, dict[str, tuple[str, ...]]] = {
    "vomiting": {
        "title": ("구토", "Vomiting"),
        "asked": ("토해요 토했어요 구토 게워", "vomit vomiting throwing up"),
        "summary": (
            "한 번 토하고 잘 놀면 지켜볼 수 있어요. 어린 강아지와 노령견은 탈수가 빨리 와요.",
            "A dog that vomits once and plays can be watched. Puppies and old dogs dry out soon.",
        ),
        "home_care": ("물을 조금씩 나누어 주세요.", "Offer water in small portions."),
        "see_vet": ("하루에 여러 번 토해요.", "It vomits several times a day."),
        "emergency": ("토사물에 피가 보여요.", "There is blood in the vomit."),
        "avoid": ("사람용 약은 주지 마세요.", "Do not give human medicines."),
        "followups": ("몇 번 토했나요?\n무엇을 먹었나요?", "How often?\nWhat did it eat?"),
    },
    "chocolate": {
        "title": ("초콜릿", "Chocolate"),
        "asked": ("초콜릿 초코 카카오 먹어도 먹었어요", "chocolate cocoa eat ate"),
        "summary": (
            "초콜릿은 강아지에게 독이 돼요. 체중이 작을수록 위험해요.",
            "Chocolate is poisonous to dogs. The smaller the body weight, the more so.",
        ),
        "home_care": ("먹은 양과 시각을 적어 두세요.", "Note how much and when."),
        "see_vet": ("조금이라도 먹었으면 문의하세요.", "Call a vet even after a little."),
        "emergency": ("떨거나 경련해요.", "It trembles or has a seizure."),
        "avoid": ("집에서 억지로 토하게 하지 마세요.", "Do not make it vomit at home."),
        "followups": ("얼마나 먹었나요?", "How much was it?"),
    },
    "limping": {
        "title": ("절뚝거림", "Limping"),
        "asked": ("절뚝 절어요 다리 걸음", "limp limping leg"),
        "summary": ("다리를 절면 쉬게 하고 살펴보세요.", "A dog that limps needs rest and a look."),
        "home_care": ("산책을 줄여 주세요.", "Walk less."),
        "see_vet": ("하루 넘게 절어요.", "It limps for more than a day."),
        "emergency": ("발을 전혀 딛지 못해요.", "It puts no weight on the leg at all."),
        "avoid": ("사람용 진통제는 주지 마세요.", "Give no human pain killers."),
        "followups": ("언제부터 절었나요?", "Since when?"),
    },
}


@dataclass
class FewEntries:
    """`Knowledge` over `ENTRIES`: words of the question that an entry knows, by their stems."""

    failing: bool = False
    slow_s: float = 0.0
    searches: list[str] = field(default_factory=list)
    more: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)

    async def search(self, query: str, language: Language, limit: int = 5) -> Sequence[Passage]:
        self.searches.append(query)
        await asyncio.sleep(self.slow_s)
        if self.failing:
            raise OSError("the index is gone")
        found = []
        for doc_id in (*ENTRIES, *self.more):
            known = " ".join(self._entry(doc_id)["asked"]).split()
            hits = sum(word[:3].lower() in query.lower() for word in known)
            if hits:
                found.append((hits / len(known), doc_id))
        best = sorted(found, reverse=True)
        return [self._passage(doc_id, "summary", language, score) for score, doc_id in best[:limit]]

    async def document(self, doc_id: str, language: Language) -> Sequence[Passage]:
        return [self._passage(doc_id, section, language, 1.0) for section in SECTIONS]

    async def health(self) -> dict[str, int]:
        if self.failing:
            raise OSError("the index is gone")
        return {"documents": len(ENTRIES), "chunks": len(ENTRIES) * len(SECTIONS), "vectors": 0}

    def _entry(self, doc_id: str) -> dict[str, tuple[str, ...]]:
        return ENTRIES.get(doc_id) or self.more[doc_id]

    def _passage(self, doc_id: str, section: str, language: Language, score: float) -> Passage:
        entry, at = self._entry(doc_id), 0 if language == "ko" else 1
        chunk = f"{doc_id}#{section}.{language}"
        return Passage(doc_id, chunk, entry["title"][at], entry[section][at], score, section)


class FewPhrases:
    """`PreSafety`: a dozen phrases."""

    _SIGNS = (
        (r"경련|발작|seizure", Sign("seizure", "경련", "now")),
        (r"숨을 (못|안) ?쉬|not breathing", Sign("breathing", "호흡 곤란", "now")),
        (r"피를 토|blood in (the )?vomit", Sign("blood", "피 섞인 구토", "today")),
    )
    _DECLINED: tuple[tuple[str, Declined], ...] = (
        (r"몇 ?mg|용량|dose", "dose"),
        (r"무슨 병|진단해|diagnose", "diagnosis"),
        (r"주식|비트코인|stock tips", "off_topic"),
    )

    def screen(self, request: ChatRequest) -> SafetyFlags:
        text = request.message.content
        return SafetyFlags(
            signs=tuple(sign for pattern, sign in self._SIGNS if re.search(pattern, text)),
            declined=frozenset(
                what for pattern, what in self._DECLINED if re.search(pattern, text)
            ),
            injection="ignore all" in text,
            owner_crisis="죽고 싶" in text,
        )


@dataclass
class HeldLine:
    """`StreamCheck`: lets whole sentences pass; `100mg` or a burst in it voids the answer."""

    breaking: bool = False
    _all: str = ""
    _shown: int = 0
    tripped: bool = False

    def feed(self, text: str) -> str:
        if self.breaking:
            raise RuntimeError("the check is broken")
        self._all += text
        end = max(self._all.rfind(mark) for mark in (". ", "요.", "\n", "! "))
        if re.search(r"\d+ ?mg", self._all):
            self.tripped = True
        if self.tripped or end + 1 <= self._shown:
            return ""
        made, self._shown = self._all[self._shown : end + 1], end + 1
        return made

    def finish(self) -> Verdict:
        if self.tripped:
            return Verdict("약의 양은 수의사만 정할 수 있어요.", True, ("dose",))
        return Verdict(self._all, False)


@dataclass
class DoseCheck:
    """`PostSafety` of `HeldLine`."""

    breaking: bool = False

    def check(self, request: ChatRequest, flags: SafetyFlags) -> HeldLine:
        return HeldLine(self.breaking)


class FewWords:
    """`Notes`."""

    def opening(self, flags: SafetyFlags, language: Language) -> str:
        if flags.owner_crisis:
            return "혼자 견디지 마세요. 자살예방상담전화 109에서 24시간 이야기할 수 있어요."
        if flags.signs and not flags.emergency:
            return "오늘 안에 병원에 가세요." if language == "ko" else "See a vet today."
        if not flags.emergency:
            return ""
        return "지금 바로 응급 동물병원으로 가세요." if language == "ko" else "Go to a clinic now."

    def decline_text(self, flags: SafetyFlags, language: Language) -> str:
        if not flags.declined:
            return ""
        return "그 부분은 도와드릴 수 없어요." if language == "ko" else "I cannot help with that."

    def safety_note(
        self, flags: SafetyFlags, passages: Sequence[Passage], language: Language
    ) -> SafetyNote:
        signs = [sign.name for sign in flags.signs]
        signs += [one.text for one in passages if one.section == "emergency"]
        signs = signs or ["숨쉬기 힘들어함", "의식이 흐림"]
        return SafetyNote("이 답변은 진단이 아닌 참고용 안내입니다.", signs, "병원에 가세요.")

    def safe_template(self, request: ChatRequest, flags: SafetyFlags, language: Language) -> str:
        said = "지금은 안전하게 안내드릴 수 있는 내용이 없어요. 동물병원에 문의해 주세요."
        return f"{self.opening(flags, language)} {said}".strip()

    def system_rules(self, language: Language) -> str:
        return "You are a careful assistant for dog owners. No diagnosis, no dose."


@dataclass
class GivenPicture:
    """`PictureReader` of one picture, or of what it raises."""

    picture: Picture = field(default_factory=lambda: Picture(b"\xff\xd8\xff jpeg", 640, 480))
    error: Exception | None = None

    async def read(self, url: str) -> Picture:
        if self.error is not None:
            raise self.error
        return self.picture


@dataclass
class ScriptedBackend:
    """`Backend` that says a script: text, a pause (s), or an exception; again for each call."""

    script: Sequence[str | float | Exception] = ()
    sees: bool = True
    name: str = "scripted/test"
    asked: list[Ask] = field(default_factory=list)
    closed: int = 0
    cut: bool = False

    async def answer(self, ask: Ask, usage: Usage) -> AsyncGenerator[str, None]:
        self.asked.append(ask)
        usage.model, usage.tokens_in, usage.tokens_out = "test-1", 120, 40
        usage.cut = self.cut
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.closed += 1

    async def close(self) -> None:
        pass


def make_chat(
    backend: Backend | None = None, knowledge: Knowledge | None = None, **parts: Any
) -> VetChat:
    """A chat of these parts; without a backend the embedded one answers."""
    embedded = parts.pop("embedded", EmbeddedBackend())
    return VetChat(
        backend=backend or embedded,
        embedded=embedded,
        knowledge=knowledge or FewEntries(),
        **{"pre": FewPhrases(), "post": DoseCheck(), "notes": FewWords(),
           "pictures": GivenPicture(), **parts},
    )  # fmt: skip


def asking(text: str, **more: Any) -> ChatRequest:
    """A request with this question."""
    return ChatRequest("conv-1", Message(text), **more)


async def told(role: VetRole, request: ChatRequest) -> tuple[list[ChatEvent], ChatAnswer]:
    """All events of a turn, and its answer, which must be what the events amount to."""
    events = [event async for event in role.chat(request)]
    done = events[-1]
    assert isinstance(done, Done)
    assert done.answer.answer.content == shown(events, request.partial)
    return events, done.answer


def shown(events: Sequence[ChatEvent], partial: str = "") -> str:
    """What a client shows after these events."""
    text = partial
    for event in events:
        if isinstance(event, Token):
            text += event.text
        elif isinstance(event, Replace):
            text = event.text
    return text
