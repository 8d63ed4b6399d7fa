"""The demo's play: who walks which track, what goes wrong on the way, and what comes of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx
import msgspec

from daengdong.demo_jobs import JobsResult, analyse_on_server
from daengdong.demo_vet import VetRow, ask_vet
from daengdong.map_page import render
from daengdong.output import errors
from daengdong.phone import Phone, now_ms, open_phone
from daengdong.result import (
    PLAYER_COLOURS,
    CellRow,
    DemoResult,
    PlayerRow,
    Ranking,
    RankingRow,
    WalkRow,
)
from edge_sdk.sync.store import LocalStore
from edge_sdk.walk.gpx import read_gpx
from edge_sdk.walk.recorder import WalkRecorder
from game_engine.cells import boundary, from_hex
from game_engine.rules import CURRENT_RULES

START_S = 30.0
HOURS_BETWEEN = 1.0
KILL_AFTER_BYTES = 60_000
MEASURES = ("cells_held", "area_held", "new_captures", "distance", "walking_time", "walk_days")
PEOPLE = (
    ("하늘", "보리"), ("도윤", "두부"), ("서아", "콩이"), ("지호", "초코"),
    ("유나", "호두"), ("민재", "라떼"),
)  # fmt: skip


class DemoFailed(Exception):
    """The demo could not do what it shows; the message says which part."""

    code: ClassVar[str] = "demo_failed"


class Part(msgspec.Struct, frozen=True):
    """One walk of the play: who, which track, how long ago it ended, what happens."""

    player: int
    track: Path
    ended: str
    offline: bool
    killed: bool


def cast(tracks: Sequence[Path]) -> list[Part]:
    """Give the tracks to four phones in order; every second is offline, the second is killed."""
    count = len(tracks)
    return [
        Part(
            player=number % 4,
            track=track,
            ended=f"{(count - number) * HOURS_BETWEEN:g}h",
            offline=number % 2 == 0,
            killed=number == min(1, count - 1),
        )
        for number, track in enumerate(tracks)
    ]


async def run_demo(
    tracks: Sequence[Path],
    pace_mps: float,
    out: Path,
    work: Path,
    regions: Sequence[Path],
    quiet: bool,
    keep: bool,
) -> tuple[DemoResult, JobsResult, tuple[VetRow, ...], str | None]:
    """Play the demo; return what came of it, its jobs, the vet chat's answers and, with `keep`,
    the server's address.
    """
    out.mkdir(parents=True, exist_ok=True)
    play = cast(tracks)
    async with _server(work, regions, keep, quiet) as address:
        homes = sorted({part.player for part in play})
        for player in homes:
            await _sign_up(work, address, player)
        events: dict[str, tuple[str, ...]] = {}
        for number, part in enumerate(play, 1):
            _say(quiet, f"[{number}/{len(play)}] {_name(part.player)} walks {part.track.stem}")
            walk_id, happened = await _walk(work, address, part, pace_mps)
            events[walk_id] = happened
        for player in homes:
            async with open_phone(_home(work, player), address) as phone:
                await phone.sync()
        async with open_phone(_home(work, play[0].player), address) as phone:
            _say(quiet, f"{_name(play[0].player)} sends clips of the first walk")
            jobs = await analyse_on_server(
                phone, address, next(iter(events)), out / "jobs", lambda line: _say(quiet, line)
            )
            _say(quiet, f"{_name(play[0].player)} asks the vet chat")
            vet = await ask_vet(
                phone, address, lambda line: _say(quiet, line), lambda text: _show(quiet, text)
            )
        result = await _gather(work, address, play, events, bool(regions))
    (out / "jobs.json").write_bytes(msgspec.json.format(msgspec.json.encode(jobs)))
    (out / "vet.json").write_bytes(msgspec.json.format(msgspec.json.encode(vet)))
    (out / "result.json").write_bytes(msgspec.json.format(msgspec.json.encode(result)))
    (out / "map.html").write_text(render(result), encoding="utf-8")
    copies = out / "tracks"
    copies.mkdir(exist_ok=True)
    for track in tracks:
        (copies / track.name).write_bytes(track.read_bytes())
    return result, jobs, vet, address if keep else None


@asynccontextmanager
async def _server(
    work: Path, regions: Sequence[Path], keep: bool, quiet: bool
) -> AsyncIterator[str]:
    """Run the embedded server as a process of its own on a free port."""
    data = work / "server"
    settings = {**os.environ, "DAENGDONG_DATA_DIR": str(data), "DAENGDONG_DATABASE_URL": "",
                "DAENGDONG_LOG_LEVEL": "warning"}  # fmt: skip
    for file in regions:
        _say(quiet, f"importing {file.name}")
        done = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "daengdong", "regions", "import", str(file), "--json",
            env=settings, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        if await done.wait() != 0:
            raise DemoFailed(f"{file} could not be imported")
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    log_file = (work / "server.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "daengdong", "serve", "--port", str(port),
        env=settings, stdout=log_file, stderr=log_file, start_new_session=keep,
    )  # fmt: skip
    try:
        await _wait_ready(address, process, work / "server.log")
        _say(quiet, f"server at {address}")
        yield address
    except BaseException:
        keep = False
        raise
    finally:
        log_file.close()
        if not keep and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(10):
                    await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _wait_ready(address: str, process: asyncio.subprocess.Process, log_file: Path) -> None:
    deadline = time.monotonic() + START_S
    async with httpx.AsyncClient(base_url=address) as client:
        while time.monotonic() < deadline:
            if process.returncode is not None:
                break
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)
    raise DemoFailed(f"the server did not start: {log_file.read_text()[-2000:]}")


async def _sign_up(work: Path, address: str, player: int) -> None:
    async with open_phone(_home(work, player), address) as phone:
        await phone.sign_in()
        await phone.set_up(*PEOPLE[player])


async def _walk(
    work: Path, address: str, part: Part, pace_mps: float
) -> tuple[str, tuple[str, ...]]:
    """Let one phone replay one track as a process of its own; return walk_id and what happened."""
    home = _home(work, part.player)
    command = [
        sys.executable, "-m", "daengdong", "walk", "replay", str(part.track), "--home", str(home),
        "--server", address, "--ended", part.ended, "--pace", str(pace_mps), "--json",
    ]  # fmt: skip
    if part.offline:
        command.append("--offline")
    happened = ["offline"] if part.offline else []
    if part.killed:
        await _kill_midway(command, home, len(read_gpx(part.track, pace_mps)))
        command.append("--resume")
        happened.append("killed_resumed")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, complaint = await process.communicate()
    if process.returncode != 0:
        raise DemoFailed(f"{part.track.name}: {output.decode()}{complaint.decode()}")
    walk_id: str = msgspec.json.decode(output)["walk"]["walk_id"]
    return walk_id, tuple(happened)


async def _kill_midway(command: Sequence[str], home: Path, fixes: int) -> None:
    """Start the replay slowly and kill it (-9) once part of the walk is written."""
    before = _size(home)
    process = await asyncio.create_subprocess_exec(
        *command, "--rate", str(max(20, fixes // 4)),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + START_S
    while process.returncode is None and _size(home) < before + KILL_AFTER_BYTES:
        await asyncio.sleep(0.02)
        if time.monotonic() > deadline:
            break
    if process.returncode is not None:
        raise DemoFailed("the phone that was to be killed was faster than the killer")
    process.kill()
    await process.wait()
    async with await LocalStore.open(home / "phone.sqlite") as store:
        walk = await WalkRecorder(store).current()
        if walk is None:
            raise DemoFailed("the killed phone forgot its walk")


def _size(home: Path) -> int:
    return sum(file.stat().st_size for file in home.glob("phone.sqlite*"))


async def _gather(
    work: Path,
    address: str,
    play: Sequence[Part],
    events: dict[str, tuple[str, ...]],
    with_regions: bool,
) -> DemoResult:
    players: list[PlayerRow] = []
    cells: list[CellRow] = []
    walks: list[WalkRow] = []
    rankings: list[Ranking] = []
    for player in sorted({part.player for part in play}):
        async with open_phone(_home(work, player), address) as phone:
            row, own_cells, own_walks = await _of_one(phone, player, events)
            players.append(row)
            cells += own_cells
            walks += own_walks
            if not rankings:
                rankings = [await _ranking(phone, measure) for measure in MEASURES]
    ranks = {row.user_id: row.rank for row in rankings[0].rows}
    last = len(ranks) + 1
    players = [
        msgspec.structs.replace(player, rank=ranks.get(player.user_id, last)) for player in players
    ]
    shipped = all("assets" in part.track.resolve().parts for part in play)
    return DemoResult(
        generated_at_ms=now_ms(),
        rules_version=CURRENT_RULES,
        source_note="generated" if shipped else "given",
        players=tuple(sorted(players, key=lambda player: player.rank)),
        cells=tuple(cells),
        walks=tuple(walks),
        rankings=tuple(rankings),
        region_note="" if with_regions else "no_region",
    )


async def _of_one(
    phone: Phone, player: int, events: dict[str, tuple[str, ...]]
) -> tuple[PlayerRow, list[CellRow], list[WalkRow]]:
    user_id = await phone.store.get_meta("user_id") or ""
    territory = await phone.get("/api/territory/me")
    listed = (await phone.get("/api/walks"))["walks"]
    walks = [await _walk_row(phone, user_id, walk, events) for walk in reversed(listed)]
    name, dog = PEOPLE[player]
    row = PlayerRow(
        user_id=user_id, name=name, dog=dog, colour=PLAYER_COLOURS[player],
        cells_held=territory["cells_held"], area_m2=territory["area_m2"],
        distance_m=sum(walk.distance_m for walk in walks),
        walking_ms=sum(walk.moving_ms for walk in walks),
        new_captures=sum(walk.captured for walk in walks), rank=0,
    )  # fmt: skip
    cells = [
        CellRow(
            cell=cell["cell"], owner=user_id, strength=max(1, cell["strength"]),
            boundary=tuple(boundary(from_hex(cell["cell"]))),
        )
        for cell in territory["cells"]
    ]  # fmt: skip
    return row, cells, walks


async def _walk_row(
    phone: Phone, user_id: str, walk: dict[str, Any], events: dict[str, tuple[str, ...]]
) -> WalkRow:
    detail = await phone.get(f"/api/walks/{walk['walk_id']}")
    track = detail["track"]
    notes = list(dict.fromkeys([*walk["reasons"], *(drop["reason"] for drop in walk["drops"])]))
    return WalkRow(
        walk_id=walk["walk_id"], user_id=user_id,
        title=time.strftime("%m-%d %H:%M", time.localtime(walk["started_at_ms"] / 1000)),
        state=walk["state"], distance_m=walk["distance_m"] or 0.0,
        moving_ms=walk["moving_ms"] or 0, captured=len(walk["captured"] or ()),
        loop_cells=walk["loop_cells"] or 0, trust=walk["trust"] or 0,
        counts_for_board=bool(walk["counts_for_board"]), notes=tuple(notes),
        events=events.get(walk["walk_id"], ()),
        track=tuple((point[1], point[2]) for point in track),
        dropped=tuple(_runs([not point[3] for point in track])),
    )  # fmt: skip


def _runs(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """Return the runs of true values as (first, last)."""
    runs: list[tuple[int, int]] = []
    for index, flag in enumerate(flags):
        if flag and runs and runs[-1][1] == index - 1:
            runs[-1] = (runs[-1][0], index)
        elif flag:
            runs.append((index, index))
    return runs


async def _ranking(phone: Phone, measure: str) -> Ranking:
    board = await phone.get("/api/rankings/everyone", measure=measure, period="all")
    # Boards count in whole dm2 and cm; the page shows m2 and m.
    scale = 100 if board["unit"] in ("dm2", "cm") else 1
    return Ranking(
        scope="everyone", measure=measure, period="all", as_of_ms=board["as_of_ms"],
        rows=tuple(
            RankingRow(
                rank=row["rank"], user_id=row["user_id"] or "", name=row["display_name"] or "",
                value=row["value"] / scale, share_permille=round(row["share_permyriad"] / 10),
            )
            for row in board["rows"]
        ),
    )  # fmt: skip


def _home(work: Path, player: int) -> Path:
    return work / f"phone-{player + 1}"


def _name(player: int) -> str:
    return f"{PEOPLE[player][0]} · {PEOPLE[player][1]}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _show(quiet: bool, text: str) -> None:
    if not quiet:
        sys.stderr.write(text)
        sys.stderr.flush()


def _say(quiet: bool, line: str) -> None:
    if not quiet:
        errors.print(line, highlight=False)
