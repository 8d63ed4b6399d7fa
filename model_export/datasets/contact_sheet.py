"""A sheet of small pictures with their labels drawn: the fastest check of any data set."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from model_export.datasets.sample import (
    ABSENT,
    OCCLUDED,
    Dataset,
    ImageArray,
    Instance,
    KeypointScheme,
    Sample,
)

_TILE_PX: Final = 220
_TEXT_PX: Final = 14
_GROUND: Final = (24, 26, 30)
_INK: Final = (225, 228, 232)
_BOX: Final = (255, 196, 0)
_LEFT: Final = (255, 92, 92)
_RIGHT: Final = (64, 170, 255)
_MIDDLE: Final = (124, 220, 120)


def contact_sheet(
    dataset: Dataset, *, tiles: int = 40, columns: int = 8, seed: int = 0
) -> ImageArray:
    """Draw up to `tiles` samples, chosen by `seed`, as one picture (H, W, 3) uint8.

    Boxes are yellow; keypoints of the dog's left side red, right blue, others green, occluded
    ones hollow; so a data set whose sides are swapped shows at a glance. Raises ImageMissing,
    ImageBroken.
    """
    rng = np.random.default_rng(seed)
    count = min(tiles, len(dataset))
    chosen = np.sort(rng.permutation(len(dataset))[:count])
    rows = max(1, -(-count // columns))
    step = _TILE_PX + _TEXT_PX
    sheet = Image.new("RGB", (columns * _TILE_PX, rows * step), _GROUND)
    for at, k in enumerate(chosen):
        tile = draw_sample(dataset.samples[k], dataset.keypoints, _TILE_PX)
        place = (at % columns * _TILE_PX, at // columns * step)
        sheet.paste(Image.fromarray(tile), place)
        text = _caption(dataset.samples[k])
        ImageDraw.Draw(sheet).text((place[0] + 2, place[1] + _TILE_PX + 1), text, fill=_INK)
    return np.asarray(sheet, dtype=np.uint8)


def draw_sample(sample: Sample, scheme: KeypointScheme | None, side_px: int) -> ImageArray:
    """One sample with its labels, fitted into a square (side, side, 3) uint8."""
    image = Image.fromarray(sample.pixels())
    scale = side_px / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    tile = Image.new("RGB", (side_px, side_px), _GROUND)
    tile.paste(image.resize(size, Image.Resampling.BILINEAR), (0, 0))
    pen = ImageDraw.Draw(tile)
    for instance in sample.instances:
        pen.rectangle((instance.box_xyxy_px * scale).tolist(), outline=_BOX, width=2)
        if instance.keypoints is not None and scheme is not None:
            _draw_keypoints(pen, instance, scheme, scale)
    return np.asarray(tile, dtype=np.uint8)


def _draw_keypoints(
    pen: ImageDraw.ImageDraw, instance: Instance, scheme: KeypointScheme, scale: float
) -> None:
    points = instance.keypoints
    if points is None:
        return
    colours = [_colour(scheme, k) for k in range(len(scheme))]
    for a, b in scheme.skeleton:
        if min(points[a, 2], points[b, 2]) > ABSENT:
            ends = np.concatenate([points[a, :2], points[b, :2]]) * scale
            pen.line(ends.tolist(), fill=colours[a])
    for k in np.flatnonzero(points[:, 2] > ABSENT):
        x, y = points[k, :2] * scale
        spot = (x - 2, y - 2, x + 2, y + 2)
        pen.ellipse(spot, fill=None if points[k, 2] == OCCLUDED else colours[k], outline=colours[k])


def _colour(scheme: KeypointScheme, k: int) -> tuple[int, int, int]:
    if scheme.flip_index[k] == k:
        return _MIDDLE
    return _LEFT if "left" in scheme.names[k].lower() else _RIGHT


def _caption(sample: Sample) -> str:
    # Pillow's own font has Latin letters only.
    told = f"{sample.label or ''} {sample.split or ''} {sample.name}".strip()
    return told.encode("ascii", "replace").decode()[:36]
