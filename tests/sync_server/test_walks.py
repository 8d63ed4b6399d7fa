"""Walks: the same verdict in whatever order their facts come, and nothing lost on the way."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import (
    MAX_WALK_CHUNKS,
    Body,
    Prediction,
    WalkCancel,
    WalkFinish,
    WalkPoints,
    WalkStart,
)
from edge_sdk.sync.hashes import chunk_sha256
from edge_sdk.sync.packed import pack
from game_engine.track import Fixes
from sync_server.walks import service
from tests.support.accounts import renew
from tests.support.app import Phone, Server, running
from tests.support.walks import SEOUL, Log, give_consent, straight, street, walk_bodies

pytestmark = pytest.mark.anyio
HOUR_MS = 3_600_000
FAR = (35.1796, 129.0756)  # Busan, 325 km from Seoul


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path) as started:
        yield started


async def second_device(log: Log) -> Log:
    """Another phone of the same user."""
    client_id = uuid7()
    answer = await log.server.client.post(
        "/api/auth/clients",
        json={"client_id": client_id, "device_name": "the other one"},
        headers=log.phone.headers,
    )
    assert answer.status_code == 201, answer.text
    return Log(log.server, Phone(log.phone.user_id, client_id, log.phone.headers))


async def later(server: Server, *logs: Log, **how: float) -> None:
    """Move the clock and give the phones tokens that are still good."""
    server.clock.advance(**how)  # type: ignore[arg-type]
    for log in logs:
        await renew(server, log.phone)


def shifted(fixes: Fixes, by_ms: int) -> Fixes:
    return Fixes(
        fixes.t_ms + by_ms, fixes.lat_e5, fixes.lng_e5, fixes.accuracy_m, fixes.flags, fixes.steps
    )


def walk_id_of(bodies: Sequence[Body]) -> str:
    start = bodies[0]
    assert isinstance(start, WalkStart)
    return start.walk_id


def chunk_of(walk_id: str, number: int, packed: bytes) -> WalkPoints:
    return WalkPoints(walk_id, number, b64encode(packed).decode(), chunk_sha256(packed), None, None)


async def board(log: Log) -> dict[str, tuple[int, int, int]]:
    """What the user holds: strength, when taken and until when, by cell."""
    found = await log.get("/api/territory/me")
    return {c["cell"]: (c["strength"], c["taken_ms"], c["free_ms"]) for c in found["cells"]}


async def codes(log: Log, *bodies: Body) -> list[str]:
    """Push facts and return the code of each result."""
    answer = await log.send(log.add(*bodies))
    log.pushed = answer["last"]
    return [result["code"] for result in answer["results"]]


# The order of the facts ------------------------------------------------------------------------


@pytest.fixture
async def twins(server: Server) -> tuple[Log, Log]:
    """Two phones of one user."""
    first = await Log.of(server)
    return first, await second_device(first)


@pytest.mark.parametrize("ending", ["finish", "cancel", "two finishes"])
@given(
    order=st.permutations(range(5)),
    sides=st.lists(st.booleans(), min_size=5, max_size=5),
    together=st.booleans(),
)
@settings(
    max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
async def test_the_facts_of_a_walk_in_any_order_from_two_phones_give_the_same_walk(
    server: Server,
    twins: tuple[Log, Log],
    ending: str,
    order: list[int],
    sides: list[bool],
    together: bool,
) -> None:
    base = walk_bodies(straight(server.clock.now_ms - 2 * HOUR_MS, metres=900))
    walk_id = walk_id_of(base)
    end = base[-1]
    assert isinstance(end, WalkFinish) and end.chunks == 2
    if ending == "cancel":
        base.append(WalkCancel(walk_id, end.ended_at_ms + 60_000))
    elif ending == "two finishes":
        early = msgspec.structs.replace(end, ended_at_ms=end.ended_at_ms - 300_000, chunks=1)
        base.append(early)
    for place in order:
        if place >= len(base):
            continue
        phone = twins[sides[place]]
        phone.add(base[place])
        if not together:
            await phone.push()
    for phone in twins:
        if phone.pushed < len(phone.facts):
            await phone.push()

    doc = await twins[0].walk_doc(walk_id)
    held = await board(twins[0])
    assert doc.pop("client_id") in {phone.phone.client_id for phone in twins}
    assert doc.pop("walk_id") == walk_id
    # Only the first run knows nothing to compare with; all later ones must be like it.
    seen = vars(server).setdefault("seen", (doc, held))
    assert (doc, held) == seen
    if ending == "cancel":
        assert doc["state"] == "cancelled" and held == {}
        assert doc["ended_at_ms"] == end.ended_at_ms + 60_000
    else:
        assert doc["state"] == "finished" and doc["counts_for_board"]
        assert doc["ended_at_ms"] == end.ended_at_ms
        assert sorted(held) == sorted(doc["captured"])
    pulled = (await twins[1].pull())["changes"]["walks"]
    assert next(row for row in pulled if row["id"] == walk_id)["doc"]
    # The next example begins with an empty board.
    await twins[0].cancel(walk_id, end.ended_at_ms + 60_000)
    assert await board(twins[0]) == {}


async def test_a_start_that_comes_last_announces_the_walk(server: Server) -> None:
    log = await Log.of(server)
    start, *rest = walk_bodies(straight(server.clock.now_ms - HOUR_MS))
    log.add(*rest)
    await log.push()
    assert (await log.get("/api/walks"))["walks"] == []
    assert (await log.get("/api/walks/current"))["walks"] == []
    log.add(start)
    await log.push()
    (walk,) = (await log.get("/api/walks"))["walks"]
    assert walk["state"] == "finished" and walk["captured"]


async def test_a_chunk_that_comes_after_the_finish_from_another_phone_is_judged_too(
    server: Server,
) -> None:
    log = await Log.of(server)
    other = await second_device(log)
    start, first, second, finish = walk_bodies(straight(server.clock.now_ms - HOUR_MS, metres=900))
    assert isinstance(finish, WalkFinish)
    log.add(start, first, msgspec.structs.replace(finish, chunks=1))
    await log.push()
    before = await log.walk_doc(walk_id_of([start]))
    other.add(second)
    await other.push()
    after = await log.walk_doc(walk_id_of([start]))
    assert after["distance_m"] > before["distance_m"] + 80
    assert set(before["captured"]) < set(after["captured"])
    assert sorted(await board(log)) == sorted(after["captured"])


async def test_a_walk_waits_for_the_chunks_that_its_finish_names(server: Server) -> None:
    log = await Log.of(server)
    start, first, second, finish = walk_bodies(straight(server.clock.now_ms - HOUR_MS, metres=900))
    log.add(start, second, finish)
    await log.push()
    doc = await log.walk_doc(walk_id_of([start]))
    assert doc["state"] == "finished" and doc["captured"] is None
    assert await board(log) == {}
    log.add(first)
    await log.push()
    assert (await log.walk_doc(walk_id_of([start])))["captured"]


@pytest.mark.parametrize("first", ["cancel", "finish"])
async def test_a_cancelled_walk_never_counts(server: Server, first: str) -> None:
    log = await Log.of(server)
    bodies = walk_bodies(straight(server.clock.now_ms - HOUR_MS))
    cancel = WalkCancel(walk_id_of(bodies), server.clock.now_ms)
    log.add(*([cancel, *bodies] if first == "cancel" else [*bodies, cancel]))
    await log.push()
    doc = await log.walk_doc(walk_id_of(bodies))
    assert doc["state"] == "cancelled" and doc["captured"] is None
    assert await board(log) == {}
    assert (await log.get("/api/walks"))["walks"] == []


# Left open, late, and clocks that lie --------------------------------------------------------


async def test_a_walk_left_open_is_closed_after_three_days_with_what_it_has(
    server: Server,
) -> None:
    log = await Log.of(server)
    bodies = walk_bodies(straight(server.clock.now_ms - 600_000), finish=False)
    log.add(*bodies)
    await log.push()
    await later(server, log, hours=71)
    await service.sweep(server.platform, server.clock.now_ms)
    assert (await log.walk_doc(walk_id_of(bodies)))["state"] == "open"
    await later(server, log, hours=2)
    await service.sweep(server.platform, server.clock.now_ms)
    doc = await log.walk_doc(walk_id_of(bodies))
    assert doc["state"] == "abandoned" and doc["counts_for_board"] and not doc["late"]
    assert sorted(await board(log)) == sorted(doc["captured"])
    assert (await log.get("/api/walks/current"))["walks"] == []
    assert [row["id"] for row in (await log.pull())["changes"]["walks"]] == [doc["walk_id"]]


async def test_an_abandoned_walk_without_points_ends_where_it_began(server: Server) -> None:
    log = await Log.of(server)
    bodies = walk_bodies(straight(server.clock.now_ms - 600_000), finish=False)
    log.add(bodies[0])
    await log.push()
    await later(server, log, hours=73)
    await service.sweep(server.platform, server.clock.now_ms)
    doc = await log.walk_doc(walk_id_of(bodies))
    assert (doc["state"], doc["ended_at_ms"]) == ("abandoned", doc["started_at_ms"])
    assert doc["reasons"][0] == "no_fixes"


@pytest.mark.parametrize("order", ["finish last", "points last"])
async def test_the_phone_of_an_abandoned_walk_that_comes_back_ends_it_itself(
    server: Server, order: str
) -> None:
    log = await Log.of(server)
    fixes = straight(server.clock.now_ms - HOUR_MS, metres=900)
    start, first, second, finish = walk_bodies(fixes)
    log.add(start, first)
    await log.push()
    await later(server, log, hours=73)
    await service.sweep(server.platform, server.clock.now_ms)
    before = await log.walk_doc(walk_id_of([start]))
    assert before["counts_for_board"]
    log.add(*((second, finish) if order == "finish last" else (finish, second)))
    await log.push()
    doc = await log.walk_doc(walk_id_of([start]))
    assert doc["state"] == "finished" and doc["ended_at_ms"] == int(fixes.t_ms[-1])
    assert doc["distance_m"] > before["distance_m"]
    # What it brings now is more than three days old.
    assert doc["late"] and "late" in doc["reasons"] and "clock_ahead" not in doc["reasons"]


async def test_a_finish_that_brings_nothing_new_leaves_an_abandoned_walk_in_time(
    server: Server,
) -> None:
    log = await Log.of(server)
    *bodies, finish = walk_bodies(straight(server.clock.now_ms - 600_000))
    log.add(*bodies)
    await log.push()
    await later(server, log, hours=100)
    await service.sweep(server.platform, server.clock.now_ms)
    held = await board(log)
    log.add(finish)
    await log.push()
    doc = await log.walk_doc(walk_id_of(bodies))
    assert doc["state"] == "finished" and not doc["late"] and await board(log) == held != {}


@pytest.mark.parametrize(("hours", "counts"), [(71.9, True), (72.2, False)])
async def test_a_late_walk_is_for_the_diary_only(
    server: Server, hours: float, counts: bool
) -> None:
    log = await Log.of(server)
    fixes = straight(server.clock.now_ms)
    end_ms = int(fixes.t_ms[-1])
    await later(server, log, ms=end_ms - server.clock.now_ms, hours=hours)
    walk_id = await log.walk(fixes)
    doc = await log.walk_doc(walk_id)
    assert doc["counts_for_board"] is counts and doc["late"] is not counts
    assert ("late" in doc["reasons"]) is not counts
    assert bool(await board(log)) is counts
    assert doc["distance_m"] == pytest.approx(300, rel=0.15)
    assert [w["walk_id"] for w in (await log.get("/api/walks"))["walks"]] == [walk_id]


async def test_a_finish_that_claims_a_recent_end_does_not_bring_old_fixes_in_time(
    server: Server,
) -> None:
    log = await Log.of(server)
    *bodies, finish = walk_bodies(straight(server.clock.now_ms - 200 * HOUR_MS))
    assert isinstance(finish, WalkFinish)
    log.add(*bodies, msgspec.structs.replace(finish, ended_at_ms=server.clock.now_ms))
    await log.push()
    doc = await log.walk_doc(walk_id_of(bodies))
    assert doc["late"] and not doc["counts_for_board"] and await board(log) == {}


async def test_a_walk_with_a_clock_a_year_ahead_stays_in_the_diary(server: Server) -> None:
    log = await Log.of(server)
    walk_id = await log.walk(straight(server.clock.now_ms + 365 * 24 * HOUR_MS))
    doc = await log.walk_doc(walk_id)
    assert "clock_ahead" in doc["reasons"] and not doc["counts_for_board"]
    assert doc["captured"] == [] and doc["distance_m"] > 200
    assert await board(log) == {}
    assert [w["walk_id"] for w in (await log.get("/api/walks"))["walks"]] == [walk_id]
    # The clock is put right; the next walk is as good as any.
    right = await log.walk(straight(server.clock.now_ms - HOUR_MS, seed=2))
    assert (await log.walk_doc(right))["counts_for_board"]
    assert len(await board(log)) > 5


async def test_a_clock_a_little_ahead_counts(server: Server) -> None:
    log = await Log.of(server)
    fixes = straight(server.clock.now_ms)
    fixes = shifted(fixes, server.clock.now_ms + 4 * 60_000 - int(fixes.t_ms[-1]))
    assert (await log.walk_doc(await log.walk(fixes)))["counts_for_board"]


async def test_a_clock_set_back_within_a_walk_costs_trust(server: Server) -> None:
    log = await Log.of(server)
    fixes = straight(server.clock.now_ms - 3 * HOUR_MS, metres=700)
    half = len(fixes) // 2
    back = Fixes(
        np.r_[fixes.t_ms[:half], fixes.t_ms[half:] - HOUR_MS],
        fixes.lat_e5, fixes.lng_e5, fixes.accuracy_m, fixes.flags, fixes.steps,
    )  # fmt: skip
    start, first, finish = walk_bodies(back)
    assert isinstance(start, WalkStart)
    assert isinstance(first, WalkPoints) and isinstance(finish, WalkFinish)
    span = (len(fixes) - 1) * 1000
    log.add(start, msgspec.structs.replace(first, mono_first_ms=0, mono_last_ms=span), finish)
    await log.push()
    doc = await log.walk_doc(start.walk_id)
    assert not doc["counts_for_board"] and "clock_drift" in doc["reasons"]
    await log.walk(straight(server.clock.now_ms - HOUR_MS, seed=5))
    assert len(await board(log)) > 5


# The same track twice -------------------------------------------------------------------------


async def test_the_earlier_of_two_accounts_keeps_a_track(server: Server) -> None:
    honest, copier = await Log.of(server), await Log.of(server)
    fixes = straight(server.clock.now_ms - 3 * HOUR_MS, metres=500)
    mine = await honest.walk(fixes)
    held = await board(honest)
    copy = await copier.walk(shifted(fixes, HOUR_MS))
    doc = await copier.walk_doc(copy)
    assert not doc["counts_for_board"] and "duplicate_of_other" in doc["reasons"]
    assert doc["captured"] == [] and await board(copier) == {}
    assert (await honest.walk_doc(mine))["counts_for_board"] and await board(honest) == held


async def test_the_original_that_arrives_after_its_copy_takes_back_what_is_its_own(
    server: Server,
) -> None:
    honest, copier = await Log.of(server), await Log.of(server)
    fixes = straight(server.clock.now_ms - 3 * HOUR_MS, metres=500)
    copy = await copier.walk(shifted(fixes, HOUR_MS))
    assert (await copier.walk_doc(copy))["counts_for_board"]
    cursor = (await copier.pull())["cursor"]
    mine = await honest.walk(fixes)
    assert (await honest.walk_doc(mine))["counts_for_board"]
    doc = await copier.walk_doc(copy)
    assert not doc["counts_for_board"] and "duplicate_of_other" in doc["reasons"]
    assert await board(copier) == {} and len(await board(honest)) > 5
    # The copier's phone hears of it.
    assert [row["id"] for row in (await copier.pull(cursor))["changes"]["walks"]] == [copy]


@pytest.mark.parametrize("minutes", [1, 600])
async def test_a_copy_counts_again_once_the_original_is_cancelled(
    server: Server, minutes: int
) -> None:
    honest, copier = await Log.of(server), await Log.of(server)
    fixes = straight(server.clock.now_ms - 3 * HOUR_MS, metres=500)
    mine = await honest.walk(fixes)
    copy = await copier.walk(shifted(fixes, HOUR_MS))
    await honest.cancel(mine, int(fixes.t_ms[-1]) + minutes * 60_000)
    assert (await copier.walk_doc(copy))["counts_for_board"]
    assert len(await board(copier)) > 5 and await board(honest) == {}


async def test_a_copy_counts_again_once_the_original_turns_out_to_be_later(
    server: Server,
) -> None:
    """A second finish moves the end of the first walk behind the end of the other."""
    one, two = await Log.of(server), await Log.of(server)
    fixes = straight(server.clock.now_ms - 3 * HOUR_MS, metres=500)
    bodies = walk_bodies(fixes)
    one.add(*bodies)
    await one.push()
    other = await two.walk(shifted(fixes, HOUR_MS))
    finish = bodies[-1]
    assert isinstance(finish, WalkFinish)
    moved = msgspec.structs.replace(finish, ended_at_ms=finish.ended_at_ms + 2 * HOUR_MS)
    one.add(moved)
    await one.push()
    assert (await two.walk_doc(other))["counts_for_board"]
    doc = await one.walk_doc(walk_id_of(bodies))
    assert not doc["counts_for_board"] and "duplicate_of_other" in doc["reasons"]


async def test_a_walk_that_grows_out_of_a_copy_gives_the_other_one_back_its_cells(
    server: Server,
) -> None:
    """Of a walk only the first chunk was known, and that is a part of the other walk."""
    one, two = await Log.of(server), await Log.of(server)
    at = server.clock.now_ms - 5 * HOUR_MS
    common = straight(at, metres=790).take(slice(0, 600))
    apart = straight(at + 600_000, (SEOUL[0] + 0.002, SEOUL[1] + 0.009), metres=780, seed=9)
    theirs = straight(at + 600_000, (SEOUL[0] + 0.001, SEOUL[1] + 0.009), metres=520, seed=4)
    start, first, second, finish = walk_bodies(Fixes.concat([common, apart.take(slice(0, 600))]))
    assert isinstance(finish, WalkFinish)
    one.add(start, first, msgspec.structs.replace(finish, chunks=1))
    await one.push()
    other = await two.walk(shifted(Fixes.concat([common, theirs]), HOUR_MS))
    assert "duplicate_of_other" in (await two.walk_doc(other))["reasons"]
    one.add(second)
    await one.push()
    assert (await two.walk_doc(other))["counts_for_board"]
    assert (await one.walk_doc(walk_id_of([start])))["counts_for_board"]


async def test_a_replay_of_an_own_track_earns_nothing(server: Server) -> None:
    log = await Log.of(server)
    fixes = straight(server.clock.now_ms - 30 * HOUR_MS, metres=500)
    await log.walk(fixes)
    held = await board(log)
    again = await log.walk(shifted(fixes, 24 * HOUR_MS))
    doc = await log.walk_doc(again)
    assert not doc["counts_for_board"] and "duplicate_of_own" in doc["reasons"]
    assert await board(log) == held


async def test_the_same_way_walked_again_is_no_copy(server: Server) -> None:
    log = await Log.of(server)
    await log.walk(straight(server.clock.now_ms - 30 * HOUR_MS, seed=1))
    again = await log.walk(straight(server.clock.now_ms - 6 * HOUR_MS, seed=2))
    assert (await log.walk_doc(again))["counts_for_board"]


# Where the last walk ended ------------------------------------------------------------------


async def test_a_walk_that_arrives_in_between_judges_the_next_one_again(server: Server) -> None:
    log = await Log.of(server)
    now = server.clock.now_ms
    in_seoul = await log.walk(straight(now - 2 * HOUR_MS))
    assert (await log.walk_doc(in_seoul))["counts_for_board"]
    # Busan, ending three minutes before the walk in Seoul began: nobody flies like that.
    before = straight(now - 2 * HOUR_MS, FAR, seed=3)
    before = shifted(before, now - 2 * HOUR_MS - 180_000 - int(before.t_ms[-1]))
    in_busan = await log.walk(before)
    doc = await log.walk_doc(in_seoul)
    assert not doc["counts_for_board"] and "implausible_start" in doc["reasons"]
    assert sorted(await board(log)) == sorted((await log.walk_doc(in_busan))["captured"])
    await log.cancel(in_busan, now)
    assert (await log.walk_doc(in_seoul))["counts_for_board"]
    assert sorted(await board(log)) == sorted((await log.walk_doc(in_seoul))["captured"])


# Refusals that block nothing ----------------------------------------------------------------


async def test_unknown_rules_are_refused_and_the_next_walk_is_fine(server: Server) -> None:
    log = await Log.of(server)
    start, *rest = walk_bodies(straight(server.clock.now_ms - HOUR_MS))
    assert isinstance(start, WalkStart)
    assert await codes(log, msgspec.structs.replace(start, rules_version="2031.7")) == [
        "unknown_rules_version"
    ]
    assert await codes(log, *rest) == ["ok"] * len(rest)
    assert (await log.get("/api/walks"))["walks"] == []
    await log.walk(straight(server.clock.now_ms - HOUR_MS, seed=2))
    assert len(await board(log)) > 5


async def test_a_walk_of_too_many_chunks_is_refused(server: Server) -> None:
    log = await Log.of(server)
    start, first, finish = walk_bodies(straight(server.clock.now_ms - HOUR_MS))
    assert isinstance(first, WalkPoints) and isinstance(finish, WalkFinish)
    assert await codes(
        log, start,
        msgspec.structs.replace(first, chunk=MAX_WALK_CHUNKS),
        msgspec.structs.replace(finish, chunks=MAX_WALK_CHUNKS + 1),
        msgspec.structs.replace(first, chunk=MAX_WALK_CHUNKS - 1),
    ) == ["ok", "walk_too_long", "walk_too_long", "ok"]  # fmt: skip
    assert await codes(log, first, finish) == ["ok", "ok"]
    assert (await log.walk_doc(walk_id_of([start])))["counts_for_board"]


async def test_a_chunk_with_other_content_is_a_conflict_and_the_first_one_stays(
    server: Server,
) -> None:
    log = await Log.of(server)
    start, first, finish = walk_bodies(straight(server.clock.now_ms - HOUR_MS))
    other = chunk_of(walk_id_of([start]), 0, pack(straight(server.clock.now_ms, FAR)))
    assert await codes(log, start, first, other, first, finish) == [
        "ok", "ok", "chunk_conflict", "ok", "ok",
    ]  # fmt: skip
    track = (await log.get(f"/api/walks/{walk_id_of([start])}"))["track"]
    assert all(abs(point[1] - SEOUL[0]) < 0.1 for point in track)


async def test_every_cut_of_a_chunk_is_refused_and_the_next_fact_is_fine(server: Server) -> None:
    log = await Log.of(server)
    fixes = straight(server.clock.now_ms - HOUR_MS, metres=120)
    start, first, finish = walk_bodies(fixes)
    packed = pack(fixes)
    log.add(start)
    await log.push()
    cuts = [chunk_of(walk_id_of([start]), 0, packed[:n]) for n in range(3, len(packed))]
    refused: list[str] = []
    for at in range(0, len(cuts), 90):
        refused += await codes(log, *cuts[at : at + 90])
    assert refused == ["bad_chunk"] * len(cuts)
    assert await codes(log, first, finish) == ["ok", "ok"]
    assert (await log.walk_doc(walk_id_of([start])))["counts_for_board"]


async def test_flipped_bits_are_a_typed_refusal_or_fixes_never_a_fault(server: Server) -> None:
    log = await Log.of(server)
    fixes = straight(server.clock.now_ms - HOUR_MS, metres=60)
    packed = pack(fixes)
    walk_id = uuid7()
    rng = np.random.default_rng(7)
    hostile: list[bytes] = []
    for bit in rng.choice(8 * len(packed), 250, replace=False).tolist():
        flipped = bytearray(packed)
        flipped[bit // 8] ^= 1 << bit % 8
        hostile.append(bytes(flipped))
    hostile += [
        bytes(rng.integers(0, 256, int(n), dtype=np.uint8)) for n in rng.integers(3, 400, 40)
    ]
    hostile += [b"\x01\x00" + b"\xff" * 9 + b"\x01" * 4, b"\x01" * 200, packed + b"\x00"]
    found: list[str] = []
    for at in range(0, len(hostile), 60):
        found += await codes(
            log, *(chunk_of(walk_id, (at + n) % 140, data)
                   for n, data in enumerate(hostile[at : at + 60]))
        )  # fmt: skip
    assert set(found) <= {"ok", "bad_chunk", "chunk_conflict"}, set(found)
    assert found.count("bad_chunk") > 50
    # What did decode is judged without a fault, whatever it says.
    start, _, finish = walk_bodies(fixes, walk_id)
    assert isinstance(finish, WalkFinish)
    assert await codes(log, start, msgspec.structs.replace(finish, chunks=1)) == ["ok", "ok"]
    assert (await log.walk_doc(walk_id))["state"] == "finished"


@pytest.mark.parametrize("how", ["base64", "hash"])
async def test_what_is_not_base64_or_has_another_hash_is_a_bad_chunk(
    server: Server, how: str
) -> None:
    log = await Log.of(server)
    start, first, finish = walk_bodies(straight(server.clock.now_ms - HOUR_MS))
    assert isinstance(first, WalkPoints)
    wrong = {"base64": {"packed": "ab*d"}, "hash": {"sha256": "0" * 64}}[how]
    broken = msgspec.structs.replace(first, **wrong)
    assert await codes(log, start, broken, first, finish) == ["ok", "bad_chunk", "ok", "ok"]


async def test_positions_off_the_globe_are_no_cells(server: Server) -> None:
    """Packed integers can hold any number; cleaning drops what is no place on earth."""
    log = await Log.of(server)
    good = straight(server.clock.now_ms - HOUR_MS)
    lat = good.lat_e5.copy()
    lat[::2] = 2_000_000_000
    odd = Fixes(good.t_ms, lat, good.lng_e5, good.accuracy_m, good.flags, good.steps)
    walk_id = await log.walk(odd)
    doc = await log.walk_doc(walk_id)
    assert "invalid" in " ".join(drop["reason"] for drop in doc["drops"]) or doc["drops"]
    assert (await log.get("/api/territory/me"))["cells_held"] == len(doc["captured"])


# Reading ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cancel", "finish"])
async def test_the_open_walks_of_all_phones_are_current_and_can_be_closed_by_another(
    server: Server, how: str
) -> None:
    log = await Log.of(server)
    other = await second_device(log)
    stranger = await Log.of(server)
    now = server.clock.now_ms
    here = walk_bodies(straight(now - HOUR_MS), finish=False)
    there = walk_bodies(straight(now - 2 * HOUR_MS, seed=2), finish=False)
    log.add(*here)
    other.add(*there)
    stranger.add(*walk_bodies(straight(now - HOUR_MS, FAR), finish=False))
    for phone in (log, other, stranger):
        await phone.push()
    current = (await log.get("/api/walks/current"))["walks"]
    assert [walk["walk_id"] for walk in current] == [walk_id_of(here), walk_id_of(there)]
    assert [walk["client_id"] for walk in current] == [log.phone.client_id, other.phone.client_id]
    closing: Body = WalkCancel(walk_id_of(there), now)
    if how == "finish":
        closing = WalkFinish(walk_id_of(there), now, 1, False, Prediction(0, 0.0))
    log.add(closing)
    await log.push()
    current = (await other.get("/api/walks/current"))["walks"]
    assert [walk["walk_id"] for walk in current] == [walk_id_of(here)]
    doc = await other.walk_doc(walk_id_of(there))
    assert doc["state"] == ("cancelled" if how == "cancel" else "finished")
    assert bool(await board(log)) is (how == "finish")


async def test_another_users_walk_is_unknown_to_every_fact_and_route(server: Server) -> None:
    mine, stranger = await Log.of(server), await Log.of(server)
    bodies = walk_bodies(straight(server.clock.now_ms - HOUR_MS))
    mine.add(*bodies)
    await mine.push()
    before = await mine.walk_doc(walk_id_of(bodies))
    assert await codes(stranger, *bodies, WalkCancel(walk_id_of(bodies), server.clock.now_ms)) == [
        "unknown_walk"
    ] * (len(bodies) + 1)
    assert (await stranger.get(f"/api/walks/{walk_id_of(bodies)}", 404))["code"] == "not_found"
    assert (await stranger.get("/api/walks/nonsense", 404))["code"] == "not_found"
    assert (await stranger.get("/api/walks"))["walks"] == []
    assert await mine.walk_doc(walk_id_of(bodies)) == before


async def test_the_track_is_the_owners_and_says_what_was_dropped(server: Server) -> None:
    log = await Log.of(server)
    fixes = street(server.clock.now_ms - HOUR_MS, kind="car", duration_s=300)
    walk_id = await log.walk(fixes)
    found = await log.get(f"/api/walks/{walk_id}")
    assert [point[0] for point in found["track"]] == fixes.t_ms.tolist()
    assert found["track"][7][1:3] == [fixes.lat_e5[7] / 1e5, fixes.lng_e5[7] / 1e5]
    assert sum(point[3] for point in found["track"]) < len(fixes) / 4
    log_use = await log.get("/api/me/location-log")
    assert "track_viewed" in str(log_use)


async def test_the_list_of_walks_comes_in_pages_newest_first(server: Server) -> None:
    log = await Log.of(server)
    starts: list[int] = []
    for n in range(7):
        starts.append(server.clock.now_ms - (n + 1) * HOUR_MS)
        log.add(*walk_bodies(straight(starts[-1], metres=60, seed=n)))
    await log.push()
    seen: list[int] = []
    page: dict[str, Any] = {"next_before_ms": None}
    for _ in range(4):
        before = page["next_before_ms"]
        page = await log.get("/api/walks", limit=3, **({"before_ms": before} if before else {}))
        seen += [walk["started_at_ms"] for walk in page["walks"]]
        if page["next_before_ms"] is None:
            break
    assert seen == starts
    assert len((await log.get("/api/walks"))["walks"]) == 7


async def test_walks_that_began_at_one_moment_are_all_listed(server: Server) -> None:
    """Two phones of a household start together; a page must not end between them for good."""
    log = await Log.of(server)
    other = await second_device(log)
    at = server.clock.now_ms - HOUR_MS
    ids: set[str] = set()
    for n in range(4):
        bodies = walk_bodies(straight(at, metres=60, seed=n))
        ids.add(walk_id_of(bodies))
        (log if n % 2 else other).add(*bodies)
    await log.push()
    await other.push()
    seen: list[str] = []
    before: dict[str, int] = {}
    while True:
        page = await log.get("/api/walks", limit=3, **before)
        seen += [walk["walk_id"] for walk in page["walks"]]
        if page["next_before_ms"] is None:
            break
        before = {"before_ms": page["next_before_ms"]}
        assert len(seen) < 20
    assert set(seen) == ids and len(seen) == len(ids)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "before_ms=-1", "before_ms=x"]
)
async def test_odd_pages_are_problems(server: Server, query: str) -> None:
    log = await Log.of(server)
    answer = await server.client.get(f"/api/walks?{query}", headers=log.phone.headers)
    assert answer.status_code == 400 and answer.json()["code"] == "invalid_input"


async def test_consent_withdrawn_in_the_middle_keeps_the_rest_for_later(server: Server) -> None:
    log = await Log.of(server)
    start, first, finish = walk_bodies(straight(server.clock.now_ms - HOUR_MS))
    log.add(start)
    await log.push()
    answer = await server.client.put(
        "/api/consents",
        json={"kind": "location", "granted": False, "version": "2026-01"},
        headers=log.phone.headers,
    )
    assert answer.status_code == 200, answer.text
    facts = log.add(first, finish)
    assert (await log.send(facts, status=403))["code"] == "consent_required"
    await give_consent(server, log.phone)
    await log.push()
    assert (await log.walk_doc(walk_id_of([start])))["counts_for_board"]
