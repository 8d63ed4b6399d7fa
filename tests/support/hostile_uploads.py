"""Files that are no video or picture to keep: each made here, with the code that refuses it.

Cheap to make, dear to whoever believes them: huge times and sizes are written into headers, one
coded picture is repeated, and bombs are packed zeros.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.videos import corner_picture, grey_pictures, write_sound, write_video


@dataclass(frozen=True)
class HostileUpload:
    """A file of a client, what it is announced as, and the code of its refusal.

    `code` is that of `check_video` for videos, of the picture check for pictures.
    """

    name: str
    content_type: str
    code: str
    make: Callable[[Path], Path]

    @property
    def is_video(self) -> bool:
        return self.content_type.startswith("video/")


# --- parts ------------------------------------------------------------------------------------


def good_mp4(folder: Path, name: str = "good.mp4", frames: int = 30, **how: Any) -> Path:
    return write_video(folder / name, [corner_picture()] * frames, **how)


def good_webm(folder: Path, name: str = "good.webm") -> Path:
    return write_video(folder / name, [corner_picture()] * 20, codec="libvpx-vp9")


def zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(30_000_000))
    return out.getvalue()


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def patched(path: Path, kind: bytes, offset: int, value: bytes) -> Path:
    """Overwrite bytes of every box of a kind, counted from behind its name."""
    data = bytearray(path.read_bytes())
    at = data.find(kind)
    assert at > 0
    while at > 0:
        data[at + 4 + offset : at + 4 + offset + len(value)] = value
        at = data.find(kind, at + 4)
    path.write_bytes(bytes(data))
    return path


def repeated_picture(path: Path, count: int, step: int, time_base: Fraction) -> Path:
    """One coded picture written `count` times: thousands of frames in no time."""
    import av

    seed = write_video(path.with_suffix(".seed.mp4"), [corner_picture(64, 64)])
    with av.open(str(seed)) as source, av.open(str(path), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream, opaque=True)
        copy.time_base = time_base
        coded = bytes(next(packet for packet in source.demux(stream) if packet.size))
        for index in range(count):
            packet = av.Packet(coded)
            packet.stream, packet.time_base = copy, time_base
            packet.pts = packet.dts = index * step
            packet.is_keyframe = True
            out.mux(packet)
    seed.unlink()
    return path


def flat_png(width: int, height: int) -> bytes:
    """A black PNG of any size in few bytes."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    out = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b"")):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        out += struct.pack(">I", len(data)) + kind + data + crc
    return out


def saved(name: str, data: Callable[[], bytes] | bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data if isinstance(data, bytes) else data())
        return path

    return make


# --- videos -----------------------------------------------------------------------------------


def _zip_behind(folder: Path) -> Path:
    path = good_mp4(folder)
    path.write_bytes(path.read_bytes() + zip_bomb())
    return path


def _zip_in_a_box(folder: Path) -> Path:
    path = good_mp4(folder)
    path.write_bytes(path.read_bytes() + box(b"free", zip_bomb()))
    return path


def _html_in_a_box(folder: Path) -> Path:
    data = good_mp4(folder).read_bytes()
    first = struct.unpack(">I", data[:4])[0]
    # What the index points to must not move: the box goes to the end, its twin to the front.
    page = b"<html><script>alert(1)</script></html>"
    path = folder / "page.mp4"
    path.write_bytes(data[:first] + box(b"free", page) + data[first:])
    return path


def _text_behind(folder: Path) -> Path:
    path = good_mp4(folder)
    path.write_bytes(path.read_bytes() + b"#!/bin/sh\nrm -rf /\n")
    return path


def _text_behind_webm(folder: Path) -> Path:
    path = good_webm(folder)
    path.write_bytes(path.read_bytes() + b"#!/bin/sh\nrm -rf /\n")
    return path


def _two_hours(folder: Path) -> Path:
    times = [0, 1_800_000, 3_600_000, 5_400_000, 7_200_000]
    return write_video(folder / "hours.mp4", grey_pictures(5), times_ms=times)


