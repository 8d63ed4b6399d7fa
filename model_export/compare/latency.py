"""How long one picture takes on this machine: three calls to warm up, twenty timed."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

WARM_UP: Final = 3
TIMED: Final = 20


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of single calls: median and 95th percentile."""

    p50_ms: float
    p95_ms: float


def measure(
    call: Callable[[int], object], *, warm_up: int = WARM_UP, timed: int = TIMED
) -> Latency:
    """Time `call(k)`, k counting up, so that it can take another picture each time."""
    for k in range(warm_up):
        call(k)
    spent = []
    for k in range(timed):
        start = time.perf_counter()
        call(k)
        spent.append(1000 * (time.perf_counter() - start))
    p50, p95 = np.percentile(spent, [50, 95])
    return Latency(round(float(p50), 3), round(float(p95), 3))


def machine() -> str:
    """Processor, cores and load of this machine: a latency without them says nothing."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} CPU cores, load {load:.1f} at the time"
