"""Models run by ONNX Runtime."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import Stage, Variant
from edge_sdk.errors import InferenceFailed, MissingExtra, ModelMismatch, ModelUnreadable
from edge_sdk.runtime.protocol import Session, require_input

# onnxruntime's levels: 4 is "fatal". Its errors come as exceptions too, which say the same.
_SILENT = 4


class OnnxSession:
    """An open ONNX model; onnxruntime's sessions may be called from several threads at once."""

    takes_pixels = False

    def __init__(self, session: Any, variant: Variant) -> None:
        """Take an open `onnxruntime.InferenceSession`."""
        self._session: Any = session
        self._input = variant.input_name
        self._outputs = [variant.output_name]

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Session.run`."""
        if self._session is None:
            raise InferenceFailed("the session is closed")
        try:
            (raw,) = self._session.run(self._outputs, {self._input: batch})
        except Exception as error:  # onnxruntime's errors have no public base class
            raise InferenceFailed(f"onnxruntime: {_first_line(error)}") from error
        return np.asarray(raw, np.float32)

    def close(self) -> None:
        """See `Session.close`."""
        self._session = None
        gc.collect()


def open_session(path: Path, stage: Stage, variant: Variant, threads: int) -> Session:
    """Open an .onnx file; see `RuntimeModule.open_session`."""
    # Its official builds report to their maker as soon as they are imported, unless this is set.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        onnxruntime: Any = import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtra("onnxruntime", "onnx") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    # The arena keeps the most that any batch ever needed, and keeps it after the session too.
    options.enable_cpu_mem_arena = False
    # Threads that spin between frames empty a phone's battery.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors have no public base class
        raise ModelUnreadable(f"{variant.file}: onnxruntime: {_first_line(error)}") from error
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ModelMismatch(f"{variant.file}: {len(inputs)} inputs, not one")
    shape = tuple(_size(s) for s in inputs[0].shape)
    require_input(inputs[0].name, shape, inputs[0].type, stage, variant)
    outputs = [o.name for o in session.get_outputs()]
    if variant.output_name not in outputs:
        raise ModelMismatch(f"{variant.file}: outputs {outputs}, not {variant.output_name!r}")
    return OnnxSession(session, variant)


def _size(axis: Any) -> int | None:
    return axis if isinstance(axis, int) and axis > 0 else None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
