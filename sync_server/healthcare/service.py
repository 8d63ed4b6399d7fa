"""Gait jobs: the clip taken in, the result kept for its dog, history and trend."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from litestar import Request

from edge_sdk.gait.measures import Measure
from edge_sdk.gait.trend import trend_of_measures
from edge_sdk.ids import uuid7
from edge_sdk.sync.facts import AnalysisAdd
from sync_server.ai.contract import Policy
from sync_server.ai.role import RoleUnavailable
from sync_server.dogs import service as dogs
from sync_server.healthcare.results import level, number, part
from sync_server.healthcare.schemas import GaitHistory, GaitRequest, GaitSession, GaitTrend
from sync_server.healthcare.uploads import Clip
from sync_server.jobs import service as jobs
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.object_store import ObjectStoreFailed
from sync_server.platform.tokens import CurrentUser
from sync_server.walks import service as walks

POLICY: Final = Policy(max_duration_sec=10, max_resolution=720)
"""Limits of a gait video, as the product has them; its 12 frames a second are left out: every
frame is measured, because at 12 the intervals are wider (docs/decisions/0009)."""
JOB_TYPES: Final = ("GAIT_ANALYSIS",)
MAX_TREND_SESSIONS: Final = 200


async def begin(
    platform: Platform,
    user: CurrentUser,
    request: Request[Any, Any, Any],
    data: GaitRequest | Clip,
    language: Literal["ko", "en"],
    priority: int,
    content_sha256: str,
) -> str:
    """Make a gait job and return its id; see `jobs.service.begin`.

    `content_sha256` is of all that the client has sent.

    Raises JobRefused DOG_NOT_FOUND, INVALID_MEDIA_URL, INVALID_REQUEST, QUOTA_EXCEEDED.
    """

    async def build(tx: Tx, now_ms: int) -> jobs.NewJob:
        if data.dog_id is not None and not await dogs.owned_dogs(tx, user.user_no, [data.dog_id]):
            raise jobs.JobRefused("DOG_NOT_FOUND")
        captured_ms = None if data.captured_at is None else _time_ms(data.captured_at)
        clip = data if isinstance(data, Clip) else None
        if clip is not None:
            name = jobs.artifacts.INPUT_NAME
            url = jobs.artifacts.signed_url(
                platform, clip.job_id, name, jobs.artifacts.INPUT_LINK_MS
            )
        else:
            assert isinstance(data, GaitRequest)
            url = await jobs.resolve(platform, tx, user.user_no, "healthcare", data.video_url)
        return jobs.NewJob(
            job_type="GAIT_ANALYSIS",
            user_id=user.user_id,
            job_id="" if clip is None else clip.job_id,
            dog_id=data.dog_id,
            captured_ms=captured_ms,
            video_url=url,
            policy=POLICY,
            priority=priority,
            language=language,
            input_bytes=0 if clip is None else clip.size_bytes,
        )

    return await jobs.begin(platform, user, request, build, content_sha256=content_sha256)


def _time_ms(said: str) -> int:
    try:
        at = datetime.fromisoformat(said)
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        time_ms = int(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise _bad_time() from None
    if not 0 <= time_ms < 2**47:
        raise _bad_time()
    return time_ms


def _bad_time() -> jobs.JobRefused:
    details = {"errors": [{"field": "captured_at", "message": "ISO 8601"}]}
    return jobs.JobRefused("INVALID_REQUEST", details=details)


# --- what a result leaves ------------------------------------------------------------------


async def job_ended(platform: Platform, tx: Tx, job: jobs.Job, now_ms: int) -> None:
    """Keep the analysis (and keep it up to date) for its dog, its calendar and its phones."""
    if job.state != "done" or job.result is None:
        return
    known = await walks.analysis_of_job(tx, job.user_no, job.job_id)
    result = {**job.result, "analysis_id": job.analysis_id, "job_id": job.job_id}
    fact = AnalysisAdd(
        analysis_id=known or uuid7(now_ms), kind="gait", dog_id=job.dog_id or "", walk_id=None,
        at_ms=job.captured_ms or job.created_ms, result=result,
    )  # fmt: skip
    await walks.add_analysis(tx, job.user_no, fact, job.dog_id, job.job_id, now_ms)


# --- history -------------------------------------------------------------------------------


async def history(
    tx: Tx, user_no: int, dog_id: str, before_ms: int | None, limit: int, language: str
) -> GaitHistory:
    """Return a dog's gait sessions and its trend; Problem not_found for another's dog.

    Sessions of the phone (facts) and of the server count alike.
    """
    await dogs.dog_of(tx, user_no, dog_id)
    rows = await tx.fetch_all(
        """SELECT analysis_id, job_id, at_ms, result FROM analysis
           WHERE dog_id = ? AND user_no = ? AND kind = 'gait' AND at_ms < ?
           ORDER BY at_ms DESC, analysis_id DESC LIMIT ?""",
        dog_id, user_no, 2**62 if before_ms is None else before_ms, limit,
    )  # fmt: skip
    return GaitHistory(
        dog_id,
        [_session(row, language) for row in rows],
        await trend(tx, user_no, dog_id, language),
        rows[-1]["at_ms"] if len(rows) == limit else None,
    )


async def trend(tx: Tx, user_no: int, dog_id: str, language: str) -> GaitTrend:
    """Return a dog's gait against its own first sessions."""
    rows = await tx.fetch_tuples(
        """SELECT at_ms, result FROM analysis
           WHERE dog_id = ? AND user_no = ? AND kind = 'gait'
           ORDER BY at_ms, analysis_id LIMIT ?""",
        dog_id, user_no, MAX_TREND_SESSIONS,
    )  # fmt: skip
    sessions: dict[int, Mapping[str, Measure]] = {}
    for at_ms, text in rows:
        measures = _measures(msgspec.json.decode(text))
        if measures:
            # Two analyses of one clip are one session; the later one counts.
            sessions[int(at_ms)] = measures
    found = trend_of_measures(sorted(sessions.items()))
    return GaitTrend(
        found.summary_en if language == "en" else found.summary,
        found.sessions,
        [each.name for each in found.alerts],
        list(found.measures),
    )


