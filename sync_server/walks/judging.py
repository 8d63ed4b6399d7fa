"""Judging a walk from its stored chunks, and everything its arrival changes.

The result of all walks must not depend on the order in which they arrive (GAME.md), so the
arrival of a walk also judges again the walks whose verdict looked at what was there before: the
same user's next walk (where it started from) and later walks with the same track.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from edge_sdk.sync.packed import unpack
from game_engine import cells as h3cells
from game_engine.board import CaptureEvent, local_day
from game_engine.judge import Verdict, judge
from game_engine.rules import Rules, rules_for
from game_engine.track import Fixes
from game_engine.trust import (
    FINGERPRINT_MIN_COMMON,
    LastEnd,
    TrustContext,
    fingerprint,
    is_same_track,
)
from sync_server.platform import feed, metrics
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.regions import service as regions
from sync_server.territory import service as territory
from sync_server.walks.documents import VerdictDoc, verdict_document, walk_document

LOCK_TRACKS = 3
CLOCK_AHEAD_MS = 5 * 60_000
INDEXED_HASHES = 16
MIN_INDEXED_COMMON = 2
MAX_SAME_TRACKS = 32
"""Most walks of one track that are looked at: who pushes it more often must not slow us down."""


def walk_number(walk_id: str) -> int:
    """Return the 63-bit number of a walk: the same on every server and in every order."""
    return int.from_bytes(sha256(walk_id.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class _Judged:
    """Whose walk was judged, and the later walks that have the same track."""

    user_no: int
    copies: list[int]


async def judge_and_store(
    platform: Platform,
    tx: Tx,
    walk_no: int,
    now_ms: int,
    unpacked: Mapping[str, Fixes] = MappingProxyType({}),
) -> set[int]:
    """Judge a finished walk and what depends on it; return the users whose walks changed.

    `unpacked` holds chunks that are decoded already, by their sha256.
    """
    # A walk that has grown may no longer be like one that it was like before.
    _, copies = await _same_tracks(tx, walk_no, 0, await _sketch(tx, walk_no))
    judged = await _judge_one(platform, tx, walk_no, now_ms, unpacked)
    changed = {judged.user_no}
    for other_no in sorted({*copies, *judged.copies, *await _following(tx, walk_no)}):
        changed.add((await _judge_one(platform, tx, other_no, now_ms)).user_no)
    return changed


async def withdraw(platform: Platform, tx: Tx, walk_no: int, now_ms: int) -> set[int]:
    """Take a walk (cancelled) out of the board and the rankings; judge again what it touched."""
    row = await tx.fetch_one("SELECT user_no, ended_ms FROM walk WHERE walk_no = ?", walk_no)
    _, copies = await _same_tracks(tx, walk_no, row["ended_ms"], await _sketch(tx, walk_no))
    dependents = sorted({*copies, *await _following(tx, walk_no)})
    await territory.replace_captures(platform, tx, walk_no, row["user_no"], (), (), now_ms)
    for table in ("walk_sketch", "walk_chunk"):
        await tx.execute(f"DELETE FROM {table} WHERE walk_no = ?", walk_no)
    # Emptied, not deleted: the boards in memory follow the revisions of the rows.
    await tx.execute(
        "UPDATE walk_tally SET new_captures = 0, distance_m = 0, moving_ms = 0, rev = ? "
        "WHERE walk_no = ?",
        await tx.revision(),
        walk_no,
    )
    await tx.execute(
        "UPDATE walk SET verdict = NULL, judged_ms = NULL, counts = 0, distance_m = 0, "
        "moving_ms = 0, trust = NULL, sketch = NULL WHERE walk_no = ?",
        walk_no,
    )
    changed = {int(row["user_no"])}
    for other_no in dependents:
        changed.add((await _judge_one(platform, tx, other_no, now_ms)).user_no)
    return changed


class StoredTrack(NamedTuple):
    """A walk's chunks 0, 1, ... without a hole.

    `drift_ms` is by how much the phone's wall clock ran ahead of its monotonic clock (None without
    monotonic times), `arrived_ms` when the last of the chunks reached the server (0 without any).
    """

    fixes: Fixes
    drift_ms: int | None
    arrived_ms: int


async def load_fixes(
    tx: Tx, walk_no: int, unpacked: Mapping[str, Fixes] = MappingProxyType({})
) -> StoredTrack:
    """Return a walk's track; `unpacked` holds chunks decoded already, by their sha256."""
    rows = await tx.fetch_all(
        "SELECT chunk, sha256, packed, mono_first_ms, mono_last_ms, arrived_ms FROM walk_chunk "
        "WHERE walk_no = ? ORDER BY chunk",
        walk_no,
    )
    parts: list[Fixes] = []
    drift_ms: int | None = None
    arrived_ms = 0
    for number, row in enumerate(rows):
        if row["chunk"] != number:
            break
        part = unpacked.get(row["sha256"]) or unpack(bytes(row["packed"]))
        parts.append(part)
        arrived_ms = max(arrived_ms, row["arrived_ms"])
        if row["mono_first_ms"] is not None and row["mono_last_ms"] is not None:
            wall_ms = int(part.t_ms[-1] - part.t_ms[0])
            chunk_drift = wall_ms - (row["mono_last_ms"] - row["mono_first_ms"])
            drift_ms = chunk_drift if drift_ms is None else drift_ms + chunk_drift
    return StoredTrack(Fixes.concat(parts) if parts else Fixes.empty(), drift_ms, arrived_ms)


