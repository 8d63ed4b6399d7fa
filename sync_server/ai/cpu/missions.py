"""The mission check on this machine, as one call of a worker process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from edge_sdk.errors import DogNotTracked, InsufficientFrames
from edge_sdk.mission.analyzer import MissionChecker, MissionPolicy
from edge_sdk.mission.result import MissionVerdict, Verdict, load_references
from sync_server.ai.cpu.bundles import bundle_for
from sync_server.ai.missions.types import mission_called
from sync_server.ai.refusals import INFERENCE_S, refusing

_POLICY: Final = MissionPolicy(decode_threads=1, timeout_ms=1000 * INFERENCE_S)


@refusing("mission")
def judge_mission(path: str, mission_type: str, models_dir: str = "") -> dict[str, Any]:
    """Judge a video: mission, verdict, hold_duration_sec, evidence, confidence, summary, version.

    A dog that is not to be seen is UNCERTAIN with confidence 0: nothing can be said of it, and
    nothing is broken. Raises StageFailed and StageUnavailable with the mission's codes.
    """
    mission = mission_called(mission_type)
    checker = _checker(models_dir)
    try:
        verdict = checker.analyze(mission, Path(path)).verdict
    except (DogNotTracked, InsufficientFrames):
        verdict = MissionVerdict(
            mission, Verdict.UNCERTAIN, None, (), 0.0, load_references().uncertain
        )
    answer: dict[str, Any] = msgspec.to_builtins(verdict)
    answer["model"] = answer["model_version"] = _model(models_dir)
    return answer


def _model(models_dir: str) -> str:
    manifest = bundle_for("pose", models_dir).manifest
    return f"{manifest.name}-{manifest.version}"


@lru_cache(maxsize=4)
def _checker(models_dir: str) -> MissionChecker:
    return MissionChecker(bundle_for("pose", models_dir), policy=_POLICY)
