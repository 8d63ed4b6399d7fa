"""Tables of the local store, version by version; `PRAGMA user_version` says which one a file has.

A change of a table is a new entry at the end, never an edit: files in the field have the old one.
"""

from __future__ import annotations

from typing import Final

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        # Of every client id that this store ever had: a clone keeps what it sent under the old.
        """CREATE TABLE fact (
            client_id TEXT NOT NULL, seq INTEGER NOT NULL CHECK (seq >= 1), type TEXT NOT NULL,
            payload TEXT NOT NULL, hash TEXT NOT NULL, created_ms INTEGER NOT NULL, result TEXT,
            PRIMARY KEY (client_id, seq)) WITHOUT ROWID""",
        """CREATE TABLE walk (
            walk_id TEXT PRIMARY KEY, mine INTEGER NOT NULL, state TEXT NOT NULL,
            started_ms INTEGER NOT NULL, ended_ms INTEGER, dog_ids TEXT NOT NULL,
            source TEXT NOT NULL, rules_version TEXT NOT NULL, chunks INTEGER NOT NULL,
            auto INTEGER NOT NULL DEFAULT 0, predicted_m REAL, predicted_cells TEXT)
            WITHOUT ROWID""",
        "CREATE UNIQUE INDEX walk_one_open ON walk (state) WHERE state = 'open'",
        """CREATE TABLE chunk (
            walk_id TEXT NOT NULL, chunk INTEGER NOT NULL, packed BLOB NOT NULL,
            PRIMARY KEY (walk_id, chunk))""",
        """CREATE TABLE fix (
            fix_no INTEGER PRIMARY KEY AUTOINCREMENT, walk_id TEXT NOT NULL,
            t_ms INTEGER NOT NULL, lat_e5 INTEGER NOT NULL, lng_e5 INTEGER NOT NULL,
            accuracy_m INTEGER NOT NULL, flags INTEGER NOT NULL, steps INTEGER,
            mono_ms INTEGER)""",
        "CREATE INDEX fix_walk ON fix (walk_id, fix_no)",
        """CREATE TABLE pulled (
            collection TEXT NOT NULL, id TEXT NOT NULL, rev INTEGER NOT NULL,
            doc TEXT NOT NULL, checksum INTEGER NOT NULL, round INTEGER NOT NULL,
            PRIMARY KEY (collection, id)) WITHOUT ROWID""",
    ),
)
SCHEMA_VERSION: Final = len(MIGRATIONS)
