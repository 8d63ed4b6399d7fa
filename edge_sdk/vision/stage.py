"""What the vision code needs of a net: its specification and a forward pass.

`ModelBundle.stage(name)` gives one that runs a file; training gives one that runs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_sdk.bundle.manifest import InputSpec, Stage
from edge_sdk.vision.resample import Window, letterbox, sample, square_crop


class InferenceStage(Protocol):
    """A net behind the specification of its manifest."""

    @property
    def spec(self) -> Stage:
        """Input, output and head."""
        ...

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, height, width, 3) float32 in 0..255 -> the raw head (N, ...)."""
        ...


def window_of(spec: InputSpec, image: NDArray[np.uint8], box_xyxy: ArrayLike | None) -> Window:
    """The window that a stage wants to see of an image: all of it, or a square about a box.

    Raises ValueError for a square crop without a box or into an input that is not square.
    """
    height, width = image.shape[:2]
    if spec.fit == "letterbox":
        return letterbox(width, height, spec.width, spec.height)
    if box_xyxy is None or spec.width != spec.height:
        raise ValueError("a square crop needs a box and a square input")
    return square_crop(box_xyxy, spec.width, spec.padding)


def crops(
    spec: InputSpec, images: Sequence[NDArray[np.uint8]], windows: Sequence[Window]
) -> NDArray[np.float32]:
    """One window of each image as a batch (N, height, width, 3) float32 in 0..255."""
    batch = np.empty((len(images), spec.height, spec.width, 3), np.float32)
    for place, image, window in zip(batch, images, windows, strict=True):
        place[:] = sample(image, window, spec.pad_value)
    return batch
