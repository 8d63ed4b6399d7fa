"""/api/jobs, the live stream of a job, /api/artifacts, and the AI role's events."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromHeader, FromPath, FromQuery, HeaderParameter, QueryParameter
from litestar.response import ServerSentEvent, Stream
from litestar.types import ControllerRouterHandler

from sync_server.ai.contract import AREAS, Accepted, Area, Event
from sync_server.jobs import artifacts, events, service, store, waiting
from sync_server.jobs.documents import JobDoc, JobList, LiveEvent, job_document
from sync_server.platform import rate_limit
from sync_server.platform.artifact_links import artifact_key
from sync_server.platform.context import Platform, provide_user
from sync_server.platform.errors import not_found
from sync_server.platform.openapi import EITHER_WAY
from sync_server.platform.problem_details import problems
from sync_server.platform.signed_requests import signed_only
from sync_server.platform.tokens import CurrentUser

MAX_EVENT_BYTES: Final = 3_000_000
_PART_BYTES: Final = 1024 * 1024
_EVENTS: Final = msgspec.json.Decoder(Event)
_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
LastEventId = FromHeader[
    Annotated[str | None, HeaderParameter(name="Last-Event-ID", max_length=20)]
]


@get("/api/jobs", summary="My jobs, newest first", responses=problems())
async def list_jobs(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    before_ms: Annotated[int | None, QueryParameter(ge=0, le=2**53)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
) -> JobList:
    """Answer the user's analyses on the server, of every kind."""
    async with platform.database.read() as tx:
        jobs = await store.list_own(tx, user.user_no, before_ms, limit)
    more = jobs[-1].created_ms if len(jobs) == limit else None
    return JobList([job_document(job) for job in jobs], more)


@get(
    "/api/jobs/{job_id:str}/events",
    summary="Live progress of a job",
    responses={
        **problems("not_found"),
        200: ResponseSpec(
            LiveEvent,
            generate_examples=False,
            description="Events status, progress, complete, failed; a comment as a ping every 15 s",
            media_type="text/event-stream",
        ),
    },
)
async def follow_job(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    job_id: FromPath[str],
    last_event_id: LastEventId = None,
) -> ServerSentEvent:
    """Tell what has happened since Last-Event-ID (or ever), then what happens, until the end."""
    async with platform.database.read() as tx:
        if await store.load_own(tx, user.user_no, job_id) is None:
            raise not_found()
    after = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
    return ServerSentEvent(waiting.stream(platform, user.user_no, job_id, min(after, 2**53)))


@post(
    "/api/jobs/{job_id:str}/cancel",
    summary="Cancel a job",
    status_code=200,
    responses=problems("not_found", "conflict"),
)
async def cancel_job(
    platform: NamedDependency[Platform],
    user: NamedDependency[CurrentUser],
    job_id: FromPath[str],
) -> JobDoc:
    """Stop a job that has not ended; it ends as failed with JOB_CANCELLED."""
    async with platform.database.transaction() as tx:
        await rate_limit.limit(platform, tx, rate_limit.WRITE, str(user.user_no))
    return job_document(await service.cancel(platform, user.user_no, job_id))


# --- files of jobs -------------------------------------------------------------------------


@get(
    "/api/artifacts/{job_id:str}/{name:str}",
    summary="A file that belongs to a job",
    media_type="video/mp4",
    security=EITHER_WAY,
    opt={"answers_bytes": ["video/mp4", "image/png", "image/jpeg"]},
    responses={
        **problems("not_found", "storage_unavailable"),
        206: ResponseSpec(bytes, generate_examples=False, description="The range asked for",
                          media_type="video/mp4"),
    },
)  # fmt: skip
async def get_artifact(
    platform: NamedDependency[Platform],
    request: Request[Any, Any, Any],
    job_id: FromPath[str],
    name: FromPath[str],
    expires: FromQuery[Annotated[int | None, QueryParameter(ge=0, lt=2**53)]] = None,
    signature: FromQuery[
        Annotated[str | None, QueryParameter(min_length=1, max_length=128)]
    ] = None,
) -> Response[Any]:
    """Answer the file to the job's owner, or to who holds a signed address; ranges are served."""
    artifacts.checked_name(name)
    if signature is not None:
        if expires is None or not platform.signer.is_signed(
            "artifact", f"{job_id}/{name}", expires, signature
        ):
            raise not_found()
    else:
        user = await provide_user(request, platform)
        async with platform.database.read() as tx:
            if await store.load_own(tx, user.user_no, job_id) is None:
                raise not_found()
    key = artifact_key(job_id, name)
    size = await platform.objects.size(key)
    if size is None:
        raise not_found()
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=600",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": f'inline; filename="{name}"',
    }
    # Of a stream the route's own media type would win over the answer's.
    headers["content-type"] = artifacts.content_type(name)
    wanted = _wanted(request.headers.get("range"), size)
    start, end = (0, size) if wanted is None else wanted
    headers["Content-Length"] = str(end - start)
    if wanted is None:
        return Stream(_parts(platform, key, 0, size), headers=headers)
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Stream(_parts(platform, key, start, end), status_code=206, headers=headers)


def _wanted(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the one range [start, end) asked for; None for the whole (RFC 9110, 14.2)."""
    match = _RANGE.fullmatch((header or "").strip())
    if match is None or size == 0:
        return None
    first, last = match[1], match[2]
    if first:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    elif last:
        start, end = max(0, size - int(last)), size
    else:
        return None
    return (start, end) if start < end else None


async def _parts(platform: Platform, key: str, start: int, end: int) -> AsyncIterator[bytes]:
    for at in range(start, end, _PART_BYTES):
        yield await platform.objects.get_range(key, at, min(end, at + _PART_BYTES))


# --- the AI role's events ------------------------------------------------------------------


def _receiver(area: Area) -> ControllerRouterHandler:
    @post(
        f"/internal/{area}/jobs/{{job_id:str}}/events",
        name=f"events_{area}",
        summary=f"An event of a job of {area}, from the AI role",
        status_code=200,
        include_in_schema=False,
        request_max_body_size=MAX_EVENT_BYTES,
        guards=[signed_only],
    )
    async def receive(
        platform: NamedDependency[Platform],
        request: Request[Any, Any, Any],
        job_id: FromPath[str],
    ) -> Accepted:
        await events.apply(platform, area, job_id, _EVENTS.decode(await request.body()))
        # Also for a job that is not known (any more): there is nothing to try again.
        return Accepted(True, job_id)

    return receive


ROUTES: list[ControllerRouterHandler] = [
    list_jobs,
    follow_job,
    cancel_job,
    get_artifact,
    *(_receiver(area) for area in AREAS),
]
