"""The model bundles of this process: one of each task, loaded once, one thread each."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.bundle.manifest import MANIFEST_NAME, Manifest, Task, load_manifest
from edge_sdk.errors import BundleNotFound

SHIPPED: Final = Path(__file__).resolve().parents[3] / "assets" / "models"
THREADS: Final = 1


def bundle_for(task: Task, models_dir: str = "") -> ModelBundle:
    """The open bundle for a task of `models_dir`, else of DAENGDONG_MODELS_DIR, else the shipped.

    What is not in the folder comes with the program. Raises what `ModelBundle.load` raises.
    """
    return _loaded(task, _folder(models_dir))


def manifest_for(task: Task, models_dir: str = "") -> Manifest:
    """What that bundle says of itself, without opening it."""
    path = _path(task, _folder(models_dir))
    return load_manifest((path / MANIFEST_NAME).read_bytes())


@lru_cache(maxsize=16)
def _loaded(task: Task, folder: str) -> ModelBundle:
    return ModelBundle.load(_path(task, folder), threads=THREADS)


def _folder(models_dir: str) -> str:
    named = models_dir or os.environ.get("DAENGDONG_MODELS_DIR", "")
    return str(Path(named).resolve()) if named else str(SHIPPED)


def _path(task: Task, folder: str) -> Path:
    for searched in (Path(folder), SHIPPED):
        for path in sorted(searched.glob(f"*/{MANIFEST_NAME}")):
            found = load_manifest(path.read_bytes())
            # Those for research only must be named one by one; a server serves.
            if found.task == task and not found.licence.research_only:
                return path.parent
    raise BundleNotFound(f"{folder}: no bundle for {task}; set DAENGDONG_MODELS_DIR")
