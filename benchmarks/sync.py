"""Pushes and walks a second on SQLite (or DAENGDONG_DATABASE_URL), with p50/p95/p99.

    python benchmarks/sync.py [--json]

1. small facts: diary edits pushed one by one through the service, 50 devices at once;
2. decode + capture + ownership write of 30-minute walks at 1 Hz, CPU time, and the same as whole
   pushes with everything else that a walk brings (trust, copies of tracks, rankings, feed);
3. the real server over HTTP: 100 walk pushes a second, answer times;
4. 200 concurrent writers: how many meet "database is locked".
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import DiarySet, Fact, make_fact
from edge_sdk.sync.packed import pack, unpack
from edge_sdk.walk.simulate import simulate
from game_engine.board import CaptureEvent, local_day
from game_engine.capture import capture
from game_engine.rules import CURRENT_RULES, rules_for
from game_engine.track import Fixes, clean
from sync_server.app import open_platform
from sync_server.platform.context import Platform
from sync_server.platform.database import DatabaseError
from sync_server.platform.settings import load_settings
from sync_server.platform.tokens import CurrentUser
from sync_server.territory import service as territory
from tests.support.process import ServerProcess
from tests.support.walks import walk_bodies

WALKS = 300
DEVICES = 50


def percentiles(seconds: list[float]) -> dict[str, float]:
    """p50, p95, p99 in milliseconds."""
    values = np.percentile(np.array(seconds) * 1000, [50, 95, 99])
    return {name: round(float(v), 2) for name, v in zip(("p50", "p95", "p99"), values, strict=True)}


async def make_users(platform: Platform, count: int) -> list[CurrentUser]:
    """Write accounts, devices and consents straight into the database."""
    users = []
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        for number in range(count):
            user_id, client_id = uuid7(), uuid7()
            user_no = await tx.fetch_value(
                """INSERT INTO app_user (user_id, display_name, kind, language, created_ms)
                   VALUES (?, ?, 'guest', 'ko', ?) RETURNING user_no""",
                user_id, f"bench {number}", now_ms,
            )  # fmt: skip
            await tx.execute(
                """INSERT INTO sync_client (client_id, user_no, device_name, created_ms, seen_ms)
                   VALUES (?, ?, 'bench', ?, ?)""",
                client_id, user_no, now_ms, now_ms,
            )  # fmt: skip
            await tx.execute(
                "INSERT INTO consent (user_no, kind, version, granted, at_ms) "
                "VALUES (?, 'location', '1', 1, ?)",
                user_no, now_ms,
            )  # fmt: skip
            users.append(CurrentUser(user_no, user_id, client_id))
    return users


async def push(platform: Platform, user: CurrentUser, facts: list[Fact]) -> float:
    """Push through the service; return the seconds it took."""
    from sync_server.domains import FACTS
    from sync_server.sync import service
    from sync_server.sync.schemas import PushRequest

    start = time.perf_counter()
    answer = await service.push(platform, user, PushRequest(user.client_id, facts), FACTS)
    assert all(result.status == "applied" for result in answer.results), answer
    return time.perf_counter() - start


async def small_facts(platform: Platform, users: list[CurrentUser], each: int) -> dict[str, Any]:
    """Many devices push one diary edit a push, all at once."""
    now_ms = platform.clock()

    async def device(user: CurrentUser) -> list[float]:
        entry, took = uuid7(), []
        for seq in range(1, each + 1):
            stamp = f"{now_ms + seq:015d}-0000-{user.client_id}"
            body = DiarySet(entry, None, "2026-11-21", "text", f"line {seq}", stamp)
            took.append(await push(platform, user, [make_fact(seq, body)]))
        return took

    start, cpu = time.perf_counter(), time.process_time()
    took = [t for part in await asyncio.gather(*map(device, users)) for t in part]
    wall = time.perf_counter() - start
    return {
        "pushes": len(took),
        "pushes_per_s": round(len(took) / wall),
        "cpu_ms_per_push": round((time.process_time() - cpu) / len(took) * 1000, 3),
        **percentiles(took),
    }


def make_walks(count: int, now_ms: int, kind: str, duration_s: int) -> list[Fixes]:
    """Simulated honest walks spread over a city, so that some meet."""
    rng = np.random.default_rng(5)
    walks = []
    for number in range(count):
        origin = (37.50 + 0.06 * rng.random(), 126.98 + 0.08 * rng.random())
        began_ms = now_ms - int(rng.integers(2, 40)) * 3_600_000
        walks.append(
            simulate(kind, 20_000 + number, origin, duration_s, started_at_ms=began_ms).fixes
        )
    return walks


async def whole_walks(
    platform: Platform, users: list[CurrentUser], walks: list[Fixes]
) -> dict[str, Any]:
    """Push walks one after the other; CPU of the process is what counts."""
    pushes = [
        [make_fact(n, body) for n, body in enumerate(walk_bodies(fixes), 1)] for fixes in walks
    ]
    took = []
    cpu = time.process_time()
    for user, facts in zip(users, pushes, strict=True):
        took.append(await push(platform, user, facts))
    spent = time.process_time() - cpu
    async with platform.database.read() as tx:
        captures = await tx.fetch_value("SELECT COUNT(*) FROM capture")
        counted = await tx.fetch_value("SELECT COUNT(*) FROM walk WHERE counts = 1")
    return {
        "walks": len(walks),
        "fixes_per_walk": round(sum(map(len, walks)) / len(walks)),
        "cells_per_walk": round(captures / max(1, counted)),
        "counted": counted,
        "cpu_ms_per_walk": round(spent / len(walks) * 1000, 2),
        "walks_per_s_per_core": round(len(walks) / spent),
        **percentiles(took),
    }


async def capture_only(
    platform: Platform, users: list[CurrentUser], walks: list[Fixes]
) -> dict[str, Any]:
    """What GAME.md's figure names: decode, capture and ownership write of a walk, nothing else."""
    rules = rules_for(CURRENT_RULES)
    packed = [
        [pack(fixes.take(slice(at, at + 600))) for at in range(0, len(fixes), 600)]
        for fixes in walks
    ]
    took, cells = [], 0
    cpu = time.process_time()
    for number, (user, chunks) in enumerate(zip(users, packed, strict=True), 1):
        start = time.perf_counter()
        found = capture(clean(Fixes.concat([unpack(chunk) for chunk in chunks]), rules), rules)
        day = local_day(int(found.at_ms[0]), rules.zone_name) if len(found) else 0
        events = [
            CaptureEvent(cell, at_ms, number, user.user_no, day)
            for cell, at_ms in zip(found.cells.tolist(), found.at_ms.tolist(), strict=True)
        ]
        async with platform.database.transaction() as tx:
            await territory.replace_captures(
                platform, tx, number, user.user_no, events, found.loop.tolist(), platform.clock()
            )
        took.append(time.perf_counter() - start)
        cells += len(events)
    spent = time.process_time() - cpu
    return {
        "walks": len(walks),
        "fixes_per_walk": round(sum(map(len, walks)) / len(walks)),
        "cells_per_walk": round(cells / len(walks)),
        "cpu_ms_per_walk": round(spent / len(walks) * 1000, 2),
        "walks_per_s_per_core": round(len(walks) / spent),
        **percentiles(took),
    }


