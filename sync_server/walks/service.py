"""Walks: taking their facts in any order, ending those left open, reading them back.

The state of a walk is a join of what was said about it, so the order of arrival does not matter:
cancelled wins over everything, several finishes merge to the latest end and the most chunks, and
a chunk that comes after the finish (from another device) is judged with the rest. Even the start
may come last (after a restore another device can be quicker): until then the walk is not
announced.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from typing import Any

import msgspec
import structlog

from edge_sdk.errors import PackedError
from edge_sdk.sync.facts import (
    MAX_WALK_CHUNKS,
    AnalysisAdd,
    WalkCancel,
    WalkFinish,
    WalkPoints,
    WalkStart,
)
from edge_sdk.sync.hashes import chunk_sha256
from edge_sdk.sync.packed import unpack
from game_engine.errors import UnknownRulesVersion
from game_engine.rules import CURRENT_RULES, rules_for
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import not_found
from sync_server.platform.facts import FactContext, FactKind, FactRefused, Outcome
from sync_server.privacy import service as privacy
from sync_server.walks import attached, judging, rows
from sync_server.walks.attached import add_analysis
from sync_server.walks.documents import WalkDoc, WalkMission, walk_document
from sync_server.walks.recent import RecentWalks, recent_walks

__all__ = [
    "FACTS", "RecentWalks", "WalkMission", "add_analysis", "analysis_of_job", "erase",
    "list_walks", "open_walks", "own_walk", "recent_walks", "retally", "set_emotion",
    "set_missions", "sweep", "walk_document", "walk_of",
]  # fmt: skip

log = structlog.get_logger(__name__)
LOCK_USER_WALKS = 2
ABANDONED_MS = 72 * 3_600_000
_UNKNOWN_START_MS = 0
"""Until the start is known: any later time would move ends that are merged with it."""


async def apply_start(context: FactContext, fact: WalkStart) -> Outcome:
    """`walk.start`: make the walk known."""
    tx = context.tx
    try:
        rules_for(fact.rules_version)
    except UnknownRulesVersion as error:
        raise FactRefused("unknown_rules_version", str(error)) from None
    row = await _known_or_new(context, fact.walk_id, fact.started_at_ms)
    if row["announced"]:
        return {"walk_id": fact.walk_id, "state": row["state"]}
    await rows.own_dogs(tx, context.user_no, fact.dog_ids)
    await tx.execute(
        """UPDATE walk SET client_id = ?, dog_ids = ?, source = ?, rules_version = ?,
             started_ms = ?, ended_ms = CASE WHEN ended_ms < ? THEN ? ELSE ended_ms END,
             announced = 1 WHERE walk_no = ?""",
        context.client_id, msgspec.json.encode(fact.dog_ids).decode(), fact.source,
        fact.rules_version, fact.started_at_ms, fact.started_at_ms, fact.started_at_ms,
        row["walk_no"],
    )  # fmt: skip
    await privacy.log_use(tx, context.user_no, "walk_recorded", "self", context.now_ms)
    if row["state"] == "finished":
        await _judge_if_complete(context, row["walk_no"])
    else:
        await judging.publish(tx, row["walk_no"], context.now_ms)
    return {"walk_id": fact.walk_id, "state": row["state"]}


async def apply_points(context: FactContext, fact: WalkPoints) -> Outcome:
    """`walk.points`: store one chunk of packed fixes."""
    tx = context.tx
    if fact.chunk >= MAX_WALK_CHUNKS:
        raise FactRefused("walk_too_long", f"a walk has at most {MAX_WALK_CHUNKS} chunks")
    packed = _packed(context, fact)
    row = await _known_or_new(context, fact.walk_id, _UNKNOWN_START_MS)
    if row["state"] == "cancelled":
        return {"walk_id": fact.walk_id, "state": "cancelled"}
    known = await tx.fetch_value(
        "SELECT sha256 FROM walk_chunk WHERE walk_no = ? AND chunk = ?", row["walk_no"], fact.chunk
    )
    if known is not None:
        if known != fact.sha256:
            raise FactRefused("chunk_conflict", f"chunk {fact.chunk} is known with other content")
        return {"walk_id": fact.walk_id, "chunk": fact.chunk}
    await tx.execute(
        """INSERT INTO walk_chunk
             (walk_no, chunk, sha256, packed, mono_first_ms, mono_last_ms, arrived_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        row["walk_no"], fact.chunk, fact.sha256, packed, fact.mono_first_ms, fact.mono_last_ms,
        context.now_ms,
    )  # fmt: skip
    # A walk that was closed without its phone had arrived then; this part of it arrives now.
    await tx.execute(
        "UPDATE walk SET heard_ms = ?, first_finish_ms = CASE WHEN state = 'abandoned' "
        "THEN CAST(? AS BIGINT) ELSE first_finish_ms END WHERE walk_no = ?",
        context.now_ms, context.now_ms, row["walk_no"],
    )  # fmt: skip
    if row["ended_ms"] is not None:
        await _judge_if_complete(context, row["walk_no"])
    return {"walk_id": fact.walk_id, "chunk": fact.chunk}


