"""How well a frame shows a face: five parts of 0..1 and their weighted sum."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_sdk.media.frames import Image
from edge_sdk.vision.resample import sample, square_crop

FULL_AREA_SHARE: Final = 0.25
"""A face that fills a quarter of the frame is as large as it needs to be."""
PATCH_PX: Final = 64
SHARP_VARIANCE: Final = 60.0
"""Laplacian variance of a face patch of 64 px at which it counts as half sharp."""
DARK, BRIGHT = 60.0, 195.0
"""Mean luma between which a face is well exposed."""
CLIPPED_LOW, CLIPPED_HIGH = 4.0, 251.0
LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601."""

WEIGHTS: Final = {
    "confidence": 0.4,
    "size": 0.2,
    "centring": 0.1,
    "sharpness": 0.2,
    "exposure": 0.1,
}


class FrameScore(msgspec.Struct, frozen=True):
    """Parts of 0..1, 1 is best; `total` is their sum weighted by `WEIGHTS`."""

    confidence: float
    size: float
    centring: float
    sharpness: float
    exposure: float

    @property
    def total(self) -> float:
        """Weighted sum, 0..1."""
        return sum(weight * float(getattr(self, part)) for part, weight in WEIGHTS.items())

    def parts(self) -> dict[str, float]:
        """The parts by name, rounded."""
        return {part: round(float(getattr(self, part)), 4) for part in WEIGHTS}


def score_frame(image: Image, box_xyxy_px: NDArray[np.floating], confidence: float) -> FrameScore:
    """Score the face in `box_xyxy_px` (4,) of a frame.

    Sharpness and exposure are measured on the face scaled to 64 x 64 px, so that neither the size
    of the face nor the resolution of the recording decides.
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (float(value) for value in box_xyxy_px)
    share = area_share(box_xyxy_px, width, height)
    off_x = abs((x0 + x1) / width - 1)
    off_y = abs((y0 + y1) / height - 1)
    luma = sample(image, square_crop(np.asarray(box_xyxy_px, float), PATCH_PX, 1.0)) @ LUMA
    return FrameScore(
        confidence=min(max(confidence, 0.0), 1.0),
        size=min(1.0, share / FULL_AREA_SHARE),
        centring=max(0.0, 1.0 - float(np.hypot(off_x, off_y))),
        sharpness=_sharpness(luma),
        exposure=_exposure(luma),
    )


def area_share(box_xyxy_px: NDArray[np.floating], width: int, height: int) -> float:
    """Share of a frame that a box covers, 0..1; what lies outside the frame does not count."""
    x0, y0, x1, y1 = (float(value) for value in box_xyxy_px)
    inside_x = max(0.0, min(x1, width) - max(x0, 0.0))
    inside_y = max(0.0, min(y1, height) - max(y0, 0.0))
    return inside_x * inside_y / (width * height)


def _sharpness(luma: NDArray[np.floating]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000), mapped to 0..1."""
    inner = luma[1:-1, 1:-1]
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    variance = float(np.var(around - 4 * inner))
    return variance / (variance + SHARP_VARIANCE)


def _exposure(luma: NDArray[np.floating]) -> float:
    mean = float(luma.mean())
    within = min(1.0, mean / DARK, (255.0 - mean) / (255.0 - BRIGHT))
    clipped = float(np.mean((luma <= CLIPPED_LOW) | (luma >= CLIPPED_HIGH)))
    return max(0.0, within) * (1.0 - clipped)
