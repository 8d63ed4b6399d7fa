"""Missions that the server offers on a walk: drawn, issued, submitted, judged once, paid once.

One draw a walk decides its moments and types (game_engine.missions). A mission gets its nonce when
its moment has come and the phone asks; it takes one submission in its time, is judged with the
others at the walk's end as one job, and pays its points once, whatever comes twice. What was
uncertain or failed for the system's own reasons pays nothing and may be judged again.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec

from edge_sdk.ids import uuid7
from edge_sdk.mission.result import Mission, load_references
from edge_sdk.references.texts import Text
from edge_sdk.sync.facts import MissionSubmit
from game_engine.missions import draw_missions, submission_of
from game_engine.rules import rules_for
from sync_server.ai.contract import MissionInput, Policy
from sync_server.jobs import service as jobs
from sync_server.media import service as media
from sync_server.missions.results import NOT_ANALYSED, judgements, mission_type
from sync_server.missions.schemas import OfferDoc, Offers
from sync_server.platform import feed
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem, not_found
from sync_server.platform.facts import FactContext, FactRefused, Outcome
from sync_server.platform.tokens import CurrentUser
from sync_server.walks import service as walks

POLICY: Final = Policy(max_duration_sec=5, target_fps=12, max_resolution=720)
"""Limits of a mission video, as the product has them."""
WAIT_FOR_VIDEOS_MS: Final = 30 * 60_000
"""How long the walk's judgement waits for videos that are announced but not uploaded."""
AGAIN: Final = frozenset({"uncertain", "system_error"})
_ENDED: Final = ("finished", "abandoned")
_NOT_HERE: Final = Text("영상이 도착하지 않았습니다.", "The video did not arrive.")
_NO_POINTS: Final = Text(
    "판정이 확실하지 않아 점수가 없습니다. 다시 판정을 받을 수 있습니다.",
    "The verdict is not certain: no points. It may be judged again.",
)


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
    rows = await _rows_of_walk(tx, user_no, walk_id)
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
    return document(await _own(tx, user_no, mission_id), language)


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
    walk = await walks.walk_of(tx, context.user_no, fact.walk_id)
    if walk["state"] == "cancelled":
        raise FactRefused("walk_cancelled", "the walk was cancelled")
    if not await media.owned(tx, context.user_no, [fact.media_key]):
        raise FactRefused("unknown_media", "no upload of yours has this key")
    when = submission_of(fact.at_ms, row["offered_ms"], row["deadline_ms"])
    rules = rules_for(walk["rules_version"])
    if when == "in_time" and context.now_ms > row["deadline_ms"] + rules.mission_late_ms:
        when = "too_late"
    if when != "in_time":
        raise FactRefused(when, f"the mission was to be filmed until {row['deadline_ms']}")
    await _change(
        tx, row, context.now_ms,
        state="submitted", media_key=fact.media_key, submitted_ms=fact.at_ms,
        arrived_ms=context.now_ms,
    )  # fmt: skip
    await media.touch(tx, context.user_no, [fact.media_key], context.now_ms)
    return {"mission_id": fact.mission_id, "state": "submitted"}


# --- judge ---------------------------------------------------------------------------------


async def walk_changed(platform: Platform, tx: Tx, user_no: int, walk_id: str, now_ms: int) -> None:
    """Do what a walk's news mean for its missions: judge them at its end, void them if cancelled.

    Does nothing for a walk without missions, and nothing twice.
    """
    if await tx.fetch_value(
        "SELECT 1 FROM mission_offer WHERE walk_id = ? AND user_no = ? LIMIT 1", walk_id, user_no
    ) is None:  # fmt: skip
        return
    walk = await walks.walk_of(tx, user_no, walk_id)
    if walk["state"] == "cancelled":
        await _void(tx, user_no, walk_id, now_ms)
        return
    if walk["state"] not in _ENDED or walk["judged_ms"] is None:
        return
    waiting = await tx.fetch_all(
        "SELECT * FROM mission_offer WHERE walk_id = ? AND user_no = ? AND state = 'submitted' "
        f"ORDER BY number{tx.for_update}",
        walk_id, user_no,
    )  # fmt: skip
    if not waiting:
        return
    here = await media.ready(tx, user_no, [row["media_key"] for row in waiting])
    missing = [row for row in waiting if row["media_key"] not in here]
    last_ms = max(walk["judged_ms"], *(row["arrived_ms"] for row in waiting))
    if missing and now_ms - last_ms < WAIT_FOR_VIDEOS_MS:
        return
    for row in missing:
        await _change(tx, row, now_ms, state="lost", reason=_NOT_HERE)
    found = [row for row in waiting if row["media_key"] in here]
    if found:
        user_id = await tx.fetch_value("SELECT user_id FROM app_user WHERE user_no = ?", user_no)
        await _judge(platform, tx, user_no, str(user_id), found, now_ms, again=False)
    else:
        await _tell_walk(tx, user_no, walk_id, now_ms)