async def apply_finish(context: FactContext, fact: WalkFinish) -> Outcome:
    """`walk.finish`: merge the end, and judge the walk once all its chunks are here."""
    tx = context.tx
    if fact.chunks > MAX_WALK_CHUNKS:
        raise FactRefused("walk_too_long", f"a walk has at most {MAX_WALK_CHUNKS} chunks")
    row = await _known_or_new(context, fact.walk_id, _UNKNOWN_START_MS)
    if row["state"] == "cancelled":
        return {"walk_id": fact.walk_id, "state": "cancelled"}
    ended_ms = max(fact.ended_at_ms, row["started_ms"], row["ended_ms"] or 0)
    first_ms = context.now_ms
    if row["state"] == "finished" or (
        # The phone comes back to a walk that was closed without it, with nothing new.
        row["state"] == "abandoned" and fact.chunks <= await _stored_chunks(tx, row["walk_no"])
    ):
        first_ms = row["first_finish_ms"]
    await tx.execute(
        """UPDATE walk SET state = 'finished', ended_ms = ?, chunks = ?, first_finish_ms = ?,
             auto_end = ?, heard_ms = ? WHERE walk_no = ?""",
        ended_ms, max(fact.chunks, row["chunks"] or 0), first_ms, int(fact.auto),
        context.now_ms, row["walk_no"],
    )  # fmt: skip
    judged = await _judge_if_complete(context, row["walk_no"])
    return {"walk_id": fact.walk_id, "state": "finished", "judged": judged}


async def apply_cancel(context: FactContext, fact: WalkCancel) -> Outcome:
    """`walk.cancel`: the walk shall not count, whatever else is said of it."""
    tx = context.tx
    row = await _known_or_new(context, fact.walk_id, _UNKNOWN_START_MS)
    if row["state"] != "cancelled":
        await tx.lock(LOCK_USER_WALKS, [context.user_no])
        await tx.execute(
            "UPDATE walk SET state = 'cancelled', ended_ms = ?, chunks = NULL, heard_ms = ? "
            "WHERE walk_no = ?",
            max(fact.at_ms, row["started_ms"]), context.now_ms, row["walk_no"],
        )  # fmt: skip
        context.poked |= await judging.withdraw(
            context.platform, tx, row["walk_no"], context.now_ms
        )
        await judging.publish(tx, row["walk_no"], context.now_ms)
    elif fact.at_ms < row["ended_ms"]:
        # Of two devices that cancel, the earlier one says when, whichever arrives first.
        await tx.execute(
            "UPDATE walk SET ended_ms = ? WHERE walk_no = ?",
            max(fact.at_ms, row["started_ms"]),
            row["walk_no"],
        )
        await judging.publish(tx, row["walk_no"], context.now_ms)
    return {"walk_id": fact.walk_id, "state": "cancelled"}


FACTS: dict[str, FactKind] = {
    "walk.start": FactKind(WalkStart, apply_start, needs_location_consent=True),
    "walk.points": FactKind(WalkPoints, apply_points, needs_location_consent=True),
    "walk.finish": FactKind(WalkFinish, apply_finish, needs_location_consent=True),
    "walk.cancel": FactKind(WalkCancel, apply_cancel),
    "analysis.add": FactKind(AnalysisAdd, attached.apply_analysis),
}


