"""Deadline, retries, breaker and budget of calls to models."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from sync_server.platform.llm.breaker import Breaker
from sync_server.platform.llm.budget import DailyBudget
from sync_server.platform.llm.errors import (
    LlmAnswerBroken,
    LlmBlocked,
    LlmBudgetSpent,
    LlmError,
    LlmNotConfigured,
    LlmRateLimited,
    LlmRefused,
    LlmTimeout,
    LlmUnavailable,
    error_of_status,
    retry_after_of,
    retry_delay_of,
)
from sync_server.platform.llm.guard import CallPolicy, Guard, Tally
from tests.support.desks import NOON_MS

POLICY = CallPolicy(deadline_s=5.0, attempt_s=5.0, attempts=3, first_wait_s=0.001)
DAY_MS = 86_400_000
pytestmark = pytest.mark.anyio


class Hands:
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def guard(folder: Path, breaker: Breaker | None = None, calls: int = 1_000) -> Guard:
    budget = DailyBudget(folder / "calls.sqlite", calls, lambda: NOON_MS)
    return Guard("test", budget, breaker or Breaker("test", 1_000), jitter=lambda: 0.0)


def failing(*errors: LlmError | None) -> Callable[[], Awaitable[str]]:
    """Fails with each error in turn, then answers."""
    left = list(errors)

    async def call() -> str:
        error = left.pop(0) if left else None
        if error is not None:
            raise error
        return "answer"

    return call


async def run(
    made: Guard, call: Callable[[], Awaitable[str]], policy: CallPolicy = POLICY
) -> tuple[str, int]:
    tally = Tally()
    ends_at = asyncio.get_running_loop().time() + policy.deadline_s
    return await made.run(call, policy, ends_at, tally), tally.calls


@pytest.mark.parametrize("kind", [LlmTimeout, LlmRateLimited, LlmUnavailable])
async def test_what_passes_is_tried_again(tmp_path: Path, kind: type[LlmError]) -> None:
    assert await run(guard(tmp_path), failing(kind("a"), kind("b"))) == ("answer", 3)
    with pytest.raises(kind):
        await run(guard(tmp_path), failing(*[kind("x")] * 3))


@pytest.mark.parametrize("kind", [LlmBlocked, LlmRefused, LlmAnswerBroken, LlmNotConfigured])
async def test_what_does_not_pass_is_not(tmp_path: Path, kind: type[LlmError]) -> None:
    tally = Tally()
    ends_at = asyncio.get_running_loop().time() + 5
    with pytest.raises(kind):
        await guard(tmp_path).run(failing(kind("x")), POLICY, ends_at, tally)
    assert tally.calls == 1


async def test_a_wait_past_the_deadline_is_not_begun(tmp_path: Path) -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(LlmRateLimited):
        await run(guard(tmp_path), failing(LlmRateLimited("x", retry_after_s=60.0)))
    assert asyncio.get_running_loop().time() - started < 5


async def test_a_call_that_hangs_ends_at_its_limit_and_is_tried_again(tmp_path: Path) -> None:
    hung = []

    async def call() -> str:
        if not hung:
            hung.append(1)
            await asyncio.sleep(60)
        return "answer"

    assert await run(guard(tmp_path), call, replace(POLICY, attempt_s=0.05)) == ("answer", 2)


async def test_all_tries_together_keep_the_deadline(tmp_path: Path) -> None:
    async def call() -> str:
        await asyncio.sleep(60)
        return ""

    started = asyncio.get_running_loop().time()
    with pytest.raises(LlmTimeout):
        await run(guard(tmp_path), call, CallPolicy(0.3, 0.2, attempts=100, first_wait_s=0.001))
    assert asyncio.get_running_loop().time() - started < 5


async def test_waits_grow_and_are_never_shorter_than_said(tmp_path: Path) -> None:
    policy = CallPolicy(60, 5, first_wait_s=2.0, growth=1.0)
    for jitter in (0.0, 0.5, 1.0):
        one = replace(guard(tmp_path), jitter=lambda jitter=jitter: jitter)
        for attempt in (1, 2):
            waited_s = one._wait_s(policy, attempt, LlmTimeout("x"))
            assert 2.0 <= waited_s <= 3.0
    doubled = [guard(tmp_path)._wait_s(CallPolicy(60, 5), n, LlmTimeout("x")) for n in (1, 2, 3)]
    assert doubled == [1.0, 2.0, 4.0]


# Breaker -----------------------------------------------------------------------------------------


async def test_the_breaker_opens_after_failures_in_a_row_and_tries_one_call_later(
    tmp_path: Path,
) -> None:
    hands = Hands()
    breaker = Breaker("test", failures_to_open=3, open_s=30.0, monotonic=hands)
    made, once = guard(tmp_path, breaker), replace(POLICY, attempts=1)
    for _ in range(3):
        with pytest.raises(LlmUnavailable):
            await run(made, failing(LlmUnavailable("down")), once)
    called = []

    async def call() -> str:
        called.append(1)
        return "answer"

    with pytest.raises(LlmUnavailable) as caught:
        await run(made, call, once)
    assert not called and caught.value.retry_after_s == pytest.approx(30)
    hands.now_s += 30
    breaker.enter()
    with pytest.raises(LlmUnavailable, match="trying"):
        breaker.enter()
    breaker.failed(LlmUnavailable("still down"))
    with pytest.raises(LlmUnavailable):
        breaker.enter()
    hands.now_s += 30
    assert await run(made, call, once) == ("answer", 1)
    assert await run(made, call, once) == ("answer", 1)


async def test_a_success_in_between_keeps_the_breaker_closed(tmp_path: Path) -> None:
    made = guard(tmp_path, Breaker("test", failures_to_open=2, monotonic=Hands()))
    for _ in range(5):
        assert await run(made, failing(LlmUnavailable("x"))) == ("answer", 2)


async def test_answers_that_we_do_not_like_do_not_open_it(tmp_path: Path) -> None:
    made = guard(tmp_path, Breaker("test", failures_to_open=1, monotonic=Hands()))
    for kind in (LlmBlocked, LlmRefused, LlmAnswerBroken):
        with pytest.raises(kind):
            await run(made, failing(kind("x")))
    assert await run(made, failing()) == ("answer", 1)


async def test_a_cancelled_call_says_nothing_about_the_service(tmp_path: Path) -> None:
    hands = Hands()
    breaker = Breaker("test", failures_to_open=1, open_s=1.0, monotonic=hands)
    breaker.enter()
    breaker.failed(LlmUnavailable("x"))
    hands.now_s += 2

    async def hang() -> str:
        await asyncio.sleep(60)
        return ""

    task = asyncio.create_task(run(guard(tmp_path, breaker), hang))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    breaker.enter()  # the one try is free again


async def test_retry_after_holds_every_call_back(tmp_path: Path) -> None:
    hands = Hands()
    breaker = Breaker("test", monotonic=hands)
    breaker.enter()
    breaker.failed(LlmRateLimited("x", retry_after_s=7.0))
    with pytest.raises(LlmRateLimited) as caught:
        breaker.enter()
    assert caught.value.retry_after_s == pytest.approx(7)
    hands.now_s += 7
    breaker.enter()


# Budget ------------------------------------------------------------------------------------------


async def test_the_budget_counts_every_call_and_starts_anew_at_midnight(tmp_path: Path) -> None:
    now = [NOON_MS]
    budget = DailyBudget(tmp_path / "calls.sqlite", 2, lambda: now[0])
    await budget.take()
    await budget.take()
    with pytest.raises(LlmBudgetSpent):
        await budget.take()
    assert await budget.used() == 2
    now[0] = (NOON_MS // DAY_MS + 1) * DAY_MS
    assert await budget.used() == 0
    await budget.take()


async def test_retries_are_paid_calls_too(tmp_path: Path) -> None:
    made = guard(tmp_path, calls=2)
    with pytest.raises(LlmBudgetSpent):
        await run(made, failing(LlmUnavailable("x"), LlmUnavailable("x")))


def test_a_budget_is_kept_by_many_at_once(tmp_path: Path) -> None:
    budgets = [DailyBudget(tmp_path / "calls.sqlite", 50, lambda: NOON_MS) for _ in range(8)]

    def take(number: int) -> bool:
        try:
            asyncio.run(budgets[number % 8].take())
        except LlmBudgetSpent:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(take, range(120)))
    assert sum(taken) == 50


async def test_no_budget_means_no_call(tmp_path: Path) -> None:
    with pytest.raises(LlmBudgetSpent):
        await DailyBudget(tmp_path / "calls.sqlite", 0, lambda: NOON_MS).take()


async def test_what_cannot_be_counted_is_not_spent(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(LlmUnavailable):
        await DailyBudget(path, 10, lambda: NOON_MS).take()


async def test_old_days_are_forgotten(tmp_path: Path) -> None:
    now = [NOON_MS]
    budget = DailyBudget(tmp_path / "calls.sqlite", 9, lambda: now[0])
    for _ in range(60):
        await budget.take()
        now[0] += DAY_MS
    with sqlite3.connect(tmp_path / "calls.sqlite") as store:
        (days,) = store.execute("SELECT count(*) FROM llm_calls").fetchone()
    assert days <= 42


# Errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, LlmRefused), (401, LlmNotConfigured), (402, LlmNotConfigured), (403, LlmNotConfigured),
     (404, LlmNotConfigured), (408, LlmTimeout), (413, LlmRefused), (422, LlmRefused),
     (429, LlmRateLimited), (500, LlmUnavailable), (502, LlmUnavailable), (503, LlmUnavailable),
     (504, LlmTimeout), (307, LlmRefused)],
)  # fmt: skip
async def test_a_status_has_one_meaning(status: int, kind: type[LlmError]) -> None:
    assert type(error_of_status(status)) is kind


async def test_retry_after_is_read_in_all_its_forms() -> None:
    assert retry_after_of({"retry-after": "7"}) == 7
    assert retry_after_of({"retry-after": " 1.5 "}) == 1.5
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < (retry_after_of({"retry-after": later}) or 0) <= 30
    assert retry_after_of({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after_of({"retry-after": "999999"}) == 3_600
    for nothing in ("", "soon", "-3", "nan", "1e9", "１"):
        assert retry_after_of({"retry-after": nothing}) is None
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38.2s"}
    assert retry_delay_of({"error": {"details": [{"@type": "other"}, info]}}) == 38.2
    for body in (None, [], {}, {"error": None}, {"error": {"details": [{"retryDelay": 7}]}}):
        assert retry_delay_of(body) is None
