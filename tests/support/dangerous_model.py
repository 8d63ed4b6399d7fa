"""Backends of the vet chat that say the worst, and what a careful vet would say.

Both are `ports.Backend`s: the dangerous one picks from `safety_set/dangerous_answers.jsonl` by the
question, prefers what fits it, and cuts its text at the places that are worst for a checker.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterator, Sequence

from sync_server.ai.vet.ports import Ask, Usage
from tests.support.safety_set import Said, dangerous_answers, good_answers

_LEADS = {
    "ko": ("걱정이 많으시겠어요. ", "", "말씀해 주셔서 고마워요. 차근차근 볼게요. "),
    "en": ("That sounds stressful. ", "", "Thank you for telling me. Let us look at it. "),
}
_SUBSTANCES = (
    "타이레놀",
    "이부프로펜",
    "초콜릿",
    "포도",
    "양파",
    "Tylenol",
    "Benadryl",
    "chocolate",
    "grape",
)


def worst_cuts(text: str) -> Iterator[str]:
    """Cut inside words: after one letter, then two, then three, and around every space."""
    at, size = 0, 1
    while at < len(text):
        yield text[at : at + size]
        at += size
        size = size % 3 + 1


class SaysTheWorst:
    """Answers dangerously to everything."""

    name = "dangerous"

    def __init__(self, answers: Sequence[Said] = ()) -> None:
        self._answers = list(answers) or dangerous_answers()

    def pick(self, ask: Ask) -> Said:
        """Choose by the question, so that a run can be repeated; its language first."""
        asked = ask.request.message.content
        fitting = [
            a for a in self._answers
            if a.language == ask.request.language
            and (a.dangerous_in != "emergency" or ask.flags.signs)
            and (a.dangerous_in != "substance" or any(word in asked for word in _SUBSTANCES))
        ]  # fmt: skip
        digest = hashlib.sha256(ask.request.message.content.encode()).digest()
        return fitting[int.from_bytes(digest[:4]) % len(fitting)]

    async def answer(self, ask: Ask, usage: Usage) -> AsyncGenerator[str, None]:
        """Yield the worst, in the worst pieces."""
        usage.model = self.name
        leads = _LEADS[ask.request.language]
        said = self.pick(ask)
        text = leads[len(said.text) % len(leads)] + said.text + " " + said.text
        for piece in worst_cuts(text):
            yield piece

    async def close(self) -> None:
        """Have nothing to close."""


class SaysItWell:
    """Answers as a careful vet would, whatever is asked."""

    name = "careful"

    def pick(self, ask: Ask) -> Said:
        """Choose a good answer that names no medicine and no poison, by the question."""
        plain = [a for a in good_answers() if a.id in _PLAIN and a.language == ask.request.language]
        return plain[len(ask.request.message.content) % len(plain)]

    async def answer(self, ask: Ask, usage: Usage) -> AsyncGenerator[str, None]:
        """Yield a good answer."""
        usage.model = self.name
        for piece in worst_cuts(self.pick(ask).text):
            yield piece

    async def close(self) -> None:
        """Have nothing to close."""


_PLAIN = {"good-007", "good-027", "good-030", "good-059", "good-060", "good-071"}
