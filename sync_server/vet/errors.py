"""The product's error body on the chat's paths, whatever goes wrong on them."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap

from sync_server.ai.vet.contract import TIMEOUT_MS, ChatRefused
from sync_server.jobs import service as jobs
from sync_server.platform.errors import TITLES, Problem
from sync_server.platform.object_store import ObjectStoreFailed
from sync_server.platform.problem_details import as_problem, language_of

_QUESTION: Final = "message.content"
_EMPTY: Final = {"ko": "질문 내용이 비어 있습니다.", "en": "The question is empty."}
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`")
_CODES: Final = {
    "invalid_input": "INVALID_INPUT",
    "unauthorized": "UNAUTHORIZED",
    "token_expired": "TOKEN_EXPIRED",
    "idempotency_mismatch": "IDEMPOTENCY_MISMATCH",
    "too_large": "REQUEST_TOO_LARGE",
    "unsupported_media_type": "UNSUPPORTED_CONTENT_TYPE",
    "rate_limited": "RATE_LIMITED",
    "server_fault": "INTERNAL_ERROR",
    "storage_full": "STORAGE_FULL",
    "not_found": "TURN_NOT_FOUND",
}


class VetRefused(Exception):
    """A turn or a report that is refused, or that failed: a code of the catalogue."""

    def __init__(
        self,
        code: str,
        *,
        details: dict[str, Any] | None = None,
        message: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code)
        self.code, self.details, self.message = code, details or {}, message
        self.retry_after_s = retry_after_s


def empty_question() -> VetRefused:
    """Return the refusal of a question without a word."""
    return VetRefused("INVALID_INPUT", details={"field": _QUESTION})


def of_role(error: ChatRefused) -> VetRefused:
    """Return what the AI role refuses, in the product's words."""
    details = error.details
    if error.code == "LLM_TIMEOUT":
        details = {"timeout_ms": TIMEOUT_MS, **details}
    return VetRefused(
        error.code, details=details, message=error.message, retry_after_s=error.retry_after_s
    )


def refused(error: Exception) -> VetRefused:
    """Say any exception of a request in the chat's codes."""
    if isinstance(error, VetRefused):
        return error
    if isinstance(error, ChatRefused):
        return of_role(error)
    if isinstance(error, jobs.JobRefused):
        return VetRefused(
            error.code, details=error.details, message=error.message,
            retry_after_s=error.retry_after_s,
        )  # fmt: skip
    if isinstance(error, ObjectStoreFailed):
        return VetRefused("SERVICE_UNAVAILABLE", retry_after_s=5)
    problem = as_problem(error)
    code = _CODES.get(problem.code)
    if code is None:
        code = "SERVICE_UNAVAILABLE" if TITLES[problem.code][0] >= 500 else "INVALID_INPUT"
    details = _wrong_field(problem) if code == "INVALID_INPUT" else {}
    return VetRefused(code, details=details, retry_after_s=problem.retry_after_s)


def _wrong_field(problem: Problem) -> dict[str, Any]:
    field, said = "", problem.detail
    if problem.errors:
        field, said = problem.errors[0].field, problem.errors[0].message
    missing = _MISSING.match(said)
    if missing is not None:
        field = f"{field}.{missing[1]}".lstrip(".")
    if field in (_QUESTION, "message") and missing is not None:
        return {"field": _QUESTION}
    return {"field": field, "reason": said[:300]}


def error_body(error: VetRefused, language: str) -> jobs.DetailedFailed:
    """Return the body of a refusal in a language."""
    message = error.message or jobs.words(error.code, "vet", language)
    if error.code == "INVALID_INPUT" and error.details == {"field": _QUESTION}:
        message = _EMPTY["en" if language == "en" else "ko"]
    return jobs.DetailedFailed(jobs.DetailedError(error.code, message, error.details))


def _handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    said = refused(error)
    status = jobs.cause(said.code, "vet").status
    headers = {}
    if status in (429, 503) or said.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(said.retry_after_s or 1)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        msgspec.json.encode(error_body(said, language_of(request))),
        status_code=status,
        media_type="application/json",
        headers=headers,
    )


HANDLERS: Final[ExceptionHandlersMap] = {Exception: _handle}


def error_answers(*statuses: int) -> dict[int, ResponseSpec]:
    """Document the error answers of a route (400, 401, 429, 500, 503 are always among them)."""
    return jobs.error_answers("vet", *statuses)
