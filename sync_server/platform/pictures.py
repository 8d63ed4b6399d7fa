"""Run the picture check in a subprocess that can be limited and killed."""

from __future__ import annotations

import asyncio
import sys
import weakref
from pathlib import Path
from typing import Final

import msgspec
import structlog

from sync_server.platform.errors import Problem

MAX_EDGE_PX: Final = 12_000
MAX_PIXELS: Final = 50_000_000
"""The 48-megapixel mode of phones (8064 x 6048) passes, 16k x 16k does not."""
CHILD_MEMORY_BYTES: Final = 1024 * 1024 * 1024
"""Address space of the decoder: 50 M pixels as RGBA are 200 MB, twice while converting."""
CHILD_CPU_S: Final = 10
CHILD_WALL_S: Final = 20.0
CHILDREN_AT_ONCE: Final = 2

log = structlog.get_logger(__name__)
_CHILD: Final = Path(__file__).with_name("sanitize_child.py")
_slots: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
    weakref.WeakKeyDictionary()
)


class CleanPicture(msgspec.Struct, frozen=True):
    """A picture decoded and written again: upright, sRGB, no metadata."""

    content_type: str
    width_px: int
    height_px: int
    data: bytes


class _Answer(msgspec.Struct, frozen=True):
    content_type: str = ""
    width_px: int = 0
    height_px: int = 0
    refused: str = ""
    detail: str = ""


async def clean_picture(
    data: bytes,
    declared_type: str,
    *,
    longest_edge_px: int = 2_048,
    opaque: bool = False,
    memory_bytes: int = CHILD_MEMORY_BYTES,
    cpu_s: int = CHILD_CPU_S,
    wall_s: float = CHILD_WALL_S,
) -> CleanPicture:
    """Decode a picture under limits and write it again, its longer edge at most as told.

    JPEG, or WebP where it has transparency; `opaque` lays that on white and writes JPEG.

    Raises Problem picture_type_mismatch, picture_broken, picture_too_large, picture_animated or
    picture_polyglot. A decoder that is killed by a limit counts as picture_too_large where it
    ran out of time, as picture_broken otherwise.
    """
    numbers = (MAX_EDGE_PX, MAX_PIXELS, longest_edge_px, int(opaque), memory_bytes, cpu_s)
    async with _slot():
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-I", str(_CHILD), declared_type, *map(str, numbers),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},  # no secret of the server's environment
            cwd="/",
        )  # fmt: skip
        try:
            async with asyncio.timeout(wall_s):
                output, _ = await child.communicate(data)
        except TimeoutError:
            raise Problem("picture_too_large", "the picture takes too long to decode") from None
        finally:
            # Also when the request is cancelled: no decoder stays behind.
            if child.returncode is None:
                child.kill()
                await asyncio.shield(child.wait())
    line, _, picture = output.partition(b"\n")
    try:
        answer = msgspec.json.decode(line, type=_Answer)
    except msgspec.DecodeError:
        log.warning("picture_child_died", exit_status=child.returncode, size_bytes=len(data))
        if child.returncode in _TIME_UP:
            raise Problem("picture_too_large", "the picture takes too long to decode") from None
        raise Problem("picture_broken", "the picture can't be decoded") from None
    if answer.refused:
        raise Problem(answer.refused, answer.detail)
    return CleanPicture(answer.content_type, answer.width_px, answer.height_px, picture)


_TIME_UP: Final = (-24, -9)
"""Exit by SIGXCPU (CPU limit) or SIGKILL (its hard limit)."""


def _slot() -> asyncio.Semaphore:
    """Return this event loop's slots: few decoders at once, so that they can't fill the memory."""
    loop = asyncio.get_running_loop()
    if loop not in _slots:
        _slots[loop] = asyncio.Semaphore(CHILDREN_AT_ONCE)
    return _slots[loop]
