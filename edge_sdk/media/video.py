"""Frames of a video file through PyAV: upright, by the container's times, scaled while decoding."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

import numpy as np
from numpy.typing import NDArray

from edge_sdk.errors import (
    InsufficientFrames,
    MediaTooLarge,
    MissingExtra,
    NoVideoStream,
    UndecodableMedia,
)
from edge_sdk.media.containers import HEAD_BYTES, container_of
from edge_sdk.media.frames import (
    Clip,
    Frame,
    FrameSource,
    Image,
    MediaLimits,
    MemorySource,
    SourceInfo,
    Thinner,
)
from edge_sdk.media.pictures import PicturePool

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MAX_DECODE_THREADS: Final = 2
VARIABLE_RATE_SPREAD: Final = 0.25
"""A rate is variable when steps between frames differ from the median by more than this share."""


def open_clip(
    clip: Clip,
    *,
    limits: MediaLimits | None = None,
    max_side_px: int = 1280,
    max_fps: float | None = None,
    span_ms: tuple[float, float] | None = None,
    threads: int = MAX_DECODE_THREADS,
) -> FrameSource:
    """Open a file, its bytes, or frames as one kind of source; raises what `VideoFile` does."""
    if isinstance(clip, (str, Path, bytes)):
        return VideoFile(
            clip, limits=limits, max_side_px=max_side_px, max_fps=max_fps, span_ms=span_ms,
            threads=threads,
        )  # fmt: skip
    return MemorySource(clip, limits=limits, max_fps=max_fps, span_ms=span_ms)


class VideoFile:
    """A video file as an iterable of frames; use it with `with`, or call `close`.

    Opening reads the packets' headers once (nothing is decoded), so that length, number of
    frames, size and rate are known and held to the limits before the first picture is decoded;
    while decoding they are held again, because headers lie. One decoded picture is in memory at a
    time, beside the decoder's own. Not thread-safe.
    """

    def __init__(
        self,
        source: str | Path | bytes,
        *,
        limits: MediaLimits | None = None,
        max_side_px: int = 1280,
        max_fps: float | None = None,
        span_ms: tuple[float, float] | None = None,
        key_frames: int | None = None,
        threads: int = MAX_DECODE_THREADS,
    ) -> None:
        """Open `source` and read its index.

        Frames are scaled to at most `max_side_px`, thinned to `max_fps`, and taken from
        `span_ms` (from, to) only, to which the limit on length then applies. With `key_frames`
        only pictures that stand alone are decoded: at most that many, evenly spread.
        Raises `MissingExtra`, `UnsupportedMedia` and its kinds, `VideoTooLong`,
        `InsufficientFrames`, and `OSError` for a path that cannot be read.
        """
        self.decode_s = 0.0
        self._source = source if isinstance(source, bytes) else Path(source)
        self._limits = limits or MediaLimits()
        self._max_side_px = max_side_px
        self._threads = max(1, min(threads, MAX_DECODE_THREADS))
        self._key_frames_only = key_frames is not None
        self._format = container_of(self._head())
        self._container: InputContainer | None = None
        self._pictures = PicturePool()
        try:
            index = self._scan(self._open())
            self._info, times_ms = self._describe(index, span_ms)
            wanted = _evenly(index.key_pts(times_ms), key_frames) if key_frames else None
            self._wanted = _thinned(index, times_ms, max_fps) if wanted is None else wanted
            self._first_pts = index.first_pts
        finally:
            self.close()

    @property
    def info(self) -> SourceInfo:
        """What the index says of the file."""
        return self._info

    @property
    def selected(self) -> int:
        """How many frames iteration yields when the file is sound."""
        return len(self._wanted)

    @property
    def by_key_frames(self) -> bool:
        """Whether only key frames are read."""
        return self._key_frames_only

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; iterating again opens it anew."""
        self._pictures.clear()
        if self._container is not None:
            self._container.close()
            self._container = None

    def __iter__(self) -> Iterator[Frame]:
        """Decode from the start; stops where the file breaks off.

        Raises `UndecodableMedia` when not one picture can be decoded, and what the limits refuse.
        """
        container = self._open()
        try:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = self._threads
            yield from self._decode(container, stream)
        finally:
            self.close()

    # --- reading -----------------------------------------------------------------------------
    def _head(self) -> bytes:
        if isinstance(self._source, bytes):
            size, head = len(self._source), self._source[:HEAD_BYTES]
        else:
            size = self._source.stat().st_size
            with self._source.open("rb") as file:
                head = file.read(HEAD_BYTES)
        if size > self._limits.max_bytes:
            raise MediaTooLarge(
                f"{size / 1e6:.0f} MB, {self._limits.max_bytes / 1e6:.0f} MB at most",
                max_bytes=self._limits.max_bytes,
            )
        return head

    def _open(self) -> InputContainer:
        try:
            import av
        except ImportError:
            raise MissingExtra("av", "video") from None
        self.close()
        file: Any = io.BytesIO(self._source) if isinstance(self._source, bytes) else self._source
        try:
            container: InputContainer = av.open(file, mode="r", format=self._format)
        except (av.FFmpegError, ValueError) as error:
            raise UndecodableMedia(
                f"the video's index cannot be read ({error}); it is broken or was cut off"
            ) from None
        self._container = container
        if not container.streams.video:
            raise NoVideoStream("the file has no video track, only sound or text")
        return container

    def _scan(self, container: InputContainer) -> _Index:
        import av

        stream = container.streams.video[0]
        if stream.time_base is None or stream.codec_context is None:
            raise UndecodableMedia("the video track has no codec that this build can decode")
        self._limits.check_size(stream.width, stream.height)
        pts: list[int] = []
        keys: list[bool] = []
        steps: list[int] = []
        read_bytes = 0
        try:
            for packet in container.demux(stream):
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is None or packet.size == 0:
                    continue
                read_bytes += packet.size
                pts.append(stamp)
                keys.append(packet.is_keyframe)
                steps.append(packet.duration or 0)
                self._limits.check_frames(len(pts))
                if read_bytes > self._limits.max_bytes:
                    raise MediaTooLarge("more bytes than the limit", limit=self._limits.max_bytes)
        except av.FFmpegError as error:
            # What came before the break can still be used; `truncated` says that it is not all.
            if not pts:
                raise UndecodableMedia(f"no packet can be read ({error})") from None
        if not pts:
            raise InsufficientFrames("the video track has no pictures", min_frames=1)
        order = np.argsort(pts, kind="stable")
        return _Index(
            np.array(pts, np.int64)[order], np.array(keys, np.bool_)[order],
            np.array(steps, np.int64)[order], 1000.0 * float(stream.time_base),
            stream.frames or 0, (stream.width, stream.height), _pixel_aspect(stream),
            stream.codec_context.name,
        )  # fmt: skip

    def _describe(
        self, index: _Index, span_ms: tuple[float, float] | None
    ) -> tuple[SourceInfo, NDArray[np.float64]]:
        times_ms = index.times_ms()
        median_ms = float(np.median(np.diff(times_ms))) if len(times_ms) > 1 else 0.0
        last_ms = index.steps[-1] * index.tick_ms or median_ms
        duration_ms = float(times_ms[-1] - times_ms[0] + last_ms)
        if span_ms is None:
            self._limits.check_duration(duration_ms)
        else:
            times_ms = times_ms[(times_ms >= span_ms[0]) & (times_ms < span_ms[1])]
            if not len(times_ms):
                raise InsufficientFrames(f"no frame lies in {span_ms} ms", min_frames=1)
            self._limits.check_duration(float(times_ms[-1] - times_ms[0]))
        steps_ms = np.diff(index.times_ms())
        rotation_deg = self._rotation_deg()
        width, height = _upright(*index.size, index.pixel_aspect, rotation_deg)
        scale = min(1.0, self._max_side_px / max(width, height))
        return SourceInfo(
            width=max(1, round(width * scale)),
            height=max(1, round(height * scale)),
            source_width=width,
            source_height=height,
            duration_ms=duration_ms,
            frame_count=len(index.pts),
            key_frame_count=int(index.keys.sum()),
            fps=1000.0 / median_ms if median_ms > 0 else 0.0,
            variable_rate=bool(
                len(steps_ms) > 2
                and np.mean(abs(steps_ms - median_ms) > VARIABLE_RATE_SPREAD * median_ms) > 0.05
            ),
            rotation_deg=rotation_deg,
            truncated=index.announced > len(index.pts),
            container="webm" if self._format == "matroska" else "mp4",
            codec=index.codec,
        ), times_ms

    def _rotation_deg(self) -> int:
        """Turn of the picture to the upright one, counter-clockwise, a multiple of 90."""

        container = self._open()
        frame = next(self._raw_frames(container, container.streams.video[0]), None)
        if frame is None:
            raise UndecodableMedia("not one picture can be decoded; the file is broken")
        return round(frame.rotation / 90) * 90 % 360

    def _decode(self, container: InputContainer, stream: VideoStream) -> Iterator[Frame]:
        from av.video.reformatter import VideoReformatter

        scaler = VideoReformatter()
        tick_ms = 1000.0 * float(cast("Any", stream.time_base))
        last_pts: int | None = None
        decoded = yielded = 0
        started = time.perf_counter()
        for frame in self._raw_frames(container, stream):
            decoded += 1
            self._limits.check_frames(decoded)
            pts = frame.pts if frame.pts is not None else frame.dts
            if pts is None or pts not in self._wanted or (last_pts is not None and pts <= last_pts):
                continue
            self._limits.check_size(frame.width, frame.height)
            last_pts = pts
            image = self._picture(scaler, frame)
            self.decode_s += time.perf_counter() - started
            yield Frame((pts - self._first_pts) * tick_ms, image)
            started = time.perf_counter()
            yielded += 1
            if yielded == len(self._wanted):
                break
        self.decode_s += time.perf_counter() - started
        if decoded == 0:
            raise UndecodableMedia("not one picture can be decoded; the file is broken")

    def _raw_frames(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Yield decoded pictures; a damaged packet is left out, a broken container ends it."""
        import av

        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                return
            if packet is None:
                return
            # The last packet is empty and flushes the decoder.
            if self._key_frames_only and packet.size and not packet.is_keyframe:
                continue
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            yield from frames

    def _picture(self, scaler: Any, frame: VideoFrame) -> Image:
        turned = self._info.rotation_deg in (90, 270)
        width, height = self._info.width, self._info.height
        size = (height, width) if turned else (width, height)
        rgb = scaler.reformat(
            frame, width=size[0], height=size[1], format="rgb24", interpolation="BILINEAR"
        )
        decoded = cast("Image", rgb.to_ndarray())
        if self._info.rotation_deg:
            decoded = np.rot90(decoded, self._info.rotation_deg // 90)
        image = self._pictures.take(decoded.shape)
        np.copyto(image, decoded)
        return image


@dataclass(frozen=True, slots=True, eq=False)
class _Index:
    """Times and kinds of the packets in order of presentation, and what their track says."""

    pts: NDArray[np.int64]
    keys: NDArray[np.bool_]
    steps: NDArray[np.int64]
    tick_ms: float
    announced: int
    size: tuple[int, int]
    pixel_aspect: float
    codec: str

    @property
    def first_pts(self) -> int:
        """Time of the first picture."""
        return int(self.pts[0])

    def times_ms(self) -> NDArray[np.float64]:
        """Times from the first picture."""
        return (self.pts - self.first_pts).astype(np.float64) * self.tick_ms

    def within(self, times_ms: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which packets lie in the span that `times_ms` covers."""
        own = self.times_ms()
        inside: NDArray[np.bool_] = (own >= times_ms[0]) & (own <= times_ms[-1])
        return inside

    def key_pts(self, times_ms: NDArray[np.float64]) -> list[int]:
        """Presentation times of the key frames in the span."""
        return [int(stamp) for stamp in self.pts[self.keys & self.within(times_ms)]]


def _thinned(index: _Index, times_ms: NDArray[np.float64], max_fps: float | None) -> frozenset[int]:
    thinner = Thinner(max_fps)
    inside = index.within(times_ms)
    return frozenset(
        int(stamp)
        for stamp, time_ms in zip(index.pts[inside], index.times_ms()[inside], strict=True)
        if thinner.takes(float(time_ms))
    )


def _evenly(stamps: list[int], count: int) -> frozenset[int]:
    if len(stamps) <= count:
        return frozenset(stamps)
    picks = np.linspace(0, len(stamps) - 1, count).round().astype(int)
    return frozenset(stamps[pick] for pick in picks)


def _pixel_aspect(stream: VideoStream) -> float:
    ratio = stream.sample_aspect_ratio
    return float(ratio) if ratio else 1.0


def _upright(width: int, height: int, pixel_aspect: float, rotation_deg: int) -> tuple[int, int]:
    shown = max(1, round(width * pixel_aspect))
    return (height, shown) if rotation_deg in (90, 270) else (shown, height)
