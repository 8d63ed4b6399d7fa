"""What the embedded backend says of our entries goes through post-safety and stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sync_server.ai.vet.backends.embedded import composed
from sync_server.ai.vet.contract import ChatRequest, Language, Message
from sync_server.ai.vet.ports import Ask, Passage, Prompt
from sync_server.ai.vet.safety import RulePostSafety, RulePreSafety

ENTRIES = sorted((Path(__file__).resolve().parents[3] / "assets" / "knowledge").glob("*.json"))
SECTIONS = ("summary", "home_care", "see_vet", "emergency", "avoid", "followups")
KINDS = ("what_is", "may_eat", "home_care", "when_vet")
ASKED: dict[str, dict[Language, str]] = {
    "plain": {"ko": "{}에 대해 알려 주세요", "en": "Tell me about {}"},
    "emergency": {"ko": "강아지가 쓰러졌어요 {}", "en": "My dog collapsed, {}"},
    "dose": {"ko": "{} 타이레놀 몇 알 먹여요?", "en": "{}: how much tylenol can I give?"},
}
PRE, POST = RulePreSafety(), RulePostSafety()


def document(entry: dict[str, Any], language: Language) -> list[Passage]:
    def text(section: str) -> str:
        words = entry[section][language]
        return words if isinstance(words, str) else "\n".join(f"- {line}" for line in words)

    title = entry["title"][language]
    return [
        Passage(entry["id"], f"{entry['id']}#{name}", title, text(name), 0.9, name)
        for name in SECTIONS
    ]


def test_there_are_as_many_entries_as_the_base_claims() -> None:
    assert len(ENTRIES) >= 85


@pytest.mark.parametrize("asked", ASKED)
def test_no_entry_is_voided_and_hardly_a_sentence_is_left_out(asked: str) -> None:
    left_out: list[str] = []
    answers = 0
    for path in ENTRIES:
        entry = json.loads(path.read_text())
        for language, question in ASKED[asked].items():
            passages = document(entry, language)
            message = question.format(entry["title"][language])
            request = ChatRequest("c", Message(message), language=language)
            flags = PRE.screen(request)
            for kind in KINDS:
                ask = Ask(request, flags, "text_only", passages, Prompt("t", "", ()), "", kind,
                          passages)  # fmt: skip
                text, _ = composed(ask)
                check = POST.check(request, flags)
                check.feed(text)
                verdict = check.finish()
                answers += 1
                assert not verdict.replaced, (entry["id"], language, verdict.reasons)
                if verdict.content != text:
                    left_out.append(f"{entry['id']} {language}")
                assert len(text) <= 1_600 if language == "en" else len(text) <= 700
    assert answers == len(ENTRIES) * 2 * len(KINDS)
    # A dose question makes "... is fine in small amounts" the wrong thing to say.
    assert len(set(left_out)) <= 12
