"""Pictures on which activations of 8 bits are measured."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_sdk.vision.pose import canonical_window
from edge_sdk.vision.stage import crops, window_of
from model_export.export.source import ExportSource
from model_export.parity.reference import TorchReference
from model_export.train.examples import Example


def calibration_pictures(source: ExportSource, examples: Sequence[Example]) -> NDArray[np.float32]:
    """The inputs as the net sees them, normalised (N, 3, H, W).

    `examples` are of the training split: what is judged later must not have chosen the ranges.
    """
    windows = []
    for example in examples:
        boxes = example.face_boxes if source.stage == "classifier" else example.dog_boxes
        window = window_of(source.input, example.image, boxes[0] if len(boxes) else None)
        if source.stage == "pose":
            window = canonical_window(window, float(example.dog_headings_rad[0]))
        windows.append(window)
    batch = crops(source.input, [example.image for example in examples], windows)
    return TorchReference(source).normalised(batch)
