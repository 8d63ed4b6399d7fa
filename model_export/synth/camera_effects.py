"""What a phone does to a picture: exposure, colour, blur, noise and block compression."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from model_export.synth.noise import sensor_noise
from model_export.synth.paint import Float32Array, blur

UInt8Array = NDArray[np.uint8]

_DCT = np.array(
    [
        [
            math.cos((2 * x + 1) * u * math.pi / 16) * (math.sqrt(0.125) if u == 0 else 0.5)
            for x in range(8)
        ]
        for u in range(8)
    ],
    np.float32,
)
_LUMA_STEPS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56], [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
    ], np.float32,
)  # fmt: skip
"""The luminance table of ITU-T T.81, annex K.1; the loss of chroma is modelled by 2x2 averaging."""


@njit(cache=True, fastmath=True)
def _tone(image: Any, gains: Any, curve: Any, table: Any, start: int, noise: float, shot: float,
          chroma: float, vignette: float) -> Any:  # fmt: skip
    height, width = image.shape[0], image.shape[1]
    out = np.empty((height, width, 3), np.float32)
    mask = table.shape[0] - 1
    at = start
    half_w, half_h = 0.5 * width, 0.5 * height
    norm = vignette / (half_w * half_w + half_h * half_h)
    for y in range(height):
        for x in range(width):
            fall = 1.0 - norm * ((x - half_w) ** 2 + (y - half_h) ** 2)
            common = table[at & mask] * (1.0 - chroma)
            for c in range(3):
                v = image[y, x, c] * gains[c] * fall
                v = min(max(v, 0.0), 255.0)
                at += 1
                v += (noise + shot * math.sqrt(v)) * (common + chroma * table[(at * 7 + c) & mask])
                v = min(max(v, 0.0), 255.0)
                low = int(v)
                high = min(low + 1, 255)
                out[y, x, c] = curve[low] + (curve[high] - curve[low]) * (v - low)
    return out


@njit(cache=True, fastmath=True)
def _motion(image: Any, dx: float, dy: float) -> Any:
    height, width = image.shape[0], image.shape[1]
    taps = max(2, math.ceil(max(abs(dx), abs(dy))) + 1)
    out = np.zeros((height, width, 3), np.float32)
    inv = 1.0 / taps
    for k in range(taps):
        t = k / (taps - 1) - 0.5
        ox, oy = round(dx * t), round(dy * t)
        for y in range(height):
            sy = min(max(y + oy, 0), height - 1)
            for x in range(width):
                sx = min(max(x + ox, 0), width - 1)
                for c in range(3):
                    out[y, x, c] += image[sy, sx, c] * inv
    return out


@njit(cache=True, fastmath=True)
def _blocks(image: Any, steps: Any, dct: Any) -> None:
    height, width = image.shape[0] // 8 * 8, image.shape[1] // 8 * 8
    block = np.empty((8, 8), np.float32)
    half = np.empty((8, 8), np.float32)
    for by in range(0, height, 8):
        for bx in range(0, width, 8):
            for i in range(8):
                for j in range(8):
                    p = image[by + i, bx + j]
                    block[i, j] = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2] - 128.0
            for u in range(8):
                for j in range(8):
                    s = np.float32(0.0)
                    for i in range(8):
                        s += dct[u, i] * block[i, j]
                    half[u, j] = s
            for u in range(8):
                for v in range(8):
                    s = np.float32(0.0)
                    for j in range(8):
                        s += half[u, j] * dct[v, j]
                    block[u, v] = np.floor(s / steps[u, v] + np.float32(0.5)) * steps[u, v]
            for i in range(8):
                for v in range(8):
                    s = np.float32(0.0)
                    for u in range(8):
                        s += dct[u, i] * block[u, v]
                    half[i, v] = s
            for i in range(0, 8, 2):
                for j in range(0, 8, 2):
                    cr = np.float32(0.0)
                    cb = np.float32(0.0)
                    for a in range(2):
                        for b in range(2):
                            p = image[by + i + a, bx + j + b]
                            luma = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]
                            cr += 0.25 * (p[0] - luma)
                            cb += 0.25 * (p[2] - luma)
                    for a in range(2):
                        for b in range(2):
                            s = np.float32(0.0)
                            for v in range(8):
                                s += half[i + a, v] * dct[v, j + b]
                            s += 128.0
                            p = image[by + i + a, bx + j + b]
                            p[0] = s + cr
                            p[1] = s - 0.5094 * cr - 0.1942 * cb
                            p[2] = s + cb


@dataclass(frozen=True)
class CameraEffects:
    """One camera and one exposure; the same value applied twice gives the same bytes.

    `gains` white balance times exposure; `gamma`, `contrast`, `offset` the tone curve; blurs in
    pixels per 100 px of picture height; `sharpen` how much fine contrast the camera adds; `noise`
    constant and `shot` signal dependent deviation, `chroma` the share of it that is coloured;
    `quality` of the block compression, 100 = none; `grey` mixes towards a grey picture;
    `metering` is the mean brightness that the exposure aims at, 0 = no automatic exposure.
    """

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    contrast: float = 1.0
    offset: float = 0.0
    blur: float = 0.0
    sharpen: float = 0.0
    motion: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.0
    shot: float = 0.0
    chroma: float = 0.5
    vignette: float = 0.0
    quality: float = 100.0
    grey: float = 0.0
    metering: float = 0.0
    seed: int = 0

    @staticmethod
    def random(rng: np.random.Generator, strength: float = 1.0) -> CameraEffects:
        """A camera; `strength` 0 is a perfect one, 1 the whole range of phones and daylight."""
        s = strength
        exposure = math.exp(rng.normal(0.0, 0.14) * s)
        warmth = rng.normal(0.0, 0.06) * s
        u = rng.random(6)
        angle, length = rng.uniform(0, 2 * math.pi), rng.uniform(0.5, 2.2) * s
        return CameraEffects(
            gains=(
                exposure * (1 + warmth),
                exposure * (1 + rng.normal(0, 0.02) * s),
                exposure * (1 - warmth),
            ),
            gamma=float(math.exp(rng.normal(0.0, 0.16) * s)),
            contrast=float(1.0 + rng.uniform(-0.12, 0.38) * s),
            offset=float(rng.uniform(-10.0, 14.0) * s),
            blur=float(rng.uniform(0.15, 0.6) * s) if u[0] < 0.35 else 0.0,
            sharpen=float(rng.uniform(0.3, 1.4) * s) if u[0] > 0.45 else 0.0,
            motion=(math.cos(angle) * length, math.sin(angle) * length * 0.5)
            if u[1] < 0.15
            else (0.0, 0.0),
            noise=float(abs(rng.normal(0.0, 2.0)) * s) if u[2] < 0.7 else 0.0,
            shot=float(abs(rng.normal(0.0, 0.25)) * s) if u[2] < 0.7 else 0.0,
            chroma=float(rng.uniform(0.2, 0.8)),
            vignette=float(rng.uniform(0.0, 0.3) * s) if u[3] < 0.4 else 0.0,
            quality=float(rng.uniform(30.0, 92.0)) if u[4] < 0.5 * s else 100.0,
            grey=(1.0 if u[5] < 0.03 else float(rng.uniform(0, 0.4) * (u[5] < 0.35))) * s,
            metering=float(rng.uniform(80.0, 145.0)) if rng.random() < 0.85 else 0.0,
            seed=int(rng.integers(1 << 18)),
        )

    def blur_px(self, height: int) -> float:
        """Spread of everything that this camera softens in a picture of a height, in px."""
        # A line of length L spreads like a normal curve of L / sqrt(12).
        moved = math.hypot(*self.motion) / math.sqrt(12.0)
        return math.hypot(self.blur, moved) * height / 100.0

    def apply(
        self,
        image: Float32Array,
        frame: int = 0,
        subject_xyxy: NDArray[np.float64] | None = None,
    ) -> UInt8Array:
        """The picture as this camera gives it: (H, W, 3) float32 0..255 in, uint8 out.

        `frame` moves the sensor noise on, so that a clip does not carry a frozen pattern.
        `subject_xyxy`: a box that counts for two thirds of the automatic exposure, as when tapped.
        """
        height = image.shape[0]
        work = blur(image, self.blur * height / 100.0)
        if self.sharpen > 0.0:
            work = work + np.float32(self.sharpen) * (work - blur(work, 0.7))
        dx, dy = (m * height / 100.0 for m in self.motion)
        if max(abs(dx), abs(dy)) >= 1.0:
            work = _motion(work, dx, dy)
        x = np.arange(256, dtype=np.float64) / 255.0
        curve = 255.0 * ((x**self.gamma - 0.5) * self.contrast + 0.5) + self.offset
        gains = np.asarray(self.gains, np.float32)
        if self.metering > 0.0:
            mean, most = float(work[::3, ::3].mean()), 2.2
            if subject_xyxy is not None:
                x0, y0, x1, y1 = (int(v) for v in subject_xyxy)
                inside = float(work[y0:y1:3, x0:x1:3].mean())
                mean, most = (mean + 2 * inside) / 3, 3.0
            gains = gains * np.float32(min(max(self.metering / max(mean, 1.0), 0.6), most))
        work = _tone(
            work,
            gains,
            np.clip(curve, 0, 255).astype(np.float32),
            sensor_noise(),
            self.seed + 7919 * frame,
            self.noise,
            self.shot,
            self.chroma,
            self.vignette,
        )
        if self.grey > 0.0:
            luma = work @ np.array((0.299, 0.587, 0.114), np.float32)
            work += np.float32(self.grey) * (luma[..., None] - work)
        if self.quality < 100.0:
            factor = 50.0 / self.quality if self.quality < 50 else 2.0 - self.quality / 50.0
            _blocks(work, np.maximum(_LUMA_STEPS * np.float32(factor), 1.0), _DCT)
        out: UInt8Array = np.clip(work + 0.5, 0.0, 255.0).astype(np.uint8)
        return out
