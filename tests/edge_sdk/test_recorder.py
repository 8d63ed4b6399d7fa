"""Recording: nothing is lost, nobody is locked out, and walks end by themselves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from edge_sdk import (
    Fix,
    FixInvalid,
    LocalStore,
    NoOpenWalk,
    StoreFull,
    UnknownWalk,
    WalkIsOpen,
    WalkRecorder,
    WalkTooLong,
    read_gpx,
    uuid7,
)
from edge_sdk.sync.facts import WalkFinish, WalkPoints, read_fact
from edge_sdk.sync.messages import CollectionChecksum, PullAnswer, PulledRow
from game_engine.track import Fixes

pytestmark = pytest.mark.anyio
NOW = 1_795_000_000_000
MINUTE = 60_000
DAY = 86_400_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStore]:
    async with await LocalStore.open(tmp_path / "phone.sqlite") as opened:
        yield opened


def wander(seconds: int, sigma_deg: float, seed: int) -> np.ndarray:
    """GPS error that drifts as a real one does: first-order, 10 s long."""
    random = np.random.default_rng(seed).normal(0, sigma_deg * (1 - 0.9**2) ** 0.5, (2, seconds))
    for n in range(1, seconds):
        random[:, n] += 0.9 * random[:, n - 1]
    return random


def walked(seconds: int, start_ms: int = NOW, lat: float = 37.5665) -> Fixes:
    """North at 1.3 m/s, one fix a second."""
    error = wander(seconds, 2e-5, 7)
    return Fixes.of(
        start_ms + 1000 * np.arange(seconds),
        lat + 1.3 * np.arange(seconds) / 111_195 + error[0],
        126.978 + error[1],
        5 + np.arange(seconds) // 40 % 4,
    )


def fixes_of(fixes: Fixes) -> list[Fix]:
    return [
        Fix(t_ms=t, lat=lat, lng=lng, accuracy_m=accuracy, mono_ms=t - NOW)
        for t, lat, lng, accuracy in zip(
            fixes.t_ms.tolist(),
            fixes.lat.tolist(),
            fixes.lng.tolist(),
            fixes.accuracy_m.tolist(),
            strict=True,
        )
    ]


async def bodies(store: LocalStore) -> list[object]:
    return [read_fact(item.fact) for item in await store.facts()]


async def pulled(store: LocalStore, **doc: object) -> str:
    """Let a pull bring a walk of another device."""
    walk_id = str(doc.setdefault("walk_id", uuid7()))
    full = {"state": "open", "started_at_ms": NOW, "client_id": uuid7(), **doc}
    rows = {"walks": [PulledRow(walk_id, 1, False, json.dumps(full))]}
    page = PullAnswer("c", False, "e", rows, {}, NOW, 0, {"walks": CollectionChecksum(1, 0)})
    await store.apply_page(page, NOW)
    return walk_id


async def test_a_walk_becomes_facts_of_600_fixes(store: LocalStore) -> None:
    recorder = WalkRecorder(store)
    dog = uuid7()
    walk_id = await recorder.start([dog], NOW)
    fixes = walked(1500)
    await recorder.add_many(fixes_of(fixes))
    progress = await recorder.progress()
    end = await recorder.finish(NOW + 1500_000)
    _start, *chunks, finish = await bodies(store)
    assert [type(chunk) for chunk in chunks] == [WalkPoints] * 3
    assert isinstance(finish, WalkFinish)
    assert (finish.walk_id, finish.chunks, finish.auto) == (walk_id, 3, False)
    assert finish.predicted.cells == len(end.predicted_cells) == len(progress.cells) > 10
    assert finish.predicted.distance_m == pytest.approx(1.3 * 1499, rel=0.02)
    assert progress.fixes == 1500
    assert progress.dwell is not None
    first = chunks[0]
    assert isinstance(first, WalkPoints)
    assert (first.mono_first_ms, first.mono_last_ms) == (0, 599_000)
    track = await recorder.track(walk_id)
    np.testing.assert_array_equal(track.t_ms, fixes.t_ms)
    np.testing.assert_array_equal(track.lat_e5, fixes.lat_e5)
    assert await recorder.current() is None


async def test_one_by_one_many_and_replay_make_the_same_chunks(tmp_path: Path) -> None:
    packed = []
    fixes = walked(1300)
    for way in ("one", "many", "replay"):
        async with await LocalStore.open(tmp_path / way) as store:
            recorder = WalkRecorder(store)
            await recorder.start([], NOW)
            if way == "replay":
                await recorder.replay(fixes)
            elif way == "many":
                for start in range(0, 1300, 77):
                    await recorder.add_many(fixes_of(fixes.take(slice(start, start + 77))))
            else:
                for fix in fixes_of(fixes):
                    await recorder.add(fix)
            await recorder.finish(NOW + 1300_000)
            chunks = [body for body in await bodies(store) if isinstance(body, WalkPoints)]
            packed.append([chunk.packed for chunk in chunks])
    assert packed[0] == packed[1] == packed[2]


@pytest.mark.parametrize(
    "broken",
    [
        Fix(t_ms=NOW, lat=float("nan"), lng=0.0),
        Fix(t_ms=NOW, lat=0.0, lng=float("inf")),
        Fix(t_ms=NOW, lat=90.001, lng=0.0),
        Fix(t_ms=NOW, lat=0.0, lng=-180.5),
        Fix(t_ms=-1, lat=0.0, lng=0.0),
        Fix(t_ms=2**47, lat=0.0, lng=0.0),
        Fix(t_ms=NOW, lat=0.0, lng=0.0, steps=-1),
        Fix(t_ms=NOW, lat=0.0, lng=0.0, mono_ms=2**60),
    ],
)
async def test_a_broken_fix_is_refused_and_its_neighbours_are_kept(
    store: LocalStore, broken: Fix
) -> None:
    recorder = WalkRecorder(store)
    await recorder.start([], NOW)
    sound = fixes_of(walked(3))
    with pytest.raises(FixInvalid):
        await recorder.add(broken)
    with pytest.raises(FixInvalid, match="fix 1"):
        await recorder.add_many([sound[0], broken, sound[1]])
    await recorder.add(sound[2])
    assert (await recorder.progress()).fixes == 3


async def test_unknown_and_absurd_accuracy_is_stored_as_such(store: LocalStore) -> None:
    recorder = WalkRecorder(store)
    walk_id = await recorder.start([], NOW)
    for accuracy in (None, float("nan"), -3.0, float("inf"), 5.2, 1e9):
        await recorder.add(Fix(t_ms=NOW, lat=37.5, lng=127.0, accuracy_m=accuracy))
    track = await recorder.track(walk_id)
    assert track.accuracy_unknown.tolist() == [True] * 4 + [False] * 2
    assert track.accuracy_m.tolist() == [0, 0, 0, 0, 6, 32_767]


async def test_clocks_going_back_and_duplicates_are_kept_for_cleaning(store: LocalStore) -> None:
    recorder = WalkRecorder(store)
    await recorder.start([], NOW)
    fixes = fixes_of(walked(120))
    await recorder.add_many([*fixes, *fixes[50:60], *reversed(fixes[:20])])
    end = await recorder.finish(NOW - 5_000)
    assert end.ended_at_ms == NOW  # not before it began
    assert end.predicted_distance_m == pytest.approx(1.3 * 119, rel=0.1)


async def test_missing_step_counts_are_filled_from_the_last_known(store: LocalStore) -> None:
    recorder = WalkRecorder(store)
    walk_id = await recorder.start([], NOW)
    for n, steps in enumerate([None, 10, None, 12]):
        await recorder.add(Fix(t_ms=NOW + n, lat=37.5, lng=127.0, steps=steps))
    await recorder.finish(NOW + 10)
    steps_column = (await recorder.track(walk_id)).steps
    assert steps_column is not None
    assert steps_column.tolist() == [10, 10, 10, 12]


async def test_a_phone_that_restarts_within_a_chunk_says_nothing_of_its_clock(
    store: LocalStore,
) -> None:
    recorder = WalkRecorder(store)
    await recorder.start([], NOW)
    await recorder.add(Fix(t_ms=NOW, lat=37.5, lng=127.0, mono_ms=900_000))
    await recorder.add(Fix(t_ms=NOW + 1, lat=37.5, lng=127.0, mono_ms=12))
    assert await recorder.seal() == 2
    chunk = (await bodies(store))[-1]
    assert isinstance(chunk, WalkPoints)
    assert (chunk.mono_first_ms, chunk.mono_last_ms) == (None, None)


async def test_sealing_early_never_uses_up_the_chunks_of_a_long_walk(store: LocalStore) -> None:
    recorder = WalkRecorder(store)
    await recorder.start([], NOW)
    for n in range(75):
        await recorder.add(Fix(t_ms=NOW + n, lat=37.5, lng=127.0))
        await recorder.seal()
    walk = await recorder.current()
    assert walk is not None
    assert walk.chunks == 72
    with pytest.raises(WalkTooLong):
        await recorder.replay(walked(72 * 600))
    assert (await recorder.finish(NOW + DAY)).chunks <= 144


async def test_without_a_walk_there_is_nothing_to_add_to(store: LocalStore) -> None:
    recorder = WalkRecorder(store)
    for call in (
        recorder.add(Fix(t_ms=NOW, lat=37.5, lng=127.0)),
        recorder.finish(NOW),
        recorder.cancel(NOW),
        recorder.progress(),
        recorder.seal(),
    ):
        with pytest.raises(NoOpenWalk):
            await call
    assert await recorder.tick(NOW) is None


async def test_a_cancelled_walk_does_not_count_and_frees_the_way(store: LocalStore) -> None:
    recorder = WalkRecorder(store)
    walk_id = await recorder.start([], NOW)
    await recorder.replay(walked(100))
    await recorder.cancel(NOW + 100_000)
    assert [item.fact.type for item in await store.facts()] == ["walk.start", "walk.cancel"]
    assert await recorder.start([], NOW + 101_000) != walk_id


async def test_a_killed_walk_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "phone.sqlite"
    fixes = walked(900)
    async with await LocalStore.open(path) as store:
        recorder = WalkRecorder(store)
        walk_id = await recorder.start([], NOW)
        await recorder.replay(fixes.take(slice(0, 650)))
    async with await LocalStore.open(path) as store:
        recorder = await WalkRecorder.resume(store, NOW + 700_000)
        assert recorder.auto_ended is None
        walk = await recorder.current()
        assert walk is not None
        assert (walk.walk_id, walk.chunks) == (walk_id, 1)
        await recorder.replay(fixes.take(slice(650, 900)))
        await recorder.finish(NOW + 900_000)
        np.testing.assert_array_equal((await recorder.track(walk_id)).t_ms, fixes.t_ms)


@pytest.mark.parametrize("gone_ms", [31 * MINUTE + 600_000, 3 * DAY])
async def test_a_walk_found_without_movement_ends_at_its_last_movement(
    tmp_path: Path, gone_ms: int
) -> None:
    path = tmp_path / "phone.sqlite"
    async with await LocalStore.open(path) as store:
        recorder = WalkRecorder(store)
        await recorder.start([], NOW)
        await recorder.replay(walked(600))
    async with await LocalStore.open(path) as store:
        recorder = await WalkRecorder.resume(store, NOW + gone_ms)
        end = recorder.auto_ended
        assert end is not None
        assert end.auto
        assert abs(end.ended_at_ms - (NOW + 600_000)) <= 30_000
        finish = (await bodies(store))[-1]
        assert isinstance(finish, WalkFinish)
        assert finish.auto
        assert await recorder.current() is None


async def test_standing_with_gps_noise_ends_the_walk_and_walking_does_not(
    store: LocalStore,
) -> None:
    recorder = WalkRecorder(store)
    await recorder.start([], NOW)
    await recorder.replay(walked(3000))
    assert await recorder.tick(NOW + 3_000_000) is None
    noise = wander(2400, 3e-5, 3)
    still = Fixes.of(
        NOW + 3_000_000 + 1000 * np.arange(2400),
        37.5665 + 3900 / 111_195 + noise[0],
        126.978 + noise[1],
        np.full(2400, 8.0),
    )
    await recorder.replay(still)
    assert await recorder.tick(NOW + 3_000_000 + 20 * MINUTE) is None
    end = await recorder.tick(NOW + 3_000_000 + 40 * MINUTE)
    assert end is not None
    assert abs(end.ended_at_ms - (NOW + 3_000_000)) <= 2 * MINUTE


async def test_a_fix_from_the_future_does_not_keep_a_walk_open(store: LocalStore) -> None:
    recorder = WalkRecorder(store)
    await recorder.start([], NOW)
    await recorder.replay(walked(600))
    await recorder.replay(walked(120, NOW + 365 * DAY, 37.6))
    assert await recorder.tick(NOW + 45 * MINUTE) is not None


async def test_nobody_is_locked_out_of_starting(store: LocalStore) -> None:
    recorder = WalkRecorder(store)
    first = await recorder.start([], NOW)
    await recorder.replay(walked(300))
    with pytest.raises(WalkIsOpen) as caught:
        await recorder.start([], NOW + 310_000)
    assert caught.value.walk_id == first
    second = await recorder.start([], NOW + 320_000, supersede=True)
    third = await recorder.start([], NOW + 2 * DAY)  # the second stood still for two days
    walk = await recorder.current()
    assert walk is not None
    assert len({first, second, third}) == 3
    assert walk.walk_id == third
    finishes = [body for body in await bodies(store) if isinstance(body, WalkFinish)]
    assert [(body.walk_id, body.auto) for body in finishes] == [(first, False), (second, True)]


async def test_a_walk_of_rules_this_app_does_not_know_can_still_end(store: LocalStore) -> None:
    recorder = WalkRecorder(store)
    await recorder.start([], NOW)
    async with store.transaction() as tx:
        await tx.execute("UPDATE walk SET rules_version = '2099.1'")
    await recorder.replay(walked(60))
    assert (await recorder.progress()).fixes == 60
    assert (await recorder.finish(NOW + MINUTE)).chunks == 1


async def test_walks_of_other_devices_can_be_finished_or_cancelled_here(
    store: LocalStore,
) -> None:
    recorder = WalkRecorder(store)
    first, second = await pulled(store), await pulled(store)
    assert {doc.walk_id for doc in await recorder.other_open_walks()} == {first, second}
    await recorder.start([], NOW)  # they lock nobody out
    await recorder.finish_other(first, NOW + 5)
    await recorder.cancel_other(second, NOW + 6)
    assert await recorder.other_open_walks() == []
    assert [item.fact.type for item in await store.facts()] == [
        "walk.start",
        "walk.finish",
        "walk.cancel",
    ]
    with pytest.raises(UnknownWalk):
        await recorder.finish_other(first, NOW)
    with pytest.raises(UnknownWalk):
        await recorder.cancel_other(uuid7(), NOW)


@pytest.mark.parametrize("state", ["cancelled", "finished"])
async def test_a_walk_closed_by_another_device_ends_here_too(store: LocalStore, state: str) -> None:
    recorder = WalkRecorder(store)
    walk_id = await recorder.start([], NOW)
    await recorder.replay(walked(120))
    await pulled(store, walk_id=walk_id, state=state)
    end = await recorder.tick(NOW + 121_000)
    assert end is not None
    last = (await store.facts())[-1].fact.type
    assert last == ("walk.cancel" if state == "cancelled" else "walk.finish")
    assert await recorder.current() is None


async def test_a_full_disk_while_sealing_loses_nothing(store: LocalStore) -> None:
    recorder = WalkRecorder(store)
    walk_id = await recorder.start([], NOW)
    fixes = fixes_of(walked(1200))
    async with store.transaction() as tx:
        row = await tx.row("PRAGMA page_count")
        assert row is not None
        await tx.rows(f"PRAGMA max_page_count = {int(row[0]) + 8}")
    kept = 0
    full = False
    while not full:
        try:
            await recorder.add(fixes[kept])
            kept += 1
        except StoreFull:
            full = True
    assert kept > 100
    async with store.transaction() as tx:
        await tx.rows("PRAGMA max_page_count = 1000000")
    for fix in fixes[kept:]:
        await recorder.add(fix)
    end = await recorder.finish(NOW + 1200_000)
    assert end.chunks == 2
    assert len(await recorder.track(walk_id)) == 1200


async def test_the_real_hikes_earn_cells_and_the_car_earns_none(
    tmp_path: Path, data_folder: Path
) -> None:
    earned = {}
    for path in sorted((data_folder / "tracks").glob("*.gpx")):
        fixes = read_gpx(path)
        async with await LocalStore.open(tmp_path / path.stem) as store:
            recorder = WalkRecorder(store)
            await recorder.start([], int(fixes.t_ms.min()), source="gpx")
            await recorder.replay(fixes)
            end = await recorder.finish(int(fixes.t_ms.max()))
            earned[path.stem] = len(end.predicted_cells)
    assert earned.pop("around-visnjan-with-car") == 0
    assert all(cells > 10 for cells in earned.values()), earned
