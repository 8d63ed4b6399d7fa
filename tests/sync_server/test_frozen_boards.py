"""Final boards: frozen once after the late window, and the same for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_engine.board import CaptureEvent, fold_all, holdings
from game_engine.periods import period_from_key, period_of
from game_engine.ranking import Measure, Standing, board_hash, ranked
from sync_server.rankings import boards, freeze, service
from sync_server.rankings.freeze import FrozenBoardDamaged, pack_rows, unpack_rows
from tests.support.app import Server, running
from tests.support.board_rows import RULES, Walker, add_walk, add_walkers, capture, delete_account

pytestmark = pytest.mark.anyio
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
CELL = 0x8B30E1D8A000FFF
SEOUL = RULES.zone_name
WEEK = period_from_key("week", "2026-W47", SEOUL)


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path / "data", sweep_s="3600") as server:
        yield server


@pytest.fixture(autouse=True)
def always_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "STALE_S", 0.0)


async def ask(server: Server, walker: Walker, path: str) -> Any:
    answer = await server.client.get(f"/api/rankings/{path}", headers=walker.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def all_boards(server: Server, walker: Walker, regions: tuple[int, ...] = ()) -> list[Any]:
    """Every measure's board of the week, without who is looking."""
    answers = []
    for measure in Measure:
        for scope in ("everyone", *(f"region?region_id={region}" for region in regions)):
            sign = "&" if "?" in scope else "?"
            answer = await ask(
                server, walker, f"{scope}{sign}measure={measure.value}&period=week&key=2026-W47"
            )
            answers.append(
                (answer["hash"], answer["total"],
                 [(row["rank"], row["value"]) for row in answer["rows"]])
            )  # fmt: skip
    return answers


async def stored(server: Server) -> list[tuple[Any, ...]]:
    async with server.platform.database.read() as tx:
        rows = await tx.fetch_tuples(
            "SELECT kind, period_key, region_id, measure, users, total, hash, packed_rows "
            "FROM frozen_board ORDER BY 1, 2, 3, 4"
        )
        periods = await tx.fetch_tuples("SELECT * FROM frozen_period ORDER BY 1, 2")
    return [(*row[:7], bytes(row[7])) for row in rows] + [tuple(row) for row in periods]


async def play_a_week(server: Server) -> list[Walker]:
    a, b, c = await add_walkers(server.platform, ["a", "b", "c"])
    platform, end = server.platform, WEEK.end_ms
    await capture(platform, a.user_no, [CELL, CELL + 1, CELL + 2], end - 3 * DAY_MS, (7, 8, 0))
    await capture(platform, b.user_no, [CELL], end - 2 * DAY_MS)
    await capture(platform, b.user_no, [CELL + 9], end - 20 * DAY_MS)
    await add_walk(platform, a.user_no, end - 3 * DAY_MS, new_captures=3, distance_m=900.5,
                   moving_ms=600_000, region_ids=[7, 8])  # fmt: skip
    await add_walk(platform, b.user_no, end - 2 * DAY_MS, new_captures=1, distance_m=1200,
                   moving_ms=500_000, region_ids=[8])  # fmt: skip
    # The next week takes from this one; the board of this week must not see it.
    await capture(platform, c.user_no, [CELL + 1], end + HOUR_MS)
    await add_walk(platform, c.user_no, end + HOUR_MS, new_captures=1, distance_m=50)
    return [a, b, c]


async def test_a_period_freezes_only_after_72_hours(server: Server) -> None:
    a, _, _ = await play_a_week(server)
    server.clock.now_ms = WEEK.end_ms + RULES.late_max_ms - 1
    await service.sweep(server.platform, server.clock())
    before = await ask(server, a, "everyone?period=week&key=2026-W47")
    assert (before["period"]["final"], before["hash"]) == (False, None)
    server.clock.advance(ms=1)
    await service.sweep(server.platform, server.clock())
    after = await ask(server, a, "everyone?period=week&key=2026-W47")
    assert after["period"]["final"]
    assert after["hash"]
    assert after["rows"] == before["rows"]
    assert [(row["display_name"], row["value"]) for row in after["rows"]] == [("a", 2), ("b", 1)]


async def test_what_was_held_then_is_the_fold_of_all_captures_until_then(server: Server) -> None:
    walkers = await play_a_week(server)
    async with server.platform.database.read() as tx:
        for at_ms in (WEEK.end_ms - 3 * DAY_MS, WEEK.end_ms - HOUR_MS, WEEK.end_ms,
                      WEEK.end_ms + DAY_MS, WEEK.end_ms + 40 * DAY_MS):  # fmt: skip
            rows = await tx.fetch_tuples(
                "SELECT cell, at_ms, walk_no, user_no, local_day FROM capture WHERE at_ms < ?",
                at_ms,
            )
            board = fold_all([CaptureEvent(*row) for row in rows], RULES)
            expected = dict(holdings(board.values(), at_ms, RULES))
            found = await freeze.holdings_at(tx, at_ms, RULES)
            assert {user: held.cells for user, held in found.get(0, {}).items()} == expected
    assert len(walkers) == 3


