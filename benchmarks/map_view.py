"""A city seen at street level: 50,000 cells of 300 owners, as the server answers them on SQLite.

Run: `python -m benchmarks.map_view [cells]`. Prints bytes (raw and compressed) and times of whole
answers through the route, and where the time goes. Goals: <= 150 kB compressed, < 100 ms.

The owners are territories that grew cell by cell around 300 homes in Seoul, with holes that
nobody holds, strengths from 1 to 5, one owner in twenty with a hidden home, and 3 % of the cells
taken within the last half hour, which others see as they were before.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import h3.api.basic_int as h3
import httpx
import numpy as np

from edge_sdk.ids import uuid7
from game_engine.board import CaptureEvent, fold, free_at_ms, local_day
from game_engine.privacy import private_zone
from game_engine.rules import CURRENT_RULES, rules_for
from sync_server.app import create_app
from sync_server.platform.context import Platform
from sync_server.platform.settings import load_settings
from sync_server.platform.tokens import CurrentUser

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
SEOUL = (37.5665, 126.978)
USERS = 300
ANSWERS = 60
RULES = rules_for(CURRENT_RULES)


def territories(cells: int, rng: random.Random) -> dict[int, int]:
    """Return the owner of each of `cells` cells: blobs that grow from 300 homes at once."""
    centre = h3.latlng_to_cell(*SEOUL, 11)
    radius = int((cells * 1.25 / 3) ** 0.5) + 1
    ground = set(h3.grid_disk(centre, radius))
    holes = {cell for home in rng.sample(sorted(ground), len(ground) // 60)
             for cell in h3.grid_disk(home, 1)}  # fmt: skip
    ground -= holes
    owners = dict(zip(rng.sample(sorted(ground), USERS), range(1, USERS + 1), strict=True))
    edge = list(owners)
    while edge and len(owners) < cells:
        place = rng.randrange(len(edge))
        around = [c for c in h3.grid_ring(edge[place], 1) if c in ground and c not in owners]
        if not around:
            edge[place] = edge[-1]
            edge.pop()
            continue
        cell = rng.choice(around)
        owners[cell] = owners[edge[place]]
        edge.append(cell)
    return owners


async def fill(platform: Platform, owners: dict[int, int], rng: random.Random) -> None:
    """Write accounts, captures and the board that they fold to."""
    captures: list[tuple[int, ...]] = []
    states: list[tuple[int | float, ...]] = []
    for number, (cell, owner) in enumerate(sorted(owners.items())):
        days = sorted(rng.sample(range(1, 13), rng.choices((1, 2, 3, 4, 5), (8, 5, 3, 2, 2))[0]))
        times = [(NOW_MS - day * DAY_MS + rng.randrange(DAY_MS // 2), owner) for day in days]
        if rng.random() < 0.03:
            times.append((NOW_MS - rng.randrange(30 * 60_000), rng.randrange(1, USERS + 1)))
        events = [
            CaptureEvent(cell, at, 10 * number + n, who, local_day(at, RULES.zone_name))
            for n, (at, who) in enumerate(times)
        ]
        captures += [(*event, 0) for event in events]
        state = fold(events, RULES)
        assert state is not None
        states.append((*state, free_at_ms(state, RULES), state.last_at_ms, 2150.5, 1))
    async with platform.database.transaction() as tx:
        await tx.executemany(
            "INSERT INTO app_user (user_no, user_id, display_name, kind, language, created_ms) "
            "VALUES (?, ?, 'dog', 'guest', 'ko', 0)",
            [(number, uuid7()) for number in range(1, USERS + 1)],
        )
        await tx.executemany(
            "INSERT INTO capture (cell, at_ms, walk_no, user_no, local_day, by_loop) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            captures,
        )
        await tx.executemany(
            """INSERT INTO cell_state (cell, owner, strength, visited_ms, taken_ms,
                 strengthened_day, prev_owner, last_at_ms, last_walk_no, free_ms, changed_ms,
                 area_m2, rev) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            states,
        )
        homes = rng.sample(sorted(owners), USERS // 20)
        await tx.executemany(
            "INSERT INTO home_zone (user_no, center, set_ms) VALUES (?, ?, 0)",
            [
                (owners[home], private_zone(*h3.cell_to_latlng(home), (0.9, rng.random())))
                for home in {owners[home]: home for home in homes}.values()
            ],
        )


async def measure(folder: Path, cells: int) -> None:
    """Fill a server and print what its answers cost."""
    rng = random.Random(11)
    app = create_app(load_settings({"DAENGDONG_DATA_DIR": str(folder)}), lambda: NOW_MS)
    transport = httpx.ASGITransport(app)
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://bench.local") as client,
    ):
        platform: Platform = app.state.platform
        owners = territories(cells, rng)
        await fill(platform, owners, rng)
        async with platform.database.read() as tx:
            user_id = await tx.fetch_value("SELECT user_id FROM app_user WHERE user_no = 7")
        token = platform.signer.access_token(CurrentUser(7, user_id, "bench"))
        places = np.array([h3.cell_to_latlng(cell) for cell in owners])
        (south, west), (north, east) = places.min(axis=0), places.max(axis=0)
        box = f"{west:.5f},{south:.5f},{east:.5f},{north:.5f}"
        print(f"{len(owners)} cells of {len(set(owners.values()))} owners, box {box}")
        for title, query, coding in (
            ("all, gzip", {"zoom": "14"}, "gzip"),
            ("all, identity", {"zoom": "14"}, "identity"),
            ("changes of an hour", {"zoom": "14", "since_ms": f"{NOW_MS - 3_600_000}"}, "gzip"),
            ("zoom 12", {"zoom": "12"}, "gzip"),
            ("zoom 10", {"zoom": "10"}, "gzip"),
        ):
            headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": coding}
            times: list[float] = []
            raw = wire = 0
            for _ in range(ANSWERS):
                start = perf_counter()
                request = client.build_request(
                    "GET", "/api/map/cells", params={"bbox": box, **query}, headers=headers
                )
                answer = await client.send(request, stream=True)
                data = b"".join([part async for part in answer.aiter_raw()])
                times.append((perf_counter() - start) * 1000)
                assert answer.status_code == 200, data
                wire = len(data)
                packed = answer.headers.get("content-encoding") == "gzip"
                raw = len(gzip.decompress(data)) if packed else wire
            p50, p95 = np.percentile(times, [50, 95])
            print(
                f"{title:20s} {raw / 1000:7.1f} kB raw {wire / 1000:7.1f} kB sent   "
                f"p50 {p50:6.1f} ms  p95 {p95:6.1f} ms"
            )
    print("goals: <= 150 kB sent, < 100 ms")


def main() -> None:
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), cells))


if __name__ == "__main__":
    main()
