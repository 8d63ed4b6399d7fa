"""The database layer, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sync_server.platform.database import Database, UniqueViolation
from sync_server.platform.errors import Problem
from sync_server.platform.migrate import migrate
from sync_server.platform.rate_limit import Limit, take

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    await database.open()
    await migrate(database)
    yield database
    await database.close()


async def test_migrations_run_once(database: Database) -> None:
    assert await migrate(database) == []


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as tx:
            await tx.execute("UPDATE sync_clock SET epoch = 'x'")
            raise ZeroDivisionError
    async with database.read() as tx:
        assert await tx.fetch_value("SELECT epoch FROM sync_clock") != "x"


async def test_a_savepoint_undoes_only_itself(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("UPDATE sync_clock SET epoch = 'outer'")
        with pytest.raises(ZeroDivisionError):
            async with tx.savepoint():
                await tx.execute("UPDATE sync_clock SET epoch = 'inner'")
                raise ZeroDivisionError
    async with database.read() as tx:
        assert await tx.fetch_value("SELECT epoch FROM sync_clock") == "outer"


async def test_a_unique_key_is_a_typed_error(database: Database) -> None:
    with pytest.raises(UniqueViolation):
        async with database.transaction() as tx:
            await tx.execute("INSERT INTO sync_clock (one, rev, epoch) VALUES (1, 0, '')")


async def test_two_hundred_writers_wait_their_turn_and_none_fails(database: Database) -> None:
    async def write() -> None:
        async with database.transaction() as tx:
            value = await tx.fetch_value(f"SELECT rev FROM sync_clock{tx.for_update}")
            await tx.execute("UPDATE sync_clock SET rev = ?", value + 1)

    await asyncio.gather(*(write() for _ in range(200)))
    async with database.read() as tx:
        assert await tx.fetch_value("SELECT rev FROM sync_clock") == 200


async def test_a_cancelled_writer_gives_the_lock_back(database: Database) -> None:
    entered = asyncio.Event()

    async def hold() -> None:
        async with database.transaction() as tx:
            await tx.execute("UPDATE sync_clock SET epoch = 'held'")
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(hold())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.transaction() as tx:
        assert await tx.fetch_value("SELECT epoch FROM sync_clock") != "held"


async def test_a_connection_comes_back_without_what_was_under_way(database: Database) -> None:
    async def half_done(begun: asyncio.Event) -> None:
        async with database.transaction() as tx:
            await tx.execute("UPDATE sync_clock SET epoch = 'half'")
            begun.set()
            await asyncio.sleep(60)

    for _ in range(30):  # more than the pool has connections
        begun = asyncio.Event()
        task = asyncio.create_task(half_done(begun))
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with database.read(snapshot=False) as tx:
            assert await tx.fetch_value("SELECT epoch FROM sync_clock") != "half"
            if database.dialect == "postgres":
                assert not tx.connection.is_in_transaction()


async def test_a_snapshot_stands_still_and_single_reads_go_with_the_time(
    database: Database,
) -> None:
    async def write(epoch: str) -> None:
        async with database.transaction() as tx:
            await tx.execute("UPDATE sync_clock SET epoch = ?", epoch)

    await write("before")
    async with database.read() as still, database.read(snapshot=False) as moving:
        assert await still.fetch_value("SELECT epoch FROM sync_clock") == "before"
        assert await moving.fetch_value("SELECT epoch FROM sync_clock") == "before"
        await asyncio.create_task(write("after"))
        assert await still.fetch_value("SELECT epoch FROM sync_clock") == "before"
        if database.dialect == "postgres":
            assert await moving.fetch_value("SELECT epoch FROM sync_clock") == "after"


async def test_a_child_task_does_not_write_in_its_parents_transaction(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("UPDATE sync_clock SET epoch = 'open'")

        async def look() -> str:
            async with database.read() as own:
                return str(await own.fetch_value("SELECT epoch FROM sync_clock"))

        assert await asyncio.create_task(look()) != "open"


async def test_closing_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    database = Database(f"sqlite:///{tmp_path / 'threads.sqlite'}")
    await database.open()
    await migrate(database)
    async with database.read() as tx:
        await tx.fetch_value("SELECT 1")
    await database.close()
    for _ in range(50):
        if threading.active_count() <= before:
            break
        await asyncio.sleep(0.02)
    assert threading.active_count() <= before


async def test_a_bucket_gives_exactly_its_tokens_to_concurrent_requests(database: Database) -> None:
    limit = Limit("test", 10, 0.001)

    async def once() -> bool:
        try:
            async with database.transaction() as tx:
                await take(tx, limit, "me", 1_000_000)
        except Problem as problem:
            assert problem.code == "rate_limited" and problem.retry_after_s
            return False
        return True

    results = await asyncio.gather(*(once() for _ in range(40)))
    assert sum(results) == 10


async def test_revisions_rise_and_the_horizon_stops_at_a_running_writer(database: Database) -> None:
    async with database.transaction() as tx:
        first = await tx.revision()
        assert await tx.revision() == first
    async with database.transaction() as tx:
        assert await tx.revision() > first
    async with database.read() as tx:
        assert await tx.horizon() > first
