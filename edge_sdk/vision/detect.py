"""From pictures to boxes: the detectors' heads and what follows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import CentreOutput, YoloDetectOutput, YoloPoseOutput
from edge_sdk.vision.detections import Detections
from edge_sdk.vision.resample import Window
from edge_sdk.vision.stage import InferenceStage, crops, window_of
from edge_sdk.vision.yolo import decode_yolo

MAX_DETECTIONS: Final = 50
"""Peaks of one image that are looked at: more are noise, and the overlap test is quadratic."""

# exp(10) strides are wider than any input; it keeps broken weights from overflowing.
_LARGEST_LOG_DISTANCE: Final = 10.0

# Pictures that are held at input size at one time.
_BATCH: Final = 8


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + exp(-logits)), without overflow."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)


def iou_matrix(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of boxes (M, 4) and (K, 4) xyxy -> (M, K); 0 for empty boxes."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clip(min=0).prod(axis=2)
    area_a = (a[:, 2:] - a[:, :2]).clip(min=0).prod(axis=1)
    area_b = (b[:, 2:] - b[:, :2]).clip(min=0).prod(axis=1)
    union = area_a[:, None] + area_b[None] - shared
    share: NDArray[np.float32] = np.zeros_like(shared)
    np.divide(shared, union, out=share, where=union > 0)
    return share


def suppress(found: Detections, nms_iou: float) -> NDArray[np.intp]:
    """Indices of the boxes that stay, best first; `found` has the best first.

    Greedy, class by class: a box goes when it overlaps a better one that stays by more than
    `nms_iou`.
    """
    overlap = iou_matrix(found.boxes_xyxy_px, found.boxes_xyxy_px) > nms_iou
    overlap &= found.class_ids[:, None] == found.class_ids[None]
    stays = np.ones(len(found), np.bool_)
    for row in range(len(found)):
        if stays[row]:
            stays[row + 1 :] &= ~overlap[row, row + 1 :]
    return np.flatnonzero(stays)


def decode_centre(
    raw: NDArray[np.float32],
    output: CentreOutput,
    *,
    score: float,
    nms_iou: float,
    most: int = MAX_DETECTIONS,
) -> list[Detections]:
    """Boxes of each image in px of the net's input, from the raw head "centre".

    1. The score of a cell is sigmoid(class logit); a cell counts when it is >= `score` and its
       logit is >= those of its eight neighbours.
    2. The `most` best stay, in the order of score, then class, row, column.
    3. The cell's centre is ((column + 0.5) * stride, (row + 0.5) * stride), the box reaches
       exp(raw) strides to the left, top, right and bottom (raw at most 10).
    4. Heading atan2(sine, cosine), NaN without that part.
    5. `suppress` with `nms_iou`.

    `raw` (N, C + 4 + 2 * heading, h, w).
    """
    classes = len(output.classes)
    height, width = raw.shape[2:]
    peaks = _peaks(raw[:, :classes])
    scores = sigmoid(raw[:, :classes])
    peaks &= scores >= score
    found = []
    for image, peak, likely in zip(raw, peaks, scores, strict=True):
        cells = np.flatnonzero(peak)
        cells = cells[np.argsort(-likely.reshape(-1)[cells], kind="stable")[:most]]
        class_ids, rows, columns = np.unravel_index(cells, (classes, height, width))
        log_distance = np.minimum(
            image[classes : classes + 4, rows, columns], _LARGEST_LOG_DISTANCE
        )
        reach = np.exp(log_distance) * np.array([-1, -1, 1, 1], np.float32)[:, None]
        centre = np.stack([columns, rows, columns, rows]) + np.float32(0.5)
        boxes = ((centre + reach) * output.stride).T.astype(np.float32)
        headings = np.full(len(cells), np.nan, np.float32)
        if output.heading:
            cosine, sine = image[classes + 4 : classes + 6, rows, columns]
            headings = np.arctan2(sine, cosine)
        in_order = Detections(
            boxes, likely[class_ids, rows, columns], class_ids.astype(np.int64), headings
        )
        found.append(in_order.select(suppress(in_order, nms_iou)))
    return found


def _peaks(logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N, C, h, w): the cell is as high as its eight neighbours."""
    edge = ((0, 0), (0, 0), (1, 1), (1, 1))
    framed = np.pad(logits, edge, constant_values=-np.inf)
    across = np.maximum(np.maximum(framed[..., :-2], framed[..., 1:-1]), framed[..., 2:])
    highest = np.maximum(np.maximum(across[..., :-2, :], across[..., 1:-1, :]), across[..., 2:, :])
    peaks: NDArray[np.bool_] = logits >= highest
    return peaks


def to_image(found: Detections, window: Window) -> Detections:
    """Detections in px of a window -> px of the image that it was cut from."""
    if window.mirrored:
        found = found.mirrored(window.width)
    boxes = found.boxes_xyxy_px.astype(np.float64) * window.scale
    boxes += np.array([window.x0_px, window.y0_px] * 2)
    return Detections(boxes.astype(np.float32), found.scores, found.class_ids, found.headings_rad)


class Detector:
    """Finds boxes in images with a stage whose head is "centre", "yolo_detect" or "yolo_pose".

    `thresholds`: "score", the least score of a box, and "nms_iou", the overlap of two boxes of
    one thing; raises KeyError without them and TypeError for another head. Holds no state: as
    thread-safe as its stage.
    """

    def __init__(self, stage: InferenceStage, thresholds: Mapping[str, float]) -> None:
        """Take the stage and the thresholds of its bundle."""
        output = stage.spec.output
        if not isinstance(output, CentreOutput | YoloDetectOutput | YoloPoseOutput):
            raise TypeError(f"{type(output).__name__} is no detector's head")
        self._stage = stage
        self._output = output
        self._score = thresholds["score"]
        self._nms_iou = thresholds["nms_iou"]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by class id."""
        return self._output.classes

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """The boxes of each image (H, W, 3) uint8 RGB, in px of that image."""
        found: list[Detections] = []
        for start in range(0, len(images), _BATCH):
            found.extend(self._batch(images[start : start + _BATCH]))
        return found

    def _batch(self, images: Sequence[NDArray[np.uint8]]) -> Iterator[Detections]:
        spec = self._stage.spec.input
        windows = [window_of(spec, image, None) for image in images]
        raw = self._stage.infer(crops(spec, images, windows))
        return map(to_image, self.decode(raw), windows)

    def decode(self, raw: NDArray[np.float32]) -> list[Detections]:
        """The boxes of a raw head (N, ...), in px of the net's input."""
        if isinstance(self._output, CentreOutput):
            return decode_centre(raw, self._output, score=self._score, nms_iou=self._nms_iou)
        spec = self._stage.spec.input
        size = (spec.width, spec.height)
        decoded = decode_yolo(raw, self._output, size, score=self._score, most=MAX_DETECTIONS * 4)
        return [
            found.select(suppress(found, self._nms_iou)[:MAX_DETECTIONS]) for found, _ in decoded
        ]