def _two_hours_webm(folder: Path) -> Path:
    times = [0, 1_800_000, 7_200_000]
    return write_video(folder / "hours.webm", grey_pictures(3), times_ms=times, codec="libvpx-vp9")


def _two_hours_told_as_one_second(folder: Path) -> Path:
    path = _two_hours(folder)
    for kind, offset in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        patched(path, kind, offset, struct.pack(">I", 1000))
    return path


def _eight_k(folder: Path) -> Path:
    return write_video(folder / "8k.mp4", [np.zeros((4320, 7680, 3), np.uint8)])


def _eight_k_told_as_small(folder: Path) -> Path:
    path = _eight_k(folder)
    return patched(path, b"avc1", 24, struct.pack(">HH", 320, 240))


def _cut(make: Callable[[Path], Path], share: float) -> Callable[[Path], Path]:
    def cut(folder: Path) -> Path:
        path = make(folder)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        return path

    return cut


def _index_first(folder: Path) -> Path:
    return good_mp4(folder, container_options={"movflags": "faststart"})


def _missing_media(folder: Path) -> Path:
    """The index is whole, the box of the pictures says less than it lists."""
    path = _index_first(folder)
    data = path.read_bytes()
    at = data.rindex(b"mdat") - 4
    kept = (len(data) - at) // 2
    path.write_bytes(data[:at] + box(b"mdat", data[at + 8 : at + kept]))
    return path


def _no_frames(folder: Path) -> Path:
    """Two thousand boxes deep nothing: an index without one picture."""
    path = good_mp4(folder)
    data = path.read_bytes()
    for kind, offset in ((b"stts", 4), (b"stsz", 8), (b"stsc", 4), (b"stco", 4)):
        patched(path, kind, offset, struct.pack(">I", 0))
    assert path.read_bytes() != data
    return path


def _huge_index(folder: Path) -> Path:
    path = good_mp4(folder)
    for kind, offset in ((b"stts", 4), (b"stsz", 8), (b"stco", 4)):
        patched(path, kind, offset, struct.pack(">I", 0xFFFFFFFF))
    return path


def _noise_behind_a_head(folder: Path) -> Path:
    noise = random.Random(5).randbytes(50_000)
    path = folder / "noise.mp4"
    path.write_bytes(box(b"ftyp", b"isom\x00\x00\x02\x00isom") + box(b"mdat", noise))
    return path


def _broken_pictures(folder: Path) -> Path:
    path = good_mp4(folder)
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + 4
    size = struct.unpack_from(">I", data, at - 8)[0] - 8
    data[at : at + size] = random.Random(6).randbytes(size)
    path.write_bytes(bytes(data))
    return path


def _png_in_mov(folder: Path) -> Path:
    return write_video(
        folder / "png.mov", [np.zeros((64, 64, 3), np.uint8)], codec="png", pix_fmt="rgb24"
    )


