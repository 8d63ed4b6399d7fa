"""Uploaded bytes before they are checked: where they lie and how they get there.

A store that can presign (S3, GCS, Azure) takes the upload itself; for the local folder our own
route does. What lies here is never shown to anyone.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any

import obstore
from obstore.store import AzureStore, GCSStore, S3Store, from_url


@lru_cache(maxsize=8)
def _store(store_url: str) -> Any:
    return from_url(store_url)


def incoming_key(key: str) -> str:
    """Return the object key of an upload that is not checked yet."""
    return f"incoming/{key}"


def presigned_put(store_url: str, key: str, expires_ms: int) -> str | None:
    """Return an address of the store that takes one upload, or None where it can't sign."""
    store = _store(store_url)
    if not isinstance(store, S3Store | GCSStore | AzureStore):
        return None
    return obstore.sign(store, "PUT", incoming_key(key), timedelta(milliseconds=expires_ms))
