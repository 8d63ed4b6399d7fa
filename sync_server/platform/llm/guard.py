"""What stands before every call: deadline, retries inside it, breaker, daily budget."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from sync_server.platform.llm.breaker import Breaker
from sync_server.platform.llm.budget import Budget
from sync_server.platform.llm.errors import LlmError, LlmRateLimited, LlmTimeout, LlmUnavailable
from sync_server.platform.llm.metrics import LLM_CALLS

Result = TypeVar("Result")
_SHORTEST_TRY_S: Final = 0.05


@dataclass(frozen=True)
class CallPolicy:
    """How long and how often to try.

    `deadline_s` bounds everything: tries, waits, the repair of a broken answer. One try takes at
    most `attempt_s`. Between tries: `first_wait_s`, times `growth` each time, plus up to half of it
    at random, so that workers which failed together do not come back together; a Retry-After
    instead where the service gave one. A wait that would end past the deadline is not begun.
    """

    deadline_s: float
    attempt_s: float
    attempts: int = 3
    first_wait_s: float = 1.0
    growth: float = 2.0


@dataclass
class Tally:
    """How many calls a question has cost so far."""

    calls: int = 0


@dataclass(frozen=True)
class Guard:
    """The one way to call a provider. `jitter` gives numbers of 0..1."""

    provider: str
    budget: Budget
    breaker: Breaker
    jitter: Callable[[], float] = field(default=random.random)

    async def run(
        self,
        call: Callable[[], Awaitable[Result]],
        policy: CallPolicy,
        ends_at: float,
        tally: Tally,
    ) -> Result:
        """Call until it succeeds, fails for good, or the tries or the time are used up.

        `ends_at` is the deadline on the event loop's clock. Raises the last `LlmError`.
        """
        loop = asyncio.get_running_loop()
        for attempt in range(1, policy.attempts + 1):
            remaining_s = ends_at - loop.time()
            if remaining_s < _SHORTEST_TRY_S:
                raise LlmTimeout("no time left")
            try:
                return await self._once(call, min(policy.attempt_s, remaining_s), tally)
            except LlmError as error:
                if not error.passing or attempt == policy.attempts:
                    raise
                wait_s = self._wait_s(policy, attempt, error)
                if loop.time() + wait_s + _SHORTEST_TRY_S > ends_at:
                    raise
            await asyncio.sleep(wait_s)
        raise AssertionError("a policy allows one attempt or more")

    async def _once(
        self, call: Callable[[], Awaitable[Result]], limit_s: float, tally: Tally
    ) -> Result:
        self.breaker.enter()
        try:
            await self.budget.take()
            tally.calls += 1
            async with asyncio.timeout(limit_s):
                result = await call()
        except TimeoutError:
            late = LlmTimeout("no answer in time")
            self.note(late)
            raise late from None
        except LlmError as error:
            self.note(error)
            raise
        except BaseException:
            self.breaker.left()
            raise
        self.breaker.succeeded()
        LLM_CALLS.labels(self.provider, "ok").inc()
        return result

    def note(self, error: LlmError) -> None:
        """Count a failure, and tell the breaker of it."""
        LLM_CALLS.labels(self.provider, error.code).inc()
        if isinstance(error, LlmTimeout | LlmUnavailable | LlmRateLimited):
            self.breaker.failed(error)
        elif error.code == "llm_budget_spent":
            self.breaker.left()
        else:
            self.breaker.succeeded()

    def _wait_s(self, policy: CallPolicy, attempt: int, error: LlmError) -> float:
        if error.retry_after_s is not None:
            return error.retry_after_s
        wait_s = policy.first_wait_s * policy.growth ** (attempt - 1)
        return float(wait_s * (1.0 + 0.5 * self.jitter()))
