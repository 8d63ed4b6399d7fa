"""The database: one interface over SQLite and PostgreSQL.

Ordinary queries use Piccolo tables; bulk and hot statements use `Tx`, whose SQL is written
once with `?` placeholders and runs on both engines.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

import aiosqlite
from piccolo.engine.base import Engine
from piccolo.engine.postgres import PostgresEngine

from sync_server.platform.sqlite_engine import SingleWriterSQLiteEngine

try:
    import asyncpg
except ImportError:  # the extra `postgres`; SQLite works without it
    asyncpg = None

Dialect = Literal["sqlite", "postgres"]
T = TypeVar("T")
POSTGRES_POOL = (5, 20)
_INLINE_ROWS = 2_000


DRIVER_FAULTS: tuple[type[Exception], ...] = (sqlite3.Error, OSError)
"""What the drivers raise; `translate_error` makes typed errors of them."""
if asyncpg is not None:
    DRIVER_FAULTS += (asyncpg.PostgresError, asyncpg.InterfaceError)


class DatabaseError(Exception):
    """A database fault that is not the caller's; `code` is stable, the request may be retried."""

    code = "database_unavailable"


class DatabaseBusy(DatabaseError):
    """Another process kept the write lock longer than the busy timeout, or a deadlock."""

    code = "database_busy"


class StorageFull(DatabaseError):
    """The disk is full (or a limit on the file was met); nothing of the request was kept."""

    code = "storage_full"


class StorageReadOnly(DatabaseError):
    """The database file or server accepts no writes."""

    code = "storage_read_only"


class UniqueViolation(Exception):
    """A row with the same unique key exists."""


class Row(Protocol):
    """A result row: values by position or by column name."""

    def __getitem__(self, key: int | str) -> Any: ...
    def keys(self) -> Iterable[str]: ...


@lru_cache(maxsize=1024)
def _numbered(sql: str) -> str:
    parts = sql.split("?")
    return "".join(f"{part}${i}" for i, part in enumerate(parts[:-1], 1)) + parts[-1]


def translate_error(error: BaseException) -> BaseException:
    """Map a driver's exception to ours; others come back unchanged."""
    text = str(error).lower()
    if isinstance(error, sqlite3.IntegrityError):
        return UniqueViolation(str(error)) if "unique" in text else error
    if isinstance(error, sqlite3.Error):
        if "locked" in text or "busy" in text:
            return DatabaseBusy(str(error))
        if "full" in text or "disk i/o" in text:
            return StorageFull(str(error))
        if "readonly" in text or "read-only" in text:
            return StorageReadOnly(str(error))
        if isinstance(error, sqlite3.OperationalError) and "unable to open" in text:
            return DatabaseError(str(error))
        return error
    if isinstance(error, (ConnectionError, TimeoutError)):
        return DatabaseError(str(error))
    return error if asyncpg is None else _translate_postgres(error)


def _translate_postgres(error: BaseException) -> BaseException:
    if isinstance(error, asyncpg.UniqueViolationError):
        return UniqueViolation(str(error))
    if isinstance(error, asyncpg.DiskFullError):
        return StorageFull(str(error))
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return StorageReadOnly(str(error))
    if isinstance(error, (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)):
        return DatabaseBusy(str(error))
    gone = (
        asyncpg.PostgresConnectionError,
        asyncpg.InterfaceError,
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
        asyncpg.TooManyConnectionsError,
    )
    return DatabaseError(str(error)) if isinstance(error, gone) else error


def is_bad_value(error: BaseException) -> bool:
    """Say whether a value does not fit its column: the same statement would fail for ever."""
    if isinstance(error, (sqlite3.DataError, sqlite3.InterfaceError)):
        return True
    return asyncpg is not None and isinstance(error, asyncpg.DataError)


AtEnd = Callable[["Tx", set[int]], Awaitable[None]]


