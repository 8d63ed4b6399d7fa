"""Files that belong to a job: where they lie, and addresses of them that expire.

A pipeline writes `artifacts/{job_id}/{name}` into the object store and names it in its result as
`{public_url}/api/artifacts/{job_id}/{name}`. What is stored has no signature; each reader gets
fresh ones.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

from sync_server.platform.artifact_links import (
    ARTIFACT_PATH,
    JOB_PATTERN,
    NAME_PATTERN,
    artifact_key,
    artifact_url,
)
from sync_server.platform.context import Platform
from sync_server.platform.errors import not_found

LINK_MS: Final = 60 * 60_000
INPUT_LINK_MS: Final = 26 * 60 * 60_000
"""A job may wait long, and is told for 24 hours that it ended."""
INPUT_NAME: Final = "input.mp4"
_NAME: Final = re.compile(NAME_PATTERN)
_OURS: Final = re.compile(
    rf"(?:https?://[^/\s?#]+)?{ARTIFACT_PATH}({JOB_PATTERN})/({NAME_PATTERN})(?:\?.*)?"
)
TYPES: Final = {
    "mp4": "video/mp4",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "json": "application/json",
}


def checked_name(name: str) -> str:
    """Return a file name that can be one; Problem not_found for any other."""
    if not _NAME.fullmatch(name) or name.rpartition(".")[2].lower() not in TYPES:
        raise not_found()
    return name


def content_type(name: str) -> str:
    """Return the media type of a file by its name."""
    return TYPES[name.rpartition(".")[2].lower()]


def signed_url(platform: Platform, job_id: str, name: str, for_ms: int = LINK_MS) -> str:
    """Return an address of a job's file that works without signing in for a while."""
    key = artifact_key(job_id, name)
    signer, base = platform.signer, platform.settings.public_url
    return artifact_url(signer, base, key, platform.clock(), for_ms)


def parse(url: str) -> tuple[str, str] | None:
    """Return job and name of an address of a job's file, None for any other text."""
    match = _OURS.fullmatch(url)
    return None if match is None else (match[1], match[2])


def is_ours(platform: Platform, url: str) -> bool:
    """Say whether an address is of this server (or has no server in it)."""
    host = urlsplit(url).netloc
    return not host or host == urlsplit(platform.settings.public_url).netloc


def unsigned(result: dict[str, Any], job_id: str) -> dict[str, Any]:
    """Return a result whose addresses of the job's own files have no server and no signature."""
    done = _mapped(result, job_id, lambda name: f"{ARTIFACT_PATH}{job_id}/{name}")
    assert isinstance(done, dict)
    return done


def signed(platform: Platform, result: dict[str, Any], job_id: str) -> dict[str, Any]:
    """Return a result whose addresses of the job's own files are signed anew."""
    done = _mapped(result, job_id, lambda name: signed_url(platform, job_id, name))
    assert isinstance(done, dict)
    return done


def names_in(value: Any, job_id: str) -> set[str]:
    """Return the names of the job's own files in a result or request."""
    found: set[str] = set()

    def note(name: str) -> str:
        found.add(name)
        return name

    _mapped(value, job_id, note)
    return found


def status(result: dict[str, Any] | None) -> str | None:
    """Return `artifacts.status` of a result: pending, ready, failed, or None."""
    part = (result or {}).get("artifacts")
    said = part.get("status") if isinstance(part, dict) else None
    return said if isinstance(said, str) else None


def _mapped(value: Any, job_id: str, change: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mapped(item, job_id, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, job_id, change) for item in value]
    if isinstance(value, str) and ARTIFACT_PATH in value:
        own = parse(value)
        # Another job's file is not this job's to give away.
        if own is not None and own[0] == job_id:
            return change(own[1])
    return value
