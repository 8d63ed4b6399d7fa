"""Rankings of a million users as the server answers them, on SQLite.

Run: `python -m benchmarks.rankings_service [users]`. Prints how long a board takes to load, the
times of whole answers (board, shares, names from the database), what a refresh after new walks
costs, and whether every rank equals SQL's RANK(). Goal: p99 of a rank < 1 ms.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

from game_engine.board import local_day
from game_engine.ranking import Measure
from sync_server.app import open_platform
from sync_server.platform.context import Platform
from sync_server.platform.settings import load_settings
from sync_server.platform.tokens import CurrentUser
from sync_server.rankings import service
from sync_server.rankings.boards import BoardKey, boards_of
from sync_server.rankings.freeze import EVERYONE
from sync_server.rankings.service import RankingQuery
from sync_server.rankings.standings import Days

NOW_MS = 1_795_000_000_000
QUESTIONS = 5_000
DAYS = Days(-(2**31), 2**31 - 1)


async def fill(platform: Platform, users: int) -> None:
    """Write one account, one walk and one cell per user."""
    rng = random.Random(1)
    day = local_day(NOW_MS, "Asia/Seoul")
    start = perf_counter()
    async with platform.database.transaction() as tx:
        rev = await tx.revision()
        await tx.executemany(
            "INSERT INTO app_user (user_no, user_id, display_name, kind, language, created_ms) "
            "VALUES (?, ?, 'dog', 'guest', 'ko', 0)",
            [(n, f"user-{n}") for n in range(1, users + 1)],
        )
        await tx.executemany(
            """INSERT INTO walk_tally (walk_no, region_id, user_no, at_ms, local_day,
                 new_captures, distance_m, moving_ms, rev) VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?)""",
            [
                (n, n, NOW_MS - rng.randrange(10**9), day - rng.randrange(10), rng.randrange(200),
                 rng.randrange(1, 900_000) / 100, rng.randrange(10**7), rev)
                for n in range(1, users + 1)
            ],
        )  # fmt: skip
        await tx.executemany(
            """INSERT INTO cell_state (cell, owner, strength, visited_ms, taken_ms,
                 strengthened_day, prev_owner, last_at_ms, last_walk_no, free_ms, area_m2, rev)
               VALUES (?, ?, 1, ?, ?, 0, 0, ?, 1, ?, 2000.5, ?)""",
            [
                (n, rng.randrange(1, users + 1), NOW_MS, NOW_MS - rng.randrange(10**9), NOW_MS,
                 NOW_MS + 10**9, rev)
                for n in range(1, users + 1)
            ],
        )  # fmt: skip
    print(f"{users:,} users, walks and cells written in {perf_counter() - start:.1f} s")


async def timed(name: str, ask: Callable[[int], Awaitable[object]], users: int) -> None:
    """Print the percentiles of many single questions for random users."""
    rng = random.Random(2)
    times_ms = []
    for _ in range(QUESTIONS):
        user_no = rng.randrange(1, users + 1)
        start = perf_counter()
        await ask(user_no)
        times_ms.append((perf_counter() - start) * 1000)
    times_ms.sort()
    p50, p95, p99 = (times_ms[int(len(times_ms) * share)] for share in (0.5, 0.95, 0.99))
    print(f"  {name}: p50 {p50:.3f}, p95 {p95:.3f}, p99 {p99:.3f}, max {times_ms[-1]:.1f} ms")


async def one_measure(platform: Platform, measure: Measure, users: int) -> None:
    """Load a board, ask it, change it, and compare all of it with SQL."""
    held = measure is Measure.CELLS_HELD
    key = BoardKey(measure, EVERYONE, None, None if held else DAYS)
    start = perf_counter()
    board = await boards_of(platform).get(platform, key)
    print(f"{measure.value}: {len(board):,} rows loaded in {perf_counter() - start:.2f} s")

    async def rank(user_no: int) -> object:
        return (await boards_of(platform).get(platform, key)).index.rank(user_no)

    async def around(user_no: int) -> object:
        query = RankingQuery("everyone", measure.value, "all", around=True)
        return await service.ranking(platform, CurrentUser(user_no, "", ""), query)

    await timed("rank, as asked by the service", rank, users)
    await timed("whole answer around me, with names", around, users)
    async with platform.database.transaction() as tx:
        rev = await tx.revision()
        table, user = ("cell_state", "cell") if held else ("walk_tally", "walk_no")
        change = "owner = 7" if held else "distance_m = distance_m + 1"
        await tx.execute(f"UPDATE {table} SET {change}, rev = ? WHERE {user} <= 200", rev)
    await asyncio.sleep(1.05)
    start = perf_counter()
    board = await boards_of(platform).get(platform, key)
    print(f"  refresh after 200 changed rows: {(perf_counter() - start) * 1000:.1f} ms")

    source = (
        f"SELECT owner AS u, COUNT(*) AS v, MAX(taken_ms) AS r FROM cell_state "
        f"WHERE owner > 0 AND free_ms > {NOW_MS} GROUP BY owner"
        if held
        else "SELECT user_no AS u, SUM(CAST(ROUND(distance_m * 100) AS BIGINT)) AS v, "
        "MAX(at_ms) AS r FROM walk_tally WHERE region_id = 0 GROUP BY user_no"
    )
    async with platform.database.read() as tx:
        rows = await tx.fetch_tuples(
            f"SELECT RANK() OVER (ORDER BY v DESC, r, u), u, v, r FROM ({source}) AS t ORDER BY 1"
        )
    equal = len(rows) == len(board) and all(
        tuple(mine) == row for mine, row in zip(board.index, rows, strict=True)
    )
    ranks = random.Random(3).sample(rows, min(10_000, len(rows)))
    equal = equal and all(board.index.rank(row[1]) == row[0] for row in ranks)
    total = sum(board.shares.share(row.rank, int(row.value)) for row in board.index)
    print(f"  every row equals SQL RANK(): {equal}; shares add up to {total}")


async def main() -> None:
    """Fill a database in a temporary folder and measure."""
    users = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        environment = {"DAENGDONG_DATA_DIR": str(Path(folder) / "data")}
        async with open_platform(load_settings(environment), lambda: NOW_MS) as platform:
            await fill(platform, users)
            for measure in (Measure.DISTANCE, Measure.CELLS_HELD):
                await one_measure(platform, measure, users)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak_mb:,.0f} MB")


if __name__ == "__main__":
    asyncio.run(main())
