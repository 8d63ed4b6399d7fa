"""The sync client pulls, resyncs, follows and corrects over real HTTP."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edge_sdk import (
    ChecksumMismatch,
    ProtocolViolation,
    RequestRefused,
    ServerUnavailable,
    Unreachable,
    WalkRecorder,
    uuid7,
)
from edge_sdk.walk.simulate import simulate
from tests.edge_sdk.reference_server import Fault, ReferenceServer
from tests.support.phones import NOW, each_once, phone

pytest_plugins = ("tests.support.phone_fixtures",)
pytestmark = pytest.mark.anyio


async def test_pull_brings_pages_tombstones_and_checks_the_sum(
    server: ReferenceServer, path: Path
) -> None:
    server.page_rows = 3
    for n in range(10):
        server.put("dogs", f"dog-{n}", {"name": f"멍멍이 {n}"})
    async with phone(server, path) as me:
        report = await me.client.pull()
        assert report.changed == {"dogs": 10}
        assert len(await me.store.rows("dogs")) == 10
        server.put("dogs", "dog-3", None)
        server.put("dogs", "dog-4", {"name": "이름 바꿈"})
        report = await me.client.pull()
        assert (report.changed, report.deleted) == ({"dogs": 1}, {"dogs": 1})
        dogs = await me.store.rows("dogs")
        assert "dog-3" not in dogs
        assert dogs["dog-4"] == {"name": "이름 바꿈"}
        assert report.territory_version == 7


async def test_resync_drops_what_the_server_no_longer_has(
    server: ReferenceServer, path: Path
) -> None:
    server.put("dogs", "a", {"n": 1})
    server.put("dogs", "b", {"n": 2})
    async with phone(server, path) as me:
        await me.client.pull()
        del server.state.rows["dogs", "a"]
        server.restore(server.backup())
        report = await me.client.pull()
        assert report.resynced
        assert list(await me.store.rows("dogs")) == ["b"]


async def test_the_app_is_never_empty_while_it_resyncs(server: ReferenceServer, path: Path) -> None:
    server.page_rows = 2
    for n in range(6):
        server.put("dogs", f"d{n}", {"n": n})
    async with phone(server, path, attempts=1) as me:
        await me.client.pull()
        server.restore(server.backup())
        server.faults.append(Fault("none"))
        server.faults.append(Fault("none"))
        server.faults.append(Fault("request lost"))
        with pytest.raises(Unreachable):
            await me.client.pull()
        assert len(await me.store.rows("dogs")) == 6
        await me.client.pull()
        assert len(await me.store.rows("dogs")) == 6


async def test_a_wrong_checksum_resyncs_once_and_then_is_an_error(
    server: ReferenceServer, path: Path
) -> None:
    server.put("dogs", "a", {"n": 1})
    async with phone(server, path) as me:
        server.corrupt_checksums = 1
        assert (await me.client.pull()).resynced
        server.corrupt_checksums = 2
        with pytest.raises(ChecksumMismatch):
            await me.client.pull()
        assert not (await me.client.pull()).resynced


async def test_nonsense_from_the_server_is_a_typed_error(
    server: ReferenceServer, path: Path
) -> None:
    async with phone(server, path) as me:
        await me.write(1)
        server.faults.extend([Fault("nonsense"), Fault("error", status=418)])
        with pytest.raises(ProtocolViolation):
            await me.client.push()
        with pytest.raises(RequestRefused):
            await me.client.push()
        assert (await me.client.push()).applied == 1


async def test_a_diary_stamp_is_later_than_one_seen_from_another_phone(
    server: ReferenceServer, path: Path
) -> None:
    entry = uuid7()
    theirs = f"{NOW + 60_000:015d}-0003-{uuid7()}"
    doc: dict[str, Any] = {"entry_id": entry, "field": "text", "hlc": theirs}
    server.put("diary", entry, doc)
    async with phone(server, path) as me:
        await me.client.pull()
        await me.store.set_diary(entry, None, "2026-11-21", "text", "산책", NOW)
        payload = (await me.store.facts())[-1].fact.payload
        assert f'"hlc":"{NOW + 60_000:015d}-0004-' in payload


async def test_follow_pulls_when_poked(server: ReferenceServer, path: Path) -> None:
    async with phone(server, path) as me:
        reports = me.client.follow()
        await anext(reports)
        server.put("dogs", "a", {"n": 1})
        assert (await anext(reports)).changed == {"dogs": 1}
        await reports.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(12))
async def test_random_histories_apply_every_fact_once(
    server: ReferenceServer, tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    kinds = ["request lost", "response lost", "response cut", "duplicate", "error"]
    written = 0
    backup = server.backup()
    async with phone(server, tmp_path / "a") as a, phone(server, tmp_path / "b") as b:
        for _ in range(12):
            me = random.choice([a, b])
            count = random.randrange(6)
            await me.write(count)
            written += count
            if random.random() < 0.15:
                server.restore(backup)
            if random.random() < 0.2:
                backup = server.backup()
            server.faults.extend(Fault(random.choice(kinds)) for _ in range(random.randrange(7)))
            with suppress(Unreachable, ServerUnavailable):
                await me.client.sync()
        server.faults.clear()
        for me in (a, b, a):
            await me.client.sync()
        assert await a.store.checksums() == await b.store.checksums()
    each_once(server, written)


async def test_the_server_corrects_the_prediction(server: ReferenceServer, path: Path) -> None:
    async with phone(server, path) as me:
        recorder = WalkRecorder(me.store)
        fixes = simulate("walk", 3, duration_s=900).fixes
        walk_id = await recorder.start([], int(fixes.t_ms[0]))
        await recorder.replay(fixes)
        end = await recorder.finish(int(fixes.t_ms[-1]))
        first = await me.client.sync()
        assert first.corrections == ()  # the server has not judged it yet
        decided = [*end.predicted_cells[1:], "8b30e1d8c0b1fff"]
        doc = {
            "walk_id": walk_id,
            "state": "finished",
            "started_at_ms": int(fixes.t_ms[0]),
            "distance_m": 900.0,
            "counts_for_board": True,
            "captured": decided,
        }
        server.put("walks", walk_id, doc)
        (correction,) = (await me.client.sync()).corrections
        assert correction.predicted_cells == len(end.predicted_cells) > 5
        assert correction.missing == (end.predicted_cells[0],)
        assert correction.extra == ("8b30e1d8c0b1fff",)
        assert (await me.client.sync()).corrections == ()


async def test_a_walk_left_open_by_another_phone_is_known_from_the_pull(
    server: ReferenceServer, tmp_path: Path
) -> None:
    async with phone(server, tmp_path / "a") as a, phone(server, tmp_path / "b") as b:
        walk_id = await WalkRecorder(a.store).start([], NOW)
        await a.client.sync()
        await b.client.sync()
        recorder = WalkRecorder(b.store)
        assert [doc.walk_id for doc in await recorder.other_open_walks()] == [walk_id]
        await recorder.finish_other(walk_id, NOW)
        assert (await b.client.sync()).push.applied == 1