async def _judge(
    platform: Platform, tx: Tx, user_no: int, user_id: str, rows: list[Any], now_ms: int,
    *, again: bool,
) -> None:  # fmt: skip
    """Make one job of these missions; it is handed over after the commit."""
    missions = [
        MissionInput(
            row["mission_id"],
            row["mission_type"],
            media.signed_url(platform, row["media_key"], jobs.artifacts.INPUT_LINK_MS),
            document(row).instruction,
        )
        for row in rows
    ]
    new = jobs.NewJob(
        job_type="MISSION_JUDGE",
        user_id=user_id,
        analysis_id=uuid7(now_ms),
        walk_id=rows[0]["walk_id"],
        missions=missions,
        policy=POLICY,
        again=again,
    )
    job = await jobs.create(platform, tx, user_no, new, now_ms)
    for row in rows:
        await _bind(tx, row, job.job_id, now_ms)
    jobs.hand_over_later(platform, tx, job.job_id)


async def _bind(tx: Tx, row: Any, job_id: str, now_ms: int) -> None:
    await _change(tx, row, now_ms, state="judging", job_id=job_id, judgements=row["judgements"] + 1)


async def bind(platform: Platform, tx: Tx, job: jobs.Job, now_ms: int) -> None:
    """Let a job that the app has asked for judge the submitted offers that it names.

    Only with the very video that was submitted: otherwise it is a judgement without a reward.
    """
    for asked in job.request.missions:
        row = await tx.fetch_one(
            f"""SELECT * FROM mission_offer WHERE mission_id = ? AND user_no = ? AND walk_id = ?
                AND state = 'submitted'{tx.for_update}""",
            asked.mission_id, job.user_no, job.walk_id,
        )  # fmt: skip
        if row is None or asked.mission_type != row["mission_type"]:
            continue
        own = media.signed_url(platform, row["media_key"], 0).partition("?")[0]
        if asked.video_url.partition("?")[0] == own:
            await _bind(tx, row, job.job_id, now_ms)


async def judge_again(
    platform: Platform, tx: Tx, user: CurrentUser, mission_id: str, now_ms: int
) -> None:
    """Judge a mission once more; Problem not_found, or conflict where its verdict stands."""
    row = await _own(tx, user.user_no, mission_id, lock=True)
    walk = await walks.walk_of(tx, user.user_no, row["walk_id"])
    limit = rules_for(walk["rules_version"]).mission_judgements_max
    if row["state"] not in AGAIN or row["judgements"] >= limit:
        raise Problem("conflict", f"the mission is {row['state']}")
    if not await media.ready(tx, user.user_no, [row["media_key"]]):
        raise Problem("conflict", "its video is no longer kept")
    await _judge(platform, tx, user.user_no, user.user_id, [row], now_ms, again=True)


async def job_ended(platform: Platform, tx: Tx, job: jobs.Job, now_ms: int) -> None:
    """Take a job's verdicts: points once for each success, a reason in words for the rest."""
    rows = {
        row["mission_id"]: row
        for row in await tx.fetch_all(
            f"""SELECT * FROM mission_offer WHERE job_id = ? AND user_no = ? AND state = 'judging'
                ORDER BY number{tx.for_update}""",
            job.job_id,
            job.user_no,
        )
    }
    if not rows:
        return
    if job.state != "done":
        for row in rows.values():
            reason = Text(NOT_ANALYSED["ko"], NOT_ANALYSED["en"])
            await _change(tx, row, now_ms, state="system_error", judged_ms=now_ms, reason=reason)
    else:
        for each in judgements(job):
            if each.judged.mission_id in rows:
                await _settle(tx, rows[each.judged.mission_id], each.verdict, each.judged, now_ms)
    walk_ids = {row["walk_id"] for row in rows.values()}
    for walk_id in walk_ids:
        await _tell_walk(tx, job.user_no, walk_id, now_ms)


