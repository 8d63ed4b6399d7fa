"""Exact ranks among a million users: build, rank, update and around-me times, checked by SQL.

Run: `python benchmarks/ranking.py [users]`. Goal (GAME.md): p99 < 1 ms, and every user's rank equal
to SQLite's `RANK() OVER (ORDER BY value DESC, reached_at_ms, user_no)` after random updates.
"""

from __future__ import annotations

import random
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from game_engine.rank_index import RankIndex
from game_engine.ranking import Standing

CALLS = 100_000
GOAL_P99_MS = 1.0
FIRST_MS = 1_790_000_000_000


def main(users: int) -> int:
    """Measure, print, verify; return 0 when the goal is met and every rank is right."""
    draw = random.Random(20261121)
    before_mib = peak_mib()
    start = time.perf_counter()
    index = RankIndex(random_standings(draw, users))
    build_s = time.perf_counter() - start
    print(f"{users:,} users: built in {build_s:.2f} s, {peak_mib() - before_mib:.0f} MiB more")

    database = sqlite3.connect(":memory:")
    database.execute(
        "CREATE TABLE standing (user_no INTEGER PRIMARY KEY, value INTEGER, reached_at_ms INTEGER)"
    )
    database.executemany("INSERT INTO standing VALUES (?, ?, ?)", (row[1:] for row in index))

    changes = [random_standing(draw, draw.randint(1, users)) for _ in range(CALLS)]
    asked = [draw.randint(1, users) for _ in range(CALLS)]
    met = [
        measure("update", lambda at: index.put(changes[at])),
        measure("rank", lambda at: index.rank(asked[at])),
        measure("around (5 + 1 + 5)", lambda at: index.around(asked[at], 5)),
        measure("top 100", lambda _: index.top(100)),
    ]
    database.executemany(
        "UPDATE standing SET value = ?2, reached_at_ms = ?3 WHERE user_no = ?1", changes
    )
    wrong = sum(
        row is None or sql is None or (row.rank, *row[1:]) != sql or index.rank(sql[1]) != sql[0]
        for row, sql in zip_longest(
            index,
            database.execute(
                "SELECT RANK() OVER (ORDER BY value DESC, reached_at_ms, user_no) AS place, "
                "user_no, value, reached_at_ms FROM standing ORDER BY place"
            ),
        )
    )
    print(f"after {CALLS:,} updates {wrong} of {users:,} ranks differ from SQLite's RANK()")
    return 0 if all(met) and not wrong else 1


def random_standings(draw: random.Random, users: int) -> Iterator[Standing]:
    """Yield a standing for each user, in the random order of a database read."""
    numbers = list(range(1, users + 1))
    draw.shuffle(numbers)
    return (random_standing(draw, user_no) for user_no in numbers)


def random_standing(draw: random.Random, user_no: int) -> Standing:
    """Return a standing; many users share the small values, as on a real board."""
    value = int(draw.paretovariate(1.1)) if draw.random() < 0.7 else draw.randrange(1_000_000)
    return Standing(user_no, value, FIRST_MS + draw.randrange(1_000) * 60_000)


def measure(name: str, call: Callable[[int], object]) -> bool:
    """Time each call, print the percentiles, and return whether p99 meets the goal."""
    times_ns = []
    for at in range(CALLS):
        start = time.perf_counter_ns()
        call(at)
        times_ns.append(time.perf_counter_ns() - start)
    times_ns.sort()
    p50, p95, p99 = (times_ns[int(CALLS * part)] / 1e6 for part in (0.50, 0.95, 0.99))
    print(
        f"{name:<20} p50 {p50:.4f}  p95 {p95:.4f}  p99 {p99:.4f}  "
        f"max {times_ns[-1] / 1e6:.3f} ms   (goal p99 < {GOAL_P99_MS:g} ms)"
    )
    return p99 < GOAL_P99_MS


def peak_mib() -> float:
    """Return the most memory this process has held, in MiB (Linux reports KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
