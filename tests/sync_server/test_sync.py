"""Push and pull by the rules of docs/sync-protocol.md."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import DiarySet, Fact, WalkStart, make_fact
from edge_sdk.sync.hashes import row_checksum
from game_engine.rules import CURRENT_RULES
from sync_server.platform import facts as platform_facts
from sync_server.sync import service
from tests.support.app import Server, running
from tests.support.walks import Log, straight, walk_bodies

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path) as started:
        yield started


def diary(log: Log, text: str, at_ms: int, entry_id: str | None = None) -> DiarySet:
    stamp = f"{at_ms:015d}-0000-{log.phone.client_id}"
    return DiarySet(entry_id or uuid7(), None, "2026-11-18", "text", text, stamp)


async def test_a_push_again_gives_the_same_answer_and_changes_nothing(server: Server) -> None:
    log = await Log.of(server)
    facts = log.add(*walk_bodies(straight(server.clock.now_ms - 600_000)))
    first = await log.send(facts)
    pulled = await log.pull()
    server.clock.advance(s=60)
    second = await log.send(facts)
    assert second["results"] == first["results"]
    assert (await log.pull())["changes"] == pulled["changes"]


async def test_the_same_push_at_once_from_twenty_connections_counts_once(server: Server) -> None:
    log = await Log.of(server)
    facts = log.add(*walk_bodies(straight(server.clock.now_ms - 600_000)))
    answers = await asyncio.gather(*(log.send(facts) for _ in range(20)))
    assert all(answer["results"] == answers[0]["results"] for answer in answers)
    territory = await log.get("/api/territory/me")
    assert all(cell["strength"] == 1 for cell in territory["cells"])


async def test_a_gap_says_what_the_server_has(server: Server) -> None:
    log = await Log.of(server)
    facts = log.add(*(diary(log, f"{n}", server.clock.now_ms + n) for n in range(4)))
    await log.send(facts[:1])
    answer = await log.send(facts[2:], status=409)
    assert answer["code"] == "gap" and answer["last"] == 1
    assert (await log.send(facts[1:]))["last"] == 4


async def test_another_fact_under_a_used_number_is_a_cloned_device(server: Server) -> None:
    log = await Log.of(server)
    await log.send(log.add(diary(log, "one", server.clock.now_ms)))
    other = make_fact(1, diary(log, "two", server.clock.now_ms))
    assert (await log.send([other], status=409))["code"] == "seq_reused"


async def test_a_refused_fact_consumes_its_number_and_keeps_its_payload(server: Server) -> None:
    log = await Log.of(server)
    broken = Fact(
        1, "walk.start", '{"walk_id": 7}', service.fact_hash("walk.start", '{"walk_id": 7}')
    )
    unknown = Fact(2, "cat.meow", "{}", service.fact_hash("cat.meow", "{}"))
    future = WalkStart(uuid7(), [], server.clock.now_ms, "2999.9", "live")
    stranger = WalkStart(uuid7(), [uuid7()], server.clock.now_ms, CURRENT_RULES, "live")
    good = diary(log, "still here", server.clock.now_ms)
    facts = [broken, unknown, make_fact(3, future), make_fact(4, stranger), make_fact(5, good)]
    answer = await log.send(facts)
    codes = [(result["status"], result["code"]) for result in answer["results"]]
    assert codes == [
        ("refused", "malformed"), ("refused", "unknown_type"),
        ("refused", "unknown_rules_version"), ("refused", "not_your_dog"), ("applied", "ok"),
    ]  # fmt: skip
    async with server.platform.database.read() as tx:
        kept = await tx.fetch_all("SELECT seq, refused_payload FROM sync_fact ORDER BY seq")
    assert [row["refused_payload"] is not None for row in kept] == [True] * 4 + [False]
    assert kept[0]["refused_payload"] == broken.payload


async def test_a_wrong_hash_is_refused_and_the_queue_goes_on(server: Server) -> None:
    log = await Log.of(server)
    fact = make_fact(1, diary(log, "x", server.clock.now_ms))
    wrong = msgspec.structs.replace(fact, hash="0" * 64)
    after = make_fact(2, diary(log, "y", server.clock.now_ms))
    answer = await log.send([wrong, after])
    assert [r["code"] for r in answer["results"]] == ["hash_mismatch", "ok"]


async def test_a_fact_that_breaks_the_server_does_not_block_those_behind_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await Log.of(server)
    facts = log.add(diary(log, "one", server.clock.now_ms), diary(log, "two", server.clock.now_ms))

    async def stumble(
        context: platform_facts.FactContext, fact: DiarySet
    ) -> platform_facts.Outcome:
        await context.tx.execute("UPDATE sync_clock SET epoch = 'half done'")
        if fact.value == "one":
            raise LookupError("a bug")
        return {}

    from sync_server import domains

    kind = platform_facts.FactKind(DiarySet, stumble)
    monkeypatch.setitem(domains.FACTS, "diary.set", kind)
    answer = await log.send(facts[:1])
    assert [r["code"] for r in answer["results"]] == ["server_fault"]
    assert answer["epoch"] != "half done"
    assert (await log.send(facts[1:]))["results"][0]["status"] == "applied"


async def test_without_location_consent_a_walk_waits_and_is_not_lost(server: Server) -> None:
    log = await Log.of(server, consent=False)
    facts = log.add(*walk_bodies(straight(server.clock.now_ms - 600_000)))
    assert (await log.send(facts, status=403))["code"] == "consent_required"
    from tests.support.walks import give_consent

    await give_consent(server, log.phone)
    assert (await log.send(facts))["last"] == len(facts)


async def test_a_device_of_another_user_is_unknown(server: Server) -> None:
    mine, theirs = await Log.of(server), await Log.of(server)
    mine.phone.client_id = theirs.phone.client_id
    answer = await mine.send([make_fact(1, diary(mine, "x", 1))], status=404)
    assert answer["code"] == "unknown_client"


async def test_pull_pages_hold_every_row_once(server: Server) -> None:
    log = await Log.of(server)
    for n in range(12):
        log.add(diary(log, f"{n}", server.clock.now_ms + n))
        if n % 3 == 0:
            await log.push()
    await log.push()
    seen: list[str] = []
    cursor = None
    while True:
        page = await log.pull(cursor, limit=4)
        seen += [row["id"] for rows in page["changes"].values() for row in rows]
        cursor = page["cursor"]
        if not page["more"]:
            break
        assert page["checksums"] is None
    assert len(seen) == len(set(seen)) == 12
    assert not (await log.pull(cursor))["changes"]


async def test_checksums_are_those_of_the_documents(server: Server) -> None:
    log = await Log.of(server)
    log.add(*walk_bodies(straight(server.clock.now_ms - 600_000)))
    log.add(diary(log, "산책 좋았다 🐕", server.clock.now_ms))
    await log.push()
    page = await log.pull()
    for collection, rows in page["changes"].items():
        total = sum(row_checksum(collection, row["id"], row["doc"]) for row in rows)
        assert page["checksums"][collection] == {"count": len(rows), "sum": total}


async def test_a_cursor_of_another_epoch_or_of_the_future_must_resync(server: Server) -> None:
    log = await Log.of(server)
    for cursor in ("nonsense!", service.encode_cursor("other", 1),
                   service.encode_cursor((await log.pull())["epoch"], 2**50), "AAAA"):  # fmt: skip
        answer = await server.client.get(
            "/api/sync/pull", params={"cursor": cursor}, headers=log.phone.headers
        )
        assert answer.status_code == 410 and answer.json()["code"] == "resync"


async def test_old_tombstones_go_and_old_cursors_with_them(server: Server) -> None:
    log = await Log.of(server)
    start = (await log.pull())["cursor"]
    walk_id = await log.walk(straight(server.clock.now_ms - 600_000))
    async with server.platform.database.transaction() as tx:
        from sync_server.platform import feed

        user_no = await tx.fetch_value("SELECT user_no FROM walk WHERE walk_id = ?", walk_id)
        await feed.publish(tx, user_no, "walks", walk_id, None, server.clock.now_ms)
    fresh = (await log.pull(start))["cursor"]
    server.clock.advance(days=91)
    await service.sweep(server.platform, server.clock.now_ms)
    answer = await server.client.get(
        "/api/sync/pull",
        params={"cursor": start},
        headers=(await _again(server, log)),
    )
    assert answer.status_code == 410
    answer = await server.client.get(
        "/api/sync/pull", params={"cursor": fresh}, headers=(await _again(server, log))
    )
    assert answer.status_code == 200


async def _again(server: Server, log: Log) -> dict[str, str]:
    """A token that is valid at the moved clock."""
    reader = server.platform.signer.read_access_token
    async with server.platform.database.read() as tx:
        number = await tx.fetch_value(
            "SELECT user_no FROM app_user WHERE user_id = ?", log.phone.user_id
        )
    from sync_server.platform.tokens import CurrentUser

    user = CurrentUser(number, log.phone.user_id, log.phone.client_id)
    token = server.platform.signer.access_token(user)
    assert reader(token) == user
    return {"Authorization": f"Bearer {token}"}


async def test_concurrent_writers_leave_no_hole_in_the_pull(server: Server) -> None:
    """A reader that pulls all the time sees every row, also of transactions that overlap."""
    log = await Log.of(server)
    phones = [log]
    for _ in range(4):
        client_id = uuid7()
        answer = await server.client.post(
            "/api/auth/clients",
            json={"client_id": client_id, "device_name": "more"},
            headers=log.phone.headers,
        )
        assert answer.status_code == 201, answer.text
        phone = type(log.phone)(log.phone.user_id, client_id, log.phone.headers)
        phones.append(Log(server, phone))
    seen: set[str] = set()
    done = asyncio.Event()

    async def read() -> None:
        cursor = None
        while True:
            last_round = done.is_set()
            page = await log.pull(cursor)
            cursor = page["cursor"]
            seen.update(row["id"] for row in page["changes"].get("diary", []))
            if last_round:
                return
            await asyncio.sleep(0)

    async def write(phone: Log) -> None:
        for n in range(15):
            phone.add(diary(phone, f"{n}", server.clock.now_ms + n))
            await phone.push()

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write(phone) for phone in phones))
    done.set()
    await reader
    assert len(seen) == 75


async def test_oversize_and_odd_pushes_are_problems(server: Server) -> None:
    log = await Log.of(server)
    headers = {**log.phone.headers, "content-type": "application/json"}
    for body, status in (
        (b"{", 400), (b"[]", 400), (b"", 400), (b'{"client_id": "x", "facts": []}', 400),
        (b'{"client_id": "' + log.phone.client_id.encode() + b'", "facts": [], "x": 1}', 400),
        (b" " * 600_000, 413),
    ):  # fmt: skip
        answer = await server.client.post("/api/sync/push", content=body, headers=headers)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"].startswith("application/problem+json")
