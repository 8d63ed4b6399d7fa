"""Missions that the server offers on a walk: drawn, issued, submitted once in their time.

One draw a walk decides its moments and types (game_engine.missions). A mission gets its nonce when
its moment has come and the phone asks.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from edge_sdk.ids import uuid7
from edge_sdk.mission.result import Mission, load_references
from edge_sdk.references.texts import Text
from edge_sdk.sync.facts import MissionSubmit
from game_engine.missions import draw_missions, submission_of
from game_engine.rules import rules_for
from sync_server.media import service as media
from sync_server.missions.results import mission_type
from sync_server.missions.schemas import OfferDoc, Offers
from sync_server.platform import feed
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem, not_found
from sync_server.platform.facts import FactContext, FactRefused, Outcome
from sync_server.walks import service as walks

# --- issue ---------------------------------------------------------------------------------


async def issue(tx: Tx, user_no: int, walk_id: str, now_ms: int) -> None:
    """Issue the missions of the user's open walk whose moment has come.

    Raises Problem not_found for a walk that is not the user's.
    """
    walk = await walks.walk_of(tx, user_no, walk_id)
    if walk["state"] != "open":
        return
    await tx.execute(
        """INSERT INTO mission_draw (walk_id, user_no, seed, rules_version, created_ms)
           VALUES (?, ?, ?, ?, ?) ON CONFLICT (walk_id) DO NOTHING""",
        walk_id, user_no, secrets.randbits(62), walk["rules_version"], now_ms,
    )  # fmt: skip
    draw = await _draw(tx, user_no, walk_id)
    rules = rules_for(draw["rules_version"])
    for drawn in draw_missions(draw["seed"], rules):
        moment_ms = walk["started_ms"] + drawn.after_ms
        if not moment_ms <= now_ms <= moment_ms + rules.mission_missed_ms:
            continue
        made = await tx.execute(
            """INSERT INTO mission_offer (mission_id, user_no, walk_id, number, mission_type, nonce,
                 offered_ms, deadline_ms, state, judgements)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'offered', 0)
               ON CONFLICT (walk_id, number) DO NOTHING""",
            uuid7(now_ms), user_no, walk_id, drawn.number, drawn.mission_type,
            secrets.token_urlsafe(18), now_ms, now_ms + rules.mission_deadline_ms,
        )  # fmt: skip
        if made:
            row = await tx.fetch_one(
                "SELECT * FROM mission_offer WHERE walk_id = ? AND number = ?",
                walk_id, drawn.number,
            )  # fmt: skip
            await _publish(tx, row, now_ms)


async def _draw(tx: Tx, user_no: int, walk_id: str) -> Any:
    return await tx.fetch_one(
        "SELECT seed, rules_version FROM mission_draw WHERE walk_id = ? AND user_no = ?",
        walk_id, user_no,
    )  # fmt: skip


async def of_walk(tx: Tx, user_no: int, walk_id: str, language: str, now_ms: int) -> Offers:
    """Return the missions of the user's walk; Problem not_found for any other walk."""
    walk = await walks.own_walk(tx, user_no, walk_id)
    rows = await rows_of_walk(tx, user_no, walk_id)
    next_at_ms: int | None = None
    draw = await _draw(tx, user_no, walk_id)
    if walk["state"] == "open" and draw is not None:
        drawn = draw_missions(draw["seed"], rules_for(draw["rules_version"]))
        moments = [walk["started_ms"] + each.after_ms for each in drawn]
        next_at_ms = min((each for each in moments if each > now_ms), default=None)
    return Offers(
        walk_id, [document(row, language) for row in rows], next_at_ms,
        sum(row["points"] for row in rows),
    )  # fmt: skip


async def one(tx: Tx, user_no: int, mission_id: str, language: str) -> OfferDoc:
    """Return a mission of the user's; Problem not_found for any other id."""
    return document(await own_row(tx, user_no, mission_id), language)


def document(row: Any, language: str = "ko") -> OfferDoc:
    """Return a mission as its owner sees it."""
    reference = load_references().missions[Mission(row["mission_type"])]
    name, hint = reference.mission_name, reference.capture_hint
    english = language == "en"
    reason = None if row["reason"] is None else msgspec.json.decode(row["reason"], type=Text)
    return OfferDoc(
        mission_id=row["mission_id"],
        walk_id=row["walk_id"],
        number=row["number"],
        mission_type=row["mission_type"],
        mission_name=name.en if english else name.ko,
        instruction=_instruction(name.en, hint.en) if english else _instruction(name.ko, hint.ko),
        nonce=row["nonce"],
        offered_at_ms=row["offered_ms"],
        deadline_ms=row["deadline_ms"],
        state=row["state"],
        submitted_at_ms=row["submitted_ms"],
        job_id=row["job_id"],
        confidence=row["confidence"],
        reason=None if reason is None else (reason.en if english else reason.ko),
        points=row["points"],
    )


