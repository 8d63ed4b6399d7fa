"""How long the SDK's imports take in a fresh process.

Run: `python -m benchmarks.imports`. Prints medians of 15 processes each, without the time of an
interpreter that imports nothing. Goal: `import edge_sdk` and `import game_engine` <= 150 ms.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from time import perf_counter

PROCESSES = 15
GOAL_MS = 150.0
STATEMENTS = (
    ("import edge_sdk", GOAL_MS),
    ("import game_engine", GOAL_MS),
    ("import numpy, msgspec, h3", None),
    ("from game_engine.judge import judge", None),
    ("from edge_sdk import LocalStore, WalkRecorder", None),
    ("from edge_sdk import SyncClient, HttpTransport", None),
)


def process_ms(statement: str) -> float:
    """Return the wall time of one fresh interpreter that runs a statement."""
    start = perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return (perf_counter() - start) * 1000


def main() -> None:
    bare = statistics.median(process_ms("pass") for _ in range(PROCESSES))
    print(f"{'(bare interpreter)':50s} {bare:7.1f} ms")
    for statement, goal_ms in STATEMENTS:
        times = sorted(process_ms(statement) - bare for _ in range(PROCESSES))
        goal = "" if goal_ms is None else f"   goal <= {goal_ms:.0f} ms"
        print(f"{statement:50s} {statistics.median(times):7.1f} ms (max {times[-1]:.1f}){goal}")


if __name__ == "__main__":
    main()
