"""Which bundles a command uses: those named, else the shipped one of each task."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from edge_sdk.bundle.contents import read_folder, unpack
from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.bundle.manifest import MANIFEST_NAME, Manifest, Task
from edge_sdk.errors import BundleNotFound

SHIPPED: Final = Path(__file__).resolve().parents[1] / "assets" / "models"


def bundles_in(folder: Path) -> list[Path]:
    """Folders and zips of bundles in a folder, by name; the folder itself when it is one."""
    if (folder / MANIFEST_NAME).is_file() or folder.is_file():
        return [folder]
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if (path / MANIFEST_NAME).is_file() or path.suffix == ".zip"
    )


@contextmanager
def opened(path: Path) -> Iterator[tuple[Path, Manifest]]:
    """A bundle's folder, a zip unpacked for the time being, and its checked manifest."""
    if path.is_dir():
        yield path, read_folder(path)
        return
    if not path.is_file():
        raise BundleNotFound(f"{path}: no such folder or zip")
    with tempfile.TemporaryDirectory(prefix="daengdong-bundle-") as made:
        unpack(path, Path(made))
        yield Path(made), read_folder(Path(made))


@contextmanager
def loaded(tasks: Sequence[Task], named: Sequence[Path]) -> Iterator[dict[Task, ModelBundle]]:
    """One open bundle for each task: of those named, else of the shipped ones.

    Shipped ones that may be used for research only are left for those who name them. Raises
    `BundleNotFound` when a task has none.
    """
    with ExitStack() as stack:
        found: dict[Task, ModelBundle] = {}
        for path in named:
            bundle = stack.enter_context(ModelBundle.load(path))
            found[bundle.manifest.task] = bundle
        for task in tasks:
            if task not in found:
                found[task] = stack.enter_context(ModelBundle.load(_shipped(task)))
        yield {task: found[task] for task in tasks}


def _shipped(task: Task) -> Path:
    for path in bundles_in(SHIPPED):
        with opened(path) as (_, manifest):
            if manifest.task == task and not manifest.licence.research_only:
                return path
    raise BundleNotFound(f"no bundle for {task} in {SHIPPED}: name one with --bundle")
