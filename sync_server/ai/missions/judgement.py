"""A judge's verdict with all that says how it came about, and the failures of judging."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from edge_sdk.mission.result import Evidence, Mission, Verdict
from edge_sdk.references.texts import Text
from sync_server.ai.stages import StageUnavailable
from sync_server.platform.llm.errors import LlmAnswerBroken, LlmError, LlmTimeout

Language = Literal["ko", "en"]
INFERENCE_PERCENT: Final = 70
PARSE_PERCENT: Final = 90


class Judgement(msgspec.Struct, frozen=True):
    """The verdict on one mission.

    `confidence` 0..1 is how sure the verdict is; `model`, `prompt_version` (empty for the embedded
    judge) and `reference_version` (hash of the criteria) say what it was made by. `precheck` is
    what the embedded judge said where it was asked as well.
    """

    mission: Mission
    verdict: Verdict
    confidence: float
    summary: Text
    evidence: tuple[Evidence, ...]
    hold_duration_sec: float | None
    judge: str
    model: str
    prompt_version: str
    reference_version: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    calls: int = 0
    precheck: Verdict | None = None

    @property
    def success(self) -> bool:
        """Whether the mission counts: what is uncertain does not."""
        return self.verdict is Verdict.SUCCESS

    def answer(self, mission_id: str, language: Language = "ko") -> dict[str, Any]:
        """The product's JSON of one mission's result."""
        return {
            "mission_id": mission_id,
            "mission_type": self.mission.value,
            "success": self.success,
            "confidence": self.confidence,
            "summary": getattr(self.summary, language),
        }

    def judge_json(self) -> dict[str, Any]:
        """The product's JSON of a judge."""
        made: dict[str, Any] = msgspec.to_builtins(
            {
                "mission": self.mission,
                "verdict": self.verdict,
                "hold_duration_sec": self.hold_duration_sec,
                "evidence": self.evidence,
                "confidence": self.confidence,
                "summary": self.summary,
            }
        )
        return made


def failure_of(error: LlmError, judge: str) -> StageUnavailable:
    """The product's failure for a fault of a remote judge: always the system's, never the dog's."""
    details = {"judge": judge, "cause": error.code}
    if isinstance(error, LlmTimeout):
        return StageUnavailable(
            "MULTIMODAL_API_TIMEOUT",
            "미션 판정 시간이 초과되었습니다.",
            "Judging the mission took too long.",
            reason="EXTERNAL_API_TIMEOUT",
            retry_after_s=error.retry_after_s,
            details=details,
            percent=INFERENCE_PERCENT,
        )
    if isinstance(error, LlmAnswerBroken):
        return StageUnavailable(
            "MISSION_RESULT_PARSE_FAILED",
            "미션 판정 결과를 해석할 수 없습니다.",
            "The judge's answer could not be read.",
            reason="EXTERNAL_API_BAD_ANSWER",
            details={**details, "stage": "RESULT_PARSING"},
            percent=PARSE_PERCENT,
        )
    return StageUnavailable(
        "MISSION_INFERENCE_FAILED",
        "미션 판정 중 오류가 발생했습니다.",
        "An error occurred while judging the mission.",
        reason=_REASONS.get(error.code, "EXTERNAL_API_ERROR"),
        retry_after_s=error.retry_after_s,
        details=details,
        percent=INFERENCE_PERCENT,
        again=error.passing,
    )


_REASONS: Final = {
    "llm_rate_limited": "EXTERNAL_API_RATE_LIMITED",
    "llm_unavailable": "EXTERNAL_API_UNAVAILABLE",
    "llm_blocked": "EXTERNAL_API_BLOCKED",
    "llm_refused": "EXTERNAL_API_REFUSED",
    "llm_not_configured": "EXTERNAL_API_NOT_CONFIGURED",
    "llm_budget_spent": "EXTERNAL_API_BUDGET_SPENT",
}
