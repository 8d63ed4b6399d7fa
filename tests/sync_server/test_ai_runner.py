"""Which job is blamed when a worker dies: the one under way, not those that wait beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sync_server.ai.contract import JobRequest
from sync_server.ai.executors import Executors
from sync_server.ai.runner import SUSPECT, Runner
from sync_server.ai.stages import Json, Pipeline, Stage, StageContext
from sync_server.ai.store import AiStore, Words
from sync_server.platform.database import Database

pytestmark = pytest.mark.anyio
WORDS = Words("가", "a")
Work = Callable[[], Awaitable[Json]]


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[AiStore]:
    made = AiStore(Database(database_url))
    await made.open()
    yield made
    await made.close()


class Unkept:
    """The steps of a run that nobody repeats."""

    async def run_stage(self, name: str, work: Work) -> Json:
        return await work()

    def reserve(self, name: str) -> Callable[[Work], Awaitable[Json]]:
        return lambda work: work()


async def test_a_suspect_between_two_stages_is_not_blamed_for_what_the_other_kills(
    store: AiStore, tmp_path: Path
) -> None:
    entered = {"sound": asyncio.Event(), "poison": asyncio.Event()}
    goes_on = {"sound": asyncio.Event(), "poison": asyncio.Event()}

    async def first(context: StageContext, state: Json) -> Json:
        entered[context.job.job_id].set()
        await goes_on[context.job.job_id].wait()
        return {}

    async def second(context: StageContext, state: Json) -> Json:
        return {}

    stages = (
        Stage("FIRST", (0, 50), "가", "a", first, 60.0),
        Stage("SECOND", (50, 100), "가", "a", second, 60.0),
    )
    pipeline = Pipeline("GAIT_ANALYSIS", "v", stages, lambda *_: {}, "finished")
    executors = Executors(store, 60_000)
    await executors.register("one", "worker", "here")
    for job_id in entered:
        request = JobRequest(job_id, "GAIT_ANALYSIS", video_url="https://a/b")
        await store.add("healthcare", request, "hash", ("",), WORDS)
        assert await store.begin(job_id, 0, "one", "v")
    for _ in range(SUSPECT):
        for job_id in entered:
            await store.stage_started(job_id, 0, 0, "FIRST", 0, WORDS, "one")
        assert len(await executors.count_crashes("one")) == 2

    runner = Runner(store, {"GAIT_ANALYSIS": pipeline}, None, tmp_path, "one")
    runs = [asyncio.create_task(runner.body("sound", Unkept()))]
    await asyncio.wait_for(entered["sound"].wait(), 30)
    runs.append(asyncio.create_task(runner.body("poison", Unkept())))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(entered["poison"].wait(), 0.3)  # suspects go one at a time
    goes_on["sound"].set()
    await asyncio.wait_for(entered["poison"].wait(), 30)
    # Here the worker dies, while the sound job waits for its second stage.
    (blamed,) = await executors.count_crashes("one")
    assert (blamed.job_id, blamed.count) == ("poison", SUSPECT + 1)

    goes_on["poison"].set()
    await asyncio.wait_for(asyncio.gather(*runs), 30)
    ended = [await store.job(job_id) for job_id in entered]
    assert [job.status for job in ended if job] == ["succeeded", "succeeded"]
