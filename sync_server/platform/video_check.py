"""Check a video before anything else reads it, and strip it: in a subprocess that can be killed.

    facts = await check_video(path, VideoLimits(max_duration_s=5), stripped=folder / "clean")

What is not measured is not believed: see `video_child.py`, the program that runs inside.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from pathlib import Path
from typing import Final

import msgspec
import structlog

from sync_server.platform.media_types import HEAD_BYTES, PICTURE_TYPES, VIDEO_TYPES, sniff

log = structlog.get_logger(__name__)
_CHILD: Final = Path(__file__).with_name("video_child.py")
MEMORY_BYTES: Final = 768 * 1024 * 1024
"""Address space of the decoder; measured: 4K H.264 needs 180 MB, 4K HEVC 220 MB, with 10 bits
250 MB (the interpreter and PyAV are 130 MB of it). Codecs with more references need more."""
CPU_S: Final = 30
WALL_S: Final = 60.0
CHILDREN_AT_ONCE: Final = 2
_TIME_UP: Final = (-24, -9)
"""Exit by SIGXCPU (CPU limit) or SIGKILL."""
_slots: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
    weakref.WeakKeyDictionary()
)


class VideoLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a video may be. Phones that stop at 5 s write up to half a second more: `grace_s`.

    The defaults are those of the SDK's decoder: 10 s at 240 frames a second, and 4K.
    """

    max_duration_s: float
    max_bytes: int = 100 * 1024 * 1024
    max_frames: int = 2_500
    min_edge_px: int = 16
    max_edge_px: int = 4_096
    grace_s: float = 0.5
    media_types: frozenset[str] = VIDEO_TYPES


class VideoFacts(msgspec.Struct, frozen=True):
    """What was measured: counted frames, times of packets, size of the upright decoded picture.

    `fps` is the mean rate, 0 for one frame. `container` is the file's media type, `has_audio`
    says whether there was sound (a stripped copy has none).
    """

    duration_s: float
    width_px: int
    height_px: int
    fps: float
    frames: int
    codec: str
    container: str
    has_audio: bool


class VideoRefused(Exception):
    """A video is not taken; `code` is stable.

    not_a_video, wrong_container (a video or picture of another type), wrong_codec, too_long,
    too_large (bytes, or memory or time to decode), wrong_resolution, too_many_frames,
    no_video_stream, no_frames, broken, polyglot (something else as well).
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class _Answer(msgspec.Struct, frozen=True):
    duration_s: float = 0.0
    width_px: int = 0
    height_px: int = 0
    fps: float = 0.0
    frames: int = 0
    codec: str = ""
    has_audio: bool = False
    refused: str = ""
    detail: str = ""


async def check_video(
    path: Path,
    limits: VideoLimits,
    *,
    stripped: Path | None = None,
    memory_bytes: int = MEMORY_BYTES,
    cpu_s: int = CPU_S,
    wall_s: float = WALL_S,
) -> VideoFacts:
    """Measure a video file under limits; write a copy without metadata and sound to `stripped`.

    The copy holds the same coded pictures: mp4 for mp4 and mov, webm for webm. It appears only
    when all is well. Raises VideoRefused, and OSError for a path that can't be read.
    """
    container = _container(path, limits)
    demuxer = "matroska" if container == "video/webm" else "mp4"
    scratch = None if stripped is None else stripped.with_name(f".{stripped.name}.part")
    numbers = {
        "max_duration_s": limits.max_duration_s, "grace_s": limits.grace_s,
        "max_frames": limits.max_frames, "min_edge_px": limits.min_edge_px,
        "max_edge_px": limits.max_edge_px, "memory_bytes": memory_bytes, "cpu_s": cpu_s,
    }  # fmt: skip
    arguments = (
        str(path.absolute()), demuxer, "-" if scratch is None else str(scratch.absolute()),
        msgspec.json.encode(numbers).decode(),
    )  # fmt: skip
    try:
        answer = await _run(arguments, wall_s)
        if answer.refused:
            raise VideoRefused(answer.refused, answer.detail)
        if scratch is not None and stripped is not None:
            scratch.replace(stripped)
    finally:
        if scratch is not None:
            scratch.unlink(missing_ok=True)
    return VideoFacts(
        answer.duration_s, answer.width_px, answer.height_px, answer.fps, answer.frames,
        answer.codec, container, answer.has_audio,
    )  # fmt: skip


def _container(path: Path, limits: VideoLimits) -> str:
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise VideoRefused("too_large", f"{size} bytes, {limits.max_bytes} at most")
    with path.open("rb") as file:
        found = sniff(file.read(HEAD_BYTES))
    if found is None:
        raise VideoRefused("not_a_video", "the file is no video")
    if found in PICTURE_TYPES or found not in limits.media_types:
        raise VideoRefused("wrong_container", f"the file is {found}")
    return found


async def _run(arguments: tuple[str, ...], wall_s: float) -> _Answer:
    async with _slot():
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-I", str(_CHILD), *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},  # no secret of the server's environment
            cwd="/",
        )  # fmt: skip
        try:
            async with asyncio.timeout(wall_s):
                output, _ = await child.communicate()
        except TimeoutError:
            raise VideoRefused("too_large", "the video takes too long to read") from None
        finally:
            # Also when the request is cancelled: no decoder stays behind.
            if child.returncode is None:
                child.kill()
                await asyncio.shield(child.wait())
    try:
        return msgspec.json.decode(output, type=_Answer)
    except msgspec.DecodeError:
        log.warning("video_child_died", exit_status=child.returncode)
        if child.returncode in _TIME_UP:
            raise VideoRefused("too_large", "the video takes too long to read") from None
        raise VideoRefused("broken", "the video can't be read") from None


def _slot() -> asyncio.Semaphore:
    """Return this event loop's slots: few decoders at once, so that they can't fill the memory."""
    loop = asyncio.get_running_loop()
    if loop not in _slots:
        _slots[loop] = asyncio.Semaphore(CHILDREN_AT_ONCE)
    return _slots[loop]
