"""The sync client pushes over real HTTP, with every fault of the network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_sdk import (
    ServerUnavailable,
    SignInNeeded,
    Unreachable,
    uuid7,
)
from edge_sdk.sync.backoff import retry_after_s
from edge_sdk.sync.facts import WalkStart
from tests.edge_sdk.reference_server import Fault, ReferenceServer
from tests.support.phones import NOW, each_once, phone

pytest_plugins = ("tests.support.phone_fixtures",)
pytestmark = pytest.mark.anyio


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
