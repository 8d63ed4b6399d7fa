"""Files of others as papers: consultations (JSON, JSONL), Markdown, PDF.

A *paper* is what a file says, cut at its own joints, before any judgement. Consultations follow the
form that AI-Hub's corpora of veterinary consultations have, `{"meta": {"lifeCycle", "department",
"disease"}, "qa": {"instruction", "input", "output"}}`, one a file, a list, or one a line; other
names for question and answer that such files use are known too (`QUESTION`, `ANSWER`).
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from sync_server.ai.vet.knowledge.errors import ImportRefused, ReaderMissing

MAX_BYTES: Final = {".json": 64_000_000, ".jsonl": 64_000_000, ".md": 2_000_000, ".pdf": 32_000_000}
MAX_RECORDS: Final = 100_000
MAX_PAGES: Final = 300
MAX_CHARS: Final = 600_000
"""Of one Markdown or PDF paper."""
MAX_FIELD: Final = 20_000
"""Of a question or an answer; longer ones are no consultation."""
PDF_S: Final = 60.0
SHORTEST_ANSWER: Final = 15

QUESTION: Final = ("question", "input", "질문", "query", "q", "instruction", "user", "consult")
ANSWER: Final = ("answer", "output", "답변", "response", "a", "reply", "assistant", "completion")
TEXT: Final = ("text", "content", "contents", "body", "본문", "내용")
TITLE: Final = ("title", "제목", "subject", "disease", "질병", "질환")
META: Final = (
    "department",
    "진료과",
    "disease",
    "질병",
    "질환",
    "lifecycle",
    "생애주기",
    "category",
    "분류",
    "topic",
)
LISTS: Final = ("data", "items", "records", "documents", "consultations", "rows", "conversations")
TURNS: Final = ("turns", "dialogue", "dialog", "utterances", "messages", "conversation", "대화")
_SAID: Final = ("text", "content", "utterance", "message", "value", "발화")
_WHO: Final = ("role", "speaker", "from", "type", "화자")
_OWNERS: Final = ("user", "owner", "client", "customer", "human", "보호자", "고객", "질문자", "q")
_HEADING: Final = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")


@dataclass(frozen=True)
class Section:
    """A piece under one heading. `asked`: search words that are not shown."""

    heading: str
    asked: str
    text: str


@dataclass(frozen=True)
class Paper:
    """One document of a file. `key` is the same for the same document in a later version."""

    key: str
    title: str
    sections: tuple[Section, ...]


def read_papers(path: Path) -> Iterator[Paper]:
    """Yield the papers of a file.

    Raises ImportRefused (too large, not what its name says, nothing in it), ReaderMissing.
    """
    kind = path.suffix.lower()
    if kind not in MAX_BYTES:
        raise ImportRefused(f"{path}: only {', '.join(MAX_BYTES)} can be imported")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES[kind]:
            raise ImportRefused(f"{path}: {size} bytes, at most {MAX_BYTES[kind]} are read")
        if kind == ".pdf":
            yield _pdf(path)
            return
        content = path.read_bytes()
    except OSError as error:
        raise ImportRefused(f"{path}: cannot be read: {error.strerror}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ImportRefused(f"{path}: is not UTF-8 text") from None
    if kind == ".md":
        yield _markdown(path, text)
    else:
        yield from _consultations(path, text)


# Consultations -----------------------------------------------------------------------------------


def _consultations(path: Path, text: str) -> Iterator[Paper]:
    found = 0
    for record in _records(path, text):
        paper = _consultation(path, record)
        if paper is None:
            continue
        found += 1
        if found > MAX_RECORDS:
            raise ImportRefused(f"{path}: more than {MAX_RECORDS} consultations; split the file")
        yield paper
    if found == 0:
        raise ImportRefused(
            f"{path}: no consultation found; each needs a question ({', '.join(QUESTION[:4])} ...) "
            f"and an answer ({', '.join(ANSWER[:4])} ...), or a text"
        )


def _records(path: Path, text: str) -> Iterator[dict[str, Any]]:
    try:
        yield from _listed(msgspec.json.decode(text))
        return
    except (msgspec.DecodeError, RecursionError) as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 and path.suffix.lower() != ".jsonl":
            raise ImportRefused(f"{path}: is not JSON: {error}") from None
    for number, line in enumerate(lines, 1):
        try:
            yield from _listed(msgspec.json.decode(line))
        except (msgspec.DecodeError, RecursionError) as error:
            raise ImportRefused(f"{path}: line {number} is not JSON: {error}") from None


def _listed(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, dict))
    elif isinstance(value, dict):
        inner = [value[name] for name in LISTS if isinstance(value.get(name), list)]
        if inner and not _is_turns(inner[0]):
            yield from _listed(inner[0])
        else:
            yield value


def _is_turns(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], dict) and any(name in value[0] for name in _WHO)


def _consultation(path: Path, record: dict[str, Any]) -> Paper | None:
    flat = _flat(record)
    question, answer = _first(flat, QUESTION), _first(flat, ANSWER)
    if not answer:
        asked, said = _of_turns(record)
        question, answer = question or asked, said or _first(flat, TEXT)
    if not SHORTEST_ANSWER <= len(answer) <= MAX_FIELD or len(question) > MAX_FIELD:
        return None
    title = _first(flat, TITLE) or _shortened(question) or _shortened(answer)
    about = " ".join(dict.fromkeys(flat[name] for name in META if name in flat))
    own = _first(flat, ("id", "consult_id", "qa_id", "문서번호"))
    key = own or hashlib.sha256(f"{question}\n{answer}".encode()).hexdigest()[:16]
    section = Section("", f"{question}\n{about}".strip(), answer)
    return Paper(f"{_slug(path.stem)}-{_slug(key)}" if own else key, title[:200], (section,))


def _flat(record: dict[str, Any]) -> dict[str, str]:
    """Text fields by name in lower case, of the record and of objects in it; the outer one wins."""
    found: dict[str, str] = {}
    inner: list[dict[str, Any]] = []
    for name, value in record.items():
        if isinstance(value, dict):
            inner.append(value)
        elif isinstance(value, (str, int)) and not isinstance(value, bool):
            found.setdefault(name.lower(), unicodedata.normalize("NFC", str(value)).strip())
    for one in inner:
        for name, value in one.items():
            if isinstance(value, str):
                found.setdefault(name.lower(), unicodedata.normalize("NFC", value).strip())
    return {name: value for name, value in found.items() if value}


def _first(fields: dict[str, str], names: tuple[str, ...]) -> str:
    return next((fields[name] for name in names if name in fields), "")


def _of_turns(record: dict[str, Any]) -> tuple[str, str]:
    turns: list[Any] = next(
        (record[name] for name in (*TURNS, *LISTS) if isinstance(record.get(name), list)), []
    )
    asked: list[str] = []
    said: list[str] = []
    for turn in turns:
        if not isinstance(turn, dict):
            continue
        flat = _flat(turn)
        text, who = _first(flat, _SAID), _first(flat, _WHO).lower()
        (asked if who in _OWNERS else said).append(text)
    return "\n".join(filter(None, asked)), "\n".join(filter(None, said))


# Markdown and PDF --------------------------------------------------------------------------------


def _markdown(path: Path, text: str) -> Paper:
    if len(text) > MAX_CHARS:
        raise ImportRefused(f"{path}: more than {MAX_CHARS} characters; split the file")
    title, heading = "", ""
    lines: list[str] = []
    sections: list[Section] = []

    def close() -> None:
        body = "\n".join(lines).strip()
        if body:
            sections.append(Section(heading, "", body))
        lines.clear()

    fenced = False
    for line in unicodedata.normalize("NFC", text).splitlines():
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        found = None if fenced else _HEADING.match(line)
        if found is None:
            lines.append(line)
            continue
        close()
        if len(found[1]) == 1 and not title:
            title, heading = found[2], ""
        else:
            heading = found[2]
    close()
    if not sections:
        raise ImportRefused(f"{path}: holds no text")
    return Paper(_file_key(path), (title or path.stem)[:200], tuple(sections))


def _pdf(path: Path) -> Paper:
    if find_spec("pypdf") is None:
        raise ReaderMissing(f"{path}: PDF needs pypdf: pip install 'daengdong[pdf]'")
    # A process of its own, limited in time and memory: PDFs of strangers can be made to eat both.
    child = [sys.executable, "-m", "sync_server.ai.vet.knowledge.pdf_child", str(path)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, a path as an argument
            [*child, str(MAX_PAGES), str(MAX_CHARS)],
            capture_output=True,
            timeout=PDF_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ImportRefused(f"{path}: takes longer than {PDF_S:.0f} s to read") from None
    try:
        told = json.loads(done.stdout)
    except ValueError:
        raise ImportRefused(f"{path}: is no PDF that can be read") from None
    if "refused" in told:
        raise ImportRefused(f"{path}: {told['refused']}")
    sections = tuple(
        Section(f"p. {number}", "", unicodedata.normalize("NFC", page))
        for number, page in enumerate(told["pages"], 1)
        if page.strip()
    )
    if not sections:
        raise ImportRefused(f"{path}: holds no text (pictures of pages are not read)")
    return Paper(_file_key(path), (told["title"] or path.stem)[:200], sections)


def _file_key(path: Path) -> str:
    """The same for a later version of the file: of its folder's and its own name."""
    place = hashlib.sha256(f"{path.parent.name}/{path.name}".encode()).hexdigest()[:8]
    return f"{_slug(path.stem)}-{place}"


def _slug(text: str) -> str:
    made = re.sub(r"[^0-9a-z가-힣]+", "-", unicodedata.normalize("NFC", text).lower()).strip("-")
    return made[:48] or hashlib.sha256(text.encode()).hexdigest()[:8]


def _shortened(text: str) -> str:
    line = text.split("\n", 1)[0]
    return line if len(line) <= 60 else line[:59].rstrip() + "…"
