"""From a picture and a dog's box to its 24 keypoints, left and right kept apart.

The net sees every dog facing right: where the detector's heading points left the window is
mirrored, and the keypoints found are mirrored back and change sides. Both hind legs then always
lie in the same order of depth, which is what keeps a net from drawing them onto one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_sdk.bundle.manifest import HeatmapOutput, YoloPoseOutput
from edge_sdk.vision.detect import iou_matrix, sigmoid
from edge_sdk.vision.keypoints import FLIP_INDEX
from edge_sdk.vision.resample import Window
from edge_sdk.vision.stage import InferenceStage, crops, window_of
from edge_sdk.vision.yolo import decode_yolo

# Crops that are held at input size at one time.
_BATCH: Final = 8

# The YOLO family's own pose belongs to the box asked for when the two overlap by half; below its
# usual score nothing is taken for a dog.
_SAME_DOG_IOU: Final = 0.5
_YOLO_SCORE: Final = 0.25
_YOLO_CANDIDATES: Final = 50

_FLIP: Final = list(FLIP_INDEX)


def decode_heatmap(raw: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    """Keypoints (N, K, 3) in px of the net's input and confidence, from raw maps (N, K, h, w).

    1. The cell with the greatest logit, the first in row order of equal ones.
    2. With the logits l, c, r left of, at and right of it: dx = (l - r) / (2 (l - 2 c + r)), the
       top of the parabola through them, held to -0.5..0.5; 0 at the map's edge or on a plateau.
       dy likewise from above and below.
    3. x = (column + 0.5 + dx) * stride, y = (row + 0.5 + dy) * stride; confidence sigmoid(c).
    """
    count, keypoints, height, width = raw.shape
    maps = raw.reshape(count * keypoints, height * width)
    cells = maps.argmax(axis=1)
    rows, columns = np.divmod(cells, width)
    top = np.take_along_axis(maps, cells[:, None], axis=1)[:, 0]
    dx = _to_the_top(maps, cells, top, 1, (columns > 0) & (columns < width - 1))
    dy = _to_the_top(maps, cells, top, width, (rows > 0) & (rows < height - 1))
    x = (columns + 0.5 + dx) * stride
    y = (rows + 0.5 + dy) * stride
    found = np.stack([x, y, sigmoid(top)], axis=-1).astype(np.float32)
    return found.reshape(count, keypoints, 3)


def _to_the_top(
    maps: NDArray[np.float32],
    cells: NDArray[np.intp],
    top: NDArray[np.float32],
    step: int,
    inside: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Cells from the greatest one to the parabola's top, along one axis."""
    reach = np.where(inside, step, 0)[:, None]
    before = np.take_along_axis(maps, cells[:, None] - reach, axis=1)[:, 0].astype(np.float64)
    after = np.take_along_axis(maps, cells[:, None] + reach, axis=1)[:, 0].astype(np.float64)
    bend = 2 * (before - 2 * top.astype(np.float64) + after)
    moved = np.divide(before - after, bend, out=np.zeros_like(bend), where=bend < 0)
    return moved.clip(-0.5, 0.5)


def canonical_window(window: Window, heading_rad: float) -> Window:
    """The window in which the dog faces right: mirrored where cos(heading) < 0.

    An unknown heading (NaN) leaves it as it is.
    """
    return window.mirror() if np.cos(heading_rad) < 0 else window


def to_image(keypoints: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
    """Keypoints (24, 3) in px of a window -> of its image; sides change where it is mirrored."""
    moved = np.concatenate([window.to_source(keypoints[:, :2]), keypoints[:, 2:]], axis=1)
    return (moved[_FLIP] if window.mirrored else moved).astype(np.float32)


class PoseEstimator:
    """Estimates 24 keypoints with a stage whose head is "heatmap" or "yolo_pose".

    Raises TypeError for another head. Holds no state: as thread-safe as its stage.
    """

    def __init__(self, stage: InferenceStage) -> None:
        """Take the pose stage of a bundle."""
        output = stage.spec.output
        if not isinstance(output, HeatmapOutput | YoloPoseOutput):
            raise TypeError(f"{type(output).__name__} is no pose net's head")
        self._stage = stage
        self._output = output

    def estimate(
        self, image: NDArray[np.uint8], boxes_xyxy: ArrayLike, headings_rad: ArrayLike
    ) -> NDArray[np.float32]:
        """Keypoints (N, 24, 3) x, y px of the image and confidence, for boxes (N, 4) of one image.

        `headings_rad` (N,): 0 faces right, pi left; NaN where unknown. A keypoint of a dog that
        the YOLO head does not find is NaN, NaN, 0.
        """
        boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
        return self.estimate_each([image] * len(boxes), boxes, headings_rad)

    def estimate_each(
        self, images: Sequence[NDArray[np.uint8]], boxes_xyxy: ArrayLike, headings_rad: ArrayLike
    ) -> NDArray[np.float32]:
        """As `estimate`, with one box (N, 4) and one heading (N,) for each of N images."""
        boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
        headings = np.asarray(headings_rad, np.float64).reshape(-1)
        if not len(images) == len(boxes) == len(headings):
            raise ValueError(f"{len(images)} images, {len(boxes)} boxes, {len(headings)} headings")
        out = np.empty((len(boxes), len(FLIP_INDEX), 3), np.float32)
        spec = self._stage.spec.input
        for start in range(0, len(boxes), _BATCH):
            part = slice(start, start + _BATCH)
            windows = [
                canonical_window(window_of(spec, image, box), heading)
                for image, box, heading in zip(
                    images[part], boxes[part], headings[part], strict=True
                )
            ]
            raw = self._stage.infer(crops(spec, images[part], windows))
            found = self.decode(raw, boxes[part], windows)
            for place, keypoints, window in zip(out[part], found, windows, strict=True):
                place[:] = to_image(keypoints, window)
        return out

    def decode(
        self, raw: NDArray[np.float32], boxes_xyxy: NDArray[np.float64], windows: Sequence[Window]
    ) -> NDArray[np.float32]:
        """Keypoints (N, 24, 3) in px of the windows, from a raw head (N, ...).

        `boxes_xyxy` (N, 4) px of the images choose the dog among those of the YOLO head.
        """
        if isinstance(self._output, HeatmapOutput):
            return decode_heatmap(raw, self._output.stride)
        spec = self._stage.spec.input
        size = (spec.width, spec.height)
        decoded = decode_yolo(raw, self._output, size, score=_YOLO_SCORE, most=_YOLO_CANDIDATES)
        nothing = np.tile(np.array([np.nan, np.nan, 0], np.float32), (self._output.keypoints, 1))
        out = np.tile(nothing, (len(raw), 1, 1))
        for place, (found, keypoints), box, window in zip(
            out, decoded, boxes_xyxy, windows, strict=True
        ):
            corners = window.to_target(box.reshape(2, 2))
            wanted = np.concatenate([corners.min(axis=0), corners.max(axis=0)])[None]
            overlap = iou_matrix(found.boxes_xyxy_px, wanted.astype(np.float32))[:, 0]
            if overlap.max(initial=0) >= _SAME_DOG_IOU:
                place[:] = keypoints[overlap.argmax()]
        return out
