"""When to try again: exponential back-off with full jitter, and the server's Retry-After."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True):
    """Attempts of one request and the waits between them.

    Full jitter (Brooker, "Exponential Backoff and Jitter", AWS 2015): a wait is uniform between
    0 and `min(cap_s, base_s * 2**attempt)`, so that phones that lost the server together do not
    come back together. A Retry-After longer than `patience_s` is handed to the caller.
    """

    attempts: int = 5
    base_s: float = 0.5
    cap_s: float = 30.0
    patience_s: float = 60.0

    def wait_s(
        self, attempt: int, retry_after_s: float | None, random: Callable[[], float]
    ) -> float:
        """Return the seconds to wait after attempt 0, 1, ...; never less than Retry-After."""
        jitter = random() * min(self.cap_s, self.base_s * 2.0**attempt)
        return jitter if retry_after_s is None else retry_after_s + jitter


def retry_after_s(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Return the seconds of a Retry-After header: a number, or a date (RFC 9110, 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at_s = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, at_s - now_ms / 1000)
