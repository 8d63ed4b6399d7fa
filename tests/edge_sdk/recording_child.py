"""Records a walk until it is killed; prints what is safely stored, line by line.

Run as `python -m tests.edge_sdk.recording_child STORE FIRST_FIX SEED`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from random import Random

from edge_sdk import Fix, LocalStore, WalkRecorder

NOW = 1_795_000_000_000


def fix_of(number: int) -> Fix:
    """Return the fix of a number: every one is different."""
    return Fix(t_ms=NOW + 1000 * number, lat=37.5 + 1e-5 * number, lng=127.0, accuracy_m=5.0)


async def record(path: str, first: int, seed: int) -> None:
    random = Random(seed)
    async with await LocalStore.open(path) as store:
        recorder = await WalkRecorder.resume(store, NOW + 1000 * first)
        if await recorder.current() is None:
            await recorder.start([], NOW)
        os.write(1, b"ready\n")
        number = first
        while True:
            many = random.choice([1, 1, 1, 3, 40, 700])
            await recorder.add_many([fix_of(number + n) for n in range(many)])
            number += many
            os.write(1, b"%d\n" % number)
            if random.random() < 0.1:
                await recorder.seal()


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
