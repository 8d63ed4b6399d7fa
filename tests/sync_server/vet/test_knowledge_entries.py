"""Knowledge entries of the vet chat: ours hold to their rules, broken ones are refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import pytest

from sync_server.ai.vet.knowledge.entries import (
    KNOWLEDGE,
    MAX_BYTES,
    Entry,
    KnowledgeInvalid,
    load_entries,
)

LISTS: Final = ("home_care", "see_vet", "emergency", "avoid", "followups")
ENTRIES: Final = load_entries()
Edit = Callable[[dict[str, Any]], object]


def _file(name: str = "vomiting") -> dict[str, Any]:
    known: dict[str, Any] = json.loads((KNOWLEDGE / f"{name}.json").read_text("utf-8"))
    return known


def _refused(folder: Path, content: bytes, name: str = "vomiting.json") -> KnowledgeInvalid:
    (folder / name).write_bytes(content)
    with pytest.raises(KnowledgeInvalid) as caught:
        load_entries(folder)
    assert str(folder) in str(caught.value) or name in str(caught.value)
    return caught.value


# Our own -----------------------------------------------------------------------------------------


def test_every_file_of_the_folder_is_an_entry() -> None:
    files = {path.stem for path in KNOWLEDGE.glob("*.json")}
    assert {entry.id for entry in ENTRIES} == files
    assert len(ENTRIES) >= 60


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_keeps_the_form_that_the_readme_tells(entry: Entry) -> None:
    for name in LISTS:
        lines = getattr(entry, name)
        assert 2 <= len(lines.ko) == len(lines.en) <= 6, name
        assert len(set(lines.ko)) == len(lines.ko) and len(set(lines.en)) == len(lines.en), name
    assert all(line.endswith("?") for line in (*entry.followups.ko, *entry.followups.en))
    for text in (entry.summary.ko, entry.summary.en):
        assert 2 <= len(re.findall(r"[.!?](?=\s|$)", text)) <= 5
    assert len({(source.title, source.publisher) for source in entry.sources}) >= 2


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_korean_is_korean_and_polite_and_english_is_english(entry: Entry) -> None:
    korean = [entry.summary.ko, *(line for name in LISTS for line in getattr(entry, name).ko)]
    english = [entry.summary.en, *(line for name in LISTS for line in getattr(entry, name).en)]
    for line in korean:
        assert re.search("[가-힣]", line)
        assert re.search(r"(?:요|다)[.?!]$", line), line
    for line in english:
        assert not re.search("[가-힣]", line), line
        assert re.search(r"[.?!]$", line), line


DOSE: Final = re.compile(
    r"\bmg\b|㎎|\d\s*mg|밀리그램|마이크로그램|㎍|\bmcg\b|ml\s*/\s*kg|㎖|밀리리터|\d\s*(?:ml|cc)\b"
    r"|\d+\s*(?:알|정)씩|반\s*알|알씩|정씩|\d+\s*정을|스푼|티스푼|\bteaspoons?\b|\btablespoons?\b"
    r"|\btablets?\b|/\s*kg|per kilo|킬로그램당|kg당",
    re.IGNORECASE,
)


def _texts(entry: Entry, but: tuple[str, ...] = ()) -> list[str]:
    named = [name for name in LISTS if name not in but]
    lines = [
        line for name in named for part in (getattr(entry, name),) for line in part.ko + part.en
    ]
    return [entry.summary.ko, entry.summary.en, *lines]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_states_no_dose(entry: Entry) -> None:
    found = [text for text in _texts(entry, but=("avoid",)) if DOSE.search(text)]
    assert found == []


def test_the_search_for_doses_finds_doses() -> None:
    for text in (
        "5mg을 주세요",
        "반 알씩 먹여요",
        "10 ml/kg",
        "두 알씩",
        "half a tablet",
        "체중 kg당",
    ):
        assert DOSE.search(text), text


HUMAN_MEDICINE: Final = re.compile(
    "타이레놀|아세트아미노펜|이부프로펜|부루펜|아스피린|나프록센|게보린|지르텍|후시딘|마데카솔|로페라마이드"
    "|acetaminophen|paracetamol|tylenol|ibuprofen|aspirin|naproxen|loperamide|hydrocortisone",
    re.IGNORECASE,
)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_human_medicines_stand_under_avoid_only(entry: Entry) -> None:
    advice = (*entry.home_care.ko, *entry.home_care.en)
    assert [text for text in advice if HUMAN_MEDICINE.search(text)] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_no_entry_advises_to_make_a_dog_vomit(entry: Entry) -> None:
    told = re.compile(
        "토하게|구토를 유도|과산화수소|make the dog vomit|induce vomiting|peroxide", re.I
    )
    assert [text for text in _texts(entry, but=("avoid",)) if told.search(text)] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_no_entry_claims_that_a_veterinarian_has_checked_it(entry: Entry) -> None:
    assert entry.review.veterinarian is False
    assert all(
        "://" not in text for source in entry.sources for text in (source.title, source.publisher)
    )


# Files that are refused --------------------------------------------------------------------------

BROKEN: Final[dict[str, tuple[Edit, str]]] = {
    "a missing language": (lambda e: e["title"].pop("ko"), "title.ko"),
    "a missing list of a language": (lambda e: e["avoid"].pop("en"), "avoid.en"),
    "an empty text": (lambda e: e["title"].update(en="   "), "title.en"),
    "an empty list": (lambda e: e["emergency"].update(ko=[], en=[]), "emergency.ko"),
    "lists of unlike length": (lambda e: e["home_care"]["ko"].pop(), "home_care"),
    "an unknown field": (lambda e: e.update(dose="5 mg"), "dose"),
    "an unknown field inside": (lambda e: e["review"].update(vet="yes"), "review.vet"),
    "a missing field": (lambda e: e.pop("sources"), "sources"),
    "no source": (lambda e: e.update(sources=[]), "sources"),
    "a line too long": (lambda e: e["avoid"]["ko"].__setitem__(1, "가" * 401), "avoid.ko[1]"),
    "a list too long": (lambda e: e["asked"].update(ko=["말"] * 25), "asked.ko"),
    "a wrong kind": (lambda e: e.update(summary="text"), "summary"),
    "another id": (lambda e: e.update(id="diarrhoea"), "id"),
    "an unsafe id": (lambda e: e.update(id="../vomiting"), "id"),
    "no such day": (lambda e: e["review"].update(on="2026-02-31"), "review.on"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_entry_is_refused_by_file_and_field(name: str, tmp_path: Path) -> None:
    edit, field = BROKEN[name]
    content = _file()
    edit(content)
    error = _refused(tmp_path, json.dumps(content).encode())
    assert (error.file, error.field, error.code) == ("vomiting.json", field, "KNOWLEDGE_INVALID")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"id": "\xff"}', b"[" * 60_000], ids=repr
)
def test_what_is_no_entry_is_refused(content: bytes, tmp_path: Path) -> None:
    assert _refused(tmp_path, content[: MAX_BYTES - 1]).file == "vomiting.json"


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    content = json.dumps(_file()).encode() + b" " * MAX_BYTES
    assert "larger than" in _refused(tmp_path, content).reason


def test_an_empty_folder_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(KnowledgeInvalid) as caught:
            load_entries(folder)
        assert caught.value.file == str(folder)


def test_a_folder_where_an_entry_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vomiting.json").mkdir()
    with pytest.raises(KnowledgeInvalid):
        load_entries(tmp_path)


def test_one_broken_file_refuses_the_whole_folder(tmp_path: Path) -> None:
    (tmp_path / "diarrhoea.json").write_bytes((KNOWLEDGE / "diarrhoea.json").read_bytes())
    assert [entry.id for entry in load_entries(tmp_path)] == ["diarrhoea"]
    _refused(tmp_path, b"{}")


def test_two_files_cannot_have_one_id(tmp_path: Path) -> None:
    twin = json.dumps(_file()).encode()
    (tmp_path / "vomiting.json").write_bytes(twin)
    assert _refused(tmp_path, twin, "vomiting-2.json").field == "id"


def test_an_entry_survives_writing_and_reading(tmp_path: Path) -> None:
    for entry in ENTRIES:
        (tmp_path / f"{entry.id}.json").write_bytes(msgspec.json.encode(entry))
    assert load_entries(tmp_path) == ENTRIES


# The retrieval examination -----------------------------------------------------------------------


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    question: str
    language: Literal["ko", "en"]
    expected: tuple[str, ...]
    hard: bool


EXAMINATION: Final = tuple(
    msgspec.json.decode(line, type=Question)
    for line in (KNOWLEDGE.parents[1] / "benchmarks" / "data" / "vet_questions.jsonl")
    .read_bytes()
    .splitlines()
)
RUN: Final = 12
"""A question that shares so many characters in a row with its entry is copied, not asked anew."""


def _squeezed(text: str) -> str:
    return "".join(text.split()).lower()


def test_the_examination_covers_every_entry_in_the_mix_that_was_set() -> None:
    answered = [one for one in EXAMINATION if one.expected]
    assert len(answered) >= 140
    assert len(EXAMINATION) - len(answered) >= 25
    assert {name for one in answered for name in one.expected} == {entry.id for entry in ENTRIES}
    assert 0.6 <= sum(one.language == "ko" for one in answered) / len(answered) <= 0.72
    assert sum(one.hard for one in answered) / len(answered) >= 0.3
    assert len({_squeezed(one.question) for one in EXAMINATION}) == len(EXAMINATION)


def test_no_question_copies_the_entry_that_answers_it() -> None:
    known = {
        entry.id: [_squeezed(text) for text in _every_text(msgspec.to_builtins(entry))]
        for entry in ENTRIES
    }
    for one in EXAMINATION:
        asked = _squeezed(one.question)
        runs = {asked[at : at + RUN] for at in range(len(asked) - RUN + 1)} or {asked}
        for name in one.expected:
            copied = [run for run in runs if any(run in text for text in known[name])]
            assert copied == [], (one.question, name)


def _every_text(node: object) -> list[str]:
    if isinstance(node, str):
        return [node]
    if isinstance(node, dict):
        return [text for value in node.values() for text in _every_text(value)]
    if isinstance(node, list | tuple):
        return [text for value in node for text in _every_text(value)]
    return []
