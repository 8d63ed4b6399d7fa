"""Every kind of job that the AI role runs, by its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sync_server.ai.face.pipeline import EMOTION_INFERENCE, FACE_ANALYSIS, FACE_DETECTION
from sync_server.ai.healthcare.pipeline import GAIT_ANALYSIS
from sync_server.ai.missions.pipeline import MISSION_JUDGE
from sync_server.ai.stages import Pipeline

PIPELINES: Final[Mapping[str, Pipeline]] = {
    pipeline.job_type: pipeline
    for pipeline in (
        MISSION_JUDGE, FACE_ANALYSIS, FACE_DETECTION, EMOTION_INFERENCE, GAIT_ANALYSIS,
    )
}  # fmt: skip
