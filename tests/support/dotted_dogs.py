"""Clips of dogs drawn as 24 coloured dots, and stages that read the dots: pixels without a net.

Each dot's red and green name its keypoint, a two-coloured bar on the trunk tells a mirrored crop.
So tracking, cropping, heading-canonical poses and scores run on real pixels whose truth is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from edge_sdk.bundle.manifest import CentreOutput, HeatmapOutput
from edge_sdk.vision.keypoints import FLIP_INDEX, KEYPOINT_NAMES
from tests.support.scripted_models import (
    Floats,
    Picture,
    ScriptedBundle,
    box_of,
    bundle_of,
    centre_head,
    stage_of,
)

LEVELS = (30, 80, 130, 180, 230)
COLOURS = np.array([(LEVELS[k % 5], LEVELS[k // 5], 250) for k in range(24)], np.int16)
BACKGROUND = 60
SPINE = (60, 60, 190)
DETECTOR_INPUT = 192
POSE_INPUT = 160
POSE_STRIDE = 4
NOSE, TAIL = KEYPOINT_NAMES.index("nose"), KEYPOINT_NAMES.index("tail_start")
WITHERS = KEYPOINT_NAMES.index("withers")


def draw(image: Picture, keypoints: npt.NDArray[np.floating], radius: int = 5) -> Picture:
    """Draw a dog (in place): keypoints (24, 3), those that are NaN or unsure are left out."""
    front, rear = keypoints[WITHERS, :2], keypoints[TAIL, :2]
    if not np.isfinite(keypoints[[WITHERS, TAIL], :2]).all():
        return image
    # Under the bar, so that nothing cuts the dog in two for the detector.
    for part in np.linspace(-0.3, 1.6, 60):
        _square(image, rear + part * (front - rear) + np.array([0, 2.5 * radius]), radius, SPINE)
    middle = (front + rear) / 2
    for side, colour in ((-1, (250, 0, 0)), (1, (0, 250, 0))):
        _square(image, middle + np.array([side * radius * 1.5, 0]), radius + 2, colour)
    for k in np.argsort(keypoints[:, 2]):
        if keypoints[k, 2] > 0.1 and np.isfinite(keypoints[k, :2]).all():
            _square(image, keypoints[k, :2], radius, COLOURS[k])
    return image


def _square(
    image: Picture, centre: npt.NDArray[np.floating], radius: int, colour: npt.ArrayLike
) -> None:
    height, width = image.shape[:2]
    # Squares whose edges lie on pixels, so that the centre is kept to half a pixel.
    x0, y0 = (round(float(value) - radius) for value in centre)
    x1, y1 = x0 + 2 * radius, y0 + 2 * radius
    image[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)] = colour


def filmed(
    keypoints: npt.NDArray[np.floating],
    times_ms: npt.NDArray[np.floating],
    width: int,
    height: int,
    others: Iterable[npt.NDArray[np.floating]] = (),
) -> Iterator[tuple[float, Picture]]:
    """Draw poses (T, 24, 3) frame by frame; `others` are poses of further dogs, drawn behind."""
    more = list(others)
    for at, at_ms in enumerate(times_ms):
        image = np.full((height, width, 3), BACKGROUND, np.uint8)
        for other in more:
            draw(image, other[at])
        yield float(at_ms), draw(image, keypoints[at])


def _dot_centres(image: Floats) -> npt.NDArray[np.float64]:
    """Centre (24, 2) of each keypoint's dot, NaN where fewer than three pixels show it."""
    ys, xs = np.nonzero(image[..., 2] > 215)
    levels = (image[ys, xs, :2] - LEVELS[0]) / (LEVELS[1] - LEVELS[0])
    near = np.round(levels)
    clear = (np.abs(levels - near).max(axis=1) < 0.44) & (near >= 0).all(1) & (near <= 4).all(1)
    names = (near[:, 0] + 5 * near[:, 1]).astype(int)
    clear &= names < 24
    names, xs, ys = names[clear], xs[clear], ys[clear]
    count = np.bincount(names, minlength=24).astype(np.float64)
    count[count < 3] = np.nan
    sums = [np.bincount(names, weights=axis + 0.5, minlength=24) for axis in (xs, ys)]
    return np.stack(sums, axis=1) / count[:, None]


def _centre(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64] | None:
    if mask.sum() < 3:
        return None
    ys, xs = np.nonzero(mask)
    return np.array([xs.mean() + 0.5, ys.mean() + 0.5])


def _detector_head(image: Floats) -> Floats:
    blue = image[..., 2] > 130
    found = []
    for columns in _blobs(blue):
        part = np.zeros_like(blue)
        part[:, columns] = blue[:, columns]
        box = box_of(part)
        if box is None or box[3] - box[1] < 20:
            continue
        centres = _dot_centres(np.where(part[..., None], image, 0))
        angle = np.pi if centres[NOSE, 0] < centres[TAIL, 0] else 0.0
        found.append((box, 0.9, angle))
    return centre_head(DETECTOR_INPUT, found, heading=True)


def _blobs(mask: npt.NDArray[np.bool_], gap: int = 4) -> list[slice]:
    """Column ranges of what is apart by more than `gap` columns."""
    columns = np.flatnonzero(mask.any(axis=0))
    if not len(columns):
        return []
    cuts = np.flatnonzero(np.diff(columns) > gap)
    starts = [columns[0], *columns[cuts + 1]]
    ends = [*columns[cuts], columns[-1]]
    return [slice(int(a), int(b) + 1) for a, b in zip(starts, ends, strict=True)]


def _pose_head(image: Floats) -> Floats:
    cells = POSE_INPUT // POSE_STRIDE
    red = _centre((image[..., 0] > 200) & (image[..., 1] < 60) & (image[..., 2] < 60))
    green = _centre((image[..., 1] > 200) & (image[..., 0] < 60) & (image[..., 2] < 60))
    mirrored = red is not None and green is not None and red[0] > green[0]
    across = np.arange(cells) + 0.5
    raw = np.full((24, cells, cells), -6.0, np.float32)
    for k, centre in enumerate(_dot_centres(image)):
        if np.isnan(centre[0]):
            continue
        x, y = centre / POSE_STRIDE
        bowl = 3.0 - 0.5 * ((across[None, :] - x) ** 2 + (across[:, None] - y) ** 2)
        # A net sees which leg is the near one, not whose left it is.
        raw[FLIP_INDEX[k] if mirrored else k] = np.maximum(bowl, -6.0)
    return raw


def dog_bundle(classes: tuple[str, ...] = ("dog",)) -> ScriptedBundle:
    """A dog detector with headings and a pose net."""
    detector = stage_of(
        "detector", DETECTOR_INPUT, "letterbox",
        CentreOutput(stride=8, heading=True, classes=classes), _detector_head,
    )  # fmt: skip
    pose = stage_of(
        "pose", POSE_INPUT, "square_crop", HeatmapOutput(stride=POSE_STRIDE), _pose_head,
        padding=1.25,
    )  # fmt: skip
    return bundle_of("dog-pose", "pose", detector, pose)
