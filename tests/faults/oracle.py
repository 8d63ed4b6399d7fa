"""What must be true after all: worked out from the phones' own logs, not from the server."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from zoneinfo import ZoneInfo

import numpy as np

from edge_sdk.sync.facts import (
    Body,
    DiarySet,
    SettingsSet,
    WalkCancel,
    WalkFinish,
    WalkPoints,
    WalkStart,
)
from edge_sdk.sync.packed import unpack
from game_engine.board import CaptureEvent, CellState, fold_all, local_day
from game_engine.judge import judge
from game_engine.rules import rules_for
from game_engine.track import Fixes
from game_engine.trust import LastEnd, TrustContext, fingerprint, is_same_track

AHEAD_MS = 5 * 60_000


@dataclass
class Walk:
    """Everything that any device of its owner said about one walk."""

    walk_id: str
    user_no: int
    start: WalkStart | None = None
    finishes: list[WalkFinish] = field(default_factory=list)
    cancelled: bool = False
    chunks: dict[int, WalkPoints] = field(default_factory=dict)

    @property
    def walk_no(self) -> int:
        return int.from_bytes(sha256(self.walk_id.encode()).digest()[:8], "big") >> 1

    @property
    def counts_as_done(self) -> bool:
        declared = max((finish.chunks for finish in self.finishes), default=-1)
        return (
            self.start is not None
            and not self.cancelled
            and bool(self.finishes)
            and len(self.chunks) >= declared
        )

    @property
    def ended_ms(self) -> int:
        assert self.start is not None
        return max([self.start.started_at_ms, *(f.ended_at_ms for f in self.finishes)])

    def fixes(self) -> Fixes:
        parts = []
        for number in range(len(self.chunks)):
            if number not in self.chunks:
                break
            parts.append(unpack(b64decode(self.chunks[number].packed)))
        return Fixes.concat(parts) if parts else Fixes.empty()

    def drift_ms(self) -> int | None:
        total: int | None = None
        for number in sorted(self.chunks):
            chunk = self.chunks[number]
            if chunk.mono_first_ms is None or chunk.mono_last_ms is None:
                continue
            t_ms = unpack(b64decode(chunk.packed)).t_ms
            drift = int(t_ms[-1] - t_ms[0]) - (chunk.mono_last_ms - chunk.mono_first_ms)
            total = drift if total is None else total + drift
        return total


def gather(bodies: Mapping[int, Iterable[Body]]) -> dict[str, Walk]:
    """Collect the walks from the facts of all devices, by user number."""
    walks: dict[str, Walk] = {}
    for user_no, facts in bodies.items():
        for body in facts:
            if not isinstance(body, WalkStart | WalkPoints | WalkFinish | WalkCancel):
                continue
            walk = walks.setdefault(body.walk_id, Walk(body.walk_id, user_no))
            if isinstance(body, WalkStart):
                walk.start = body
            elif isinstance(body, WalkPoints):
                walk.chunks[body.chunk] = body
            elif isinstance(body, WalkFinish):
                walk.finishes.append(body)
            else:
                walk.cancelled = True
    return walks


def expected_board(
    walks: Mapping[str, Walk], arrivals_ms: Mapping[str, int]
) -> tuple[dict[int, CellState], dict[str, tuple[bool, int]]]:
    """Judge all walks, each knowing all others, and fold; also say what counts and the trust."""
    done = [walk for walk in walks.values() if walk.counts_as_done]
    tracks = {walk.walk_id: walk.fixes() for walk in done}
    sketches = {walk_id: fingerprint(fixes) for walk_id, fixes in tracks.items()}
    events: list[CaptureEvent] = []
    judged: dict[str, tuple[bool, int]] = {}
    for walk in done:
        assert walk.start is not None
        rules = rules_for(walk.start.rules_version)
        verdict = judge(tracks[walk.walk_id], _context(walk, done, tracks, sketches), rules)
        fixes = tracks[walk.walk_id]
        last_ms = int(fixes.t_ms.max()) if len(fixes) else walk.ended_ms
        arrival_ms = arrivals_ms[walk.walk_id]
        in_time = -AHEAD_MS <= arrival_ms - last_ms <= rules.late_max_ms
        counts = verdict.counts_for_board and in_time
        judged[walk.walk_id] = (counts, verdict.trust.score)
        if counts:
            zone = ZoneInfo(rules.zone_name)
            events += [
                CaptureEvent(cell, at_ms, walk.walk_no, walk.user_no, local_day(at_ms, zone))
                for cell, at_ms in zip(
                    verdict.captures.cells.tolist(), verdict.captures.at_ms.tolist(), strict=True
                )
            ]
    return fold_all(events, rules_for("2026.1")), judged


def _context(
    walk: Walk, done: list[Walk], tracks: dict[str, Fixes], sketches: dict[str, tuple[int, ...]]
) -> TrustContext:
    assert walk.start is not None
    mine = (walk.start.started_at_ms, walk.walk_no)
    before = [
        other
        for other in done
        if other.user_no == walk.user_no
        and other.start is not None
        and (other.start.started_at_ms, other.walk_no) < mine
    ]
    before.sort(key=lambda o: (o.start.started_at_ms if o.start else 0, o.walk_no))
    same = [
        other
        for other in done
        if other is not walk
        and (other.ended_ms, other.walk_no) < (walk.ended_ms, walk.walk_no)
        and is_same_track(sketches[walk.walk_id], sketches[other.walk_id])
    ]
    return TrustContext(
        mono_drift_ms=walk.drift_ms(),
        duplicate_of_own=any(other.user_no == walk.user_no for other in same),
        duplicate_of_other=any(other.user_no != walk.user_no for other in same),
        last_end=_end(before[-1]) if before else None,
    )


def _end(walk: Walk) -> LastEnd | None:
    if not walk.chunks:
        return None
    last = unpack(b64decode(walk.chunks[max(walk.chunks)].packed))
    at = int(np.argmax(last.t_ms))
    return LastEnd(int(last.t_ms[at]), int(last.lat_e5[at]), int(last.lng_e5[at]))


def expected_fields(bodies: Iterable[Body]) -> dict[tuple[str, str], object]:
    """The last writer's value of each diary field and setting, by (entry or '', field)."""
    latest: dict[tuple[str, str], tuple[str, object]] = {}
    for body in bodies:
        if isinstance(body, DiarySet):
            key = (body.entry_id, body.field)
        elif isinstance(body, SettingsSet):
            key = ("", body.field)
        else:
            continue
        if key not in latest or body.hlc >= latest[key][0]:
            latest[key] = (body.hlc, body.value)
    return {key: value for key, (_, value) in latest.items()}
