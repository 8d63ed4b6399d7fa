"""Judges of missions: remote ones that watch the video, the embedded one, and both together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import msgspec
import structlog
from prometheus_client import Counter

from edge_sdk.mission.result import Evidence, Mission, Verdict
from edge_sdk.references.texts import Text
from sync_server.ai.missions.judgement import INFERENCE_PERCENT, Judgement, failure_of
from sync_server.ai.missions.prompts import (
    FRAMES_PER_SECOND,
    PROMPT_VERSION,
    JudgeReply,
    judge_question,
    problem_of,
)
from sync_server.ai.references import Criteria
from sync_server.ai.stages import CpuPool, StageUnavailable
from sync_server.platform.llm.ask import Desk, ask
from sync_server.platform.llm.contract import Video
from sync_server.platform.llm.errors import LlmError
from sync_server.platform.llm.guard import CallPolicy

log = structlog.get_logger(__name__)
CPU_FUNCTION: Final = "sync_server.ai.cpu.missions:judge_mission"
"""(path, mission type) -> a judge's JSON (`JudgeReply`), plus `model` where it is known."""
MIME_TYPES: Final = {".mov": "video/quicktime", ".webm": "video/webm"}
SURE: Final = 0.85
"""From this confidence on the embedded verdict spares the paid call (`judge_precheck` save)."""
DEADLINE_S: Final = 60.0
POLICY: Final = CallPolicy(DEADLINE_S, attempt_s=45.0, attempts=3, first_wait_s=1.0)
"""Of a remote judge; a stage that fails is tried again by the engine, 2 s later, two times."""

AGREEMENT = Counter(
    "daengdong_mission_precheck_total",
    "Embedded verdicts beside the remote judge's",
    ("mission", "embedded", "remote"),
)


class MissionJudge(Protocol):
    """Says whether a mission was performed."""

    @property
    def version(self) -> str:
        """What a verdict depends on beside video, mission and criteria; for caches."""
        ...

    async def judge(self, video: Path, criteria: Criteria, deadline_s: float) -> Judgement:
        """Judge the mission of the criteria in a video file.

        Raises StageFailed where the video is at fault, StageUnavailable (with the product's code)
        where the system is; never a verdict of FAIL for a fault.
        """
        ...


@dataclass(frozen=True)
class RemoteJudge:
    """A model that watches the video and answers the judge's prompt."""

    name: str
    desk: Desk
    policy: CallPolicy = POLICY

    @property
    def version(self) -> str:
        return f"{self.name}:{self.desk.model.model}:{PROMPT_VERSION}"

    async def judge(
        self, video: Path, criteria: Criteria, deadline_s: float = DEADLINE_S
    ) -> Judgement:
        """See `MissionJudge`."""
        seen = Video(
            video,
            mime_type=MIME_TYPES.get(video.suffix.lower(), "video/mp4"),
            frames_per_second=FRAMES_PER_SECOND[criteria.reference.mission_type],
        )
        question = judge_question(criteria, seen)
        policy = replace(self.policy, deadline_s=deadline_s)
        try:
            answered = await ask(
                self.desk, question, JudgeReply, policy, lambda reply: problem_of(reply, criteria)
            )
        except LlmError as error:
            raise failure_of(error, self.name) from None
        return _judgement(
            answered.value,
            criteria,
            judge=self.name,
            model=answered.model,
            prompt_version=answered.prompt_version,
            input_tokens=answered.input_tokens,
            output_tokens=answered.output_tokens,
            calls=answered.calls,
        )


