"""Uploads: announced, sent to a signed address, checked, stored without metadata."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from typing import Any, Final

from sync_server.media import limits
from sync_server.media.incoming import (
    UploadTooLarge,
    incoming_key,
    presigned_put,
    read_incoming,
)
from sync_server.media.pictures import CleanPicture, clean_picture
from sync_server.media.schemas import (
    MediaLink,
    PhotoDoc,
    UploadLimits,
    UploadRequest,
    UploadTicket,
)
from sync_server.media.sweeping import sweep
from sync_server.media.tables import LOCK_MEDIA, MediaObject
from sync_server.platform import feed, rate_limit
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem, not_found

__all__ = [
    "complete", "create_upload", "erase", "link", "owned", "photo", "picture_bytes", "ready",
    "receive", "signed_url", "sweep", "touch", "usage",
]  # fmt: skip

KEY_PATTERN: Final = "^[A-Za-z0-9_-]{32}$"
_KEY: Final = re.compile(KEY_PATTERN)
_LIMITS: Final = UploadLimits(
    limits.MAX_UPLOAD_BYTES, limits.MAX_EDGE_PX, limits.MAX_PIXELS, limits.STORED_EDGE_PX
)
_DOC_COLUMNS: Final = (
    "media_key, kind, content_type, size_bytes, width_px, height_px, sha256, created_ms"
)


# --- announce and receive -------------------------------------------------------------------


async def create_upload(
    platform: Platform, tx: Tx, user_no: int, wanted: UploadRequest, now_ms: int
) -> UploadTicket:
    """Reserve a key and sign an address for its bytes.

    Raises Problem quota_exceeded where the user's stored and announced bytes would pass the
    quota, or too many uploads wait for their bytes.
    """
    await tx.lock(LOCK_MEDIA, [user_no])
    stored, pending, waiting = await usage(tx, user_no)
    if waiting >= limits.MAX_PENDING:
        raise Problem("quota_exceeded", f"{waiting} uploads wait to be completed")
    if stored + pending + wanted.size_bytes > platform.settings.media_quota_bytes:
        raise Problem("quota_exceeded")
    key = secrets.token_urlsafe(24)
    await tx.execute(
        """INSERT INTO media_object (media_key, user_no, kind, state, declared_type,
             declared_bytes, declared_sha256, created_ms, check_ms)
           VALUES (?, ?, ?, 'pending', ?, ?, ?, ?, ?)""",
        key, user_no, wanted.kind, wanted.content_type, wanted.size_bytes, wanted.sha256,
        now_ms, now_ms + limits.PENDING_KEPT_MS,
    )  # fmt: skip
    expires_ms = now_ms + limits.UPLOAD_URL_MS
    url = presigned_put(platform.settings.object_store, key, limits.UPLOAD_URL_MS)
    if url is None:
        signature = platform.signer.sign("upload", key, expires_ms)
        base = platform.settings.public_url.rstrip("/")
        url = f"{base}/api/uploads/{key}/content?expires={expires_ms}&signature={signature}"
    headers: dict[str, str] = {"Content-Type": wanted.content_type}
    return UploadTicket(key, url, "PUT", headers, expires_ms, _LIMITS)


async def usage(tx: Tx, user_no: int) -> tuple[int, int, int]:
    """Return a user's stored bytes (a shared object once), announced bytes and announcements."""
    stored = await tx.fetch_value(
        """SELECT COALESCE(SUM(t.size), 0) FROM (
             SELECT MAX(size_bytes) AS size FROM media_object
             WHERE user_no = ? AND state = 'ready' GROUP BY object_key) t""",
        user_no,
    )  # fmt: skip
    waiting = await tx.fetch_one(
        """SELECT COALESCE(SUM(declared_bytes), 0), COUNT(*) FROM media_object
           WHERE user_no = ? AND state = 'pending'""",
        user_no,
    )  # fmt: skip
    return int(stored), int(waiting[0]), int(waiting[1])


async def announced_bytes(platform: Platform, key: str) -> int:
    """Return how many bytes an upload may send; the signature was checked by the caller.

    Raises Problem not_found for an unknown key, conflict for one that is already complete.
    """
    async with platform.database.transaction() as tx:
        row = await tx.fetch_one(
            "SELECT user_no, state, declared_bytes FROM media_object WHERE media_key = ?", key
        )
        if row is None:
            raise not_found()
        await rate_limit.limit(platform, tx, rate_limit.UPLOAD, str(row["user_no"]))
    if row["state"] != "pending":
        raise Problem("conflict", "this upload is already complete")
    return int(row["declared_bytes"])


