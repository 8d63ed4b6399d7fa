"""Rankings: exact, current, fair in ties, whole in shares, and silent about others."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_engine.ranking import Measure, shares
from sync_server.platform.context import Platform
from sync_server.platform.database import Database
from sync_server.rankings import boards
from sync_server.rankings.shares import PERMYRIAD, ShareTable, replaced
from tests.support.app import START_MS, Server, running
from tests.support.board_rows import RULES, Walker, add_walk, add_walkers, capture, delete_account

pytestmark = pytest.mark.anyio
DAY_MS = 86_400_000
CELL = 0x8B30E1D8A000FFF


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path / "data", sweep_s="3600") as server:
        yield server


@pytest.fixture(autouse=True)
def always_current(monkeypatch: pytest.MonkeyPatch) -> None:
    # The real second would only make the tests wait.
    monkeypatch.setattr(boards, "STALE_S", 0.0)


async def ask(server: Server, walker: Walker, path: str, status: int = 200) -> Any:
    answer = await server.client.get(f"/api/rankings/{path}", headers=walker.headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def places(answer: Any) -> list[tuple[int, str, int]]:
    return [(row["rank"], row["display_name"], row["value"]) for row in answer["rows"]]


async def add_region(platform: Platform, level: str, code: str) -> int:
    async with platform.database.transaction() as tx:
        import_id = await tx.fetch_value(
            "INSERT INTO region_import (level, file_name, sha256, features, source, licence, "
            "attribution, imported_ms) VALUES (?, '', '', 1, '', '', '', 0) RETURNING import_id",
            level,
        )
        return int(
            await tx.fetch_value(
                "INSERT INTO region (level, code, name_ko, name_en, import_id, geometry, min_lng, "
                "min_lat, max_lng, max_lat) VALUES (?, ?, '중구', 'Jung', ?, ?, 0, 0, 1, 1) "
                "RETURNING region_id",
                level, code, import_id, b"",
            )
        )  # fmt: skip


async def test_every_measure_counts_what_it_says(server: Server) -> None:
    a, b = await add_walkers(server.platform, ["a", "b"])
    now = server.clock()
    await capture(server.platform, a.user_no, [CELL, CELL + 1], now - 5_000)
    await capture(server.platform, b.user_no, [CELL + 2], now - 9_000, area_m2=9_999.5)
    await add_walk(server.platform, a.user_no, now - 5_000, new_captures=2, distance_m=100.5)
    await add_walk(server.platform, b.user_no, now - DAY_MS, moving_ms=60_000, distance_m=50)
    await add_walk(server.platform, b.user_no, now - 9_000, moving_ms=70_000, distance_m=50.51)
    expected = {
        "cells_held": ("cells", [(1, "a", 2), (2, "b", 1)]),
        "area_held": ("dm2", [(1, "b", 999_950), (2, "a", 400_050)]),
        "new_captures": ("cells", [(1, "a", 2)]),
        "distance": ("cm", [(1, "b", 10_051), (2, "a", 10_050)]),
        "walking_time": ("ms", [(1, "b", 130_000)]),
        "walk_days": ("days", [(1, "b", 2), (2, "a", 1)]),
    }
    for measure, (unit, rows) in expected.items():
        answer = await ask(server, a, f"everyone?measure={measure}&period=all")
        assert (answer["unit"], places(answer)) == (unit, rows), measure
        assert sum(row["share_permyriad"] for row in answer["rows"]) == PERMYRIAD
        assert answer["total"] == sum(row[2] for row in rows)
        assert answer["total_users"] == len(rows)
        assert answer["as_of_ms"] == now
        assert answer["hash"] is None
    assert answer["period"] == {
        "kind": "all", "key": "all", "start_ms": None, "end_ms": None, "final": False,
    }  # fmt: skip


async def test_ties_go_to_who_got_there_first_then_to_the_older_account(server: Server) -> None:
    a, b, c, d = await add_walkers(server.platform, ["a", "b", "c", "d"])
    now = server.clock()
    for walker, ago in ((a, 10), (b, 30), (c, 20), (d, 20)):
        await add_walk(server.platform, walker.user_no, now - ago, distance_m=10)
    # A walk that adds nothing to the measure does not move the moment it was reached.
    await add_walk(server.platform, b.user_no, now - 1, moving_ms=5)
    answer = await ask(server, a, "everyone?measure=distance&period=all")
    assert [row[1] for row in places(answer)] == ["b", "c", "d", "a"]


async def test_periods_end_at_midnight_in_seoul(server: Server) -> None:
    (a,) = await add_walkers(server.platform, ["a"])
    midnight = 1_794_927_600_000  # 2026-11-18T00:00+09:00
    await add_walk(server.platform, a.user_no, midnight - 1, distance_m=1)
    await add_walk(server.platform, a.user_no, midnight, distance_m=2)
    for key, metres in (("2026-11-17", 1), ("2026-11-18", 2)):
        answer = await ask(server, a, f"everyone?measure=distance&period=day&key={key}")
        assert answer["me"]["value"] == metres * 100
    week = await ask(server, a, "everyone?measure=distance&period=week")
    assert (week["period"]["key"], week["me"]["value"]) == ("2026-W47", 300)
    assert (await ask(server, a, "everyone?measure=distance&period=month&key=2026-12"))[
        "rows"
    ] == []


async def test_a_board_follows_every_change(server: Server) -> None:
    a, b = await add_walkers(server.platform, ["a", "b"])
    now = server.clock()

    async def board(measure: str) -> list[tuple[int, str, int]]:
        return places(await ask(server, a, f"everyone?measure={measure}&period=all"))

    assert await board("distance") == await board("cells_held") == []
    walk = await add_walk(server.platform, a.user_no, now, distance_m=10)
    assert await board("distance") == [(1, "a", 1000)]
    await add_walk(server.platform, b.user_no, now, distance_m=20)
    assert await board("distance") == [(1, "b", 2000), (2, "a", 1000)]
    await add_walk(server.platform, a.user_no, now, distance_m=30, walk_no=walk)
    assert await board("distance") == [(1, "a", 3000), (2, "b", 2000)]
    await add_walk(server.platform, a.user_no, now, distance_m=0, walk_no=walk)
    assert await board("distance") == [(1, "b", 2000)]

    await capture(server.platform, a.user_no, [CELL, CELL + 1], now)
    assert await board("cells_held") == [(1, "a", 2)]
    later = now + RULES.protection_ms
    await capture(server.platform, b.user_no, [CELL], later)
    assert await board("cells_held") == [(1, "a", 1), (2, "b", 1)]


async def test_a_cell_counts_until_it_decays(server: Server) -> None:
    a, b = await add_walkers(server.platform, ["a", "b"])
    await capture(server.platform, a.user_no, [CELL], server.clock())
    await capture(server.platform, b.user_no, [CELL + 1], server.clock() + 1)
    assert len((await ask(server, a, "everyone?period=all"))["rows"]) == 2
    server.clock.advance(ms=RULES.decay_step_ms)
    assert places(await ask(server, a, "everyone?period=all")) == [(1, "b", 1)]
    server.clock.advance(ms=1)
    assert (await ask(server, a, "everyone?period=all"))["me"] is None


async def test_a_loser_of_two_hands_is_noticed(server: Server) -> None:
    # A -> B -> C between two looks: the row then names only B and C.
    walkers = a, b, c = await add_walkers(server.platform, ["a", "b", "c"])
    await capture(server.platform, a.user_no, [CELL, CELL + 1], server.clock())
    assert places(await ask(server, a, "everyone?period=all")) == [(1, "a", 2)]
    for turn, walker in enumerate((b, c), 1):
        await capture(
            server.platform, walker.user_no, [CELL], server.clock() + turn * RULES.protection_ms
        )
    rows = places(await ask(server, a, "everyone?period=all"))
    assert rows == [(1, "a", 1), (2, "c", 1)]
    assert len(walkers) == 3


async def test_regions_rank_where_the_cells_are(server: Server) -> None:
    a, b = await add_walkers(server.platform, ["a", "b"])
    city = await add_region(server.platform, "city", "11020")
    other = await add_region(server.platform, "city", "11010")
    now = server.clock()
    await capture(server.platform, a.user_no, [CELL], now, places=(0, city, 0))
    await capture(server.platform, b.user_no, [CELL + 1, CELL + 2], now, places=(0, other, 0))
    await add_walk(server.platform, b.user_no, now, distance_m=5, region_ids=[city])
    held = await ask(server, a, f"region?region_id={city}&period=all")
    walked = await ask(server, a, f"region?region_id={city}&period=week&measure=distance")
    assert places(held) == [(1, "a", 1)]
    assert places(walked) == [(1, "b", 500)]
    assert held["region_id"] == city
    await ask(server, a, "region?region_id=987654&period=all", 404)
    await ask(server, a, "region?period=all", 400)
    await ask(server, a, f"everyone?region_id={city}", 400)


async def test_pages_and_the_places_around_me(server: Server) -> None:
    walkers = await add_walkers(server.platform, [f"w{n:02}" for n in range(40)])
    for n, walker in enumerate(walkers):
        await add_walk(server.platform, walker.user_no, server.clock(), distance_m=100 - n)
    query = "everyone?measure=distance&period=all"
    me = walkers[20]
    around = await ask(server, me, f"{query}&around=true")
    assert [row["rank"] for row in around["rows"]] == list(range(16, 27))
    assert [row["rank"] for row in around["rows"] if row["is_me"]] == [21]
    assert around["me"]["rank"] == 21
    top = await ask(server, walkers[0], f"{query}&around=true")
    assert [row["rank"] for row in top["rows"]] == list(range(1, 7))
    page = await ask(server, me, f"{query}&limit=10&offset=35")
    assert [row["rank"] for row in page["rows"]] == list(range(36, 41))
    assert page["total_users"] == 40
    (stranger,) = await add_walkers(server.platform, ["new"])
    nobody = await ask(server, stranger, f"{query}&around=true")
    assert (nobody["me"], nobody["rows"]) == (None, [])


async def test_others_show_a_name_and_a_day_and_no_finer_time(server: Server) -> None:
    a, b = await add_walkers(server.platform, ["a", "b"])
    for walker in (a, b):
        await add_walk(server.platform, walker.user_no, START_MS - 12_345, distance_m=1)
    answer = await ask(server, a, "everyone?measure=distance&period=all")
    mine, other = answer["rows"]
    assert mine["reached_at_ms"] == START_MS - 12_345
    assert other["reached_at_ms"] == 1_794_927_600_000
    assert set(other) == {
        "rank", "user_id", "display_name", "value", "reached_at_ms", "share_permyriad", "is_me",
    }  # fmt: skip


async def test_a_deleted_account_vanishes_from_live_boards(server: Server) -> None:
    a, b = await add_walkers(server.platform, ["a", "b"])
    for walker in (a, b):
        await add_walk(server.platform, walker.user_no, server.clock(), distance_m=1)
    await capture(server.platform, b.user_no, [CELL], server.clock())
    assert (await ask(server, a, "everyone?measure=distance"))["total_users"] == 2
    assert (await ask(server, a, "everyone"))["total_users"] == 1
    await delete_account(server.platform, b.user_no, server.clock())
    answer = await ask(server, a, "everyone?measure=distance")
    assert (places(answer), answer["rows"][0]["share_permyriad"]) == ([(1, "a", 100)], PERMYRIAD)
    assert (await ask(server, a, "everyone"))["total_users"] == 0


async def test_wrong_questions_are_refused(server: Server) -> None:
    (a,) = await add_walkers(server.platform, ["a"])
    for path in (
        "friends", "everyone?measure=speed", "everyone?period=year", "everyone?limit=101",
        "everyone?offset=-1", "everyone?period=week&key=2026-W54", "everyone?period=day&key=x",
        "everyone?period=all&key=2026", "region?region_id=0",
    ):  # fmt: skip
        answer = await ask(server, a, path, 400)
        assert answer["code"] == "invalid_input", path
    assert (await server.client.get("/api/rankings/everyone")).status_code == 401


async def test_another_process_is_followed_too(server: Server, database_url: str) -> None:
    (a,) = await add_walkers(server.platform, ["a"])
    await ask(server, a, "everyone?measure=distance&period=all")
    other = Database(database_url)
    await other.open()
    try:
        async with other.transaction() as slow:
            # A writer that took its revision first and commits last: the horizon waits for it.
            await slow.revision() if other.dialect == "postgres" else None
            if other.dialect == "postgres":
                await add_walk(server.platform, a.user_no, server.clock(), distance_m=1)
                await ask(server, a, "everyone?measure=distance&period=all")
            await slow.execute(
                "INSERT INTO walk_tally (walk_no, region_id, user_no, at_ms, local_day, "
                "new_captures, distance_m, moving_ms, rev) VALUES (?, 0, ?, ?, 20775, 0, 5, 0, ?)",
                -1, a.user_no, server.clock(), await slow.revision(),
            )  # fmt: skip
    finally:
        await other.close()
    answer = await ask(server, a, "everyone?measure=distance&period=all")
    assert answer["me"]["value"] == (600 if other.dialect == "postgres" else 500)


async def test_random_histories_end_as_sql_ranks_them(server: Server) -> None:
    rng = random.Random(7)
    platform = server.platform
    walkers = await add_walkers(platform, [f"w{n}" for n in range(30)])
    walks: list[tuple[int, int]] = []
    now = server.clock()
    for round_no in range(12):
        for _ in range(6):
            walker = rng.choice(walkers)
            # Some walks are judged again; their walker stays the same.
            known, owner_no = (
                rng.choice(walks) if walks and rng.random() < 0.3 else (None, walker.user_no)
            )
            number = await add_walk(
                platform,
                owner_no,
                now - rng.randrange(5) * DAY_MS,
                new_captures=rng.randrange(4),
                distance_m=rng.randrange(3) * 100.0,
                moving_ms=rng.randrange(3),
                walk_no=known,
            )
            walks.append((number, owner_no))
            cells = [CELL + rng.randrange(60) for _ in range(3)]
            await capture(platform, walker.user_no, sorted(set(cells)), now + round_no * 1_000_000)
        server.clock.now_ms = now + round_no * 1_000_000
        for measure, value, source, owner, reached in (
            ("distance", "CAST(SUM(CAST(ROUND(distance_m * 100) AS BIGINT)) AS BIGINT)",
             "walk_tally WHERE region_id = 0 AND distance_m > 0", "user_no", "at_ms"),
            ("new_captures", "CAST(SUM(new_captures) AS BIGINT)",
             "walk_tally WHERE region_id = 0 AND new_captures > 0", "user_no", "at_ms"),
            ("cells_held", "COUNT(*)",
             f"cell_state WHERE owner > 0 AND free_ms > {server.clock.now_ms}", "owner",
             "taken_ms"),
        ):  # fmt: skip
            async with platform.database.read() as tx:
                rows = await tx.fetch_tuples(
                    f"SELECT RANK() OVER (ORDER BY v DESC, r, u), u, v FROM (SELECT {owner} AS u, "
                    f"{value} AS v, MAX({reached}) AS r FROM {source} GROUP BY {owner}) AS t "
                    "ORDER BY 1"
                )
            answer = await ask(server, walkers[0], f"everyone?measure={measure}&period=all")
            names = {walker.user_no: walker.user_id for walker in walkers}
            assert [(r["rank"], r["user_id"], r["value"]) for r in answer["rows"]] == [
                (row[0], names[row[1]], row[2]) for row in rows
            ]


async def test_cohorts_are_thirty_stable_and_take_late_joiners(server: Server) -> None:
    platform = server.platform
    walkers = await add_walkers(platform, [f"w{n:02}" for n in range(65)])
    for n, walker in enumerate(walkers):
        await add_walk(platform, walker.user_no, server.clock(), distance_m=n + 1)
    query = "random?measure=distance&period=week"
    first = await asyncio.gather(*(ask(server, walker, query) for walker in walkers))
    sizes = sorted(answer["total_users"] for answer in first)
    assert sizes == [5] * 5 + [30] * 60
    groups = {frozenset(row["user_id"] for row in answer["rows"]) for answer in first}
    assert len(groups) == 3
    for walker, answer in zip(walkers, first, strict=True):
        assert answer["me"]["user_id"] == walker.user_id
        assert sum(row["share_permyriad"] for row in answer["rows"]) == PERMYRIAD
    late = await add_walkers(platform, [f"late{n:02}" for n in range(26)])
    for walker in late:
        await add_walk(platform, walker.user_no, server.clock(), distance_m=1000)
        await ask(server, walker, query)
    small = next(walker for walker, answer in zip(walkers, first, strict=True)
                 if answer["total_users"] == 5)  # fmt: skip
    filled = await ask(server, small, query)
    assert filled["total_users"] == 30
    assert (await ask(server, late[-1], query))["total_users"] == 1
    again = await ask(server, walkers[0], query)
    assert {row["user_id"] for row in first[0]["rows"]} <= {r["user_id"] for r in again["rows"]}
    async with platform.database.read() as tx:
        draws = await tx.fetch_tuples("SELECT seed, cohorts FROM cohort_draw")
    assert [row[1] for row in draws] == [4]


async def test_the_seasons_follow_each_other(server: Server) -> None:
    (a,) = await add_walkers(server.platform, ["a"])
    answer = await server.client.get("/api/seasons", headers=a.headers)
    seasons = answer.json()
    assert (seasons["current"]["key"], seasons["next"]["key"]) == ("S2026-11-09", "S2026-12-07")
    chain = [seasons["next"], seasons["current"], *seasons["past"]]
    assert all(b["end_ms"] == a["start_ms"] for a, b in pairwise(chain))
    assert chain[-1]["key"] == "S2026-01-05"


@given(st.lists(st.integers(min_value=1, max_value=10**9), min_size=1, max_size=80))
def test_shares_by_threshold_are_the_engines_shares(values: list[int]) -> None:
    ordered = sorted(values, reverse=True)
    table = ShareTable.of(np.array(ordered, dtype=np.int64))
    assert [table.share(rank, v) for rank, v in enumerate(ordered, 1)] == shares(ordered, PERMYRIAD)


@given(
    st.lists(st.integers(0, 9), max_size=30), st.lists(st.integers(0, 9), max_size=9), st.randoms()
)
def test_sorted_values_change_like_a_bag(
    values: list[int], come: list[int], rng: random.Random
) -> None:
    gone = rng.sample(values, rng.randrange(len(values) + 1))
    left = list(values)
    for value in gone:
        left.remove(value)
    result = replaced(np.array(sorted(values), dtype=np.int64), gone, come)
    assert result.tolist() == sorted(left + come)


def test_every_measure_has_a_unit() -> None:
    from sync_server.rankings.standings import UNITS

    assert set(UNITS) == set(Measure)
