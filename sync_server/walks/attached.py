"""Facts that hang on a walk or a dog: analyses of the device, submitted missions."""

from __future__ import annotations

import msgspec

from edge_sdk.sync.facts import AnalysisAdd, MissionSubmit
from sync_server.platform import feed
from sync_server.platform.facts import FactContext, FactRefused, Outcome
from sync_server.walks import rows


async def apply_analysis(context: FactContext, fact: AnalysisAdd) -> Outcome:
    """`analysis.add`: keep a face or gait result that the device computed."""
    tx = context.tx
    await rows.own_dogs(tx, context.user_no, [fact.dog_id])
    if fact.walk_id is not None:
        rows.mine(await rows.row(tx, fact.walk_id), context.user_no)
    result = msgspec.json.encode(fact.result).decode()
    known = await tx.fetch_one(
        "SELECT user_no, result FROM analysis WHERE analysis_id = ?", fact.analysis_id
    )
    if known is not None:
        if known["user_no"] != context.user_no or known["result"] != result:
            raise FactRefused("id_taken", "this analysis_id is known with other content")
        return {"analysis_id": fact.analysis_id}
    await tx.execute(
        """INSERT INTO analysis (analysis_id, user_no, kind, dog_id, walk_id, at_ms, result)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        fact.analysis_id, context.user_no, fact.kind, fact.dog_id, fact.walk_id, fact.at_ms,
        result,
    )  # fmt: skip
    await feed.publish(tx, context.user_no, "analyses", fact.analysis_id, fact, context.now_ms)
    return {"analysis_id": fact.analysis_id}


async def apply_mission(context: FactContext, fact: MissionSubmit) -> Outcome:
    """`mission.submit`: keep the submission of a mission video until it is judged."""
    tx = context.tx
    rows.mine(await rows.row(tx, fact.walk_id), context.user_no)
    known = await tx.fetch_one(
        "SELECT user_no, media_key FROM mission_submission WHERE mission_id = ?", fact.mission_id
    )
    if known is not None:
        if known["user_no"] != context.user_no or known["media_key"] != fact.media_key:
            raise FactRefused("id_taken", "a mission takes one submission")
        return {"mission_id": fact.mission_id, "state": "submitted"}
    await tx.execute(
        """INSERT INTO mission_submission
             (mission_id, user_no, walk_id, mission_type, media_key, nonce, at_ms, state)
           VALUES (?, ?, ?, ?, ?, ?, ?, 'submitted')""",
        fact.mission_id, context.user_no, fact.walk_id, fact.mission_type, fact.media_key,
        fact.nonce, fact.at_ms,
    )  # fmt: skip
    doc = {
        "mission_id": fact.mission_id,
        "walk_id": fact.walk_id,
        "mission_type": fact.mission_type,
        "state": "submitted",
        "at_ms": fact.at_ms,
    }
    await feed.publish(tx, context.user_no, "missions", fact.mission_id, doc, context.now_ms)
    return {"mission_id": fact.mission_id, "state": "submitted"}
