"""The index of the knowledge base: one SQLite file with words (FTS5), vectors and their documents.

Blocking; `search.SearchedKnowledge` calls it in threads. Any number of processes may open the file:
writers begin IMMEDIATE and look again before they write, readers see one snapshot a question.
Words and vectors of a document are written and removed in one transaction with its rows, and only
reviewed documents have any: what is not reviewed cannot be found.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sync_server.ai.vet.contract import Language
from sync_server.ai.vet.knowledge.documents import ASKED, Chunk, Document, Kind, Review
from sync_server.ai.vet.knowledge.errors import DocumentUnknown
from sync_server.ai.vet.knowledge.index_file import IndexFile
from sync_server.ai.vet.knowledge.tokens import TOKENS_VERSION, tokens

Vectors = Mapping[str, NDArray[np.float32]]
"""By chunk id."""


@dataclass(frozen=True)
class Weights:
    """How much a token counts by where it stands and what it is; `body` for all of a body."""

    title: float
    asked: float
    pairs: float
    concepts: float
    body: float


@dataclass(frozen=True)
class DocumentRow:
    """What `daengdong vet documents` shows of one."""

    doc_id: str
    kind: Kind
    title: str
    review: Review
    reason: str
    source: str
    licence: str
    path: str
    imported_ms: int
    chunks: int
    refused: int


@dataclass(frozen=True)
class Found:
    """Units that share words with a question, best first, and how rare its words are.

    `units_with` counts units that have a word in their head; a word in none is missing there.
    """

    units: tuple[tuple[int, float], ...]
    """(unit, points)."""
    units_with: Mapping[str, int]
    total: int

    def rarity(self, word: str) -> float:
        """The IDF of a word as FTS5's bm25 has it; that of a word found nowhere is the largest."""
        known = self.units_with.get(word, 0)
        return max(math.log((self.total - known + 0.5) / (known + 0.5)), 1e-6)


@dataclass(frozen=True)
class UnitChunk:
    """A chunk with where it belongs, and its tokens."""

    unit: int
    doc_id: str
    words: frozenset[str]
    chunk: Chunk


