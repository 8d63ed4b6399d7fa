"""Faces in unlabelled photos, taken from a detector where it agrees with itself.

A box is believed when the detector finds it again in the mirrored and in the enlarged picture
(after Radosavovic et al. 2018, "Data Distillation"): a net's chance hits seldom survive both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_sdk.vision.detect import Detector, iou_matrix
from edge_sdk.vision.resample import Window, sample
from model_export.datasets.sample import Instance, Sample


@dataclass(frozen=True, slots=True)
class Belief:
    """`least_score` in the picture as it is; `least_iou` with the boxes of both changed pictures;
    `zoom` of the enlarged one; `least_side_px` of a face that shows anything.
    """

    least_score: float = 0.5
    least_iou: float = 0.6
    zoom: float = 1.25
    least_side_px: float = 24.0


def believed_faces(
    finder: Detector, samples: Iterable[Sample], belief: Belief | None = None
) -> list[Sample]:
    """The samples in which exactly one face is found and believed, with its box as instance 0.

    `finder` should report low scores too: `belief.least_score` is applied here. Pictures with
    none, with doubt or with several are left out: they teach neither "face" nor "none".
    """
    told = belief or Belief()
    kept = []
    for photo in samples:
        image = photo.pixels()
        found = finder.detect([image])[0]
        strong = found.boxes_xyxy_px[found.scores >= told.least_score]
        if len(strong) != 1 or min(strong[0, 2:] - strong[0, :2]) < told.least_side_px:
            continue
        again = (_mirrored(finder, image), _enlarged(finder, image, strong[0], told.zoom))
        if all(len(b) and iou_matrix(strong, b).max() >= told.least_iou for b in again):
            box = np.clip(strong[0], 0, [photo.width_px, photo.height_px] * 2)
            kept.append(replace(photo, instances=(Instance(0, box.astype(np.float64)),)))
    return kept


def _mirrored(finder: Detector, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    boxes = finder.detect([np.ascontiguousarray(image[:, ::-1])])[0].boxes_xyxy_px.copy()
    boxes[:, [0, 2]] = image.shape[1] - boxes[:, [2, 0]]
    return boxes


def _enlarged(
    finder: Detector, image: NDArray[np.uint8], box: NDArray[np.floating], zoom: float
) -> NDArray[np.float32]:
    """Boxes in px of `image` found in the part about `box` that is 1 / zoom of the picture."""
    height, width = image.shape[:2]
    side = max(height, width)
    middle = 0.5 * (box[:2] + box[2:])
    corner = middle - 0.5 * side / zoom
    view = Window(float(corner[0]), float(corner[1]), 1.0 / zoom, side, side)
    pixels = np.clip(sample(image, view) + 0.5, 0, 255).astype(np.uint8)
    boxes: NDArray[np.float32] = finder.detect([pixels])[0].boxes_xyxy_px / zoom
    return boxes + np.tile(corner, 2).astype(np.float32)
