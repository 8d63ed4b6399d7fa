"""/internal/ai: what a backend asks of the AI role. Every call is signed (`webhooks.py`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, PathParameter
from litestar.types import ControllerRouterHandler

from sync_server.ai.callbacks import CallbackRefused
from sync_server.ai.contract import Accepted, Area, JobRequest
from sync_server.ai.orchestrator import RequestRefused
from sync_server.ai.role import AiRole, JobConflict, RoleUnavailable, TooBusy
from sync_server.platform.errors import Problem
from sync_server.platform.problem_details import problems
from sync_server.platform.signed_requests import signed_only

JobIdPath = FromPath[Annotated[str, PathParameter(min_length=1, max_length=128)]]


class CancelAnswer(msgspec.Struct, frozen=True):
    """Whether there was anything to cancel."""

    job_id: str
    cancelled: bool


def provide_ai(state: State) -> AiRole:
    """Litestar dependency `ai`: the AI role of this process; Problem not_configured without."""
    parts: Any = state.get("platform") or state.services
    if parts.ai is None:
        raise Problem("not_configured", "this process has no AI role")
    role: AiRole = parts.ai
    return role


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """Make answers of the role's faults."""
    try:
        yield
    except JobConflict as error:
        raise Problem("conflict", f"job {error} is known with other content") from None
    except TooBusy as error:
        raise Problem(
            "rate_limited", "the queue is full", retry_after_s=error.retry_after_s
        ) from None
    except (RequestRefused, CallbackRefused) as error:
        raise Problem("invalid_input", f"{error.code}: {error}") from None
    except RoleUnavailable as error:
        raise Problem("database_unavailable", str(error)) from None


@post(
    "/internal/ai/{area:str}/jobs", status_code=202, summary="Take an AI job",
    guards=[signed_only], responses=problems("conflict"), include_in_schema=False,
)  # fmt: skip
async def take_job(
    ai: NamedDependency[AiRole], area: FromPath[Area], data: JSONBody[JobRequest]
) -> Accepted:
    """Take a job; the same job again is answered the same."""
    async with _told():
        return await ai.submit(area, data)


@post(
    ["/internal/ai/jobs/{job_id:str}/cancel", "/internal/ai/{area:str}/jobs/{job_id:str}/cancel"],
    status_code=200, summary="Cancel an AI job", guards=[signed_only],
    responses=problems(), include_in_schema=False,
)  # fmt: skip
async def cancel_job(ai: NamedDependency[AiRole], job_id: JobIdPath) -> CancelAnswer:
    """Cancel a job that has not ended."""
    async with _told():
        return CancelAnswer(job_id, await ai.cancel(job_id))


@get("/internal/ai/health", summary="How the AI role is", guards=[signed_only],
     responses=problems(), include_in_schema=False)  # fmt: skip
async def read_health(
    ai: NamedDependency[AiRole], request: Request[Any, Any, Any]
) -> dict[str, Any]:
    """Answer queue and models."""
    async with _told():
        return dict(await ai.health())


AI_DEPENDENCIES = {"ai": Provide(provide_ai, sync_to_thread=False)}
ROUTES: list[ControllerRouterHandler] = [take_job, cancel_job, read_health]
