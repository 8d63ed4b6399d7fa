"""What a video is, found out without decoding all of it; refused where it passes the limits."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from edge_sdk.errors import (
    AnalysisError,
    MediaTooLarge,
    ResolutionOutOfRange,
    VideoTooLong,
)
from edge_sdk.media.frames import MediaLimits
from edge_sdk.media.video import VideoFile

DURATION_GRACE_S: Final = 0.5


class VideoLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a video may be."""

    max_duration_s: float
    max_side_px: int = 4_096
    max_frames: int = 2_500
    max_bytes: int = 256 * 1024 * 1024


class VideoFacts(msgspec.Struct, frozen=True):
    """What a video is; size of the upright picture."""

    duration_s: float
    width_px: int
    height_px: int
    fps: float
    codec: str
    container: str


class VideoRefused(Exception):
    """The video is not taken; `code`: too_long, too_large, resolution, undecodable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


async def check_video(path: Path, limits: VideoLimits) -> VideoFacts:
    """Read a video's index; raises VideoRefused."""
    return await asyncio.to_thread(_check, path, limits)


def _check(path: Path, limits: VideoLimits) -> VideoFacts:
    held = MediaLimits(
        max_bytes=limits.max_bytes, max_duration_ms=1000 * limits.max_duration_s,
        max_frames=limits.max_frames, max_side_px=limits.max_side_px,
    )  # fmt: skip
    try:
        info = VideoFile(path, limits=held).info
    except VideoTooLong as error:
        raise VideoRefused("too_long", str(error)) from None
    except MediaTooLarge as error:
        raise VideoRefused("too_large", str(error)) from None
    except ResolutionOutOfRange as error:
        raise VideoRefused("resolution", str(error)) from None
    except AnalysisError as error:
        raise VideoRefused("undecodable", str(error)) from None
    return VideoFacts(
        round(info.duration_ms / 1000, 3), info.source_width, info.source_height,
        round(info.fps, 3), info.codec, info.container,
    )  # fmt: skip
