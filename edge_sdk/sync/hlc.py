"""Hybrid logical clock stamps that sort as text: last writer wins per field by them.

Kulkarni et al., "Logical Physical Clocks" (2014): the wall clock where it moves forward, a
counter where it does not, the client id to break ties.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from edge_sdk.errors import HlcError

MAX_AHEAD_MS: Final = 5 * 60_000
COUNTER_MAX: Final = 0xFFFF
MS_MAX: Final = 10**15 - 1
_TEXT = re.compile(r"([0-9]{15})-([0-9a-f]{4})-([0-9a-f-]{36})", re.ASCII)


class Hlc(NamedTuple):
    """A stamp: milliseconds, counter, who; compares as its text does."""

    ms: int
    counter: int
    client_id: str

    def __str__(self) -> str:
        return f"{self.ms:015d}-{self.counter:04x}-{self.client_id}"


def parse(text: str) -> Hlc:
    """Read a stamp; raise `HlcError` for any other text."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise HlcError(f"not a hybrid clock stamp: {text[:64]!r}")
    return Hlc(int(match[1]), int(match[2], 16), match[3])


def tick(last: Hlc | None, now_ms: int, client_id: str) -> Hlc:
    """Return a stamp of this client later than `last` (its own or one it has seen)."""
    now_ms = min(max(now_ms, 0), MS_MAX)
    if last is None or now_ms > last.ms:
        return Hlc(now_ms, 0, client_id)
    if last.counter < COUNTER_MAX:
        return Hlc(last.ms, last.counter + 1, client_id)
    return Hlc(last.ms + 1, 0, client_id)


def clamp(stamp: Hlc, server_ms: int) -> Hlc:
    """Return the stamp, its time set back to the server's where it is over 5 minutes ahead.

    Two stamps of one client can become equal by this; the one with the higher seq wins then.
    """
    if stamp.ms <= server_ms + MAX_AHEAD_MS:
        return stamp
    return stamp._replace(ms=server_ms)
