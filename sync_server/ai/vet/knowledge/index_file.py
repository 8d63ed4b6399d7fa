"""The file of the index: its schema, a connection for each thread, transactions, typed errors."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sync_server.ai.vet.knowledge.errors import (
    IndexBroken,
    IndexNewer,
    IndexUnwritable,
    KnowledgeError,
)

SCHEMA_VERSION: Final = 1
BUSY_S: Final = 10.0
_SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
  doc_id TEXT PRIMARY KEY, kind TEXT NOT NULL, title TEXT NOT NULL, content_hash TEXT NOT NULL,
  review TEXT NOT NULL, reason TEXT NOT NULL, source TEXT NOT NULL, licence TEXT NOT NULL,
  path TEXT NOT NULL, imported_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE units (
  unit INTEGER PRIMARY KEY, doc_id TEXT NOT NULL REFERENCES documents ON DELETE CASCADE,
  title TEXT NOT NULL, asked TEXT NOT NULL
);
CREATE INDEX units_of_document ON units (doc_id);
CREATE TABLE chunks (
  chunk INTEGER PRIMARY KEY, chunk_id TEXT NOT NULL UNIQUE,
  unit INTEGER NOT NULL REFERENCES units ON DELETE CASCADE,
  language TEXT NOT NULL, section TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
  refused TEXT NOT NULL, words TEXT NOT NULL
);
CREATE INDEX chunks_of_unit ON chunks (unit);
CREATE TABLE vectors (
  chunk INTEGER PRIMARY KEY REFERENCES chunks ON DELETE CASCADE,
  model TEXT NOT NULL, vector BLOB NOT NULL
);
CREATE VIRTUAL TABLE heads USING fts5 (
  title, asked, pairs, concepts, detail = column,
  tokenize = "unicode61 remove_diacritics 0 tokenchars '_'"
);
CREATE VIRTUAL TABLE bodies USING fts5 (
  words, pairs, concepts, detail = column,
  tokenize = "unicode61 remove_diacritics 0 tokenchars '_'"
);
CREATE VIRTUAL TABLE heads_terms USING fts5vocab (heads, 'row');
CREATE VIRTUAL TABLE bodies_terms USING fts5vocab (bodies, 'row');
"""


class IndexFile:
    """One SQLite file; each thread that uses it has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._opening = threading.Lock()

    def make(self) -> None:
        """Make the tables where there are none; raises IndexBroken, IndexNewer, IndexUnwritable."""
        with self.writing() as write:
            version = int(write.execute("PRAGMA user_version").fetchone()[0])
            if version > SCHEMA_VERSION:
                raise IndexNewer(
                    f"{self._path} has version {version}, this program knows {SCHEMA_VERSION}: "
                    "update the program, or move the file away to index anew"
                )
            if version == 0:
                for statement in _SCHEMA.split(";\n"):
                    if statement.strip():
                        write.execute(statement)
                write.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        """Close every connection; no thread may use the file then."""
        with self._opening:
            opened, self._opened = self._opened, []
        for connection in opened:
            connection.close()
        self._local = threading.local()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One IMMEDIATE transaction; nothing of it stays when it fails."""
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise self._error_of(error) from None
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException as error:
            # SQLite itself rolls back on some errors (disk full).
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._error_of(error) from None
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot; within a snapshot that is open, that one."""
        try:
            connection = self._connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._error_of(error) from None

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        try:
            return self._connection().execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._error_of(error) from None

    def _connection(self) -> sqlite3.Connection:
        known: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if known is not None:
            return known
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise IndexUnwritable(f"{self._path.parent}: {error.strerror}") from None
        # Closed by `close` from another thread, hence the flag; used by this one only.
        made = sqlite3.connect(
            self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            made.execute("PRAGMA foreign_keys = ON")
            made.execute("PRAGMA journal_mode = WAL")
            made.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error:
            made.close()
            raise
        with self._opening:
            self._opened.append(made)
        self._local.connection = made
        return made

    def _error_of(self, error: sqlite3.Error) -> KnowledgeError:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            return IndexBroken(
                f"{self._path} is not an index that can be read ({name}): restore it, or move it "
                "away and import again what was imported"
            )
        if isinstance(error, sqlite3.OperationalError) and not name.startswith("SQLITE_ERROR"):
            return IndexUnwritable(f"{self._path} cannot be used now: {name}")
        return IndexBroken(f"{self._path}: {name}: {error}")
