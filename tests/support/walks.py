"""Walks as facts, without a LocalStore: what any client could push."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import (
    Body,
    Fact,
    Prediction,
    WalkCancel,
    WalkFinish,
    WalkPoints,
    WalkStart,
    make_fact,
)
from edge_sdk.sync.hashes import chunk_sha256
from edge_sdk.sync.packed import pack
from edge_sdk.walk.simulate import simulate
from game_engine.rules import CURRENT_RULES
from game_engine.track import Fixes
from tests.support.app import Phone, Server

SEOUL = (37.544, 127.044)


def street(
    started_at_ms: int,
    origin: tuple[float, float] = SEOUL,
    *,
    seed: int = 1,
    duration_s: int = 600,
    kind: str = "walk",
) -> Fixes:
    """A simulated honest walk (or another kind of `simulate`)."""
    return simulate(kind, seed, origin, duration_s, started_at_ms=started_at_ms).fixes


def straight(
    started_at_ms: int,
    origin: tuple[float, float] = SEOUL,
    *,
    metres: float = 300,
    seed: int = 1,
    east: bool = True,
) -> Fixes:
    """A straight walk at 1.3 m/s with a little noise: cheap, and the cells are predictable."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(int(metres / 1.3))
    wander = np.cumsum(rng.normal(0, 0.15, (2, len(seconds))), axis=1)
    speed = 1.3 + 0.25 * np.sin(seconds / 9.0 + seed)
    along, across = np.cumsum(speed) + wander[0], wander[1] + rng.normal(0, 0.4, len(seconds))
    east_m, north_m = (along, across) if east else (across, along)
    lat = origin[0] + north_m / 111_195
    lng = origin[1] + east_m / (111_195 * np.cos(np.radians(origin[0])))
    accuracy = 5 + np.round(2 * rng.random(len(seconds)), 0)
    steps = np.cumsum(rng.random(len(seconds)) < 0.95) * 2
    return Fixes.of(started_at_ms + seconds * 1000, lat, lng, accuracy, steps=steps)


def walk_bodies(
    fixes: Fixes, walk_id: str | None = None, dog_ids: Iterable[str] = (), finish: bool = True
) -> list[Body]:
    """The facts of one walk: start, chunks of 600, finish."""
    walk_id = walk_id or uuid7(int(fixes.t_ms[0]))
    bodies: list[Body] = [
        WalkStart(walk_id, list(dog_ids), int(fixes.t_ms[0]), CURRENT_RULES, "live")
    ]
    chunks = [fixes.take(slice(at, at + 600)) for at in range(0, len(fixes), 600)]
    for number, part in enumerate(chunks):
        packed = pack(part)
        span = int(part.t_ms[-1] - part.t_ms[0])
        bodies.append(
            WalkPoints(walk_id, number, b64encode(packed).decode(), chunk_sha256(packed), 0, span)
        )
    if finish:
        end = int(fixes.t_ms[-1])
        bodies.append(WalkFinish(walk_id, end, len(chunks), False, Prediction(0, 0.0)))
    return bodies


@dataclass
class Log:
    """A client log that pushes through a test client."""

    server: Server
    phone: Phone
    facts: list[Fact] = field(default_factory=list)
    pushed: int = 0

    @classmethod
    async def of(cls, server: Server, consent: bool = True) -> Log:
        phone = await server.guest()
        if consent:
            await give_consent(server, phone)
        return cls(server, phone)

    def add(self, *bodies: Body) -> list[Fact]:
        new = [make_fact(len(self.facts) + 1 + i, body) for i, body in enumerate(bodies)]
        self.facts += new
        return new

    async def send(self, facts: Iterable[Fact], status: int = 200) -> dict[str, Any]:
        body = msgspec.json.encode({"client_id": self.phone.client_id, "facts": list(facts)})
        answer = await self.server.client.post(
            "/api/sync/push",
            content=body,
            headers={**self.phone.headers, "content-type": "application/json"},
        )
        assert answer.status_code == status, answer.text
        decoded: dict[str, Any] = answer.json()
        return decoded

    async def push(self) -> list[dict[str, Any]]:
        """Push everything new; every fact must be applied."""
        answer = await self.send(self.facts[self.pushed :])
        self.pushed = answer["last"]
        assert all(result["status"] == "applied" for result in answer["results"]), answer
        results: list[dict[str, Any]] = answer["results"]
        return results

    async def walk(self, fixes: Fixes, walk_id: str | None = None) -> str:
        """Add one whole walk and push it; return its id."""
        bodies = walk_bodies(fixes, walk_id)
        self.add(*bodies)
        await self.push()
        start = bodies[0]
        assert isinstance(start, WalkStart)
        return start.walk_id

    async def cancel(self, walk_id: str, at_ms: int) -> None:
        self.add(WalkCancel(walk_id, at_ms))
        await self.push()

    async def pull(self, cursor: str | None = None, limit: int = 500) -> dict[str, Any]:
        params: dict[str, Any] = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = await self.server.client.get(
            "/api/sync/pull", params=params, headers=self.phone.headers
        )
        assert answer.status_code == 200, answer.text
        decoded: dict[str, Any] = answer.json()
        return decoded

    async def get(self, path: str, status: int = 200, **params: Any) -> Any:
        answer = await self.server.client.get(path, params=params, headers=self.phone.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def walk_doc(self, walk_id: str) -> dict[str, Any]:
        walk: dict[str, Any] = (await self.get(f"/api/walks/{walk_id}"))["walk"]
        return walk


async def give_consent(server: Server, phone: Phone) -> None:
    answer = await server.client.put(
        "/api/consents",
        json={"kind": "location", "granted": True, "version": "2026-01"},
        headers=phone.headers,
    )
    assert answer.status_code == 200, answer.text
