"""What the AI store and the engine's port promise when things come twice, late or from the dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from sync_server.ai.contract import Event, JobRequest, Progress
from sync_server.ai.dispatcher import Dispatcher
from sync_server.ai.engine import RunState
from sync_server.ai.executors import Executors
from sync_server.ai.orchestrator import CANCELLED, MAX_LOST_RUNS, Orchestrator
from sync_server.ai.outbox import Outbox
from sync_server.ai.store import AiStore, Ending, JobRow, Words, real_ms
from sync_server.platform.database import Database
from sync_server.platform.settings import Settings

pytestmark = pytest.mark.anyio
WORDS = Words("가", "a")


class Time:
    """Real time that a test can move on."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return real_ms() + self.ahead_ms


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[AiStore]:
    made = AiStore(Database(database_url), now=Time())
    await made.open()
    yield made
    await made.close()


def later(store: AiStore, ms: int) -> None:
    assert isinstance(store.now, Time)
    store.now.ahead_ms += ms


async def add(store: AiStore, job_id: str, parts: Sequence[str] = ("",)) -> None:
    request = JobRequest(job_id, "GAIT_ANALYSIS", video_url="https://a/b")
    await store.add("healthcare", request, "hash", parts, WORDS)


async def begun(store: AiStore, job_id: str = "j1", parts: Sequence[str] = ("",)) -> Executors:
    """A job under way at executor `one`, whose lease lasts a second."""
    executors = Executors(store, 1_000)
    await executors.register("one", "worker", "here")
    await add(store, job_id, parts)
    assert await store.begin(job_id, 0, "one", "v")
    return executors


async def job(store: AiStore, job_id: str = "j1") -> JobRow:
    found = await store.job(job_id)
    assert found is not None
    return found


async def events(store: AiStore, job_id: str = "j1") -> list[str]:
    return [event.event_type for event in await Outbox(store, "reader").waiting(job_id)]


def success(value: int) -> Ending:
    event = Event("COMPLETE", "finished", Progress("FINALIZING", 100, "ok"), {"value": value})
    return Ending("succeeded", event, {"value": value})


async def test_a_job_ends_once_whoever_says_so_twice(store: AiStore) -> None:
    await begun(store)
    assert await store.finish("j1", 0, success(1))
    assert not await store.finish("j1", 0, success(2))
    assert await store.cancel("j1", CANCELLED) is None
    assert not await store.give_up("j1", 0, success(3))
    assert not await store.begin("j1", 0, "one", "v")
    assert not await store.progress("j1", 0, 0, "FINALIZING", 99, "late")
    assert (await job(store)).result == {"value": 1}
    assert await events(store) == ["STATUS", "COMPLETE"]


async def test_many_ends_at_once_leave_one(store: AiStore) -> None:
    await begun(store)
    told = await asyncio.gather(*(store.finish("j1", 0, success(n)) for n in range(8)))
    assert sum(told) == 1
    assert await events(store) == ["STATUS", "COMPLETE"]


async def test_a_second_result_replaces_the_first_once(store: AiStore) -> None:
    await begun(store)
    event = success(2).event
    assert not await store.amend("j1", 0, {"value": 0}, event), "the first comes first"
    await store.finish("j1", 0, success(1))
    assert await store.amend("j1", 0, {"value": 2}, event)
    assert not await store.amend("j1", 0, {"value": 3}, event)
    assert (await job(store)).result == {"value": 2}
    assert await events(store) == ["STATUS", "COMPLETE", "COMPLETE"]


async def test_percent_is_the_mean_of_the_parts_and_never_goes_back(store: AiStore) -> None:
    await begun(store, parts=("a", "b"))
    assert await store.stage_started("j1", 0, 0, "S", 60, WORDS, "one") == "started"
    assert (await job(store)).percent == 30
    await store.progress("j1", 0, 0, "S", 20, "back")
    assert (await job(store)).percent == 30
    await store.stage_started("j1", 0, 1, "S", 100, WORDS, "one")
    assert (await job(store)).percent == 79  # 100 is for what is done: (60 + 99) // 2
    assert await store.stage_started("j1", 0, 1, "S", 10, WORDS, "one") == "again"