async def over_http(folder: Path, rate: int, seconds: int) -> dict[str, Any]:
    """The real server process: walk pushes at a steady rate, open loop."""
    server = ServerProcess(folder, os.environ.get("DAENGDONG_DATABASE_URL", ""))
    server.start()
    try:
        async with open_platform(load_settings(server.environment)) as platform:
            users = await make_users(platform, rate * seconds)
            tokens = [platform.signer.access_token(user) for user in users]
            now_ms = platform.clock()
        walks = make_walks(100, now_ms, "walk", 1800)

        def walk_of(number: int) -> Fixes:
            """A walk of its own for everybody: the same track twice would be judged as a copy."""
            fixes, shift = walks[number % 100], np.int32(13 * (number // 100))
            return Fixes(
                fixes.t_ms, fixes.lat_e5 + shift, fixes.lng_e5 + shift, fixes.accuracy_m,
                fixes.flags, fixes.steps,
            )  # fmt: skip

        bodies = [
            msgspec.json.encode(
                {
                    "client_id": user.client_id,
                    "facts": [
                        make_fact(n, body)
                        for n, body in enumerate(walk_bodies(walk_of(i), uuid7()), 1)
                    ],
                }
            )
            for i, user in enumerate(users)
        ]
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        async with httpx.AsyncClient(base_url=server.address, timeout=30, limits=limits) as client:
            took: list[float] = []

            async def one(index: int) -> None:
                start = time.perf_counter()
                answer = await client.post(
                    "/api/sync/push",
                    content=bodies[index],
                    headers={
                        "authorization": f"Bearer {tokens[index]}",
                        "content-type": "application/json",
                    },
                )
                assert answer.status_code == 200, answer.text
                took.append(time.perf_counter() - start)

            begin = time.perf_counter()
            tasks = []
            for index in range(len(bodies)):
                await asyncio.sleep(max(0.0, begin + index / rate - time.perf_counter()))
                tasks.append(asyncio.create_task(one(index)))
            await asyncio.gather(*tasks)
            wall = time.perf_counter() - begin
        return {
            "asked_per_s": rate,
            "reached_per_s": round(len(took) / wall, 1),
            "body_kb": round(sum(map(len, bodies)) / len(bodies) / 1000, 1),
            **percentiles(took),
        }
    finally:
        server.stop()


async def concurrent_writers(platform: Platform, writers: int) -> dict[str, Any]:
    """Read-modify-write of one row by many tasks at once."""
    locked, took = 0, []

    async def write() -> None:
        nonlocal locked
        start = time.perf_counter()
        try:
            async with platform.database.transaction() as tx:
                value = await tx.fetch_value(f"SELECT rev FROM sync_clock{tx.for_update}")
                await tx.execute("UPDATE sync_clock SET rev = ?", value + 1)
        except DatabaseError:
            locked += 1
        took.append(time.perf_counter() - start)

    start = time.perf_counter()
    for _ in range(5):
        await asyncio.gather(*(write() for _ in range(writers)))
    return {
        "writers": writers,
        "locked": locked,
        "transactions_per_s": round(len(took) / (time.perf_counter() - start)),
        **percentiles(took),
    }


async def in_process(work: Callable[[Platform], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Run work on a fresh platform in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "DAENGDONG_DATA_DIR": folder,
            "DAENGDONG_DATABASE_URL": os.environ.get("DAENGDONG_DATABASE_URL", ""),
            "DAENGDONG_LOG_LEVEL": "error",
        }
        async with open_platform(load_settings(environment)) as platform:
            return await work(platform)


def main() -> None:
    """Run all four and print them beside their goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()

    async def small(platform: Platform) -> dict[str, Any]:
        return await small_facts(platform, await make_users(platform, DEVICES), 60)

    async def walks(kind: str, duration_s: int, platform: Platform) -> dict[str, Any]:
        users = await make_users(platform, WALKS)
        return await whole_walks(
            platform, users, make_walks(WALKS, platform.clock(), kind, duration_s)
        )

    async def captures(kind: str, platform: Platform) -> dict[str, Any]:
        users = await make_users(platform, WALKS)
        return await capture_only(platform, users, make_walks(WALKS, platform.clock(), kind, 1800))

    results: dict[str, tuple[str, dict[str, Any]]] = {
        "small facts": (">= 1,000 pushes/s", asyncio.run(in_process(small))),
        "decode, capture and ownership write, street walks of 30 min": (
            ">= 250 walks/s/core",
            asyncio.run(in_process(lambda platform: captures("walk", platform))),
        ),
        "decode, capture and ownership write, loop walks of 30 min": (
            ">= 250 walks/s/core",
            asyncio.run(in_process(lambda platform: captures("loop", platform))),
        ),
        "whole push, street walks of 30 min": (
            "250 wished; with trust, copies, rankings, feed",
            asyncio.run(in_process(lambda platform: walks("walk", 1800, platform))),
        ),
        "whole push, street walks of 15 min": (
            "250 wished",
            asyncio.run(in_process(lambda platform: walks("walk", 900, platform))),
        ),
        "whole push, loop walks of 30 min": (
            "250 wished",
            asyncio.run(in_process(lambda platform: walks("loop", 1800, platform))),
        ),
        "200 writers": (
            "0 locked",
            asyncio.run(in_process(lambda platform: concurrent_writers(platform, 200))),
        ),
    }
    with tempfile.TemporaryDirectory() as folder:
        results["server at 100 walk pushes/s"] = (
            "p95 <= 50 ms",
            asyncio.run(over_http(Path(folder), 100, options.seconds)),
        )
    if options.json:
        print(json.dumps({"cores": os.cpu_count(), "results": results}, indent=1))
        return
    for name, (goal, figures) in results.items():
        print(f"{name}  (goal: {goal})")
        print("   " + ", ".join(f"{key} {value}" for key, value in figures.items()))
    print(f"{os.cpu_count()} cores, times in ms; the load comes from this same machine")


if __name__ == "__main__":
    main()
