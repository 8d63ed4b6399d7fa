"""MISSION_JUDGE: each mission of a walk judged by itself, one result for all.

Stages, percents and sentences are the product's. A mission that fails does not stop the others;
one that failed because something of ours failed says so (SYSTEM_ERROR) and is no "failed mission".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog
from prometheus_client import Counter

from edge_sdk.errors import InvalidMissionType
from edge_sdk.mission.result import Mission
from sync_server.ai.contract import JobRequest, MissionInput
from sync_server.ai.fetching import fetch_video, in_folder, local_video
from sync_server.ai.missions.judgement import Judgement
from sync_server.ai.missions.types import mission_called
from sync_server.ai.missions.verdict_cache import VerdictKey
from sync_server.ai.refusals import (
    ALL_MISSIONS_FAILED,
    BAD_MISSION_TYPE,
    INFERENCE_FAILED,
    MAX_DURATION_S,
    NO_INPUT,
    VERDICT_UNREADABLE,
    Refusal,
    fetch_timed_out,
    timed_out,
    too_long,
)
from sync_server.ai.results import analysis_id_of, iso_utc
from sync_server.ai.stages import (
    Json,
    PartOutcome,
    Pipeline,
    Stage,
    StageContext,
    StageFailed,
)
from sync_server.platform.settings import Settings

log = structlog.get_logger(__name__)
VERDICTS = Counter(
    "daengdong_mission_verdicts_total",
    "Verdicts on missions, by who gave them: a judge now, or the memory of an earlier one",
    ("judge", "verdict", "source"),
)
VERSION: Final = "mission_pipeline_v1"
JUDGE_S: Final = 60.0
"""What a judge has for a video, its own retries included (SERVER: 60 s for a video)."""
NOT_ANALYSED_KO: Final = "이번 미션은 분석에 실패했습니다"
NOT_ANALYSED_EN: Final = "This mission could not be analysed"


# --- stages ---------------------------------------------------------------------------------


async def validate(context: StageContext, state: Json) -> Json:
    """Refuse what need not be fetched: a wider policy than ours, an unknown mission."""
    if not context.job.missions:
        raise NO_INPUT.error()
    asked_s = context.job.policy.max_duration_sec
    if asked_s is not None and asked_s > MAX_DURATION_S["mission"]:
        raise too_long("mission")
    wanted = _input(context)
    try:
        return {"mission_type": str(mission_called(wanted.mission_type))}
    except InvalidMissionType:
        raise BAD_MISSION_TYPE.error({"mission_type": wanted.mission_type}) from None


async def fetch(context: StageContext, state: Json) -> Json:
    """Fetch and check the video."""
    return {"video": await fetch_video(context, "mission", _input(context).video_url)}


async def infer(context: StageContext, state: Json) -> Json:
    """Judge, unless this very video was judged before by the same judge and criteria."""
    services = context.services
    criteria = services.mission_references.criteria(Mission(state["mission_type"]))
    version: str = services.judge.version
    known = {"judge_version": version, "judged_before": False}
    if not context.job.again:
        before = await services.verdicts.get(_key(state, version, criteria.version))
        if before is not None:
            return {**known, "judgement": msgspec.to_builtins(before), "judged_before": True}
    video = await local_video(context, "mission", _input(context).video_url, state["video"])
    try:
        judgement = await services.judge.judge(video, criteria, JUDGE_S)
    except (StageFailed, TimeoutError):
        raise
    except Exception as error:
        # Whatever a judge breaks on, it is no verdict on the dog.
        log.exception("mission_judge_broke", job_id=context.job.job_id, part=context.part)
        raise INFERENCE_FAILED["mission"].error(reason=type(error).__name__) from error
    return {**known, "judgement": msgspec.to_builtins(judgement)}


async def parse(context: StageContext, state: Json) -> Json:
    """Hold the answer to its schema, and keep it for the same video."""
    judgement = _checked(state)
    source = "memory" if state["judged_before"] else "judge"
    VERDICTS.labels(judgement.judge, str(judgement.verdict), source).inc()
    if state["judged_before"]:
        return {}
    kept = await context.services.verdicts.put(
        _key(state, state["judge_version"], judgement.reference_version), judgement,
        replace=context.job.again,
    )  # fmt: skip
    return {"judgement": msgspec.to_builtins(kept)}


async def finalize(context: StageContext, state: Json) -> Json:
    """Put the mission's entry together; its video is not needed any more."""
    in_folder(context, "video").unlink(missing_ok=True)
    judgement = _checked(state)
    summary = judgement.summary.en if context.job.language == "en" else judgement.summary.ko
    entry = {
        "mission_id": _input(context).mission_id,
        "mission_type": state["mission_type"],
        "success": judgement.verdict == "SUCCESS",
        "confidence": round(judgement.confidence, 4),
        "summary": summary,
        # For the backend, which tells only whether it was a success.
        "verdict": str(judgement.verdict),
    }
    return {"mission": entry}


STAGES: Final = (
    Stage(
        "VALIDATING", (0, 10), "입력 정보를 확인하고 있습니다.", "Checking the request.",
        validate, timeout_s=10, start_percent=5,
    ),
    Stage(
        "FETCHING_VIDEO", (10, 25), "영상을 불러오고 있습니다.", "Fetching the video.",
        fetch, timeout_s=45, start_percent=15, timeout_failure=fetch_timed_out("mission"),
    ),
    Stage(
        "MISSION_INFERENCE", (25, 85), "미션 수행 여부를 판정 중입니다.", "Judging the mission.",
        infer, timeout_s=90, start_percent=60, timeout_failure=timed_out("mission"),
    ),
    Stage(
        "RESULT_PARSING", (85, 95), "분석 결과를 정리하고 있습니다.", "Reading the verdict.",
        parse, timeout_s=15, start_percent=90,
    ),
    Stage(
        "FINALIZING", (95, 100), "결과를 저장하고 있습니다.", "Storing the result.",
        finalize, timeout_s=15, start_percent=99,
    ),
)  # fmt: skip


