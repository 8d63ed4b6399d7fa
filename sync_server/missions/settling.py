"""Submitted missions at the end of their walk: judged as one job, paid once, told in words.

Whatever comes twice pays once. What was uncertain or failed for the system's own reasons pays
nothing and may be judged again.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from edge_sdk.ids import uuid7
from edge_sdk.mission.result import Mission, load_references
from edge_sdk.references.texts import Text
from game_engine.rules import rules_for
from sync_server.ai.contract import MissionInput, Policy
from sync_server.jobs import service as jobs
from sync_server.media import service as media
from sync_server.missions.offers import change_row, document, own_row, rows_of_walk
from sync_server.missions.results import NOT_ANALYSED, Judgement, judgements
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem
from sync_server.platform.tokens import CurrentUser
from sync_server.walks import service as walks

POLICY: Final = Policy(max_duration_sec=5, target_fps=12, max_resolution=720)
"""Limits of a mission video, as the product has them."""
WAIT_FOR_VIDEOS_MS: Final = 30 * 60_000
"""How long the walk's judgement waits for videos that are announced but not uploaded."""
AGAIN: Final = frozenset({"uncertain", "system_error"})
_ENDED: Final = ("finished", "abandoned")
_STATES: Final = {
    "SUCCESS": "succeeded",
    "FAIL": "failed",
    "REFUSED": "failed",
    "UNCERTAIN": "uncertain",
}
_NOT_HERE: Final = Text("영상이 도착하지 않았습니다.", "The video did not arrive.")
_NO_POINTS: Final = Text(
    "판정이 확실하지 않아 점수가 없습니다. 다시 판정을 받을 수 있습니다.",
    "The verdict is not certain: no points. It may be judged again.",
)


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
        await change_row(tx, row, now_ms, state="lost", reason=_NOT_HERE)
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
    await change_row(
        tx, row, now_ms, state="judging", job_id=job_id, judgements=row["judgements"] + 1
    )


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
    row = await own_row(tx, user.user_no, mission_id, lock=True)
    walk = await walks.walk_of(tx, user.user_no, row["walk_id"])
    limit = rules_for(walk["rules_version"]).mission_judgements_max
    if row["state"] not in AGAIN or row["judgements"] >= limit:
        raise Problem("conflict", f"the mission is {row['state']}")
    if not await media.ready(tx, user.user_no, [row["media_key"]]):
        raise Problem("conflict", "its video is no longer kept")
    await _judge(platform, tx, user.user_no, user.user_id, [row], now_ms, again=True)


async def job_ended(platform: Platform, tx: Tx, job: jobs.Job, now_ms: int) -> None:
    """Take a job's verdicts: points once for each success, a reason in words for the rest."""
    if job.walk_id is None:
        return
    # The walk first, as its own facts do: two who want both rows take them in one order.
    walk = await walks.walk_of(tx, job.user_no, job.walk_id)
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
            await change_row(tx, row, now_ms, state="system_error", judged_ms=now_ms, reason=reason)
    else:
        for each in judgements(job):
            if each.judged.mission_id in rows:
                await _settle(tx, walk, rows[each.judged.mission_id], each, now_ms)
    await _tell_walk(tx, job.user_no, job.walk_id, now_ms)


async def _settle(tx: Tx, walk: Any, row: Any, found: Judgement, now_ms: int) -> None:
    judged, verdict = found.judged, found.verdict
    said = Text(judged.summary, judged.summary) if judged.summary else _words(row, verdict)
    points = 0
    state = _STATES.get(verdict, "system_error")
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
    await change_row(
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
    for row in await rows_of_walk(tx, user_no, walk_id):
        if row["points"]:
            changed = True
            await change_row(tx, row, now_ms, points=0)
    if changed:
        await _tell_walk(tx, user_no, walk_id, now_ms)


async def _tell_walk(tx: Tx, user_no: int, walk_id: str, now_ms: int) -> None:
    """Put the missions and their points into the walk's document."""
    missions = [
        walks.WalkMission(
            doc.mission_id, doc.mission_type, doc.state, doc.confidence, doc.reason, doc.points
        )
        for doc in map(document, await rows_of_walk(tx, user_no, walk_id))
    ]
    await walks.set_missions(tx, user_no, walk_id, missions, now_ms)


def _source(row: Any) -> str:
    return f"mission:{row['mission_id']}"
