"""The diary and the settings: last writer wins, in any order of arrival."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import DiarySet, SettingsSet
from edge_sdk.sync.hlc import Hlc
from sync_server.diary import service
from sync_server.diary.merging import Change, Entry, admit, merge
from sync_server.platform.facts import FactRefused
from tests.support.accounts import user_no_of
from tests.support.app import START_MS, Phone, Server, running
from tests.sync_server.test_media import picture, upload

pytestmark = pytest.mark.anyio
CLIENTS = [f"0196a000-0000-7000-8000-00000000000{n}" for n in range(3)]
DAY = "2026-11-18"


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path) as running_server:
        yield running_server


def stamp(ms: int, counter: int = 0, client: int = 0) -> str:
    return str(Hlc(ms, counter, CLIENTS[client]))


def diary_set(entry_id: str, field: str, value: Any, hlc: str, **more: Any) -> DiarySet:
    return DiarySet(entry_id, more.get("walk_id"), more.get("date", DAY), field, value, hlc)


async def apply(server: Server, user_no: int, fact: DiarySet | SettingsSet) -> dict[str, Any]:
    applied = service.apply_set if isinstance(fact, DiarySet) else service.apply_setting
    async with server.platform.database.transaction() as tx:
        return await applied(tx, user_no, fact, fact.hlc[-36:], server.clock())  # type: ignore[arg-type]


async def feed_doc(server: Server, collection: str, row_id: str) -> Any:
    async with server.platform.database.read() as tx:
        text = await tx.fetch_value(
            "SELECT doc FROM feed_row WHERE collection = ? AND row_id = ?", collection, row_id
        )
    return msgspec.json.decode(text) if text else None


# --- order ------------------------------------------------------------------------------------

changes = st.builds(
    Change,
    field=st.sampled_from(["title", "text", "mood"]),
    value=st.sampled_from(['"a"', '"b"', "null"]),
    hlc=st.builds(stamp, st.integers(0, 3), st.integers(0, 1), st.integers(0, 2)),
    walk_id=st.sampled_from(["", "walk-1"]),
    date=st.sampled_from(["2026-11-17", "2026-11-18"]),
)
deletions = changes.map(lambda change: change._replace(field="deleted", value="true"))


def fold(facts: list[Change]) -> Entry | None:
    entry = None
    for fact in facts:
        entry = merge(entry, fact)
    return entry


@given(st.lists(changes | deletions, min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_any_order_and_any_repetition_gives_the_same_entry(
    facts: list[Change], dice: random.Random
) -> None:
    again = [*facts, *dice.sample(facts, len(facts) // 2)]
    dice.shuffle(again)
    assert fold(again) == fold(facts)


@given(st.lists(changes, min_size=1, max_size=8), st.data())
def test_a_deletion_beats_every_edit_before_and_after(facts: list[Change], data: Any) -> None:
    at = data.draw(st.integers(0, len(facts)))
    deletion = data.draw(deletions)
    entry = fold([*facts[:at], deletion, *facts[at:]])
    assert entry is not None
    assert entry.deleted
    assert entry.fields == {}


async def test_every_order_of_arrival_leaves_the_same_rows_and_document(server: Server) -> None:
    phone = await server.guest()
    user_no = await user_no_of(server, phone)
    for deleted in (False, True):
        seen = set()
        for order in itertools.permutations(range(4)):
            entry_id = uuid7()
            facts = [
                diary_set(entry_id, "text", "first", stamp(START_MS - 9, 0, 0)),
                diary_set(entry_id, "text", "second", stamp(START_MS - 8, 0, 1), date="2026-11-17"),
                diary_set(entry_id, "mood", "happy", stamp(START_MS - 7, 1, 2)),
                diary_set(entry_id, "deleted", True, stamp(START_MS - 99))
                if deleted
                else diary_set(entry_id, "mood", None, stamp(START_MS - 7, 0, 2)),
            ]
            for index in order:
                await apply(server, user_no, facts[index])
            doc = await feed_doc(server, "diary", entry_id)
            seen.add(msgspec.json.encode({**doc, "entry_id": ""} if doc else None))
        assert len(seen) == 1
        assert (seen == {b"null"}) is deleted
    async with server.platform.database.read() as tx:
        live = "SELECT COUNT(*) FROM diary_field f JOIN diary_entry e ON e.entry_id = f.entry_id"
        assert await tx.fetch_value(f"{live} WHERE e.deleted = 1") == 0


# --- clocks -----------------------------------------------------------------------------------


def test_a_clock_ahead_is_clamped_and_keeps_its_own_order() -> None:
    year_ms = 365 * 86_400_000
    now_ms, seen = START_MS, list[str]()
    for step in range(3):
        seen.append(admit(Hlc(now_ms + year_ms + step, 0, CLIENTS[0]), seen, CLIENTS[0], now_ms))
    assert seen == [stamp(now_ms, counter) for counter in range(3)]
    five_minutes = Hlc(now_ms + 300_000, 0, CLIENTS[0])
    assert admit(five_minutes, seen, CLIENTS[0], now_ms) == str(five_minutes)


async def test_a_clock_a_year_ahead_does_not_win_for_a_year(server: Server) -> None:
    phone = await server.guest()
    user_no, entry_id = await user_no_of(server, phone), uuid7()
    year_ms = START_MS + 365 * 86_400_000
    for number, text in enumerate(("ahead", "ahead again")):
        fact = diary_set(entry_id, "text", text, stamp(year_ms + number, 0, 1))
        assert (await apply(server, user_no, fact))["won"]
    server.clock.advance(s=1)
    fact = diary_set(entry_id, "text", "on time", stamp(server.clock(), 0, 0))
    assert (await apply(server, user_no, fact))["won"]
    assert (await feed_doc(server, "diary", entry_id))["text"] == "on time"


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("text", "x" * 10_001, "invalid_value"),
        ("text", 5, "invalid_value"),
        ("title", "x" * 201, "invalid_value"),
        ("mood", "hungry", "invalid_value"),
        ("weather", "plague", "invalid_value"),
        ("emotion", "happy", "invalid_value"),
        ("emotion", {"x": "y" * 9_000}, "invalid_value"),
        ("photos", ["no such key"], "invalid_value"),
        ("photos", ["a" * 32], "not_found"),
        ("photos", None, "invalid_value"),
        ("deleted", False, "invalid_value"),
        ("colour", "red", "unknown_field"),
    ],
)
async def test_a_wrong_value_is_a_result_with_a_code(
    server: Server, field: str, value: Any, code: str
) -> None:
    phone = await server.guest()
    fact = diary_set(uuid7(), field, value, stamp(START_MS))
    with pytest.raises(FactRefused) as refused:
        await apply(server, await user_no_of(server, phone), fact)
    assert refused.value.code == code


async def test_wrong_stamps_and_days_are_refused(server: Server) -> None:
    user_no = await user_no_of(server, await server.guest())
    for fact, code in (
        (diary_set(uuid7(), "text", "x", "9" * 57), "invalid_hlc"),
        (diary_set(uuid7(), "text", "x", stamp(START_MS), date="2026-02-30"), "invalid_value"),
    ):
        with pytest.raises(FactRefused) as refused:
            await apply(server, user_no, fact)
        assert refused.value.code == code


async def test_what_belongs_to_somebody_else_is_not_found(server: Server) -> None:
    owner, other = await server.guest(), await server.guest()
    owner_no, other_no = await user_no_of(server, owner), await user_no_of(server, other)
    entry_id, walk_id = uuid7(), uuid7()
    await apply(server, owner_no, diary_set(entry_id, "text", "mine", stamp(START_MS)))
    key, _ = await upload(server, owner, picture())
    await add_walk(server, owner_no, walk_id)
    later = stamp(START_MS + 1)
    for fact in (
        diary_set(entry_id, "text", "stolen", later),
        diary_set(entry_id, "deleted", True, later),
        diary_set(uuid7(), "photos", [key], later),
        diary_set(uuid7(), "text", "x", later, walk_id=walk_id),
    ):
        with pytest.raises(FactRefused) as refused:
            await apply(server, other_no, fact)
        assert refused.value.code == "not_found"
    for method, body in (
        ("GET", None),
        ("PUT", {"date": DAY, "text": "stolen"}),
        ("DELETE", None),
    ):
        answer = await server.client.request(
            method, f"/api/diary/{entry_id}", json=body, headers=other.headers
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), method
    fields: list[dict[str, Any]] = [
        {"photos": [key]}, {"walk_id": walk_id}, {"walk_id": uuid7()}
    ]  # fmt: skip
    for field in fields:
        answer = await put(server, other, uuid7(), date=DAY, **field)
        assert answer.status_code == 404
    assert (await feed_doc(server, "diary", entry_id))["text"] == "mine"


async def add_walk(server: Server, user_no: int, walk_id: str) -> None:
    async with server.platform.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO walk (walk_no, walk_id, user_no, client_id, dog_ids, source, state,
                 rules_version, started_ms, created_ms, heard_ms)
               VALUES (1, ?, ?, 'c', '[]', 'live', 'finished', '2026.1', ?, 0, 0)""",
            walk_id, user_no, START_MS,
        )  # fmt: skip


