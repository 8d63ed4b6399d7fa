"""Places where dogs are photographed: ground in perspective, sky or wall, props with parallax.

The three splits share the machinery and no place: each split has its own styles and noise tiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from model_export.synth.noise import tile_bank
from model_export.synth.paint import SHAPE_COLUMNS, Float32Array, _tile, blur, doubled, paint
from model_export.synth.places import (
    RIDGE_SAMPLES,
    STYLES,
    Style,
    random_ground,
    random_props,
    random_ridges,
)

UInt8Array = NDArray[np.uint8]


_COARSE_FROM_PX = 1.5
"""Blurs from this deviation on leave nothing that half the resolution would lose."""


@njit(cache=True, fastmath=True)
def _render_backdrop(out: Any, bank: Any, p: Any, ridges: Any, ridge_rows: Any) -> None:
    height, width = out.shape[0], out.shape[1]
    horizon, feet, scroll, wall_row = p[0], p[1], p[2], p[3]
    ppm, focal = p[4], p[5]
    tile, amp, pattern, cell = int(p[6]), p[7], int(p[8]), p[9]
    path_near, path_far, far_fade, indoor = p[22], p[23], p[24], p[25]
    wall_kind, wall_amp, wall_tile = int(p[26]), p[27], int(p[28])
    drop = feet - horizon
    wall_depth = drop / max(wall_row - horizon, 1e-3)
    wall_scale = wall_depth / ppm
    for y in range(height):
        py = y + 0.5
        if py < wall_row:
            up = (wall_row - py) / max(wall_row, 1.0)
            up = min(max(up, 0.0), 1.0)
            sky_r = p[13] + (p[16] - p[13]) * up
            sky_g = p[14] + (p[17] - p[14]) * up
            sky_b = p[15] + (p[18] - p[15]) * up
            for x in range(width):
                r, g, b = sky_r, sky_g, sky_b
                if indoor > 0.5:
                    u = ((x + 0.5 - 0.5 * width) + scroll / wall_depth) * wall_scale
                    v = (py - wall_row) * wall_scale
                    k = 1.0 + wall_amp * (
                        0.5 * _tile(bank, 3, u * 20.0, v * 20.0)
                        + 0.5 * _tile(bank, wall_tile, u * 90.0, v * 90.0)
                    )
                    if wall_kind == 1:
                        k *= 1.0 - 0.16 * (math.floor(u / 0.11) % 2.0)
                    elif wall_kind == 2:
                        row = math.floor(v / 0.08)
                        bu = u / 0.22 + 0.5 * (row % 2.0)
                        if bu - math.floor(bu) < 0.06 or v / 0.08 - row < 0.14:
                            k *= 1.25
                        else:
                            k *= 1.0 + 0.1 * _tile(bank, 0, math.floor(bu), row)
                    elif wall_kind == 3:
                        k *= 1.0 + 0.3 * _tile(bank, 3, u * 40.0 + 9.0, v * 14.0)
                    if -v < 0.1 and wall_kind != 3:
                        k *= 1.12 if -v > 0.012 else 0.6
                    r, g, b = r * k, g * k, b * k
                else:
                    k = 1.0 + p[29] * _tile(
                        bank, 3, (x + 0.04 * scroll) * 0.16 * p[30], py * 0.5 * p[30]
                    )
                    r, g, b = r * k, g * k, b * k
                    for i in range(ridges.shape[0]):
                        if py > ridge_rows[i, x]:
                            par = ridges[i, 3]
                            tu = (x + par * scroll) * ridges[i, 6] * p[30] + 37.0 * i
                            t = 1.0 + ridges[i, 4] * _tile(
                                bank, int(ridges[i, 5]), tu, py * ridges[i, 6] * p[30]
                            )
                            t += (
                                0.4
                                * ridges[i, 4]
                                * _tile(bank, 1, tu * 3.0, py * ridges[i, 6] * p[30] * 3.0)
                            )
                            t *= 0.8 + 0.2 * min(1.0, (wall_row - py) * 0.02)
                            r, g, b = ridges[i, 0] * t, ridges[i, 1] * t, ridges[i, 2] * t
                out[y, x, 0], out[y, x, 1], out[y, x, 2] = r, g, b
        else:
            d = drop / max(py - horizon, 0.35)
            v = focal * d / ppm
            foot_v = focal * d * d / max(drop, 1.0) / ppm
            step_u = d / ppm
            coarse_w = min(1.0, 0.25 / foot_v)
            mid_w = min(1.0, 0.06 / foot_v)
            fine_w = min(1.0, 0.02 / max(0.3 * foot_v, step_u))
            haze = min(1.0, max(0.0, (d - 2.0) / 30.0)) * far_fade
            on_path = path_near < v - focal / ppm < path_far
            near_dark = 1.0 - p[31] * (py - feet) / height
            for x in range(width):
                u = ((x + 0.5 - 0.5 * width) * d + scroll) / ppm
                big = _tile(bank, 3, u * 9.0, v * 9.0)
                n = 0.55 * coarse_w * big
                n += 0.8 * mid_w * _tile(bank, tile, u * 70.0, v * 45.0)
                n += fine_w * _tile(bank, tile, u * 260.0, v * 200.0)
                k = 1.0 + amp * n
                mix = 0.5 + 0.32 * big
                mix = min(max(mix, 0.0), 1.0) * p[32]
                r = p[10] + (p[19] - p[10]) * mix
                g = p[11] + (p[20] - p[11]) * mix
                b = p[12] + (p[21] - p[12]) * mix
                if on_path:
                    r, g, b = p[33], p[34], p[35]
                    k = 1.0 + 0.5 * amp * n
                if pattern == 1:
                    row = math.floor(v / cell)
                    bu = u / (cell * 7.0) + 0.37 * row
                    k *= 1.0 + 0.09 * _tile(bank, 0, math.floor(bu) * 3.0, row * 5.0)
                    if v / cell - row < 0.05 or bu - math.floor(bu) < 0.008:
                        k *= 1.0 - 0.45 * fine_w
                elif pattern == 2 or pattern == 4:
                    row = math.floor(v / cell)
                    bu = u / (cell * (2.0 if pattern == 4 else 1.0))
                    if pattern == 4:
                        bu += 0.5 * (row % 2.0)
                    k *= 1.0 + 0.05 * _tile(bank, 0, math.floor(bu) * 3.0, row * 5.0)
                    if bu - math.floor(bu) < 0.05 or v / cell - row < 0.05:
                        k *= 1.0 + p[36] * mid_w
                elif pattern == 3:
                    band = math.sin(6.283 * (u * 0.35 + v * 0.12) / (cell * 4.0))
                    k *= 1.0 + 0.07 * (1.0 if band > 0.0 else -1.0)
                k = max(k, 0.1) * near_dark
                out[y, x, 0] = r * k + haze * (p[13] - r * k)
                out[y, x, 1] = g * k + haze * (p[14] - g * k)
                out[y, x, 2] = b * k + haze * (p[15] - b * k)


@dataclass(frozen=True, eq=False)
class Background:
    """One place, to be rendered at any size, horizon and scroll.

    `ground` holds the colours and textures, `ridge_profile` (L, 4096) the skyline in metres,
    `props` (N, SHAPE_COLUMNS + 3) shapes in metres with world x, depth and height of the anchor.
    """

    style: Style
    split: str
    metres_high: float
    focal: float
    wall_depth: float
    defocus: float
    exposure: float
    ground: Float32Array
    ridges: Float32Array
    ridge_profile: Float32Array
    props: Float32Array
    period_m: float

    @staticmethod
    def random(
        rng: np.random.Generator, split: str, metres_high: float | None = None
    ) -> Background:
        """A place of the split's styles.

        `metres_high`: how many metres the picture's height spans at the dog (drawn when None).
        """
        styles = STYLES[split]
        style = styles[rng.integers(len(styles))]
        span = float(rng.uniform(0.9, 2.2)) if metres_high is None else metres_high
        ground = random_ground(rng, style)
        wall_depth = float(rng.uniform(1.25, 3.0)) if style.indoor else 400.0
        ridges, profile = random_ridges(rng, style)
        period = max(9.0 * span, 14.0)
        return Background(
            style=style,
            split=split,
            metres_high=span,
            focal=float(rng.uniform(1.1, 3.0)),
            wall_depth=wall_depth,
            defocus=float(rng.choice([0.0, rng.uniform(0.002, 0.022)])),
            exposure=float(rng.uniform(0.55, 1.12)),
            ground=ground,
            ridges=ridges,
            ridge_profile=profile,
            props=random_props(rng, style, wall_depth, period),
            period_m=period,
        )

    def render(
        self,
        width: int,
        height: int,
        horizon_px: float,
        scroll_px: float = 0.0,
        feet_px: float | None = None,
    ) -> Float32Array:
        """The place as (height, width, 3) float32, 0..255.

        `horizon_px`: row of the horizon; `feet_px`: row where the dog stands (default .86 of the
        height); ground in that row moves left by exactly `scroll_px`, nearer rows move more and
        farther rows less, in proportion to their distance from the horizon.
        """
        feet = 0.86 * height if feet_px is None else feet_px
        if self.defocus * height >= _COARSE_FROM_PX:
            small = self._drawn(
                (width + 1) // 2,
                (height + 1) // 2,
                height / 2,
                horizon_px / 2,
                scroll_px / 2,
                feet / 2,
            )
            out = doubled(blur(small, 0.5 * self.defocus * height), height, width)
        else:
            out = self._drawn(width, height, float(height), horizon_px, scroll_px, feet)
            out = blur(out, self.defocus * height)
        out *= self.exposure
        return out

    def _drawn(
        self, width: int, height: int, span: float, horizon: float, scroll: float, feet: float
    ) -> Float32Array:
        feet = max(feet, horizon + 0.06 * span)
        ppm = span / self.metres_high
        wall_row = horizon + (feet - horizon) / self.wall_depth
        bank = tile_bank(self.split)
        p = self.ground.copy()
        p[:6] = (horizon, feet, scroll, wall_row, ppm, self.focal * span)
        p[30] = 256.0 / span
        out = np.empty((height, width, 3), np.float32)
        rows = self._ridge_rows(width, span, wall_row, scroll)
        _render_backdrop(out, bank, p, self.ridges, rows)
        paint(out, self._visible(width, height, horizon, feet, scroll, ppm), bank)
        return out

    def _ridge_rows(
        self, width: int, span: float, wall_row: float, scroll_px: float
    ) -> Float32Array:
        rows = np.empty((len(self.ridges), width), np.float32)
        for i, ridge in enumerate(self.ridges):
            at = (np.arange(width) + ridge[3] * scroll_px) * (400.0 / span) + 977.0 * i
            low = np.floor(at).astype(np.int64)
            part = (at - low).astype(np.float32)
            line = self.ridge_profile[i]
            rows[i] = (
                line[low % RIDGE_SAMPLES] * (1 - part) + line[(low + 1) % RIDGE_SAMPLES] * part
            )
        return (wall_row - rows * span).astype(np.float32)

    def _visible(
        self, width: int, height: int, horizon: float, feet: float, scroll: float, ppm: float
    ) -> Float32Array:
        if not len(self.props):
            return np.zeros((0, SHAPE_COLUMNS), np.float32)
        world_x, depth, lift = self.props[:, -3], self.props[:, -2], self.props[:, -1]
        half = self.period_m / 2.0
        dx = np.mod(world_x - scroll / ppm + half, self.period_m) - half
        scale = ppm / depth
        x0 = 0.5 * width + dx * scale
        y0 = horizon + (feet - horizon) / depth - lift * scale
        reach = 5.5 * scale
        seen = (x0 > -reach) & (x0 < width + reach) & (y0 > -reach) & (y0 < height + reach)
        shapes = self.props[seen, :SHAPE_COLUMNS].copy()
        s, x, y = scale[seen], x0[seen], y0[seen]
        capsule = shapes[:, 0] == 2.0
        for column in (1, 3):
            moved = np.where(capsule | (column == 1), x, 0.0)
            shapes[:, column] = shapes[:, column] * s + moved
        for column in (2, 4):
            moved = np.where(capsule | (column == 2), y, 0.0)
            shapes[:, column] = shapes[:, column] * s + moved
        for column in (5, 6, 12, 15, 17):
            shapes[:, column] *= s
        return shapes
