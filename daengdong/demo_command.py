"""`daengdong demo`: the main job end to end, with a real server and real phones."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from daengdong.demo_clips import ClipResult
from daengdong.output import console, fail, print_json, print_table
from daengdong.result import Ranking
from edge_sdk.errors import EdgeError

SHIPPED = Path(__file__).resolve().parents[1] / "assets" / "tracks"


def demo(
    track: Annotated[
        list[Path] | None, typer.Option(help="GPX tracks instead of the shipped ones (repeat).")
    ] = None,
    pace: Annotated[float, typer.Option(help="m/s for tracks without times.")] = 1.2,
    out: Annotated[Path, typer.Option(help="Where map.html and result.json go.")] = Path(
        "demo-out"
    ),
    regions: Annotated[
        list[Path] | None, typer.Option(help="Boundary files to import first (repeat).")
    ] = None,
    keep: Annotated[bool, typer.Option(help="Leave the server running.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Four phones walk, partly offline; one is killed and resumed, one goes by car.

    Starts the embedded server on a free port, replays the tracks, syncs, prints who owns what and
    the rankings, and writes map.html (opens without a server), result.json and the tracks. Clips of
    the first walk become jobs of the server: three missions, a face, a gait, with live progress.
    Its vet chat is asked an everyday question and an emergency, and answers streaming.
    Then the shipped clips are analysed on this machine as a phone does, without a server.
    """
    from daengdong.demo import DemoFailed, run_demo
    from daengdong.demo_jobs import JobsFailed
    from daengdong.vet_chat import ChatFailed
    from edge_sdk.walk.gpx import read_gpx

    tracks = track or sorted(SHIPPED.glob("*.gpx"), key=lambda path: read_gpx(path, None).t_ms[0])
    if not tracks:
        raise fail("no_tracks", f"no GPX tracks in {SHIPPED}; give some with --track", json)
    for path in (*tracks, *(regions or ())):
        if not path.is_file():
            raise fail("no_such_file", str(path), json)
    work = Path(tempfile.mkdtemp(prefix="daengdong-demo-"))
    try:
        result, jobs, vet, server = asyncio.run(
            run_demo(tracks, pace, out, work, regions or [], quiet=json, keep=keep)
        )
    except (DemoFailed, JobsFailed, ChatFailed, EdgeError) as error:
        raise fail(error.code, str(error), json) from None
    finally:
        if not keep:
            shutil.rmtree(work, ignore_errors=True)
    clips = _analyse(out, json)
    if json:
        print_json(
            {
                "result": result,
                "jobs": jobs,
                "vet": vet,
                "clips": clips,
                "server": server,
                "out": str(out),
            }
        )
        return
    players = sorted(result.players, key=lambda player: player.rank)
    print_table(
        "who owns what",
        ("rank", "name", "dog", "cells", "area m²", "walked km"),
        [
            [p.rank, p.name, p.dog, p.cells_held, round(p.area_m2), round(p.distance_m / 1000, 2)]
            for p in players
        ],
    )
    print_table(
        f"rankings ({result.rankings[0].period})",
        ("measure", "1st", "2nd", "3rd", "4th"),
        [
            [board.measure, *(_place(board, place) for place in range(4))]
            for board in result.rankings
        ],
    )
    names = {player.user_id: player.name for player in players}
    for walk in result.walks:
        verdict = f"{walk.captured} cells" if walk.counts_for_board else "counts for nothing"
        told = ", ".join((*walk.events, *walk.notes))
        line = f"{walk.title} {names[walk.user_id]}: {walk.distance_m / 1000:.2f} km, {verdict}"
        console.print(f"{line}; {told}" if told else line, highlight=False)
    print_table(
        "analysed by the server, as jobs",
        ("job", "s", "result"),
        [[row.task, round(row.seconds, 1), "\n".join(row.says)] for row in jobs.jobs],
    )
    for seen in clips:
        console.print(f"{seen.clip} ({seen.seconds:.1f} s): {seen.says}", highlight=False)
        for file in seen.files:
            console.print(f"  {file}", highlight=False)
    console.print(f"\nopen {out / 'map.html'} in a browser")
    if server:
        console.print(f"the server runs at {server} (data in {work}); end it with Ctrl-C or kill")


def _analyse(out: Path, quiet: bool) -> tuple[ClipResult, ...]:
    """Analyse the shipped clips on this machine; write what was seen beside the map."""
    from daengdong.demo_clips import analyse_clips

    clips = analyse_clips(out / "clips", lambda text: None if quiet else console.print(text))
    text = msgspec.json.format(msgspec.json.encode(clips))
    (out / "clips.json").write_bytes(text)
    return clips


def _place(board: Ranking, place: int) -> str:
    """Return name and value at a place of a board, in a person's units."""
    if place >= len(board.rows):
        return ""
    row = board.rows[place]
    value = {
        "area_held": f"{row.value:,.0f} m²",
        "distance": f"{row.value / 1000:.2f} km",
        "walking_time": f"{row.value / 60_000:.0f} min",
    }.get(board.measure, f"{row.value:.0f}")
    return f"{row.name} {value}"