async def list_walks(tx: Tx, user_no: int, before_ms: int | None, limit: int) -> list[WalkDoc]:
    """Return the user's walks, newest first, cancelled ones left out."""
    rows = await tx.fetch_all(
        """SELECT * FROM walk WHERE user_no = ? AND announced = 1 AND state <> 'cancelled'
             AND started_ms < ? ORDER BY started_ms DESC, walk_no DESC LIMIT ?""",
        user_no, 2**62 if before_ms is None else before_ms, limit,
    )  # fmt: skip
    return [walk_document(row) for row in rows]


async def open_walks(tx: Tx, user_no: int) -> list[WalkDoc]:
    """Return the user's open walks, on whatever device, newest first."""
    rows = await tx.fetch_all(
        "SELECT * FROM walk WHERE user_no = ? AND state = 'open' AND announced = 1 "
        "ORDER BY started_ms DESC LIMIT 20",
        user_no,
    )
    return [walk_document(row) for row in rows]


async def walk_of(tx: Tx, user_no: int, walk_id: str) -> Any:
    """Return the row of the user's walk; another user's or unknown id is not found."""
    row = await rows.row(tx, walk_id)
    if row is None or row["user_no"] != user_no or not row["announced"]:
        raise not_found()
    return row


async def own_walk(tx: Tx, user_no: int, walk_id: str) -> Any:
    """Return the row of the user's walk without holding it; not found as in `walk_of`."""
    row = await tx.fetch_one(
        "SELECT * FROM walk WHERE walk_id = ? AND user_no = ? AND announced = 1", walk_id, user_no
    )
    if row is None:
        raise not_found()
    return row


async def set_missions(
    tx: Tx, user_no: int, walk_id: str, missions: list[WalkMission], now_ms: int
) -> None:
    """Put what became of a walk's missions into its document, with their points."""
    await _show(
        tx, user_no, walk_id, now_ms,
        missions=msgspec.json.encode(missions).decode(),
        points=sum(each.points for each in missions),
    )  # fmt: skip


async def set_emotion(tx: Tx, user_no: int, walk_id: str, emotion: str, now_ms: int) -> None:
    """Put the emotion seen after a walk into its document."""
    await _show(tx, user_no, walk_id, now_ms, emotion=emotion)


async def analysis_of_job(tx: Tx, user_no: int, job_id: str) -> str | None:
    """Return the id of the analysis that a job has left, None before it has."""
    found: str | None = await tx.fetch_value(
        "SELECT analysis_id FROM analysis WHERE job_id = ? AND user_no = ?", job_id, user_no
    )
    return found


async def _show(tx: Tx, user_no: int, walk_id: str, now_ms: int, **columns: Any) -> None:
    names = ", ".join(f"{name} = ?" for name in columns)
    await tx.execute(
        f"UPDATE walk SET {names} WHERE walk_id = ? AND user_no = ?",
        *columns.values(), walk_id, user_no,
    )  # fmt: skip
    walk_no = await tx.fetch_value(
        "SELECT walk_no FROM walk WHERE walk_id = ? AND user_no = ?", walk_id, user_no
    )
    if walk_no is not None:
        await judging.publish(tx, walk_no, now_ms)


async def sweep(platform: Platform, now_ms: int) -> None:
    """Close walks that no device has spoken of for three days, with what they have.

    A walk left open by a lost phone must not stay open for ever; should the phone come back, its
    own finish takes over.
    """
    async with platform.database.read() as tx:
        rows = await tx.fetch_all(
            "SELECT walk_no FROM walk WHERE state = 'open' AND announced = 1 AND heard_ms < ? "
            "LIMIT 50",
            now_ms - ABANDONED_MS,
        )
    for row in rows:
        async with platform.database.transaction() as tx:
            await _abandon(platform, tx, row["walk_no"], now_ms)


