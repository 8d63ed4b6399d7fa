"""Pictures that a net learns within seconds: a bright ellipse with a dark end is a dog.

It is drawn by the generator's interface, so that training code is tested without the generator.
"""

import math
from dataclasses import dataclass, field

import numpy as np

_OFFSET = {"train": 0, "val": 1_000_000, "test": 2_000_000}
_SHADE = {
    "happy": (250, 40, 40),
    "sad": (40, 40, 250),
    "angry": (40, 250, 40),
    "relaxed": (240, 240, 30),
}


@dataclass(frozen=True)
class Body:
    image: np.ndarray
    keypoints: np.ndarray
    box_xyxy: np.ndarray | None
    face_box_xyxy: np.ndarray | None
    heading_rad: float
    has_dog: bool
    other_boxes: tuple = field(default=())
    other_hidden: tuple = field(default=())


@dataclass(frozen=True)
class Face:
    image: np.ndarray
    face_box_xyxy: np.ndarray | None
    keypoints: np.ndarray
    emotion: str | None


def _canvas(rng, size):
    return np.full((size, size, 3), 90.0) + rng.normal(0, 6, (size, size, 3))


def _ellipse(image, x, y, rx, ry, colour):
    ys, xs = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    image[((xs - x) / rx) ** 2 + ((ys - y) / ry) ** 2 < 1] = colour


def body_image(seed, size=256, split="train"):
    rng = np.random.default_rng(seed + _OFFSET[split])
    image = _canvas(rng, size)
    keypoints = np.zeros((24, 3))
    if seed % 8 == 7:
        return Body(image.astype(np.uint8), keypoints, None, None, 0.0, False)
    rx, ry = rng.uniform(0.2, 0.3) * size, rng.uniform(0.1, 0.14) * size
    x, y = rng.uniform(0.4, 0.6, 2) * size
    heading = rng.choice([0.0, math.pi]) + rng.normal(0, 0.1)
    side = 1 if math.cos(heading) >= 0 else -1
    _ellipse(image, x, y, rx, ry, (235, 225, 210))
    head = x + side * 0.75 * rx
    _ellipse(image, head, y, 0.28 * rx, 0.8 * ry, (40, 30, 30))
    along = np.linspace(-0.8, 0.8, 24)
    keypoints[:, 0] = x + side * along * rx
    keypoints[:, 1] = y + np.linspace(-0.5, 0.5, 24) * ry
    keypoints[:, 2] = 2
    box = np.array([x - rx, y - ry, x + rx, y + ry])
    face = np.array([head - 0.28 * rx, y - 0.8 * ry, head + 0.28 * rx, y + 0.8 * ry])
    return Body(image.clip(0, 255).astype(np.uint8), keypoints, box, face, heading, True)


def face_image(seed, size, emotion, split):
    rng = np.random.default_rng(seed + _OFFSET[split])
    image = _canvas(rng, size)
    if emotion is None:
        return Face(image.clip(0, 255).astype(np.uint8), None, np.zeros((24, 3)), None)
    x, y = rng.uniform(0.4, 0.6, 2) * size
    r = rng.uniform(0.2, 0.35) * size
    _ellipse(image, x, y, r, r, _SHADE[emotion])
    box = np.array([x - r, y - r, x + r, y + r])
    return Face(image.clip(0, 255).astype(np.uint8), box, np.zeros((24, 3)), emotion)
