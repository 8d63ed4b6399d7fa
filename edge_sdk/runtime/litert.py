"""Models run by LiteRT: the package ai-edge-litert, or tflite-runtime where NumPy 1 is used.

tflite-runtime does not check a file's structure: a cut one ends the process. A bundle's files are
held to their hashes before they come here; open no other files.
"""

from __future__ import annotations

import gc
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import Stage, Variant
from edge_sdk.errors import InferenceFailed, MissingExtra, ModelMismatch, ModelUnreadable
from edge_sdk.runtime.protocol import Session, require_input

_LIBRARIES: Final = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")


class LiteRtSession:
    """An open .tflite model; calls from several threads wait for one another."""

    takes_pixels = False

    def __init__(self, interpreter: Any, variant: Variant, input_at: int, output_at: int) -> None:
        """Take an interpreter with its tensors allocated."""
        self._interpreter: Any = interpreter
        self._variant = variant
        self._input_at, self._output_at = input_at, output_at
        self._batch = int(interpreter.get_input_details()[0]["shape"][0])
        self._lock = Lock()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Session.run`."""
        with self._lock:
            if self._interpreter is None:
                raise InferenceFailed("the session is closed")
            try:
                if len(batch) != self._batch:
                    self._interpreter.resize_tensor_input(self._input_at, batch.shape)
                    self._interpreter.allocate_tensors()
                    self._batch = len(batch)
                self._interpreter.set_tensor(self._input_at, batch)
                self._interpreter.invoke()
                raw = self._interpreter.get_tensor(self._output_at)
            except (RuntimeError, ValueError) as error:
                raise InferenceFailed(f"LiteRT: {error}") from error
        return np.asarray(raw, np.float32)

    def close(self) -> None:
        """See `Session.close`."""
        with self._lock:
            self._interpreter = None
        gc.collect()


def open_session(path: Path, stage: Stage, variant: Variant, threads: int) -> Session:
    """Open a .tflite file; see `RuntimeModule.open_session`."""
    interpreter_class = _interpreter_class()
    try:
        interpreter = interpreter_class(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelUnreadable(f"{variant.file}: LiteRT: {error}") from error
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1:
        raise ModelMismatch(f"{variant.file}: {len(inputs)} inputs, not one")
    names = _signature_names(interpreter)
    name = names.get(("inputs", inputs[0]["index"]), inputs[0]["name"])
    free = [None, *(int(s) for s in inputs[0]["shape"][1:])]
    require_input(name, tuple(free), np.dtype(inputs[0]["dtype"]).name, stage, variant)
    for detail in outputs:
        if variant.output_name in (detail["name"], names.get(("outputs", detail["index"]))):
            if detail["dtype"] != np.float32:
                raise ModelMismatch(f"{variant.file}: output is no float32")
            return LiteRtSession(
                interpreter, variant, int(inputs[0]["index"]), int(detail["index"])
            )
    known = [names.get(("outputs", o["index"]), o["name"]) for o in outputs]
    raise ModelMismatch(f"{variant.file}: outputs {known}, not {variant.output_name!r}")


def _interpreter_class() -> Any:
    for library in _LIBRARIES:
        try:
            return import_module(library).Interpreter
        except ImportError:
            continue
    raise MissingExtra("ai-edge-litert", "litert")


def _signature_names(interpreter: Any) -> dict[tuple[str, int], str]:
    """Tensor index -> name in the model's signature, which converters keep readable."""
    names = {}
    for key in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(key)
        for side, details in (
            ("inputs", runner.get_input_details()),
            ("outputs", runner.get_output_details()),
        ):
            for name, detail in details.items():
                names[side, int(detail["index"])] = str(name)
    return names
