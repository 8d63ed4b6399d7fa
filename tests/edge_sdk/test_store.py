"""The local store on a real file: damage, a full disk, a second process, and what survives."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge_sdk import (
    EdgeError,
    FactError,
    LocalStore,
    StoreClosed,
    StoreCorrupt,
    StoreFull,
    StoreInUse,
    StoreReadOnly,
    StoreTooNew,
    uuid7,
)
from edge_sdk.sync.facts import WalkCancel
from edge_sdk.sync.schema import SCHEMA_VERSION

pytestmark = pytest.mark.anyio
NOW = 1_795_000_000_000
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "phone.sqlite"


def run(code: str, path: Path) -> str:
    """Run code in another process and return what it prints."""
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout


async def fill(path: Path, facts: int = 50) -> None:
    async with await LocalStore.open(path) as store:
        for _ in range(facts):
            await store.set_diary(uuid7(), None, "2026-11-21", "text", "멍" * 300, NOW)


async def test_facts_are_numbered_from_one_without_holes(path: Path) -> None:
    async with await LocalStore.open(path) as store:
        seqs = await asyncio.gather(*(store.add(WalkCancel(uuid7(), NOW), NOW) for _ in range(30)))
        assert sorted(seqs) == list(range(1, 31))
        client_id = store.client_id
    async with await LocalStore.open(path) as store:
        assert store.client_id == client_id
        assert [item.fact.seq for item in await store.facts()] == list(range(1, 31))


async def test_a_wrong_body_leaves_no_trace_and_no_hole(path: Path) -> None:
    async with await LocalStore.open(path) as store:
        with pytest.raises(FactError):
            await store.add(WalkCancel("nonsense", NOW), NOW)
        assert await store.add(WalkCancel(uuid7(), NOW), NOW) == 1


async def test_it_writes_ahead_with_full_sync_and_for_its_user_only(path: Path) -> None:
    async with await LocalStore.open(path) as store, store.transaction() as tx:
        assert [tuple(row) for row in await tx.rows("PRAGMA journal_mode")] == [("wal",)]
        assert [tuple(row) for row in await tx.rows("PRAGMA synchronous")] == [(2,)]
    assert path.stat().st_mode & 0o077 == 0


async def test_a_second_opener_gets_a_clear_error(path: Path) -> None:
    async with await LocalStore.open(path):
        with pytest.raises(StoreInUse):
            await LocalStore.open(path)
        code = (
            "import asyncio, sys, edge_sdk\n"
            "try: asyncio.run(edge_sdk.LocalStore.open(sys.argv[1]))\n"
            "except edge_sdk.StoreInUse: print('in use')"
        )
        assert run(code, path) == "in use\n"
    async with await LocalStore.open(path):
        pass


async def test_a_full_disk_is_an_error_that_passes(path: Path) -> None:
    async with await LocalStore.open(path) as store:
        async with store.transaction() as tx:
            row = await tx.row("PRAGMA page_count")
            assert row is not None
            await tx.rows(f"PRAGMA max_page_count = {int(row[0]) + 20}")
        written, full = 0, False
        while not full:
            try:
                await store.set_diary(uuid7(), None, "2026-11-21", "text", "x" * 5_000, NOW)
                written += 1
            except StoreFull:
                full = True
        with pytest.raises(StoreFull):
            await store.set_diary(uuid7(), None, "2026-11-21", "text", "x" * 50_000, NOW)
        assert len(await store.facts()) == written > 0
        async with store.transaction() as tx:
            await tx.rows("PRAGMA max_page_count = 100000")
        assert await store.add(WalkCancel(uuid7(), NOW), NOW) == written + 1


async def test_an_error_inside_a_transaction_undoes_all_of_it(path: Path) -> None:
    async with await LocalStore.open(path) as store:
        with pytest.raises(ZeroDivisionError):
            async with store.transaction() as tx:
                await tx.execute("INSERT INTO meta VALUES ('a', 'b')")
                raise ZeroDivisionError
        assert await store.get_meta("a") is None


async def test_a_cancelled_task_leaves_no_open_transaction(path: Path) -> None:
    async with await LocalStore.open(path) as store:
        for delay in range(40):
            task = asyncio.create_task(store.add(WalkCancel(uuid7(), NOW), NOW))
            for _ in range(delay):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        seqs = [item.fact.seq for item in await store.facts()]
        assert seqs == list(range(1, len(seqs) + 1))
        assert await store.add(WalkCancel(uuid7(), NOW), NOW) == len(seqs) + 1


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("what", ["folder", "file"])
async def test_a_read_only_place_is_a_clear_error(tmp_path: Path, what: str) -> None:
    path = tmp_path / "phone.sqlite"
    if what == "file":
        await fill(path, 3)
        path.chmod(0o444)
        path.with_name(path.name + ".lock").chmod(0o666)
    tmp_path.chmod(0o555 if what == "folder" else 0o777)
    code = (
        "import asyncio, os, sys, numpy, aiosqlite, edge_sdk\n"
        "edge_sdk.LocalStore, edge_sdk.StoreReadOnly\n"
        "os.setuid(65534)\n"
        "try: asyncio.run(edge_sdk.LocalStore.open(sys.argv[1]))\n"
        "except edge_sdk.StoreReadOnly as error: print(error.code)"
    )
    for folder in list(tmp_path.parents)[:-2]:
        folder.chmod(folder.stat().st_mode | 0o055)
    assert run(code, path) == "store_read_only\n"
    if what == "file":
        async with await LocalStore.open(path) as store:
            assert len(await store.facts()) == 3


async def test_a_file_that_becomes_read_only_is_an_error_that_passes(path: Path) -> None:
    async with await LocalStore.open(path) as store:
        await store._file._live().execute("PRAGMA query_only = ON")
        with pytest.raises(StoreReadOnly):
            await store.add(WalkCancel(uuid7(), NOW), NOW)
        await store._file._live().execute("PRAGMA query_only = OFF")
        assert await store.add(WalkCancel(uuid7(), NOW), NOW) == 1


async def test_something_else_than_a_database_is_corrupt_and_kept(path: Path) -> None:
    path.write_bytes(b"this is a shopping list\n" * 500)
    with pytest.raises(StoreCorrupt):
        await LocalStore.open(path)
    assert path.read_bytes().startswith(b"this is a shopping list")


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9])
async def test_a_cut_file_is_corrupt(path: Path, part: float) -> None:
    await fill(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(StoreCorrupt):
        await LocalStore.open(path)
    path.write_bytes(data)
    async with await LocalStore.open(path) as store:
        assert len(await store.facts()) == 50


async def test_bytes_overwritten_in_the_middle_never_pass_unseen(path: Path) -> None:
    await fill(path)
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // 4096):
        broken = bytearray(data)
        broken[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
        path.write_bytes(broken)
        try:
            async with await LocalStore.open(path) as store:
                assert len(await store.facts()) == 50  # the page was not in use
        except EdgeError as error:
            assert isinstance(error, StoreCorrupt)


async def test_a_store_of_a_newer_app_is_refused(path: Path) -> None:
    await fill(path, 1)
    with sqlite3.connect(path) as raw:
        raw.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    raw.close()
    with pytest.raises(StoreTooNew):
        await LocalStore.open(path)


async def test_an_older_schema_is_brought_up_to_date(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_sdk.sync import schema, store_file

    await fill(path, 2)
    more = (*schema.MIGRATIONS, ("ALTER TABLE walk ADD COLUMN note TEXT",))
    monkeypatch.setattr(store_file, "MIGRATIONS", more)
    monkeypatch.setattr(store_file, "SCHEMA_VERSION", len(more))
    async with await LocalStore.open(path) as store:
        assert len(await store.facts()) == 2
        async with store.transaction() as tx:
            row = await tx.row("PRAGMA user_version")
            assert row is not None
            assert row[0] == len(more)
            await tx.rows("SELECT note FROM walk")


async def test_a_closed_store_says_so(path: Path) -> None:
    store = await LocalStore.open(path)
    await store.close()
    await store.close()
    with pytest.raises(StoreClosed):
        await store.facts()
