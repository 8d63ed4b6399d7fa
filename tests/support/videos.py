"""Real video files for tests, written with PyAV: any times, codec, turn; or only sound."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
MS = Fraction(1, 1000)
# Top left, top right, bottom left, bottom right.
CORNER_COLOURS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30))


def corner_picture(width: int = 160, height: int = 96, grey: int = 128) -> Picture:
    """A picture whose four quarters have different colours, to see how it is turned."""
    image = np.full((height, width, 3), grey, np.uint8)
    half_w, half_h = width // 2, height // 2
    image[:half_h, :half_w], image[:half_h, half_w:] = CORNER_COLOURS[0], CORNER_COLOURS[1]
    image[half_h:, :half_w], image[half_h:, half_w:] = CORNER_COLOURS[2], CORNER_COLOURS[3]
    return image


def corners_of(image: Picture) -> tuple[int, int, int, int]:
    """Which corner colour each quarter of a picture shows."""
    height, width = image.shape[:2]
    found = []
    for y, x in ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)):
        pixel = image[int(y * height), int(x * width)].astype(int)
        found.append(int(np.argmin([np.abs(pixel - c).sum() for c in CORNER_COLOURS])))
    return tuple(found)  # type: ignore[return-value]


def grey_pictures(count: int, width: int = 160, height: int = 96) -> list[Picture]:
    """Pictures that grow brighter, so that the order can be read from them."""
    return [np.full((height, width, 3), 20 + 200 * i // count, np.uint8) for i in range(count)]


def write_video(
    path: Path,
    images: Iterable[Picture],
    *,
    fps: float = 30.0,
    times_ms: Sequence[float] | None = None,
    codec: str = "libx264",
    keyint: int = 12,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write pictures at a rate, or at the given times."""
    import av

    with av.open(str(path), "w", options=container_options or {}) as out:
        stream: Any = None
        for index, image in enumerate(images):
            if stream is None:
                stream = out.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
                stream.width, stream.height = image.shape[1], image.shape[0]
                stream.pix_fmt = pix_fmt
                stream.codec_context.time_base = MS
                stream.codec_context.gop_size = keyint
                fast = {"preset": "ultrafast"} if codec == "libx264" else {}
                stream.options = {**fast, **(options or {})}
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            at_ms = times_ms[index] if times_ms is not None else index * 1000.0 / fps
            frame.pts, frame.time_base = round(at_ms), MS
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode() if stream is not None else ():
            out.mux(packet)
    return path


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """Write a container with a sound track and nothing to see."""
    import av

    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("aac", rate=16_000)
        stream.layout = "mono"
        for start in range(0, int(16_000 * seconds), 1024):
            wave = np.sin(np.arange(start, start + 1024) / 20).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return path


def turn(path: Path, clockwise_deg: int) -> Path:
    """Say in the track header of an mp4 that players are to turn the picture clockwise."""
    matrix = {
        90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0),
    }[clockwise_deg]  # fmt: skip
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    at += 40 if data[at] == 0 else 52
    one = 1 << 16
    a, b, c, d = (value * one for value in matrix)
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))
    return path


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
