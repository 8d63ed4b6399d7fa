"""Signed addresses of our own media: made by the media domain, read by whoever holds the key.

The AI role imports no domain, yet must read what a user uploaded: the backend gives it a link,
and `signed_object` says which object it opens, without a request over the network.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

from sync_server.platform.tokens import TokenSigner

MEDIA_PATH: Final = "/api/media/"
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{32}")
_EXPIRES: Final = re.compile(r"[0-9]{1,16}")


def object_key(media_key: str) -> str:
    """Return where in the object store a checked upload lies."""
    return f"media/{media_key}"


def media_link(signer: TokenSigner, public_url: str, key: str, expires_ms: int) -> str:
    """Sign an address that shows an object of ours without signing in, until `expires_ms`."""
    signature = signer.sign("media", key, expires_ms)
    return f"{public_url.rstrip('/')}{MEDIA_PATH}{key}?expires={expires_ms}&signature={signature}"


def named_key(public_url: str, said: str) -> str | None:
    """Return the media key that a client's words name, or None where they name nothing of ours.

    A key itself, an address of ours (`/api/media/<key>`), with or without our host and a
    signature. It says nothing of who may read it.
    """
    if _KEY.fullmatch(said):
        return said
    base = public_url.rstrip("/")
    rest = said.removeprefix(base) if said.startswith(f"{base}/") else said
    if not rest.startswith(MEDIA_PATH):
        return None
    key = re.split(r"[?#]", rest.removeprefix(MEDIA_PATH), maxsplit=1)[0]
    return key if _KEY.fullmatch(key) else None


def signed_object(signer: TokenSigner, public_url: str, url: str) -> str | None:
    """Return the object key that a signed address opens; None unless it is ours and still valid."""
    base = public_url.rstrip("/")
    if not url.startswith(f"{base}{MEDIA_PATH}"):
        return None
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query, strict_parsing=True, max_num_fields=4)
    except ValueError:
        return None
    key = named_key(base, url)
    expires, signature = query.get("expires", []), query.get("signature", [])
    if key is None or len(expires) != 1 or len(signature) != 1:
        return None
    if not _EXPIRES.fullmatch(expires[0]):
        return None
    if not signer.is_signed("media", key, int(expires[0]), signature[0]):
        return None
    return object_key(key)
