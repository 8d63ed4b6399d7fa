"""The sync client against the protocol over real HTTP, with every fault of the network."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edge_sdk import (
    ChecksumMismatch,
    HttpTransport,
    LocalStore,
    ProtocolViolation,
    RequestRefused,
    RetryPolicy,
    ServerUnavailable,
    SignInNeeded,
    SyncClient,
    Unreachable,
    WalkRecorder,
    uuid7,
)
from edge_sdk.sync.backoff import retry_after_s
from edge_sdk.sync.facts import WalkCancel, WalkStart
from edge_sdk.walk.simulate import simulate
from tests.edge_sdk.reference_server import Fault, ReferenceServer, reference_server

pytestmark = pytest.mark.anyio
NOW = 1_795_000_000_000


@pytest.fixture
async def server() -> AsyncIterator[ReferenceServer]:
    async with reference_server() as running:
        yield running


class Phone:
    """A store and its client; waits are written down, not waited for."""

    def __init__(self, store: LocalStore, client: SyncClient, waits: list[float]) -> None:
        self.store, self.client, self.waits = store, client, waits

    async def write(self, count: int) -> None:
        for _ in range(count):
            await self.store.add(WalkCancel(uuid7(), NOW), NOW)


@asynccontextmanager
async def phone(
    server: ReferenceServer, path: Path, *, sign_in: bool = True, attempts: int = 5
) -> AsyncIterator[Phone]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with await LocalStore.open(path) as store, HttpTransport(server.url) as transport:
        client = SyncClient(
            store,
            transport,
            policy=RetryPolicy(attempts=attempts),
            clock=lambda: NOW,
            sleep=sleep,
            random=Random(1).random,
        )
        if sign_in:
            await client.sign_in_guest("phone")
        yield Phone(store, client, waits)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "phone.sqlite"


def each_once(server: ReferenceServer, count: int) -> None:
    assert len(server.state.applied) == count
    assert len(set(server.state.applied)) == count


async def test_facts_are_pushed_once_in_batches_of_a_hundred(
    server: ReferenceServer, path: Path
) -> None:
    async with phone(server, path) as me:
        await me.write(250)
        report = await me.client.push()
        assert (report.sent, report.applied, report.refused) == (250, 250, ())
        assert (await me.client.push()).sent == 0
        assert (await me.store.log_state()).acked_seq == 250
    each_once(server, 250)
    assert sum("push" in line for line in server.requests) == 3


async def test_a_push_stays_within_256_kB(server: ReferenceServer, path: Path) -> None:
    async with phone(server, path) as me:
        for _ in range(12):
            await me.store.set_diary(uuid7(), None, "2026-11-21", "text", "멍" * 15_000, NOW)
        batch = await me.store.next_batch()
        assert 1 <= len(batch) < 12
        await me.client.push()
    each_once(server, 12)


@pytest.mark.parametrize(
    "fault", ["request lost", "response lost", "response cut", "duplicate", "error"]
)
async def test_no_fault_loses_or_doubles_a_fact(
    server: ReferenceServer, path: Path, fault: str
) -> None:
    async with phone(server, path) as me:
        await me.write(120)
        server.faults.extend(Fault(fault) for _ in range(3))
        await me.client.sync()
        assert (await me.store.log_state()).acked_seq == 120
        assert all(logged.result is not None for logged in await me.store.facts())
    each_once(server, 120)


async def test_waits_grow_with_full_jitter_and_then_it_gives_up(
    server: ReferenceServer, path: Path
) -> None:
    async with phone(server, path) as me:
        await me.write(1)
        server.faults.extend(Fault("request lost") for _ in range(5))
        with pytest.raises(Unreachable):
            await me.client.push()
        assert len(me.waits) == 4
        assert all(0 <= wait <= 0.5 * 2**n for n, wait in enumerate(me.waits))
        assert (await me.client.push()).applied == 1


async def test_retry_after_is_honoured(server: ReferenceServer, path: Path) -> None:
    async with phone(server, path) as me:
        await me.write(1)
        server.faults.append(Fault("error", status=429, retry_after="7"))
        await me.client.push()
        assert 7 <= me.waits[0] <= 7.5
        server.faults.append(Fault("error", status=503, retry_after="3600"))
        with pytest.raises(ServerUnavailable) as caught:
            await me.client.pull()
        assert caught.value.retry_after_s == 3600


def test_retry_after_may_be_a_date_or_nonsense() -> None:
    assert retry_after_s({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}, 10_000) == 20.0
    assert retry_after_s({"retry-after": "soon"}, 0) is None
    assert retry_after_s({}, 0) is None


async def test_an_expired_token_is_refreshed_once(server: ReferenceServer, path: Path) -> None:
    async with phone(server, path) as me:
        await me.write(1)
        server.access_tokens.clear()
        assert (await me.client.push()).applied == 1
        assert await me.store.get_meta("access_token") in server.access_tokens
        assert sum("refresh" in line for line in server.requests) == 1


async def test_nobody_signed_in_is_a_clear_error(server: ReferenceServer, path: Path) -> None:
    async with phone(server, path, sign_in=False) as me:
        with pytest.raises(SignInNeeded):
            await me.client.sync()


async def test_a_lost_sign_in_answer_is_repeated_with_the_same_secret(
    server: ReferenceServer, path: Path
) -> None:
    async with phone(server, path, sign_in=False, attempts=1) as me:
        server.faults.append(Fault("response lost", "/api/auth/"))
        with pytest.raises(Unreachable):
            await me.client.sign_in_guest("phone")
    async with phone(server, path) as me:
        await me.write(2)
        assert (await me.client.push()).applied == 2
    assert len(server.guest_secrets) == len(server.state.clients) == 1


async def test_an_id_of_another_account_is_given_up(server: ReferenceServer, path: Path) -> None:
    async with phone(server, path, sign_in=False) as me:
        await me.write(2)
        server.foreign_clients.add(me.store.client_id)
        await me.client.sign_in_guest("phone")
        assert (await me.client.push()).applied == 2
    each_once(server, 2)


async def test_a_guest_whose_refresh_token_is_used_up_signs_in_by_secret(
    server: ReferenceServer, path: Path
) -> None:
    async with phone(server, path) as me:
        server.access_tokens.clear()
        server.refresh_tokens.clear()
        await me.client.sync()
        server.access_tokens.clear()
        server.refresh_tokens.clear()
        server.refused_secrets |= server.guest_secrets
        await me.write(1)
        with pytest.raises(SignInNeeded):
            await me.client.sync()
        assert len(await me.store.facts()) == 1


async def test_a_refused_fact_is_a_result_and_blocks_nothing(
    server: ReferenceServer, path: Path
) -> None:
    dog = uuid7()
    server.refuse_dogs.add(dog)
    async with phone(server, path) as me:
        await me.write(1)
        await me.store.add(WalkStart(uuid7(), [dog], NOW, "2026.1", "live"), NOW)
        await me.write(1)
        report = await me.client.push()
        assert [(r.seq, r.code) for r in report.refused] == [(2, "not_your_dog")]
        assert report.applied == 2
        assert (await me.client.push()).sent == 0


async def test_a_restored_server_gets_the_facts_again(server: ReferenceServer, path: Path) -> None:
    async with phone(server, path) as me:
        await me.write(5)
        await me.client.sync()
        backup = server.backup()
        await me.write(10)
        await me.client.sync()
        server.restore(backup)
        await me.write(1)
        report = await me.client.sync()
        assert report.push.rewound
        each_once(server, 16)
        server.restore(backup)
        report = await me.client.sync()  # nothing new to push: the pull shows it
        assert report.push.rewound
        each_once(server, 16)


async def test_a_server_restored_to_before_this_phone_takes_it_in_again(
    server: ReferenceServer, path: Path
) -> None:
    empty = server.backup()
    async with phone(server, path) as me:
        await me.write(3)
        await me.client.sync()
        server.restore(empty)
        await me.client.sync()
        each_once(server, 3)
        server.restore(empty)
        await me.write(1)
        await me.client.sync()
        each_once(server, 4)


async def test_a_cloned_phone_takes_a_new_id_and_loses_nothing(
    server: ReferenceServer, tmp_path: Path
) -> None:
    async with phone(server, tmp_path / "a.sqlite") as a:
        await a.write(3)
        await a.client.sync()
        await a.write(2)
        first_id = a.store.client_id
    shutil.copy(tmp_path / "a.sqlite", tmp_path / "b.sqlite")
    async with (
        phone(server, tmp_path / "a.sqlite") as a,
        phone(server, tmp_path / "b.sqlite") as b,
    ):
        await a.write(4)
        await b.write(6)
        await a.client.sync()
        report = await b.client.sync()
        # The two facts written before the copy are the same on both: known, not doubled.
        assert report.push.new_client_id
        assert a.store.client_id == first_id != b.store.client_id
        each_once(server, 3 + 2 + 4 + 6)
        assert (await b.store.log_state()).acked_seq == 6
        assert (await b.client.sync()).push.sent == 0


async def test_an_old_backup_of_the_phone_finds_out_by_pulling(
    server: ReferenceServer, tmp_path: Path
) -> None:
    async with phone(server, tmp_path / "a.sqlite") as a:
        await a.write(3)
        await a.client.sync()
    shutil.copy(tmp_path / "a.sqlite", tmp_path / "old.sqlite")
    async with phone(server, tmp_path / "a.sqlite") as a:
        await a.write(3)
        await a.client.sync()
    async with phone(server, tmp_path / "old.sqlite") as old:
        await old.client.sync()
        await old.write(2)
        await old.client.sync()
        assert (await old.store.log_state()).acked_seq == 2
    each_once(server, 8)


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
