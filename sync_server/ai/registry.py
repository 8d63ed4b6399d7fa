"""Which pipelines there are, by job type."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any, Final

from sync_server.ai.stages import Pipeline

MODULES: Final = (
    "sync_server.ai.missions.pipeline",
    "sync_server.ai.face.pipeline",
    "sync_server.ai.healthcare.pipeline",
)
"""Each has `make_pipelines(settings) -> Sequence[Pipeline]`."""

_registered: dict[str, Pipeline] = {}


def register(pipeline: Pipeline) -> None:
    """Add a pipeline, or put one in the place of the program's own (before a role starts)."""
    _registered[pipeline.job_type] = pipeline


def pipelines(settings: Any) -> Mapping[str, Pipeline]:
    """Return the pipelines by job type."""
    found: dict[str, Pipeline] = {}
    for name in MODULES:
        if importlib.util.find_spec(name.rpartition(".")[0]) is None:
            continue
        for pipeline in importlib.import_module(name).make_pipelines(settings):
            found[pipeline.job_type] = pipeline
    return found | _registered
