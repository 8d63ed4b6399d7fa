"""Folders of a request's own for bytes on their way: uploads, and what is read back to be checked.

They lie beside the database, not in the system's folder for temporary files, which is often in
memory. A crash leaves its folder; the sweeper removes it.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sync_server.platform.context import Platform
from sync_server.platform.errors import Problem

_PREFIX: Final = "media-"
_STALE_S: Final = 3_600.0
"""No request takes an hour."""
_WRITE_BYTES: Final = 1024 * 1024


def scratch_root(platform: Platform) -> Path:
    """Return the folder that holds the requests' folders."""
    return Path(platform.settings.data_dir) / "scratch"


@asynccontextmanager
async def scratch_folder(platform: Platform) -> AsyncIterator[Path]:
    """A new folder, removed with all in it at the end, however it ends."""
    root = scratch_root(platform)
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
    try:
        yield folder
    finally:
        # Not in a thread: also when the request is cancelled nothing may come in between.
        shutil.rmtree(folder, ignore_errors=True)


async def save_stream(stream: AsyncIterable[bytes], path: Path, max_bytes: int) -> tuple[int, str]:
    """Write a stream to a file, return its bytes and SHA-256; Problem too_large past the cap."""
    digest, size, waiting = hashlib.sha256(), 0, bytearray()

    def write(data: bytes) -> None:
        digest.update(data)
        file.write(data)

    with path.open("wb") as file:
        async for part in stream:
            size += len(part)
            if size > max_bytes:
                raise Problem("too_large", f"more than {max_bytes} bytes")
            waiting += part
            if len(waiting) >= _WRITE_BYTES:
                await asyncio.to_thread(write, bytes(waiting))
                waiting.clear()
        if waiting:
            await asyncio.to_thread(write, bytes(waiting))
    return size, digest.hexdigest()


async def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, computed beside the event loop."""

    def compute() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return await asyncio.to_thread(compute)


def sweep_scratch(platform: Platform) -> int:
    """Remove folders that a crash left; return how many."""
    root, removed = scratch_root(platform), 0
    if not root.is_dir():
        return 0
    # The files' own clock: the platform's may be moved by tests, and says nothing of files.
    before = time.time() - _STALE_S
    for folder in root.glob(f"{_PREFIX}*"):
        try:
            stale = folder.stat().st_mtime < before
        except FileNotFoundError:
            continue
        if stale:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed
