"""What a detector found in one image, as a frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def _no_numbers(*shape: int) -> NDArray[np.float32]:
    return np.zeros(shape, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes of one image, best first.

    `boxes_xyxy_px` (N, 4) float32 px of the image; `scores` (N,) float32 0..1; `class_ids` (N,)
    int64; `headings_rad` (N,) float32, NaN where the detector gives none (0: the dog faces right,
    pi/2: towards the camera, pi: left). Raises ValueError when the lengths differ.
    """

    boxes_xyxy_px: NDArray[np.float32] = field(default_factory=lambda: _no_numbers(0, 4))
    scores: NDArray[np.float32] = field(default_factory=lambda: _no_numbers(0))
    class_ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    headings_rad: NDArray[np.float32] = field(default_factory=lambda: _no_numbers(0))

    def __post_init__(self) -> None:
        """Hold the lengths together."""
        count = len(self.boxes_xyxy_px)
        shapes = (self.scores.shape, self.class_ids.shape, self.headings_rad.shape)
        if self.boxes_xyxy_px.shape != (count, 4) or shapes != ((count,),) * 3:
            raise ValueError(f"boxes {self.boxes_xyxy_px.shape} with {shapes}: lengths differ")

    def __len__(self) -> int:
        """Number of boxes."""
        return len(self.scores)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """The boxes of a mask or of indices, in that order."""
        return Detections(
            self.boxes_xyxy_px[rows],
            self.scores[rows],
            self.class_ids[rows],
            self.headings_rad[rows],
        )

    def mirrored(self, width_px: float) -> Detections:
        """What a perfect detector finds in the mirrored image of this width."""
        boxes = self.boxes_xyxy_px.copy()
        boxes[:, 0] = width_px - self.boxes_xyxy_px[:, 2]
        boxes[:, 2] = width_px - self.boxes_xyxy_px[:, 0]
        turned = np.pi - self.headings_rad
        return Detections(boxes, self.scores, self.class_ids, _wrapped(turned))

    @property
    def areas_px2(self) -> NDArray[np.float32]:
        """Area of each box, (N,)."""
        sides = self.boxes_xyxy_px[:, 2:] - self.boxes_xyxy_px[:, :2]
        areas: NDArray[np.float32] = sides.prod(axis=1)
        return areas


def _wrapped(angles_rad: NDArray[np.float32]) -> NDArray[np.float32]:
    wrapped = np.arctan2(np.sin(angles_rad), np.cos(angles_rad))
    return wrapped.astype(np.float32)