async def test_who_is_taken_for_dead_starts_no_stage_and_is_counted_once(store: AiStore) -> None:
    executors = await begun(store)
    await store.stage_started("j1", 0, 0, "S", 5, WORDS, "one")
    await executors.register("two", "worker", "there")
    assert await executors.dead("two") == []
    later(store, 1_500)
    assert await executors.renew("two")
    assert await executors.dead("two") == ["one"]
    assert await executors.claim("one", "two")
    assert not await executors.renew("one"), "the dead one hears that it is dead"
    assert await store.stage_started("j1", 0, 0, "T", 9, WORDS, "one") == "fenced"
    (crashed,) = await executors.count_crashes("one")
    assert (crashed.job_id, crashed.count) == ("j1", 1)
    assert await executors.count_crashes("one") == []
    await executors.remove("one")
    assert await store.stage_started("j1", 0, 0, "T", 9, WORDS, "one") == "fenced"
    assert await store.stage_started("j1", 0, 0, "S", 5, WORDS, "two") == "again"
    assert (await job(store)).crash_count == 1
    await store.stage_started("j1", 0, 0, "T", 9, WORDS, "two")
    assert (await job(store)).crash_count == 0, "a stage passed is progress"


async def test_who_dies_while_a_part_waits_for_its_next_attempt_is_not_its_fault(
    store: AiStore,
) -> None:
    executors = await begun(store, parts=("a", "b"))
    await executors.register("two", "worker", "there")
    await store.stage_started("j1", 0, 0, "S", 5, WORDS, "one")
    await store.stage_left("j1", 0)
    later(store, 1_500)
    assert await executors.renew("two")
    assert await executors.claim("one", "two")
    assert await executors.count_crashes("one") == []
    assert await store.stage_started("j1", 0, 0, "S", 5, WORDS, "two") == "again"
    later(store, 1_500)
    await executors.register("three", "worker", "there")
    assert await executors.claim("two", "three")
    (crashed,) = await executors.count_crashes("two")
    assert crashed.count == 1, "in its next attempt it is suspected as before"


async def test_of_two_takers_one_wins_and_a_dead_taker_is_followed(store: AiStore) -> None:
    executors = await begun(store)
    later(store, 1_500)
    won = await asyncio.gather(executors.claim("one", "two"), executors.claim("one", "three"))
    assert sorted(won) == [False, True]
    later(store, 20_000)
    assert await executors.claim("one", "four")


async def test_only_the_first_of_the_living_takes_over(store: AiStore) -> None:
    executors = await begun(store)
    await executors.register("two", "worker", "there")
    await executors.register("three", "worker", "there")
    later(store, 1_500)
    await executors.renew("two")
    await executors.renew("three")
    assert await executors.dead("three") == []
    assert await executors.dead("two") == ["one"]


async def test_a_lane_is_one_processs_until_it_lets_go_or_dies(store: AiStore) -> None:
    await add(store, "j1")
    one, two = Outbox(store, "one"), Outbox(store, "two")
    claims = await asyncio.gather(one.claim(5, True, True), two.claim(5, True, True))
    assert sorted(len(claim) for claim in claims) == [0, 1]
    later(store, 40_000)
    assert len(await two.claim(5, True, True)) == 1, "its holder has died"
    assert not await one.delivered("j1", 1), "and must not go on"


async def test_an_event_that_comes_while_a_lane_is_let_go_is_not_forgotten(
    store: AiStore,
) -> None:
    await begun(store)
    outbox = Outbox(store, "one")
    await outbox.claim(5, True, True)
    (first,) = await outbox.waiting("j1")
    await outbox.delivered("j1", first.seq)
    await store.finish("j1", 0, success(1))  # between the last look and letting go
    await outbox.let_go("j1", first.seq, None)
    assert len(await outbox.claim(5, True, True)) == 1
    assert [event.event_type for event in await outbox.waiting("j1")] == ["COMPLETE"]


