"""From files of others to documents of the index: draft until a reviewer decides.

Importing the same content again changes nothing; a document that changed is a draft again. Each
document is written whole, so an import that is killed can be run again and goes on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from sync_server.ai.vet.contract import Language
from sync_server.ai.vet.knowledge.documents import ASKED, Chunk, Document, Unit, hash_of
from sync_server.ai.vet.knowledge.errors import ImportRefused, ReaderMissing
from sync_server.ai.vet.knowledge.passage_checks import refusal_of
from sync_server.ai.vet.knowledge.readers import MAX_BYTES, Paper, read_papers
from sync_server.ai.vet.knowledge.store import KnowledgeStore

MAX_FILES: Final = 100_000
CHUNK_CHARS: Final = 1_000
"""About as long as a passage may be and still be read in a chat."""
_SENTENCE: Final = re.compile(r"(?<=[.!?。])\s+|\n+")
_HANGUL: Final = re.compile(r"[가-힣]")
_LATIN: Final = re.compile(r"[A-Za-z]")


@dataclass
class ImportReport:
    """What became of an import. `refused`: files with the reason."""

    added: int = 0
    known: int = 0
    rejected: int = 0
    passages_refused: dict[str, int] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)


def import_paths(
    store: KnowledgeStore, paths: Sequence[Path], source: str, licence: str, now_ms: int
) -> ImportReport:
    """Import files and folders; what cannot be read is named in the report and the rest goes on.

    Raises IndexUnwritable (what was imported before it stays).
    """
    report = ImportReport()
    for path in _files(paths):
        try:
            for paper in read_papers(path):
                document = document_of_paper(paper, path, source, licence, now_ms)
                _count(report, document, store.add(document, {}, ""))
        except (ImportRefused, ReaderMissing) as error:
            report.refused.append((str(path), str(error)))
    return report


def document_of_paper(paper: Paper, path: Path, source: str, licence: str, now_ms: int) -> Document:
    """A paper as a draft, cut into chunks; rejected at once where no passage may be cited."""
    doc_id = f"import-{paper.key}"
    units: list[Unit] = []
    number = 0
    for section in paper.sections:
        title = f"{paper.title} - {section.heading}" if section.heading else paper.title
        chunks: list[Chunk] = []
        for text in _pieces(section.text):
            number += 1
            language = language_of(text)
            chunk_id = f"{doc_id}#{number}.{language}"
            chunks.append(Chunk(chunk_id, language, "", title, text, refusal_of(text)))
        if section.asked:
            language = language_of(section.asked)
            chunks.append(
                Chunk(
                    f"{doc_id}#{ASKED}.{language}", language, ASKED, title, section.asked,
                    refusal_of(section.asked),
                )
            )  # fmt: skip
        # One unit a piece of a long section; a consultation has one unit.
        parts = [tuple(chunks)] if section.asked else [(chunk,) for chunk in chunks]
        units.extend(Unit(title, section.asked, part) for part in parts if part)
    shown = [one for unit in units for one in unit.chunks if one.section != ASKED]
    refused = {one.refused for one in shown}
    none_left = "" not in refused
    return Document(
        doc_id=doc_id,
        kind="import",
        title=paper.title,
        units=tuple(units),
        content_hash=hash_of(msgspec.json.encode([source, licence, paper])),
        review="rejected" if none_left else "draft",
        reason=f"no passage may be cited: {', '.join(sorted(refused))}" if none_left else "",
        source=source,
        licence=licence,
        path=path.name,
        imported_ms=now_ms,
    )


def language_of(text: str) -> Language:
    """Korean where a fifth of the letters or more are Hangul."""
    hangul, latin = len(_HANGUL.findall(text)), len(_LATIN.findall(text))
    return "ko" if hangul * 4 >= latin and hangul else "en"


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    count = 0
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                if Path(name).suffix.lower() not in MAX_BYTES:
                    continue
                count += 1
                if count > MAX_FILES:
                    raise ImportRefused(f"{path}: more than {MAX_FILES} files; import in parts")
                yield Path(folder) / name


def _pieces(text: str) -> Iterator[str]:
    """Pieces of at most CHUNK_CHARS, cut between sentences where there are any."""
    piece = ""
    for sentence in _SENTENCE.split(text.strip()):
        rest = sentence.strip()
        while len(piece) + len(rest) + 1 > CHUNK_CHARS:
            if piece:
                yield piece
                piece = ""
                continue
            yield rest[:CHUNK_CHARS]
            rest = rest[CHUNK_CHARS:]
        piece = f"{piece} {rest}".strip()
    if piece:
        yield piece


def _count(report: ImportReport, document: Document, is_new: bool) -> None:
    if not is_new:
        report.known += 1
        return
    report.added += 1
    report.rejected += document.review == "rejected"
    for chunk in document.chunks():
        if chunk.refused:
            seen = report.passages_refused
            seen[chunk.refused] = seen.get(chunk.refused, 0) + 1
