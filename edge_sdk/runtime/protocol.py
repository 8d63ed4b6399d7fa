"""What a runtime gives: an open model that turns a batch into the raw head."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import (
    CentreOutput,
    HeatmapOutput,
    LogitsOutput,
    Stage,
    Variant,
    YoloPoseOutput,
)
from edge_sdk.errors import ModelMismatch

RuntimeChoice = Literal["onnx", "litert", "coreml", "mediapipe"]

DEFAULT_THREADS: Final = 2


class Session(Protocol):
    """An open model. Safe to call from several threads, which then wait for one another."""

    takes_pixels: bool
    """True where the runtime normalises itself: it is given (N, H, W, 3) in 0..255."""

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """One batch in the variant's layout, normalised -> the raw head (N, ...).

        Raises `InferenceFailed` with the runtime's own words.
        """
        ...

    def close(self) -> None:
        """Give the memory back; a second call does nothing."""
        ...


class RuntimeModule(Protocol):
    """A module of `edge_sdk.runtime`."""

    def open_session(self, path: Path, stage: Stage, variant: Variant, threads: int) -> Session:
        """Open a model file.

        Raises `MissingExtra`, `RuntimeUnsupported`, `ModelUnreadable` or `ModelMismatch`.
        """
        ...


def open_session(
    runtime: RuntimeChoice, path: Path, stage: Stage, variant: Variant, threads: int
) -> Session:
    """Open a model file with a runtime, which is imported now; errors as `RuntimeModule`'s."""
    module: RuntimeModule = import_module(f"edge_sdk.runtime.{runtime}")
    return module.open_session(path, stage, variant, threads)


def input_shape(stage: Stage, variant: Variant) -> tuple[int, int, int]:
    """The input's shape without its batch axis."""
    spec = stage.input
    if variant.layout == "NCHW":
        return (spec.channels, spec.height, spec.width)
    return (spec.height, spec.width, spec.channels)


def output_shape(stage: Stage) -> tuple[int | None, ...]:
    """The raw head's shape without its batch axis; None where the manifest leaves it open."""
    output, spec = stage.output, stage.input
    if isinstance(output, LogitsOutput):
        return (len(output.classes),)
    if isinstance(output, CentreOutput | HeatmapOutput):
        cells = (spec.height // output.stride, spec.width // output.stride)
        if isinstance(output, HeatmapOutput):
            return (24, *cells)
        return (len(output.classes) + 4 + 2 * output.heading, *cells)
    points = output.keypoints if isinstance(output, YoloPoseOutput) else 0
    return (4 + len(output.classes) + 3 * points, None)


def fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether a shape is one of those wanted."""
    return len(shape) == len(wanted) and all(
        w is None or s == w for s, w in zip(shape, wanted, strict=True)
    )


def require_input(
    name: str, shape: tuple[int | None, ...], kind: str, stage: Stage, variant: Variant
) -> None:
    """Hold a model's only input against the manifest; raises `ModelMismatch`.

    `shape` with its batch axis, None for a free axis; `kind` as the runtime calls 32-bit floats.
    """
    wanted = input_shape(stage, variant)
    if name != variant.input_name:
        raise ModelMismatch(f"{variant.file}: input {name!r}, not {variant.input_name!r}")
    free = all(s is None or s == w for s, w in zip(shape[1:], wanted, strict=False))
    if len(shape) != 4 or not free or "float" not in kind or "16" in kind:
        raise ModelMismatch(f"{variant.file}: input {kind} {shape}, not float32 (N, {wanted})")
    if shape[0] is not None and variant.batch != "dynamic" and shape[0] != variant.batch:
        raise ModelMismatch(f"{variant.file}: batches of {shape[0]}, not {variant.batch}")
