"""Opening the store's file: one process at a time, a sound database, typed errors."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_sdk.errors import (
    EdgeError,
    MissingExtra,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreInUse,
    StoreReadOnly,
    StoreTooNew,
)
from edge_sdk.sync.schema import MIGRATIONS, SCHEMA_VERSION

if TYPE_CHECKING:
    import aiosqlite

_READY: Final = b"daengdong store\n"


def translate_error(error: sqlite3.Error, path: Path) -> StoreError:
    """Return the typed error of what SQLite says (https://sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorcode", None)
    match None if code is None else code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return StoreFull(f"no space left for {path}: free some and call again")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return StoreReadOnly(f"{path} cannot be written: {error}")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreCorrupt(f"{path} is damaged ({error}): keep it and open another path")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreInUse(f"{path} is locked by another program")
    if code == sqlite3.SQLITE_IOERR_SHORT_READ:
        return StoreCorrupt(f"{path} is cut short: keep it and open another path")
    return StoreError(f"{path}: {error}")


class StoreFile:
    """The open file: its process lock, its one connection and its transactions."""

    def __init__(self, path: Path, lock_fd: int, connection: aiosqlite.Connection) -> None:
        self.path = path
        self._lock_fd = lock_fd
        self._connection: aiosqlite.Connection | None = connection
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> StoreFile:
        """Open or create the file; raise StoreInUse, StoreReadOnly, StoreCorrupt, StoreTooNew."""
        try:
            import aiosqlite
        except ImportError:
            raise MissingExtra("aiosqlite", "sync") from None
        lock_fd = _lock(path)
        try:
            if path.is_file() and path.stat().st_size == 0 and os.pread(lock_fd, 64, 0) == _READY:
                raise StoreCorrupt(f"{path} was a store and is empty now: restore it from a copy")
            _create_private(path)
            connection = await aiosqlite.connect(path, isolation_level=None, timeout=5.0)
        except sqlite3.Error as error:
            os.close(lock_fd)
            raise translate_error(error, path) from error
        except BaseException:
            os.close(lock_fd)
            raise
        file = cls(path, lock_fd, connection)
        try:
            await file._prepare()
        except BaseException:
            await file.close()
            raise
        return file

    async def _prepare(self) -> None:
        try:
            db = self._live()
            await db.execute("PRAGMA journal_mode = WAL")
            await db.execute("PRAGMA synchronous = FULL")
            rows = await db.execute_fetchall("PRAGMA quick_check(1)")
            verdict = str(next(iter(rows))[0])
            if verdict != "ok":
                raise StoreCorrupt(f"{self.path} is damaged ({verdict}): keep it, open another")
            # A write that changes nothing finds a read-only file now and not with the first fix.
            async with self.write() as tx:
                row = await tx.row("PRAGMA user_version")
                version = int(row[0]) if row else 0
                if version > SCHEMA_VERSION:
                    raise StoreTooNew(
                        f"{self.path} has schema {version}, this build knows {SCHEMA_VERSION}: "
                        "update the app"
                    )
                for statements in MIGRATIONS[version:]:
                    for statement in statements:
                        await tx.execute(statement)
                await tx.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        except sqlite3.Error as error:
            raise translate_error(error, self.path) from error
        os.pwrite(self._lock_fd, _READY, 0)

    def _live(self) -> aiosqlite.Connection:
        if self._connection is None:
            raise StoreClosed(f"{self.path} is closed")
        return self._connection

    async def close(self) -> None:
        """Close the connection and let other processes in; closing twice does nothing."""
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is None:
                return
            try:
                with suppress(sqlite3.Error):
                    await connection.close()
            finally:
                os.close(self._lock_fd)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[StoreTx]:
        """Run one transaction: all of it is on the disk when this ends, or none of it."""
        async with self._turn:
            db = self._live()
            try:
                await db.execute("BEGIN IMMEDIATE")
                yield StoreTx(db)
                await db.execute("COMMIT")
            except BaseException as error:
                # Queued at once behind whatever a cancelled task left running, before any BEGIN;
                # does nothing where SQLite has rolled back by itself (full disk).
                with suppress(sqlite3.Error):
                    await db.rollback()
                if isinstance(error, sqlite3.Error):
                    raise translate_error(error, self.path) from error
                raise


class StoreTx:
    """Statements inside one transaction."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db

    async def execute(self, sql: str, *arguments: object) -> int:
        """Run one statement; return how many rows it changed."""
        async with self._db.execute(sql, arguments) as cursor:
            return cursor.rowcount

    async def execute_many(self, sql: str, rows: list[tuple[object, ...]]) -> None:
        """Run one statement for many rows."""
        async with self._db.executemany(sql, rows):
            pass

    async def rows(self, sql: str, *arguments: object) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        return list(await self._db.execute_fetchall(sql, arguments))

    async def row(self, sql: str, *arguments: object) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        found = await self.rows(sql, *arguments)
        return found[0] if found else None


def _lock(path: Path) -> int:
    lock_path = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock_fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _os_error(error, path) from error
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_fd)
        if isinstance(error, BlockingIOError):
            raise StoreInUse(f"{path} is open in another process: close it there first") from None
        raise _os_error(error, path) from error
    return lock_fd


def _create_private(path: Path) -> None:
    """Create the file readable by its user only: it holds tokens and where a home is."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise _os_error(error, path) from error


def _os_error(error: OSError, path: Path) -> EdgeError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"no space left for {path}: free some and call again")
    return StoreReadOnly(f"{path} cannot be written: {error.strerror}")
