"""The raw heads of the YOLO family, exported without suppression of overlaps inside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import YoloDetectOutput, YoloPoseOutput
from edge_sdk.vision.detections import Detections


def decode_yolo(
    raw: NDArray[np.float32],
    output: YoloDetectOutput | YoloPoseOutput,
    input_size: tuple[int, int],
    *,
    score: float,
    most: int,
) -> list[tuple[Detections, NDArray[np.float32]]]:
    """Boxes and keypoints of each image in px of the net's input, best first, overlaps still in.

    1. An anchor's score is the greatest of its class scores (0..1 already), its class that one.
    2. The `most` best with a score >= `score` stay.
    3. Box: centre x, y, width, height; keypoints: x, y, confidence; times the input's size where
       the units are "normalised".

    `raw` (N, 4 + C + 3 K, A), `input_size` (width, height). Keypoints (M, K, 3), K = 0 for
    "yolo_detect".
    """
    classes = len(output.classes)
    width, height = input_size if output.box_units == "normalised" else (1, 1)
    found = []
    for image in raw:
        class_scores = image[4 : 4 + classes]
        best = class_scores.max(axis=0)
        anchors = np.flatnonzero(best >= score)
        anchors = anchors[np.argsort(-best[anchors], kind="stable")[:most]]
        chosen = image[:, anchors].T
        centre, half = chosen[:, :2], chosen[:, 2:4] / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1)
        boxes *= np.array([width, height, width, height], np.float32)
        points = (raw.shape[1] - 4 - classes) // 3
        keypoints = chosen[:, 4 + classes :].reshape(len(anchors), points, 3)
        keypoints = keypoints * np.array([width, height, 1], np.float32)
        found.append(
            (
                Detections(
                    boxes.astype(np.float32),
                    best[anchors],
                    class_scores[:, anchors].argmax(axis=0).astype(np.int64),
                    np.full(len(anchors), np.nan, np.float32),
                ),
                keypoints.astype(np.float32),
            )
        )
    return found
