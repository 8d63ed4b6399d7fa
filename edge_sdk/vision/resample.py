"""Cutting a window out of an image and bringing it to a net's size: rule "box-then-bilinear/1".

Training, export checks and the phone use this one implementation. The rule, for a port:

1. A target pixel in column i, row j has its centre at u = i + 0.5, v = j + 0.5. In a mirrored
   window u becomes width - u.
2. Its place in the image is x = x0_px + u * scale, y = y0_px + v * scale.
3. k = max(1, floor(scale)). The image is divided into blocks of k x k pixels from its top left
   corner; the last block of a row or column is smaller where the side is no multiple of k. The
   value of a block is the mean of the pixels that it has.
4. In block coordinates the place is p = x / k - 0.5, q = y / k - 0.5 (block 0 is centred at 0).
   a = floor(p), b = a + 1, t = p - a; a and b are then clamped to 0..blocks - 1. Likewise for q.
5. The value is bilinear: first between the two block rows, then between the two block columns,
   low + (high - low) * t in 32-bit floats. Nothing is rounded.
6. Where x < 0, x > image width, y < 0 or y > image height it is `pad_value` instead.

Coordinates are continuous pixels: the centre of the top left pixel is (0.5, 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

RULE: Final = "box-then-bilinear/1"
"""Name of the rule in a manifest; another rule gets another name."""

PAD_VALUE: Final = 114
"""Grey around a letterboxed image, as the YOLO family has it."""

# A box of no size would make a window of no size; one pixel keeps the arithmetic finite.
_SMALLEST_SIDE_PX: Final = 1.0

# Sixteen bits hold the sum of 257 bytes.
_MOST_ROWS_IN_16_BITS: Final = 257

# A window is filled in bands of rows whose intermediate arrays stay in the processor's cache, and
# below the size from which the allocator asks the system for fresh pages each time (measured: two
# to four times slower without).
_BAND_BYTES: Final = 600_000
_BYTES_PER_PIXEL: Final = 18
_LEAST_BAND: Final = 8


@dataclass(frozen=True, slots=True)
class Window:
    """A square-pixelled view of an image: target (u, v) lies at (x0 + u * scale, y0 + v * scale).

    `scale`: source px per target px; `width`, `height`: target px; `mirrored`: u counts from the
    right edge, so that the view is turned around its vertical axis.
    """

    x0_px: float
    y0_px: float
    scale: float
    width: int
    height: int
    mirrored: bool = False

    def to_source(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (..., 2) of the target -> px of the image; NaN stays NaN."""
        target = np.asarray(points, np.float64)
        u = self.width - target[..., 0] if self.mirrored else target[..., 0]
        return np.stack(
            [self.x0_px + u * self.scale, self.y0_px + target[..., 1] * self.scale], axis=-1
        )

    def to_target(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (..., 2) px of the image -> of the target; NaN stays NaN."""
        source = np.asarray(points, np.float64)
        u = (source[..., 0] - self.x0_px) / self.scale
        v = (source[..., 1] - self.y0_px) / self.scale
        return np.stack([self.width - u if self.mirrored else u, v], axis=-1)

    def boxes_to_source(self, boxes_xyxy: ArrayLike) -> NDArray[np.float64]:
        """Boxes (..., 4) xyxy of the target -> of the image, corners in rising order."""
        boxes = np.asarray(boxes_xyxy, np.float64)
        corners = self.to_source(boxes.reshape(*boxes.shape[:-1], 2, 2))
        low, high = corners.min(axis=-2), corners.max(axis=-2)
        return np.concatenate([low, high], axis=-1)

    def mirror(self) -> Window:
        """The same view turned around its vertical axis."""
        return replace(self, mirrored=not self.mirrored)


def letterbox(source_width: int, source_height: int, width: int, height: int) -> Window:
    """The window that shows a whole image as large as it fits, in the middle."""
    scale = max(source_width / width, source_height / height)
    x0 = (source_width - width * scale) / 2
    y0 = (source_height - height * scale) / 2
    return Window(x0, y0, scale, width, height)


def square_crop(box_xyxy: ArrayLike, size: int, padding: float) -> Window:
    """A square window about a box's centre, its side `padding` times the box's longer side."""
    left, top, right, bottom = (float(v) for v in np.asarray(box_xyxy, np.float64))
    side = padding * max(right - left, bottom - top, _SMALLEST_SIDE_PX)
    return Window(
        (left + right - side) / 2, (top + bottom - side) / 2, side / size, size, size
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of a window: blocks `low` and `high` of each target pixel and `part` of the way.

    `outside` marks target pixels beyond the image, None where there are none.
    """

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    part: NDArray[np.float32]
    outside: NDArray[np.bool_] | None

    def blocks(self, pixels: slice) -> tuple[int, int]:
        """The blocks (first, behind the last) that a range of target pixels needs."""
        return int(self.low[pixels].min()), int(self.high[pixels].max()) + 1


def _axis(start: float, scale: float, count: int, side: int, k: int, turned: bool) -> _Axis:
    places = start + (np.arange(count) + 0.5) * scale
    if turned:
        places = places[::-1]
    blocks = -(-side // k)
    at = places / k - 0.5
    below = np.floor(at)
    low = np.clip(below, 0, blocks - 1).astype(np.intp)
    high = np.clip(below + 1, 0, blocks - 1).astype(np.intp)
    outside = (places < 0) | (places > side)
    part = (at - below).astype(np.float32)
    return _Axis(low, high, part, outside if outside.any() else None)


def sample(
    image: NDArray[np.uint8], window: Window, pad_value: float = PAD_VALUE
) -> NDArray[np.float32]:
    """Pixels of a window, (window.height, window.width, 3) float32 in 0..255, not rounded.

    `image`: (H, W, 3) uint8 RGB. Only the part that the window shows is read. Rule: the module's.
    """
    height, width = image.shape[:2]
    k = max(1, math.floor(window.scale))
    across = _axis(window.x0_px, window.scale, window.width, width, k, window.mirrored)
    down = _axis(window.y0_px, window.scale, window.height, height, k, False)
    columns = across.blocks(slice(None))
    low, high = across.low - columns[0], across.high - columns[0]
    # Each column's share for R, G and B: long rows are several times faster than threes.
    shares = across.part.repeat(3)
    out = np.empty((window.height, window.width, 3), np.float32)
    row_bytes = (columns[1] - columns[0]) * k * _BYTES_PER_PIXEL * window.scale / k
    step = max(_LEAST_BAND, int(_BAND_BYTES / row_bytes))
    for start in range(0, window.height, step):
        band = slice(start, min(start + step, window.height))
        first, last = down.blocks(band)
        blocks = _block_means(image, k, (first, last), columns)
        above = blocks.take(down.low[band] - first, axis=0)
        below = blocks.take(down.high[band] - first, axis=0)
        rows = _between(above, below, down.part[band, None])
        out[band] = _between(rows.take(low, axis=1), rows.take(high, axis=1), shares)
    if down.outside is not None:
        out[down.outside] = pad_value
    if across.outside is not None:
        out[:, across.outside] = pad_value
    return out


def sample_all(
    image: NDArray[np.uint8], windows: Sequence[Window], pad_value: float = PAD_VALUE
) -> NDArray[np.float32]:
    """Pixels of several windows of one size, (N, height, width, 3)."""
    return np.stack([sample(image, window, pad_value) for window in windows])


def _between(
    low: NDArray[np.float32], high: NDArray[np.float32], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """low + (high - low) * share, (h, w, 3); `share` (h, 1) or (w * 3,). Overwrites `high`."""
    flat_low, flat = low.reshape(len(low), -1), high.reshape(len(high), -1)
    flat -= flat_low
    flat *= share
    flat += flat_low
    return high


def _block_means(
    image: NDArray[np.uint8], k: int, rows: tuple[int, int], columns: tuple[int, int]
) -> NDArray[np.float32]:
    """Means of blocks rows[0]..rows[1] x columns[0]..columns[1] (exclusive), (h, w, 3)."""
    height, width = image.shape[:2]
    top, bottom = rows[0] * k, min(rows[1] * k, height)
    left, right = columns[0] * k, min(columns[1] * k, width)
    if k == 1:
        return image[top:bottom, left:right].astype(np.float32)
    strip = image[top:bottom, left:right]
    sums = _sums_across(_sums_down(strip, k), k)
    whole_rows, whole_columns = (bottom - top) // k, (right - left) // k
    sums[:whole_rows, :whole_columns] /= np.float32(k * k)
    last_rows, last_columns = bottom - top - whole_rows * k, right - left - whole_columns * k
    sums[whole_rows:, :whole_columns] /= np.float32(last_rows * k)
    sums[:whole_rows, whole_columns:] /= np.float32(k * last_columns)
    sums[whole_rows:, whole_columns:] /= np.float32(last_rows * last_columns)
    return sums


def _sums_down(strip: NDArray[np.uint8], k: int) -> NDArray[np.unsignedinteger[Any]]:
    """(H, W, 3) -> (ceil(H / k), W, 3): k rows added up, by whole rows because that is fastest."""
    kind: type[np.unsignedinteger[Any]] = np.uint16 if k <= _MOST_ROWS_IN_16_BITS else np.uint32
    sums: NDArray[np.unsignedinteger[Any]] = strip[::k].astype(kind)
    for row in range(1, k):
        below = strip[row::k]
        sums[: len(below)] += below
    return sums


def _sums_across(strip: NDArray[np.unsignedinteger[Any]], k: int) -> NDArray[np.float32]:
    """(h, W, 3) -> (h, ceil(W / k), 3): k columns added up.

    As a product with ones: it is several times faster than adding strided columns, and exact in
    any order because the sums are whole numbers below 2 ** 24 (k <= 256).
    """
    height, width = strip.shape[:2]
    whole = width // k
    out = np.empty((height, -(-width // k), 3), np.float32)
    blocks = strip[:, : whole * k].reshape(height, whole, k * 3).astype(np.float32)
    np.matmul(blocks, np.tile(np.eye(3, dtype=np.float32), (k, 1)), out=out[:, :whole])
    if whole * k < width:
        out[:, whole] = strip[:, whole * k :].sum(axis=1, dtype=np.float32)
    return out
