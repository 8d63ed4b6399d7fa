"""Our own knowledge entries: `assets/knowledge/*.json`, read and checked.

One file an entry, named by its id; the form is told in `assets/knowledge/README.md`. A folder is
taken over whole or refused whole: an answer about a dog's health must not rest on half a file.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

KNOWLEDGE: Final = Path(__file__).resolve().parents[4] / "assets" / "knowledge"
MAX_ENTRIES: Final = 2_000
MAX_BYTES: Final = 64_000
"""Of one file; the longest of ours has about a fifth of it."""

_LINE: Final = r"^\S(?:[^\n\x00]*\S)?\Z"
Slug: TypeAlias = Annotated[str, Meta(max_length=64, pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*\Z")]
Line: TypeAlias = Annotated[str, Meta(max_length=400, pattern=_LINE)]
Paragraph: TypeAlias = Annotated[str, Meta(min_length=20, max_length=1_500, pattern=_LINE)]
Lines: TypeAlias = Annotated[tuple[Line, ...], Meta(min_length=1, max_length=12)]


class Both(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line in Korean and English."""

    ko: Line
    en: Line


class BothParagraphs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A few sentences in Korean and English."""

    ko: Paragraph
    en: Paragraph


class BothLists(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same sentences in Korean and English, in the same order."""

    ko: Lines
    en: Lines

    def __post_init__(self) -> None:
        if len(self.ko) != len(self.en):
            raise ValueError(f"{len(self.ko)} lines in Korean, {len(self.en)} in English")


class BothWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words that owners use; each language has its own, so the lists differ in length."""

    ko: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=24)]
    en: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=24)]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an entry was checked against. `year` only where the work has one edition by it."""

    title: Line
    publisher: Line
    year: Annotated[int, Meta(ge=1950, le=2100)] | None = None


class Review(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who has checked an entry. `veterinarian` says whether one of them was a veterinarian."""

    state: Literal["draft", "reviewed"]
    by: Line
    veterinarian: bool
    on: datetime.date


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What we say about one subject. `emergency`: signs to go to a clinic at once."""

    id: Slug
    topic: Slug
    title: Both
    asked: BothWords
    summary: BothParagraphs
    home_care: BothLists
    see_vet: BothLists
    emergency: BothLists
    avoid: BothLists
    followups: BothLists
    sources: Annotated[tuple[Source, ...], Meta(min_length=1, max_length=12)]
    review: Review


class KnowledgeInvalid(Exception):
    """A folder of entries that cannot be taken over; nothing of it is.

    `file` is a file's or the folder's name, `field` where in it ("title.ko", "" for the whole).
    """

    code: Final = "KNOWLEDGE_INVALID"

    def __init__(self, file: str, field: str, reason: str) -> None:
        where = f"{file}: {field}" if field else file
        super().__init__(f"{where}: {reason}. Mend the file; until then none of it is used.")
        self.file = file
        self.field = field
        self.reason = reason


def load_entries(folder: Path | None = None) -> tuple[Entry, ...]:
    """Return all entries of a folder (None: the program's), ordered by id.

    Raises KnowledgeInvalid with file and field: no entries, not JSON, too large, an unknown or
    missing field or language, lists of unlike length, or an id that is not the file's name (which
    also keeps two files from having one id).
    """
    folder = KNOWLEDGE if folder is None else folder
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError as error:
        raise KnowledgeInvalid(str(folder), "", f"cannot be read: {error.strerror}") from error
    if not files:
        raise KnowledgeInvalid(str(folder), "", "holds no entries (*.json)")
    if len(files) > MAX_ENTRIES:
        raise KnowledgeInvalid(str(folder), "", f"holds more than {MAX_ENTRIES} entries")
    return tuple(_entry(path) for path in files)


def _entry(path: Path) -> Entry:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise KnowledgeInvalid(path.name, "", f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise KnowledgeInvalid(path.name, "", f"is larger than {MAX_BYTES} bytes")
    try:
        entry = msgspec.json.decode(content, type=Entry)
    except msgspec.ValidationError as error:
        field, reason = _place(str(error))
        raise KnowledgeInvalid(path.name, field, reason) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KnowledgeInvalid(path.name, "", f"is not JSON: {error}") from error
    if entry.id != path.stem:
        raise KnowledgeInvalid(path.name, "id", f"is {entry.id!r}, not the file's name")
    return entry


_AT: Final = re.compile(r"^(?P<reason>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?\Z", re.DOTALL)
_NAMED: Final = re.compile(r"(?:missing required|contains unknown) field `([^`]*)`")


def _place(message: str) -> tuple[str, str]:
    """Part msgspec's message into the field that is meant and what is wrong with it."""
    found = _AT.match(message)
    assert found is not None, "the pattern matches any text"
    reason, path = found["reason"], found["path"] or ""
    named = _NAMED.search(reason)
    if named is not None:
        path = f"{path}.{named[1]}" if path else named[1]
    return path, reason
