"""Bad input from the files of a phone to the disk of the server: a clear error, nothing lost."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest

from edge_sdk.errors import FixInvalid
from edge_sdk.sync.facts import Body, decode_payload
from edge_sdk.sync.store import LocalStore
from edge_sdk.walk.recorder import WalkRecorder
from edge_sdk.walk.walk_table import Fix
from tests.faults.oracle import expected_board, gather
from tests.support.accounts import user_no_of
from tests.support.app import Server, TestClock, running
from tests.support.command import TRACKS, Ran, run
from tests.support.postgres import Postgres
from tests.support.process import ServerProcess
from tests.support.walks import SEOUL, Log, straight, walk_bodies

GOOD = TRACKS / "forest-stroll.gpx"
HEAD = (
    '<?xml version="1.0"?><gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1">'
)
POINT = '<trkpt lat="{}" lon="{}"><time>2026-11-18T0{}:00:00Z</time></trkpt>'


def gpx(*points: str) -> str:
    return f"{HEAD}<trk><trkseg>{''.join(points)}</trkseg></trk></gpx>"


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
FILES = {
    "gpx_refused": f'<!DOCTYPE gpx [<!ENTITY l0 "ha">{LAUGHS}]><gpx>&l9;</gpx>',
    "gpx_invalid": "<!-- a page --><html><head><title>404</title></head><body>no</body></html>",
    "gpx_invalid nan": gpx(POINT.format("nan", "127", 1), POINT.format("37", "127", 2)),
    "gpx_invalid range": gpx(POINT.format("37", "127", 1), POINT.format("91", "127", 2)),
    "gpx_invalid infinite": gpx(POINT.format("37", "1e999", 1)),
    "gpx_invalid time": gpx(POINT.format("37", "127", "x")),
    "gpx_invalid empty": "",
    "gpx_invalid binary": "\x00\x01\x02" * 500,
    "gpx_without_times": gpx('<trkpt lat="37" lon="127"/>', '<trkpt lat="37.01" lon="127"/>'),
}


# Files that are no track ----------------------------------------------------------------------


def replay(home: Path, track: Path, *words: str, **how: Any) -> Ran:
    return run("walk", "replay", track, "--home", home, "--offline", "--json", *words, **how)


def nothing_recorded(home: Path) -> bool:
    state = run("walk", "status", "--home", home, "--json").json()
    return state["walk"] is None and state["log"]["last_seq"] == 0


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_track_is_a_clear_error_and_nothing_is_recorded(
    tmp_path: Path, name: str
) -> None:
    track = tmp_path / "track.gpx"
    track.write_text(FILES[name])
    assert replay(tmp_path / "home", track).error == name.split()[0]
    assert nothing_recorded(tmp_path / "home")


def test_200_megabytes_are_too_large(tmp_path: Path) -> None:
    track = tmp_path / "track.gpx"
    track.write_text(HEAD)
    with track.open("r+b") as file:
        file.truncate(200_000_000)
    assert replay(tmp_path / "home", track).error == "gpx_too_large"
    assert nothing_recorded(tmp_path / "home")


def test_after_a_refused_file_the_next_one_is_recorded(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gpx"
    bad.write_text(FILES["gpx_refused"])
    assert replay(tmp_path / "home", bad).error == "gpx_refused"
    done = replay(tmp_path / "home", GOOD)
    assert done.code == 0 and done.json()["walk"]["predicted_cells"]


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    assert replay(tmp_path / "home", tmp_path / "nowhere.gpx").error == "gpx_invalid"


# The phone's store ----------------------------------------------------------------------------


AS_NOBODY = """
import contextlib, io, os, sys
from daengdong import cli
wanted = sys.argv[:1] + sys.argv[3:]
# Once as root: what a command imports may lie where only root reads.
sys.argv = ["x", "walk", "replay", sys.argv[1], "--home", sys.argv[2], "--offline", "--json"]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    cli.main()
if os.geteuid() == 0:
    os.setuid(65534)
sys.argv = wanted
cli.app()
"""


def as_nobody(home: Path, spare: Path, *words: str | Path) -> Ran:
    """Run a command without root's right to write everywhere."""
    program = ("-c", AS_NOBODY, str(GOOD), str(spare))
    return run(*words, "--home", home, "--json", program=program)


def open_to_others(path: Path) -> None:
    for folder in list(path.parents)[:-2]:
        folder.chmod(folder.stat().st_mode | 0o055)


