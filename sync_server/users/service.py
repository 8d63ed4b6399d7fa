"""The account: profile, consents, export, erasure."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from piccolo.columns import Column

from sync_server.auth import service as auth
from sync_server.auth.tables import AppUser, SyncClient
from sync_server.dogs import service as dogs
from sync_server.jobs import service as jobs
from sync_server.platform import feed
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import FieldError, Problem
from sync_server.platform.object_store import ObjectStoreFailed
from sync_server.platform.queries import run, run_one
from sync_server.platform.tokens import CurrentUser
from sync_server.users.schemas import (
    CONSENT_KINDS,
    ConsentChange,
    ConsentEvent,
    ConsentKind,
    ConsentState,
    Counts,
    DeviceDoc,
    Export,
    Profile,
    ProfileChange,
)
from sync_server.users.tables import Consent, ConsentLog
from sync_server.vet import service as vet

log = structlog.get_logger(__name__)


async def profile(tx: Tx, user_no: int) -> Profile:
    """Return an account with its counts; raise Problem unauthorized for a deleted one."""
    row = await run_one(
        tx, AppUser.select().where((AppUser.user_no == user_no) & AppUser.deleted_ms.is_null())
    )
    if row is None:
        raise Problem("unauthorized")
    counted = {
        str(collection): int(count)
        for collection, count in await tx.fetch_tuples(
            "SELECT collection, COUNT(*) FROM feed_row WHERE user_no = ? AND deleted = 0 "
            "GROUP BY collection",
            user_no,
        )
    }
    devices = await run_one(tx, SyncClient.count().where(SyncClient.user_no == user_no))
    return Profile(
        user_id=row["user_id"],
        display_name=row["display_name"],
        kind=row["kind"],
        language=row["language"],
        created_at_ms=row["created_ms"],
        counts=Counts(
            dogs=counted.get("dogs", 0),
            walks=counted.get("walks", 0),
            diary=counted.get("diary", 0),
            photos=counted.get("photos", 0),
            devices=devices["count"],
        ),
    )


async def change_profile(tx: Tx, user_no: int, change: ProfileChange) -> Profile:
    """Change name or language; raise Problem invalid_input or unauthorized."""
    await auth.require_alive(tx, user_no)
    values: dict[Column | str, Any] = {}
    if change.display_name is not None:
        values["display_name"] = change.display_name.strip()
        if not values["display_name"]:
            raise Problem("invalid_input", errors=[FieldError("display_name", "must not be blank")])
    if change.language is not None:
        values["language"] = change.language
    if values:
        await run(tx, AppUser.update(values).where(AppUser.user_no == user_no))
    return await profile(tx, user_no)


async def has_consent(tx: Tx, user_no: int, kind: ConsentKind) -> bool:
    """Say whether a user agrees to something now."""
    granted: int | None = await tx.fetch_value(
        "SELECT granted FROM consent WHERE user_no = ? AND kind = ?", user_no, kind
    )
    return granted == 1


async def consents(tx: Tx, user_no: int) -> list[ConsentState]:
    """Return the state of every kind of consent."""
    rows = await run(tx, Consent.select().where(Consent.user_no == user_no))
    known = {row["kind"]: row for row in rows}
    return [
        ConsentState(
            kind=kind,
            granted=kind in known and known[kind]["granted"] == 1,
            version=known[kind]["version"] if kind in known else None,
            at_ms=known[kind]["at_ms"] if kind in known else None,
        )
        for kind in CONSENT_KINDS
    ]


async def change_consent(
    tx: Tx, user_no: int, change: ConsentChange, now_ms: int
) -> list[ConsentState]:
    """Keep a grant or a withdrawal; what is so already adds nothing to the history."""
    await auth.require_alive(tx, user_no)
    values = (user_no, change.kind, change.version, int(change.granted), now_ms)
    changed = await tx.execute(
        """INSERT INTO consent AS c (user_no, kind, version, granted, at_ms)
           VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (user_no, kind) DO UPDATE SET version = excluded.version,
             granted = excluded.granted, at_ms = excluded.at_ms
           WHERE c.granted <> excluded.granted OR c.version <> excluded.version""",
        *values,
    )
    if changed:
        await tx.execute(
            "INSERT INTO consent_log (user_no, kind, version, granted, at_ms) "
            "VALUES (?, ?, ?, ?, ?)",
            *values,
        )
    return await consents(tx, user_no)


async def consent_history(tx: Tx, user_no: int) -> list[ConsentEvent]:
    """Return every grant and withdrawal of a user, oldest first."""
    rows = await run(
        tx,
        ConsentLog.select().where(ConsentLog.user_no == user_no).order_by(ConsentLog.log_no),
    )
    return [
        ConsentEvent(row["kind"], row["granted"] == 1, row["version"], row["at_ms"]) for row in rows
    ]


async def export(tx: Tx, user_no: int, now_ms: int) -> Export:
    """Return all data of a user: account, devices, consents, and every document of the feed."""
    devices = await run(
        tx,
        SyncClient.select().where(SyncClient.user_no == user_no).order_by(SyncClient.client_no),
    )
    collections: dict[str, list[dict[str, Any]]] = {name: [] for name in feed.COLLECTIONS}
    for name, text in await tx.fetch_tuples(
        "SELECT collection, doc FROM feed_row WHERE user_no = ? AND deleted = 0 "
        "ORDER BY collection, row_id",
        user_no,
    ):
        collections.setdefault(name, []).append(msgspec.json.decode(text))
    collections["jobs"] = await jobs.export(tx, user_no)
    collections["vet_conversations"] = await vet.export(tx, user_no)
    return Export(
        exported_at_ms=now_ms,
        profile=await profile(tx, user_no),
        devices=[
            DeviceDoc(row["client_id"], row["device_name"], row["created_ms"], row["seen_ms"])
            for row in devices
        ],
        consents=await consents(tx, user_no),
        consent_history=await consent_history(tx, user_no),
        collections=collections,
    )


async def erase_by_id(platform: Platform, user_id: str) -> bool:
    """Erase an account by its public id, for the operator; False when there is none."""
    async with platform.database.read() as tx:
        user_no = await tx.fetch_value(
            "SELECT user_no FROM app_user WHERE user_id = ? AND deleted_ms IS NULL", user_id
        )
    if user_no is None:
        return False
    await erase_account(platform, CurrentUser(user_no, user_id, ""))
    return True


async def erase_account(platform: Platform, user: CurrentUser) -> None:
    """Close an account for ever and erase everything of it, in every domain.

    First the account is closed: from that commit on its tokens are refused and no request can
    add a row. Then all domains erase in one transaction. If the server dies or stumbles in
    between, the sweeper finishes. Raises Problem unauthorized for an account already closed.
    """
    now_ms = platform.clock()
    async with platform.database.transaction() as tx:
        alive = await tx.fetch_value(
            f"SELECT user_no FROM app_user WHERE user_no = ? AND deleted_ms IS NULL{tx.for_update}",
            user.user_no,
        )
        if alive is None:
            raise Problem("unauthorized")
        await run(
            tx,
            AppUser.update(
                {
                    AppUser.deleted_ms: now_ms,
                    AppUser.kind: "deleted",
                    AppUser.display_name: "",
                    AppUser.kakao_id: None,
                    AppUser.secret_hash: None,
                }
            ).where(AppUser.user_no == user.user_no),
        )
    await _erase_rows(platform, user.user_no, now_ms)
    platform.pokes.poke(user.user_no)


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Delete consents, the feed and kept answers of a user."""
    await run(tx, Consent.delete().where(Consent.user_no == user_no))
    await run(tx, ConsentLog.delete().where(ConsentLog.user_no == user_no))
    for table in ("feed_row", "idempotent_answer"):
        await tx.execute(f"DELETE FROM {table} WHERE user_no = ?", user_no)
    return []


