"""Results that hang on a walk or a dog: analyses of the device and of the server."""

from __future__ import annotations

import msgspec

from edge_sdk.sync.facts import AnalysisAdd
from sync_server.platform import feed
from sync_server.platform.database import Tx
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


async def add_analysis(
    tx: Tx, user_no: int, fact: AnalysisAdd, dog_id: str | None, job_id: str, now_ms: int
) -> None:
    """Keep (or replace) the result of a server's analysis; its document is that of a fact.

    `dog_id` counts, not the fact's: an analysis may be of no dog in particular.
    """
    await tx.execute(
        """INSERT INTO analysis (analysis_id, user_no, kind, dog_id, walk_id, at_ms, result, job_id)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (analysis_id) DO UPDATE SET result = excluded.result""",
        fact.analysis_id, user_no, fact.kind, dog_id, fact.walk_id, fact.at_ms,
        msgspec.json.encode(fact.result).decode(), job_id,
    )  # fmt: skip
    document = {**msgspec.structs.asdict(fact), "dog_id": dog_id, "job_id": job_id}
    await feed.publish(tx, user_no, "analyses", fact.analysis_id, document, now_ms)