async def _judge_one(
    platform: Platform,
    tx: Tx,
    walk_no: int,
    now_ms: int,
    unpacked: Mapping[str, Fixes] = MappingProxyType({}),
) -> _Judged:
    row = await tx.fetch_one("SELECT * FROM walk WHERE walk_no = ?", walk_no)
    rules = rules_for(row["rules_version"])
    user_no = int(row["user_no"])
    with metrics.stage("walk", "decode"):
        fixes, drift_ms, arrived_ms = await load_fixes(tx, walk_no, unpacked)
        sketch = fingerprint(fixes)
    await tx.lock(LOCK_TRACKS, sketch[:1])
    await _store_sketch(tx, row, sketch)
    context, copies = await _context(tx, row, sketch, drift_ms)
    with metrics.stage("walk", "judge"):
        verdict = judge(fixes, context, rules)
    # A finish sent in time does not make points timely that come a month later.
    arrival_ms = max(int(row["first_finish_ms"]), arrived_ms)
    # By the fixes, not by the end that the phone claims: that one could be chosen.
    last_fix_ms = int(fixes.t_ms.max()) if len(fixes) else int(row["ended_ms"])
    late = arrival_ms - last_fix_ms > rules.late_max_ms
    ahead = last_fix_ms - arrival_ms > CLOCK_AHEAD_MS
    reasons = [*verdict.reasons, *(["late"] if late else []), *(["clock_ahead"] if ahead else [])]
    counts = verdict.counts_for_board and not late and not ahead
    document = verdict_document(verdict, counts, late, reasons)
    with metrics.stage("walk", "board"):
        events = _events(verdict, walk_no, user_no, rules) if counts else []
        loops = verdict.captures.loop.tolist() if counts else []
        await territory.replace_captures(platform, tx, walk_no, user_no, events, loops, now_ms)
        await _tally(platform, tx, row, verdict, counts, last_fix_ms, rules)
    await _store_verdict(tx, walk_no, document, counts, late, now_ms)
    metrics.WALKS.labels(str(counts).lower()).inc()
    await publish(tx, walk_no, now_ms)
    return _Judged(user_no, copies)


def _events(verdict: Verdict, walk_no: int, user_no: int, rules: Rules) -> list[CaptureEvent]:
    zone = ZoneInfo(rules.zone_name)
    times = verdict.captures.at_ms.tolist()
    # A walk spans one or two local days: ask the zone once a day, not once a cell.
    first, last = (local_day(times[0], zone), local_day(times[-1], zone)) if times else (0, 0)
    days = [first] * len(times) if first == last else [local_day(t, zone) for t in times]
    return [
        CaptureEvent(cell, at_ms, walk_no, user_no, day)
        for cell, at_ms, day in zip(verdict.captures.cells.tolist(), times, days, strict=True)
    ]


