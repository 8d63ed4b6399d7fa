"""Check one picture and write it again without metadata: a program of its own.

The parent (`pictures.py`) runs this file by its path in a subprocess, so a hostile picture meets
hard limits and no secret: it imports only the standard library and Pillow, reads the picture
from standard input, and writes one line of JSON and then the new picture to standard output.
Refusals are `{"refused": code, "detail": ...}` with exit status 0; anything else (killed, out
of memory, a crash of a decoder) the parent treats as a broken picture.

Arguments: declared content type, longest edge accepted (px), most pixels accepted, longest
edge written (px), 1 to lay transparency on white, address space (bytes), CPU seconds.
"""

from __future__ import annotations

import io
import json
import resource
import struct
import sys
from typing import Any

_SCRIPTS = (b"<script", b"<!doctype", b"<html", b"<svg", b"<?php", b"%pdf-", b"pk\x03\x04")
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_ORIENTATION = 0x0112
# EXIF orientation: the number of Pillow's Image.Transpose that turns the picture upright.
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
_JPEG_QUALITY = 88
_WEBP_QUALITY = 86


class Refused(Exception):
    """The picture is refused: a stable code and a detail for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def sniff(data: bytes) -> str | None:
    """Return the content type that the first bytes tell, or None."""
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


# --- structure: where the picture ends, and what is beside its pixels ----------------------


def walk(data: bytes, content_type: str) -> tuple[list[bytes], bytes]:
    """Return the metadata blocks of a picture and what follows its end.

    Raises Refused picture_broken where the file is cut short, picture_animated for APNG and
    animated WebP.
    """
    walker = {"image/jpeg": _walk_jpeg, "image/png": _walk_png, "image/webp": _walk_webp}
    try:
        return walker[content_type](data)
    except (struct.error, IndexError):
        raise Refused("picture_broken", "the file is cut short") from None


def _walk_jpeg(data: bytes) -> tuple[list[bytes], bytes]:
    metadata: list[bytes] = []
    at = 2
    while True:
        if data[at] != 0xFF:
            raise Refused("picture_broken", "a JPEG marker is missing")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker == 0xD9:
            return metadata, data[at + 2 :]
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:
            at += 2
        else:
            (length,) = struct.unpack_from(">H", data, at + 2)
            body = data[at + 4 : at + 2 + length]
            if 0xE0 <= marker <= 0xEF or marker == 0xFE:
                metadata.append(body)
            at += 2 + length
            if marker == 0xDA:
                at = _end_of_scan(data, at)


def _end_of_scan(data: bytes, at: int) -> int:
    """Return where the entropy-coded data ends: the next marker that is not a restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            raise Refused("picture_broken", "the file is cut short")
        follower = data[at + 1]
        if follower and not 0xD0 <= follower <= 0xD7 and follower != 0xFF:
            return at
        at += 1 if follower == 0xFF else 2


def _walk_png(data: bytes) -> tuple[list[bytes], bytes]:
    metadata: list[bytes] = []
    at = 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise Refused("picture_broken", "the file is cut short")
        if kind == b"acTL":
            raise Refused("picture_animated", "animated pictures are not taken")
        if kind == b"IEND":
            return metadata, data[end:]
        if kind not in (b"IDAT", b"IHDR", b"PLTE"):
            metadata.append(data[at + 8 : end - 4])
        at = end


def _walk_webp(data: bytes) -> tuple[list[bytes], bytes]:
    (size,) = struct.unpack_from("<I", data, 4)
    stop = 8 + size
    if stop > len(data):
        raise Refused("picture_broken", "the file is cut short")
    metadata: list[bytes] = []
    at = 12
    while at + 8 <= stop:
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind in (b"ANIM", b"ANMF"):
            raise Refused("picture_animated", "animated pictures are not taken")
        if kind not in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH"):
            metadata.append(data[at + 8 : at + 8 + length])
        at += 8 + length + (length & 1)
    return metadata, data[stop:]


