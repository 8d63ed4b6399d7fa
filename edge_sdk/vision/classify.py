"""From a picture and a face's box to the probabilities of the classes."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_sdk.bundle.manifest import LogitsOutput
from edge_sdk.vision.stage import InferenceStage, crops, window_of

# Crops that are held at input size at one time.
_BATCH: Final = 8


def softmax(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities (N, C) of logits (N, C): exp(logits / temperature), each row summing to 1.

    The sum is 1 to the last digit of 64 bits before rounding to 32.
    """
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    shares = np.exp(scaled)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares.astype(np.float32)


class Classifier:
    """Classifies boxes with a stage whose head is "logits"; raises TypeError for another head.

    Holds no state: as thread-safe as its stage.
    """

    def __init__(self, stage: InferenceStage) -> None:
        """Take the classifier stage of a bundle."""
        output = stage.spec.output
        if not isinstance(output, LogitsOutput):
            raise TypeError(f"{type(output).__name__} is no classifier's head")
        self._stage = stage
        self._output = output

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self._output.classes

    def classify(self, image: NDArray[np.uint8], boxes_xyxy: ArrayLike) -> NDArray[np.float32]:
        """Probabilities (N, C) of boxes (N, 4) xyxy px of an image (H, W, 3) uint8 RGB."""
        boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
        spec = self._stage.spec.input
        out = np.empty((len(boxes), len(self.classes)), np.float32)
        for start in range(0, len(boxes), _BATCH):
            part = boxes[start : start + _BATCH]
            windows = [window_of(spec, image, box) for box in part]
            raw = self._stage.infer(crops(spec, [image] * len(part), windows))
            out[start : start + len(part)] = self.decode(raw)
        return out

    def decode(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (N, C) of a raw head (N, C)."""
        return softmax(raw, self._output.temperature)
