"""Ids made on the device: UUIDv7 as lower-case text (RFC 9562, section 5.7)."""

from __future__ import annotations

import re
import secrets
import time

UUID7_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_UUID7 = re.compile(UUID7_PATTERN)


def uuid7(now_ms: int | None = None) -> str:
    """Make a new id: 48 bits of Unix milliseconds, 74 random bits; sorts by time made."""
    at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    number = (at_ms & 0xFFFF_FFFF_FFFF) << 80
    number |= 0x7 << 76 | secrets.randbits(12) << 64
    number |= 0b10 << 62 | secrets.randbits(62)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_uuid7(text: str) -> bool:
    """Say whether a text is an id in the one spelling that is accepted."""
    return len(text) == 36 and _UUID7.match(text) is not None


def uuid7_ms(text: str) -> int:
    """Return the Unix milliseconds inside an id."""
    return int(text[:8] + text[9:13], 16)
