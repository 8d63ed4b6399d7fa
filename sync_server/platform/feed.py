"""The change feed: what a pull answers, written in the transaction of the change itself."""

from __future__ import annotations

from typing import Any

import msgspec

from edge_sdk.sync.hashes import row_checksum
from sync_server.platform.database import Tx

COLLECTIONS = ("walks", "dogs", "diary", "settings", "analyses", "missions", "photos")


async def publish(
    tx: Tx, user_no: int, collection: str, row_id: str, doc: Any, now_ms: int
) -> None:
    """Put a row into the user's feed, or its tombstone when `doc` is None.

    `doc` is anything msgspec encodes; the same document again makes no new revision.
    """
    text = "" if doc is None else msgspec.json.encode(doc).decode()
    deleted = int(doc is None)
    checksum = 0 if doc is None else row_checksum(collection, row_id, text)
    await tx.execute(
        """INSERT INTO feed_row
             (user_no, collection, row_id, rev, deleted, doc, checksum, changed_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (user_no, collection, row_id) DO UPDATE SET rev = excluded.rev,
             deleted = excluded.deleted, doc = excluded.doc, checksum = excluded.checksum,
             changed_ms = excluded.changed_ms
           WHERE feed_row.doc <> excluded.doc OR feed_row.deleted <> excluded.deleted""",
        user_no, collection, row_id, await tx.revision(), deleted, text, checksum, now_ms,
    )  # fmt: skip
