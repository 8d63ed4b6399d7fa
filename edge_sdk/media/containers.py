"""Which container a file is, by its first bytes: a name proves nothing."""

from __future__ import annotations

from typing import Final

from edge_sdk.errors import EmptyMedia, UnsupportedMedia

HEAD_BYTES: Final = 64
_MP4_BOXES: Final = frozenset(
    (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp")
)
_EBML: Final = b"\x1a\x45\xdf\xa3"
_OTHERS: Final = (
    (b"RIFF", "an AVI or WAV file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "an MP3 file"),
)


def container_of(head: bytes) -> str:
    """Return the demuxer's name, "mp4" (also mov) or "matroska" (webm), for a file's first bytes.

    Only these demuxers are ever opened: libav's others read playlists and reach the network.
    Raises `EmptyMedia` and `UnsupportedMedia`, which names what the file seems to be.
    """
    if not head:
        raise EmptyMedia("the file is empty; record or download it again")
    if head[4:8] in _MP4_BOXES:
        return "mp4"
    if head.startswith(_EBML):
        return "matroska"
    raise UnsupportedMedia(f"{_guess(head)}, not an mp4, mov or webm video")


def _guess(head: bytes) -> str:
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "a web page (was the download refused?)"
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return name
    return "a file of an unknown kind"
