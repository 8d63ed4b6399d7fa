"""Record a walk offline, sync it with a running server, and print what the server corrected.

    python -m daengdong serve --port 8000                       (in another terminal)
    python examples/record_and_sync.py --server http://127.0.0.1:8000

The walk is simulated (a loop with GPS error) and ends now. The phone is a folder: run the example
twice with the same --folder and the second walk comes from the same device and guest account.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

import msgspec

from edge_sdk.errors import EdgeError
from edge_sdk.ids import uuid7
from edge_sdk.sync.client import SyncClient
from edge_sdk.sync.store import LocalStore
from edge_sdk.sync.transport import HttpTransport
from edge_sdk.walk.recorder import WalkRecorder
from edge_sdk.walk.simulate import simulate
from edge_sdk.walk.walk_table import Fix

WALK_S = 1_200
LOCATION_CONSENT = {"kind": "location", "granted": True, "version": "2026-11"}


async def record(store: LocalStore, dog_ids: list[str], seed: int) -> None:
    """Record one simulated walk; nothing here needs a network."""
    now_ms = time.time_ns() // 1_000_000
    walk = simulate("loop", seed=seed, duration_s=WALK_S, started_at_ms=now_ms - WALK_S * 1_000)
    fixes, steps = walk.fixes, walk.fixes.steps
    recorder = await WalkRecorder.resume(store, int(fixes.t_ms[0]))
    await recorder.start(dog_ids, int(fixes.t_ms[0]))
    for i in range(len(fixes)):
        fix = Fix(
            t_ms=int(fixes.t_ms[i]),
            lat=float(fixes.lat[i]),
            lng=float(fixes.lng[i]),
            accuracy_m=float(fixes.accuracy_m[i]),
            steps=None if steps is None else int(steps[i]),
        )
        await recorder.add(fix)  # on the disk when this returns
    progress = await recorder.progress()
    print(f"recorded {progress.fixes} fixes, {progress.distance_m:.0f} m")
    end = await recorder.finish(int(fixes.t_ms[-1]))
    print(f"predicted {len(end.predicted_cells)} cells, {end.predicted_distance_m:.0f} m")


async def sync(store: LocalStore, transport: HttpTransport, folder: Path, seed: int) -> None:
    """Sign in, register a dog, record, and bring phone and server together."""
    client = SyncClient(store, transport)
    await client.sign_in_guest(folder.name)
    # Location facts are refused without it (the server answers consent_required).
    consent = msgspec.json.encode(LOCATION_CONSENT)
    await client.session.send("PUT", "/api/consents", body=consent)
    dog_id = await store.get_meta("dog_id")
    if dog_id is None:
        dog_id = uuid7()
        dog = msgspec.json.encode({"dog_id": dog_id, "name": "보리"})
        await client.session.send("POST", "/api/dogs", body=dog)
        await store.set_meta({"dog_id": dog_id})

    await record(store, [dog_id], seed)
    report = await client.sync()
    print(f"{report.push.applied} facts applied, {len(report.push.refused)} refused")
    for walk in report.corrections:
        print(
            f"decided {walk.decided_cells} cells, {walk.decided_distance_m:.0f} m, "
            f"counts for the board: {walk.counts_for_board} {list(walk.reasons)}"
        )
        print(f"predicted but not given: {len(walk.missing)}, given but not predicted: "
              f"{len(walk.extra)}")  # fmt: skip


async def main(server: str, folder: Path, seed: int) -> int:
    """Run the example against a server; a known error is one line and exit status 1."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        async with (
            await LocalStore.open(folder / "phone.sqlite") as store,
            HttpTransport(server) as transport,
        ):
            await sync(store, transport, folder, seed)
    except EdgeError as error:
        print(f"{error.code}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Record a simulated walk and sync it.")
    parser.add_argument("--server", default="http://127.0.0.1:8000")
    parser.add_argument("--folder", type=Path, default=Path(".daengdong/example-phone"))
    parser.add_argument("--seed", type=int, default=7, help="another seed is another walk")
    words = parser.parse_args()
    sys.exit(asyncio.run(main(words.server, words.folder, words.seed)))