def test_a_read_only_store_is_a_clear_error_and_passes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert replay(home, GOOD).code == 0
    before = (home / "phone.sqlite").read_bytes()
    open_to_others(home / "x")
    home.chmod(0o755)
    (home / "phone.sqlite").chmod(0o644)
    (home / "phone.sqlite.lock").chmod(0o666)
    assert (
        as_nobody(home, tmp_path / "spare", "walk", "replay", GOOD, "--offline").error
        == "store_read_only"
    )
    assert (home / "phone.sqlite").read_bytes() == before
    assert replay(home, GOOD).code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own that is soon full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=240k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_a_clear_error_and_the_walk_goes_on_later(
    small_disk: Path, tmp_path: Path
) -> None:
    home, track = small_disk / "home", TRACKS / "seoul-forest-loop.gpx"
    assert run("walk", "status", "--home", home, "--json").code == 0
    assert replay(home, track).error == "store_full"
    # What was written before the disk was full stands, and the walk goes on from there.
    grown = ["mount", "-o", "remount,size=40m", str(small_disk)]
    subprocess.run(grown, check=True)
    state = run("walk", "status", "--home", home, "--json").json()
    assert state["log"]["last_seq"] >= 1 and state["walk"] is not None
    done = replay(home, track, "--resume")
    assert done.code == 0, done
    fresh = replay(tmp_path / "other", track).json()["walk"]
    assert sorted(done.json()["walk"]["predicted_cells"]) == sorted(fresh["predicted_cells"])
    assert done.json()["walk"]["walk_id"] == state["walk"]["walk_id"]


@pytest.mark.parametrize("how", ["overwritten", "cut"])
def test_a_corrupt_store_is_a_clear_error_and_kept_for_rescue(tmp_path: Path, how: str) -> None:
    home = tmp_path / "home"
    assert replay(home, GOOD).code == 0
    path = home / "phone.sqlite"
    data = path.read_bytes()
    broken = b"a shopping list\n" * 300 if how == "overwritten" else data[: len(data) // 2]
    path.write_bytes(broken)
    for words in (("walk", "status"), ("walk", "finish"), ("sync",)):
        assert run(*words, "--home", home, "--json").error == "store_corrupt"
    assert replay(home, GOOD).error == "store_corrupt"
    assert path.read_bytes() == broken


def fix_at(t_ms: int = 1_795_000_000_000, lat: float = 37.5, lng: float = 127.0) -> Fix:
    return Fix(t_ms=t_ms, lat=lat, lng=lng)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "fix",
    [fix_at(lat=float("nan")), fix_at(lng=float("inf")),
     fix_at(lat=90.01), fix_at(lng=-180.5),
     fix_at(t_ms=-5), fix_at(t_ms=2**60)],
)  # fmt: skip
async def test_a_fix_that_is_no_place_or_time_is_refused_and_the_next_one_stored(
    tmp_path: Path, fix: Fix
) -> None:
    async with await LocalStore.open(tmp_path / "phone.sqlite") as store:
        recorder = WalkRecorder(store)
        walk_id = await recorder.start([], 1_795_000_000_000)
        with pytest.raises(FixInvalid):
            await recorder.add(fix)
        await recorder.add(fix_at(t_ms=1_795_000_001_000))
        assert len(await recorder.track(walk_id)) == 1


# The server's disk and database ---------------------------------------------------------------