# --- the job --------------------------------------------------------------------------------


def parts(job: JobRequest) -> Sequence[str]:
    """One part a mission, by its place (ids may be anything, also twice the same)."""
    return [str(at) for at in range(len(job.missions))] or [""]


def combine(
    job: JobRequest, outcomes: Sequence[PartOutcome], started_ms: int, finished_ms: int
) -> Json:
    """The job's result; raises StageFailed where no mission at all could be judged."""
    judged = [outcome for outcome in outcomes if outcome.failure is None]
    if not judged:
        raise _nothing_judged(job, outcomes)
    states = [outcome.state or {} for outcome in judged]
    seconds = sum(state["video"]["duration_s"] for state in states)
    by = _checked(states[0])
    return {
        "analysis_id": analysis_id_of(job),
        "walk_id": job.meta.walk_id,
        "job_id": job.job_id,
        "analyzed_at": iso_utc(finished_ms),
        "processing": {
            "analysis_time_ms": max(0, finished_ms - started_ms),
            "video_duration_sec": round(seconds, 3),
        },
        "result": {"missions": [_entry(job, outcome) for outcome in outcomes]},
        "model_version": f"{VERSION}:{by.judge}:{by.model}",
        "details": {"missions": [_details(job, outcome) for outcome in outcomes]},
    }


def _entry(job: JobRequest, outcome: PartOutcome) -> Json:
    if outcome.failure is None:
        entry: Json = (outcome.state or {})["mission"]
        return entry
    wanted, failure = job.missions[int(outcome.part)], outcome.failure
    system = failure["failure_type"] == "SYSTEM_ERROR"
    words = {"ko": NOT_ANALYSED_KO, "en": NOT_ANALYSED_EN} if system else failure["message"]
    return {
        "mission_id": wanted.mission_id,
        "mission_type": _shown_type(wanted),
        "success": False,
        "confidence": 0.0,
        "summary": words[job.language],
        "failure_type": failure["failure_type"],
        "reason": failure.get("reason") or failure["code"],
        "error": {"code": failure["code"], "message": failure["message"][job.language]},
    }


def _details(job: JobRequest, outcome: PartOutcome) -> Json:
    mission_id = job.missions[int(outcome.part)].mission_id
    if outcome.failure is not None:
        return {"mission_id": mission_id, "verdict": None, "failure": outcome.failure}
    state = outcome.state or {}
    return {
        "mission_id": mission_id,
        **state["judgement"],
        "judged_before": state["judged_before"],
        "video_sha256": state["video"]["sha256"],
    }


def _nothing_judged(job: JobRequest, outcomes: Sequence[PartOutcome]) -> StageFailed:
    """Why the whole job failed: the one cause of all its missions, or that it failed."""
    failures: list[Json] = [outcome.failure or {} for outcome in outcomes]
    system = all(failure["failure_type"] == "SYSTEM_ERROR" for failure in failures)
    codes = {failure["code"] for failure in failures}
    details: dict[str, Any] = {}
    if job.missions:
        details["missions"] = [_entry(job, outcome) for outcome in outcomes]
    if len(codes) == 1:
        one = failures[0]
        cause = Refusal(
            one["code"], one["message"]["ko"], one["message"]["en"], one.get("percent"), system
        )
        details = {**one.get("details", {}), **details}
    else:
        cause = Refusal(
            ALL_MISSIONS_FAILED.code, ALL_MISSIONS_FAILED.ko, ALL_MISSIONS_FAILED.en, None, system
        )
    return cause.error(details, reason=failures[0].get("reason") or failures[0]["code"])


def _shown_type(wanted: MissionInput) -> str:
    try:
        return str(mission_called(wanted.mission_type))
    except InvalidMissionType:
        return wanted.mission_type


def _input(context: StageContext) -> MissionInput:
    return context.job.missions[int(context.part)]


def _key(state: Json, judge_version: str, reference_version: str) -> VerdictKey:
    mission = Mission(state["mission_type"])
    return VerdictKey(state["video"]["sha256"], mission, judge_version, reference_version)


def _checked(state: Json) -> Judgement:
    """The judgement, if it is one; raises StageUnavailable MISSION_RESULT_PARSE_FAILED."""
    try:
        judgement = msgspec.convert(state["judgement"], Judgement)
        if judgement.mission != state["mission_type"]:
            raise msgspec.ValidationError("a verdict on another mission")
        if not 0 <= judgement.confidence <= 1:
            raise msgspec.ValidationError("a confidence outside of 0..1")
        if not judgement.summary.ko.strip():
            raise msgspec.ValidationError("an empty summary")
    except msgspec.ValidationError as error:
        raise VERDICT_UNREADABLE.error({"error": str(error)}, reason="ANSWER_UNREADABLE") from None
    return judgement


MISSION_JUDGE: Final = Pipeline(
    job_type="MISSION_JUDGE",
    version=VERSION,
    stages=STAGES,
    combine=combine,
    done_word="finished",
    parts=parts,
    part_failure_ends_job=False,
    queued_ko="돌발미션 분석 대기열에 등록되었습니다.",
    queued_en="The missions wait for their turn.",
    extra={"queued_stage": "QUEUED"},
)


def make_pipelines(settings: Settings) -> Sequence[Pipeline]:
    """The jobs of this area, for the engine's registry."""
    return (MISSION_JUDGE,)
