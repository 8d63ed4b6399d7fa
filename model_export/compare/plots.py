"""Pictures of a comparison: confusion matrices, precision over recall, training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_COLOURS: Final = ("#3b7dd8", "#d9822b", "#2f9e6e", "#b4418e", "#7a7f87", "#c0392b", "#6c5ce7")
_DPI: Final = 110


def confusion_matrices(
    matrices: Mapping[str, Sequence[Sequence[int]]], classes: Sequence[str], path: Path
) -> Path:
    """One matrix a model: rows the truth, columns the answer, shares of the row in colour."""
    plt = _pyplot()
    across = min(3, len(matrices))
    down = -(-len(matrices) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(3.7 * across, 3.6 * down), squeeze=False, layout="constrained"
    )
    for axis in axes.ravel()[len(matrices) :]:
        axis.axis("off")
    for axis, (name, matrix) in zip(axes.ravel(), matrices.items(), strict=False):
        counts = np.asarray(matrix, np.float64)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axis.set_xticks(range(len(classes)), classes, rotation=30, ha="right")
        axis.set_yticks(range(len(classes)), classes)
        axis.set_xlabel("predicted")
        axis.set_ylabel("truth")
        axis.set_title(name, fontsize=10)
        for row, column in np.ndindex(*counts.shape):
            ink = "white" if shares[row, column] > 0.5 else "#1d2127"
            axis.text(
                column, row, f"{int(counts[row, column])}", ha="center", va="center", color=ink
            )
    return _save(figure, path)


def precision_recall(
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]], path: Path, title: str
) -> Path:
    """Precision over recall of each model, drawn falling as the average precision counts it."""
    plt = _pyplot()
    figure, axis = plt.subplots(figsize=(6, 4.6), layout="constrained")
    for k, (name, (recall, precision)) in enumerate(curves.items()):
        falling = np.maximum.accumulate(precision[::-1])[::-1] if len(precision) else precision
        x = np.concatenate([[0.0], recall, recall[-1:]])
        y = np.concatenate([falling[:1], falling, [0.0] if len(recall) else []])
        axis.plot(x[: len(y)], y, label=name, color=_COLOURS[k % len(_COLOURS)], lw=1.8)
    axis.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel="recall", ylabel="precision", title=title)
    axis.grid(alpha=0.25)
    axis.legend(loc="lower left", fontsize=8)
    return _save(figure, path)


def training_curves(curves: Mapping[str, Mapping[str, Sequence[float]]], path: Path) -> Path:
    """Each number of a training over its epochs, one panel a number, one line a model."""
    plt = _pyplot()
    names = sorted({name for told in curves.values() for name, values in told.items() if values})
    across = min(3, max(1, len(names)))
    down = max(1, -(-len(names) // across))
    figure, axes = plt.subplots(
        down, across, figsize=(4 * across, 2.9 * down), squeeze=False, layout="constrained"
    )
    for axis in axes.ravel()[len(names) :]:
        axis.axis("off")
    for axis, name in zip(axes.ravel(), names, strict=False):
        for k, (model, told) in enumerate(curves.items()):
            if told.get(name):
                epochs = np.arange(1, len(told[name]) + 1)
                colour = _COLOURS[k % len(_COLOURS)]
                axis.plot(epochs, told[name], label=model, color=colour, marker=".", lw=1.5)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.25)
        axis.legend(fontsize=7)
    return _save(figure, path)


def quality_over_latency(
    points: Mapping[str, tuple[float, float, float, bool]],
    path: Path,
    *,
    quality: str,
    title: str,
) -> Path:
    """Quality over latency; the area of a spot is the size in MB, hollow ones may not be embedded.

    `points`: name -> (latency ms, quality, size MB, embeddable).
    """
    plt = _pyplot()
    figure, axis = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
    for k, (name, (latency, value, size, embeddable)) in enumerate(points.items()):
        colour = _COLOURS[k % len(_COLOURS)]
        axis.scatter(
            latency,
            value,
            s=30 + 14 * size,
            facecolors=colour if embeddable else "none",
            edgecolors=colour,
            linewidths=1.8,
            alpha=0.85,
        )
        # Every other name goes below its spot, so that neighbours stay legible.
        place = (7, 7) if k % 2 == 0 else (7, -13)
        axis.annotate(name, (latency, value), place, textcoords="offset points", fontsize=8)
    axis.set(xlabel="latency p50, one picture (ms)", ylabel=quality, title=title)
    axis.set_xlim(0, 1.3 * max(point[0] for point in points.values()))
    axis.set_ylim(-0.08, 1.08)
    axis.grid(alpha=0.25)
    return _save(figure, path)


def _pyplot() -> Any:
    import matplotlib

    # No window: this runs on servers and in tests.
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _save(figure: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=_DPI)
    _pyplot().close(figure)
    return path
