"""A Piccolo SQLite engine with one writer and persistent readers.

Why the stock engine does not do (measured, docs/decisions/0005): it opens a connection and a
thread per query, sets no WAL and begins DEFERRED, so 50 concurrent read-modify-write writers
fail 98 % with "database is locked". Here one writer connection stands behind a fair lock and
begins IMMEDIATE; readers are pooled and see a snapshot. A failed BEGIN or COMMIT releases the
lock and leaves no thread behind, and a nested transaction is a savepoint.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import aiosqlite
from piccolo.engine.sqlite import SQLiteEngine, TransactionType, dict_factory
from piccolo.query.base import Query
from piccolo.querystring import QueryString

READERS = 4
BUSY_TIMEOUT_S = 10.0
_READS = re.compile(r"\s*(SELECT|WITH|VALUES|EXPLAIN)\b", re.IGNORECASE)
_WRITE_WORD = re.compile(r"\b(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)


def is_read(sql: str) -> bool:
    """Say whether a statement only reads (a WITH that writes is a write)."""
    return bool(_READS.match(sql)) and not _WRITE_WORD.search(sql)


class SQLiteWriteTransaction:
    """One IMMEDIATE transaction on the writer connection; nested use is a savepoint."""

    def __init__(self, engine: SingleWriterSQLiteEngine, allow_nested: bool = True) -> None:
        self.engine = engine
        self.allow_nested = allow_nested
        self.connection: aiosqlite.Connection
        self._parent: SQLiteWriteTransaction | SQLiteReadTransaction | None = None
        self._savepoint = ""
        self._depth = 0
        self.task: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> SQLiteWriteTransaction:
        parent = self.engine.own_transaction()
        if parent is not None:
            if not self.allow_nested:
                raise RuntimeError("a transaction is already open and nesting was refused")
            if isinstance(parent, SQLiteReadTransaction):
                raise RuntimeError("a write inside a read-only transaction")
            self._parent = parent
            self.connection = parent.connection
            self._depth = parent._depth + 1
            self._savepoint = f"nested_{self._depth}"
            await self.connection.execute(f"SAVEPOINT {self._savepoint}")
        else:
            await self.engine.writer_lock.acquire()
            try:
                self.connection = await self.engine.writer()
                await self.connection.execute("BEGIN IMMEDIATE")
            except BaseException:
                await asyncio.shield(self.engine.reset_writer())
                self.engine.writer_lock.release()
                raise
        self.task = asyncio.current_task()
        self._token = self.engine.current.set(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self.engine.current.reset(self._token)
        # Shielded: a cancelled request must still end its transaction before the lock goes on.
        await asyncio.shield(self._end(failed=error is not None))
        return False

    async def _end(self, failed: bool) -> None:
        if self._parent is not None:
            if failed:
                await self.connection.execute(f"ROLLBACK TO {self._savepoint}")
            await self.connection.execute(f"RELEASE {self._savepoint}")
            return
        try:
            try:
                await self.connection.execute("ROLLBACK" if failed else "COMMIT")
            except sqlite3.Error:
                # SQLite itself rolls back on some errors (disk full): then ROLLBACK has nothing
                # to do. A COMMIT that failed must not leave its lock behind.
                if self.connection.in_transaction:
                    await self.connection.execute("ROLLBACK")
                if not failed:
                    raise
        except BaseException:
            await self.engine.reset_writer()
            raise
        finally:
            self.engine.writer_lock.release()


class SQLiteReadTransaction:
    """One read-only snapshot on a pooled reader."""

    def __init__(self, engine: SingleWriterSQLiteEngine) -> None:
        self.engine = engine
        self.connection: aiosqlite.Connection
        self.task: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> SQLiteReadTransaction:
        self.connection = await self.engine.take_reader()
        try:
            await self.connection.execute("BEGIN")
        except BaseException:
            await asyncio.shield(self.engine.drop_reader(self.connection))
            raise
        self.task = asyncio.current_task()
        self._token = self.engine.current.set(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self.engine.current.reset(self._token)
        await asyncio.shield(self._end())
        return False

    async def _end(self) -> None:
        try:
            await self.connection.execute("ROLLBACK")
        except sqlite3.Error:
            await self.engine.drop_reader(self.connection)
        else:
            self.engine.give_reader(self.connection)


class SingleWriterSQLiteEngine(SQLiteEngine):
    """Piccolo's SQLite engine with one writer connection and four persistent readers.

    Values come back as SQLite stores them (integers, text, bytes): the tables use only such
    columns, and Piccolo's per-value Python converters would cost more than the query.
    """

    __slots__ = ("_idle", "_reader_slots", "_readers", "_writer", "current", "writer_lock")

    def __init__(self, path: str, **connection_kwargs: Any) -> None:
        super().__init__(
            path=path,
            detect_types=0,
            timeout=BUSY_TIMEOUT_S,
            # `Tx` runs the short statements of a write in the event loop's thread.
            check_same_thread=False,
            **connection_kwargs,
        )
        # The same variable as Piccolo's, which is declared for its own kind of transaction.
        self.current: ContextVar[Any] = self.current_transaction
        self.writer_lock = asyncio.Lock()
        self._writer: aiosqlite.Connection | None = None
        self._idle: list[aiosqlite.Connection] = []
        self._readers: set[aiosqlite.Connection] = set()
        self._reader_slots = asyncio.Semaphore(READERS)

    def own_transaction(self) -> Any:
        """Return the transaction of the running task, or None.

        A task started inside a transaction inherits the context variable; it must not use
        its parent's connection.
        """
        current = self.current.get()
        return current if current and current.task is asyncio.current_task() else None

    async def _connect(self, read_only: bool) -> aiosqlite.Connection:
        connection = await aiosqlite.connect(**self.connection_kwargs)
        try:
            await connection.execute("PRAGMA foreign_keys = ON")
            if read_only:
                await connection.execute("PRAGMA query_only = ON")
            else:
                await connection.execute("PRAGMA journal_mode = WAL")
                await connection.execute("PRAGMA synchronous = NORMAL")
                await connection.execute("PRAGMA wal_autocheckpoint = 4000")
            await connection.execute("PRAGMA cache_size = -32768")
        except BaseException:
            await asyncio.shield(connection.close())
            raise
        return connection

    async def writer(self) -> aiosqlite.Connection:
        """Return the writer connection, opening it if needed; hold `writer_lock` to use it."""
        if self._writer is None:
            self._writer = await self._connect(read_only=False)
        return self._writer

    async def reset_writer(self) -> None:
        """Close the writer connection (after an error that may have left it unusable)."""
        connection, self._writer = self._writer, None
        if connection is not None:
            await connection.close()

    async def take_reader(self) -> aiosqlite.Connection:
        """Take a reader from the pool, waiting for one of the four."""
        await self._reader_slots.acquire()
        if self._idle:
            return self._idle.pop()
        try:
            connection = await self._connect(read_only=True)
        except BaseException:
            self._reader_slots.release()
            raise
        self._readers.add(connection)
        return connection

    def give_reader(self, connection: aiosqlite.Connection) -> None:
        """Put a reader back."""
        self._idle.append(connection)
        self._reader_slots.release()

    async def drop_reader(self, connection: aiosqlite.Connection) -> None:
        """Close a reader that failed; the next take opens a new one."""
        self._readers.discard(connection)
        self._reader_slots.release()
        await connection.close()

    async def close(self) -> None:
        """Close every connection and its thread."""
        await self.reset_writer()
        readers, self._readers = self._readers, set()
        self._idle.clear()
        for connection in readers:
            await connection.close()

    # Piccolo's own queries -------------------------------------------------------------

    def transaction(  # type: ignore[override]
        self,
        transaction_type: TransactionType = TransactionType.immediate,
        allow_nested: bool = True,
    ) -> SQLiteWriteTransaction:
        """Open a write transaction (always IMMEDIATE)."""
        return SQLiteWriteTransaction(self, allow_nested)

    def read(self) -> SQLiteReadTransaction:
        """Open a read-only snapshot."""
        return SQLiteReadTransaction(self)

    async def run_querystring(self, querystring: QueryString, in_pool: bool = False) -> Any:
        """Run one Piccolo query, in the open transaction or in one of its own."""
        sql, args = querystring.compile_string(engine_type=self.engine_type)
        return await self._run(sql, args)

    async def run_ddl(self, ddl: str, in_pool: bool = False) -> Any:
        """Run one DDL statement."""
        return await self._run(ddl, [])

    async def _run(self, sql: str, args: Sequence[Any]) -> list[dict[str, Any]]:
        current = self.own_transaction()
        if current is not None:
            return await _fetch_dicts(current.connection, sql, args)
        own: SQLiteReadTransaction | SQLiteWriteTransaction
        own = self.read() if is_read(sql) else self.transaction()
        await own.__aenter__()
        try:
            rows = await _fetch_dicts(own.connection, sql, args)
        except BaseException as error:
            await own.__aexit__(type(error), error, error.__traceback__)
            raise
        await own.__aexit__(None, None, None)
        return rows

    async def batch(self, query: Query[Any, Any], batch_size: int = 100, node: Any = None) -> Any:
        """Refuse: a cursor would hold a pooled reader open; page with LIMIT instead."""
        raise NotImplementedError("page with LIMIT; see platform.database.Tx")


async def _fetch_dicts(
    connection: aiosqlite.Connection, sql: str, args: Sequence[Any]
) -> list[dict[str, Any]]:
    async with connection.execute(sql, args) as cursor:
        rows = await cursor.fetchall()
        return [dict_factory(cursor, row) for row in rows]
