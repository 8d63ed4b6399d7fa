"""Generated dogs as data sets, drawn when a picture is asked for: for families and comparisons."""

from __future__ import annotations

import functools
import math
from typing import Final

import numpy as np

from edge_sdk.face.emotions import EMOTIONS
from model_export.datasets.sample import (
    DOG_24,
    Dataset,
    FloatArray,
    ImageArray,
    Instance,
    Provenance,
    Sample,
    Split,
)
from model_export.synth.faces import FaceImage, face_image
from model_export.synth.images import BodyImage, body_image

GENERATED: Final = Provenance("generated dogs", "Apache-2.0")
FACE_CLASS: Final = "dog_face"
_NO_FACE_EVERY: Final = 10
_KEPT: Final = 64
"""Pictures that are kept drawn: labels and pixels are often asked for one after another."""


def generated_faces(count: int, size_px: int, split: Split, *, first_seed: int = 0) -> Dataset:
    """Faces with their emotion and box; every tenth picture has no dog.

    `size_px` is the side of the square pictures. Labels are known only once drawn, so this draws
    each picture once.
    """
    samples = []
    for seed in range(first_seed, first_seed + count):
        emotion = None if seed % _NO_FACE_EVERY == 9 else EMOTIONS[seed % len(EMOTIONS)]
        drawn = _face(seed, size_px, emotion, split)
        boxes = [] if drawn.face_box_xyxy is None else [drawn.face_box_xyxy, *drawn.other_boxes]
        instances = tuple(Instance(0, np.asarray(box, np.float64)) for box in boxes)
        pixels = functools.partial(_face_pixels, seed, size_px, emotion, split)
        name = f"face-{split}-{seed:06d}"
        samples.append(
            Sample(name, pixels, size_px, size_px, GENERATED, instances, emotion, name, split)
        )
    return Dataset(tuple(samples), (FACE_CLASS,), tuple(EMOTIONS))


def generated_dogs(count: int, size_px: int, split: Split, *, first_seed: int = 0) -> Dataset:
    """Whole dogs with box, 24 keypoints and heading; about a tenth of the pictures has no dog."""
    samples = []
    for seed in range(first_seed, first_seed + count):
        drawn = _body(seed, size_px, split)
        instances: list[Instance] = []
        if drawn.box_xyxy is not None:
            points = np.asarray(drawn.keypoints, np.float64)
            instances.append(_dog(drawn.box_xyxy, points, drawn.heading_rad))
        others = zip(drawn.other_boxes, drawn.other_headings_rad, drawn.other_hidden, strict=True)
        instances += [_dog(box, None, heading) for box, heading, hidden in others if not hidden]
        pixels = functools.partial(_body_pixels, seed, size_px, split)
        name = f"body-{split}-{seed:06d}"
        samples.append(
            Sample(name, pixels, size_px, size_px, GENERATED, tuple(instances), None, name, split)
        )
    return Dataset(tuple(samples), ("dog",), (), DOG_24)


def _dog(box: object, points: FloatArray | None, heading_rad: float) -> Instance:
    heading = None if math.isnan(heading_rad) else float(heading_rad)
    return Instance(0, np.asarray(box, np.float64), points, None, heading)


@functools.lru_cache(maxsize=_KEPT)
def _face(seed: int, size_px: int, emotion: str | None, split: Split) -> FaceImage:
    return face_image(seed, size_px, emotion, split)


@functools.lru_cache(maxsize=_KEPT)
def _body(seed: int, size_px: int, split: Split) -> BodyImage:
    return body_image(seed, size_px, split)


def _face_pixels(seed: int, size_px: int, emotion: str | None, split: Split) -> ImageArray:
    return _face(seed, size_px, emotion, split).image


def _body_pixels(seed: int, size_px: int, split: Split) -> ImageArray:
    return _body(seed, size_px, split).image
