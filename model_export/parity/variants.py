"""A variant's file opened as the phone opens it; Core ML away from macOS by its program."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import Stage, Variant
from edge_sdk.bundle.stage import LoadedStage
from edge_sdk.runtime.coreml import check_package
from edge_sdk.runtime.protocol import Session, open_session
from model_export.export.quiet import quiet
from model_export.parity.coreml_program import CoreMLProgram

PROGRAM_NOTE = "the package's program, computed here; Apple's runtime is macOS only"


class _ProgramSession:
    """A Core ML program behind the interface of the phone's runtimes."""

    takes_pixels = False

    def __init__(self, program: CoreMLProgram):
        self._program = program

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalised (N, 3, H, W) -> raw head."""
        return self._program(batch)

    def close(self) -> None:
        """Nothing is held open."""


@contextlib.contextmanager
def opened(folder: Path, stage: Stage, variant: Variant, threads: int = 2) -> Iterator[LoadedStage]:
    """The stage running on one file of `folder`, closed at the end.

    Raises what `edge_sdk.runtime` raises, and `ProgramUnreadable`.
    """
    loaded = LoadedStage(stage, variant, _session(folder, stage, variant, threads))
    try:
        yield loaded
    finally:
        loaded.close()


def note_on(variant: Variant) -> str:
    """How the variant is run here, where that is not the phone's own way."""
    return PROGRAM_NOTE if variant.runtime == "coreml" and sys.platform != "darwin" else ""


def _session(folder: Path, stage: Stage, variant: Variant, threads: int) -> Session:
    path = folder / variant.file
    if not note_on(variant):
        return open_session(variant.runtime, path, stage, variant, threads)
    with quiet():
        check_package(path, stage, variant)
    return _ProgramSession(CoreMLProgram(path))
