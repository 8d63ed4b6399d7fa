"""Check one video file and write it again without metadata: a program of its own.

The parent (`video_check.py`) runs this file by its path in a subprocess, so a hostile video meets
hard limits and no secret: it imports only the standard library and PyAV. It writes one line of
JSON to standard output: facts, or `{"refused": code, "detail": ...}`; anything else (killed, out
of memory, a crash of a decoder) the parent treats as a broken video.

Arguments: path, demuxer (mp4 or matroska), path of the stripped copy or "-", the limits as JSON.
What a header claims is not believed: frames are counted, times are those of the packets, sizes
those of decoded pictures.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from typing import Any, BinaryIO

# What phones and browsers record; each goes into the container it came in (mov into mp4).
_CODECS = {"mp4": {"h264", "hevc", "mpeg4", "av1", "vp9"}, "matroska": {"vp8", "vp9", "av1"}}
# Boxes that stand alone in a file (ISO/IEC 14496-12, table 1; QuickTime). Others are passed over
# where they fit: makers of phones have their own.
_BOXES = {
    b"ftyp", b"styp", b"moov", b"moof", b"mfra", b"mdat", b"free", b"skip", b"wide", b"sidx",
    b"ssix", b"uuid", b"udta", b"meta", b"pdin", b"prft", b"emsg", b"pnot",
}  # fmt: skip
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_BEHIND_SEGMENT = {0xEC, 0xBF}  # Void, CRC-32
_ZIP_END = b"PK\x05\x06"
_ZIP_TAIL_BYTES = 65_535 + 22
_FIRST_PACKETS = 8
_KEY_PICTURES = 24
_COPY_OVERHEAD_BYTES = 1024 * 1024


class Refused(Exception):
    """The video is refused: a stable code and a detail for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


# --- structure: is it a video only, and all of it --------------------------------------------


def check_structure(file: BinaryIO, size: int, demuxer: str) -> None:
    """Refuse a file that is cut short, or something else as well as a video."""
    file.seek(0)
    head = file.read(4096).lower()
    if b"%pdf-" in head[:1024] or any(w in head for w in (b"<script", b"<html", b"<?php")):
        raise Refused("polyglot", "there is more than a video in the file")
    tail_bytes = min(size, _ZIP_TAIL_BYTES)
    file.seek(size - tail_bytes)
    if _is_zip(file.read(tail_bytes)):
        raise Refused("polyglot", "the file is an archive as well")
    if demuxer == "mp4":
        _walk_boxes(file, size)
    else:
        _walk_elements(file, size)


def _is_zip(tail: bytes) -> bool:
    at = tail.rfind(_ZIP_END)
    while at >= 0:
        # Four bytes happen by chance; a comment that ends just where the file does, hardly.
        if len(tail) - at >= 22 and at + 22 + struct.unpack_from("<H", tail, at + 20)[0] == len(
            tail
        ):
            return True
        at = tail.rfind(_ZIP_END, 0, at)
    return False


def _walk_boxes(file: BinaryIO, size: int) -> None:
    """ISO base media: boxes from the first byte to the last (ISO/IEC 14496-12, 4.2)."""
    at, kinds = 0, set()
    while at < size:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            raise Refused("broken", "the file is cut short")
        kind = head[4:8]
        length, header = struct.unpack_from(">I", head)[0], 8
        if length == 1 and len(head) == 16:
            length, header = struct.unpack_from(">Q", head, 8)[0], 16
        elif length == 0:
            length = size - at
        if kind not in _BOXES and (length < header or at + length > size):
            raise Refused("polyglot", "there is something behind the end of the video")
        if length < header or at + length > size:
            raise Refused("broken", "the file is cut short")
        kinds.add(kind)
        at += length
    if b"moov" not in kinds:
        raise Refused("broken", "the file has no index; it was cut off")


def _walk_elements(file: BinaryIO, size: int) -> None:
    """Matroska: the EBML head, then segments (RFC 8794, RFC 9559)."""
    at, seen = 0, False
    while at < size:
        file.seek(at)
        head = file.read(16)
        kind, id_bytes = _ebml_number(head, 0, keep_marker=True)
        length, length_bytes = _ebml_number(head, id_bytes)
        if kind not in (_EBML, _SEGMENT, *_BEHIND_SEGMENT):
            raise Refused("polyglot", "there is something behind the end of the video")
        if length is None:  # live recordings do not know their length
            return
        seen = seen or kind == _SEGMENT
        at += id_bytes + length_bytes + length
    if at > size or not seen:
        raise Refused("broken", "the file is cut short")


def _ebml_number(head: bytes, at: int, keep_marker: bool = False) -> tuple[Any, int]:
    first = head[at] if at < len(head) else 0
    count = 9 - first.bit_length()
    if first == 0 or at + count > len(head):
        raise Refused("polyglot", "there is something behind the end of the video")
    number = int.from_bytes(head[at : at + count], "big")
    marker = 1 << (7 * count)
    if keep_marker:
        return number, count
    return (None if number == 2 * marker - 1 else number - marker), count


# --- packets and pictures --------------------------------------------------------------------


