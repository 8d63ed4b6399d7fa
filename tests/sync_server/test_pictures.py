"""The picture check: what is taken, what is refused, and that its limits hold."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from sync_server.platform.errors import Problem
from sync_server.platform.pictures import clean_picture
from sync_server.platform.sanitize_child import Refused, sanitize
from tests.sync_server.test_media import photo_with_gps, picture

pytestmark = pytest.mark.anyio


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def flat_png(width: int, height: int) -> bytes:
    """A black PNG of any size in few bytes: what decompression bombs are made of."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    chunks = (b"IHDR", head), (b"IDAT", body), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "green", "blue")]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=100)
    return out.getvalue()


def zip_file() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("evil.sh", "rm -rf /")
    return out.getvalue()


def png_with(kind: bytes, body: bytes) -> bytes:
    data = picture("PNG")
    return data[:33] + png_chunk(kind, body) + data[33:]


JPEG = picture()
REFUSED = {
    "an SVG called JPEG": ("image/jpeg", b"<svg onload=alert(1)>", "picture_type_mismatch"),
    "a page called PNG": ("image/png", b"<!doctype html><html>", "picture_type_mismatch"),
    "a GIF called JPEG": ("image/jpeg", picture("GIF"), "picture_type_mismatch"),
    "a PNG called JPEG": ("image/jpeg", picture("PNG"), "picture_type_mismatch"),
    "nothing": ("image/jpeg", b"", "picture_type_mismatch"),
    "a TIFF called JPEG": ("image/jpeg", picture("TIFF"), "picture_type_mismatch"),
    "only magic bytes": ("image/jpeg", b"\xff\xd8\xff\xe0", "picture_broken"),
    "a JPEG cut in half": ("image/jpeg", JPEG[: len(JPEG) // 2], "picture_broken"),
    "a JPEG without its end": ("image/jpeg", JPEG[:-2], "picture_broken"),
    "a PNG cut in half": ("image/png", picture("PNG")[:300], "picture_broken"),
    "a WebP cut in half": ("image/webp", picture("WEBP")[:-30], "picture_broken"),
    "noise behind the magic": ("image/png", b"\x89PNG\r\n\x1a\n" + b"\x7f" * 99, "picture_broken"),
    "16k x 16k": ("image/png", flat_png(16_384, 16_384), "picture_too_large"),
    "a long thin line": ("image/png", flat_png(60_000, 1), "picture_too_large"),
    "an animated WebP": ("image/webp", animated("WEBP"), "picture_animated"),
    "an animated PNG": ("image/png", animated("PNG"), "picture_animated"),
    "a JPEG that is a ZIP": ("image/jpeg", JPEG + zip_file(), "picture_polyglot"),
    "a JPEG that is a page": ("image/jpeg", JPEG + b"<script>x</script>", "picture_polyglot"),
    "a PNG that is a PDF": ("image/png", picture("PNG") + b"%PDF-1.7", "picture_polyglot"),
    "a script in a comment": (
        "image/jpeg",
        picture(comment=b"*/=1;<SCRIPT>alert(1)</SCRIPT>/*"),
        "picture_polyglot",
    ),
    "PHP in a PNG text": ("image/png", png_with(b"tEXt", b"a\0<?php ?>"), "picture_polyglot"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_it_refuses(name: str) -> None:
    declared, data, code = REFUSED[name]
    with pytest.raises(Problem) as refused:
        await clean_picture(data, declared)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("data", "declared", "kept_as"),
    [
        (picture("PNG", mode="RGBA"), "image/png", "image/webp"),
        (picture("PNG", mode="P"), "image/png", "image/jpeg"),
        (picture("PNG", mode="LA"), "image/png", "image/webp"),
        (picture("PNG", mode="1"), "image/png", "image/jpeg"),
        (picture("WEBP"), "image/webp", "image/jpeg"),
        (picture("JPEG", mode="L"), "image/jpeg", "image/jpeg"),
        (picture("JPEG", mode="CMYK"), "image/jpeg", "image/jpeg"),
        (picture("JPEG", progressive=True), "image/jpeg", "image/jpeg"),
        # What phones append: a second picture, a short film, Samsung's index, padding.
        (JPEG + picture(), "image/jpeg", "image/jpeg"),
        (JPEG + b"\0\0\0\x18ftypmp42" + bytes(99), "image/jpeg", "image/jpeg"),
        (JPEG + b"\0\0\x01\x0aMotionPhoto_DataSEFT", "image/jpeg", "image/jpeg"),
        (JPEG + b"\0\0\0\0\r\n", "image/jpeg", "image/jpeg"),
    ],
)
async def test_it_takes(data: bytes, declared: str, kept_as: str) -> None:
    kept = await clean_picture(data, declared)
    assert kept.content_type == kept_as
    image = Image.open(io.BytesIO(kept.data))
    image.load()
    assert image.size == (kept.width_px, kept.height_px) == (640, 480)
    assert not image.getexif()
    assert "icc_profile" not in image.info
    assert "xmp" not in image.info


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_every_orientation_comes_out_upright(orientation: int) -> None:
    """The turned picture equals what Pillow's own exif_transpose shows."""
    from PIL import ImageOps

    data = photo_with_gps(orientation)
    kept = Image.open(io.BytesIO((await clean_picture(data, "image/jpeg")).data))
    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert kept.size == wanted.size
    for x, y in ((5, 5), (kept.width - 5, 5), (5, kept.height - 5)):
        assert abs(kept.getpixel((x, y))[0] - wanted.getpixel((x, y))[0]) < 12  # type: ignore[index]


async def test_a_large_photo_is_scaled_down_in_proportion() -> None:
    kept = await clean_picture(picture(size=(4032, 3024)), "image/jpeg")
    assert (kept.width_px, kept.height_px) == (2048, 1536)
    assert len(kept.data) < 500_000


async def test_a_48_megapixel_photo_fits_the_limits() -> None:
    kept = await clean_picture(picture(size=(8064, 6048), quality=60), "image/jpeg")
    assert (kept.width_px, kept.height_px) == (2048, 1536)


async def test_a_colour_profile_is_applied_and_dropped() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    kept = await clean_picture(picture(icc_profile=profile), "image/jpeg")
    assert "icc_profile" not in Image.open(io.BytesIO(kept.data)).info


def _children() -> set[str]:
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {child for task in tasks for child in task.read_text().split()}


async def test_a_decoder_that_takes_too_long_is_killed() -> None:
    before = _children()
    with pytest.raises(Problem) as refused:
        await clean_picture(picture("PNG", size=(7000, 7000)), "image/png", wall_s=0.2)
    assert refused.value.code == "picture_too_large"
    assert _children() == before


async def test_a_decoder_that_needs_too_much_memory_is_refused() -> None:
    with pytest.raises(Problem) as refused:
        await clean_picture(flat_png(7000, 7000), "image/png", memory_bytes=150 * 1024 * 1024)
    assert refused.value.code in ("picture_too_large", "picture_broken")


async def test_a_cancelled_request_leaves_no_decoder_behind() -> None:
    before = _children()
    task = asyncio.create_task(clean_picture(picture("PNG", size=(6000, 6000)), "image/png"))
    await asyncio.sleep(0.15)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _children() == before


SEEDS = {"image/jpeg": photo_with_gps(), "image/png": picture("PNG", size=(50, 40)),
         "image/webp": picture("WEBP", size=(50, 40))}  # fmt: skip


@given(
    declared=st.sampled_from(sorted(SEEDS)),
    seed=st.integers(0, 2**32),
    cut=st.floats(0, 1),
    flips=st.integers(0, 8),
)
@settings(max_examples=150, deadline=None)
def test_broken_pictures_are_refused_or_cleaned_but_never_a_fault(
    declared: str, seed: int, cut: float, flips: int
) -> None:
    dice = random.Random(seed)
    data = bytearray(SEEDS[declared])
    del data[max(12, round(len(data) * (cut if dice.random() < 0.3 else 1))) :]
    for _ in range(flips):
        data[dice.randrange(len(data))] = dice.randrange(256)
    with contextlib.suppress(Refused):
        _, kept = sanitize(bytes(data), declared, 12_000, 50_000_000, 2048)
        assert b"SecretPhone" not in kept