VIDEOS: list[HostileUpload] = [
    HostileUpload("nothing", "video/mp4", "not_a_video", saved("empty.mp4", b"")),
    HostileUpload("a zip bomb", "video/mp4", "not_a_video", saved("bomb.mp4", zip_bomb)),
    HostileUpload(
        "html as mp4", "video/mp4", "not_a_video",
        saved("page.mp4", b"<!doctype html><script>alert(1)</script>" + b" " * 99),
    ),
    HostileUpload(
        "a playlist", "video/mp4", "not_a_video",
        saved("list.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n" + b"#" * 64),
    ),
    HostileUpload(
        "a list of files", "video/mp4", "not_a_video",
        saved("list2.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n" + b"#" * 64),
    ),
    HostileUpload(
        "svg", "video/mp4", "not_a_video", saved("x.mp4", b"<svg onload='alert(1)'/>" + b" " * 64)
    ),
    HostileUpload(
        "matroska", "video/webm", "not_a_video",
        lambda folder: write_video(folder / "x.mkv", grey_pictures(5)),
    ),
    HostileUpload(
        "avi", "video/mp4", "not_a_video",
        lambda folder: write_video(folder / "x.avi", grey_pictures(5), codec="mjpeg",
                                   pix_fmt="yuvj420p"),
    ),
    HostileUpload("a picture", "video/mp4", "wrong_container", saved("p.mp4", flat_png(64, 64))),
    HostileUpload("a zip behind the video", "video/mp4", "polyglot", _zip_behind),
    HostileUpload("a zip inside a box", "video/mp4", "polyglot", _zip_in_a_box),
    HostileUpload("html inside a box", "video/mp4", "polyglot", _html_in_a_box),
    HostileUpload("a script behind the video", "video/mp4", "polyglot", _text_behind),
    HostileUpload("a script behind webm", "video/webm", "polyglot", _text_behind_webm),
    HostileUpload("two hours", "video/mp4", "too_long", _two_hours),
    HostileUpload("two hours of webm", "video/webm", "too_long", _two_hours_webm),
    HostileUpload(
        "two hours told as one second", "video/mp4", "too_long", _two_hours_told_as_one_second
    ),
    HostileUpload(
        "16k frames", "video/mp4", "too_many_frames",
        lambda folder: repeated_picture(folder / "16k.mp4", 16_384, 1, Fraction(1, 4000)),
    ),
    HostileUpload(
        "16k frames in one millisecond", "video/mp4", "too_many_frames",
        lambda folder: repeated_picture(folder / "16k.mp4", 16_384, 1, Fraction(1, 16_000_000)),
    ),
    HostileUpload("8k", "video/mp4", "wrong_resolution", _eight_k),
    HostileUpload("8k told as small", "video/mp4", "wrong_resolution", _eight_k_told_as_small),
    HostileUpload(
        "one pixel", "video/webm", "wrong_resolution",
        lambda folder: write_video(folder / "1.webm", [np.zeros((1, 1, 3), np.uint8)] * 5,
                                   codec="libvpx-vp9"),
    ),
    HostileUpload(
        "sound only", "video/mp4", "no_video_stream",
        lambda folder: write_sound(folder / "sound.mp4"),
    ),
    HostileUpload("no frames", "video/mp4", "no_frames", _no_frames),
    HostileUpload("cut before the index", "video/mp4", "broken", _cut(good_mp4, 0.6)),
    HostileUpload("cut behind the index", "video/mp4", "broken", _cut(_index_first, 0.8)),
    HostileUpload("cut webm", "video/webm", "broken", _cut(good_webm, 0.6)),
    HostileUpload("pictures are missing", "video/mp4", "broken", _missing_media),
    HostileUpload("an index of four billion", "video/mp4", "broken", _huge_index),
    HostileUpload("noise behind a head", "video/mp4", "broken", _noise_behind_a_head),
    HostileUpload("noise for pictures", "video/mp4", "broken", _broken_pictures),
    HostileUpload("png in mov", "video/quicktime", "wrong_codec", _png_in_mov),
]  # fmt: skip

PICTURES: list[HostileUpload] = [
    HostileUpload("zero bytes", "image/jpeg", "picture_type_mismatch", saved("e.jpg", b"\0")),
    HostileUpload("a zip bomb", "image/png", "picture_type_mismatch", saved("z.png", zip_bomb)),
    HostileUpload(
        "html as jpeg", "image/jpeg", "picture_type_mismatch", saved("h.jpg", b"<html></html>")
    ),
    HostileUpload(
        "a decompression bomb", "image/png", "picture_too_large",
        saved("bomb.png", lambda: flat_png(30_000, 30_000)),
    ),
    HostileUpload(
        "8k by 8k", "image/png", "picture_too_large", saved("8k.png", lambda: flat_png(8192, 8192))
    ),
    HostileUpload(
        "a zip behind a picture", "image/png", "picture_polyglot",
        saved("poly.png", lambda: flat_png(64, 64) + zip_bomb()),
    ),
    HostileUpload(
        "a cut picture", "image/png", "picture_broken",
        saved("cut.png", lambda: flat_png(640, 640)[:-20]),
    ),
    HostileUpload(
        "a video as a picture", "image/jpeg", "picture_type_mismatch", good_mp4
    ),
]  # fmt: skip
