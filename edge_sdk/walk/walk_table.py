"""Rows of walks, chunks and buffered fixes inside a transaction of the local store."""

from __future__ import annotations

from base64 import b64encode
from itertools import pairwise
from typing import Final, Literal

import msgspec
import numpy as np

from edge_sdk.errors import FixInvalid
from edge_sdk.sync.facts import WalkPoints
from edge_sdk.sync.hashes import chunk_sha256
from edge_sdk.sync.packed import MAX_FIXES, TIME_LIMIT_MS, pack
from edge_sdk.sync.store import append_fact
from edge_sdk.sync.store_file import StoreTx
from game_engine.track import FLAG_ACCURACY_UNKNOWN, FLAG_MOCK, Fixes

_INT32_MAX: Final = 2**31 - 1
_ACCURACY_MAX_M: Final = 2**15 - 1

WalkState = Literal["open", "finished", "cancelled"]
FixRow = tuple[int, int, int, int, int, int | None, int | None]
"""t_ms, lat_e5, lng_e5, accuracy_m, flags, steps, mono_ms."""


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """One position as the phone gives it.

    `t_ms` UTC ms of the device clock, `lat`/`lng` degrees, `accuracy_m` metres or None where
    unknown, `mock` from a mock provider, `steps` cumulative, `mono_ms` of the monotonic clock.
    """

    t_ms: int
    lat: float
    lng: float
    accuracy_m: float | None = None
    mock: bool = False
    steps: int | None = None
    mono_ms: int | None = None


class LocalWalk(msgspec.Struct, frozen=True):
    """A walk of this device as the store has it; `chunks` sealed so far, 600 fixes each."""

    walk_id: str
    state: WalkState
    started_ms: int
    ended_ms: int | None
    dog_ids: list[str]
    source: Literal["live", "gpx"]
    rules_version: str
    chunks: int
    auto: bool
    predicted_m: float | None
    predicted_cells: list[str] | None


_COLUMNS: Final = (
    "walk_id, state, started_ms, ended_ms, dog_ids, source, rules_version, chunks, auto,"
    " predicted_m, predicted_cells"
)


