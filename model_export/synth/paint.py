"""Soft two-dimensional shapes, drawn in one compiled pass: scenery, people, occluders."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]

BOX, ELLIPSE, CAPSULE, BLOB = range(4)
SHAPE_COLUMNS = 18
"""kind, x0, y0, x1, y1, r0, r1, angle_rad, red, green, blue, texture, texel_px, tile, roundness,
softness_px, opacity, phase. BOX and ELLIPSE: centre x0, y0, half sizes x1, y1, corner radius r0;
CAPSULE: from x0, y0 to x1, y1 with radii r0, r1; BLOB: an ellipse with a ragged edge of depth r0.
"""


@njit(cache=True, fastmath=True)
def _tile(bank: Any, kind: int, u: float, v: float) -> float:
    iu = math.floor(u)
    iv = math.floor(v)
    fu = u - iu
    fv = v - iv
    x0 = int(iu) & 255
    y0 = int(iv) & 255
    x1 = (x0 + 1) & 255
    y1 = (y0 + 1) & 255
    t = bank[kind]
    top = t[y0, x0] + (t[y0, x1] - t[y0, x0]) * fu
    low = t[y1, x0] + (t[y1, x1] - t[y1, x0]) * fu
    return top + (low - top) * fv  # type: ignore[no-any-return]


@njit(cache=True, fastmath=True)
def _paint(image: Any, shapes: Any, bank: Any, coverage: Any, keep_coverage: bool) -> None:
    height, width = image.shape[0], image.shape[1]
    for i in range(shapes.shape[0]):
        s = shapes[i]
        kind = int(s[0])
        soft = max(s[15], 0.5)
        if kind == 2:
            m = max(s[5], s[6]) + soft + 1.0
            left, right = min(s[1], s[3]) - m, max(s[1], s[3]) + m
            top, low = min(s[2], s[4]) - m, max(s[2], s[4]) + m
        else:
            c, n = abs(math.cos(s[7])), abs(math.sin(s[7]))
            m = soft + 1.0 + (s[5] if kind == 3 else 0.0)
            ex, ey = c * s[3] + n * s[4] + m, n * s[3] + c * s[4] + m
            left, right, top, low = s[1] - ex, s[1] + ex, s[2] - ey, s[2] + ey
        x_start, x_stop = max(0, int(left)), min(width, int(right) + 2)
        y_start, y_stop = max(0, int(top)), min(height, int(low) + 2)
        if x_start >= x_stop or y_start >= y_stop:
            continue
        ca, sa = math.cos(s[7]), math.sin(s[7])
        inv_texel = 1.0 / max(s[12], 0.25)
        tile = int(s[13])
        dx, dy = s[3] - s[1], s[4] - s[2]
        length2 = max(dx * dx + dy * dy, 1e-6)
        for y in range(y_start, y_stop):
            for x in range(x_start, x_stop):
                px, py = x + 0.5 - s[1], y + 0.5 - s[2]
                if kind == 2:
                    t = min(1.0, max(0.0, (px * dx + py * dy) / length2))
                    r = s[5] + (s[6] - s[5]) * t
                    qx, qy = px - t * dx, py - t * dy
                    distance = math.sqrt(qx * qx + qy * qy) - r
                    side = (qx * -dy + qy * dx) / math.sqrt(length2) / max(r, 1e-3)
                    lx, ly = px, py
                else:
                    lx, ly = px * ca + py * sa, py * ca - px * sa
                    if kind == 0:
                        bx = abs(lx) - s[3] + s[5]
                        by = abs(ly) - s[4] + s[5]
                        ox, oy = max(bx, 0.0), max(by, 0.0)
                        distance = math.sqrt(ox * ox + oy * oy) + min(max(bx, by), 0.0) - s[5]
                        side = lx / max(s[3], 1e-3)
                    else:
                        hx, hy = max(s[3], 1e-3), max(s[4], 1e-3)
                        ux, uy = lx / hx, ly / hy
                        k0 = math.sqrt(ux * ux + uy * uy)
                        gx, gy = lx / (hx * hx), ly / (hy * hy)
                        k1 = max(math.sqrt(gx * gx + gy * gy), 1e-6)
                        distance = k0 * (k0 - 1.0) / k1
                        side = 0.6 * ux + 0.8 * uy
                        if kind == 3 and distance < s[5] * 3.0:
                            distance += s[5] * _tile(
                                bank,
                                4,
                                (lx + s[17]) * inv_texel * 2.0,
                                (ly - s[17]) * inv_texel * 2.0,
                            )
                a = 0.5 - distance / soft * 0.5
                if a <= 0.0:
                    continue
                a = min(a, 1.0)
                if keep_coverage and a * s[16] > coverage[y, x]:
                    coverage[y, x] = a * s[16]
                a *= s[16]
                light = 1.0 - s[14] * side
                if s[11] > 0.0:
                    u, v = (lx + s[17]) * inv_texel, (ly + s[17]) * inv_texel
                    light += s[11] * _tile(bank, tile, u, v)
                    light += 0.5 * s[11] * _tile(bank, 1, u * 2.7, v * 2.7)
                light = max(light, 0.05)
                image[y, x, 0] += a * (s[8] * light - image[y, x, 0])
                image[y, x, 1] += a * (s[9] * light - image[y, x, 1])
                image[y, x, 2] += a * (s[10] * light - image[y, x, 2])


_NO_COVERAGE = np.zeros((1, 1), np.float32)


def paint(
    image: Float32Array,
    shapes: Float32Array,
    bank: Float32Array,
    coverage: Float32Array | None = None,
) -> None:
    """Draws the shapes, in order, over a picture in place.

    `image` (H, W, 3) float32 0..255; `shapes` (N, SHAPE_COLUMNS) in pixels; `bank` from
    `noise.tile_bank`; `coverage` (H, W), where given, keeps the highest opacity drawn on a pixel.
    """
    if len(shapes):
        keep = coverage is not None
        _paint(image, shapes, bank, _NO_COVERAGE if coverage is None else coverage, keep)


def shape(
    kind: int,
    geometry: tuple[float, float, float, float],
    colour: NDArray[np.floating[Any]] | tuple[float, float, float],
    *,
    radii: tuple[float, float] = (0.0, 0.0),
    angle_rad: float = 0.0,
    texture: float = 0.0,
    texel: float = 1.0,
    tile: int = 2,
    roundness: float = 0.0,
    softness: float = 0.0,
    opacity: float = 1.0,
    phase: float = 0.0,
) -> list[float]:
    """One row of `paint`'s table; lengths in pixels, or in metres where it is scaled later."""
    red, green, blue = (float(c) for c in colour)
    return [
        float(kind),
        *geometry,
        *radii,
        angle_rad,
        red,
        green,
        blue,
        texture,
        texel,
        float(tile),
        roundness,
        softness,
        opacity,
        phase,
    ]