class Tx:
    """Statements inside one transaction; placeholders are `?` on both engines.

    On SQLite the statements of a write run in the event loop's thread: they take 5-50 us each,
    the way to aiosqlite's thread and back about 80 us. What can wait (BEGIN for the lock, COMMIT
    for the disk), reads of any size and long `executemany` go through the thread.
    """

    def __init__(self, dialect: Dialect, connection: Any, inline: bool = False) -> None:
        self.dialect: Dialect = dialect
        self.connection = connection
        self._inline = inline
        self._revision: int | None = None
        self._at_end: dict[AtEnd, set[int]] = {}
        self._after: list[Callable[[], None]] = []

    def at_end(self, work: AtEnd, items: Iterable[int]) -> None:
        """Run `work` once with all items just before the commit.

        For rows that many transactions want: taken last and all at once, they are held shortly
        and nobody waits for another lock while holding them.
        """
        self._at_end.setdefault(work, set()).update(items)

    async def run_at_end(self) -> None:
        """Do what `at_end` was told; `Database.transaction` calls it."""
        for work, items in self._at_end.items():
            await work(self, items)

    def after_commit(self, work: Callable[[], None]) -> None:
        """Call `work` once the commit is done; never after a rollback.

        For hints to those who wait, and to start what must not run inside the transaction. It
        must not fail, and a savepoint that is undone does not take it back.
        """
        self._after.append(work)

    def run_after_commit(self) -> None:
        """Do what `after_commit` was told; `Database.transaction` calls it."""
        for work in self._after:
            work()

    async def fetch_all(self, sql: str, *args: Any) -> Sequence[Any]:
        """Run a query; return its rows (by position or column name)."""
        if self.dialect == "sqlite":
            return await self._sqlite(lambda raw: _rows(raw, sql, args))
        return list(await self.connection.fetch(_numbered(sql), *args))

    async def fetch_tuples(self, sql: str, *args: Any) -> Sequence[tuple[Any, ...]]:
        """Run a query whose rows are read by position only (the fast path for many rows)."""
        if self.dialect == "sqlite":
            return await self._sqlite(lambda raw: raw.execute(sql, args).fetchall())
        return [tuple(row) for row in await self.connection.fetch(_numbered(sql), *args)]

    async def fetch_one(self, sql: str, *args: Any) -> Any:
        """Run a query; return its first row or None."""
        rows = await self.fetch_all(sql, *args)
        return rows[0] if rows else None

    async def fetch_value(self, sql: str, *args: Any) -> Any:
        """Run a query; return the first column of its first row or None."""
        row = await self.fetch_one(sql, *args)
        return None if row is None else row[0]

    async def execute(self, sql: str, *args: Any) -> int:
        """Run a statement; return the number of rows it changed."""
        if self.dialect == "sqlite":
            return await self._sqlite(lambda raw: raw.execute(sql, args).rowcount)
        status = await self.connection.execute(_numbered(sql), *args)
        tail = status.rsplit(" ", 1)[-1]
        return int(tail) if tail.isdigit() else 0

    async def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per row of arguments."""
        if not rows:
            return
        if self.dialect == "sqlite":
            few = len(rows) <= _INLINE_ROWS
            await self._sqlite(lambda raw: raw.executemany(sql, rows), may_inline=few)
        else:
            await self.connection.executemany(_numbered(sql), rows)

    async def _sqlite(self, work: Callable[[sqlite3.Connection], T], may_inline: bool = True) -> T:
        connection: aiosqlite.Connection = self.connection
        if self._inline and may_inline:
            return work(connection._conn)
        # Straight to sqlite3 in the connection's thread: one hop instead of three.
        result: T = await connection._execute(  # type: ignore[no-untyped-call]
            lambda: work(connection._conn)
        )
        return result

    def in_list(self, column: str, values: Iterable[int | str]) -> tuple[str, Any]:
        """Return `column IN (...)` as SQL with one placeholder, and its argument.

        Works for any number of values: an array on PostgreSQL, json_each on SQLite.
        """
        items = list(values)
        if self.dialect == "sqlite":
            return f"{column} IN (SELECT value FROM json_each(?))", json.dumps(items)
        kind = "text" if items and isinstance(items[0], str) else "bigint"
        return f"{column} = ANY(?::{kind}[])", items

    @property
    def for_update(self) -> str:
        """` FOR UPDATE` on PostgreSQL; empty on SQLite, whose writer is alone."""
        return " FOR UPDATE" if self.dialect == "postgres" else ""

    async def lock(self, space: int, keys: Iterable[int]) -> None:
        """Hold the named locks until the transaction ends (in sorted order: no deadlock)."""
        if self.dialect == "postgres":
            for key in sorted(set(keys)):
                await self.connection.execute(
                    "SELECT pg_advisory_xact_lock($1)", (space << 56) ^ (key & ((1 << 56) - 1))
                )

    async def revision(self) -> int:
        """Return this transaction's revision: what the rows it changes are stamped with.

        SQLite: a counter that only the single writer moves. PostgreSQL: the transaction id,
        so that a reader can stop at the oldest transaction still running (`horizon`).
        """
        if self._revision is None:
            if self.dialect == "sqlite":
                sql = "UPDATE sync_clock SET rev = rev + 1 RETURNING rev"
            else:
                sql = "SELECT pg_current_xact_id()::text::bigint"
            self._revision = int(await self.fetch_value(sql))
        return self._revision

    async def horizon(self) -> int:
        """Return the revision below which no running transaction can still add a row."""
        if self.dialect == "sqlite":
            return int(await self.fetch_value("SELECT rev FROM sync_clock")) + 1
        return int(
            await self.fetch_value("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        )

    @asynccontextmanager
    async def savepoint(self, name: str = "part") -> AsyncIterator[None]:
        """Undo what happens inside if it raises, and keep the rest of the transaction."""
        await self.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            await self.execute(f"ROLLBACK TO SAVEPOINT {name}")
            await self.execute(f"RELEASE SAVEPOINT {name}")
            raise
        await self.execute(f"RELEASE SAVEPOINT {name}")


def _rows(raw: sqlite3.Connection, sql: str, args: Sequence[Any]) -> list[sqlite3.Row]:
    cursor = raw.cursor()
    cursor.row_factory = sqlite3.Row
    return cursor.execute(sql, args).fetchall()


async def _keep_session(_connection: Any) -> None:
    """Leave a session as it is when its connection goes back to the pool.

    An open transaction is rolled back before this is called. Nothing here sets variables, takes
    locks of a session or listens on a pooled connection, so there is nothing else to undo, and each
    use of a connection is one way to the server and back shorter.
    """


class Database:
    """A pool of connections to one database, by URL.

    `sqlite:///path/to/file.sqlite` or `postgresql://user:password@host:port/name`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine: Engine[Any]
        parts = urlsplit(url)
        if parts.scheme == "sqlite":
            self.dialect: Dialect = "sqlite"
            self.path = Path(url.removeprefix("sqlite:///"))
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.engine = SingleWriterSQLiteEngine(str(self.path))
        elif parts.scheme in ("postgres", "postgresql"):
            if asyncpg is None:
                raise ValueError("PostgreSQL needs asyncpg: pip install 'daengdong[postgres]'")
            self.dialect = "postgres"
            self.engine = PostgresEngine(config={"dsn": url})
        else:
            raise ValueError(f"DATABASE_URL must start with sqlite:/// or postgresql://: {url!r}")

    async def open(self, bind: bool = True, pool: tuple[int, int] = POSTGRES_POOL) -> None:
        """Open the pool (PostgreSQL) and make Piccolo's tables use this database.

        `bind=False` leaves the tables alone: for a store beside the application's database, which
        is read and written by `Tx` only.
        """
        from sync_server.platform import piccolo_conf

        if bind:
            piccolo_conf.bind(self.engine)
        if isinstance(self.engine, PostgresEngine):
            low, high = pool
            try:
                await self.engine.start_connection_pool(
                    min_size=low, max_size=high, command_timeout=30, reset=_keep_session
                )
            except DRIVER_FAULTS as error:
                raise DatabaseError(f"no connection to PostgreSQL: {error}") from error

    async def close(self) -> None:
        """Close every connection."""
        if isinstance(self.engine, SingleWriterSQLiteEngine):
            await self.engine.close()
        elif isinstance(self.engine, PostgresEngine) and self.engine.pool is not None:
            try:
                async with asyncio.timeout(5):
                    await self.engine.close_connection_pool()
            except TimeoutError:
                if self.engine.pool is not None:
                    self.engine.pool.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Open a write transaction; commit at the end, roll back on any exception.

        Raises DatabaseError (and its kinds) for faults of the database, UniqueViolation for a
        broken unique key.
        """
        outer = self.engine.current_transaction.get()
        try:
            async with self.engine.transaction() as current:
                tx = Tx(self.dialect, current.connection, inline=self.dialect == "sqlite")
                yield tx
                await tx.run_at_end()
            tx.run_after_commit()
        except DRIVER_FAULTS as error:
            translated = translate_error(error)
            if translated is error:
                raise
            raise translated from error
        finally:
            # Piccolo's PostgreSQL transaction stays current where its end fails (a connection that
            # died): every later one of this task would join it on a connection long gone.
            if self.engine.current_transaction.get() is not outer:
                self.engine.current_transaction.set(outer)

    @asynccontextmanager
    async def read(self, *, snapshot: bool = True) -> AsyncIterator[Tx]:
        """Open a read-only snapshot.

        `snapshot=False` is for one statement, or for several that need not agree: PostgreSQL then
        runs each by itself and saves the way there and back for BEGIN and for COMMIT.
        """
        try:
            if isinstance(self.engine, SingleWriterSQLiteEngine):
                async with self.engine.read() as current:
                    yield Tx("sqlite", current.connection)
            else:
                assert isinstance(self.engine, PostgresEngine) and self.engine.pool is not None
                async with self.engine.pool.acquire() as connection:
                    if not snapshot:
                        yield Tx("postgres", connection)
                        return
                    async with connection.transaction(isolation="repeatable_read", readonly=True):
                        yield Tx("postgres", connection)
        except DRIVER_FAULTS as error:
            translated = translate_error(error)
            if translated is error:
                raise
            raise translated from error