# --- routes -------------------------------------------------------------------------------------


async def put(server: Server, phone: Phone, entry_id: str, **body: Any) -> Any:
    return await server.client.put(f"/api/diary/{entry_id}", json=body, headers=phone.headers)


async def test_an_entry_is_written_read_listed_and_deleted(server: Server) -> None:
    phone = await server.guest()
    user_no, entry_id, walk_id = await user_no_of(server, phone), uuid7(), uuid7()
    await add_walk(server, user_no, walk_id)
    key, _ = await upload(server, phone, picture())
    body = {
        "date": DAY, "walk_id": walk_id, "title": "한강", "text": "바람이 좋았다 \u0000",
        "mood": "happy", "weather": "windy", "emotion": {"happy": 0.9}, "photos": [key],
    }  # fmt: skip
    written = await put(server, phone, entry_id, **body)
    assert written.status_code == 200, written.text
    assert body.items() <= written.json().items()
    read = await server.client.get(f"/api/diary/{entry_id}", headers=phone.headers)
    assert read.json() == written.json() == await feed_doc(server, "diary", entry_id)
    listed = await server.client.get(
        "/api/diary", params={"from": DAY, "to": DAY}, headers=phone.headers
    )
    assert listed.json()["entries"] == [read.json()]
    before = await server.client.get(
        "/api/diary", params={"from": "2026-11-01", "to": "2026-11-17"}, headers=phone.headers
    )
    assert before.json()["entries"] == []
    for _ in range(2):
        gone = await server.client.delete(f"/api/diary/{entry_id}", headers=phone.headers)
        assert gone.status_code == 204
    missing = await server.client.get(f"/api/diary/{entry_id}", headers=phone.headers)
    assert missing.status_code == 404
    assert (await put(server, phone, entry_id, **body)).status_code == 404
    assert await feed_doc(server, "diary", entry_id) is None
    async with server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT COUNT(*) FROM diary_photo") == 0