async def receive(platform: Platform, key: str, data: bytes) -> None:
    """Keep uploaded bytes until `complete` checks them."""
    await platform.objects.put(incoming_key(key), data)


# --- complete -------------------------------------------------------------------------------


async def complete(platform: Platform, user_no: int, key: str) -> PhotoDoc:
    """Check what was uploaded and store the cleaned picture; again answers the same.

    Raises Problem not_found, upload_incomplete (nothing arrived), upload_mismatch (other size or
    hash than announced), or the reasons of `clean_picture`. A refused upload is deleted; the
    same key takes another try until it expires.
    """
    async with platform.database.read() as tx:
        row = await _own_row(tx, user_no, key)
        if row["state"] == "ready":
            return _document(row)
    data = await _uploaded(platform, row)
    upload_sha256 = hashlib.sha256(data).hexdigest()
    if row["declared_sha256"] not in (None, upload_sha256):
        await platform.objects.delete(incoming_key(key))
        raise Problem("upload_mismatch", "the bytes have another hash than announced")
    async with platform.database.read() as tx:
        known = await _same_upload(tx, row, upload_sha256)
    picture = None
    if known is None:
        try:
            picture = await clean_picture(data, row["declared_type"])
        except Problem:
            await platform.objects.delete(incoming_key(key))
            raise
        await platform.objects.put(_object_key(key), picture.data)
    document = await _store(platform, row, upload_sha256, picture)
    await platform.objects.delete(incoming_key(key))
    platform.pokes.poke(user_no)
    return document


async def _uploaded(platform: Platform, row: Any) -> bytes:
    key, announced = row["media_key"], int(row["declared_bytes"])
    try:
        data = await read_incoming(platform.settings.object_store, key, announced)
    except UploadTooLarge:
        data = b""
    if data is None:
        raise Problem("upload_incomplete")
    if len(data) != announced:
        await platform.objects.delete(incoming_key(key))
        raise Problem("upload_mismatch", f"{announced} bytes were announced")
    return data


async def _store(
    platform: Platform, row: Any, upload_sha256: str, picture: CleanPicture | None
) -> PhotoDoc:
    """Make the row ready in one transaction; share the object of an equal upload."""
    user_no, key, now_ms = int(row["user_no"]), row["media_key"], platform.clock()
    spare: str | None = None
    async with platform.database.transaction() as tx:
        await tx.lock(LOCK_MEDIA, [user_no])
        current = await _own_row(tx, user_no, key)
        if current["state"] == "ready":  # a second `complete` at the same time was faster
            return _document(current)
        known = await _same_upload(tx, row, upload_sha256)
        if known is not None:
            object_key, content_type = known["object_key"], known["content_type"]
            size, width, height = known["size_bytes"], known["width_px"], known["height_px"]
            sha256 = known["sha256"]
            spare = _object_key(key) if picture is not None else None
        elif picture is not None:
            object_key, content_type = _object_key(key), picture.content_type
            size, width, height = len(picture.data), picture.width_px, picture.height_px
            sha256 = hashlib.sha256(picture.data).hexdigest()
        else:  # the equal upload was swept since it was looked up
            raise Problem("upload_incomplete", "complete the upload again")
        await tx.execute(
            """UPDATE media_object SET state = 'ready', object_key = ?, content_type = ?,
                 size_bytes = ?, width_px = ?, height_px = ?, sha256 = ?, upload_sha256 = ?,
                 ready_ms = ?, check_ms = ? WHERE media_key = ? AND user_no = ?""",
            object_key, content_type, size, width, height, sha256, upload_sha256,
            now_ms, now_ms + limits.UNUSED_KEPT_MS, key, user_no,
        )  # fmt: skip
        document = _document(await _own_row(tx, user_no, key))
        await feed.publish(tx, user_no, "photos", key, document, now_ms)
    if spare is not None:
        await platform.objects.delete(spare)
    return document


async def _same_upload(tx: Tx, row: Any, upload_sha256: str) -> Any:
    return await tx.fetch_one(
        f"""SELECT object_key, {_DOC_COLUMNS} FROM media_object
            WHERE user_no = ? AND upload_sha256 = ? AND state = 'ready' AND declared_type = ?
            ORDER BY media_key LIMIT 1""",
        row["user_no"], upload_sha256, row["declared_type"],
    )  # fmt: skip


