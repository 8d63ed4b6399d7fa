"""A circuit breaker: after failures in a row, calls are held back for a while.

Its state is this process's own: each worker learns of an outage by a few calls of its own, which
is cheaper than a table that every call would read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sync_server.platform.llm.errors import LlmError, LlmRateLimited, LlmUnavailable
from sync_server.platform.llm.metrics import LLM_BREAKER


@dataclass
class Breaker:
    """Opens after `failures_to_open` failures in a row, for `open_s`; then one call may try.

    A Retry-After of the service holds all calls back for as long as it says.
    """

    provider: str
    failures_to_open: int = 5
    open_s: float = 30.0
    monotonic: Callable[[], float] = time.monotonic
    _failures: int = 0
    _open_until: float = field(default=float("-inf"))
    _resting_until: float = field(default=float("-inf"))
    _trying: bool = False

    def enter(self) -> None:
        """Take a call on; raises LlmUnavailable or LlmRateLimited while calls are held back.

        Follow it by exactly one of `succeeded`, `failed`, `left`.
        """
        now = self.monotonic()
        if now < self._resting_until:
            raise LlmRateLimited("asked to wait", retry_after_s=self._resting_until - now)
        if now < self._open_until:
            raise LlmUnavailable("breaker open", retry_after_s=self._open_until - now)
        if self._failures >= self.failures_to_open:
            if self._trying:
                raise LlmUnavailable("breaker trying", retry_after_s=1.0)
            self._trying = True

    def succeeded(self) -> None:
        """The service answered (whatever it answered)."""
        self._failures, self._trying = 0, False
        self._open_until = float("-inf")
        LLM_BREAKER.labels(self.provider).set(0)

    def failed(self, error: LlmError) -> None:
        """The call failed for a reason that may hit every call."""
        now = self.monotonic()
        self._trying = False
        if isinstance(error, LlmRateLimited) and error.retry_after_s is not None:
            self._resting_until = max(self._resting_until, now + error.retry_after_s)
            return
        self._failures += 1
        if self._failures >= self.failures_to_open:
            self._open_until = now + self.open_s
            LLM_BREAKER.labels(self.provider).set(1)

    def left(self) -> None:
        """The call was given up by the caller: it says nothing about the service."""
        self._trying = False