async def test_what_has_ended_and_is_delivered_is_forgotten_after_its_time(store: AiStore) -> None:
    await begun(store)
    await add(store, "open")
    await store.finish("j1", 0, success(1))
    assert await store.forget(real_ms() + 1_000) == 0, "the backend does not know yet"
    outbox = Outbox(store, "one")
    for lane in await outbox.claim(5, True, True):
        last = (await outbox.waiting(lane.job_id))[-1].seq
        for event in await outbox.waiting(lane.job_id):
            await outbox.delivered(lane.job_id, event.seq)
        await outbox.let_go(lane.job_id, last, None)
    assert await store.forget(real_ms() - 60_000) == 0
    assert await store.forget(real_ms() + 1_000) == 1
    assert await store.job("j1") is None and await store.job("open") is not None


class Engine:
    """An engine whose runs a test sets by hand; keeps what it was asked."""

    def __init__(self) -> None:
        self.runs: dict[str, RunState] = {}
        self.submitted: list[str] = []

    async def submit(self, run_id: str, priority: int) -> None:
        self.submitted.append(run_id)
        self.runs.setdefault(run_id, "waiting")

    async def cancel(self, run_id: str) -> None:
        self.runs[run_id] = "ended"

    async def states(self, run_ids: Sequence[str]) -> Mapping[str, RunState]:
        return {run_id: self.runs[run_id] for run_id in run_ids if run_id in self.runs}

    async def orphans(self, living: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {}

    async def takeover(self, executor_id: str) -> Sequence[str]:
        return []

    async def forget(self, before_ms: int) -> int:
        return 0

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def orchestrator(store: AiStore, tmp_path: Path) -> tuple[Orchestrator, Engine]:
    engine = Engine()
    dispatcher = Dispatcher(store, "one", None, lambda: [])
    settings = Settings(data_dir=str(tmp_path))
    return Orchestrator(settings, store, engine, {}, dispatcher, inside=True), engine


async def test_a_row_the_engine_was_not_told_of_is_enqueued(
    store: AiStore, orchestrator: tuple[Orchestrator, Engine]
) -> None:
    made, engine = orchestrator
    await add(store, "j1")  # and the process that wrote it died here
    assert await made.enqueue_waiting()
    assert engine.submitted == ["j1"]
    assert not await made.enqueue_waiting()


async def test_a_run_the_engine_has_forgotten_is_enqueued_again(
    store: AiStore, orchestrator: tuple[Orchestrator, Engine]
) -> None:
    made, engine = orchestrator
    await add(store, "j1")
    await made.enqueue_waiting()
    engine.runs.clear()
    later(store, 60_000)
    await made.reconcile()
    assert engine.submitted == ["j1", "j1"]


async def test_a_run_that_ended_without_its_job_is_done_anew_and_in_the_end_given_up(
    store: AiStore, orchestrator: tuple[Orchestrator, Engine]
) -> None:
    made, engine = orchestrator
    await add(store, "j1")
    for _ in range(MAX_LOST_RUNS + 1):
        await made.enqueue_waiting()
        engine.runs = dict.fromkeys(engine.runs, "ended")
        later(store, 60_000)
        await made.reconcile()
    assert engine.submitted == ["j1", "j1/1", "j1/2", "j1/3"]
    ended = await job(store)
    assert (ended.status, ended.code, ended.failure_type) == (
        "failed", "INTERNAL_ERROR", "SYSTEM_ERROR"
    )  # fmt: skip
    assert await events(store) == ["STATUS", "FAILED"]


async def test_it_stops_though_there_is_news_at_that_moment(
    store: AiStore, orchestrator: tuple[Orchestrator, Engine]
) -> None:
    made, _ = orchestrator
    made.start()
    await asyncio.sleep(0.05)
    store.on_event()  # wakes the deliveries
    store.on_queued()  # and the filling, and in the same turn of the loop both are cancelled
    await asyncio.wait_for(made.stop(), 10)


@pytest.mark.parametrize("turns", range(8))
async def test_deliveries_stop_whatever_turn_the_news_comes_in(store: AiStore, turns: int) -> None:
    dispatcher = Dispatcher(store, "one", None, lambda: [])
    dispatcher.start()
    await asyncio.sleep(0.05)
    stopping = asyncio.create_task(dispatcher.stop())
    dispatcher.wake()
    for _ in range(turns):
        await asyncio.sleep(0)
        dispatcher.wake()
    await asyncio.wait_for(stopping, 10)
