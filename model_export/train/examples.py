"""One picture with all that is known about it, from the generator or from a camera."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_sdk.vision.keypoints import FLIP_INDEX, KEYPOINT_NAMES

KEYPOINTS = len(KEYPOINT_NAMES)
UNKNOWN_EMOTION = -1


def _no_boxes() -> NDArray[np.float32]:
    return np.zeros((0, 4), np.float32)


def _no_headings() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


def _none_hidden() -> NDArray[np.bool_]:
    return np.zeros(0, np.bool_)


def _no_keypoints() -> NDArray[np.float32]:
    return np.zeros((KEYPOINTS, 3), np.float32)


@dataclass(frozen=True)
class Example:
    """An image (H, W, 3) uint8 RGB and its labels; what is not known is empty, NaN or -1.

    `dog_boxes` (M, 4) xyxy px, the main dog first; `dog_headings_rad` (M,) NaN where unknown;
    `dogs_hidden` (M,) those of whom too little is in sight to say "a dog": neither an object nor
    the absence of one; empty for none;
    `keypoints` (24, 3) x, y, visibility 0/1/2 of the main dog; `face_boxes` (F, 4);
    `emotion` index into EMOTIONS or -1; `legible`: whether a person could read it off the picture.
    `dogs_labelled` and `faces_labelled` say whether a missing
    box means "none there": where False the picture is no use to that detector.
    """

    image: NDArray[np.uint8]
    dog_boxes: NDArray[np.float32] = field(default_factory=_no_boxes)
    dog_headings_rad: NDArray[np.float32] = field(default_factory=_no_headings)
    dogs_hidden: NDArray[np.bool_] = field(default_factory=_none_hidden)
    keypoints: NDArray[np.float32] = field(default_factory=_no_keypoints)
    face_boxes: NDArray[np.float32] = field(default_factory=_no_boxes)
    emotion: int = UNKNOWN_EMOTION
    legible: bool = True
    dogs_labelled: bool = True
    faces_labelled: bool = True


def swap_left_right(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Exchange the names of left and right, (..., 24, 3): what a mirror does to the labels."""
    return keypoints[..., np.asarray(FLIP_INDEX), :]
