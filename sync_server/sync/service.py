"""Push: every fact of a phone exactly once. Pull: what changed, without holes.

docs/sync-protocol.md is the specification; SYNC.md of the design gives the reasons.
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from contextlib import suppress
from random import random
from typing import Any

import msgspec
import structlog

from edge_sdk.errors import FactError, UnknownFactType
from edge_sdk.sync.facts import Fact, decode_payload
from edge_sdk.sync.hashes import fact_hash
from sync_server.platform import feed, metrics
from sync_server.platform.context import Platform
from sync_server.platform.database import (
    DRIVER_FAULTS,
    DatabaseBusy,
    DatabaseError,
    StorageFull,
    StorageReadOnly,
    Tx,
    is_bad_value,
)
from sync_server.platform.errors import Problem
from sync_server.platform.facts import FactContext, FactKind, FactRefused
from sync_server.platform.rate_limit import PUSH, READ, take
from sync_server.platform.tokens import CurrentUser
from sync_server.sync.schemas import (
    Change,
    Checksum,
    FactResult,
    PullAnswer,
    PushAnswer,
    PushRequest,
)
from sync_server.users import service as users

log = structlog.get_logger(__name__)
TOMBSTONES_KEPT_MS = 90 * 86_400_000
_ATTEMPTS = 4
_DATABASE_FAULTS: tuple[type[Exception], ...] = (DatabaseError, *DRIVER_FAULTS)


class _Fault(Exception):
    """A fact made the server stumble: start the push over, with a savepoint around each fact."""


async def push(
    platform: Platform, user: CurrentUser, request: PushRequest, kinds: Mapping[str, FactKind]
) -> PushAnswer:
    """Handle a push: each fact and its result in one transaction, in order, once."""
    guarded = False
    for attempt in range(_ATTEMPTS):
        try:
            return await _push(platform, user, request, kinds, guarded)
        except _Fault:
            guarded = True
        except DatabaseBusy:
            # A deadlock between walks that meet (PostgreSQL): one of them steps back.
            if attempt == _ATTEMPTS - 1:
                raise
            await asyncio.sleep(random() * 0.05 * 2**attempt)  # noqa: S311
    raise DatabaseBusy("the push did not get its turn")


async def _push(
    platform: Platform,
    user: CurrentUser,
    request: PushRequest,
    kinds: Mapping[str, FactKind],
    guarded: bool,
) -> PushAnswer:
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        # The device's pushes take turns; the account can't be erased under one of them.
        lock = " FOR UPDATE OF c FOR KEY SHARE OF u" if tx.dialect == "postgres" else ""
        client = await tx.fetch_one(
            f"""SELECT c.client_no, c.user_no, c.last_seq FROM sync_client c
                JOIN app_user u ON u.user_no = c.user_no
                WHERE c.client_id = ? AND u.deleted_ms IS NULL{lock}""",
            request.client_id,
        )
        if client is None or client["user_no"] != user.user_no:
            raise Problem("unknown_client")
        if platform.settings.rate_limits == "on":
            await take(tx, PUSH, request.client_id, now_ms)
        await _check_consent(tx, user.user_no, request.facts, kinds)
        context = FactContext(tx, platform, user.user_no, request.client_id, now_ms)
        last, results = await _handle(
            context, client["client_no"], client["last_seq"], request.facts, kinds, guarded
        )
        await tx.execute(
            "UPDATE sync_client SET last_seq = ?, seen_ms = ? WHERE client_no = ?",
            last, now_ms, client["client_no"],
        )  # fmt: skip
        epoch = await tx.fetch_value("SELECT epoch FROM sync_clock")
    for user_no in context.poked | ({user.user_no} if results else set()):
        platform.pokes.poke(user_no)
    return PushAnswer(last, results, now_ms, epoch)


async def _check_consent(
    tx: Tx, user_no: int, facts: Sequence[Fact], kinds: Mapping[str, FactKind]
) -> None:
    """Refuse the whole push, before any fact is used up, while consent is missing."""
    needed = any(
        kind.needs_location_consent
        for kind in (kinds.get(fact.type) for fact in facts)
        if kind is not None
    )
    if needed and not await users.has_consent(tx, user_no, "location"):
        raise Problem("consent_required")


async def _handle(
    context: FactContext,
    client_no: int,
    last: int,
    facts: Sequence[Fact],
    kinds: Mapping[str, FactKind],
    guarded: bool,
) -> tuple[int, list[FactResult]]:
    known = await _known(context.tx, client_no, [f.seq for f in facts if f.seq <= last])
    results: list[FactResult] = []
    new: list[tuple[Any, ...]] = []
    for fact in facts:
        if fact.seq <= last:
            stored = known.get(fact.seq)
            if stored is None or bytes(stored["hash"]).hex() != fact.hash:
                raise Problem("seq_reused", f"fact {fact.seq} is known with other content")
            results.append(msgspec.json.decode(stored["result"], type=FactResult))
            continue
        if fact.seq > last + 1:
            raise Problem("gap", f"the server has facts up to {last}", last=last)
        result = await _apply(context, fact, kinds, guarded)
        metrics.FACTS.labels(
            fact.type if fact.type in kinds else "unknown", result.status, result.code
        ).inc()
        text = msgspec.json.encode(result).decode()
        kept = fact.payload if result.status == "refused" else None
        row = (client_no, fact.seq, bytes.fromhex(fact.hash), fact.type, text, kept,
               context.now_ms)  # fmt: skip
        new.append(row)
        known[fact.seq] = {"hash": row[2], "result": text}
        results.append(result)
        last = fact.seq
    await context.tx.executemany(
        """INSERT INTO sync_fact (client_no, seq, hash, type, result, refused_payload, at_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        new,
    )
    return last, results


