"""How good an emotion classifier is: confusion matrix, F1 of each class and their mean."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_sdk.face.emotions import EMOTIONS


@dataclass(frozen=True)
class EmotionReport:
    """`confusion[truth][predicted]` counts; `macro_f1` is the mean of `f1` over the classes.

    `missing`: pictures without an answer (no face found); they count as wrong for their class.
    `calibration_error`: expected gap between confidence and accuracy, ten bins (Guo et al. 2017).
    """

    images: int
    missing: int
    accuracy: float
    macro_f1: float
    f1: dict[str, float]
    confusion: tuple[tuple[int, ...], ...]
    calibration_error: float


def confusion_matrix(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int
) -> NDArray[np.int64]:
    """(classes, classes) counts, rows the truth; predictions < 0 (no answer) are left out."""
    matrix = np.zeros((classes, classes), np.int64)
    answered = np.asarray(predicted) >= 0
    np.add.at(matrix, (np.asarray(truth)[answered], np.asarray(predicted)[answered]), 1)
    return matrix


def f1_scores(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int
) -> NDArray[np.float64]:
    """(classes,) 2 TP / (truth + predicted); 0 for a class that is never predicted."""
    matrix = confusion_matrix(truth, predicted, classes)
    real = np.bincount(np.asarray(truth), minlength=classes)
    total = real + matrix.sum(axis=0)
    return np.asarray(2 * np.diag(matrix) / np.maximum(total, 1))


def calibration_error(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating], bins: int = 10
) -> float:
    """Expected calibration error: |accuracy - confidence| weighted by the size of each bin."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(right[place == b].mean() - confidence[place == b].mean()) * (place == b).sum()
        for b in range(bins)
        if (place == b).any()
    ]
    return float(np.sum(gaps) / max(1, len(truth)))


def report(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> EmotionReport:
    """All numbers: `truth` (N,) class numbers, `probabilities` (N, C), NaN rows for no answer."""
    classes = len(EMOTIONS)
    answered = ~np.isnan(probabilities).any(axis=1)
    predicted = np.where(answered, np.nan_to_num(probabilities).argmax(axis=1), -1)
    f1 = f1_scores(truth, predicted, classes)
    confusion = confusion_matrix(truth, predicted, classes)
    return EmotionReport(
        images=len(truth),
        missing=int((~answered).sum()),
        accuracy=float((predicted == truth).mean()),
        macro_f1=float(f1.mean()),
        f1={name: float(value) for name, value in zip(EMOTIONS, f1, strict=True)},
        confusion=tuple(tuple(int(v) for v in row) for row in confusion),
        calibration_error=calibration_error(truth[answered], probabilities[answered])
        if answered.any()
        else float("nan"),
    )