async def _own_row(tx: Tx, user_no: int, key: str) -> Any:
    _check_key(key)
    row = await tx.fetch_one(
        f"""SELECT user_no, state, declared_type, declared_bytes, declared_sha256, object_key,
              {_DOC_COLUMNS} FROM media_object WHERE media_key = ? AND user_no = ?""",
        key, user_no,
    )  # fmt: skip
    if row is None:
        raise not_found()
    return row


def _check_key(key: str) -> None:
    # Before the database sees it: PostgreSQL fails on a NUL in a text.
    if not _KEY.fullmatch(key):
        raise not_found()


def _document(row: Any) -> PhotoDoc:
    return PhotoDoc(
        row["media_key"], row["kind"], row["content_type"], row["size_bytes"], row["width_px"],
        row["height_px"], row["sha256"], row["created_ms"],
    )  # fmt: skip


def _object_key(key: str) -> str:
    return f"media/{key}"


# --- read -----------------------------------------------------------------------------------


async def photo(platform: Platform, user_no: int | None, key: str) -> tuple[PhotoDoc, str]:
    """Return a stored picture's document and object key; Problem not_found otherwise.

    `user_no` is the owner, or None where a signed link is the permission.
    """
    _check_key(key)
    async with platform.database.read() as tx:
        owner = "" if user_no is None else " AND user_no = ?"
        row = await tx.fetch_one(
            f"""SELECT object_key, {_DOC_COLUMNS} FROM media_object
                WHERE media_key = ? AND state = 'ready'{owner}""",
            key, *(() if user_no is None else (user_no,)),
        )  # fmt: skip
    if row is None:
        raise not_found()
    return _document(row), row["object_key"]


async def picture_bytes(platform: Platform, object_key: str) -> bytes:
    """Return the stored picture; Problem not_found where the store has lost it."""
    data = await platform.objects.get(object_key)
    if data is None:
        raise not_found()
    return data


async def link(platform: Platform, user_no: int, key: str) -> MediaLink:
    """Sign an address of the user's own picture."""
    await photo(platform, user_no, key)
    url = signed_url(platform, key, limits.MEDIA_LINK_MS)
    return MediaLink(url, platform.clock() + limits.MEDIA_LINK_MS)


def signed_url(platform: Platform, key: str, for_ms: int) -> str:
    """Return an address of stored media that works without signing in for a while."""
    expires_ms = platform.clock() + for_ms
    signature = platform.signer.sign("media", key, expires_ms)
    base = platform.settings.public_url.rstrip("/")
    return f"{base}/api/media/{key}?expires={expires_ms}&signature={signature}"


# --- for the other domains ------------------------------------------------------------------


async def owned(tx: Tx, user_no: int, keys: Iterable[str]) -> set[str]:
    """Return those of the keys that are the user's own, uploaded or still pending."""
    wanted = {key for key in keys if _KEY.fullmatch(key)}
    if not wanted:
        return set()
    clause, argument = tx.in_list("media_key", wanted)
    rows = await tx.fetch_tuples(
        f"SELECT media_key FROM media_object WHERE user_no = ? AND {clause}", user_no, argument
    )
    return {row[0] for row in rows}


async def ready(tx: Tx, user_no: int, keys: Iterable[str]) -> set[str]:
    """Return those of the keys that are the user's own and completely uploaded."""
    wanted = {key for key in keys if _KEY.fullmatch(key)}
    if not wanted:
        return set()
    clause, argument = tx.in_list("media_key", wanted)
    rows = await tx.fetch_tuples(
        f"SELECT media_key FROM media_object WHERE user_no = ? AND state = 'ready' AND {clause}",
        user_no, argument,
    )  # fmt: skip
    return {row[0] for row in rows}


async def touch(tx: Tx, user_no: int, keys: Iterable[str], now_ms: int) -> None:
    """Say that pictures came into use or went out of it: each is kept a week from now at least."""
    wanted = {key for key in keys if _KEY.fullmatch(key)}
    if wanted:
        clause, argument = tx.in_list("media_key", wanted)
        await tx.execute(
            f"""UPDATE media_object SET check_ms = ?
                WHERE user_no = ? AND state = 'ready' AND {clause}""",
            now_ms + limits.UNUSED_KEPT_MS, user_no, argument,
        )  # fmt: skip


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Delete every row of the user; return the object keys to delete from the store."""
    rows = await tx.fetch_tuples(
        "SELECT media_key, object_key FROM media_object WHERE user_no = ?", user_no
    )
    await MediaObject.delete().where(MediaObject.user_no == user_no)
    keys = {incoming_key(row[0]) for row in rows} | {_object_key(row[0]) for row in rows}
    return sorted(keys | {row[1] for row in rows if row[1]})