async def sweep(platform: Platform, now_ms: int) -> None:
    """Finish erasures that a crash or a fault cut short."""
    async with platform.database.read() as tx:
        rows = await tx.fetch_tuples(
            "SELECT user_no FROM app_user WHERE deleted_ms IS NOT NULL AND erased_ms IS NULL "
            "ORDER BY deleted_ms LIMIT 20"
        )
    for (user_no,) in rows:
        await _erase_rows(platform, user_no, now_ms)


async def _erase_rows(platform: Platform, user_no: int, now_ms: int) -> None:
    # Here, not above: the list of domains imports this module.
    from sync_server.domains import ERASERS

    keys: list[str] = []
    async with platform.database.transaction() as tx:
        # A push that is under way holds the row of its device; it ends before its rows go.
        await tx.fetch_all(
            f"SELECT client_no FROM sync_client WHERE user_no = ? ORDER BY client_no"
            f"{tx.for_update}",
            user_no,
        )
        # The devices last: other domains' rows are found through them.
        for erase_domain in (*ERASERS, dogs.erase, erase, auth.erase):
            keys += await erase_domain(tx, user_no, now_ms)
        await run(tx, AppUser.update({AppUser.erased_ms: now_ms}).where(AppUser.user_no == user_no))
    failed = 0
    for key in keys:
        try:
            await platform.objects.delete(key)
        except ObjectStoreFailed:
            failed += 1
    if failed:
        # Their rows are gone, so the sweeper of orphaned objects takes them.
        log.warning("objects_left_for_sweeper", count=failed)