@dataclass(frozen=True)
class EmbeddedJudge:
    """The on-device check, run in a worker process; costs nothing and asks nobody."""

    cpu: CpuPool
    model: str = "daengdong"
    name: str = "embedded"
    function: str = CPU_FUNCTION
    models_dir: str = ""
    """The worker processes' folder of bundles; empty: what they find by themselves."""

    @property
    def version(self) -> str:
        return f"{self.name}:{self.model}"

    async def judge(
        self, video: Path, criteria: Criteria, deadline_s: float = DEADLINE_S
    ) -> Judgement:
        """See `MissionJudge`; TimeoutError and WorkerDied of the pool pass through."""
        mission = criteria.reference.mission_type
        made: dict[str, Any] = await self.cpu.call(
            self.function, str(video), mission.value,
            *((self.models_dir,) if self.models_dir else ()),
            timeout_s=deadline_s,
        )  # fmt: skip
        try:
            reply = msgspec.convert(made, JudgeReply)
        except msgspec.ValidationError as error:
            raise StageUnavailable(
                "MISSION_INFERENCE_FAILED",
                "미션 판정 중 오류가 발생했습니다.",
                "An error occurred while judging the mission.",
                reason="INTERNAL_ERROR",
                details={"judge": self.name, "cause": str(error)[:200]},
                percent=INFERENCE_PERCENT,
            ) from None
        # Its numbers are the device's; the words are those in force.
        words = {
            "SUCCESS": criteria.reference.success,
            "FAIL": criteria.reference.fail,
            "UNCERTAIN": criteria.uncertain.then(criteria.reference.capture_hint),
        }[reply.verdict]
        model = made.get("model") or self.model
        judgement = _judgement(reply, criteria, judge=self.name, model=model, prompt_version="")
        return msgspec.structs.replace(judgement, summary=words)


@dataclass(frozen=True)
class PrecheckedJudge:
    """The embedded judge before a remote one.

    `log`: both judge, the remote verdict counts, agreement is logged. `save`: a sure SUCCESS or
    FAIL of the embedded judge counts and spares the call. A fault of the embedded judge is logged
    and changes nothing.
    """

    first: MissionJudge
    then: MissionJudge
    mode: Literal["log", "save"]

    @property
    def version(self) -> str:
        return f"{self.then.version}+{self.mode}:{self.first.version}"

    async def judge(
        self, video: Path, criteria: Criteria, deadline_s: float = DEADLINE_S
    ) -> Judgement:
        """See `MissionJudge`."""
        early = await self._early(video, criteria, deadline_s / 3)
        if early is not None and self.mode == "save" and _is_sure(early):
            self._note(early, None)
            return msgspec.structs.replace(early, precheck=early.verdict)
        final = await self.then.judge(video, criteria, deadline_s * 2 / 3)
        if early is None:
            return final
        self._note(early, final)
        return msgspec.structs.replace(final, precheck=early.verdict)

    async def _early(self, video: Path, criteria: Criteria, limit_s: float) -> Judgement | None:
        try:
            return await self.first.judge(video, criteria, limit_s)
        except Exception as error:
            # Whatever it is (bad video, dead worker): the judge that counts says so itself.
            log.warning("mission_precheck_failed", kind=type(error).__name__)
            return None

    def _note(self, early: Judgement, final: Judgement | None) -> None:
        remote = "spared" if final is None else final.verdict.value
        AGREEMENT.labels(early.mission.value, early.verdict.value, remote).inc()
        log.info(
            "mission_precheck", mission=early.mission.value, embedded=early.verdict.value,
            embedded_confidence=early.confidence, remote=remote,
            agrees=None if final is None else final.verdict is early.verdict,
        )  # fmt: skip


def _is_sure(judgement: Judgement) -> bool:
    return judgement.verdict is not Verdict.UNCERTAIN and judgement.confidence >= SURE


def _judgement(
    reply: JudgeReply,
    criteria: Criteria,
    *,
    judge: str,
    model: str,
    prompt_version: str,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    calls: int = 0,
) -> Judgement:
    summary: Text = reply.summary.text()
    return Judgement(
        mission=Mission(reply.mission),
        verdict=Verdict(reply.verdict),
        confidence=round(reply.confidence, 3),
        summary=summary,
        evidence=tuple(
            Evidence(round(one.time_sec, 3), one.description.text()) for one in reply.evidence
        ),
        hold_duration_sec=reply.hold_duration_sec,
        judge=judge,
        model=model,
        prompt_version=prompt_version,
        reference_version=criteria.version,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        calls=calls,
    )
