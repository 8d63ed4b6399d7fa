"""Uploads: announced, sent to a signed address, checked, stored without metadata."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from sync_server.media import limits
from sync_server.media.clips import CleanClip, clean_clip
from sync_server.media.incoming import incoming_key, presigned_put
from sync_server.media.kinds import KINDS, ClipKind, alike_kinds
from sync_server.media.reading import (
    DOC_COLUMNS,
    KEY_PATTERN,
    OwnMedia,
    check_key,
    document,
    link,
    open_own_media,
    owned_mission_clips,
    owned_photos,
    parts,
    photo,
    picture_bytes,
    ready,
    signed_url,
    touch,
)
from sync_server.media.schemas import PhotoDoc, UploadLimits, UploadRequest, UploadTicket
from sync_server.media.scratch import file_sha256, save_stream, scratch_folder
from sync_server.media.sweeping import delete_pictures, sweep
from sync_server.media.tables import LOCK_MEDIA, MediaObject
from sync_server.platform import feed, rate_limit
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import FieldError, Problem, not_found
from sync_server.platform.object_store import ObjectTooLarge
from sync_server.platform.pictures import MAX_EDGE_PX, MAX_PIXELS, clean_picture
from sync_server.platform.signed_links import object_key
from sync_server.platform.video_check import check_video

__all__ = [
    "KEY_PATTERN", "OwnMedia", "checked_clip", "complete", "create_upload", "delete_pictures",
    "erase", "link", "open_own_media", "owned_mission_clips", "owned_photos", "parts", "photo",
    "picture_bytes", "ready", "receive", "signed_url", "sweep", "take_clip", "touch", "usage",
]  # fmt: skip


class _Stored(msgspec.Struct, frozen=True):
    """A checked upload that lies in the store: what its row says of it."""

    object_key: str
    content_type: str
    size_bytes: int
    width_px: int
    height_px: int
    sha256: str
    duration_ms: int | None = None
    frames: int | None = None


# --- announce and receive -------------------------------------------------------------------


async def create_upload(
    platform: Platform, tx: Tx, user_no: int, wanted: UploadRequest, now_ms: int
) -> UploadTicket:
    """Reserve a key and sign an address for its bytes.

    Raises Problem invalid_input for a type or size that the kind does not take, quota_exceeded
    where the user's stored and announced bytes would pass the quota, or too many uploads wait for
    their bytes.
    """
    rules = KINDS[wanted.kind]
    wrong = []
    if wanted.content_type not in rules.media_types:
        wrong.append(FieldError("content_type", f"one of {', '.join(sorted(rules.media_types))}"))
    if wanted.size_bytes > rules.max_bytes:
        wrong.append(FieldError("size_bytes", f"at most {rules.max_bytes}"))
    if wrong:
        raise Problem("invalid_input", f"not as {wanted.kind} may be", errors=wrong)
    await _reserve(platform, tx, user_no, wanted.size_bytes)
    key = _new_key()
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
    return UploadTicket(key, url, "PUT", headers, expires_ms, _limits_of(wanted.kind))


def _new_key() -> str:
    return secrets.token_urlsafe(24)


def _limits_of(kind: str) -> UploadLimits:
    rules = KINDS[kind]
    if rules.video is None:
        return UploadLimits(rules.max_bytes, MAX_EDGE_PX, MAX_PIXELS, limits.STORED_EDGE_PX)
    edge = rules.video.max_edge_px
    return UploadLimits(rules.max_bytes, edge, edge * edge, edge, rules.video.max_duration_s)


async def _reserve(platform: Platform, tx: Tx, user_no: int, size_bytes: int) -> None:
    """Hold the user's rows and raise quota_exceeded where `size_bytes` more do not fit."""
    await tx.lock(LOCK_MEDIA, [user_no])
    stored, pending, waiting = await usage(tx, user_no)
    if waiting >= limits.MAX_PENDING:
        raise Problem("quota_exceeded", f"{waiting} uploads wait to be completed")
    if stored + pending + size_bytes > platform.settings.media_quota_bytes:
        raise Problem("quota_exceeded")


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


async def receive(platform: Platform, key: str, stream: AsyncIterable[bytes]) -> None:
    """Keep uploaded bytes until `complete` checks them; the caller has checked the signature.

    Raises Problem not_found for an unknown key, conflict for one that is already complete,
    too_large for more bytes than announced.
    """
    check_key(key)
    async with platform.database.transaction() as tx:
        row = await tx.fetch_one(
            "SELECT user_no, state, declared_bytes FROM media_object WHERE media_key = ?", key
        )
        if row is None:
            raise not_found()
        await rate_limit.limit(platform, tx, rate_limit.UPLOAD, str(row["user_no"]))
    if row["state"] != "pending":
        raise Problem("conflict", "this upload is already complete")
    async with scratch_folder(platform) as folder:
        await save_stream(stream, folder / "upload", int(row["declared_bytes"]))
        with (folder / "upload").open("rb") as file:
            await platform.objects.put_file(incoming_key(key), file)


