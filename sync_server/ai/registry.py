"""Which pipelines there are, by job type."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sync_server.ai.stages import Pipeline

MODULES: Final = (
    "sync_server.ai.missions.pipeline",
    "sync_server.ai.face.pipeline",
    "sync_server.ai.healthcare.pipeline",
)
"""Each has `make_pipelines(settings) -> Sequence[Pipeline]`."""
TABLES: Final = ("sync_server.ai.missions.verdict_cache",)
"""Each has `STATEMENTS`: tables of its own in the AI store."""

_registered: dict[str, Pipeline] = {}


def register(pipeline: Pipeline) -> None:
    """Add a pipeline, or put one in the place of the program's own (before a role starts)."""
    _registered[pipeline.job_type] = pipeline


def pipelines(settings: Any) -> Mapping[str, Pipeline]:
    """Return the pipelines by job type."""
    found: dict[str, Pipeline] = {}
    for name in MODULES:
        if not _is_there(name):
            continue
        for pipeline in importlib.import_module(name).make_pipelines(settings):
            found[pipeline.job_type] = pipeline
    return found | _registered


def tables() -> Mapping[str, Sequence[str]]:
    """Return the statements of tables that pipelines keep in the AI store, by module."""
    return {name: importlib.import_module(name).STATEMENTS for name in TABLES if _is_there(name)}


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