class KnowledgeStore:
    """The documents, what of them can be found, and finding it."""

    def __init__(self, path: Path) -> None:
        self._file = IndexFile(path)

    def open(self) -> None:
        """Make or check the file.

        Raises IndexBroken, IndexNewer, IndexUnwritable. Words of documents are made anew when the
        program makes other tokens than the one that wrote them.
        """
        self._file.make()
        with self._file.writing() as write:
            if _get(write, "tokens") != TOKENS_VERSION:
                _index_anew(write)
                _set(write, "tokens", TOKENS_VERSION)
                _changed(write)

    def close(self) -> None:
        """Close every connection; no thread may use the store then."""
        self._file.close()

    # Writing -------------------------------------------------------------------------------------

    def stale(self, documents: Sequence[Document]) -> list[Document]:
        """Those entries that the index does not hold as they are."""
        known = dict(
            self._file.rows("SELECT doc_id, content_hash FROM documents WHERE kind = 'entry'")
        )
        return [one for one in documents if known.get(one.doc_id) != one.content_hash]

    def sync_entries(self, documents: Sequence[Document], vectors: Vectors, model: str) -> int:
        """Make the entries of the index those given; returns how many documents changed.

        Imported documents stay; an entry takes the place of an imported document of its id.
        """
        with self._file.writing() as write:
            rows = write.execute("SELECT doc_id, content_hash FROM documents WHERE kind = 'entry'")
            known: dict[str, str] = dict(rows.fetchall())
            gone = set(known) - {one.doc_id for one in documents}
            new = [one for one in documents if known.get(one.doc_id) != one.content_hash]
            for doc_id in gone:
                _remove(write, doc_id)
            for one in new:
                _remove(write, one.doc_id)
                _insert(write, one, vectors, model)
            if gone or new:
                _changed(write)
        return len(gone) + len(new)

    def add(self, document: Document, vectors: Vectors, model: str) -> bool:
        """Add an imported document, or put it in the place of its older content.

        False: it is known with this very content, and stays with what was decided on it.
        """
        with self._file.writing() as write:
            row = write.execute(
                "SELECT content_hash FROM documents WHERE doc_id = ?", (document.doc_id,)
            ).fetchone()
            if row is not None and row[0] == document.content_hash:
                return False
            _remove(write, document.doc_id)
            _insert(write, document, vectors, model)
            _changed(write)
        return True

    def review(self, doc_id: str, state: Review, reason: str) -> None:
        """Decide on an imported document; raises DocumentUnknown (entries say it themselves)."""
        with self._file.writing() as write:
            done = write.execute(
                "UPDATE documents SET review = ?, reason = ? WHERE doc_id = ? AND kind = 'import'",
                (state, reason, doc_id),
            )
            if done.rowcount == 0:
                raise DocumentUnknown(
                    f"no imported document {doc_id!r}; `daengdong vet documents` lists them"
                )
            for unit in _units_of(write, doc_id):
                _unindex(write, unit)
                if state == "reviewed":
                    _index(write, unit)
            if state != "reviewed":
                write.execute(
                    "DELETE FROM vectors WHERE chunk IN (SELECT chunk FROM chunks JOIN units "
                    "USING (unit) WHERE doc_id = ?)",
                    (doc_id,),
                )
            _changed(write)

    def put_vectors(self, vectors: Vectors, model: str) -> None:
        """Keep vectors of chunks that are still there and reviewed."""
        with self._file.writing() as write:
            for chunk_id, vector in vectors.items():
                write.execute(
                    "INSERT OR REPLACE INTO vectors SELECT chunk, ?, ? FROM chunks "
                    "JOIN units USING (unit) JOIN documents USING (doc_id) "
                    "WHERE chunk_id = ? AND review = 'reviewed'",
                    (model, _packed(vector), chunk_id),
                )
            _changed(write)

    # Reading -------------------------------------------------------------------------------------

    def documents(self) -> list[DocumentRow]:
        """All documents, entries first."""
        rows = self._file.rows(
            "SELECT doc_id, kind, d.title, review, reason, source, licence, path, imported_ms, "
            "count(nullif(section, ?)), coalesce(sum(refused != ''), 0) FROM documents d "
            "LEFT JOIN units u USING (doc_id) LEFT JOIN chunks c USING (unit) "
            "GROUP BY doc_id ORDER BY kind, doc_id",
            (ASKED,),
        )
        return [DocumentRow(*row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Documents and chunks that can be found, and vectors."""
        row = self._file.rows(
            "SELECT (SELECT count(*) FROM documents WHERE review = 'reviewed'), "
            "(SELECT count(*) FROM chunks JOIN units USING (unit) JOIN documents USING (doc_id) "
            "WHERE review = 'reviewed' AND refused = '' AND section != ?), "
            "(SELECT count(*) FROM vectors)",
            (ASKED,),
        )[0]
        return {"documents": row[0], "chunks": row[1], "vectors": row[2]}

    def units(self) -> list[tuple[int, str]]:
        """Units and the documents that they belong to."""
        return [(row[0], row[1]) for row in self._file.rows("SELECT unit, doc_id FROM units")]

    def generation(self) -> int:
        """A number that changes with every change of the index, by whatever process."""
        rows = self._file.rows("SELECT value FROM meta WHERE name = 'generation'")
        return int(rows[0][0]) if rows else 0

    def snapshot(self) -> AbstractContextManager[object]:
        """Within, this thread reads the index as it is now, whatever is edited meanwhile."""
        return self._file.reading()

    def words(self, asked: Sequence[str], weights: Weights, limit: int, most: int) -> Found:
        """Find units by tokens (of `tokens`): BM25 of heads and bodies, weighed and added.

        Heads and bodies are two indexes so that a word is as rare as it is among the heads: every
        second entry speaks of vomiting, few are about it. Of the tokens that the index holds the
        `most` rarest are searched.
        """
        # One snapshot: what is counted is what is searched.
        with self._file.reading() as read:
            total = int(read.execute("SELECT count(*) FROM heads_docsize").fetchone()[0])
            in_heads = _counted(read, "heads", asked)
            in_bodies = _counted(read, "bodies", asked)
            of_head = (weights.title, weights.asked, weights.pairs, weights.concepts)
            points: dict[int, float] = dict(
                _matching(read, "heads", _rarest(in_heads, most), of_head)
            )
            of_body = (1.0, weights.pairs, weights.concepts)
            for unit, score in _matching(read, "bodies", _rarest(in_bodies, most), of_body):
                points[unit] = points.get(unit, 0.0) + weights.body * score
        best = sorted(points.items(), key=lambda one: (-one[1], one[0]))[:limit]
        return Found(tuple(best), in_heads, total)

    def chunks_of(self, units: Sequence[int], language: Language) -> list[UnitChunk]:
        """The chunks of units in a language, in their order; refused ones are not among them."""
        marks = ", ".join("?" * len(units))
        return self._chunks(f"unit IN ({marks})", (*units, language))

    def document(self, doc_id: str, language: Language) -> list[UnitChunk]:
        """The chunks of a reviewed document in a language, in their order."""
        return self._chunks("doc_id = ?", (doc_id, language))

    def without_vector(self, model: str, limit: int) -> list[Chunk]:
        """Chunks that can be found but have no vector of a model."""
        rows = self._file.rows(
            f"SELECT {_CHUNK} FROM chunks c JOIN units USING (unit) JOIN documents USING (doc_id) "
            "LEFT JOIN vectors v ON v.chunk = c.chunk AND v.model = ? "
            "WHERE review = 'reviewed' AND refused = '' AND v.chunk IS NULL "
            "ORDER BY c.chunk LIMIT ?",
            (model, limit),
        )
        return [Chunk(*row[3:]) for row in rows]

    def vectors(self, model: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The vectors of a model and the units that they belong to; (n,) and (n, dimensions)."""
        rows = self._file.rows(
            "SELECT unit, vector FROM vectors JOIN chunks USING (chunk) JOIN units USING (unit) "
            "JOIN documents USING (doc_id) WHERE model = ? AND review = 'reviewed' ORDER BY chunk",
            (model,),
        )
        if not rows:
            return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
        units = np.array([row[0] for row in rows], np.int64)
        return units, np.stack([np.frombuffer(row[1], np.float32) for row in rows])

    def _chunks(self, where: str, values: tuple[Any, ...]) -> list[UnitChunk]:
        rows = self._file.rows(
            f"SELECT {_CHUNK} FROM chunks c JOIN units USING (unit) JOIN documents USING (doc_id) "
            f"WHERE {where} AND language = ? AND review = 'reviewed' AND refused = '' "
            "AND section != ? ORDER BY c.chunk",
            (*values, ASKED),
        )
        return [
            UnitChunk(row[0], row[1], frozenset(row[2].split()), Chunk(*row[3:])) for row in rows
        ]


def _counted(read: sqlite3.Connection, table: str, asked: Sequence[str]) -> dict[str, int]:
    marks = ", ".join("?" * len(asked))
    rows = read.execute(
        f"SELECT term, doc FROM {table}_terms WHERE term IN ({marks})", tuple(asked)
    )
    return dict(rows.fetchall())


def _rarest(counted: Mapping[str, int], most: int) -> list[str]:
    return sorted(counted, key=lambda word: (counted[word], word))[:most]


def _matching(
    read: sqlite3.Connection, table: str, words: list[str], weights: tuple[float, ...]
) -> list[tuple[int, float]]:
    if not words:
        return []
    # Only tokens that the index holds, each quoted: no word of a user is syntax.
    wanted = " OR ".join(f'"{word}"' for word in words)
    marks = ", ".join("?" * len(weights))
    return read.execute(
        f"SELECT rowid, -bm25({table}, {marks}) FROM {table} WHERE {table} MATCH ? "
        f"ORDER BY rank LIMIT {_MOST_MATCHES}",
        (*weights, wanted),
    ).fetchall()


_MOST_MATCHES: Final = 400
_CHUNK: Final = "unit, doc_id, words, chunk_id, language, section, c.title, text, refused"


def _insert(write: sqlite3.Connection, document: Document, vectors: Vectors, model: str) -> None:
    write.execute(
        "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            document.doc_id, document.kind, document.title, document.content_hash,
            document.review, document.reason, document.source, document.licence,
            document.path, document.imported_ms,
        ),
    )  # fmt: skip
    for unit in document.units:
        number = write.execute(
            "INSERT INTO units (doc_id, title, asked) VALUES (?, ?, ?)",
            (document.doc_id, unit.title, unit.asked),
        ).lastrowid
        for chunk in unit.chunks:
            made = write.execute(
                "INSERT INTO chunks (chunk_id, unit, language, section, title, text, refused, "
                "words) VALUES (?, ?, ?, ?, ?, ?, ?, '')",
                (
                    chunk.chunk_id, number, chunk.language, chunk.section, chunk.title,
                    chunk.text, chunk.refused,
                ),
            ).lastrowid  # fmt: skip
            vector = vectors.get(chunk.chunk_id)
            if vector is not None and document.review == "reviewed" and not chunk.refused:
                write.execute(
                    "INSERT INTO vectors VALUES (?, ?, ?)", (made, model, _packed(vector))
                )
        if document.review == "reviewed":
            _index(write, int(number or 0))


def _remove(write: sqlite3.Connection, doc_id: str) -> None:
    for unit in _units_of(write, doc_id):
        _unindex(write, unit)
    write.execute("DELETE FROM documents WHERE doc_id = ?", (doc_id,))


def _units_of(write: sqlite3.Connection, doc_id: str) -> list[int]:
    rows = write.execute("SELECT unit FROM units WHERE doc_id = ?", (doc_id,)).fetchall()
    return [int(row[0]) for row in rows]


def _unindex(write: sqlite3.Connection, unit: int) -> None:
    write.execute("DELETE FROM heads WHERE rowid = ?", (unit,))
    write.execute("DELETE FROM bodies WHERE rowid = ?", (unit,))


def _index(write: sqlite3.Connection, unit: int) -> None:
    """Make the words of a unit that is in the tables."""
    title, asked = write.execute(
        "SELECT title, asked FROM units WHERE unit = ?", (unit,)
    ).fetchone()
    chunks = write.execute(
        "SELECT chunk, text FROM chunks WHERE unit = ? AND refused = '' AND section != ? "
        "ORDER BY chunk",
        (unit, ASKED),
    ).fetchall()
    body = [(number, tokens(text)) for number, text in chunks]
    write.executemany(
        "UPDATE chunks SET words = ? WHERE chunk = ?",
        [(" ".join(made.different()), number) for number, made in body],
    )
    of_title, of_asked = tokens(title), tokens(asked)
    write.execute(
        "INSERT INTO heads (rowid, title, asked, pairs, concepts) VALUES (?, ?, ?, ?, ?)",
        (
            unit,
            " ".join(of_title.words),
            " ".join(of_asked.words),
            " ".join(of_title.pairs + of_asked.pairs),
            " ".join(of_title.concepts + of_asked.concepts),
        ),
    )
    write.execute(
        "INSERT INTO bodies (rowid, words, pairs, concepts) VALUES (?, ?, ?, ?)",
        (
            unit,
            " ".join(word for _, made in body for word in made.words),
            " ".join(pair for _, made in body for pair in made.pairs),
            " ".join(concept for _, made in body for concept in made.concepts),
        ),
    )


def _index_anew(write: sqlite3.Connection) -> None:
    write.execute("DELETE FROM heads")
    write.execute("DELETE FROM bodies")
    rows = write.execute(
        "SELECT unit FROM units JOIN documents USING (doc_id) WHERE review = 'reviewed'"
    ).fetchall()
    for row in rows:
        _index(write, int(row[0]))


def _changed(write: sqlite3.Connection) -> None:
    _set(write, "generation", str(int(_get(write, "generation") or "0") + 1))


def _set(write: sqlite3.Connection, name: str, value: str) -> None:
    write.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _get(write: sqlite3.Connection, name: str) -> str | None:
    row = write.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def _packed(vector: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(vector, np.float32).tobytes()
