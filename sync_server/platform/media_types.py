"""What a file is by its first bytes; what somebody says of it does not count."""

from __future__ import annotations

from typing import Final

HEAD_BYTES: Final = 64
"""How many first bytes `sniff` wants."""
VIDEO_TYPES: Final = frozenset({"video/mp4", "video/quicktime", "video/webm"})
PICTURE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})

# Brands of ISO files that are pictures: HEIF and AVIF.
_PICTURE_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}
)


def sniff(head: bytes) -> str | None:
    """Return the media type that the first bytes tell, or None for all that we do not take."""
    if head[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and head[8:12] not in _PICTURE_BRANDS:
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    # EBML: the document type says which of its formats; Matroska itself is not taken.
    if head[:4] == b"\x1a\x45\xdf\xa3" and b"webm" in head[:HEAD_BYTES]:
        return "video/webm"
    return None