def _instruction(name: str, hint: str) -> str:
    return f"{name}! {hint}"


# --- submit --------------------------------------------------------------------------------


async def apply_submit(context: FactContext, fact: MissionSubmit) -> Outcome:
    """`mission.submit`: take the video of a mission, once.

    Raises FactRefused: unknown_mission (not the user's, or of another walk), wrong_nonce,
    wrong_mission_type, walk_cancelled, unknown_media, too_early, too_late, already_submitted.
    """
    tx = context.tx
    try:
        # The walk first, as its own facts do: two who want both rows take them in one order.
        walk = await walks.walk_of(tx, context.user_no, fact.walk_id)
    except Problem:
        raise FactRefused("unknown_mission", "no mission of your walk has this id") from None
    row = await tx.fetch_one(
        f"SELECT * FROM mission_offer WHERE mission_id = ?{tx.for_update}", fact.mission_id
    )
    if row is None or row["user_no"] != context.user_no or row["walk_id"] != fact.walk_id:
        raise FactRefused("unknown_mission", "no mission of your walk has this id")
    if not secrets.compare_digest(row["nonce"].encode(), fact.nonce.encode()):
        raise FactRefused("wrong_nonce", "the nonce is not the one that was offered")
    if mission_type(fact.mission_type) != row["mission_type"]:
        raise FactRefused("wrong_mission_type", f"{row['mission_type']} was offered")
    if row["media_key"] is not None:
        if row["media_key"] != fact.media_key:
            raise FactRefused("already_submitted", "a mission takes one submission")
        return {"mission_id": fact.mission_id, "state": row["state"]}
    if walk["state"] == "cancelled":
        raise FactRefused("walk_cancelled", "the walk was cancelled")
    if not await media.owned_mission_clips(tx, context.user_no, [fact.media_key]):
        raise FactRefused("unknown_media", "no upload of yours has this key")
    when = submission_of(fact.at_ms, row["offered_ms"], row["deadline_ms"])
    rules = rules_for(walk["rules_version"])
    if when == "in_time" and context.now_ms > row["deadline_ms"] + rules.mission_late_ms:
        when = "too_late"
    if when != "in_time":
        raise FactRefused(when, f"the mission was to be filmed until {row['deadline_ms']}")
    await change_row(
        tx, row, context.now_ms,
        state="submitted", media_key=fact.media_key, submitted_ms=fact.at_ms,
        arrived_ms=context.now_ms,
    )  # fmt: skip
    await media.touch(tx, context.user_no, [fact.media_key], context.now_ms)
    return {"mission_id": fact.mission_id, "state": "submitted"}


# --- rows ----------------------------------------------------------------------------------


async def rows_of_walk(tx: Tx, user_no: int, walk_id: str) -> list[Any]:
    return list(
        await tx.fetch_all(
            "SELECT * FROM mission_offer WHERE walk_id = ? AND user_no = ? ORDER BY number",
            walk_id,
            user_no,
        )
    )


async def own_row(tx: Tx, user_no: int, mission_id: str, *, lock: bool = False) -> Any:
    row = await tx.fetch_one(
        "SELECT * FROM mission_offer WHERE mission_id = ? AND user_no = ?"
        f"{tx.for_update if lock else ''}",
        mission_id, user_no,
    )  # fmt: skip
    if row is None:
        raise not_found()
    return row


async def change_row(tx: Tx, row: Any, now_ms: int, **changes: Any) -> None:
    """Write columns of a mission (names are ours) and tell the phones."""
    values = [
        msgspec.json.encode(value).decode() if isinstance(value, Text) else value
        for value in changes.values()
    ]
    columns = ", ".join(f"{name} = ?" for name in changes)
    await tx.execute(
        f"UPDATE mission_offer SET {columns} WHERE mission_id = ? AND user_no = ?",
        *values, row["mission_id"], row["user_no"],
    )  # fmt: skip
    await _publish(tx, await own_row(tx, row["user_no"], row["mission_id"]), now_ms)


async def _publish(tx: Tx, row: Any, now_ms: int) -> None:
    await feed.publish(tx, row["user_no"], "missions", row["mission_id"], document(row), now_ms)
