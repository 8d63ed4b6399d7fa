"""Where media lie: a local folder by default, S3, GCS or Azure by URL (obstore)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import from_url

_PART_BYTES = 1024 * 1024


class ObjectStoreFailed(Exception):
    """The object store did not do what was asked; the request may be retried."""


class ObjectTooLarge(Exception):
    """An object has more bytes than the reader takes."""


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

    async def put_file(self, key: str, file: BinaryIO) -> None:
        """Store an object from a file, part by part; its bytes are never all in memory."""
        try:
            await obstore.put_async(self._store, key, file)
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

    async def copy(self, source: str, target: str) -> bool:
        """Copy an object inside the store; False when there is none."""
        try:
            await obstore.copy_async(self._store, source, target)
        except (NotFoundError, FileNotFoundError):
            return False
        except (BaseError, OSError) as error:
            raise ObjectStoreFailed(str(error)) from error
        return True

    async def get_file(self, key: str, path: Path, max_bytes: int) -> int | None:
        """Write an object into a file, part by part; return its bytes, or None when there is none.

        Raises ObjectTooLarge before more than `max_bytes` are read. OSError of our own disk is
        not the store's fault and stays.
        """
        try:
            answer = await obstore.get_async(self._store, key)
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise ObjectStoreFailed(str(error)) from error
        size = int(answer.meta["size"])
        if size > max_bytes:
            raise ObjectTooLarge(f"{size} bytes, {max_bytes} at most")
        stream = aiter(answer.stream(min_chunk_size=_PART_BYTES))
        with path.open("wb") as file:
            while True:
                try:
                    part = await anext(stream, None)
                except (BaseError, OSError) as error:
                    raise ObjectStoreFailed(str(error)) from error
                if part is None:
                    return size
                await asyncio.to_thread(file.write, bytes(part))

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
