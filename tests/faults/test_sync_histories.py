"""The proof of the protocol: random histories with faults, and then everything must agree.

A history is a few phones of two users that record, edit and sync while requests and answers are
lost, doubled, late and reordered, phones die between two writes, clocks are wrong, disks are full,
the server is killed with -9 or restored from a backup. After healing: every fact applied exactly
once, all devices of a user equal, checksums equal, the board equal to the fold of all walks.

`DAENGDONG_HISTORIES` sets how many histories a database gets (300; `nox -s faults` takes 2,000).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edge_sdk.errors import (
    ChecksumMismatch,
    NoOpenWalk,
    ServerUnavailable,
    StoreFull,
    SyncError,
    UnknownWalk,
)
from edge_sdk.ids import uuid7
from edge_sdk.sync import hlc
from edge_sdk.sync.facts import WalkCancel, decode_payload
from edge_sdk.sync.messages import Tokens
from edge_sdk.sync.store import LoggedFact
from game_engine.board import NOBODY
from game_engine.track import Fixes
from sync_server.platform.database import Database
from sync_server.platform.feed import COLLECTIONS
from tests.faults.devices import Device, Killed
from tests.faults.oracle import expected_board, expected_fields, gather
from tests.support.postgres import Postgres
from tests.support.process import ServerProcess
from tests.support.walks import straight

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., None])
HISTORIES = int(os.environ.get("DAENGDONG_HISTORIES", "300"))
HOUR_MS = 3_600_000
# Shrinking takes minutes with real servers: `DAENGDONG_SHRINK=1` asks for it.
PHASES = [Phase.generate, *([Phase.shrink] if os.environ.get("DAENGDONG_SHRINK") else [])]
FAULTS = ("none", "request lost", "answer lost", "doubled", "copied", "held back")
devices = st.sampled_from(["a1", "a2", "b1"])
streets = st.sampled_from([0, 0, 1, 1, 2, 3])
hours = st.integers(1, 60)
_histories = itertools.count()


class Bench:
    """The server and database that all histories of one engine share."""

    def __init__(self, url: str, folder: Path, postgres: Postgres | None) -> None:
        self.server = ServerProcess(folder, url)
        self.postgres = postgres
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.counts: dict[str, int] = {}
        self.server.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def note(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    # The database as files and backups --------------------------------------------------
    @property
    def file(self) -> Path:
        return Path(self.server.database_url.removeprefix("sqlite:///"))

    @property
    def name(self) -> str:
        return self.server.database_url.rsplit("/", 1)[-1]

    def back_up(self) -> None:
        if self.postgres is None:
            # Closed before it is used: what a connection still holds is not in the file.
            for tail in ("", "-wal", "-shm"):
                Path(f"{self.file}.bak{tail}").unlink(missing_ok=True)
            with (
                contextlib.closing(sqlite3.connect(self.file)) as live,
                contextlib.closing(sqlite3.connect(f"{self.file}.bak")) as copy,
            ):
                live.backup(copy)
            return
        self.server.kill()
        self._close_postgres_sessions()
        self.postgres.sql(f'DROP DATABASE IF EXISTS "{self.name}_bak"')
        self.postgres.sql(f'CREATE DATABASE "{self.name}_bak" TEMPLATE "{self.name}"')
        self.server.start()

    def restore(self) -> None:
        self.server.kill()
        if self.postgres is None:
            for tail in ("-wal", "-shm"):
                Path(f"{self.file}{tail}").unlink(missing_ok=True)
            shutil.copy(f"{self.file}.bak", self.file)
        else:
            self._close_postgres_sessions()
            self.postgres.sql(f'DROP DATABASE "{self.name}"')
            self.postgres.sql(f'CREATE DATABASE "{self.name}" TEMPLATE "{self.name}_bak"')
        self.server.run("db", "restored")
        self.server.start()

    def _close_postgres_sessions(self) -> None:
        assert self.postgres is not None
        self.postgres.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname IN ('{self.name}', '{self.name}_bak')"
        )

    # A full disk under the server --------------------------------------------------------
    def fill_disk(self) -> None:
        if self.postgres is None:
            wal = Path(f"{self.file}-wal")
            self.server.limit_files_to(wal.stat().st_size if wal.exists() else 4096)
            return
        self.postgres.sql(
            "CREATE OR REPLACE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$; "
            "CREATE OR REPLACE TRIGGER disk_full BEFORE INSERT ON sync_fact "
            "FOR EACH STATEMENT EXECUTE FUNCTION disk_full()",
            self.name,
        )

    def free_disk(self) -> None:
        if self.postgres is None:
            self.server.limit_files_to(None)
        else:
            self.postgres.sql("DROP TRIGGER disk_full ON sync_fact", self.name)

    def close(self) -> None:
        self.server.kill()
        self.loop.close()


Step = tuple[str, dict[str, Any]]
STEPS: dict[str, st.SearchStrategy[Step]] = {}
disasters = st.sampled_from(["none"] * 7 + ["kill"] * 2 + ["restore"])


def rule(**arguments: st.SearchStrategy[Any]) -> Callable[[F], F]:
    """Make a method one of the things that can happen in a history."""

    def register(method: F) -> F:
        name = method.__name__
        STEPS[name] = st.tuples(st.just(name), st.fixed_dictionaries(arguments))
        return method

    return register


class History:
    """The state of one history, and what can happen in it.

    The steps of a history are drawn before the first is taken, so that what is drawn never
    depends on what real processes do.
    """

    def __init__(self, bench: Bench, disaster: str) -> None:
        self.bench = bench
        self.disaster = disaster
        self.backed_up = False
        self.number = next(_histories)
        # A neighbourhood of its own, so that the board can be compared cell by cell.
        self.origin = (34.0 + self.number % 100 * 0.03, 126.5 + self.number // 100 * 0.04)
        base = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="daengdong-history-", dir=base))
        self.devices: dict[str, Device] = {}
        self.scripts: dict[str, Fixes] = {}
        self.walkers: dict[str, str] = {}
        self.entries = {user: [uuid7(), uuid7()] for user in "ab"}
        self.begun_ms = time.time_ns() // 1_000_000
        self.bench.run(self._sign_up())

    async def _sign_up(self) -> None:
        for name in ("a1", "a2", "b1"):
            path = self.folder / f"{name}.sqlite"
            self.devices[name] = Device(name, path, self.bench.server.address)
            await self.devices[name].open()
        first, second, other = self.devices.values()
        self.users = {"a": await first.client.sign_in_guest("a1")}
        self.users["b"] = await other.client.sign_in_guest("b1")
        async with httpx.AsyncClient(base_url=self.bench.server.address) as plain:
            answer = await plain.post(
                "/api/auth/guest",
                json={
                    "client_id": second.store.client_id,
                    "device_name": "a2",
                    "user_id": self.users["a"],
                    "guest_secret": await first.store.get_meta("guest_secret"),
                },
            )
        assert answer.status_code == 201, answer.text
        await second.client.keep_tokens(msgspec.json.decode(answer.content, type=Tokens), "a2")
        consent = msgspec.json.encode({"kind": "location", "granted": True, "version": "1"})
        for device in (first, other):
            await device.client.session.send("PUT", "/api/consents", body=consent)

    # What people do ----------------------------------------------------------------------
    def _track(self, started_ms: int, street: int) -> Fixes:
        """One of three streets from the same corner, so that walks meet; or one far away.

        Who is here and 900 km away within an hour loses trust, whichever walk arrives first.
        """
        metres = (150, 230, 150, 150)[street]
        origin = (self.origin[0] + 8.0, self.origin[1]) if street == 3 else self.origin
        seed = len(self.scripts) + 10 * self.number
        return straight(started_ms, origin, metres=metres, seed=seed, east=street < 2)

    @rule(name=devices, street=streets, hours=hours)
    def start_walk(self, name: str, street: int, hours: int) -> None:
        device = self.devices[name]
        started_ms = self.begun_ms - hours * HOUR_MS + device.skew_ms
        fixes = self._track(started_ms, street)

        async def work() -> None:
            walk_id = await device.recorder.start([], started_ms, supersede=True)
            self.scripts[walk_id] = fixes
            self.walkers[walk_id] = name[0]

        self._do(device, work())

    @rule(name=devices, street=streets, hours=hours, push=st.booleans())
    def take_a_walk(self, name: str, street: int, hours: int, push: bool) -> None:
        """A whole walk at once, so that a history has enough of them to meet."""
        device = self.devices[name]
        started_ms = self.begun_ms - hours * HOUR_MS + device.skew_ms
        fixes = self._track(started_ms, street)

        async def work() -> None:
            walk_id = await device.recorder.start([], started_ms, supersede=True)
            self.scripts[walk_id] = fixes
            self.walkers[walk_id] = name[0]
            await device.recorder.replay(fixes)
            await device.recorder.finish(int(fixes.t_ms[-1]))
            if push:
                await device.client.sync()

        self._do(device, work())

    @rule(names=st.permutations(["a1", "a2", "b1"]), street=streets)
    def meet_in_one_street(self, names: list[str], street: int) -> None:
        """All walk the same street at different hours and sync in another order."""
        for place, name in enumerate(names):
            self.take_a_walk(name=name, street=street, hours=2 + 7 * place, push=True)

    @rule(name=devices, part=st.sampled_from([0.3, 0.6, 1.0, 1.0]), seal=st.booleans())
    def walk_on(self, name: str, part: float, seal: bool) -> None:
        device = self.devices[name]

        async def work() -> None:
            walk = await device.recorder.current()
            if walk is None or walk.walk_id not in self.scripts:
                return
            script = self.scripts[walk.walk_id]
            have = len(await device.recorder.track(walk.walk_id))
            await device.recorder.replay(script.take(slice(have, int(part * len(script)))))
            if seal:
                await device.recorder.seal()

        self._do(device, work())

    @rule(name=devices)
    def finish_walk(self, name: str) -> None:
        device = self.devices[name]

        async def work() -> None:
            walk = await device.recorder.current()
            if walk is not None:
                fixes = await device.recorder.track(walk.walk_id)
                end_ms = int(fixes.t_ms[-1]) if len(fixes) else walk.started_ms
                await device.recorder.finish(end_ms)

        self._do(device, work())

    @rule(name=devices)
    def cancel_walk(self, name: str) -> None:
        device = self.devices[name]
        self._do(device, device.recorder.cancel(device.now_ms()))

    @rule(name=devices, which=st.integers(0, 20))
    def take_a_walk_back(self, name: str, which: int) -> None:
        """Cancel any walk of the user, also one that has been judged long ago."""
        mine = [walk_id for walk_id, user in self.walkers.items() if user == name[0]]
        if mine:
            device = self.devices[name]
            fact = WalkCancel(mine[which % len(mine)], device.now_ms())
            self._do(device, device.store.add(fact, device.now_ms()))

    @rule(name=devices)
    def leave_it_lying(self, name: str) -> None:
        """Look at the phone much later: a walk without movement has ended by itself."""
        device = self.devices[name]
        self._do(device, device.recorder.tick(device.now_ms()))

    @rule(name=devices, finish=st.booleans())
    def close_the_other_devices_walk(self, name: str, finish: bool) -> None:
        device = self.devices[name]

        async def work() -> None:
            others = await device.recorder.other_open_walks()
            for walk in others[:1]:
                if finish:
                    await device.recorder.finish_other(walk.walk_id, device.now_ms())
                else:
                    await device.recorder.cancel_other(walk.walk_id, device.now_ms())

        self._do(device, work())

    @rule(name=devices, entry=st.integers(0, 1), text=st.text(max_size=8),
          field=st.sampled_from(["text", "title"]))  # fmt: skip
    def write_diary(self, name: str, entry: int, text: str, field: str) -> None:
        device = self.devices[name]
        entry_id = self.entries[name[0]][entry]
        value = text.replace("\x00", "")
        work = device.store.set_diary(entry_id, None, "2026-11-18", field, value, device.now_ms())
        self._do(device, work)

    @rule(name=devices, value=st.integers(0, 9))
    def change_setting(self, name: str, value: int) -> None:
        device = self.devices[name]
        self._do(device, device.store.set_setting("theme", f"{value}", device.now_ms()))

    # Sync and what goes wrong --------------------------------------------------------------
    @rule(name=devices)
    def sync(self, name: str) -> None:
        device = self.devices[name]
        self._do(device, device.client.sync())

    @rule(name=devices, faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3))
    def sync_over_a_bad_network(self, name: str, faults: list[str]) -> None:
        device = self.devices[name]
        device.network.faults = list(faults)
        for fault in faults:
            self.bench.note(fault)
        self._do(device, device.client.sync())
        device.network.faults = []

    @rule(name=devices)
    def a_late_request_arrives(self, name: str) -> None:
        if self.devices[name].network.held:
            self.bench.note("delivered late")
        self.bench.run(self.devices[name].network.deliver())

    @rule(name=devices, statement=st.integers(0, 30))
    def the_phone_will_die(self, name: str, statement: int) -> None:
        self.bench.run(self.devices[name].revive())
        self.devices[name].die_before(statement)

    @rule(name=devices, minutes=st.sampled_from([-90, -3, 3, 120]))
    def the_clock_is_wrong(self, name: str, minutes: int) -> None:
        self.bench.note("clock skew")
        self.devices[name].skew_ms = minutes * 60_000

    @rule(name=devices)
    def the_phones_disk_is_full(self, name: str) -> None:
        device = self.devices[name]
        self.bench.note("phone disk full")

        async def work() -> None:
            await device.revive()
            await device.fill_disk()
            try:
                for _ in range(400):
                    await device.store.set_setting("filler", "x" * 500, device.now_ms())
                raise AssertionError("the disk was not full")
            except StoreFull:
                pass
            finally:
                await device.free_disk()

        self.bench.run(work())

    @rule(name=devices)
    def the_servers_disk_is_full(self, name: str) -> None:
        self.bench.note("server disk full")
        device = self.devices[name]
        self.bench.fill_disk()
        try:
            self._do(device, device.client.push())
        finally:
            self.bench.free_disk()

    @rule(name=devices, delay_ms=st.integers(0, 25))
    def the_server_is_killed_while_syncing(self, name: str, delay_ms: int) -> None:
        if self.disaster != "kill":
            return
        self.disaster = "none"
        self.bench.note("server killed -9")
        device = self.devices[name]

        async def work() -> None:
            syncing = asyncio.create_task(device.client.sync())
            await asyncio.sleep(delay_ms / 1000)
            self.bench.server.kill()
            with contextlib.suppress(SyncError):
                await syncing

        self._do(device, work())
        self.bench.server.start()

    @rule()
    def the_operator_makes_a_backup(self) -> None:
        if self.disaster == "restore" and not self.backed_up:
            self.bench.back_up()
            self.backed_up = True

    @rule()
    def the_operator_restores_the_backup(self) -> None:
        if self.disaster == "restore" and self.backed_up:
            self.bench.note("server restored")
            self.bench.restore()
            self.disaster = "none"

    # ---------------------------------------------------------------------------------------
    def _do(self, device: Device, work: Coroutine[Any, Any, Any]) -> None:
        """Run what a person does; a phone that dies on the way is started again."""

        async def guarded() -> None:
            try:
                await work
            except Killed:
                self.bench.note("phone killed")
            except (NoOpenWalk, UnknownWalk, ServerUnavailable):
                pass
            except SyncError as error:
                if isinstance(error, ChecksumMismatch):
                    raise
            finally:
                await device.revive()

        self.bench.run(guarded())

    def check(self) -> None:
        """Heal everything and compare: see the oracle."""
        self.bench.run(self._heal_and_check())

    def close(self) -> None:
        for device in self.devices.values():
            self.bench.run(device.close())
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _heal_and_check(self) -> None:
        for device in self.devices.values():
            await device.revive()
            device.network.faults = []
            while device.network.held:
                await device.network.deliver()
        for _ in range(3):
            for device in self.devices.values():
                await device.client.sync()
        bodies: dict[str, list[Any]] = {"a": [], "b": []}
        for name, device in self.devices.items():
            state = await device.store.log_state()
            assert state.last_seq == state.acked_seq, (name, state)
            for logged in await device.store.facts():
                assert logged.result is not None, (name, logged.fact)
                assert logged.result.status == "applied", (name, logged.fact, logged.result)
                bodies[name[0]].append(self._as_admitted(logged))
        for collection in COLLECTIONS:
            rows = await self.devices["a1"].store.rows(collection)
            assert rows == await self.devices["a2"].store.rows(collection), collection
        database = Database(self.bench.server.database_url)
        await database.open()
        try:
            await self._check_server(database, bodies)
        finally:
            await database.close()

    def _as_admitted(self, logged: LoggedFact) -> Any:
        """A fact's body with the stamp that counts.

        The server sets a clock over 5 minutes ahead to its own at arrival, and says so: of two
        phones that are both hours ahead, whoever arrives later wrote last. Other stamps stay.
        """
        body = decode_payload(logged.fact.type, logged.fact.payload)
        assert logged.result is not None
        admitted = (logged.result.data or {}).get("hlc")
        if admitted is None or admitted == body.hlc:
            return body
        assert hlc.parse(body.hlc).ms > self.begun_ms + hlc.MAX_AHEAD_MS, logged
        return msgspec.structs.replace(body, hlc=admitted)

    async def _check_server(self, database: Database, bodies: dict[str, list[Any]]) -> None:
        async with database.read() as tx:
            numbers = {
                key: await tx.fetch_value("SELECT user_no FROM app_user WHERE user_id = ?", user_id)
                for key, user_id in self.users.items()
            }
            for device in self.devices.values():
                state = await device.store.log_state()
                row = await tx.fetch_one(
                    """SELECT c.last_seq, COUNT(f.seq) AS facts, MAX(f.seq) AS top
                       FROM sync_client c LEFT JOIN sync_fact f ON f.client_no = c.client_no
                       WHERE c.client_id = ? GROUP BY c.last_seq""",
                    device.store.client_id,
                )
                counted = (row["last_seq"], row["facts"], row["top"] or 0)
                assert counted == (state.last_seq,) * 3, device.name
            walks = gather({numbers[key]: facts for key, facts in bodies.items()})
            stored = {
                row["walk_id"]: row
                for number in numbers.values()
                for row in await tx.fetch_all("SELECT * FROM walk WHERE user_no = ?", number)
            }
            assert stored.keys() == walks.keys()
            arrivals: dict[str, int] = {}
            for walk_id, row in stored.items():
                chunk_ms = await tx.fetch_value(
                    "SELECT MAX(arrived_ms) FROM walk_chunk WHERE walk_no = ?", row["walk_no"]
                )
                arrivals[walk_id] = max(row["first_finish_ms"] or 0, chunk_ms or 0)
            board, judged = expected_board(walks, arrivals)
            self.bench.counts["walks"] = self.bench.counts.get("walks", 0) + len(judged)
            for state in board.values():
                if state.prev_owner != NOBODY:
                    self.bench.note("cells that changed hands")
            for walk_id, walk in walks.items():
                state = "cancelled" if walk.cancelled else "finished" if walk.finishes else "open"
                assert stored[walk_id]["state"] == state, walk_id
                if walk.counts_as_done:
                    found = (bool(stored[walk_id]["counts"]), stored[walk_id]["trust"])
                    assert found == judged[walk_id], walk_id
            for number in numbers.values():
                rows = await tx.fetch_tuples("SELECT cell FROM capture WHERE user_no = ?", number)
                assert {row[0] for row in rows} <= board.keys()
            clause, argument = tx.in_list("cell", board)
            rows = await tx.fetch_tuples(
                f"""SELECT cell, owner, strength, visited_ms, taken_ms, strengthened_day,
                      prev_owner, last_at_ms, last_walk_no FROM cell_state WHERE {clause}""",
                argument,
            )
            assert {row[0]: tuple(row) for row in rows} == {
                cell: tuple(state) for cell, state in board.items()
            }
            held = await tx.fetch_value(
                "SELECT COUNT(*) FROM cell_state WHERE owner IN (?, ?)",
                numbers["a"], numbers["b"],
            )  # fmt: skip
            assert held == sum(state.owner != NOBODY for state in board.values())
        for key, name in (("a", "a1"), ("b", "b1")):
            await self._check_fields(self.devices[name], bodies[key])

    async def _check_fields(self, device: Device, bodies: list[Any]) -> None:
        diary = await device.store.rows("diary")
        chosen = await device.store.rows("settings")
        for (entry_id, field), value in expected_fields(bodies).items():
            if entry_id:
                assert diary[entry_id][field] == value, (entry_id, field)
            else:
                assert chosen[field]["value"] == value, field


@pytest.fixture(params=["sqlite", "postgres"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    server: Postgres | None = None
    url = f"sqlite:///{tmp_path / 'histories.sqlite'}"
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        url = server.url(f"histories_{os.getpid()}_{next(_histories)}")
    shared = Bench(url, tmp_path, server)
    yield shared
    shared.close()


@pytest.mark.slow
@pytest.mark.parametrize("first", ["a1", "a2"])
def test_of_two_clocks_that_are_hours_ahead_the_later_to_arrive_wins(
    bench: Bench, first: str
) -> None:
    history = History(bench, "none")
    try:
        for name in ("a1", "a2"):
            history.the_clock_is_wrong(name, 120)
        history.write_diary("a2", 0, "", "text")
        history.write_diary("a1", 0, "later", "text")
        history.sync(first)
        history.check()
        (entry,) = bench.run(history.devices[first].store.rows("diary")).values()
        assert entry["text"] == ("" if first == "a1" else "later")
    finally:
        history.close()


@pytest.mark.slow
def test_after_any_history_everybody_agrees(bench: Bench) -> None:
    @settings(
        max_examples=HISTORIES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        phases=PHASES,
    )
    @given(disasters, st.lists(st.one_of(list(STEPS.values())), min_size=8, max_size=32))
    def live(disaster: str, steps: list[Step]) -> None:
        history = History(bench, disaster)
        try:
            for name, arguments in steps:
                getattr(history, name)(**arguments)
            history.check()
        finally:
            history.close()

    live()
    print("faults met:", dict(sorted(bench.counts.items())))
    if HISTORIES >= 200:
        # A run that met no faults or no contests proves nothing.
        met = {*FAULTS[1:], "phone killed", "server killed -9", "cells that changed hands"}
        assert met <= bench.counts.keys()