@njit(cache=True, fastmath=True)
def _box_blur_rows(src: Any, dst: Any, radius: int) -> None:
    height, width, channels = src.shape
    inv = 1.0 / (2 * radius + 1)
    for y in range(height):
        for c in range(channels):
            total = src[y, 0, c] * (radius + 1)
            for x in range(1, radius + 1):
                total += src[y, min(x, width - 1), c]
            for x in range(width):
                dst[y, x, c] = total * inv
                total += src[y, min(x + radius + 1, width - 1), c] - src[y, max(x - radius, 0), c]


@njit(cache=True, fastmath=True)
def _box_blur_columns(src: Any, dst: Any, radius: int) -> None:
    height, width, channels = src.shape
    inv = 1.0 / (2 * radius + 1)
    total = np.empty((width, channels), np.float32)
    for x in range(width):
        for c in range(channels):
            total[x, c] = src[0, x, c] * (radius + 1)
    for y in range(1, radius + 1):
        for x in range(width):
            for c in range(channels):
                total[x, c] += src[min(y, height - 1), x, c]
    for y in range(height):
        enter, leave = min(y + radius + 1, height - 1), max(y - radius, 0)
        for x in range(width):
            for c in range(channels):
                dst[y, x, c] = total[x, c] * inv
                total[x, c] += src[enter, x, c] - src[leave, x, c]


@njit(cache=True, fastmath=True)
def _three_taps(src: Any, dst: Any, side: float) -> None:
    height, width, channels = src.shape
    mid = 1.0 - 2.0 * side
    for y in range(height):
        up, down = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            for c in range(channels):
                a = mid * src[up, x, c] + side * (src[up, left, c] + src[up, right, c])
                b = mid * src[y, x, c] + side * (src[y, left, c] + src[y, right, c])
                d = mid * src[down, x, c] + side * (src[down, left, c] + src[down, right, c])
                dst[y, x, c] = mid * b + side * (a + d)


def blur(image: Float32Array, sigma_px: float) -> Float32Array:
    """A nearly Gaussian blur, edges repeated: three taps below 0.75 px, two box passes above.

    A box of radius r has the variance ((2r + 1)^2 - 1) / 12; the two radii share the wanted one.
    """
    if sigma_px < 0.2:
        return image
    out = np.empty_like(image)
    if sigma_px < 0.75:
        _three_taps(image, out, min(sigma_px**2 / 2.0, 0.3))
        return out
    limit = min(image.shape[:2]) - 1
    first = min(max(1, int(_box_radius(sigma_px**2 / 2.0))), limit)
    rest = sigma_px**2 - ((2 * first + 1) ** 2 - 1) / 12.0
    second = min(max(1, round(_box_radius(rest))), limit)
    other = np.empty_like(image)
    _box_blur_rows(image, out, first)
    _box_blur_rows(out, other, second)
    _box_blur_columns(other, out, first)
    _box_blur_columns(out, other, second)
    return other


def _box_radius(variance: float) -> float:
    return (math.sqrt(12.0 * max(variance, 0.0) + 1.0) - 1.0) / 2.0


@njit(cache=True, fastmath=True)
def _double(small: Any, out: Any) -> None:
    height, width = out.shape[0], out.shape[1]
    last_y, last_x = small.shape[0] - 1, small.shape[1] - 1
    for y in range(height):
        y0 = y // 2
        y1 = min(max(y0 + (1 if y % 2 else -1), 0), last_y)
        for x in range(width):
            x0 = x // 2
            x1 = min(max(x0 + (1 if x % 2 else -1), 0), last_x)
            for c in range(3):
                near = 0.75 * small[y0, x0, c] + 0.25 * small[y0, x1, c]
                far = 0.75 * small[y1, x0, c] + 0.25 * small[y1, x1, c]
                out[y, x, c] = 0.75 * near + 0.25 * far


def doubled(small: Float32Array, height: int, width: int) -> Float32Array:
    """A picture of half the size (rounded up), bilinearly enlarged to (height, width, 3)."""
    out = np.empty((height, width, 3), np.float32)
    _double(small, out)
    return out
