"""Rows pulled from the server, kept as the text that came, so that checksums can be compared.

A *round* is one pull from the very beginning. Rows of an older round are shown until the new one
is complete and removed then, so that a resync never leaves the user with an empty app.
"""

from __future__ import annotations

import re
from typing import Final

from edge_sdk.errors import ProtocolViolation
from edge_sdk.sync import hlc
from edge_sdk.sync.hashes import row_checksum
from edge_sdk.sync.messages import CollectionChecksum, PullAnswer
from edge_sdk.sync.store_file import StoreTx

_STAMPED: Final = ("diary", "settings")
_STAMP_IN_DOC: Final = re.compile(r'"([0-9]{15}-[0-9a-f]{4}-[0-9a-f-]{36})"', re.ASCII)


async def begin_round(tx: StoreTx) -> None:
    """Forget the cursor and start a new round."""
    await tx.execute("DELETE FROM meta WHERE key = 'cursor'")
    await tx.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES ('round', CAST(1 + COALESCE("
        "(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'round'), 0) AS TEXT))"
    )


async def meet_epoch(tx: StoreTx, epoch: str) -> bool:
    """Start a new round where the server's epoch is another one; say whether it was."""
    row = await tx.row("SELECT value FROM meta WHERE key = 'epoch'")
    if row is not None and row[0] == epoch:
        return False
    await tx.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('epoch', ?)", epoch)
    if row is None:
        return False
    await begin_round(tx)
    return True


async def apply_page(tx: StoreTx, page: PullAnswer, now_ms: int) -> None:
    """Store the rows of a page, forget those it deletes, and keep its cursor."""
    row = await tx.row("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'round'")
    this_round = int(row[0]) if row else 0
    live: list[tuple[object, ...]] = []
    dead: list[tuple[object, ...]] = []
    stamps: list[hlc.Hlc] = []
    for collection, changes in page.changes.items():
        for change in changes:
            if change.deleted:
                dead.append((collection, change.id))
            elif change.doc is None:
                raise ProtocolViolation(f"{collection} {change.id} is live and has no document")
            else:
                checksum = row_checksum(collection, change.id, change.doc)
                live.append((collection, change.id, change.rev, change.doc, checksum, this_round))
                if collection in _STAMPED:
                    stamps += [hlc.parse(text) for text in _STAMP_IN_DOC.findall(change.doc)]
    await tx.execute_many("DELETE FROM pulled WHERE collection = ? AND id = ?", dead)
    await tx.execute_many(
        "INSERT OR REPLACE INTO pulled (collection, id, rev, doc, checksum, round)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        live,
    )
    if not page.more:
        await tx.execute("DELETE FROM pulled WHERE round < ?", this_round)
    for key, value in (
        ("cursor", page.cursor),
        ("epoch", page.epoch),
        ("territory_version", str(page.territory_version)),
        ("server_skew_ms", str(page.server_time_ms - now_ms)),
    ):
        await tx.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, value)
    await _observe(tx, stamps, page.server_time_ms)


async def _observe(tx: StoreTx, stamps: list[hlc.Hlc], server_ms: int) -> None:
    """Make the next stamp of this device later than those of others it has seen."""
    sane = [stamp for stamp in stamps if stamp.ms <= server_ms + hlc.MAX_AHEAD_MS]
    if not sane:
        return
    newest = max(sane)
    row = await tx.row("SELECT value FROM meta WHERE key = 'hlc'")
    if row is None or hlc.parse(row[0]) < newest:
        await tx.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('hlc', ?)", str(newest))


async def checksums(tx: StoreTx) -> dict[str, CollectionChecksum]:
    """Return count and sum of checksums of each collection that has rows."""
    rows = await tx.rows("SELECT collection, COUNT(*), SUM(checksum) FROM pulled GROUP BY 1")
    return {row[0]: CollectionChecksum(row[1], row[2]) for row in rows}
