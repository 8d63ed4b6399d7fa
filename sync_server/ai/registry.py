"""Which pipelines there are, by job type."""

from __future__ import annotations

from collections.abc import Mapping

from sync_server.ai.face import pipeline as face
from sync_server.ai.healthcare import pipeline as healthcare
from sync_server.ai.missions import pipeline as missions
from sync_server.ai.stages import Pipeline
from sync_server.ai.vet import report
from sync_server.platform.settings import Settings

_registered: dict[str, Pipeline] = {}


def register(pipeline: Pipeline) -> None:
    """Add a pipeline, or put one in the place of the program's own (before a role starts)."""
    _registered[pipeline.job_type] = pipeline


def pipelines(settings: Settings) -> Mapping[str, Pipeline]:
    """Return the pipelines by job type."""
    found: dict[str, Pipeline] = {}
    for room in (missions, face, healthcare, report):
        for pipeline in room.make_pipelines(settings):
            found[pipeline.job_type] = pipeline
    return found | _registered