# --- complete -------------------------------------------------------------------------------


async def complete(platform: Platform, user_no: int, key: str) -> PhotoDoc:
    """Check what was uploaded and store it cleaned; again answers the same.

    Raises Problem not_found, upload_incomplete (nothing arrived), upload_mismatch (other size or
    hash than announced), or the reasons of `clean_picture` and `clean_clip`. A refused upload is
    deleted; the same key takes another try until it expires.
    """
    async with platform.database.read() as tx:
        row = await _own_row(tx, user_no, key)
        if row["state"] == "ready":
            return document(row)
    async with scratch_folder(platform) as folder:
        try:
            path = folder / "upload"
            await _fetch_upload(platform, row, path)
            upload_sha256 = await file_sha256(path)
            if row["declared_sha256"] not in (None, upload_sha256):
                raise Problem("upload_mismatch", "the bytes have another hash than announced")
            kind, kind_type = row["kind"], row["declared_type"]
            stored = await _checked(platform, user_no, key, kind, kind_type, path, upload_sha256)
        except Problem as refused:
            if refused.code != "upload_incomplete":
                await platform.objects.delete(incoming_key(key))
            raise
    answer = await _store(platform, row, upload_sha256, stored)
    await platform.objects.delete(incoming_key(key))
    platform.pokes.poke(user_no)
    return answer


async def take_clip(
    platform: Platform, user_no: int, kind: ClipKind, stream: AsyncIterable[bytes]
) -> str:
    """Take a video that comes in a request's own body; return its media key.

    For routes that seeds define with a file in the form: streamed to disk, never all in memory,
    then checked, stripped, stored and counted as any upload. Raises Problem too_large,
    quota_exceeded, not_a_video, no_video_stream, video_*.
    """
    async with platform.database.transaction() as tx:
        await rate_limit.limit(platform, tx, rate_limit.UPLOAD, str(user_no))
        await _reserve(platform, tx, user_no, 1)
    key, now_ms = _new_key(), platform.clock()
    async with scratch_folder(platform) as folder:
        path = folder / "upload"
        size_bytes, upload_sha256 = await save_stream(stream, path, KINDS[kind].max_bytes)
        if not size_bytes:
            raise Problem("not_a_video", "the file is empty")
        stored = await _checked(platform, user_no, key, kind, None, path, upload_sha256)
    try:
        async with platform.database.transaction() as tx:
            await _reserve(platform, tx, user_no, stored.size_bytes)
            await tx.execute(
                """INSERT INTO media_object (media_key, user_no, kind, state, declared_type,
                     declared_bytes, created_ms, check_ms)
                   VALUES (?, ?, ?, 'pending', ?, ?, ?, ?)""",
                key, user_no, kind, stored.content_type, size_bytes, now_ms,
                now_ms + limits.PENDING_KEPT_MS,
            )  # fmt: skip
            row = await _own_row(tx, user_no, key)
    except Problem:
        if stored.object_key == object_key(key):
            await platform.objects.delete(stored.object_key)
        raise
    await _store(platform, row, upload_sha256, stored)
    return key


@asynccontextmanager
async def checked_clip(
    platform: Platform, kind: ClipKind, stream: AsyncIterable[bytes]
) -> AsyncIterator[Path]:
    """Give the checked copy of a video, without metadata and sound, while the block runs.

    For a clip that belongs to a job and is no upload of its own. Raises Problem too_large,
    VideoRefused.
    """
    async with scratch_folder(platform) as folder:
        await save_stream(stream, folder / "sent", KINDS[kind].max_bytes)
        rules = KINDS[kind].video
        assert rules is not None
        await check_video(folder / "sent", rules, stripped=folder / "clean")
        yield folder / "clean"


async def _fetch_upload(platform: Platform, row: Any, path: Path) -> None:
    announced = int(row["declared_bytes"])
    try:
        # A presigned address does not limit what is sent to it.
        size = await platform.objects.get_file(incoming_key(row["media_key"]), path, announced)
    except ObjectTooLarge:
        size = -1
    if size is None:
        raise Problem("upload_incomplete")
    if size != announced:
        raise Problem("upload_mismatch", f"{announced} bytes were announced")


