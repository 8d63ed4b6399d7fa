"""Footprints: every walk is on the calendar, with streaks in Korean days."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.ids import uuid7
from sync_server.diary.footprints import streaks
from tests.support.accounts import user_no_of
from tests.support.app import Phone, Server, running

pytestmark = pytest.mark.anyio
SEOUL = ZoneInfo("Asia/Seoul")
_walk_nos = count(1)


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path) as running_server:
        running_server.clock.now_ms = seoul_ms("2026-11-18 12:00")
        yield running_server


def seoul_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=SEOUL).timestamp() * 1000)


async def add_walk(
    server: Server, user_no: int, at: str, metres: float = 1000.0, state: str = "finished"
) -> str:
    walk_id = uuid7()
    async with server.platform.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO walk (walk_no, walk_id, user_no, client_id, dog_ids, source, state,
                 rules_version, started_ms, created_ms, heard_ms, distance_m, moving_ms)
               VALUES (?, ?, ?, 'c', '[]', 'live', ?, '2026.1', ?, 0, 0, ?, 600000)""",
            next(_walk_nos), walk_id, user_no, state, seoul_ms(at), metres,
        )  # fmt: skip
    return walk_id


async def add_analysis(server: Server, user_no: int, at: str, kind: str) -> None:
    async with server.platform.database.transaction() as tx:
        await tx.execute(
            "INSERT INTO analysis (analysis_id, user_no, kind, at_ms, result) "
            "VALUES (?, ?, ?, ?, '{}')",
            uuid7(), user_no, kind, seoul_ms(at),
        )  # fmt: skip


async def month(server: Server, phone: Phone, key: str | None = None) -> dict[str, Any]:
    answer = await server.client.get(
        "/api/footprints", params={} if key is None else {"month": key}, headers=phone.headers
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_month_has_every_walk_whether_or_not_it_has_a_diary(server: Server) -> None:
    phone, other = await server.guest(), await server.guest()
    user_no = await user_no_of(server, phone)
    plain = await add_walk(server, user_no, "2026-11-02 08:00", 1500.5)
    told = await add_walk(server, user_no, "2026-11-02 20:00", 500.25)
    await add_walk(server, user_no, "2026-11-03 09:00", state="cancelled")
    left = await add_walk(server, user_no, "2026-11-04 09:00", state="abandoned")
    await add_walk(server, await user_no_of(server, other), "2026-11-05 09:00")
    await add_analysis(server, user_no, "2026-11-02 21:00", "face")
    await add_analysis(server, user_no, "2026-11-09 21:00", "gait")
    entry_id = uuid7()
    body = {"date": "2026-11-02", "walk_id": told, "mood": "happy", "weather": "sunny"}
    written = await server.client.put(f"/api/diary/{entry_id}", json=body, headers=phone.headers)
    assert written.status_code == 200, written.text
    found = await month(server, phone)
    assert found["month"] == "2026-11"
    days = {day["date"]: day for day in found["days"]}
    assert list(days) == ["2026-11-02", "2026-11-04", "2026-11-09"]
    second = days["2026-11-02"]
    assert [(walk["walk_id"], walk["entry_ids"]) for walk in second["walks"]] == [
        (plain, []),
        (told, [entry_id]),
    ]
    assert second["stickers"] == ["diary", "face", "mood:happy", "walk", "weather:sunny"]
    assert (second["distance_m"], second["moving_ms"]) == (2000.75, 1_200_000)
    assert (second["analyses"], second["diary_entries"]) == (1, 1)
    assert days["2026-11-04"]["walks"][0]["walk_id"] == left
    assert days["2026-11-04"]["stickers"] == ["walk"]
    assert days["2026-11-09"]["stickers"] == ["gait"]
    assert found["totals"] == {
        "walk_days": 2, "walks": 3, "distance_m": 3000.75, "moving_ms": 1_800_000,
        "analyses": 2, "diary_entries": 1,
    }  # fmt: skip


async def test_days_and_months_begin_at_midnight_in_seoul(server: Server) -> None:
    phone = await server.guest()
    user_no = await user_no_of(server, phone)
    await add_walk(server, user_no, "2026-10-31 23:59:59")
    await add_walk(server, user_no, "2026-11-01 00:00:00")
    october, november = await month(server, phone, "2026-10"), await month(server, phone, "2026-11")
    assert [day["date"] for day in october["days"]] == ["2026-10-31"]
    assert [day["date"] for day in november["days"]] == ["2026-11-01"]


async def test_streaks_run_over_the_edge_of_months(server: Server) -> None:
    phone = await server.guest()
    user_no = await user_no_of(server, phone)
    for day in ("10-30", "10-31", "11-01", "11-02", "11-16", "11-17"):
        await add_walk(server, user_no, f"2026-{day} 10:00")
    # Today has no walk yet: the streak still lives.
    assert (await month(server, phone))["streaks"] == {"current_days": 2, "longest_days": 4}
    await add_walk(server, user_no, "2026-11-18 10:00")
    await add_walk(server, user_no, "2027-11-18 10:00")  # a phone with a wrong clock
    assert (await month(server, phone))["streaks"] == {"current_days": 3, "longest_days": 4}


@pytest.mark.parametrize("key", ["2026-13", "2026-1", "november", "0000-01", ""])
async def test_a_month_that_is_none_is_invalid(server: Server, key: str) -> None:
    phone = await server.guest()
    answer = await server.client.get(
        "/api/footprints", params={"month": key}, headers=phone.headers
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


@given(st.sets(st.integers(0, 40)), st.integers(0, 40))
def test_streaks_are_runs_of_days(days: set[int], today: int) -> None:
    found = streaks(days, today)
    past = {day for day in days if day <= today}
    runs = [
        length
        for first in past
        for length in range(1, 42)
        if all(first + step in past for step in range(length))
    ]
    assert found.longest_days == max(runs, default=0)
    last = today if today in past else today - 1
    expected = 0
    while last - expected in past:
        expected += 1
    assert found.current_days == expected
