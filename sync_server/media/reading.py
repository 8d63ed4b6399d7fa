"""Stored media read again: by their owner, by a signed link, by other domains for their jobs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import msgspec

from sync_server.media import limits
from sync_server.media.kinds import KINDS, PHOTO_KINDS
from sync_server.media.schemas import MediaLink, PhotoDoc
from sync_server.platform import signed_links
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import not_found

KEY_PATTERN: Final = "^[A-Za-z0-9_-]{32}$"
_KEY: Final = re.compile(KEY_PATTERN)
_PART_BYTES: Final = 1024 * 1024
DOC_COLUMNS: Final = (
    "media_key, kind, content_type, size_bytes, width_px, height_px, sha256, created_ms, "
    "duration_ms"
)


class OwnMedia(msgspec.Struct, frozen=True):
    """A stored upload of the user, and a signed address by which the AI role reads it."""

    key: str
    kind: str
    content_type: str
    sha256: str
    duration_ms: int | None
    url: str


def check_key(key: str) -> None:
    """Raise not_found for what is no key: before the database sees it (PostgreSQL and NUL)."""
    if not _KEY.fullmatch(key):
        raise not_found()


def document(row: Any) -> PhotoDoc:
    """Return the document of a row with DOC_COLUMNS."""
    return PhotoDoc(
        row["media_key"], row["kind"], row["content_type"], row["size_bytes"], row["width_px"],
        row["height_px"], row["sha256"], row["created_ms"], row["duration_ms"],
    )  # fmt: skip


async def photo(platform: Platform, user_no: int | None, key: str) -> tuple[PhotoDoc, str]:
    """Return stored media's document and object key; Problem not_found otherwise.

    `user_no` is the owner, or None where a signed link is the permission.
    """
    check_key(key)
    async with platform.database.read() as tx:
        owner = "" if user_no is None else " AND user_no = ?"
        row = await tx.fetch_one(
            f"""SELECT object_key, {DOC_COLUMNS} FROM media_object
                WHERE media_key = ? AND state = 'ready'{owner}""",
            key, *(() if user_no is None else (user_no,)),
        )  # fmt: skip
    if row is None:
        raise not_found()
    return document(row), row["object_key"]


async def picture_bytes(platform: Platform, object_key: str) -> bytes:
    """Return the stored picture; Problem not_found where the store has lost it."""
    data = await platform.objects.get(object_key)
    if data is None:
        raise not_found()
    return data


async def parts(platform: Platform, object_key: str, start: int, end: int) -> AsyncIterator[bytes]:
    """Yield the bytes [start, end) of a stored object, a MiB at a time."""
    for at in range(start, end, _PART_BYTES):
        yield await platform.objects.get_range(object_key, at, min(end, at + _PART_BYTES))


async def link(platform: Platform, user_no: int, key: str) -> MediaLink:
    """Sign an address of the user's own media."""
    await photo(platform, user_no, key)
    url = signed_url(platform, key, limits.MEDIA_LINK_MS)
    return MediaLink(url, platform.clock() + limits.MEDIA_LINK_MS)


def signed_url(platform: Platform, key: str, for_ms: int) -> str:
    """Return an address of stored media that works without signing in for a while."""
    expires_ms = platform.clock() + for_ms
    return signed_links.media_link(platform.signer, platform.settings.public_url, key, expires_ms)


# --- for the other domains ------------------------------------------------------------------


async def open_own_media(
    platform: Platform, tx: Tx, user_no: int, said: str, for_ms: int = limits.JOB_LINK_MS
) -> OwnMedia | None:
    """Return what a client's `video_url` or key names among the user's own stored uploads.

    None where it names nothing of ours (a foreign URL: for `safe_fetch`). Raises Problem
    not_found where it names something of ours that is not this user's, or not complete. It counts
    as used now. The AI role finds the file of `OwnMedia.url` in the store, without a request
    (`signed_links.signed_object`).
    """
    key = signed_links.named_key(platform.settings.public_url, said)
    if key is None:
        return None
    row = await tx.fetch_one(
        f"""SELECT {DOC_COLUMNS} FROM media_object
            WHERE user_no = ? AND media_key = ? AND state = 'ready'""",
        user_no, key,
    )  # fmt: skip
    if row is None:
        raise not_found()
    await touch(tx, user_no, [key], platform.clock())
    return OwnMedia(
        key=key, kind=row["kind"], content_type=row["content_type"], sha256=row["sha256"],
        duration_ms=row["duration_ms"],
        url=signed_url(platform, key, for_ms),
    )  # fmt: skip


async def owned_mission_clips(tx: Tx, user_no: int, keys: Iterable[str]) -> set[str]:
    """Return those of the keys that are the user's own mission videos, uploaded or pending."""
    return await _owned(tx, user_no, keys, ("mission_clip",))


async def owned_photos(tx: Tx, user_no: int, keys: Iterable[str]) -> set[str]:
    """Return those of the keys that are the user's own photos: what a diary or a dog may show."""
    return await _owned(tx, user_no, keys, PHOTO_KINDS)


async def _owned(tx: Tx, user_no: int, keys: Iterable[str], kinds: tuple[str, ...]) -> set[str]:
    wanted = {key for key in keys if _KEY.fullmatch(key)}
    if not wanted:
        return set()
    clause, argument = tx.in_list("media_key", wanted)
    of_kinds, more = tx.in_list("kind", kinds)
    rows = await tx.fetch_tuples(
        f"SELECT media_key FROM media_object WHERE user_no = ? AND {clause} AND {of_kinds}",
        user_no, argument, more,
    )  # fmt: skip
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
    """Say that media came into use or went out of it: each is kept its kind's time from now."""
    wanted = {key for key in keys if _KEY.fullmatch(key)}
    if not wanted:
        return
    clause, argument = tx.in_list("media_key", wanted)
    for kept_ms in {rules.kept_ms for rules in KINDS.values()}:
        of_kinds, kinds = tx.in_list(
            "kind", [kind for kind, rules in KINDS.items() if rules.kept_ms == kept_ms]
        )
        await tx.execute(
            f"""UPDATE media_object SET check_ms = ?
                WHERE user_no = ? AND state = 'ready' AND {clause} AND {of_kinds}""",
            now_ms + kept_ms, user_no, argument, kinds,
        )  # fmt: skip
