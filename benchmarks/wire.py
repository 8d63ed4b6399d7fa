"""Size of a 60-minute walk on the wire, and the speed of packing: `python benchmarks/wire.py`.

The size is that of the whole push body: JSON with `walk.start`, six chunks in base64 and
`walk.finish`, without compression. Goal: 15 kB. Walks are simulated with a GPS error model and a
step counter, one fix a second; `--json` prints the numbers for machines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_sdk.ids import uuid7
from edge_sdk.sync.messages import PushRequest
from edge_sdk.sync.packed import pack, unpack
from edge_sdk.sync.store import LocalStore
from edge_sdk.walk.recorder import WalkRecorder
from edge_sdk.walk.simulate import simulate
from edge_sdk.walk.walk_table import Fix
from game_engine.track import Fixes

GOAL_BYTES = 15_000
KINDS = ("walk", "loop", "park", "stroll", "urban_canyon", "no_steps")
SECONDS = 3_600


async def push_body(fixes: Fixes, folder: Path) -> bytes:
    """Record a walk as the app does and return the body of the push that sends it."""
    async with await LocalStore.open(folder / f"{uuid7()}.sqlite") as store:
        recorder = WalkRecorder(store)
        await recorder.start([uuid7()], int(fixes.t_ms[0]))
        for start in range(0, len(fixes), 60):
            await recorder.add_many(_live(fixes.take(slice(start, start + 60))))
        await recorder.finish(int(fixes.t_ms[-1]))
        return msgspec.json.encode(PushRequest(store.client_id, await store.next_batch()))


def _live(fixes: Fixes) -> list[Fix]:
    steps = [None] * len(fixes) if fixes.steps is None else fixes.steps.tolist()
    return [
        Fix(t_ms=t, lat=lat, lng=lng, accuracy_m=metres, steps=count, mono_ms=t % 10_000_000)
        for t, lat, lng, metres, count in zip(
            fixes.t_ms.tolist(),
            fixes.lat.tolist(),
            fixes.lng.tolist(),
            fixes.accuracy_m.tolist(),
            steps,
            strict=True,
        )
    ]


def milliseconds(call: Callable[[], object], rounds: int = 300) -> dict[str, float]:
    """Time a call; p50, p95 and p99 in ms."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        times.append((time.perf_counter() - begun) * 1e3)
    return {f"p{share}": round(float(np.percentile(times, share)), 4) for share in (50, 95, 99)}


async def add_one_by_one(fixes: Fixes, folder: Path) -> dict[str, float]:
    """Time `WalkRecorder.add` of single fixes: each is on the disk when it returns."""
    times = []
    async with await LocalStore.open(folder / "live.sqlite") as store:
        recorder = WalkRecorder(store)
        await recorder.start([], int(fixes.t_ms[0]))
        for fix in _live(fixes.take(slice(0, 700))):
            begun = time.perf_counter()
            await recorder.add(fix)
            times.append((time.perf_counter() - begun) * 1e3)
    return {f"p{share}": round(float(np.percentile(times, share)), 3) for share in (50, 95, 99)}


def main() -> int:
    """Print the table; the exit code is 1 where a walk misses the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    sizes: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in KINDS:
            for seed in range(3):
                walk = simulate(kind, seed, duration_s=SECONDS - 1).fixes
                sizes.setdefault(kind, []).append(len(asyncio.run(push_body(walk, folder))))
        hour = simulate("walk", 1, duration_s=SECONDS - 1).fixes
        live = asyncio.run(add_one_by_one(hour, folder))
    chunk = hour.take(slice(0, 600))
    packed = pack(chunk)
    result: dict[str, Any] = {
        "fixes": len(hour),
        "push_body_bytes": {kind: max(found) for kind, found in sizes.items()},
        "goal_bytes": GOAL_BYTES,
        "pack_600_ms": milliseconds(lambda: pack(chunk)),
        "unpack_600_ms": milliseconds(lambda: unpack(packed)),
        "add_one_fix_ms": live,
    }
    worst = max(max(found) for found in sizes.values())
    if as_json:
        print(json.dumps(result))
    else:
        print(f"push body of a 60-minute walk at 1 Hz ({len(hour)} fixes), worst of 3 seeds")
        for kind, size in result["push_body_bytes"].items():
            print(f"  {kind:14} {size:7,} bytes  {'ok' if size <= GOAL_BYTES else 'TOO LARGE'}")
        for key in ("pack_600_ms", "unpack_600_ms", "add_one_fix_ms"):
            print(f"  {key:14} {result[key]}")
    return int(worst > GOAL_BYTES)


if __name__ == "__main__":
    sys.exit(main())