def check(path: str, demuxer: str, limits: dict[str, Any]) -> dict[str, Any]:
    """Return facts about the video stream; raise Refused."""
    import av

    try:
        with av.open(path, "r", format=demuxer, options={"protocol_whitelist": "file"}) as source:
            if not source.streams.video:
                raise Refused("no_video_stream", "the file has no video track")
            stream = source.streams.video[0]
            context: Any = stream.codec_context
            if context is None or stream.time_base is None:
                raise Refused("wrong_codec", "the video's codec is not known")
            if context.name not in _CODECS[demuxer] and context.name != "libdav1d":
                raise Refused("wrong_codec", f"videos in {context.name} are not taken")
            _check_size(stream.width, stream.height, limits)
            facts = _count(source, stream, limits)
            facts["has_audio"] = bool(source.streams.audio)
        # Opened anew, not sought: live recordings have no index to seek by.
        with av.open(path, "r", format=demuxer, options={"protocol_whitelist": "file"}) as source:
            facts.update(_look(source, facts.pop("key_pts"), limits))
        return facts
    except av.FFmpegError as error:
        raise Refused("broken", f"the video can't be read ({type(error).__name__})") from None


def _check_size(width: int, height: int, limits: dict[str, Any]) -> None:
    low, high = limits["min_edge_px"], limits["max_edge_px"]
    if not (low <= min(width, height) and max(width, height) <= high):
        raise Refused("wrong_resolution", f"{width} x {height} pixels, {low} to {high} a side")


def _count(source: Any, stream: Any, limits: dict[str, Any]) -> dict[str, Any]:
    """Read the packets' heads: how many frames there are, and when they are shown."""
    times: list[int] = []
    keys: list[int] = []
    frames = last_step = 0
    for packet in source.demux(stream):
        if packet.size == 0:  # the flush at the end
            continue
        frames += 1
        if frames > limits["max_frames"]:
            raise Refused("too_many_frames", f"more than {limits['max_frames']} frames")
        if packet.is_corrupt:
            raise Refused("broken", "the file is cut short")
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:
            raise Refused("broken", "a frame has no time")
        times.append(stamp)
        last_step = packet.duration or last_step
        if packet.is_keyframe:
            keys.append(stamp)
    if not frames:
        raise Refused("no_frames", "the video track has no pictures")
    if stream.frames and stream.frames > frames:
        raise Refused("broken", f"{stream.frames} frames are listed, {frames} are there")
    times.sort()
    step = last_step or (times[-1] - times[-2] if frames > 1 else 0)
    tick_s = float(stream.time_base)
    duration_s = (times[-1] - times[0] + step) * tick_s
    if (times[-1] - times[0]) * tick_s > limits["max_duration_s"] + limits["grace_s"]:
        raise Refused(
            "too_long",
            f"the video lasts {duration_s:.1f} s, {limits['max_duration_s']:g} s at most",
        )
    span_s = (times[-1] - times[0]) * tick_s
    fps = (frames - 1) / span_s if span_s > 0 else 0.0
    return {"frames": frames, "duration_s": duration_s, "fps": fps, "key_pts": keys}


def _look(source: Any, keys: list[int], limits: dict[str, Any]) -> dict[str, Any]:
    """Decode the first frames and key frames over the whole length: sizes as they really are."""
    import av

    wanted = set(keys[:: max(1, len(keys) // _KEY_PICTURES)][: 2 * _KEY_PICTURES])
    stream = source.streams.video[0]
    context = stream.codec_context
    context.thread_count = 1
    context.options = {"max_pixels": str(limits["max_edge_px"] ** 2)}
    tried = failed = pictures = index = 0
    width = height = turn = 0
    for packet in source.demux(stream):
        index += 1
        if packet.size and index > _FIRST_PACKETS and packet.pts not in wanted:
            continue
        tried += bool(packet.size)
        try:
            frames = packet.decode()
        except av.FFmpegError:
            failed += 1
            continue
        for frame in frames:
            _check_size(frame.width, frame.height, limits)
            if not pictures:
                width, height, turn = frame.width, frame.height, round(frame.rotation / 90) % 4
            pictures += 1
    if not pictures or failed * 2 > tried:
        raise Refused("broken", "the pictures can't be decoded")
    if turn % 2:
        width, height = height, width
    name = "av1" if context.name == "libdav1d" else context.name
    return {"width_px": width, "height_px": height, "codec": name}


def strip(path: str, demuxer: str, target: str) -> None:
    """Copy the pictures, not coded anew, into a new file: no other track, no metadata.

    How the picture is turned stays; sound goes as well: bystanders' voices are not needed.
    """
    import av

    kind = "mp4" if demuxer == "mp4" else "webm"
    options = {"fflags": "+bitexact", **({"movflags": "+faststart"} if kind == "mp4" else {})}
    try:
        with (
            av.open(path, "r", format=demuxer, options={"protocol_whitelist": "file"}) as source,
            av.open(target, "w", format=kind, options=options) as out,
        ):
            stream = source.streams.video[0]
            copy = out.add_stream_from_template(stream, opaque=True)
            for packet in source.demux(stream):
                if packet.size == 0 or packet.dts is None:
                    continue
                packet.stream = copy
                out.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        raise Refused("broken", f"the video can't be copied ({type(error).__name__})") from None


def main() -> None:
    """Check the file named by the arguments and write the answer to standard output."""
    path, demuxer, target, text = sys.argv[1:5]
    limits = json.loads(text)
    size = os.stat(path).st_size
    import av

    av.logging.set_level(None)
    # Before the first byte is read: memory, time, how much is written, files, no core dump.
    copy_bytes = 0 if target == "-" else size + _COPY_OVERHEAD_BYTES
    for what, limit in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_FSIZE, copy_bytes),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    answer: dict[str, Any]
    try:
        with open(path, "rb") as file:
            check_structure(file, size, demuxer)
        answer = check(path, demuxer, limits)
        if target != "-":
            strip(path, demuxer, target)
    except Refused as refused:
        answer = {"refused": refused.code, "detail": refused.detail}
    except MemoryError:
        answer = {"refused": "too_large", "detail": "the video needs too much memory"}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
