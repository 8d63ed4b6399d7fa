"""From what a pixel sees (GBuffer) to its colour: coat, fur, light, wet nose, shadow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from model_export.synth import parts
from model_export.synth.coat import Coat
from model_export.synth.markings import coat_colour, noise3
from model_export.synth.noise import BLOBS, tile_bank
from model_export.synth.paint import Float32Array, blur
from model_export.synth.raster import GBuffer

_FIXED = {
    parts.EYE_WHITE: (196, 190, 184),
    parts.PUPIL: (10, 9, 10),
    parts.NOSTRIL: (10, 8, 9),
    parts.MOUTH: (92, 40, 44),
    parts.TONGUE: (214, 112, 118),
    parts.TEETH: (236, 230, 212),
    parts.GUM: (150, 84, 88),
    parts.CLAW: (52, 46, 44),
    parts.TAG: (196, 190, 170),
    parts.LEASH: (40, 42, 50),
    parts.HARNESS: (44, 60, 110),
    parts.PERSON_SKIN: (214, 168, 140),
    parts.PERSON_SHIRT: (120, 130, 150),
    parts.PERSON_TROUSERS: (52, 60, 82),
    parts.PERSON_SHOE: (60, 56, 54),
    parts.PERSON_HAIR: (58, 42, 34),
    parts.OBJECT: (150, 130, 100),
}
_FUR, _FIXED_COLOUR, _NOSE, _IRIS, _SKIN, _LIP, _COLLAR = range(7)
_MATERIAL = np.full(parts.PART_COUNT, _FUR, np.uint8)
_PART_COLOUR = np.zeros((parts.PART_COUNT, 3), np.float32)
for _part, _rgb in _FIXED.items():
    _MATERIAL[_part] = _FIXED_COLOUR
    _PART_COLOUR[_part] = _rgb
_MATERIAL[parts.NOSE] = _NOSE
_MATERIAL[parts.IRIS] = _IRIS
_MATERIAL[parts.EAR_INNER] = _SKIN
_MATERIAL[[parts.LIP, parts.EYE_RIM]] = _LIP
_MATERIAL[parts.COLLAR] = _COLLAR
_WETNESS = np.zeros(parts.PART_COUNT, np.float32)
_WETNESS[[parts.NOSE, parts.TONGUE, parts.EYE_WHITE]] = (0.5, 0.32, 0.8)
_WETNESS[[parts.IRIS, parts.PUPIL, parts.TEETH, parts.GUM, parts.LIP]] = (1.0, 1.0, 0.2, 0.3, 0.25)

_HEAD_FIRST, _HEAD_LAST = parts.SKULL, parts.EYE_RIM


@dataclass(frozen=True)
class Light:
    """The light of a scene in the camera's frame (x right, y down, z towards the viewer).

    `direction` (3,) unit, towards the sun or lamp; `ambient` share 0..1 of light that comes from
    everywhere; `tint` (3,) colour of the lamp and `sky` (3,) of the ambient light, 1 = white;
    `bounce` (3,) light that the ground throws back; `strength` overall.
    """

    direction: tuple[float, float, float] = (-0.35, -0.75, 0.55)
    ambient: float = 0.5
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    sky: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bounce: tuple[float, float, float] = (0.2, 0.2, 0.18)
    strength: float = 1.0

    @staticmethod
    def random(rng: np.random.Generator) -> Light:
        """Sun, overcast sky, window or flash: from above, sometimes from beside or in front."""
        flash = rng.random() < 0.1
        x, y, z = rng.normal(0, 0.7), -rng.uniform(0.25, 1.2), rng.uniform(-0.25, 1.0)
        if flash:
            x, y, z = rng.normal(0, 0.1), -0.1, 1.0
        n = math.sqrt(x * x + y * y + z * z)
        warmth = rng.normal(0.0, 0.07)
        cool = rng.normal(0.0, 0.05)
        ground = rng.uniform(0.05, 0.3)
        return Light(
            direction=(x / n, y / n, z / n),
            ambient=float(rng.uniform(0.4, 0.9)),
            tint=(1 + warmth, 1.0, 1 - warmth),
            sky=(1 - cool, 1.0, 1 + cool),
            bounce=(ground * 1.08, ground, ground * rng.uniform(0.75, 1.0)),
            strength=float(rng.uniform(0.72, 1.12)),
        )


@njit(cache=True, fastmath=True)
def _shade(image: Any, part: Any, owner: Any, normal: Any, local: Any, open_sky: Any, coats: Any,
           material: Any, part_colour: Any, wetness: Any, light: Any, detail_px: float,
           head_detail_px: float, box: Any) -> None:  # fmt: skip
    lx, ly, lz = light[0], light[1], light[2]
    ambient = light[3]
    hx, hy, hz = lx, ly, lz + 1.0
    norm = math.sqrt(hx * hx + hy * hy + hz * hz)
    hx, hy, hz = hx / norm, hy / norm, hz / norm
    colour = np.empty(3, np.float32)
    for y in range(box[1], box[3]):
        for x in range(box[0], box[2]):
            k = int(part[y, x])
            if k == 0:
                continue
            p = coats[min(int(owner[y, x]), coats.shape[0] - 1)]
            nx, ny, nz = normal[y, x, 0], normal[y, x, 1], normal[y, x, 2]
            px, py, pz = local[y, x, 0], local[y, x, 1], local[y, x, 2]
            head = 16 <= k <= 35
            kind = material[k]
            shine = wetness[k]
            fur = 0.0
            wrap = 0.25
            if kind == 0 or kind == 4:
                ppu = head_detail_px if head else detail_px
                seed = p[33]
                along = 0.3 + 0.7 * p[30]
                if head:
                    sx, sy, sz = along, 1.0, (along if k == 23 or k == 24 else 0.7)
                elif k == 5 or k == 6 or k == 7:
                    sx, sy, sz = 1.0, 1.0, along
                else:
                    sx, sy, sz = along, 1.0, 0.8
                freq = 9.0 if head else 16.0
                weight, total = 1.0, 0.0
                rough = 0.0
                for octave in range(3):
                    fade = min(1.0, max(0.0, ppu / (1.6 * freq) - 0.5))
                    if fade <= 0.0:
                        break
                    n = noise3(sx * freq * px + seed, sy * freq * py, sz * freq * pz - seed)
                    if octave == 0:
                        rough = n
                    fur += weight * fade * n
                    total += weight
                    freq *= 3.4
                    weight *= 1.15
                if total > 0.0:
                    fur = fur / total * 1.7
                coat_colour(p, k, px, py, pz, rough, colour)
                if kind == 4:
                    for c in range(3):
                        colour[c] = 0.45 * colour[c] + 0.55 * p[12 + c]
                shine = p[31]
            elif kind == 1:
                for c in range(3):
                    colour[c] = part_colour[k, c]
            elif kind == 2:
                n = noise3(60.0 * px, 60.0 * py, 60.0 * pz)
                for c in range(3):
                    colour[c] = p[6 + c] * (1.0 + 0.12 * n)
            elif kind == 3:
                for c in range(3):
                    colour[c] = 0.7 * p[9 + c]
            elif kind == 5:
                for c in range(3):
                    colour[c] = p[15 + c]
            else:
                for c in range(3):
                    colour[c] = p[18 + c]
            amp = p[29] if kind == 0 or kind == 4 else 0.0
            lambert = (nx * lx + ny * ly + nz * lz + wrap) / (1.0 + wrap)
            lambert = max(lambert + 0.5 * amp * fur, 0.0)
            sky = 0.62 - 0.38 * ny
            ground = max(ny, 0.0)
            shade = open_sky[y, x]
            rim = 1.0 - max(nz, 0.0)
            edge = rim * rim * rim
            texture = max(1.0 + amp * fur, 0.2)
            half = max(nx * hx + ny * hy + nz * hz, 0.0)
            h4 = half * half
            h4 *= h4
            gloss = h4 * h4 * (h4 * h4 if shine > 0.15 and kind != 0 else 1.0)
            if kind == 3 or k == 27:
                gloss = 1.0 if half > 0.955 else gloss * 0.25
            for c in range(3):
                lit = ambient * sky * light[7 + c] * (0.45 + 0.55 * shade)
                lit += (1.0 - ambient) * 1.25 * lambert * light[4 + c] * (0.35 + 0.65 * shade)
                lit += light[10 + c] * ground
                if kind == 0 or kind == 4:
                    value = colour[c] * lit * texture * (1.0 - 0.22 * edge)
                    value += 26.0 * edge * ambient * light[7 + c] * sky
                else:
                    value = colour[c] * lit
                value += 190.0 * shine * gloss * light[4 + c] * (0.3 + 0.7 * shade)
                image[y, x, c] = value * light[13]


@njit(cache=True, fastmath=True)
def _soften(front: Any, back: Any, part: Any, box: Any) -> None:
    """Composes front over back, the outline spread over three pixels ([1 2 1] coverage)."""
    height, width = part.shape
    for y in range(max(box[1] - 1, 0), min(box[3] + 1, height)):
        for x in range(max(box[0] - 1, 0), min(box[2] + 1, width)):
            inside = part[y, x] != 0
            cover = 0.0
            r, g, b = 0.0, 0.0, 0.0
            for j in range(-1, 2):
                yy = min(max(y + j, 0), height - 1)
                for i in range(-1, 2):
                    xx = min(max(x + i, 0), width - 1)
                    if part[yy, xx] != 0:
                        w = (2.0 - abs(i)) * (2.0 - abs(j))
                        cover += w
                        r += w * front[yy, xx, 0]
                        g += w * front[yy, xx, 1]
                        b += w * front[yy, xx, 2]
            if cover == 0.0:
                continue
            if cover >= 15.99:
                for c in range(3):
                    back[y, x, c] = front[y, x, c]
                continue
            a = cover / 16.0
            if inside:
                for c in range(3):
                    back[y, x, c] += a * (front[y, x, c] - back[y, x, c])
            else:
                back[y, x, 0] += a * (r / cover - back[y, x, 0])
                back[y, x, 1] += a * (g / cover - back[y, x, 1])
                back[y, x, 2] += a * (b / cover - back[y, x, 2])


@njit(cache=True, fastmath=True)
def _crevices(depth: Any, near: Any, out: Any, reach: float, box: Any) -> None:
    for y in range(box[1], box[3]):
        for x in range(box[0], box[2]):
            if depth[y, x] < 1e6:
                cover = near[y // 2, x // 2, 1]
                behind = depth[y, x] - near[y // 2, x // 2, 0] / max(cover, 1e-3)
                out[y, x] = 1.0 - min(max(behind / reach, 0.0), 0.75) * cover


def _open_sky(gbuffer: GBuffer, radius_px: float, reach: float) -> Float32Array:
    """How much light each pixel gets past its neighbours, 0..1: less where they stand in front."""
    out = np.ones(gbuffer.depth.shape, np.float32)
    x0, y0, x1, y1 = gbuffer.box
    if x1 - x0 < 4 or y1 - y0 < 4:
        return out
    depth = np.ascontiguousarray(gbuffer.depth[y0:y1, x0:x1])
    coarse = depth[::2, ::2]
    seen = coarse < np.float32(1e6)
    both = np.empty((*coarse.shape, 2), np.float32)
    both[..., 0] = np.where(seen, coarse, np.float32(0.0))
    both[..., 1] = seen
    near = blur(both, max(0.5 * radius_px, 0.8))
    part_of = np.ones(depth.shape, np.float32)
    _crevices(depth, near, part_of, reach, np.array((0, 0, x1 - x0, y1 - y0)))
    out[y0:y1, x0:x1] = part_of
    return out


def shade(
    gbuffer: GBuffer,
    coats: Coat | tuple[Coat, ...],
    light: Light,
    backdrop: Float32Array,
    *,
    detail_px: float,
    head_detail_px: float | None = None,
) -> Float32Array:
    """The picture of everything in the buffer over the backdrop: (H, W, 3) float32, 0..255.

    `coats`: of owner 0, 1, ... (the last one also for all later owners); `detail_px`: pixels per
    body unit, `head_detail_px`: pixels per head unit (default a quarter of it): fur finer than a
    pixel is left out. The backdrop is not changed.
    """
    out = backdrop.copy()
    x0, y0, x1, y1 = gbuffer.box
    if x1 <= x0 or y1 <= y0:
        return out
    head_px = 0.26 * detail_px if head_detail_px is None else head_detail_px
    group = coats if isinstance(coats, tuple) else (coats,)
    packed = np.stack([coat.packed() for coat in group])
    lamp = np.asarray(
        (*light.direction, light.ambient, *light.tint, *light.sky, *light.bounce, light.strength),
        np.float32,
    )
    sky = _open_sky(gbuffer, 0.10 * detail_px, 0.30)
    front = np.zeros_like(out)
    box = np.asarray(gbuffer.box)
    _shade(
        front,
        gbuffer.part,
        gbuffer.owner,
        gbuffer.normal,
        gbuffer.local_xyz,
        sky,
        packed,
        _MATERIAL,
        _PART_COLOUR,
        _WETNESS,
        lamp,
        float(detail_px),
        float(head_px),
        box,
    )
    _soften(front, out, gbuffer.part, box)
    return out


@njit(cache=True, fastmath=True)
def _darken(image: Any, spots: Any) -> None:
    height, width = image.shape[0], image.shape[1]
    for i in range(spots.shape[0]):
        cx, cy, rx, ry, strength = spots[i]
        if rx < 0.5 or ry < 0.3 or strength <= 0.0:
            continue
        for y in range(max(0, int(cy - 2.2 * ry)), min(height, int(cy + 2.2 * ry) + 2)):
            for x in range(max(0, int(cx - 2.2 * rx)), min(width, int(cx + 2.2 * rx) + 2)):
                u, v = (x + 0.5 - cx) / rx, (y + 0.5 - cy) / ry
                k = 1.0 - strength * math.exp(-1.2 * (u * u + v * v))
                for c in range(3):
                    image[y, x, c] *= k


def contact_shadow(image: Float32Array, spots: NDArray[np.floating[Any]]) -> None:
    """Darkens the ground in place: `spots` (N, 5) = x_px, y_px, half width, half height, strength.

    A body's shadow is one wide weak spot, each standing paw a small strong one.
    """
    if len(spots):
        _darken(image, np.ascontiguousarray(spots, np.float32))


def fur_warp(height: int, width: int, coat: Coat, strand_px: float = 3.0) -> Float32Array:
    """Where each pixel looks aside so that fur frays: (height, width, 2) float32, deviation .35.

    `strand_px`: how long the hair looks, which is also how wide its tufts are. Made for
    `rasterise(..., warp=...)`; smooth, so that tufts stay whole instead of scattering.
    """
    bank = tile_bank(coat.split)
    step = 18.0 / max(2.2 * strand_px, 4.0)
    shift = coat.tile
    ys = (np.arange(height) * step * 0.6 + shift % 251).astype(np.int64) & 255
    xs = (np.arange(width) * step + shift % 241).astype(np.int64) & 255
    across = bank[BLOBS][np.ix_(ys, xs)]
    down = bank[BLOBS][np.ix_((ys + 113) & 255, (xs + 97) & 255)]
    fine = bank[BLOBS][np.ix_((np.arange(height) * 3) & 255, (np.arange(width) * 4 + shift) & 255)]
    across = 0.75 * across + 0.5 * fine
    return np.ascontiguousarray(np.stack([across, down], axis=-1) * np.float32(0.35))
