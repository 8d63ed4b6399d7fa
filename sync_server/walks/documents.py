"""The walk as phones see it: one document, made from the row and its verdict."""

from __future__ import annotations

from typing import Any

import msgspec

from game_engine.judge import Verdict


class DropDoc(msgspec.Struct, frozen=True):
    """A piece of track that did not count, and why."""

    reason: str
    from_ms: int
    to_ms: int
    fixes: int


class VerdictDoc(msgspec.Struct, frozen=True):
    """What the server decided about a walk; stored as JSON with the walk."""

    rules_version: str
    distance_m: float
    moving_ms: int
    duration_ms: int
    trust: int
    counts_for_board: bool
    late: bool
    reasons: list[str]
    drops: list[DropDoc]
    captured: list[str]
    loop_cells: int


class WalkMission(msgspec.Struct, frozen=True):
    """What became of a mission of the walk; `state` and `reason` as in GET /api/missions/offers."""

    mission_id: str
    mission_type: str
    state: str
    confidence: float | None
    reason: str | None
    points: int


class WalkDoc(msgspec.Struct, frozen=True):
    """A walk in the pull and in GET /api/walks; what is decided is null until it is judged."""

    walk_id: str
    dog_ids: list[str]
    state: str
    started_at_ms: int
    ended_at_ms: int | None
    chunks: int | None
    source: str
    client_id: str
    rules_version: str
    distance_m: float | None = None
    moving_ms: int | None = None
    duration_ms: int | None = None
    trust: int | None = None
    counts_for_board: bool | None = None
    late: bool | None = None
    reasons: list[str] = []
    drops: list[DropDoc] = []
    captured: list[str] | None = None
    loop_cells: int | None = None
    missions: list[WalkMission] = []
    points: int = 0
    emotion: str | None = None


MAX_DROPS = 200


def verdict_document(verdict: Verdict, counts: bool, late: bool, reasons: list[str]) -> VerdictDoc:
    """Make the stored document of a verdict; `captured` is empty unless the walk counts."""
    captures = verdict.captures
    return VerdictDoc(
        rules_version=verdict.rules_version,
        distance_m=round(float(verdict.distance_m), 1),
        moving_ms=int(verdict.moving_ms),
        duration_ms=int(verdict.duration_ms),
        trust=int(verdict.trust.score),
        counts_for_board=counts,
        late=late,
        reasons=reasons,
        drops=[
            DropDoc(drop.reason, int(drop.from_ms), int(drop.to_ms), int(drop.fixes))
            for drop in verdict.drops[:MAX_DROPS]
        ],
        captured=[format(cell, "x") for cell in captures.cells.tolist()] if counts else [],
        loop_cells=int(captures.loop.sum()) if counts else 0,
    )


def walk_document(row: Any) -> WalkDoc:
    """Make the document of a row of `walk`."""
    known: dict[str, Any] = {
        "walk_id": row["walk_id"],
        "dog_ids": msgspec.json.decode(row["dog_ids"], type=list[str]),
        "state": row["state"],
        "started_at_ms": row["started_ms"],
        "ended_at_ms": row["ended_ms"],
        "chunks": row["chunks"],
        "source": row["source"],
        "client_id": row["client_id"],
        "rules_version": row["rules_version"],
        "points": row["points"],
        "emotion": row["emotion"],
    }
    if row["missions"] is not None:
        known["missions"] = msgspec.json.decode(row["missions"], type=list[WalkMission])
    if row["verdict"] is not None:
        known |= msgspec.structs.asdict(msgspec.json.decode(row["verdict"], type=VerdictDoc))
    return WalkDoc(**known)
