"""The server's clock, passed in so that tests can set it."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


def system_clock() -> int:
    """Return the wall clock as UTC milliseconds."""
    return time.time_ns() // 1_000_000