async def retally(platform: Platform) -> None:
    """Write the tallies of all judged walks anew (after an import of regions)."""
    last = -1
    while True:
        async with platform.database.transaction() as tx:
            rows = await tx.fetch_tuples(
                "SELECT walk_no FROM walk WHERE counts = 1 AND walk_no > ? ORDER BY walk_no "
                "LIMIT 20",
                last,
            )
            for (walk_no,) in rows:
                await judging.tally_again(platform, tx, walk_no)
        if not rows:
            return
        last = rows[-1][0]


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Erase the user's walks, tracks and results (their captures: territory.service.erase)."""
    numbers = "SELECT walk_no FROM walk WHERE user_no = ?"
    for table in ("walk_chunk", "walk_sketch", "walk_tally"):
        await tx.execute(f"DELETE FROM {table} WHERE walk_no IN ({numbers})", user_no)
    for table in ("walk", "analysis"):
        await tx.execute(f"DELETE FROM {table} WHERE user_no = ?", user_no)
    return []


async def _abandon(platform: Platform, tx: Tx, walk_no: int, now_ms: int) -> None:
    row = await tx.fetch_one(f"SELECT * FROM walk WHERE walk_no = ?{tx.for_update}", walk_no)
    if row is None or row["state"] != "open" or row["heard_ms"] >= now_ms - ABANDONED_MS:
        return
    await tx.lock(LOCK_USER_WALKS, [row["user_no"]])
    fixes = (await judging.load_fixes(tx, walk_no)).fixes
    ended_ms = int(fixes.t_ms.max()) if len(fixes) else int(row["started_ms"])
    # The points themselves arrived in time or late at `heard_ms`: that is their arrival.
    await tx.execute(
        """UPDATE walk SET state = 'abandoned', ended_ms = ?, first_finish_ms = ?, auto_end = 1
           WHERE walk_no = ?""",
        max(ended_ms, row["started_ms"]), row["heard_ms"], walk_no,
    )  # fmt: skip
    await judging.judge_and_store(platform, tx, walk_no, now_ms)
    log.info("walk_abandoned", walk_id=row["walk_id"])


async def _judge_if_complete(context: FactContext, walk_no: int) -> bool:
    tx = context.tx
    row = await tx.fetch_one("SELECT chunks, announced FROM walk WHERE walk_no = ?", walk_no)
    if not row["announced"] or await _stored_chunks(tx, walk_no) < (row["chunks"] or 0):
        await judging.publish(tx, walk_no, context.now_ms)
        return False
    await tx.lock(LOCK_USER_WALKS, [context.user_no])
    context.poked |= await judging.judge_and_store(
        context.platform, tx, walk_no, context.now_ms, context.unpacked
    )
    await privacy.log_use(tx, context.user_no, "walk_judged", "game", context.now_ms)
    return True


async def _stored_chunks(tx: Tx, walk_no: int) -> int:
    return int(await tx.fetch_value("SELECT COUNT(*) FROM walk_chunk WHERE walk_no = ?", walk_no))


def _packed(context: FactContext, fact: WalkPoints) -> bytes:
    try:
        packed = b64decode(fact.packed, validate=True)
    except (Base64Error, ValueError) as error:
        raise FactRefused("bad_chunk", f"packed is not base64: {error}") from None
    if chunk_sha256(packed) != fact.sha256:
        raise FactRefused("bad_chunk", "sha256 does not fit the packed bytes")
    try:
        context.unpacked[fact.sha256] = unpack(packed)
    except PackedError as error:
        raise FactRefused("bad_chunk", str(error)) from None
    return packed


async def _known_or_new(context: FactContext, walk_id: str, at_ms: int) -> Any:
    """Return the user's walk, making an unannounced one for an id that nobody has used."""
    tx = context.tx
    row = await rows.row(tx, walk_id)
    if row is not None:
        return rows.mine(row, context.user_no)
    await tx.execute(
        """INSERT INTO walk (walk_no, walk_id, user_no, client_id, dog_ids, source, state,
             rules_version, started_ms, created_ms, heard_ms, announced)
           VALUES (?, ?, ?, ?, '[]', 'live', 'open', ?, ?, ?, ?, 0)""",
        judging.walk_number(walk_id), walk_id, context.user_no, context.client_id, CURRENT_RULES,
        at_ms, context.now_ms, context.now_ms,
    )  # fmt: skip
    return await rows.row(tx, walk_id)