async def _known(tx: Tx, client_no: int, seqs: Sequence[int]) -> dict[int, Any]:
    if not seqs:
        return {}
    clause, argument = tx.in_list("seq", seqs)
    rows = await tx.fetch_all(
        f"SELECT seq, hash, result FROM sync_fact WHERE client_no = ? AND {clause}",
        client_no,
        argument,
    )
    return {row["seq"]: row for row in rows}


async def _apply(
    context: FactContext, fact: Fact, kinds: Mapping[str, FactKind], guarded: bool
) -> FactResult:
    """Apply one fact; every way it can fail is a result, so it never blocks those behind it."""
    try:
        if fact_hash(fact.type, fact.payload) != fact.hash:
            raise FactRefused("hash_mismatch", "hash does not fit type and payload")
        body = decode_payload(fact.type, fact.payload)
        kind = kinds.get(fact.type)
        if kind is None:
            raise FactRefused("unknown_type", f"this server knows no {fact.type[:40]}")
        if guarded:
            async with context.tx.savepoint():
                data = await kind.apply(context, body)
        else:
            data = await kind.apply(context, body)
    except FactRefused as refusal:
        return FactResult(fact.seq, "refused", refusal.code, refusal.detail, {})
    except Problem as refusal:
        return FactResult(fact.seq, "refused", refusal.code, refusal.detail, {})
    except UnknownFactType as error:
        return FactResult(fact.seq, "refused", "unknown_type", str(error), {})
    except FactError as error:
        return FactResult(fact.seq, "refused", "malformed", str(error), {})
    except Exception as error:
        # A fault of the database is tried again; a value that no column takes never fits.
        if isinstance(error, _DATABASE_FAULTS) and not is_bad_value(error):
            raise
        if not guarded:
            raise _Fault from error
        log.error("fact_fault", type=fact.type, seq=fact.seq, exc_info=error)
        return FactResult(fact.seq, "refused", "server_fault", "kept for a later repair", {})
    return FactResult(fact.seq, "applied", "ok", "", data)


# Pull --------------------------------------------------------------------------------------


