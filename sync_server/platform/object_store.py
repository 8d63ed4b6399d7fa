"""Where media lie: a local folder by default, S3, GCS or Azure by URL (obstore)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import from_url


class ObjectStoreFailed(Exception):
    """The object store did not do what was asked; the request may be retried."""


class ObjectStore:
    """Objects by key; keys are ours alone (random, never a client's words)."""

    def __init__(self, url: str) -> None:
        if url.startswith("file://"):
            Path(url.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
        self._store = from_url(url)

    async def put(self, key: str, data: bytes) -> None:
        """Store an object, replacing one of the same key."""
        try:
            await obstore.put_async(self._store, key, data)
        except (BaseError, OSError) as error:
            raise ObjectStoreFailed(str(error)) from error

    async def get(self, key: str) -> bytes | None:
        """Return an object, or None when there is none."""
        try:
            answer = await obstore.get_async(self._store, key)
            return bytes(await answer.bytes_async())
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise ObjectStoreFailed(str(error)) from error

    async def put_parts(self, key: str, parts: AsyncIterator[bytes]) -> None:
        """Store an object part by part; its bytes are never all in memory."""
        try:
            await obstore.put_async(self._store, key, parts)
        except (BaseError, OSError) as error:
            raise ObjectStoreFailed(str(error)) from error

    async def size(self, key: str) -> int | None:
        """Return the bytes of an object, or None when there is none."""
        try:
            return int((await obstore.head_async(self._store, key))["size"])
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise ObjectStoreFailed(str(error)) from error

    async def get_range(self, key: str, start: int, end: int) -> bytes:
        """Return the bytes [start, end) of an object that is there."""
        try:
            part = await obstore.get_range_async(self._store, key, start=start, end=end)
            return bytes(part)
        except (BaseError, OSError) as error:
            raise ObjectStoreFailed(str(error)) from error

    async def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""
        try:
            await obstore.delete_async(self._store, key)
        except (NotFoundError, FileNotFoundError):
            pass
        except (BaseError, OSError) as error:
            raise ObjectStoreFailed(str(error)) from error

    async def keys(self, prefix: str) -> AsyncIterator[tuple[str, int]]:
        """Yield key and age base (last modified, ms) of the objects under a prefix."""
        async for batch in obstore.list(self._store, prefix):
            for item in batch:
                yield item["path"], int(item["last_modified"].timestamp() * 1000)
