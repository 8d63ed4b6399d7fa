"""Errors as RFC 9457 problem details: how routes document them and how the server answers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from sync_server.platform.database import (
    DatabaseError,
    StorageFull,
    StorageReadOnly,
    translate_error,
)
from sync_server.platform.errors import TITLES, FieldError, Problem

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every error answer (RFC 9457); `code` is stable and safe to switch on."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] = []
    last: int | None = None
    """Only with `gap`: the last sequence number the server has."""


def problems(*codes: str) -> dict[int, ResponseSpec]:
    """Document error answers of a route: `responses=problems("not_found", ...)`.

    What every route can answer (400, 401, 429, 500, 503, 507) is included.
    """
    always = ("invalid_input", "unauthorized", "rate_limited", "server_fault",
              "database_unavailable", "storage_full")  # fmt: skip
    return {
        TITLES[code][0]: ResponseSpec(
            data_container=ProblemBody,
            generate_examples=False,
            description=TITLES[code][2],
            media_type=MEDIA_TYPE,
        )
        for code in (*always, *codes)
    }


def language_of(request: Request[Any, Any, Any]) -> Literal["ko", "en"]:
    """Return `en` when the client prefers English, else `ko`."""
    wanted = request.headers.get("accept-language", "").strip().lower()
    return "en" if wanted.startswith("en") else "ko"


def problem_response(
    request: Request[Any, Any, Any], problem: Problem, headers: Mapping[str, str] | None = None
) -> Response[ProblemBody]:
    """Write a problem as an answer in the client's language."""
    status, korean, english = TITLES[problem.code]
    headers = dict(headers or {})
    if problem.retry_after_s is not None or status == 503:
        headers["Retry-After"] = str(max(1, round(problem.retry_after_s or 1)))
    if status == 401 and not problem.code.startswith("webhook_"):
        headers["WWW-Authenticate"] = "Bearer"
    title = english if language_of(request) == "en" else korean
    body = ProblemBody(
        type=f"/problems/{problem.code}",
        title=title,
        status=status,
        detail=problem.detail or title,
        code=problem.code,
        errors=problem.errors,
        last=problem.last,
    )
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


_BY_STATUS = {
    400: "invalid_input", 401: "unauthorized", 403: "forbidden", 404: "not_found",
    405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type",
    429: "rate_limited",
}  # fmt: skip


def as_problem(error: Exception) -> Problem:
    """Map any exception of a request to a problem; unknown ones are a logged `server_fault`."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ValidationException):
        extra = error.extra if isinstance(error.extra, list) else []
        fields = [
            FieldError(str(item.get("key", "")), str(item.get("message", "")))
            for item in extra
            if isinstance(item, dict)
        ]
        return Problem("invalid_input", error.detail, errors=fields)
    if isinstance(error, HTTPException):
        code = _BY_STATUS.get(error.status_code, "server_fault")
        if code != "server_fault":
            return Problem(code, "" if error.status_code == 404 else error.detail)
    if isinstance(error, msgspec.ValidationError | msgspec.DecodeError):
        message, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".")
        fields = [FieldError(field, message)] if field else []
        return Problem("invalid_input", str(error), errors=fields)
    if isinstance(error, RecursionError):
        # msgspec meets a body nested thousands deep; no code of ours recurses.
        return Problem("invalid_input", "nested too deeply")
    translated = translate_error(error)
    if isinstance(translated, DatabaseError):
        log.warning(
            "database_fault",
            code=translated.code,
            kind=type(error).__name__,
            detail=str(error)[:300],
        )
        wait = 5.0 if isinstance(translated, StorageFull | StorageReadOnly) else 1.0
        code = translated.code if translated.code in TITLES else "database_unavailable"
        return Problem(code, retry_after_s=wait)
    log.error("server_fault", kind=type(error).__name__, exc_info=error)
    return Problem("server_fault")


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[ProblemBody]:
    """Litestar's exception handler for every exception."""
    headers = {}
    if isinstance(error, HTTPException) and error.status_code == 405:
        headers["Allow"] = (error.headers or {}).get("allow", "").upper()
    return problem_response(request, as_problem(error), headers)