def encode_cursor(epoch: str, revision: int) -> str:
    """Make the opaque cursor of an epoch and a revision."""
    return urlsafe_b64encode(f"{epoch}.{revision}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, int]:
    """Read a cursor; raise Problem resync for anything that is not one of ours."""
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        epoch, revision = text.split(".")
        return epoch, int(revision)
    except (Base64Error, ValueError):
        raise Problem("resync", "the cursor is not one of this server") from None


async def pull(platform: Platform, user: CurrentUser, cursor: str | None, limit: int) -> PullAnswer:
    """Answer the rows changed since the cursor, in order of revision."""
    now_ms = platform.clock()
    if platform.settings.rate_limits == "on":
        # What can be read is answered while nothing can be written.
        with suppress(StorageFull, StorageReadOnly):
            async with platform.database.transaction() as tx:
                await take(tx, READ, user.user_id, now_ms)
    async with platform.database.read() as tx:
        account = await tx.fetch_one(
            "SELECT territory_version FROM app_user WHERE user_no = ? AND deleted_ms IS NULL",
            user.user_no,
        )
        if account is None:
            raise Problem("unauthorized")
        epoch = await tx.fetch_value("SELECT epoch FROM sync_clock")
        horizon = await tx.horizon()
        since = await _since(tx, cursor, epoch, horizon)
        rows = await tx.fetch_tuples(
            """SELECT collection, row_id, rev, deleted, doc FROM feed_row
               WHERE user_no = ? AND rev >= ? AND rev < ? ORDER BY rev, collection, row_id
               LIMIT ?""",
            user.user_no, since, horizon, limit + 1,
        )  # fmt: skip
        more = len(rows) > limit
        if more:
            # A page ends between two revisions; one revision larger than a page comes whole.
            cut = rows[limit][2]
            kept: Sequence[tuple[Any, ...]] = [row for row in rows if row[2] < cut]
            if not kept:
                kept = await _whole_revision(tx, user.user_no, cut)
                cut += 1
            rows = kept
            upto = cut
        else:
            upto = horizon
        changes: dict[str, list[Change]] = {}
        for collection, row_id, revision, deleted, doc in rows:
            if deleted and cursor is None:
                continue
            changes.setdefault(collection, []).append(Change(row_id, revision, bool(deleted), doc))
        checksums = None if more else await _checksums(tx, user.user_no, horizon)
        clients = {
            row[0]: row[1]
            for row in await tx.fetch_tuples(
                "SELECT client_id, last_seq FROM sync_client WHERE user_no = ?", user.user_no
            )
        }
    return PullAnswer(
        cursor=encode_cursor(epoch, upto),
        more=more,
        epoch=epoch,
        changes=changes,
        clients=clients,
        checksums=checksums,
        territory_version=account["territory_version"],
        server_time_ms=now_ms,
    )


async def _since(tx: Tx, cursor: str | None, epoch: str, horizon: int) -> int:
    if cursor is None or cursor == "":
        return 0
    theirs, since = decode_cursor(cursor)
    if theirs != epoch:
        raise Problem("resync", "the server was restored or set up anew")
    oldest = await tx.fetch_value("SELECT MAX(rev) FROM pruned_feed")
    if since > horizon or (oldest is not None and since <= oldest):
        raise Problem("resync", "the cursor is older than the deletions this server remembers")
    return since


async def _whole_revision(tx: Tx, user_no: int, revision: int) -> Sequence[tuple[Any, ...]]:
    return await tx.fetch_tuples(
        "SELECT collection, row_id, rev, deleted, doc FROM feed_row "
        "WHERE user_no = ? AND rev = ? ORDER BY collection, row_id",
        user_no,
        revision,
    )


async def _checksums(tx: Tx, user_no: int, horizon: int) -> dict[str, Checksum]:
    rows = await tx.fetch_tuples(
        """SELECT collection, COUNT(*), SUM(checksum) FROM feed_row
           WHERE user_no = ? AND deleted = 0 AND rev < ? GROUP BY collection""",
        user_no, horizon,
    )  # fmt: skip
    found = {row[0]: Checksum(int(row[1]), int(row[2])) for row in rows}
    return {name: found.get(name, Checksum(0, 0)) for name in feed.COLLECTIONS}


async def sweep(platform: Platform, now_ms: int) -> None:
    """Forget deletions older than 90 days; cursors from before them must start again."""
    async with platform.database.transaction() as tx:
        newest = await tx.fetch_value(
            "SELECT MAX(rev) FROM feed_row WHERE deleted = 1 AND changed_ms < ?",
            now_ms - TOMBSTONES_KEPT_MS,
        )
        if newest is None:
            return
        await tx.execute("DELETE FROM pruned_feed")
        await tx.execute("INSERT INTO pruned_feed (rev) VALUES (?)", newest)
        await tx.execute(
            "DELETE FROM feed_row WHERE deleted = 1 AND changed_ms < ?",
            now_ms - TOMBSTONES_KEPT_MS,
        )


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Erase the user's feed and the results of every fact."""
    await tx.execute("DELETE FROM feed_row WHERE user_no = ?", user_no)
    await tx.execute(
        "DELETE FROM sync_fact WHERE client_no IN "
        "(SELECT client_no FROM sync_client WHERE user_no = ?)",
        user_no,
    )
    return []
