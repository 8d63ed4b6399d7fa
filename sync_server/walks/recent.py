"""A dog's last walks in figures: for other domains that speak of the dog."""

from __future__ import annotations

from typing import Final

import msgspec

from sync_server.platform.database import Tx
from sync_server.walks.documents import walk_document

_LAST: Final = 200


class RecentWalks(msgspec.Struct, frozen=True):
    """Ended walks since a time; distances and times of those that are judged."""

    walks: int
    distance_m: float
    duration_ms: int
    last_at_ms: int
    last_distance_m: float | None
    last_duration_ms: int | None


async def recent_walks(tx: Tx, user_no: int, dog_id: str, since_ms: int) -> RecentWalks | None:
    """Return what a user's dog has walked since a time, None where it has not."""
    rows = await tx.fetch_all(
        """SELECT * FROM walk WHERE user_no = ? AND announced = 1
             AND state IN ('finished', 'abandoned') AND started_ms >= ?
           ORDER BY started_ms DESC LIMIT ?""",
        user_no, since_ms, _LAST,
    )  # fmt: skip
    found = [doc for doc in map(walk_document, rows) if dog_id in doc.dog_ids]
    if not found:
        return None
    return RecentWalks(
        len(found),
        sum(doc.distance_m or 0.0 for doc in found),
        sum(doc.duration_ms or 0 for doc in found),
        found[0].started_at_ms,
        found[0].distance_m,
        found[0].duration_ms,
    )
