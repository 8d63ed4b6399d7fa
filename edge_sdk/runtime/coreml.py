"""Models run by Core ML, on macOS; elsewhere the package can be looked at, not run."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import Stage, Variant
from edge_sdk.errors import (
    InferenceFailed,
    MissingExtra,
    ModelMismatch,
    ModelUnreadable,
    RuntimeUnsupported,
)
from edge_sdk.runtime.protocol import Session, require_input

# Core ML's own number for 32-bit floats in a model's description (FeatureTypes.proto).
_FLOAT32: Final = 65568


class CoreMlSession:
    """An open Core ML model; calls from several threads wait for one another."""

    takes_pixels = False

    def __init__(self, model: Any, variant: Variant) -> None:
        """Take a compiled `MLModel`."""
        self._model: Any = model
        self._variant = variant
        self._lock = Lock()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Session.run`."""
        with self._lock:
            if self._model is None:
                raise InferenceFailed("the session is closed")
            try:
                answer = self._model.predict({self._variant.input_name: batch})
            except (RuntimeError, ValueError) as error:
                raise InferenceFailed(f"Core ML: {error}") from error
        return np.asarray(answer[self._variant.output_name], np.float32)

    def close(self) -> None:
        """See `Session.close`."""
        with self._lock:
            self._model = None
        gc.collect()


def open_session(path: Path, stage: Stage, variant: Variant, threads: int) -> Session:
    """Open an .mlpackage; see `RuntimeModule.open_session`.

    `threads` is Core ML's own choice and is not used. Raises `RuntimeUnsupported` off macOS.
    """
    if sys.platform != "darwin":
        raise RuntimeUnsupported(f"{variant.file}: Core ML runs on macOS and iOS only")
    check_package(path, stage, variant)
    library = _library()
    try:
        model = library.models.MLModel(str(path), compute_units=library.ComputeUnit.ALL)
    except (RuntimeError, ValueError) as error:
        raise ModelUnreadable(f"{variant.file}: Core ML: {error}") from error
    return CoreMlSession(model, variant)


def check_package(path: Path, stage: Stage, variant: Variant) -> None:
    """Hold a package's description against the manifest, on any system.

    Raises `MissingExtra`, `ModelUnreadable` or `ModelMismatch`.
    """
    try:
        spec = _library().models.utils.load_spec(str(path))
    except MissingExtra:
        raise
    except Exception as error:  # coremltools lets through what protobuf raises
        raise ModelUnreadable(f"{variant.file}: Core ML: {error}") from error
    inputs, outputs = spec.description.input, spec.description.output
    if len(inputs) != 1:
        raise ModelMismatch(f"{variant.file}: {len(inputs)} inputs, not one")
    kind = inputs[0].type.multiArrayType
    name = "float32" if kind.dataType == _FLOAT32 else f"type {kind.dataType}"
    require_input(inputs[0].name, tuple(int(s) for s in kind.shape), name, stage, variant)
    names = [output.name for output in outputs]
    if variant.output_name not in names:
        raise ModelMismatch(f"{variant.file}: outputs {names}, not {variant.output_name!r}")


def _library() -> Any:
    try:
        return import_module("coremltools")
    except ImportError as error:
        raise MissingExtra("coremltools", "coreml") from error