async def _context(
    tx: Tx, row: Any, sketch: Sequence[int], drift_ms: int | None
) -> tuple[TrustContext, list[int]]:
    """Return what the trust score looks at beside the track, and the later copies of the track."""
    walk_no, user_no, started_ms = row["walk_no"], row["user_no"], row["started_ms"]
    before = await tx.fetch_value(
        """SELECT walk_no FROM walk WHERE user_no = ? AND judged_ms IS NOT NULL AND walk_no <> ?
             AND (started_ms < ? OR (started_ms = ? AND walk_no < ?))
           ORDER BY started_ms DESC, walk_no DESC LIMIT 1""",
        user_no, walk_no, started_ms, started_ms, walk_no,
    )  # fmt: skip
    earlier, copies = await _same_tracks(tx, walk_no, row["ended_ms"], sketch)
    context = TrustContext(
        mono_drift_ms=drift_ms,
        duplicate_of_own=user_no in earlier,
        duplicate_of_other=any(owner != user_no for owner in earlier),
        last_end=None if before is None else await _end_of(tx, before),
    )
    return context, copies


async def _end_of(tx: Tx, walk_no: int) -> LastEnd | None:
    last = await tx.fetch_one(
        "SELECT packed FROM walk_chunk WHERE walk_no = ? ORDER BY chunk DESC LIMIT 1", walk_no
    )
    if last is None:
        return None
    fixes = unpack(bytes(last["packed"]))
    at = int(np.argmax(fixes.t_ms))
    return LastEnd(int(fixes.t_ms[at]), int(fixes.lat_e5[at]), int(fixes.lng_e5[at]))


async def _store_sketch(tx: Tx, row: Any, sketch: Sequence[int]) -> None:
    """Keep the fingerprint with the walk, and its smallest hashes where others look for it.

    Hashes are random: each row of the index is a page written of its own, so only some stand in it.
    """
    walk_no = row["walk_no"]
    if row["sketch"] is not None:
        await tx.execute("DELETE FROM walk_sketch WHERE walk_no = ?", walk_no)
    packed = np.array(sketch, dtype="<u8").tobytes()
    await tx.execute("UPDATE walk SET sketch = ? WHERE walk_no = ?", packed, walk_no)
    await tx.executemany(
        "INSERT INTO walk_sketch (hash, walk_no, user_no) VALUES (?, ?, ?)",
        [(value, walk_no, row["user_no"]) for value in sketch[:INDEXED_HASHES]],
    )


async def _sketch(tx: Tx, walk_no: int) -> tuple[int, ...]:
    packed = await tx.fetch_value("SELECT sketch FROM walk WHERE walk_no = ?", walk_no)
    return () if packed is None else tuple(np.frombuffer(packed, dtype="<u8").tolist())


async def _same_tracks(
    tx: Tx, walk_no: int, ended_ms: int, sketch: Sequence[int]
) -> tuple[set[int], list[int]]:
    """Return the users of earlier walks with the same track, and the numbers of all with it.

    Earlier by the walks' own ends, so that the order of arrival does not matter. Also the walks
    before this one are to be judged again: its end may have moved behind theirs.
    """
    if len(sketch) < FINGERPRINT_MIN_COMMON:
        return set(), []
    clause, argument = tx.in_list("s.hash", sketch[:INDEXED_HASHES])
    rows = await tx.fetch_tuples(
        f"""SELECT s.walk_no, w.ended_ms, w.user_no FROM walk_sketch s
            JOIN walk w ON w.walk_no = s.walk_no
            WHERE {clause} AND s.walk_no <> ? AND w.judged_ms IS NOT NULL
            GROUP BY s.walk_no, w.ended_ms, w.user_no HAVING COUNT(*) >= ?
            ORDER BY COUNT(*) DESC, w.ended_ms, s.walk_no LIMIT ?""",
        argument,
        walk_no,
        MIN_INDEXED_COMMON,
        MAX_SAME_TRACKS,
    )
    earlier: set[int] = set()
    others: list[int] = []
    for other_no, other_ended_ms, user_no in rows:
        if is_same_track(tuple(sketch), await _sketch(tx, other_no)):
            others.append(other_no)
            if (other_ended_ms, other_no) < (ended_ms, walk_no):
                earlier.add(user_no)
    return earlier, others