async def last_session(tx: Tx, user_no: int, dog_id: str, language: str) -> GaitSession | None:
    """Return a dog's newest gait session, of phone or server; None without one."""
    row = await tx.fetch_one(
        """SELECT analysis_id, job_id, at_ms, result FROM analysis
           WHERE dog_id = ? AND user_no = ? AND kind = 'gait'
           ORDER BY at_ms DESC, analysis_id DESC LIMIT 1""",
        dog_id, user_no,
    )  # fmt: skip
    return None if row is None else _session(row, language)


def _measures(result: dict[str, Any]) -> dict[str, Measure]:
    """Return the measures of a kept result, in the server's form or the phone's."""
    said = part(result, "measures") or part(part(result, "details"), "measures")
    try:
        return msgspec.convert(said, dict[str, Measure])
    except (msgspec.ValidationError, ValueError):
        # Written by another version or somebody else's phone: no measures of ours.
        return {}


def _session(row: Any, language: str) -> GaitSession:
    result: dict[str, Any] = msgspec.json.decode(row["result"])
    inner, details = part(result, "result"), part(result, "details")
    risk = level(inner.get("overall_risk_level") or result.get("overall_risk_level"))
    summary = inner.get("summary") or ""
    if language == "en":
        summary = details.get("summary_en") or summary
    version = result.get("model_version")
    return GaitSession(
        analysis_id=row["analysis_id"],
        job_id=row["job_id"],
        captured_at_ms=row["at_ms"],
        overall_risk_level=risk,
        summary=str(summary),
        scores={
            name: number(part(part(result, "metrics"), name).get("score"))
            for name in part(result, "metrics")
        },
        source="device" if row["job_id"] is None else "server",
        model_version=version if isinstance(version, str) else "",
    )


# --- health --------------------------------------------------------------------------------


async def health(platform: Platform) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the state of each dependency, and what the AI role says of itself."""
    async with platform.database.read() as tx:
        await tx.fetch_value("SELECT 1")
    states = {"database": "ok", "object_store": "ok", "ai": "ok"}
    try:
        await platform.objects.size("healthcare/health")
    except ObjectStoreFailed:
        states["object_store"] = "unavailable"
    said: dict[str, Any] = {}
    if platform.ai is None:
        states["ai"] = "not_configured"
    else:
        try:
            said = dict(await platform.ai.health())
        except RoleUnavailable:
            states["ai"] = "unavailable"
        else:
            states["ai"] = str(said.get("status", "ok"))
    return states, said
