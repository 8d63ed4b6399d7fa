"""From a judge request to a job: types and addresses checked, the offers among them bound to it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Request
from msgspec import UNSET

from sync_server.ai.contract import MissionInput
from sync_server.jobs import service as jobs
from sync_server.missions import settling
from sync_server.missions.results import mission_type
from sync_server.missions.schemas import JudgeRequest, MissionAsked
from sync_server.platform.context import Platform
from sync_server.platform.database import Tx
from sync_server.platform.errors import Problem
from sync_server.platform.tokens import CurrentUser
from sync_server.walks import service as walks

JOB_TYPES = ("MISSION_JUDGE",)


async def begin(
    platform: Platform,
    user: CurrentUser,
    request: Request[Any, Any, Any],
    data: JudgeRequest,
    language: Literal["ko", "en"],
    priority: int,
) -> str:
    """Make the job of a judge request and return its id; see `jobs.service.begin`.

    Raises JobRefused WALK_NOT_FOUND, INVALID_MISSION_TYPE, MISSION_VIDEO_INVALID, INVALID_REQUEST.
    """

    async def build(tx: Tx, now_ms: int) -> jobs.NewJob:
        try:
            await walks.own_walk(tx, user.user_no, data.walk_id)
        except Problem:
            raise jobs.JobRefused("WALK_NOT_FOUND", analysis_id=data.analysis_id) from None
        try:
            missions = [await _input(platform, tx, user.user_no, each) for each in data.missions]
        except jobs.JobRefused as refused:
            refused.analysis_id = data.analysis_id
            raise
        ids = [each.mission_id for each in missions]
        if len(set(ids)) < len(ids):
            raise jobs.JobRefused(
                "INVALID_REQUEST", message="mission_id", analysis_id=data.analysis_id
            )
        return jobs.NewJob(
            job_type="MISSION_JUDGE",
            user_id=user.user_id,
            analysis_id=data.analysis_id,
            said=msgspec.json.encode(data.missions),
            walk_id=data.walk_id,
            missions=missions,
            policy=settling.POLICY,
            priority=priority,
            language=language,
        )

    return await jobs.begin(
        platform, user, request, build,
        lambda tx, job: settling.bind(platform, tx, job, platform.clock()),
    )  # fmt: skip


async def _input(platform: Platform, tx: Tx, user_no: int, asked: MissionAsked) -> MissionInput:
    mission_id = asked.missions_id if asked.mission_id is UNSET else asked.mission_id
    said_type = asked.missions_type if asked.mission_type is UNSET else asked.mission_type
    if mission_id is UNSET or said_type is UNSET:
        missing = "mission_id" if mission_id is UNSET else "mission_type"
        raise jobs.JobRefused("INVALID_REQUEST", message=f"missions[].{missing}")
    name = mission_type(said_type)
    if name is None:
        raise jobs.JobRefused("INVALID_MISSION_TYPE", details={"mission_type": said_type})
    url = await jobs.resolve(platform, tx, user_no, "mission", asked.video_url)
    return MissionInput(mission_id, name, url, asked.instruction)
