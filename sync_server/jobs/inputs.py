"""What a client names as video or picture: a key of its own upload, an address of ours, or a URL.

Foreign URLs are only looked at here; the AI role alone fetches them, under the SSRF rules.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from sync_server.ai.contract import Area
from sync_server.jobs import artifacts, store
from sync_server.jobs.catalogue import BAD_MEDIA
from sync_server.jobs.errors import JobRefused
from sync_server.media import service as media
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{32}")
_MEDIA_PATH: Final = re.compile(r"/api/media/([A-Za-z0-9_-]{32})")
_HOST: Final = re.compile(r"[A-Za-z0-9.\-_\[\]:]{1,255}")
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f<>\"\\^`{|}]")


async def resolve(platform: Platform, tx: Tx, user_no: int, area: Area, said: str) -> str:
    """Return the address that the AI role is to fetch.

    A key of the user's own upload, and our own addresses of the user's uploads and job files,
    become freshly signed addresses; another URL stays as it is. Raises JobRefused with the area's
    code for bad media: another user's key and one that is unknown alike.
    """
    if _KEY.fullmatch(said):
        return await _own_media(platform, tx, user_no, area, said)
    parts = _parts(said, area)
    if artifacts.is_ours(platform, said):
        named = artifacts.parse(said)
        if named is not None:
            job_id, name = named
            if await store.load_own(tx, user_no, job_id) is None:
                raise _bad(area)
            return artifacts.signed_url(platform, job_id, name, artifacts.INPUT_LINK_MS)
        match = _MEDIA_PATH.fullmatch(parts[2])
        if match is None:
            raise _bad(area)
        return await _own_media(platform, tx, user_no, area, match[1])
    scheme, host, _ = parts
    allowed = {
        each.strip().lower() for each in platform.settings.fetch_allow_hosts.split(",") if each
    }
    if scheme != "https" and not (
        scheme == "http" and {host.lower(), host.lower().rpartition(":")[0]} & allowed
    ):
        raise _bad(area)
    return said


def _parts(said: str, area: Area) -> tuple[str, str, str]:
    """Return scheme, host (with port) and path of an address; JobRefused for no address at all."""
    try:
        url = urlsplit(said)
        port = url.port
    except ValueError:
        raise _bad(area) from None
    if _UNSAFE.search(said) or not said.isascii() or "@" in url.netloc:
        raise _bad(area)
    if not url.scheme and not url.netloc and url.path.startswith("/api/"):
        return "", "", url.path
    if url.scheme not in ("https", "http") or not url.hostname or port == 0:
        raise _bad(area)
    if not _HOST.fullmatch(url.netloc):
        raise _bad(area)
    return url.scheme, url.netloc, url.path


async def _own_media(platform: Platform, tx: Tx, user_no: int, area: Area, key: str) -> str:
    if not await media.ready(tx, user_no, [key]):
        raise _bad(area)
    await media.touch(tx, user_no, [key], platform.clock())
    return media.signed_url(platform, key, artifacts.INPUT_LINK_MS)


def _bad(area: Area) -> JobRefused:
    return JobRefused(BAD_MEDIA[area])
