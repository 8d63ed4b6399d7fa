"""Precision and recall from matches of any likeness: overlap of boxes, or of keypoints.

Matching is COCO's (Lin et al. 2014): the best score first, each takes the likest free truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.vision.keypoints import KEYPOINT_NAMES

Floats = NDArray[np.floating]
LEVELS: Final = np.linspace(0.5, 0.95, 10).round(2)
"""COCO's ten thresholds."""

OKS_SIGMA: Final = 1 / len(KEYPOINT_NAMES)
"""One spread for all 24 keypoints: what Ultralytics' validator takes for any scheme that is not
COCO's 17 points (1 / number of points), so that our numbers stand beside those that the product's
own comparison measured with it. Nobody has published spreads of people labelling dogs."""

AREA_OF_BOX: Final = 0.53
"""Share of its box that a body fills: the same validator's, from xtcocotools."""

_RECALLS: Final = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False, slots=True)
class Matches:
    """One picture: scores (M,), which are right (M,) at one threshold, how many there are."""

    scores: Floats
    right: NDArray[np.bool_]
    objects: int


def object_keypoint_similarity(
    predicted: Floats, truth: Floats, boxes: Floats
) -> NDArray[np.float64]:
    """OKS (M, T) of predictions (M, 24, 3) and truths (T, 24, 3) in boxes (T, 4), 0..1.

    The mean over the points that are there of exp(-d^2 / (2 (2 sigma)^2 area)); a point predicted
    as NaN counts 0. COCO: https://cocodataset.org/#keypoints-eval.
    """
    gaps = np.asarray(predicted, np.float64)[:, None, :, :2] - np.asarray(truth)[None, :, :, :2]
    squared = (gaps**2).sum(axis=3)
    sides = np.asarray(boxes, np.float64)[:, 2:] - np.asarray(boxes, np.float64)[:, :2]
    area = np.maximum(sides.prod(axis=1) * AREA_OF_BOX, 1e-9)
    likeness = np.exp(-squared / (2 * (2 * OKS_SIGMA) ** 2 * area[None, :, None]))
    there = np.asarray(truth)[None, :, :, 2] > 0
    total = np.where(there, np.nan_to_num(likeness, nan=0.0), 0.0).sum(axis=2)
    return np.asarray(total / np.maximum(there.sum(axis=2), 1), np.float64)


def match(likeness: Floats, scores: Floats, threshold: float) -> Matches:
    """Match predictions to truths by a likeness (M, T); each truth is taken once."""
    order = np.argsort(-np.asarray(scores), kind="stable")
    free = np.ones(likeness.shape[1], bool)
    right = np.zeros(len(order), bool)
    for place, k in enumerate(order):
        if not free.any():
            break
        row = np.where(free, likeness[k], -1.0)
        best = int(row.argmax())
        if row[best] >= threshold:
            right[place], free[best] = True, False
    return Matches(np.asarray(scores, np.float64)[order], right, likeness.shape[1])


def curve(matches: Sequence[Matches]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall and precision after each prediction of a set, the best score first."""
    scores = np.concatenate([m.scores for m in matches]) if matches else np.zeros(0)
    right = np.concatenate([m.right for m in matches]) if matches else np.zeros(0, bool)
    hits = np.cumsum(right[np.argsort(-scores, kind="stable")])
    objects = max(1, sum(m.objects for m in matches))
    return hits / objects, hits / np.maximum(np.arange(1, len(hits) + 1), 1)


def average_precision(matches: Sequence[Matches]) -> float:
    """Mean precision at 101 recalls, 0..1; NaN when there is nothing to find."""
    if sum(m.objects for m in matches) == 0:
        return float("nan")
    recall, precision = curve(matches)
    falling = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    at = np.minimum(np.searchsorted(recall, _RECALLS - 1e-12), len(recall))
    return float(falling[at].mean())
