"""Frames, the limits they are held to, and sources that are already in memory or live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_sdk.errors import (
    InvalidImage,
    MediaTooLarge,
    ResolutionOutOfRange,
    TimestampsNotRising,
    VideoTooLong,
)

Image = NDArray[np.uint8]

MIN_IMAGE_SIDE_PX: Final = 16
DURATION_GRACE_MS: Final = 500.0
"""A recorder told to stop at 10 s writes a few frames more; the owner cannot help that."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture: its time in ms from the start of the source, and (H, W, 3) uint8 RGB."""

    timestamp_ms: float
    image: Image


class MediaLimits(msgspec.Struct, frozen=True):
    """What a source may be: bytes, milliseconds, frames, and pixels of the longer side.

    The defaults hold 10 s of 4K at 240 frames a second; 8K is refused before it is decoded.
    """

    max_bytes: int = 256 * 1024 * 1024
    max_duration_ms: float = 10_000.0
    max_frames: int = 2_500
    max_side_px: int = 4_096
    min_side_px: int = MIN_IMAGE_SIDE_PX

    def check_size(self, width: int, height: int) -> None:
        """Refuse a picture size with `ResolutionOutOfRange`."""
        if max(width, height) > self.max_side_px or min(width, height) < self.min_side_px:
            raise ResolutionOutOfRange(
                f"pictures of {width} x {height} px: {self.min_side_px} to {self.max_side_px} px "
                "a side can be analysed; scale the video first",
                width=width, height=height, max_side_px=self.max_side_px,
            )  # fmt: skip

    def check_duration(self, duration_ms: float) -> None:
        """Refuse a length with `VideoTooLong`."""
        if duration_ms > self.max_duration_ms + DURATION_GRACE_MS:
            raise VideoTooLong(
                f"the video lasts {duration_ms / 1000:.1f} s, {self.max_duration_ms / 1000:g} s at "
                "most; cut it, or choose a part with span_ms",
                max_duration_sec=self.max_duration_ms / 1000,
            )

    def check_frames(self, frames: int) -> None:
        """Refuse a number of frames with `MediaTooLarge`."""
        if frames > self.max_frames:
            raise MediaTooLarge(
                f"more than {self.max_frames} frames; record at a lower frame rate",
                max_frames=self.max_frames,
            )


class SourceInfo(msgspec.Struct, frozen=True):
    """What is known of a source; sizes are of the upright picture.

    `width`, `height` are those of the delivered frames, `source_*` of the recording. `fps` is one
    over the median time between frames. Of a live source duration, counts and fps are 0.
    """

    width: int
    height: int
    source_width: int
    source_height: int
    duration_ms: float = 0.0
    frame_count: int = 0
    key_frame_count: int = 0
    fps: float = 0.0
    variable_rate: bool = False
    rotation_deg: int = 0
    truncated: bool = False
    container: str = "memory"
    codec: str = "raw"


class FrameSource(Protocol):
    """A closable iterable of frames with rising times; `decode_s` is the time spent reading."""

    decode_s: float

    @property
    def info(self) -> SourceInfo:
        """What is known of the source."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


Clip = str | Path | bytes | Iterable[Frame] | Iterable[tuple[float, Image]]
"""What an analyzer takes: a file, its bytes, or frames (also as pairs of ms and picture)."""


def check_image(image: object) -> Image:
    """Return the picture, or raise `InvalidImage` for another shape, type or a tiny one."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3:
        shape = getattr(image, "shape", type(image).__name__)
        raise InvalidImage(f"a picture is an array (height, width, 3), not {shape}")
    if image.dtype != np.uint8:
        raise InvalidImage(f"a picture has dtype uint8 (RGB, 0..255), not {image.dtype}")
    if min(image.shape[:2]) < MIN_IMAGE_SIDE_PX:
        raise InvalidImage(
            f"a picture of {image.shape[1]} x {image.shape[0]} px; "
            f"at least {MIN_IMAGE_SIDE_PX} px a side"
        )
    return image


