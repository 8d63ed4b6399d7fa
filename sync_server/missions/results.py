"""Reading a mission job's result: what the AI role says, in the product's words."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from game_engine import missions
from game_engine.rules import CURRENT_RULES, rules_for
from sync_server.jobs import service as jobs
from sync_server.missions.schemas import (
    MissionFailure,
    MissionJudged,
    MissionProcessing,
    MissionResult,
    MissionsFound,
)

NOT_ANALYSED: Final = {
    "ko": "이번 미션은 분석에 실패했습니다.",
    "en": "This mission could not be analysed.",
}


def mission_type(said: str) -> str | None:
    """Return the mission that a client means by a name, None where it means none."""
    return missions.mission_type(said, rules_for(CURRENT_RULES))


class Judgement(msgspec.Struct, frozen=True):
    """One judged mission with what only the inside needs.

    `verdict`: SUCCESS, FAIL, UNCERTAIN; REFUSED where the video was not to be judged (too long),
    ERROR where the system failed.
    """

    judged: MissionJudged
    verdict: str


def judgements(job: jobs.Job) -> list[Judgement]:
    """Read a done job's missions, in the order of the request where the result has them.

    `missions_id`, `missions_type` are taken for `mission_id`, `mission_type`. A mission of the
    request that the result leaves out could not be judged.
    """
    said = jobs.inner(job.result).get("missions")
    items = {
        str(item.get("mission_id", item.get("missions_id", ""))): item
        for item in (said if isinstance(said, list) else [])
        if isinstance(item, dict)
    }
    return [
        _judgement(job, asked.mission_id, asked.mission_type, items.get(asked.mission_id, {}))
        for asked in job.request.missions
    ]


def _judgement(job: jobs.Job, mission_id: str, asked_type: str, item: dict[str, Any]) -> Judgement:
    language = job.request.language
    success = item.get("success") is True
    error = _failure(item, language)
    verdict = str(item.get("verdict") or "").upper()
    if error is not None:
        refused = item.get("failure_type") == "USER_ERROR"
        verdict, success = "REFUSED" if refused else "ERROR", False
    elif verdict not in ("SUCCESS", "FAIL", "UNCERTAIN"):
        verdict = "SUCCESS" if success else "FAIL"
    success = success and verdict == "SUCCESS"
    confidence = item.get("confidence")
    number = float(confidence) if isinstance(confidence, int | float) else 0.0
    summary = item.get("summary")
    text = summary if isinstance(summary, str) and summary else ""
    if not text and error is not None:
        text = error.message if verdict == "REFUSED" else NOT_ANALYSED[language]
    return Judgement(
        MissionJudged(
            mission_id=mission_id,
            mission_type=asked_type,
            success=success,
            confidence=min(1.0, max(0.0, number)),
            summary=text[:2_000],
            **({} if error is None else {"error": error}),
        ),
        verdict,
    )


def _failure(item: dict[str, Any], language: str) -> MissionFailure | None:
    """Return why a mission could not be judged; None where it was."""
    error = item.get("error")
    if isinstance(error, dict):
        code = str(error.get("code", "MISSION_INFERENCE_FAILED"))[:64]
        message = error.get("message")
        if isinstance(message, dict):
            message = message.get(language)
        if not isinstance(message, str) or not message:
            message = jobs.words(code, "mission", language)
        return MissionFailure(code, message[:2_000])
    if not item or item.get("failure_type") is not None:
        code = str(item.get("code", "MISSION_INFERENCE_FAILED"))[:64]
        return MissionFailure(code, jobs.words(code, "mission", language))
    return None


def result_document(job: jobs.Job) -> MissionResult:
    """Return the product's result JSON of a done job."""
    result = job.result or {}
    time_ms = jobs.processing(job, ())["analysis_time_ms"]
    return MissionResult(
        analysis_id=job.analysis_id,
        job_id=job.job_id,
        walk_id=job.walk_id or "",
        analyzed_at=str(result.get("analyzed_at") or result.get("analyze_at") or ""),
        processing=MissionProcessing(int(time_ms) if isinstance(time_ms, int | float) else 0),
        result=MissionsFound([each.judged for each in judgements(job)]),
        model_version=job.model_version or "",
    )
