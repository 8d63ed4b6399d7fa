"""What was judged before is known again, on both databases; the first verdict stays."""

import asyncio

import msgspec
import pytest

from edge_sdk.mission.result import Mission, Verdict
from edge_sdk.references.texts import Text
from sync_server.ai.missions.judgement import Judgement
from sync_server.ai.missions.verdict_cache import STATEMENTS, StoredVerdicts, VerdictKey
from sync_server.platform.database import Database
from sync_server.platform.ddl import render

pytestmark = pytest.mark.anyio
KEY = VerdictKey("a" * 64, Mission.SIT, "embedded:1", "r1")
SAT = Judgement(
    mission=Mission.SIT, verdict=Verdict.SUCCESS, confidence=0.9,
    summary=Text("앉았습니다.", "It sat."), evidence=(), hold_duration_sec=1.5,
    judge="embedded", model="m", prompt_version="", reference_version="r1",
)  # fmt: skip
STOOD = msgspec.structs.replace(SAT, verdict=Verdict.FAIL, confidence=0.6)


@pytest.fixture
async def cache(database_url: str):  # type: ignore[no-untyped-def]
    database = Database(database_url)
    await database.open()
    async with database.transaction() as tx:
        for statement in STATEMENTS:
            await tx.execute(render(statement, tx.dialect))
    now = [1_000]
    stored = StoredVerdicts(database, lambda: now[0])
    yield stored, now, database
    await database.close()


async def test_the_first_verdict_stays_unless_it_is_to_be_replaced(cache) -> None:  # type: ignore[no-untyped-def]
    stored, _, _ = cache
    assert await stored.get(KEY) is None
    assert await stored.put(KEY, SAT, replace=False) == SAT
    assert await stored.put(KEY, STOOD, replace=False) == SAT
    assert await stored.get(KEY) == SAT
    assert await stored.put(KEY, STOOD, replace=True) == STOOD
    assert await stored.get(KEY) == STOOD


async def test_every_part_of_the_key_counts(cache) -> None:  # type: ignore[no-untyped-def]
    stored, _, _ = cache
    await stored.put(KEY, SAT, replace=False)
    for change in (
        {"video_sha256": "b" * 64}, {"mission": Mission.DOWN}, {"judge_version": "embedded:2"},
        {"reference_version": "r2"},
    ):  # fmt: skip
        assert await stored.get(msgspec.structs.replace(KEY, **change)) is None


async def test_of_many_at_once_one_wins_for_all(cache) -> None:  # type: ignore[no-untyped-def]
    stored, _, _ = cache
    tried = [msgspec.structs.replace(SAT, confidence=at / 100) for at in range(20)]
    kept = await asyncio.gather(*(stored.put(KEY, one, replace=False) for one in tried))
    assert len({one.confidence for one in kept}) == 1
    assert await stored.get(KEY) == kept[0]


async def test_old_ones_are_forgotten_and_foreign_ones_ignored(cache) -> None:  # type: ignore[no-untyped-def]
    stored, now, database = cache
    await stored.put(KEY, SAT, replace=False)
    now[0] = 5_000
    other = msgspec.structs.replace(KEY, video_sha256="c" * 64)
    await stored.put(other, SAT, replace=False)
    assert await stored.forget(5_000) == 1
    assert await stored.get(KEY) is None
    async with database.transaction() as tx:
        await tx.execute("UPDATE mission_verdict SET judgement = ?", '{"verdict": "MAYBE"}')
    assert await stored.get(other) is None