def fix_row(fix: Fix) -> FixRow:
    """Quantise a fix to what is stored; raise `FixInvalid` naming what is wrong with it."""
    if not 0 <= fix.t_ms < TIME_LIMIT_MS:
        raise FixInvalid(f"time {fix.t_ms} ms is before 1970 or past the year 6429")
    # Written so that NaN fails too.
    if not (-90 <= fix.lat <= 90 and -180 <= fix.lng <= 180):
        raise FixInvalid(f"coordinates {fix.lat}, {fix.lng} are not a place on earth")
    if fix.steps is not None and not 0 <= fix.steps <= _INT32_MAX:
        raise FixInvalid(f"step count {fix.steps} is out of range")
    if fix.mono_ms is not None and not abs(fix.mono_ms) < 2**53:
        raise FixInvalid(f"monotonic time {fix.mono_ms} ms is out of range")
    flags = FLAG_MOCK if fix.mock else 0
    metres = 0
    if fix.accuracy_m is None or not 0 <= fix.accuracy_m < float("inf"):
        flags |= FLAG_ACCURACY_UNKNOWN
    else:
        # Rounded up: a fix must not look better than it is.
        metres = min(-int(-fix.accuracy_m // 1), _ACCURACY_MAX_M)
    return (
        fix.t_ms,
        round(fix.lat * 100_000),
        round(fix.lng * 100_000),
        metres,
        flags,
        fix.steps,
        fix.mono_ms,
    )


def rows_of(fixes: Fixes) -> list[FixRow]:
    """Return the rows of columns; raise `FixInvalid` for times that cannot be stored."""
    if len(fixes) and (fixes.t_ms.min() < 0 or fixes.t_ms.max() >= TIME_LIMIT_MS):
        raise FixInvalid("a time is before 1970 or past the year 6429")
    steps: list[int | None]
    steps = [None] * len(fixes) if fixes.steps is None else list(fixes.steps.tolist())
    return [
        (*row, None)
        for row in zip(
            fixes.t_ms.tolist(),
            fixes.lat_e5.tolist(),
            fixes.lng_e5.tolist(),
            np.maximum(fixes.accuracy_m, 0).tolist(),
            fixes.flags.tolist(),
            steps,
            strict=True,
        )
    ]


def columns_of(rows: list[FixRow]) -> Fixes:
    """Return rows as columns; a missing step count is the last one known, else the first."""
    if not rows:
        return Fixes.empty()
    t_ms, lat_e5, lng_e5, accuracy_m, flags, steps, _ = zip(*rows, strict=True)
    return Fixes(
        t_ms=np.array(t_ms, dtype=np.int64),
        lat_e5=np.array(lat_e5, dtype=np.int32),
        lng_e5=np.array(lng_e5, dtype=np.int32),
        accuracy_m=np.array(accuracy_m, dtype=np.int16),
        flags=np.array(flags, dtype=np.uint8),
        steps=_steps(steps),
    )


def _steps(steps: tuple[int | None, ...]) -> np.ndarray[tuple[int], np.dtype[np.int32]] | None:
    known = next((count for count in steps if count is not None), None)
    if known is None:
        return None
    filled = np.empty(len(steps), dtype=np.int32)
    for place, count in enumerate(steps):
        known = known if count is None else count
        filled[place] = known
    return filled


async def open_walk(tx: StoreTx) -> LocalWalk | None:
    """Return the walk that is being recorded."""
    row = await tx.row(f"SELECT {_COLUMNS} FROM walk WHERE state = 'open'")
    return None if row is None else _walk(tuple(row))


async def find_walk(tx: StoreTx, walk_id: str) -> LocalWalk | None:
    """Return a walk of this device in any state."""
    row = await tx.row(f"SELECT {_COLUMNS} FROM walk WHERE walk_id = ? AND mine = 1", walk_id)
    return None if row is None else _walk(tuple(row))


def _walk(row: tuple[object, ...]) -> LocalWalk:
    values = dict(zip(LocalWalk.__struct_fields__, row, strict=True))
    for name in ("dog_ids", "predicted_cells"):
        text = values[name]
        values[name] = msgspec.json.decode(text) if isinstance(text, str) else None
    return msgspec.convert({**values, "auto": bool(values["auto"])}, LocalWalk)


async def insert_walk(tx: StoreTx, walk: LocalWalk) -> None:
    """Store a walk that begins."""
    await tx.execute(
        "INSERT INTO walk (walk_id, mine, state, started_ms, dog_ids, source, rules_version,"
        " chunks) VALUES (?, 1, 'open', ?, ?, ?, ?, 0)",
        walk.walk_id,
        walk.started_ms,
        msgspec.json.encode(walk.dog_ids).decode(),
        walk.source,
        walk.rules_version,
    )


async def close_walk(tx: StoreTx, walk: LocalWalk) -> None:
    """Store how a walk ended."""
    cells = walk.predicted_cells
    await tx.execute(
        "UPDATE walk SET state = ?, ended_ms = ?, auto = ?, predicted_m = ?, predicted_cells = ?"
        " WHERE walk_id = ?",
        walk.state,
        walk.ended_ms,
        int(walk.auto),
        walk.predicted_m,
        None if cells is None else msgspec.json.encode(cells).decode(),
        walk.walk_id,
    )


async def close_foreign_walk(
    tx: StoreTx, walk_id: str, state: WalkState, started_ms: int, ended_ms: int
) -> None:
    """Remember that this device closed a walk of another one."""
    await tx.execute(
        "INSERT OR REPLACE INTO walk (walk_id, mine, state, started_ms, ended_ms, dog_ids, source,"
        " rules_version, chunks) VALUES (?, 0, ?, ?, ?, '[]', 'live', '', 0)",
        walk_id,
        state,
        started_ms,
        ended_ms,
    )


async def buffer_rows(tx: StoreTx, walk_id: str, rows: list[FixRow]) -> None:
    """Append fixes to the buffer of a walk."""
    await tx.execute_many(
        "INSERT INTO fix (walk_id, t_ms, lat_e5, lng_e5, accuracy_m, flags, steps, mono_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(walk_id, *row) for row in rows],
    )


async def buffered(tx: StoreTx, walk_id: str) -> list[FixRow]:
    """Return the fixes of a walk that are not sealed yet, in the order they came."""
    rows = await tx.rows(
        "SELECT t_ms, lat_e5, lng_e5, accuracy_m, flags, steps, mono_ms FROM fix"
        " WHERE walk_id = ? ORDER BY fix_no",
        walk_id,
    )
    return [tuple(row) for row in rows]


async def clear_buffer(tx: StoreTx, walk_id: str) -> None:
    """Forget the buffered fixes of a walk."""
    await tx.execute("DELETE FROM fix WHERE walk_id = ?", walk_id)


async def seal(tx: StoreTx, walk: LocalWalk, rows: list[FixRow]) -> LocalWalk:
    """Turn rows into `walk.points` facts of at most 600 fixes; the caller empties the buffer."""
    for start in range(0, len(rows), MAX_FIXES):
        part = rows[start : start + MAX_FIXES]
        packed = pack(columns_of(part))
        mono_first_ms, mono_last_ms = _mono_span(part)
        points = WalkPoints(
            walk_id=walk.walk_id,
            chunk=walk.chunks,
            packed=b64encode(packed).decode(),
            sha256=chunk_sha256(packed),
            mono_first_ms=mono_first_ms,
            mono_last_ms=mono_last_ms,
        )
        await append_fact(tx, points, part[-1][0])
        await tx.execute(
            "INSERT INTO chunk (walk_id, chunk, packed) VALUES (?, ?, ?)",
            walk.walk_id,
            walk.chunks,
            packed,
        )
        walk = msgspec.structs.replace(walk, chunks=walk.chunks + 1)
        await tx.execute("UPDATE walk SET chunks = ? WHERE walk_id = ?", walk.chunks, walk.walk_id)
    return walk


def _mono_span(rows: list[FixRow]) -> tuple[int | None, int | None]:
    """Return the monotonic times of first and last fix; none where the phone restarted between."""
    times = [row[6] for row in rows]
    known = [time for time in times if time is not None]
    if len(known) != len(times) or any(a > b for a, b in pairwise(known)):
        return None, None
    return known[0], known[-1]


async def sealed_chunks(tx: StoreTx, walk_id: str, from_chunk: int) -> list[bytes]:
    """Return the packed chunks of a walk from a number on."""
    rows = await tx.rows(
        "SELECT packed FROM chunk WHERE walk_id = ? AND chunk >= ? ORDER BY chunk",
        walk_id,
        from_chunk,
    )
    return [bytes(row[0]) for row in rows]
