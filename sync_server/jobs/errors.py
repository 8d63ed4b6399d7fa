"""The product's error bodies on the product's paths: one for missions and face, one for the rest.

{"analysis_id", "status": "failed", "error": {"code", "message"}}
{"error": {"code", "message", "details"}}
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap
from msgspec import UNSET, UnsetType

from sync_server.ai.contract import Area
from sync_server.jobs.catalogue import FROM_PROBLEM, UNKNOWN_JOB, cause
from sync_server.jobs.model import JobError
from sync_server.platform.errors import TITLES, Problem
from sync_server.platform.object_store import ObjectStoreFailed
from sync_server.platform.problem_details import as_problem, language_of

_DETAILED: Final[frozenset[Area]] = frozenset({"healthcare", "vet"})


class ErrorWords(msgspec.Struct, frozen=True):
    """Stable code and words of an error."""

    code: str
    message: str


class AnalysisFailed(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Error answer of missions and face.

    `analysis_id` is left out where the status of an unknown job was asked for, and empty where
    nobody said one. `cause` is why a job failed that is only said to have failed.
    """

    analysis_id: str | UnsetType = UNSET
    job_id: str | UnsetType = UNSET
    status: str
    message: str | UnsetType = UNSET
    error: ErrorWords
    cause: ErrorWords | UnsetType = UNSET


class DetailedError(msgspec.Struct, frozen=True):
    """Stable code, words and particulars of an error."""

    code: str
    message: str
    details: dict[str, Any]


class DetailedFailed(msgspec.Struct, frozen=True):
    """Error answer of healthcare and the vet chat."""

    error: DetailedError


class JobRefused(Exception):
    """A request about a job that is refused, or a job that has failed: a code of the catalogue."""

    def __init__(
        self,
        code: str,
        *,
        message: str | None = None,
        details: dict[str, Any] | None = None,
        analysis_id: str | UnsetType = UNSET,
        job_id: str | UnsetType = UNSET,
        status: str = "failed",
        note: str | UnsetType = UNSET,
        because: JobError | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.details = details or {}
        self.analysis_id = analysis_id
        self.job_id = job_id
        self.status = status
        self.note = note
        self.because = because
        self.retry_after_s = retry_after_s

    def as_failed_job(self) -> JobRefused:
        """Return the refusal of a failed mission job's result: the job failed, because of this."""
        return JobRefused(
            "JOB_EXECUTION_FAILED",
            analysis_id=self.analysis_id,
            job_id=self.job_id,
            because=JobError(self.code, self.message or ""),
        )


def error_handlers(area: Area) -> ExceptionHandlersMap:
    """Return the handlers that answer every fault of a route in the area's own body."""

    def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        refused = error if isinstance(error, JobRefused) else _translated(request, error, area)
        known = cause(refused.code, area)
        english = language_of(request) == "en"
        message = refused.message or (known.en if english else known.ko)
        status = known.status
        if refused.because is not None:
            status = cause(refused.because.code, area).status
        headers = {}
        if status in (429, 503) or refused.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, round(refused.retry_after_s or 1)))
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        body: msgspec.Struct
        if area in _DETAILED:
            body = DetailedFailed(DetailedError(refused.code, message, refused.details))
        else:
            because = refused.because
            body = AnalysisFailed(
                status=refused.status,
                error=ErrorWords(refused.code, message),
                analysis_id=refused.analysis_id,
                job_id=refused.job_id,
                message=refused.note,
                cause=UNSET if because is None else ErrorWords(because.code, because.message),
            )
        return Response(
            msgspec.json.encode(body),
            status_code=status,
            media_type="application/json",
            headers=headers,
        )

    return {Exception: handle}


def _translated(request: Request[Any, Any, Any], error: Exception, area: Area) -> JobRefused:
    """Say one of the server's own problems in the product's words."""
    if isinstance(error, ObjectStoreFailed):
        return JobRefused("SERVICE_UNAVAILABLE", retry_after_s=5, analysis_id="")
    problem: Problem = as_problem(error)
    code = FROM_PROBLEM.get(problem.code)
    if problem.code == "not_found":
        # Only a path can be so wrong that no route looks for the job itself.
        code = UNKNOWN_JOB[area]
    elif code is None:
        code = "SERVICE_UNAVAILABLE" if TITLES[problem.code][0] >= 500 else "INVALID_REQUEST"
    details: dict[str, Any] = {}
    message = None
    if problem.code == "invalid_input":
        details = {"errors": [msgspec.to_builtins(each) for each in problem.errors]}
        english = language_of(request) == "en"
        words = cause(code, area)
        said = "; ".join(f"{each.field}: {each.message}" for each in problem.errors)
        message = f"{words.en if english else words.ko} {said or problem.detail}".strip()[:500]
    return JobRefused(
        code,
        message=message,
        details=details,
        analysis_id=_asked_for(request),
        retry_after_s=problem.retry_after_s,
    )


class _Peek(msgspec.Struct):
    analysis_id: Any = None


def _asked_for(request: Request[Any, Any, Any]) -> str:
    """Return the analysis that a refused body was about, as far as it can be read."""
    raw = request.state.get("refused_body")
    if raw is None:
        return ""
    try:
        said = msgspec.json.decode(raw, type=_Peek).analysis_id
    except (msgspec.DecodeError, RecursionError):
        return ""
    return said if isinstance(said, str) and len(said) <= 256 else ""


def error_answers(area: Area, *statuses: int) -> dict[int, ResponseSpec]:
    """Document the error answers of a route of an area; what every route can answer is included."""
    always = (400, 401, 429, 500, 503, 507)
    body: type[msgspec.Struct] = DetailedFailed if area in _DETAILED else AnalysisFailed
    return {
        status: ResponseSpec(
            data_container=body,
            generate_examples=False,
            description="The product's error body",
            media_type="application/json",
        )
        for status in sorted({*always, *statuses})
    }
