"""Bring the file that a job names into its scratch folder: our own links from the object store.

A worker on another machine, or a stage that runs again there, finds the folder empty: `local_video`
then fetches and checks once more. The file appears under its name only when it is whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from sync_server.ai.contract import VideoArea
from sync_server.ai.refusals import MAX_DURATION_S, not_fetched, too_long, unreadable
from sync_server.ai.stages import Json, StageContext, StageFailed
from sync_server.platform.artifact_links import signed_artifact
from sync_server.platform.media_types import HEAD_BYTES, VIDEO_TYPES, sniff
from sync_server.platform.object_store import ObjectStore, ObjectStoreFailed, ObjectTooLarge
from sync_server.platform.safe_fetch import (
    Fetched,
    FetchFailed,
    FetchPolicy,
    FetchRefused,
    fetch,
    parse_allow_hosts,
)
from sync_server.platform.settings import Settings
from sync_server.platform.signed_links import signed_object
from sync_server.platform.tokens import TokenSigner
from sync_server.platform.video_check import VideoLimits, VideoRefused, check_video

log = structlog.get_logger(__name__)
MAX_VIDEO_BYTES: Final = 100 * 1024 * 1024
FETCH_S: Final = 30.0


class MediaFetcher:
    """Fetches addresses into files; our own signed ones without going over the network."""

    def __init__(self, settings: Settings, objects: ObjectStore, signer: TokenSigner) -> None:
        """Read `objects` for links that `signer` has signed under `settings.public_url`."""
        self._objects = objects
        self._signer = signer
        self._base = settings.public_url.rstrip("/")
        self._allowed = parse_allow_hosts(settings.fetch_allow_hosts)

    async def fetch(
        self, url: str, into: Path, *, media_types: frozenset[str], max_bytes: int
    ) -> Fetched:
        """Write what the address leads to into a file that appears when it is whole.

        Raises FetchRefused and FetchFailed as `safe_fetch.fetch`.
        """
        key = self._own_key(url)
        if key is not None:
            found = await self._read(key, into, media_types, max_bytes)
            if found is not None:
                return found
        allowed = self._allowed
        if key is not None:
            # We have signed this very address: fetching it cannot lead anywhere we have not.
            allowed |= {urlsplit(self._base).netloc.lower()}
        policy = FetchPolicy(
            max_bytes=max_bytes, media_types=media_types, total_s=FETCH_S, allow_hosts=allowed
        )
        return await fetch(url, policy=policy, into=into)

    def _own_key(self, url: str) -> str | None:
        """The object key of a link of ours whose signature holds; None for all others."""
        return signed_object(self._signer, self._base, url) or signed_artifact(
            self._signer, self._base, url
        )

    async def _read(
        self, key: str, into: Path, media_types: frozenset[str], max_bytes: int
    ) -> Fetched | None:
        scratch = into.with_name(f".{into.name}.{secrets.token_hex(6)}.part")
        try:
            size = await self._objects.get_file(key, scratch, max_bytes)
            if size is None:
                return None
            media_type, digest = await asyncio.to_thread(_read_over, scratch)
            if media_type is None or media_type not in media_types:
                raise FetchRefused("wrong_type", "the file is not of a type that is taken")
            scratch.replace(into)
        except ObjectTooLarge:
            raise FetchRefused("too_large", f"more than {max_bytes} bytes") from None
        except ObjectStoreFailed:
            raise FetchFailed("the object store does not answer") from None
        finally:
            scratch.unlink(missing_ok=True)
        return Fetched(into, size, digest, media_type)


def _read_over(path: Path) -> tuple[str | None, str]:
    with path.open("rb") as file:
        media_type = sniff(file.read(HEAD_BYTES))
        file.seek(0)
        return media_type, hashlib.file_digest(file, "sha256").hexdigest()


def in_folder(context: StageContext, name: str) -> Path:
    """A file of this part in the job's scratch folder, which is made; parts do not share names."""
    context.folder.mkdir(parents=True, exist_ok=True)
    prefix = f"{context.part}-" if context.part else ""
    return context.folder / f"{prefix}{name}"


def longest_s(context: StageContext, area: VideoArea) -> float:
    """The longest video that this job may bring, seconds."""
    asked = context.job.policy.max_duration_sec
    return MAX_DURATION_S[area] if asked is None else min(asked, MAX_DURATION_S[area])


async def fetch_video(context: StageContext, area: VideoArea, url: str) -> Json:
    """Fetch and check a video: its hash, size and facts; the file is `local_video`'s.

    Raises StageFailed with the area's codes.
    """
    path = in_folder(context, "video")
    fetched = await _fetched(context, area, url, path, VIDEO_TYPES, MAX_VIDEO_BYTES)
    try:
        facts = await check_video(path, VideoLimits(max_duration_s=longest_s(context, area)))
    except VideoRefused as error:
        path.unlink(missing_ok=True)
        if error.code == "too_long":
            raise too_long(area, percent=15) from None
        raise unreadable(area, error.code, percent=15) from None
    return {
        "sha256": fetched.sha256, "size_bytes": fetched.size_bytes,
        "duration_s": facts.duration_s, "width_px": facts.width_px,
        "height_px": facts.height_px, "fps": facts.fps,
    }  # fmt: skip


async def local_video(context: StageContext, area: VideoArea, url: str, known: Json) -> Path:
    """The video's file, fetched again where it is not here; another content is refused."""
    path = in_folder(context, "video")
    if path.is_file() and path.stat().st_size == known["size_bytes"]:
        return path
    log.info("video_fetched_again", job_id=context.job.job_id, part=context.part)
    again = await fetch_video(context, area, url)
    if again["sha256"] != known["sha256"]:
        raise not_fetched(area, "changed", system=False)
    return path


async def fetch_picture(
    context: StageContext, area: VideoArea, url: str, media_types: frozenset[str], max_bytes: int
) -> Json:
    """Fetch a picture into the part's `picture`; raises StageFailed with the area's codes."""
    path = in_folder(context, "picture")
    fetched = await _fetched(context, area, url, path, media_types, max_bytes)
    return {"sha256": fetched.sha256, "size_bytes": fetched.size_bytes}


async def ensured(path: Path, make: Callable[[], Awaitable[object]]) -> Path:
    """A file that an earlier stage has made; made again where it is not here."""
    if not path.is_file():
        await make()
    return path


async def _fetched(
    context: StageContext,
    area: VideoArea,
    url: str,
    path: Path,
    media_types: frozenset[str],
    max_bytes: int,
) -> Fetched:
    try:
        fetched: Fetched = await context.services.fetcher.fetch(
            url, path, media_types=media_types, max_bytes=max_bytes
        )
    except FetchRefused as error:
        raise _refused(area, error) from None
    except FetchFailed as error:
        log.info("video_not_fetched", job_id=context.job.job_id, reason=error.detail)
        # What is not there (404, 410) does not come by asking again.
        gone = error.status in (401, 403, 404, 410)
        raise not_fetched(area, error.detail, system=not gone, timeout=error.timeout) from None
    return fetched


def _refused(area: VideoArea, error: FetchRefused) -> StageFailed:
    if error.code in ("wrong_type", "too_large"):
        return unreadable(area, error.code, percent=15)
    return not_fetched(area, error.code, system=False)
