"""Tileable noise fields that coats, grounds, walls and sensors are textured with."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]

TILE_PX = 256
WHITE, FINE, MEDIUM, COARSE, BLOBS, GRAIN, BLADES, LEAVES = range(8)
TILE_KINDS = 8
"""Kinds in a bank: white, three power laws, blobs, horizontal grain, vertical blades, leaves."""

SPLITS = ("train", "val", "test")
_BANK_SEED = {"train": 20261, "val": 20262, "test": 20263}


def _filtered(rng: np.random.Generator, gain: NDArray[np.float64]) -> Float32Array:
    white = rng.standard_normal((TILE_PX, TILE_PX))
    field = np.fft.irfft2(np.fft.rfft2(white) * gain, s=(TILE_PX, TILE_PX))
    field -= field.mean()
    field /= max(float(field.std()), 1e-9)
    return np.clip(field, -3.0, 3.0).astype(np.float32)


@cache
def tile_bank(split: str) -> Float32Array:
    """The noise tiles of a split: (TILE_KINDS, 256, 256) float32, mean 0, deviation 1, tileable.

    Each split has its own bank, so that no texture of the training pictures returns in a test.
    """
    rng = np.random.default_rng(_BANK_SEED[split])
    fy = np.fft.fftfreq(TILE_PX)[:, None] * TILE_PX
    fx = np.fft.rfftfreq(TILE_PX)[None, :] * TILE_PX
    f = np.hypot(fx, fy)
    safe = np.maximum(f, 1.0)
    ring = np.exp(-(((f - 14.0) / 6.0) ** 2))
    tiles = [
        _filtered(rng, np.ones_like(f)),
        _filtered(rng, safe**-0.6),
        _filtered(rng, safe**-1.1),
        _filtered(rng, safe**-1.8 * (f < 40)),
        _filtered(rng, ring),
        _filtered(rng, np.exp(-((fx / 6.0) ** 2)) * np.maximum(np.abs(fy), 1.0) ** -0.5),
        _filtered(rng, np.exp(-((fy / 26.0) ** 2)) * np.maximum(fx, 1.0) ** -0.25),
    ]
    leaves = np.sin(2.2 * _filtered(rng, np.exp(-(((f - 24.0) / 9.0) ** 2))) + 1.5 * tiles[2])
    tiles.append(((leaves - leaves.mean()) / leaves.std()).astype(np.float32))
    bank = np.stack(tiles)
    bank.setflags(write=False)
    return bank


@cache
def sensor_noise() -> Float32Array:
    """A table of 2^18 standard normal values: sensor noise is read from a random place in it."""
    table = np.random.default_rng(771).standard_normal(1 << 18).astype(np.float32)
    table.setflags(write=False)
    return table