@asynccontextmanager
async def over_network(process: ServerProcess) -> AsyncIterator[Server]:
    """A real server as the test helpers know one; its clock is the real one."""
    async with httpx.AsyncClient(base_url=process.address, timeout=30) as client:
        yield Server(cast(Any, None), client, TestClock(time.time_ns() // 1_000_000))


@pytest.mark.anyio
async def test_a_full_disk_of_the_server_is_507_and_the_walk_is_taken_afterwards(
    tmp_path: Path,
) -> None:
    database = tmp_path / "server.sqlite"
    process = ServerProcess(tmp_path, f"sqlite:///{database}")
    process.start()
    try:
        async with over_network(process) as server:
            log = await Log.of(server)
            await log.walk(straight(server.clock.now_ms - 7_200_000, seed=1))
            held = await log.get("/api/territory/me")
            wal = Path(f"{database}-wal")
            process.limit_files_to(wal.stat().st_size)
            bodies = walk_bodies(straight(server.clock.now_ms - 3_600_000, metres=900, seed=2))
            facts = log.add(*bodies)
            for _ in range(3):
                problem = await log.send(facts, status=507)
                assert problem["code"] == "storage_full"
            # Reading works, and nothing of the walk is there.
            assert (await log.get("/api/walks/current"))["walks"] == []
            assert len((await log.get("/api/walks"))["walks"]) == 1
            assert (await log.pull())["clients"] == {log.phone.client_id: log.pushed}
            process.limit_files_to(None)
            after = await log.get("/api/territory/me")
            assert after["cells"] == held["cells"]
            await log.push()
            assert len((await log.get("/api/walks"))["walks"]) == 2
            assert (await log.get("/api/territory/me"))["cells_held"] > held["cells_held"]
    finally:
        process.kill()


@pytest.mark.anyio
async def test_a_full_disk_of_postgres_in_the_middle_of_a_walk_leaves_no_half(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.url("test_full_disk")
    async with running(url, tmp_path, rate_limits="off") as server:
        log = await Log.of(server)
        postgres.sql(
            "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$; "
            "CREATE TRIGGER disk_full BEFORE INSERT ON cell_state "
            "FOR EACH STATEMENT EXECUTE FUNCTION disk_full()",
            "test_full_disk",
        )
        facts = log.add(*walk_bodies(straight(server.clock.now_ms - 3_600_000)))
        assert (await log.send(facts, status=507))["code"] == "storage_full"
        tables = ("walk", "walk_chunk", "capture", "sync_fact", "feed_row")
        counts = [postgres.sql(f"SELECT COUNT(*) FROM {t}", "test_full_disk") for t in tables]
        assert [int(count) for count in counts] == [0] * len(tables)
        postgres.sql("DROP TRIGGER disk_full ON cell_state", "test_full_disk")
        await log.push()
        assert (await log.get("/api/territory/me"))["cells_held"] > 5


@pytest.mark.anyio
async def test_postgres_killed_while_twenty_phones_push_takes_every_fact_exactly_once(
    tmp_path: Path,
) -> None:
    postgres = Postgres.create()
    try:
        url = postgres.url("killed")
        # What was acknowledged must be on the disk when the server dies.
        postgres.sql("ALTER DATABASE killed SET synchronous_commit = on")
        async with running(url, tmp_path, rate_limits="off") as server:
            logs = [await Log.of(server) for _ in range(20)]
            faults = await _push_through_a_kill(server, logs, postgres)
            assert faults > 0
            await _everything_once(server, logs)
    finally:
        postgres.remove()


async def _push_through_a_kill(server: Server, logs: list[Log], postgres: Postgres) -> int:
    faults = 0
    started = asyncio.Event()

    async def push(number: int, log: Log) -> None:
        nonlocal faults
        for walk in range(4):
            at_ms = server.clock.now_ms - (4 - walk) * 3_600_000
            origin = (SEOUL[0] + number % 4 * 0.0004, SEOUL[1] + walk * 0.0005)
            log.add(*walk_bodies(straight(at_ms, origin, metres=200, seed=100 * number + walk)))
            while log.pushed < len(log.facts):
                body = {"client_id": log.phone.client_id, "facts": log.facts[log.pushed :][:2]}
                answer = await server.client.post(
                    "/api/sync/push", json=_plain(body), headers=log.phone.headers
                )
                if answer.status_code == 200:
                    log.pushed = answer.json()["last"]
                    assert all(r["status"] == "applied" for r in answer.json()["results"])
                    started.set()
                else:
                    faults += 1
                    assert answer.status_code == 503, answer.text
                    assert answer.json()["code"] in ("database_unavailable", "database_busy")
                    assert int(answer.headers["retry-after"]) >= 1
                    await asyncio.sleep(0.05)

    async def kill() -> None:
        await started.wait()
        for _ in range(2):
            await asyncio.sleep(0.25)
            await asyncio.to_thread(postgres.stop, "immediate")
            await asyncio.to_thread(postgres.start)

    await asyncio.gather(kill(), *(push(number, log) for number, log in enumerate(logs)))
    return faults


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(body)
    return plain


async def _everything_once(server: Server, logs: list[Log]) -> None:
    bodies: dict[int, list[Body]] = {}
    for log in logs:
        number = await user_no_of(server, log.phone)
        bodies[number] = [decode_payload(fact.type, fact.payload) for fact in log.facts]
    async with server.platform.database.read() as tx:
        taken = await tx.fetch_tuples(
            """SELECT c.client_id, c.last_seq, COUNT(*), MIN(f.seq), MAX(f.seq)
               FROM sync_client c JOIN sync_fact f ON f.client_no = c.client_no
               GROUP BY c.client_id, c.last_seq"""
        )
        arrivals = dict(await tx.fetch_tuples("SELECT walk_id, first_finish_ms FROM walk"))
        rows = await tx.fetch_tuples(
            """SELECT cell, owner, strength, visited_ms, taken_ms, strengthened_day, prev_owner,
                 last_at_ms, last_walk_no FROM cell_state WHERE owner <> 0"""
        )
        captures = await tx.fetch_value("SELECT COUNT(*) FROM capture")
    counts = {log.phone.client_id: len(log.facts) for log in logs}
    assert {row[0]: tuple(row[1:]) for row in taken} == {
        client_id: (n, n, 1, n) for client_id, n in counts.items()
    }
    board, counted = expected_board(gather(bodies), arrivals)
    assert len(counted) == 80 and all(counted.values())
    assert {row[0]: tuple(row) for row in rows} == {c: tuple(s) for c, s in board.items()}
    assert captures > 80
