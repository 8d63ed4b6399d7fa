"""Pictures and videos that an analysis made: their keys in the object store, and signed addresses.

The AI role makes them and names them in results; the backend serves `/api/artifacts/...` and
signs anew for the owner.
"""

from __future__ import annotations

import re
from typing import Final

from sync_server.platform.tokens import TokenSigner

ARTIFACT_LINK_MS: Final = 7 * 24 * 3600 * 1000
ARTIFACT_PATH: Final = "/api/artifacts/"
_PREFIX: Final = "artifacts/"
JOB_PATTERN: Final = r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}"
NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
_JOB: Final = re.compile(JOB_PATTERN)
_NAME: Final = re.compile(NAME_PATTERN)
_QUERY: Final = re.compile(r"expires=([0-9]{1,16})&signature=([0-9a-f]{1,128})")


def artifact_key(job_id: str, name: str) -> str:
    """The object key of a job's artifact; the same job gives the same key again.

    Raises ValueError for a job id or a name (`overlay.mp4`) of another form.
    """
    if not _JOB.fullmatch(job_id) or not _NAME.fullmatch(name):
        raise ValueError(f"{job_id!r} and {name!r} make no key of an artifact")
    return f"{_PREFIX}{job_id}/{name}"


def artifact_url(
    signer: TokenSigner, public_url: str, key: str, now_ms: int, for_ms: int = ARTIFACT_LINK_MS
) -> str:
    """Sign an address of an artifact, for seven days by default; `key` as `artifact_key` makes it.

    It opens without signing in until it expires.
    """
    expires_ms = now_ms + for_ms
    signed = key.removeprefix(_PREFIX)
    signature = signer.sign("artifact", signed, expires_ms)
    base = public_url.rstrip("/")
    return f"{base}{ARTIFACT_PATH}{signed}?expires={expires_ms}&signature={signature}"


def signed_artifact(signer: TokenSigner, public_url: str, url: str) -> str | None:
    """The object key that a signed address opens; None unless it is ours and still valid."""
    base = f"{public_url.rstrip('/')}{ARTIFACT_PATH}"
    named, _, query = url.removeprefix(base).partition("?")
    found = _QUERY.fullmatch(query)
    if not url.startswith(base) or found is None:
        return None
    job_id, _, name = named.partition("/")
    if not _JOB.fullmatch(job_id) or not _NAME.fullmatch(name):
        return None
    if not signer.is_signed("artifact", named, int(found[1]), found[2]):
        return None
    return artifact_key(job_id, name)
