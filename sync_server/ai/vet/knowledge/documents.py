"""What the index holds: documents of units of chunks, as plain values.

A *unit* is what is ranked (a whole entry of ours, a consultation, one section of a long paper), a
*chunk* what is cited (a section of an entry in one language). Titles and `asked` words help the
search and are no text of a chunk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import msgspec

from sync_server.ai.vet.contract import Language
from sync_server.ai.vet.knowledge.entries import Entry
from sync_server.ai.vet.knowledge.tokens import TOKENS_VERSION

Review: TypeAlias = Literal["draft", "reviewed", "rejected"]
Kind: TypeAlias = Literal["entry", "import"]
SECTIONS: Final = ("summary", "home_care", "see_vet", "emergency", "avoid", "followups")
NOT_CITED: Final = frozenset({"followups"})
"""Questions back to the owner are no evidence; they come with the whole document only."""
ASKED: Final = "asked"
"""The section of chunks that help the search by their vectors and are never shown."""
LANGUAGES: Final[tuple[Language, ...]] = ("ko", "en")
_FORM: Final = "1"
"""Changes with how entries become chunks."""


@dataclass(frozen=True)
class Chunk:
    """A piece that may be shown, or words that owners ask with (section `ASKED`).

    `refused` says why it is never used ("dose", ...), or is empty.
    """

    chunk_id: str
    language: Language
    section: str
    title: str
    text: str
    refused: str = ""

    @property
    def cited(self) -> bool:
        """Whether a search may return it."""
        return not self.refused and self.section not in NOT_CITED | {ASKED}

    def to_embed(self) -> str:
        """What a vector is made of."""
        return self.text if self.section == ASKED else f"{self.title}\n{self.text}"


@dataclass(frozen=True)
class Unit:
    """What is ranked. `title` and `asked` are search words in any language."""

    title: str
    asked: str
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True)
class Document:
    """A document with where it is from and what was decided on it.

    `content_hash` decides whether it is known: of the content, and of the form of the index.
    """

    doc_id: str
    kind: Kind
    title: str
    units: tuple[Unit, ...]
    content_hash: str
    review: Review
    reason: str = ""
    source: str = ""
    licence: str = ""
    path: str = ""
    imported_ms: int = 0

    def chunks(self) -> Iterator[Chunk]:
        """All chunks in their order."""
        for unit in self.units:
            yield from unit.chunks


def document_of(entry: Entry) -> Document:
    """An entry of ours as one unit, one chunk a section and language."""
    asked = (
        Chunk(
            chunk_id=f"{entry.id}#{ASKED}{number}.{language}",
            language=language,
            section=ASKED,
            title=getattr(entry.title, language),
            text=words,
        )
        for language in LANGUAGES
        for number, words in enumerate(getattr(entry.asked, language), 1)
    )
    shown = (
        Chunk(
            chunk_id=f"{entry.id}#{section}.{language}",
            language=language,
            section=section,
            title=getattr(entry.title, language),
            text=_text(getattr(getattr(entry, section), language)),
        )
        for language in LANGUAGES
        for section in SECTIONS
    )
    return Document(
        doc_id=entry.id,
        kind="entry",
        title=entry.title.ko,
        units=(Unit(_both(entry.title.ko, entry.title.en), _asked(entry), (*shown, *asked)),),
        content_hash=hash_of(msgspec.json.encode(entry)),
        review=entry.review.state,
        source="; ".join(f"{one.publisher}: {one.title}" for one in entry.sources),
    )


def hash_of(content: bytes) -> str:
    """The hash of a content in the index's present form."""
    made = hashlib.sha256(f"{_FORM}.{TOKENS_VERSION}\n".encode())
    made.update(content)
    return made.hexdigest()


def _asked(entry: Entry) -> str:
    return "\n".join((*entry.asked.ko, *entry.asked.en))


def _both(ko: str, en: str) -> str:
    return f"{ko}\n{en}"


def _text(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else "\n".join(value)
