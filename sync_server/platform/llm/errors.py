"""What can go wrong with a call to a model: one class a cause, each with a stable code.

None of them carries what the service said: its messages may repeat the prompt or the key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Final

LONGEST_RETRY_AFTER_S: Final = 3_600.0
_SECONDS = re.compile(r"\d{1,6}(\.\d{1,9})?s?", re.ASCII)


class LlmError(Exception):
    """Base; `detail` is a short word of ours for the log."""

    code: ClassVar[str] = "llm_error"
    #: Whether the same call may succeed within seconds.
    passing: ClassVar[bool] = False

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{self.code}: {detail}")
        self.detail = detail
        self.retry_after_s = retry_after_s


class LlmTimeout(LlmError):
    """No answer within the deadline."""

    code = "llm_timeout"
    passing = True


class LlmRateLimited(LlmError):
    """The service asks to wait; `retry_after_s` where it says how long."""

    code = "llm_rate_limited"
    passing = True


class LlmUnavailable(LlmError):
    """The service cannot be reached, or answers 5xx; or our breaker is open."""

    code = "llm_unavailable"
    passing = True


class LlmBlocked(LlmError):
    """The service refuses this content by its safety rules."""

    code = "llm_blocked"


class LlmRefused(LlmError):
    """The service does not take the request (400, 413, 422): our fault, or the file's."""

    code = "llm_refused"


class LlmAnswerBroken(LlmError):
    """An answer that is cut, empty, or not what was asked for, after one more try."""

    code = "llm_answer_broken"


class LlmNotConfigured(LlmError):
    """No key, or a key or model that the service does not know; set it."""

    code = "llm_not_configured"


class LlmBudgetSpent(LlmError):
    """The calls of this day are used up; it starts anew at 00:00 UTC."""

    code = "llm_budget_spent"


def error_of_status(status: int, retry_after_s: float | None = None) -> LlmError:
    """The error of an HTTP status that is not 2xx."""
    detail = f"HTTP {status}"
    if status in (408, 504):
        return LlmTimeout(detail, retry_after_s=retry_after_s)
    if status == 429:
        return LlmRateLimited(detail, retry_after_s=retry_after_s)
    if status >= 500:
        return LlmUnavailable(detail, retry_after_s=retry_after_s)
    if status in (401, 402, 403, 404):
        return LlmNotConfigured(detail)
    return LlmRefused(detail)


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds that a `Retry-After` header asks for (a number or a date, RFC 9110 10.2.3)."""
    given = (headers.get("retry-after") or "").strip()
    if not given:
        return None
    if _SECONDS.fullmatch(given):
        return min(float(given.removesuffix("s")), LONGEST_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max(0.0, (at - datetime.now(UTC)).total_seconds()), LONGEST_RETRY_AFTER_S)


def retry_delay_of(body: Any) -> float | None:
    """Seconds of a `google.rpc.RetryInfo` in an error body; Gemini's way to say Retry-After."""
    try:
        details = body["error"]["details"]
        delays = [one["retryDelay"] for one in details if "retryDelay" in one]
    except (KeyError, TypeError, IndexError):
        return None
    if not delays or not isinstance(delays[0], str) or not _SECONDS.fullmatch(delays[0]):
        return None
    return min(float(delays[0].removesuffix("s")), LONGEST_RETRY_AFTER_S)
