"""Videos of the media domain: checked and stripped, then stored."""

from __future__ import annotations

from pathlib import Path

import msgspec

from sync_server.media.kinds import KINDS
from sync_server.media.scratch import file_sha256
from sync_server.platform.errors import Problem
from sync_server.platform.video_check import VideoRefused, check_video


class CleanClip(msgspec.Struct, frozen=True):
    """A checked video without metadata and sound, in a file."""

    path: Path
    content_type: str
    size_bytes: int
    sha256: str
    width_px: int
    height_px: int
    duration_ms: int
    frames: int


async def clean_clip(path: Path, kind: str, declared_type: str | None) -> CleanClip:
    """Check a video by the rules of its kind, and copy it without metadata beside itself.

    `declared_type` None takes any type of video. Raises Problem not_a_video, no_video_stream or
    video_* (see `VideoRefused`).
    """
    limits = KINDS[kind].video
    assert limits is not None, f"{kind} is no kind of video"
    if declared_type is not None:
        limits = msgspec.structs.replace(limits, media_types=frozenset({declared_type}))
    clean = path.with_name(f"{path.name}.clean")
    try:
        facts = await check_video(path, limits, stripped=clean)
    except VideoRefused as refused:
        raise Problem(problem_code(refused.code), refused.detail) from None
    return CleanClip(
        path=clean,
        # What was QuickTime is copied into mp4.
        content_type="video/webm" if facts.container == "video/webm" else "video/mp4",
        size_bytes=clean.stat().st_size,
        sha256=await file_sha256(clean),
        width_px=facts.width_px,
        height_px=facts.height_px,
        duration_ms=round(facts.duration_s * 1000),
        frames=facts.frames,
    )


def problem_code(code: str) -> str:
    """Return the code of the answer for a VideoRefused's code."""
    return code if "video" in code else f"video_{code}"