async def test_nothing_changes_a_frozen_board(server: Server) -> None:
    platform = server.platform
    a, b, c = await play_a_week(server)
    async with platform.database.transaction() as tx:
        for level, code in (("province", "11"), ("city", "11020")):
            await tx.execute(
                "INSERT INTO region (region_id, level, code, name_ko, name_en, import_id, "
                "geometry, min_lng, min_lat, max_lng, max_lat) "
                "VALUES (?, ?, ?, 'x', 'x', 0, ?, 0, 0, 1, 1)",
                7 if level == "province" else 8, level, code, b"",
            )  # fmt: skip
    server.clock.now_ms = WEEK.end_ms + RULES.late_max_ms
    await service.sweep(platform, server.clock())
    rows, answers = await stored(server), await all_boards(server, c, (7, 8))
    assert all(answer[0] for answer in answers)

    # A walk that comes too late, a walk withdrawn, a new region, and an account deleted.
    await add_walk(platform, b.user_no, WEEK.end_ms - DAY_MS, distance_m=99_999, new_captures=50)
    await capture(platform, b.user_no, [CELL + 2], WEEK.end_ms - HOUR_MS)
    async with platform.database.transaction() as tx:
        await tx.execute("UPDATE cell_state SET city = 99, province = 99")
    await delete_account(platform, a.user_no, server.clock())
    server.clock.advance(days=1)
    await service.sweep(platform, server.clock())

    assert [row for row in await stored(server) if row in rows] == rows
    service._past.clear()  # another process, with nothing in memory
    assert await all_boards(server, c, (7, 8)) == answers
    held = await ask(server, b, "everyone?period=week&key=2026-W47")
    assert [(row["user_id"], row["display_name"], row["value"]) for row in held["rows"]] == [
        (None, None, 2), (b.user_id, "b", 1),
    ]  # fmt: skip


async def test_the_hash_verifies_and_a_damaged_board_is_noticed(server: Server) -> None:
    await play_a_week(server)
    await freeze.freeze_period(server.platform, WEEK, WEEK.end_ms + RULES.late_max_ms)
    async with server.platform.database.read() as tx:
        frozen = await freeze.load_frozen(tx, WEEK, 0, Measure.DISTANCE)
    assert frozen is not None
    assert board_hash(frozen.rows) == frozen.hash
    forged = pack_rows([row._replace(value=row.value + 1) for row in frozen.rows])
    for damage in (forged, b"\x02", b"\x01junk", b""):
        async with server.platform.database.transaction() as tx:
            await tx.execute(
                "UPDATE frozen_board SET packed_rows = ? WHERE measure = 'distance'", damage
            )
        async with server.platform.database.read() as tx:
            with pytest.raises(FrozenBoardDamaged):
                await freeze.load_frozen(tx, WEEK, 0, Measure.DISTANCE)


async def test_two_servers_freeze_once(server: Server) -> None:
    await play_a_week(server)
    now_ms = WEEK.end_ms + RULES.late_max_ms
    await freeze.freeze_period(server.platform, WEEK, now_ms)
    rows = await stored(server)
    await freeze.freeze_period(server.platform, WEEK, now_ms + 1)
    assert await stored(server) == rows


async def test_every_closed_period_is_frozen_also_the_empty_ones(server: Server) -> None:
    a, _, _ = await play_a_week(server)
    server.clock.now_ms = WEEK.end_ms + 40 * DAY_MS
    await service.sweep(server.platform, server.clock())
    async with server.platform.database.read() as tx:
        rows = await tx.fetch_tuples("SELECT kind, period_key FROM frozen_period ORDER BY 1, 2")
    by_kind: dict[str, list[str]] = {}
    for kind, key in rows:
        by_kind.setdefault(kind, []).append(key)
    assert by_kind["day"][0] == "2026-11-20"
    assert len(by_kind["day"]) == 40
    assert by_kind["week"] == ["2026-W47", "2026-W48", "2026-W49", "2026-W50", "2026-W51",
                               "2026-W52"]  # fmt: skip
    assert by_kind["month"] == ["2026-11"]
    assert by_kind["season"] == ["S2026-11-09"]
    empty = await ask(server, a, "everyone?period=day&key=2026-11-25&measure=distance")
    assert (empty["period"]["final"], empty["hash"], empty["rows"]) == (True, board_hash([]), [])
    seasons = (await server.client.get("/api/seasons", headers=a.headers)).json()
    assert [s["key"] for s in seasons["past"] if s["final"]] == ["S2026-11-09"]


async def test_a_cohort_of_a_final_period_keeps_its_members_and_hash(server: Server) -> None:
    a, b, c = await play_a_week(server)
    server.clock.now_ms = WEEK.end_ms - HOUR_MS
    query = "random?measure=distance&period=week&key=2026-W47"
    await ask(server, a, query)
    server.clock.now_ms = WEEK.end_ms + RULES.late_max_ms
    await service.sweep(server.platform, server.clock())
    final = await ask(server, a, query)
    assert final["hash"]
    assert [row["display_name"] for row in final["rows"]] == ["b", "a"]
    async with server.platform.database.transaction() as tx:
        await service.erase(tx, b.user_no, server.clock())
    await delete_account(server.platform, b.user_no, server.clock())
    again = await ask(server, a, query)
    assert (again["hash"], [row["display_name"] for row in again["rows"]]) == (
        final["hash"], [None, "a"],
    )  # fmt: skip
    assert c.user_no


@given(
    st.dictionaries(
        st.integers(1, 2**62), st.tuples(st.integers(1, 2**50), st.integers(-(2**50), 2**50)),
        max_size=40,
    )
)  # fmt: skip
def test_packed_rows_come_back(users: dict[int, tuple[int, int]]) -> None:
    rows = ranked(Standing(user_no, value, at_ms) for user_no, (value, at_ms) in users.items())
    assert unpack_rows(pack_rows(rows)) == rows


def test_the_test_week_is_the_one_meant() -> None:
    assert period_of("week", WEEK.start_ms, SEOUL) == WEEK
