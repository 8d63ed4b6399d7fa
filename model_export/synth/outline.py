"""What a picture shows of a dog: its boxes, and how much of its outline is in sight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model_export.synth import parts
from model_export.synth.camera import Camera
from model_export.synth.primitives import Primitives
from model_export.synth.raster import GBuffer, rasterise

FloatArray = NDArray[np.float64]

_DOG = np.zeros(256, bool)
_DOG[list(parts.DOG_PARTS)] = True
_HEAD = np.zeros(256, bool)
_HEAD[list(parts.HEAD_PARTS)] = True

#: A dog of whom less is in sight is no object, and what shows of it no background either: as
#: Dollar et al. 2012 (Caltech pedestrians) set aside who is hidden by more than four fifths.
LEAST_SEEN_SHARE = 0.2

#: Side of the raster on which a whole outline is counted.
_OUTLINE_PX = 48


def boxes_of(buffer: GBuffer, owner: int) -> tuple[FloatArray | None, FloatArray | None]:
    """Boxes (4,) xyxy px of the dog and of its head as they are seen; None below 12 pixels."""
    mine = buffer.owner == owner
    return _box(mine & _DOG[buffer.part]), _box(mine & _HEAD[buffer.part])


def seen_share(
    buffer: GBuffer, owner: int, shapes: Primitives, camera: Camera, covered: NDArray[np.bool_]
) -> float:
    """Share 0..1 of a dog's outline that the picture shows: what stands before it, what is
    `covered` (H, W) and what lies past the border is missing.
    """
    seen = np.count_nonzero((buffer.owner == owner) & _DOG[buffer.part] & ~covered)
    x0, y0, x1, y1 = extent_px(shapes, camera)
    factor = _OUTLINE_PX / max(x1 - x0, y1 - y0)
    shown = replace(
        camera,
        focal_px=camera.focal_px * factor,
        centre_px=((camera.centre_px[0] - x0) * factor, (camera.centre_px[1] - y0) * factor),
    )
    alone = rasterise(shapes, shown, _OUTLINE_PX, _OUTLINE_PX)
    whole = np.count_nonzero(_DOG[alone.part]) / factor**2
    return float(min(1.0, seen / max(whole, 1.0)))


def extent_px(primitives: Primitives, camera: Camera) -> FloatArray:
    """Box (x0, y0, x1, y1) px about all shapes; a little too wide, never too narrow."""
    points = np.concatenate((primitives.a_xyz, primitives.b_xyz))
    radii = np.concatenate((primitives.radius_a, primitives.radius_b))
    seen = camera.project(points)
    reach = radii * camera.focal_px / seen[:, 2]
    low, high = seen[:, :2] - reach[:, None], seen[:, :2] + reach[:, None]
    return np.concatenate((low.min(0), high.max(0)))


def _box(mask: NDArray[np.bool_]) -> FloatArray | None:
    if np.count_nonzero(mask) < 12:
        return None
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return np.array((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), np.float64)
