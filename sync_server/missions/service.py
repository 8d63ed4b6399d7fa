"""What other parts use of missions: the fact, the end of a walk, the end of a job, housekeeping."""

from __future__ import annotations

from typing import Any

from edge_sdk.sync.facts import MissionSubmit
from sync_server.missions.offers import apply_submit
from sync_server.missions.settling import job_ended, walk_changed
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.facts import FactContext, FactKind, Outcome

__all__ = ["FACTS", "erase", "job_ended", "points", "sweep", "walk_changed"]


async def apply_submit_and_judge(context: FactContext, fact: MissionSubmit) -> Outcome:
    """`mission.submit`, and its judgement where the walk has ended already."""
    outcome = await apply_submit(context, fact)
    await walk_changed(context.platform, context.tx, context.user_no, fact.walk_id, context.now_ms)
    return outcome


FACTS: dict[str, FactKind] = {"mission.submit": FactKind(MissionSubmit, apply_submit_and_judge)}


async def points(tx: Tx, user_no: int) -> int:
    """Return all that a user has earned."""
    return int(
        await tx.fetch_value(
            "SELECT COALESCE(SUM(points), 0) FROM point_entry WHERE user_no = ?", user_no
        )
    )


async def sweep(platform: Platform, now_ms: int) -> None:
    """Judge missions whose walk ended without its phone, or whose video came late."""
    async with platform.database.read() as tx:
        rows: Any = await tx.fetch_tuples(
            """SELECT DISTINCT o.user_no, o.walk_id FROM mission_offer o
               JOIN walk w ON w.walk_id = o.walk_id
               WHERE o.state = 'submitted' AND w.judged_ms IS NOT NULL
                 AND w.state IN ('finished', 'abandoned') LIMIT 100"""
        )
    for user_no, walk_id in rows:
        async with platform.database.transaction() as tx:
            await walk_changed(platform, tx, user_no, walk_id, now_ms)


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Erase the user's draws, missions and points."""
    for table in ("mission_offer", "mission_draw", "point_entry"):
        await tx.execute(f"DELETE FROM {table} WHERE user_no = ?", user_no)
    return []