async def test_what_is_written_here_wins_over_a_clock_slightly_ahead(server: Server) -> None:
    phone = await server.guest()
    user_no, entry_id = await user_no_of(server, phone), uuid7()
    ahead = stamp(START_MS + 200_000, 7)
    await apply(server, user_no, diary_set(entry_id, "text", "ahead", ahead))
    answer = await put(server, phone, entry_id, date="2026-11-17", text="here")
    assert (answer.json()["text"], answer.json()["date"]) == ("here", "2026-11-17")
    same = await put(server, phone, entry_id, date="2026-11-17", text="here")
    assert same.json() == answer.json()
    moved = await put(server, phone, entry_id, date=DAY, text="here")
    assert moved.json()["date"] == DAY


@pytest.mark.parametrize(
    "query",
    [{"from": "2026-02-30"}, {"from": "x"}, {"from": "2026-11-19", "to": "2026-11-18"},
     {"from": "2020-01-01", "to": "2026-01-01"}, {"to": "0001-01-01"}],
)  # fmt: skip
async def test_wrong_days_are_invalid(server: Server, query: dict[str, str]) -> None:
    phone = await server.guest()
    answer = await server.client.get("/api/diary", params=query, headers=phone.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


@pytest.mark.parametrize("entry_id", ["x", "0196a000-0000-4000-8000-000000000000"])
async def test_an_id_that_is_no_uuid7_is_refused(server: Server, entry_id: str) -> None:
    phone = await server.guest()
    assert (await put(server, phone, entry_id, date=DAY)).status_code == 400
    answer = await server.client.get(f"/api/diary/{entry_id}", headers=phone.headers)
    assert answer.status_code == 404


# --- settings and erasure -----------------------------------------------------------------------


async def test_a_setting_follows_the_last_writer(server: Server) -> None:
    user_no = await user_no_of(server, await server.guest())
    newer = SettingsSet("map.theme", {"dark": True}, stamp(START_MS))
    older = SettingsSet("map.theme", {"dark": False}, stamp(START_MS - 1, 0, 1))
    assert (await apply(server, user_no, newer))["won"]
    assert not (await apply(server, user_no, older))["won"]
    doc = await feed_doc(server, "settings", "map.theme")
    assert doc == {"field": "map.theme", "value": {"dark": True}, "hlc": stamp(START_MS)}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [("Nul\x00", 1, "unknown_field"), ("a", "x" * 4_000, "invalid_value")],
)
async def test_a_wrong_setting_is_refused(
    server: Server, field: str, value: Any, code: str
) -> None:
    user_no = await user_no_of(server, await server.guest())
    with pytest.raises(FactRefused) as refused:
        await apply(server, user_no, SettingsSet(field, value, stamp(START_MS)))
    assert refused.value.code == code


async def test_erasing_a_user_leaves_the_others(server: Server) -> None:
    numbers = []
    for phone in (await server.guest(), await server.guest()):
        numbers.append(await user_no_of(server, phone))
        key, _ = await upload(server, phone, picture())
        await apply(server, numbers[-1], diary_set(uuid7(), "photos", [key], stamp(START_MS)))
        await apply(server, numbers[-1], SettingsSet("a", 1, stamp(START_MS)))
    async with server.platform.database.transaction() as tx:
        assert await service.erase(tx, numbers[0], server.clock()) == []
    async with server.platform.database.read() as tx:
        for table in ("diary_entry", "diary_field", "diary_photo", "user_setting"):
            rows = await tx.fetch_tuples(f"SELECT user_no FROM {table}")
            assert [row[0] for row in rows] == [numbers[1]], table