def frames_at(images: Iterable[Image], fps: float) -> Iterator[Frame]:
    """Give pictures the times of a constant frame rate."""
    if not fps > 0:
        raise ValueError(f"fps is a positive number, not {fps}")
    for index, image in enumerate(images):
        yield Frame(index * 1000.0 / fps, image)


class Thinner:
    """Picks frames so that at most `max_fps` a second remain, evenly by their own times.

    Due times lie on a grid from the first frame, and the frame nearest to each is taken: half a
    step of the source before it is due at the earliest, so that a source of exactly `max_fps`
    whose times jitter loses none.
    """

    def __init__(self, max_fps: float | None) -> None:
        """Take all frames with None."""
        if max_fps is not None and not max_fps > 0:
            raise ValueError(f"max_fps is a positive number, not {max_fps}")
        self._period_ms = None if max_fps is None else 1000.0 / max_fps
        self._due_ms: float | None = None
        self._last_ms = 0.0

    def takes(self, timestamp_ms: float) -> bool:
        """Say whether the frame of this time is kept; call with rising times."""
        if self._period_ms is None:
            return True
        step_ms, self._last_ms = timestamp_ms - self._last_ms, timestamp_ms
        if self._due_ms is None:
            self._due_ms = timestamp_ms + self._period_ms
            return True
        late_ms = timestamp_ms - self._due_ms
        if late_ms < -min(step_ms, self._period_ms) / 2:
            return False
        # After a gap the grid goes on at its next point that is not about to pass.
        self._due_ms += self._period_ms * (1 + max(0, round(late_ms / self._period_ms)))
        return True


class MemorySource:
    """Frames from an iterable, checked one by one against the limits as they come."""

    def __init__(
        self,
        frames: Iterable[Frame] | Iterable[tuple[float, Image]],
        *,
        limits: MediaLimits | None = None,
        max_fps: float | None = None,
        span_ms: tuple[float, float] | None = None,
    ) -> None:
        """Read `frames` once, at most `max_fps` a second, of the times in `span_ms`."""
        self.decode_s = 0.0
        self._frames = frames
        self._limits = limits or MediaLimits()
        self._thinner = Thinner(max_fps)
        self._span_ms = span_ms
        self._info: SourceInfo | None = None

    @property
    def info(self) -> SourceInfo:
        """Size of the first frame; known once it was read."""
        return self._info or SourceInfo(0, 0, 0, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A generator that decodes elsewhere frees what it holds when it is closed.
        close = getattr(self._frames, "close", None)
        if close is not None:
            close()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames kept; raises `TimestampsNotRising` and what the limits refuse."""
        first_ms = last_ms = None
        seen = 0
        for item in self._frames:
            stamp, image = _parts(item)
            if last_ms is not None and not stamp > last_ms:
                raise TimestampsNotRising(f"{stamp} ms comes after {last_ms} ms")
            last_ms = stamp
            if self._span_ms is not None:
                if stamp >= self._span_ms[1]:
                    return
                if stamp < self._span_ms[0]:
                    continue
            image = check_image(image)
            height, width = image.shape[:2]
            self._limits.check_size(width, height)
            first_ms = stamp if first_ms is None else first_ms
            seen += 1
            self._limits.check_frames(seen)
            self._limits.check_duration(stamp - first_ms)
            if self._info is None:
                self._info = SourceInfo(width, height, width, height)
            if self._thinner.takes(stamp):
                yield Frame(stamp, image)


def _parts(item: Frame | tuple[float, Image]) -> tuple[float, Image]:
    if isinstance(item, Frame):
        return float(item.timestamp_ms), item.image
    if isinstance(item, Sequence) and len(item) == 2:
        return float(item[0]), item[1]
    raise InvalidImage("frames are Frame values or pairs (timestamp_ms, picture)")