async def _checked(
    platform: Platform,
    user_no: int,
    key: str,
    kind: str,
    declared_type: str | None,
    path: Path,
    upload_sha256: str,
) -> _Stored:
    """Return the equal upload of the user, or check the file and store the clean one."""
    async with platform.database.read() as tx:
        known = await _same_upload(tx, user_no, kind, declared_type, upload_sha256)
    if known is not None:
        if KINDS[kind].in_feed or known.object_key == object_key(key):
            return known
        if await platform.objects.copy(known.object_key, object_key(key)):
            return msgspec.structs.replace(known, object_key=object_key(key))
    if KINDS[kind].video is not None:
        clip: CleanClip = await clean_clip(path, kind, declared_type)
        with clip.path.open("rb") as file:
            await platform.objects.put_file(object_key(key), file)
        return _Stored(
            object_key(key), clip.content_type, clip.size_bytes, clip.width_px, clip.height_px,
            clip.sha256, clip.duration_ms, clip.frames,
        )  # fmt: skip
    picture = await clean_picture(
        path.read_bytes(), declared_type or "", longest_edge_px=limits.STORED_EDGE_PX
    )
    await platform.objects.put(object_key(key), picture.data)
    return _Stored(
        object_key(key), picture.content_type, len(picture.data), picture.width_px,
        picture.height_px, hashlib.sha256(picture.data).hexdigest(),
    )  # fmt: skip


async def _store(platform: Platform, row: Any, upload_sha256: str, stored: _Stored) -> PhotoDoc:
    """Make the row ready in one transaction; a photo shares the object of an equal upload."""
    user_no, key, now_ms = int(row["user_no"]), row["media_key"], platform.clock()
    kind, own = row["kind"], object_key(key)
    async with platform.database.transaction() as tx:
        await tx.lock(LOCK_MEDIA, [user_no])
        current = await _own_row(tx, user_no, key)
        if current["state"] == "ready":  # a second `complete` at the same time was faster
            return document(current)
        known = None
        if KINDS[kind].in_feed:
            known = await _same_upload(tx, user_no, kind, row["declared_type"], upload_sha256)
        if known is None and stored.object_key != own:
            # the equal upload was swept since it was looked up
            raise Problem("upload_incomplete", "complete the upload again")
        kept = known or stored
        await tx.execute(
            """UPDATE media_object SET state = 'ready', object_key = ?, content_type = ?,
                 size_bytes = ?, width_px = ?, height_px = ?, sha256 = ?, upload_sha256 = ?,
                 duration_ms = ?, frames = ?, ready_ms = ?, check_ms = ?
               WHERE media_key = ? AND user_no = ?""",
            kept.object_key, kept.content_type, kept.size_bytes, kept.width_px, kept.height_px,
            kept.sha256, upload_sha256, kept.duration_ms, kept.frames,
            now_ms, now_ms + KINDS[kind].kept_ms, key, user_no,
        )  # fmt: skip
        answer = document(await _own_row(tx, user_no, key))
        if KINDS[kind].in_feed:
            await feed.publish(tx, user_no, "photos", key, answer, now_ms)
    if known is not None and stored.object_key == own:
        await platform.objects.delete(own)
    return answer


async def _same_upload(
    tx: Tx, user_no: int, kind: str, declared_type: str | None, upload_sha256: str
) -> _Stored | None:
    kinds, argument = tx.in_list("kind", alike_kinds(kind))
    # A picture's answer depends on the type it was announced as; equal videos are equal.
    if KINDS[kind].video is not None:
        declared_type = None
    of_type = "" if declared_type is None else " AND declared_type = ?"
    row = await tx.fetch_one(
        f"""SELECT object_key, content_type, size_bytes, width_px, height_px, sha256, duration_ms,
              frames
            FROM media_object WHERE user_no = ? AND upload_sha256 = ? AND state = 'ready'
              AND {kinds}{of_type} ORDER BY media_key LIMIT 1""",
        user_no, upload_sha256, argument, *(() if declared_type is None else (declared_type,)),
    )  # fmt: skip
    if row is None:
        return None
    return _Stored(
        row["object_key"], row["content_type"], row["size_bytes"], row["width_px"],
        row["height_px"], row["sha256"], row["duration_ms"], row["frames"],
    )  # fmt: skip


async def _own_row(tx: Tx, user_no: int, key: str) -> Any:
    check_key(key)
    row = await tx.fetch_one(
        f"""SELECT user_no, state, declared_type, declared_bytes, declared_sha256, object_key,
              {DOC_COLUMNS} FROM media_object WHERE media_key = ? AND user_no = ?""",
        key, user_no,
    )  # fmt: skip
    if row is None:
        raise not_found()
    return row


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Delete every row of the user; return the object keys to delete from the store."""
    rows = await tx.fetch_tuples(
        "SELECT media_key, object_key FROM media_object WHERE user_no = ?", user_no
    )
    await MediaObject.delete().where(MediaObject.user_no == user_no)
    keys = {incoming_key(row[0]) for row in rows} | {object_key(row[0]) for row in rows}
    return sorted(keys | {row[1] for row in rows if row[1]})
