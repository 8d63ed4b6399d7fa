"""Coats: colours, markings, fur and the colours of nose, eyes and skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]

SOLID, PATCHES, SADDLE, BRINDLE, UNDER, MERLE, TICKED, TAN_POINTS = range(8)
PATTERNS = ("solid", "patches", "saddle", "brindle", "under", "merle", "ticked", "tan_points")

_COLOURS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "train": (
        (30, 28, 28), (58, 40, 30), (92, 58, 38), (128, 82, 48), (166, 108, 64), (194, 144, 92),
        (212, 176, 128), (228, 206, 170), (240, 234, 222), (126, 122, 116), (86, 86, 90),
        (158, 76, 40), (184, 98, 52), (44, 42, 44),
    ),
    "val": ((38, 34, 36), (146, 92, 52), (220, 190, 146), (234, 226, 212), (104, 102, 102),
            (176, 86, 46)),
    "test": ((24, 24, 26), (110, 70, 42), (202, 160, 108), (244, 240, 232), (140, 134, 126),
             (150, 70, 38)),
}  # fmt: skip
_PATTERN_ODDS = {
    "train": (0.30, 0.20, 0.11, 0.06, 0.13, 0.05, 0.05, 0.10),
    "val": (0.26, 0.24, 0.12, 0.06, 0.14, 0.04, 0.04, 0.10),
    "test": (0.26, 0.24, 0.12, 0.06, 0.14, 0.04, 0.04, 0.10),
}
_PATTERN_SEED = {"train": 11, "val": 12, "test": 13}
WHITE_FUR = np.array((232.0, 226.0, 214.0), np.float32)
TAN_FUR = np.array((176.0, 112.0, 62.0), np.float32)

FIELD_WAVES = 6


@dataclass(frozen=True, eq=False)
class Coat:
    """How one dog looks everywhere.

    Colours are (3,) float32 RGB 0..255. `waves` (6, 4): wave vectors (per body unit) and phases
    of the field that lays out patches. `fur_length` in body units (withers height = 1); `fur_amp`
    contrast of the strands 0..1; `curl` 0 straight to 1 curly; strengths 0..1 for `mask` (dark
    muzzle), `blaze` (white stripe down the face), `socks` (white legs up to that share of their
    length), `chest` (white breast), `tan` (tan brow dots, cheeks and legs).
    """

    split: str
    pattern: int
    base: Float32Array
    second: Float32Array
    threshold: float
    waves: Float32Array
    mask: float
    blaze: float
    socks: float
    chest: float
    tan: float
    ear_tint: float
    fur_length: float
    fur_amp: float
    curl: float
    gloss: float
    nose: Float32Array
    iris: Float32Array
    skin: Float32Array
    lip: Float32Array
    collar: Float32Array
    tile: int

    @staticmethod
    def random(rng: np.random.Generator, split: str) -> Coat:
        """A coat out of the split's colours and pattern fields."""
        u = rng.random
        pattern = int(rng.choice(len(PATTERNS), p=_PATTERN_ODDS[split]))
        base = _colour(rng, split)
        second = (
            _colour(rng, split) if u() < 0.4 else WHITE_FUR * np.float32(rng.uniform(0.86, 1.06))
        )
        if pattern == TAN_POINTS:
            base = np.array((34.0, 32.0, 33.0), np.float32) * np.float32(rng.uniform(0.7, 1.8))
        elif pattern == TICKED:
            second, base = base, WHITE_FUR * np.float32(rng.uniform(0.8, 1.02))
        elif pattern == BRINDLE:
            second = base * np.float32(rng.uniform(0.25, 0.5))
        elif pattern == MERLE:
            second = base * np.float32(rng.uniform(0.3, 0.6))
        field = np.random.default_rng((_PATTERN_SEED[split], int(rng.integers(1 << 31))))
        waves = np.empty((FIELD_WAVES, 4), np.float32)
        waves[:, :3] = field.normal(0.0, 1.0, (FIELD_WAVES, 3)) * rng.uniform(2.0, 5.5)
        waves[:, 3] = field.uniform(0.0, 2.0 * np.pi, FIELD_WAVES)
        dark = float(base.mean()) < 60.0
        long_haired = u() < 0.35
        white = u() < 0.45
        return Coat(
            split=split,
            pattern=pattern,
            base=base,
            second=np.clip(second, 0.0, 255.0).astype(np.float32),
            threshold=float(rng.uniform(-0.5, 0.9)),
            waves=waves,
            mask=float(rng.uniform(0.3, 0.95)) if u() < 0.28 and not dark else 0.0,
            blaze=float(rng.uniform(0.2, 1.0)) if white and u() < 0.45 else 0.0,
            socks=float(rng.uniform(0.05, 0.7)) if white and u() < 0.6 else 0.0,
            chest=float(rng.uniform(0.3, 1.0)) if white and u() < 0.6 else 0.0,
            tan=float(rng.uniform(0.6, 1.0)) if pattern == TAN_POINTS else 0.0,
            ear_tint=float(rng.uniform(-0.35, 0.1)),
            fur_length=float(
                rng.uniform(0.022, 0.06) if long_haired else rng.uniform(0.003, 0.016)
            ),
            fur_amp=float(rng.uniform(0.12, 0.30) if long_haired else rng.uniform(0.04, 0.16)),
            curl=float(rng.uniform(0.5, 1.0)) if u() < 0.18 else float(rng.uniform(0.0, 0.25)),
            gloss=float(rng.uniform(0.0, 0.3) * (1.6 if dark else 0.6)),
            nose=_near((36, 32, 33), rng, 0.3) if u() < 0.8 else _near((132, 82, 74), rng, 0.15),
            iris=_iris(rng),
            skin=_near((206, 150, 138), rng, 0.12) if u() < 0.7 else _near((96, 74, 70), rng, 0.2),
            lip=_near((40, 32, 34), rng, 0.25),
            collar=rng.uniform(15.0, 235.0, 3).astype(np.float32),
            tile=int(rng.integers(1 << 16)),
        )

    def packed(self) -> Float32Array:
        """The coat as one (64,) vector, the form that the compiled shader reads."""
        p = np.zeros(64, np.float32)
        p[0:3], p[3:6] = self.base, self.second
        p[6:9], p[9:12], p[12:15], p[15:18] = self.nose, self.iris, self.skin, self.lip
        p[18:21] = self.collar
        p[21:32] = (
            self.pattern, self.threshold, self.mask, self.blaze, self.socks, self.chest, self.tan,
            self.ear_tint, self.fur_amp, self.curl, self.gloss,
        )  # fmt: skip
        p[32], p[33] = self.fur_length, self.tile
        p[40:64] = self.waves.reshape(-1)
        return p


def _near(middle: tuple[int, int, int], rng: np.random.Generator, spread: float) -> Float32Array:
    varied = np.asarray(middle) * (1 + rng.normal(0, spread)) + rng.normal(0, 4, 3)
    return _rgb(varied, 5.0)


def _rgb(values: NDArray[np.float64], low: float) -> Float32Array:
    colour: Float32Array = np.clip(values, low, 250.0).astype(np.float32)
    return colour


def _colour(rng: np.random.Generator, split: str) -> Float32Array:
    palette = np.asarray(_COLOURS[split], np.float64)
    a, b = palette[rng.integers(len(palette))], palette[rng.integers(len(palette))]
    mixed = a + (b - a) * rng.uniform(0.0, 0.2)
    return _rgb(mixed * rng.uniform(0.85, 1.14), 8.0)


def _iris(rng: np.random.Generator) -> Float32Array:
    kinds = ((74, 44, 24), (48, 30, 20), (122, 84, 38), (140, 164, 188), (150, 120, 60))
    return _near(kinds[rng.choice(5, p=[0.42, 0.35, 0.13, 0.04, 0.06])], rng, 0.12)
