"""Commands of a phone: walk replay/status/finish/cancel, sync, territory, rankings."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from daengdong.output import console, fail, print_json, print_table, progress
from daengdong.phone import Phone, now_ms, run_phone
from edge_sdk.walk.gpx import read_gpx
from edge_sdk.walk.recorder import WalkEnd, WalkProgress, WalkRecorder
from game_engine.report import describe
from game_engine.track import Fixes

Home = Annotated[
    Path, typer.Option(envvar="DAENGDONG_HOME", help="The folder this phone lives in.")
]
Server = Annotated[str, typer.Option(envvar="DAENGDONG_SERVER", help="Address of the server.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_HOME = Path(".daengdong")
DEFAULT_SERVER = "http://127.0.0.1:8000"
walk = typer.Typer(no_args_is_help=True, help="Walks of this phone.")
_AGO = re.compile(r"^(\d+(?:\.\d+)?)([smhd])$")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@walk.command("replay")
def walk_replay(
    track: Annotated[Path, typer.Argument(help="A GPX file (1.0 or 1.1).")],
    home: Home = DEFAULT_HOME,
    server: Server = DEFAULT_SERVER,
    pace: Annotated[float, typer.Option(help="m/s, for a track without times.")] = 0.0,
    ended: Annotated[
        str, typer.Option(help="When the walk ended: 'now', '90m', '3h' ago, or 'recorded'.")
    ] = "now",
    rate: Annotated[float, typer.Option(help="Fixes a second; 0 is as fast as it goes.")] = 0.0,
    offline: Annotated[bool, typer.Option(help="Only record; sync later.")] = False,
    resume: Annotated[
        bool, typer.Option(help="Go on with the open walk where the phone was killed.")
    ] = False,
    json: Json = False,
) -> None:
    """Record a GPX track as a walk, as if this phone had been there, and sync it.

    The times are moved so that the walk ends now (a walk that arrives more than 72 h late only
    enters the diary); --ended recorded keeps them.
    """

    async def work(phone: Phone) -> dict[str, Any]:
        fixes = read_gpx(track, pace or None)
        end = await _replay(phone, fixes, ended, rate, resume, quiet=json)
        synced = None if offline else await phone.sync()
        return {"walk": end, "sync": synced}

    done = run_phone(home, server, work, json)
    if json:
        print_json(done)
        return
    end: WalkEnd = done["walk"]
    console.print(
        f"{end.predicted_distance_m / 1000:.2f} km, {len(end.predicted_cells)} cells predicted"
    )
    _print_sync(done["sync"])


async def _replay(
    phone: Phone, fixes: Fixes, ended: str, rate: float, resume: bool, quiet: bool
) -> WalkEnd:
    recorder = WalkRecorder(phone.store)
    dog_id = await phone.store.get_meta("dog_id")
    open_walk = await recorder.current() if resume else None
    if open_walk is None:
        moved = _moved(fixes, ended, quiet)
        await recorder.start(
            [dog_id] if dog_id else [], int(moved.t_ms[0]), source="gpx", supersede=True
        )
    else:
        # The open walk says when it began; what it has already is not recorded twice.
        moved = _shifted(fixes, open_walk.started_ms - int(fixes.t_ms[0]))
        have = await recorder.track(open_walk.walk_id)
        if len(have):
            moved = moved.take(moved.t_ms > have.t_ms.max())
    step = max(1, int(rate / 10)) if rate else 2_000
    with progress("recording", len(moved), quiet) as shown:
        for start in range(0, len(moved), step):
            await recorder.replay(moved.take(slice(start, start + step)))
            shown(start)
            if rate:
                await asyncio.sleep(step / rate)
    last_ms = int(moved.t_ms[-1]) if len(moved) else now_ms()
    return await recorder.finish(last_ms)


def _moved(fixes: Fixes, ended: str, as_json: bool) -> Fixes:
    if not len(fixes):
        raise fail("gpx_empty", "the track has no usable point", as_json)
    if ended == "recorded":
        return fixes
    match = _AGO.match(ended)
    if ended != "now" and match is None:
        said = "--ended takes 'now', 'recorded', or a time like 90m or 3h"
        raise fail("bad_option", said, as_json)
    ago_ms = int(float(match[1]) * _UNIT_S[match[2]] * 1000) if match else 0
    return _shifted(fixes, now_ms() - ago_ms - int(fixes.t_ms.max()))


def _shifted(fixes: Fixes, by_ms: int) -> Fixes:
    return Fixes(
        fixes.t_ms + by_ms, fixes.lat_e5, fixes.lng_e5, fixes.accuracy_m, fixes.flags, fixes.steps
    )


@walk.command("status")
def walk_status(
    home: Home = DEFAULT_HOME, server: Server = DEFAULT_SERVER, json: Json = False
) -> None:
    """Show the open walk: distance, moving time, cells so far, dwell in the current cell."""

    async def work(phone: Phone) -> dict[str, Any]:
        recorder = await WalkRecorder.resume(phone.store, now_ms())
        open_walk = await recorder.current()
        return {
            "walk": await recorder.progress() if open_walk else None,
            "auto_ended": recorder.auto_ended,
            "open_elsewhere": await recorder.other_open_walks(),
            "log": await phone.store.log_state(),
        }

    state = run_phone(home, server, work, json)
    if json:
        print_json(state)
        return
    shown: WalkProgress | None = state["walk"]
    if shown is None:
        console.print("no walk is open on this phone")
    else:
        minutes = shown.moving_ms / 60_000
        console.print(
            f"walk {shown.walk_id}: {shown.distance_m / 1000:.2f} km, {minutes:.0f} min moving, "
            f"{len(shown.cells)} cells"
        )
        if shown.dwell is not None:
            console.print(
                f"this cell: {shown.dwell.seconds:.0f} of {shown.dwell.needed_seconds:.0f} s, "
                f"{shown.dwell.fixes} of {shown.dwell.needed_fixes} fixes"
            )
        for drop in shown.drops[:10]:
            console.print(f"  {describe(drop, 'en')}")
    for other in state["open_elsewhere"]:
        console.print(f"open on another device: {other.walk_id}")
    console.print(f"facts not yet acknowledged: {state['log'].last_seq - state['log'].acked_seq}")


@walk.command("finish")
def walk_finish(
    home: Home = DEFAULT_HOME, server: Server = DEFAULT_SERVER, json: Json = False
) -> None:
    """Finish the open walk."""
    end = run_phone(home, server, lambda phone: WalkRecorder(phone.store).finish(now_ms()), json)
    print_json(end) if json else console.print(f"finished {end.walk_id}")


@walk.command("cancel")
def walk_cancel(
    home: Home = DEFAULT_HOME, server: Server = DEFAULT_SERVER, json: Json = False
) -> None:
    """Cancel the open walk: it will not count."""
    end = run_phone(home, server, lambda phone: WalkRecorder(phone.store).cancel(now_ms()), json)
    print_json(end) if json else console.print(f"cancelled {end.walk_id}")


def sync(home: Home = DEFAULT_HOME, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Push what this phone recorded and pull what changed."""
    report = run_phone(home, server, lambda phone: phone.sync(), json)
    print_json(report) if json else _print_sync(report)


