"""Missions, verdicts, and the product's JSON made of them."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from edge_sdk.errors import InvalidMissionType
from edge_sdk.references.texts import REFERENCES, Levels, Text, Texts

MISSIONS_FILE: Final = REFERENCES / "missions.json"


class Mission(StrEnum):
    """The missions of the game."""

    SIT = "SIT"
    DOWN = "DOWN"
    PAW = "PAW"
    TURN = "TURN"
    JUMP = "JUMP"


class Verdict(StrEnum):
    """What could be seen; UNCERTAIN where it would be a guess."""

    SUCCESS = "SUCCESS"
    FAIL = "FAIL"
    UNCERTAIN = "UNCERTAIN"


class Evidence(msgspec.Struct, frozen=True):
    """Something seen at a time of the clip."""

    time_sec: float
    description: Text


class MissionVerdict(msgspec.Struct, frozen=True):
    """The verdict on one mission.

    `hold_duration_sec` is how long the posture, the lifted paw or the flight lasted (for TURN:
    the turn), None when there was none. `confidence` 0..1 is how sure the verdict is.
    """

    mission: Mission
    verdict: Verdict
    hold_duration_sec: float | None
    evidence: tuple[Evidence, ...]
    confidence: float
    summary: Text

    @property
    def success(self) -> bool:
        """Whether the mission counts; what cannot be confirmed does not."""
        return self.verdict is Verdict.SUCCESS


class JudgeEvidence(msgspec.Struct, frozen=True):
    """One item of `evidence` in the judge's JSON."""

    time_sec: float
    description: str


class JudgeAnswer(msgspec.Struct, frozen=True):
    """The product's JSON of a judge: mission, verdict, hold, evidence, confidence."""

    mission: str
    verdict: str
    hold_duration_sec: float | None
    evidence: tuple[JudgeEvidence, ...]
    confidence: float


class MissionAnswer(msgspec.Struct, frozen=True):
    """The product's JSON of one mission's result."""

    mission_id: str
    mission_type: str
    success: bool
    confidence: float
    summary: str


class MissionReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Criteria and words of one mission.

    `device_note` says where a device goes by something else than the criteria, which are written
    for a judge that sees the picture.
    """

    mission_type: Mission
    mission_name: Text
    success_criteria: Texts
    failure_cases: Texts
    confidence_guideline: Levels
    capture_hint: Text
    success: Text
    fail: Text
    device_note: Text | None = None


class MissionReferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    version: int
    missions: dict[Mission, MissionReference]
    uncertain: Text


@cache
def load_references(path: Path = MISSIONS_FILE) -> MissionReferences:
    """Read and check the references; raises `ValueError` when a mission is missing."""
    references = msgspec.json.decode(path.read_bytes(), type=MissionReferences)
    missing = set(Mission) - set(references.missions)
    if missing:
        raise ValueError(f"{path}: no reference for {sorted(missing)}")
    return references


def mission_of(name: str) -> Mission:
    """The mission of a name; raises `InvalidMissionType`."""
    try:
        return Mission(name)
    except ValueError:
        raise InvalidMissionType(
            f"{name!r} is not one of {', '.join(Mission)}", mission_type=str(name)
        ) from None


def judge_answer(verdict: MissionVerdict) -> JudgeAnswer:
    """Make the judge's JSON, its evidence in Korean."""
    evidence = tuple(JudgeEvidence(one.time_sec, one.description.ko) for one in verdict.evidence)
    return JudgeAnswer(
        verdict.mission, verdict.verdict, verdict.hold_duration_sec, evidence, verdict.confidence
    )


def mission_answer(verdict: MissionVerdict, mission_id: str) -> MissionAnswer:
    """Make the result's JSON, its summary in Korean."""
    return MissionAnswer(
        mission_id, verdict.mission, verdict.success, verdict.confidence, verdict.summary.ko
    )
