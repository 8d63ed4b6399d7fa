"""What a judge of missions is: a video and a mission in, a verdict with its reasons out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from edge_sdk.mission.result import Evidence, Mission
from edge_sdk.references.texts import Text

Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class JudgeIdentity(msgspec.Struct, frozen=True):
    """Who judges, and by what: the same identity judges the same video the same way."""

    judge: str
    model: str
    prompt_version: str
    reference_version: str


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on one video; `hold_duration_sec` None where nothing was held."""

    verdict: Literal["SUCCESS", "FAIL", "UNCERTAIN"]
    confidence: Share
    summary: Text
    evidence: tuple[Evidence, ...] = ()
    hold_duration_sec: float | None = None
    judge: str
    model: str
    prompt_version: str
    reference_version: str


class MissionJudge(Protocol):
    """Judges videos; embedded or behind a paid service."""

    def identity(self, mission: Mission) -> JudgeIdentity:
        """Who would judge this mission now (references may be edited while running)."""
        ...

    async def judge(self, video: Path, mission: Mission) -> Judgement:
        """Judge a video (checked, at most five seconds).

        Raises StageFailed for the video's faults, StageUnavailable for the service's.
        """
        ...