async def _following(tx: Tx, walk_no: int) -> list[int]:
    """Return the same user's next judged walk: its start was compared with this one's end."""
    row = await tx.fetch_one("SELECT user_no, started_ms FROM walk WHERE walk_no = ?", walk_no)
    following = await tx.fetch_value(
        """SELECT walk_no FROM walk WHERE user_no = ? AND judged_ms IS NOT NULL AND walk_no <> ?
             AND (started_ms > ? OR (started_ms = ? AND walk_no > ?))
           ORDER BY started_ms, walk_no LIMIT 1""",
        row["user_no"], walk_no, row["started_ms"], row["started_ms"], walk_no,
    )  # fmt: skip
    return [] if following is None else [following]


async def _tally(
    platform: Platform,
    tx: Tx,
    row: Any,
    verdict: Verdict,
    counts: bool,
    ended_ms: int,
    rules: Rules,
) -> None:
    """Write what the walk adds to the rankings: everywhere (region 0) and by region."""
    walk_no, user_no = row["walk_no"], row["user_no"]
    await tx.execute("DELETE FROM walk_tally WHERE walk_no = ?", walk_no)
    captures = verdict.captures
    shares: dict[int, list[float]] = {0: [0, 0.0, 0]}
    if counts:
        shares[0] = [len(captures.cells), float(verdict.distance_m), int(verdict.moving_ms)]
        visited = captures.visit_cells.tolist()
        captured = set(captures.cells.tolist())
        places = await regions.regions_of_cells(platform, list(captured.union(visited)))
        moving = float(captures.visit_ms.sum()) or 1.0
        for cell, ms, metres in zip(
            visited, captures.visit_ms.tolist(), captures.visit_m.tolist(), strict=True
        ):
            for region in filter(None, places.get(cell, ())):
                share = shares.setdefault(region, [0, 0.0, 0])
                share[1] += metres
                share[2] += ms / moving * verdict.moving_ms
        for cell in captured:
            for region in filter(None, places.get(cell, ())):
                shares.setdefault(region, [0, 0.0, 0])[0] += 1
    day = local_day(ended_ms, ZoneInfo(rules.zone_name))
    revision = await tx.revision()
    await tx.executemany(
        """INSERT INTO walk_tally (walk_no, region_id, user_no, at_ms, local_day, new_captures,
             distance_m, moving_ms, rev) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            (walk_no, region, user_no, ended_ms, day, int(cells), float(metres), round(ms),
             revision)
            for region, (cells, metres, ms) in shares.items()
        ],
    )  # fmt: skip


async def _store_verdict(
    tx: Tx, walk_no: int, document: VerdictDoc, counts: bool, late: bool, now_ms: int
) -> None:
    await tx.execute(
        """UPDATE walk SET verdict = ?, judged_ms = ?, counts = ?, late = ?, distance_m = ?,
             moving_ms = ?, trust = ? WHERE walk_no = ?""",
        msgspec.json.encode(document).decode(), now_ms, int(counts), int(late),
        document.distance_m, document.moving_ms, document.trust, walk_no,
    )  # fmt: skip


async def tally_again(platform: Platform, tx: Tx, walk_no: int) -> None:
    """Write a judged walk's tallies anew, by the regions in force now."""
    row = await tx.fetch_one("SELECT * FROM walk WHERE walk_no = ?", walk_no)
    if row is None or row["verdict"] is None:
        return
    rules = rules_for(row["rules_version"])
    fixes, drift_ms, _ = await load_fixes(tx, walk_no)
    context, _ = await _context(tx, row, fingerprint(fixes), drift_ms)
    verdict = judge(fixes, context, rules)
    last_fix_ms = int(fixes.t_ms.max()) if len(fixes) else int(row["ended_ms"])
    await _tally(platform, tx, row, verdict, bool(row["counts"]), last_fix_ms, rules)


async def publish(tx: Tx, walk_no: int, now_ms: int) -> None:
    """Put the walk's document into its owner's feed."""
    row = await tx.fetch_one("SELECT * FROM walk WHERE walk_no = ?", walk_no)
    if not row["announced"]:
        return
    await feed.publish(tx, row["user_no"], "walks", row["walk_id"], walk_document(row), now_ms)


def cells_of(document: VerdictDoc) -> list[int]:
    """Return the captured cells of a stored verdict as integers."""
    return [h3cells.from_hex(cell) for cell in document.captured]