async def _settle(tx: Tx, row: Any, verdict: str, judged: Any, now_ms: int) -> None:
    said = Text(judged.summary, judged.summary) if judged.summary else _words(row, verdict)
    points = 0
    state = {"SUCCESS": "succeeded", "FAIL": "failed", "UNCERTAIN": "uncertain"}.get(
        verdict, "system_error"
    )
    walk = await walks.walk_of(tx, row["user_no"], row["walk_id"])
    if state == "succeeded" and walk["state"] != "cancelled":
        points = rules_for(walk["rules_version"]).mission_points
        await tx.execute(
            """INSERT INTO point_entry (user_no, source, points, walk_id, reason, at_ms)
               VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user_no, source) DO NOTHING""",
            row["user_no"], _source(row), points, row["walk_id"],
            msgspec.json.encode(said).decode(), now_ms,
        )  # fmt: skip
    elif state == "uncertain":
        said = said.then(_NO_POINTS)
    elif state == "system_error":
        said = Text(NOT_ANALYSED["ko"], NOT_ANALYSED["en"])
    await _change(
        tx, row, now_ms,
        state=state, judged_ms=now_ms, confidence=judged.confidence, reason=said, points=points,
    )  # fmt: skip


def _words(row: Any, verdict: str) -> Text:
    references = load_references()
    reference = references.missions[Mission(row["mission_type"])]
    if verdict == "UNCERTAIN":
        return references.uncertain
    return reference.success if verdict == "SUCCESS" else reference.fail


async def _void(tx: Tx, user_no: int, walk_id: str, now_ms: int) -> None:
    """Take back what the missions of a cancelled walk have earned."""
    await tx.execute(
        "DELETE FROM point_entry WHERE user_no = ? AND walk_id = ? AND source LIKE 'mission:%'",
        user_no, walk_id,
    )  # fmt: skip
    changed = False
    for row in await _rows_of_walk(tx, user_no, walk_id):
        if row["points"]:
            changed = True
            await _change(tx, row, now_ms, points=0)
    if changed:
        await _tell_walk(tx, user_no, walk_id, now_ms)


async def _tell_walk(tx: Tx, user_no: int, walk_id: str, now_ms: int) -> None:
    """Put the missions and their points into the walk's document."""
    missions = [
        walks.WalkMission(
            doc.mission_id, doc.mission_type, doc.state, doc.confidence, doc.reason, doc.points
        )
        for doc in map(document, await _rows_of_walk(tx, user_no, walk_id))
    ]
    await walks.set_missions(tx, user_no, walk_id, missions, now_ms)


# --- rows ----------------------------------------------------------------------------------


def _source(row: Any) -> str:
    return f"mission:{row['mission_id']}"


async def _rows_of_walk(tx: Tx, user_no: int, walk_id: str) -> list[Any]:
    return list(
        await tx.fetch_all(
            "SELECT * FROM mission_offer WHERE walk_id = ? AND user_no = ? ORDER BY number",
            walk_id,
            user_no,
        )
    )


async def _own(tx: Tx, user_no: int, mission_id: str, *, lock: bool = False) -> Any:
    row = await tx.fetch_one(
        "SELECT * FROM mission_offer WHERE mission_id = ? AND user_no = ?"
        f"{tx.for_update if lock else ''}",
        mission_id, user_no,
    )  # fmt: skip
    if row is None:
        raise not_found()
    return row


async def _change(tx: Tx, row: Any, now_ms: int, **changes: Any) -> None:
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
    await _publish(tx, await _own(tx, row["user_no"], row["mission_id"]), now_ms)


async def _publish(tx: Tx, row: Any, now_ms: int) -> None:
    await feed.publish(tx, row["user_no"], "missions", row["mission_id"], document(row), now_ms)
