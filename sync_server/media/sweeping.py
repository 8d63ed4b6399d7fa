"""Delete what nobody uses: uploads never completed, pictures nothing of the user shows, videos
not used for their kind's time, and what a crash left on the disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import structlog

from sync_server.media import limits
from sync_server.media.incoming import incoming_key
from sync_server.media.kinds import KINDS, PHOTO_KINDS
from sync_server.media.scratch import sweep_scratch
from sync_server.media.tables import LOCK_MEDIA
from sync_server.platform import feed, rate_limit
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem

log = structlog.get_logger(__name__)
BATCH: Final = 200
STORE_LISTING: Final = rate_limit.Limit("media-store-listing", 1, 1 / 86_400)
"""The store is listed once a day, by whichever process comes first."""


async def sweep(platform: Platform, now_ms: int) -> None:
    """Delete due uploads and pictures, and once a day objects that no row names."""
    async with platform.database.read() as tx:
        due = await tx.fetch_tuples(
            "SELECT user_no, media_key FROM media_object WHERE check_ms <= ? "
            "ORDER BY check_ms LIMIT ?",
            now_ms, BATCH,
        )  # fmt: skip
    by_user: dict[int, list[str]] = defaultdict(list)
    for user_no, key in due:
        by_user[int(user_no)].append(key)
    for user_no, keys in by_user.items():
        async with platform.database.transaction() as tx:
            objects = await _delete_unused(tx, user_no, keys, now_ms)
        for key in objects:
            await platform.objects.delete(key)
        if objects:
            log.info("media_swept", objects=len(objects))
            platform.pokes.poke(user_no)
    await _sweep_store(platform, now_ms)
    left = sweep_scratch(platform)
    if left:
        log.info("scratch_swept", folders=left)


async def delete_pictures(tx: Tx, user_no: int, keys: Iterable[str], now_ms: int) -> list[str]:
    """Delete those of a user's pictures that nothing shows any more, without waiting a week.

    Returns the objects to delete from the store. Pictures of other kinds than those that are kept
    because something shows them stay until their time.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return []
    clause, argument = tx.in_list("media_key", wanted)
    kinds, more = tx.in_list("kind", (*PHOTO_KINDS, "vet_photo"))
    await tx.execute(
        f"""UPDATE media_object SET check_ms = ?
            WHERE user_no = ? AND state = 'ready' AND {clause} AND {kinds}""",
        now_ms, user_no, argument, more,
    )  # fmt: skip
    return await _delete_unused(tx, user_no, wanted, now_ms)


async def _delete_unused(tx: Tx, user_no: int, keys: list[str], now_ms: int) -> list[str]:
    """Delete those of a user's due rows that are unused; return the objects nobody needs now."""
    await tx.lock(LOCK_MEDIA, [user_no])
    clause, argument = tx.in_list("m.media_key", keys)
    rows = await tx.fetch_all(
        f"""SELECT m.media_key, m.kind, m.state, m.object_key,
              CASE WHEN EXISTS (SELECT 1 FROM diary_photo p WHERE p.media_key = m.media_key
                                AND p.user_no = m.user_no)
                     OR EXISTS (SELECT 1 FROM vet_turn v WHERE v.image_key = m.media_key
                                AND v.user_no = m.user_no)
                     OR EXISTS (SELECT 1 FROM dog d WHERE d.photo_key = m.media_key
                                AND d.user_no = m.user_no AND d.deleted_ms IS NULL)
                   THEN 1 ELSE 0 END AS used
            FROM media_object m WHERE m.user_no = ? AND m.check_ms <= ? AND {clause}""",
        user_no, now_ms, argument,
    )  # fmt: skip
    used = [row["media_key"] for row in rows if row["used"] and row["state"] == "ready"]
    unused = [row for row in rows if not (row["used"] and row["state"] == "ready")]
    await tx.executemany(
        "UPDATE media_object SET check_ms = ? WHERE media_key = ? AND user_no = ?",
        [(now_ms + limits.UNUSED_KEPT_MS, key, user_no) for key in used],
    )
    objects: list[str] = []
    for row in unused:
        key = row["media_key"]
        await tx.execute(
            "DELETE FROM media_object WHERE media_key = ? AND user_no = ?", key, user_no
        )
        if row["state"] == "ready" and KINDS[row["kind"]].in_feed:
            await feed.publish(tx, user_no, "photos", key, None, now_ms)
        if row["state"] != "ready":
            objects += [incoming_key(key), f"media/{key}"]
    for object_key in {row["object_key"] for row in unused if row["object_key"]}:
        shared = await tx.fetch_value(
            "SELECT 1 FROM media_object WHERE object_key = ? LIMIT 1", object_key
        )
        if shared is None:
            objects.append(object_key)
    return objects


async def _sweep_store(platform: Platform, now_ms: int) -> None:
    """Delete objects older than a day that no row names (a crash, an erased account)."""
    try:
        async with platform.database.transaction() as tx:
            await rate_limit.take(tx, STORE_LISTING, "all", now_ms)
    except Problem:
        return
    for prefix in ("incoming/", "media/"):
        old = [
            key
            async for key, modified_ms in platform.objects.keys(prefix)
            if modified_ms < now_ms - limits.PENDING_KEPT_MS
        ]
        for start in range(0, len(old), 1000):
            part = old[start : start + 1000]
            async with platform.database.read() as tx:
                clause, argument = tx.in_list("object_key", part)
                names, more = tx.in_list("media_key", [key.partition("/")[2] for key in part])
                kept = {
                    row[0]
                    for row in await tx.fetch_tuples(
                        f"SELECT object_key FROM media_object WHERE {clause}", argument
                    )
                } | {
                    incoming_key(row[0])
                    for row in await tx.fetch_tuples(
                        f"SELECT media_key FROM media_object WHERE state = 'pending' AND {names}",
                        more,
                    )
                }
            for key in set(part) - kept:
                await platform.objects.delete(key)