def territory(
    home: Home = DEFAULT_HOME, server: Server = DEFAULT_SERVER, json: Json = False
) -> None:
    """Show what I hold and what I lost."""

    async def work(phone: Phone) -> dict[str, Any]:
        await phone.sign_in()
        return {
            "territory": await phone.get("/api/territory/me"),
            "losses": await phone.get("/api/territory/losses"),
        }

    found = run_phone(home, server, work, json)
    if json:
        print_json(found)
        return
    mine = found["territory"]
    console.print(f"{mine['cells_held']} cells, {mine['area_m2'] / 1e6:.3f} km²")
    rows = [[c["cell"], c["strength"]] for c in mine["cells"][:30]]
    print_table("my cells (first 30)", ("cell", "strength"), rows)
    console.print(f"{len(found['losses']['losses'])} cells lost within a week")


def rankings(
    scope: Annotated[str, typer.Argument(help="everyone, region or random.")] = "everyone",
    measure: Annotated[str, typer.Option(help="What is measured.")] = "cells_held",
    period: Annotated[str, typer.Option(help="day, week, month, season or all.")] = "week",
    region_id: Annotated[int, typer.Option(help="With scope region.")] = 0,
    around: Annotated[bool, typer.Option(help="Five above and five below me.")] = False,
    home: Home = DEFAULT_HOME,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Show a ranking."""

    async def work(phone: Phone) -> Any:
        await phone.sign_in()
        return await phone.get(
            f"/api/rankings/{scope}", measure=measure, period=period,
            region_id=region_id or None, around="true" if around else None,
        )  # fmt: skip

    board = run_phone(home, server, work, json)
    if json:
        print_json(board)
        return
    rows = [[row["rank"], row["display_name"], row["value"]] for row in board["rows"]]
    print_table(f"{scope}, {measure}, {period}", ("rank", "name", "value"), rows)


def _print_sync(report: Any) -> None:
    if report is None:
        console.print("recorded offline; `daengdong sync` sends it later")
        return
    console.print(f"{report.push.applied} facts applied, {len(report.push.refused)} refused")
    for refused in report.push.refused:
        console.print(f"  fact {refused.seq} refused: {refused.code} {refused.detail}")
    for walk_done in report.corrections:
        said = msgspec.structs.asdict(walk_done)
        verdict = "counts" if said["counts_for_board"] else f"does not count: {said['reasons']}"
        console.print(
            f"  walk {said['walk_id']}: predicted {said['predicted_cells']} cells, decided "
            f"{said['decided_cells']}; {verdict}"
        )