def check_polyglot(metadata: list[bytes], trailer: bytes) -> None:
    """Refuse a file that is something else as well as a picture.

    Phones do append to JPEGs: a second picture (MPF), a short film (motion photo), Samsung's
    index; those, and padding, are dropped by writing the picture again. Anything else behind
    the end, and active content in the metadata, is refused.
    """
    for block in metadata:
        lowered = block.lower()
        if any(word in lowered for word in _SCRIPTS):
            raise Refused("picture_polyglot", "the picture carries active content")
    rest = trailer.strip(b"\x00\r\n ")
    by_phone = rest[:3] == b"\xff\xd8\xff" or b"ftyp" in rest[:8] or rest[-4:] in (b"SEFT", b"SEFH")
    if rest and not by_phone:
        raise Refused("picture_polyglot", "there is something behind the end of the picture")
    if any(word in rest[:4096].lower() for word in _SCRIPTS):
        raise Refused("picture_polyglot", "there is something behind the end of the picture")


# --- pixels ---------------------------------------------------------------------------------


def sanitize(
    data: bytes,
    declared: str,
    max_edge_px: int,
    max_pixels: int,
    out_edge_px: int,
    opaque: bool = False,
) -> tuple[dict[str, object], bytes]:
    """Return facts about the new picture, and the new picture; raise Refused."""
    found = sniff(data)
    if found is None or found != declared:
        raise Refused(
            "picture_type_mismatch", f"declared {declared}, found {found or 'no picture'}"
        )
    metadata, trailer = walk(data, found)
    check_polyglot(metadata, trailer)

    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limits below are ours, and give a clearer refusal
    try:
        picture: Image.Image = Image.open(io.BytesIO(data), formats=[_FORMATS[found]])
        width, height = picture.size
        if width > max_edge_px or height > max_edge_px or width * height > max_pixels:
            raise Refused("picture_too_large", f"{width} x {height} pixels")
        # A JPEG with more pictures behind it (MPO) opens as several frames: the first counts.
        if found != "image/jpeg" and getattr(picture, "is_animated", False):
            raise Refused("picture_animated", "animated pictures are not taken")
        orientation = picture.getexif().get(_ORIENTATION, 1)
        icc = picture.info.get("icc_profile")
        has_alpha = "A" in picture.getbands() or "transparency" in picture.info
        if picture.mode in ("1", "P", "PA", "LA", "L", "La"):
            picture = picture.convert("RGBA" if has_alpha else "RGB")
            icc = None  # a grey or palette profile does not fit the converted pixels
        picture.thumbnail((out_edge_px, out_edge_px), Image.Resampling.LANCZOS, reducing_gap=2.0)
        picture.load()
        plain = _to_srgb(picture, icc, "RGBA" if has_alpha else "RGB")
    except MemoryError:
        raise Refused("picture_too_large", "the picture needs too much memory") from None
    except (OSError, ValueError, SyntaxError, LookupError, struct.error, EOFError, TypeError):
        raise Refused("picture_broken", "the picture can't be decoded") from None
    # A new picture takes the pixels only: no EXIF, GPS, comment, XMP or profile can follow.
    if has_alpha and opaque:
        clean = Image.new("RGB", plain.size, "white")
        clean.paste(plain, mask=plain.getchannel("A"))
        has_alpha = False
    else:
        clean = Image.new(plain.mode, plain.size)
        clean.paste(plain)
    turn = _TURNS.get(orientation)
    if turn is not None:
        clean = clean.transpose(Image.Transpose(turn))
    out = io.BytesIO()
    if has_alpha:
        clean.save(out, "WEBP", quality=_WEBP_QUALITY, method=4)
    else:
        clean.save(out, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    facts: dict[str, object] = {
        "content_type": "image/webp" if has_alpha else "image/jpeg",
        "width_px": clean.width,
        "height_px": clean.height,
    }
    return facts, out.getvalue()


def _to_srgb(picture: Any, icc: Any, mode: str) -> Any:
    """Return the pixels in sRGB; a profile that can't be read counts as sRGB."""
    from PIL import ImageCms

    if icc and picture.mode in ("RGB", "RGBA", "CMYK"):
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(picture, profile, srgb, outputMode=mode)
            return picture.convert(mode) if converted is None else converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return picture.convert(mode)


def main() -> None:
    """Read the picture from standard input, write the answer to standard output."""
    declared = sys.argv[1]
    edge_px, pixels, out_edge_px, opaque, memory_bytes, cpu_s = map(int, sys.argv[2:])
    # Before the first byte is read: memory, time, no files written, no core dump.
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    data = sys.stdin.buffer.read()
    try:
        facts, picture = sanitize(data, declared, edge_px, pixels, out_edge_px, bool(opaque))
    except Refused as refused:
        facts, picture = {"refused": refused.code, "detail": refused.detail}, b""
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n" + picture)


if __name__ == "__main__":
    main()
