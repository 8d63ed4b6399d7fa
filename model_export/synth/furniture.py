"""What stands and hangs in rooms, built from soft shapes in metres."""

from __future__ import annotations

import numpy as np

from model_export.synth.humans import CLOTHES, PAINTED, WOOD, Cloth, Rows, pick
from model_export.synth.paint import BLOB, BOX, CAPSULE, ELLIPSE, shape


def sofa(rng: np.random.Generator) -> Rows:
    """A sofa."""
    c = pick(rng, (*CLOTHES, (150, 120, 92), (186, 180, 168)))
    w = rng.uniform(0.7, 1.3)
    cloth: Cloth = {"texture": 0.1, "texel": 0.02, "tile": 3}
    soft = (0.08, 0.0)
    rows = [shape(BOX, (0, -0.62, w, 0.32), c * 0.86, radii=soft, **cloth)]
    n = int(rng.integers(2, 4))
    rows += [
        shape(
            BOX, ((i + 0.5 - n / 2) * 2 * w / n, -0.38, w / n * 0.97, 0.13), c, radii=soft, **cloth
        )
        for i in range(n)
    ]
    rows.append(shape(BOX, (0, -0.14, w, 0.14), c * 0.72, radii=soft, **cloth))
    rows += [shape(BOX, (s * w, -0.32, 0.14, 0.32), c * 0.94, radii=soft, **cloth) for s in (-1, 1)]
    if rng.random() < 0.6:
        rows.append(
            shape(
                BOX,
                (rng.uniform(-0.6, 0.6) * w, -0.58, 0.2, 0.18),
                rng.uniform(30, 240, 3),
                angle_rad=rng.normal(0, 0.25),
                radii=(0.08, 0),
                texture=0.15,
                texel=0.02,
            )
        )
    return rows


def cabinet(rng: np.random.Generator) -> Rows:
    """A cabinet."""
    c = pick(rng, WOOD + PAINTED)
    w, h = rng.uniform(0.3, 0.9), rng.uniform(0.5, 2.0)
    rows = [shape(BOX, (0, -h / 2, w, h / 2), c, texture=0.08, texel=0.02, tile=5)]
    for y in np.arange(0.2, h, rng.uniform(0.25, 0.5)).tolist():
        rows.append(shape(BOX, (0, -y, w * 0.94, 0.012), c * 0.55))
        rows.append(shape(ELLIPSE, (0, -y + 0.08, 0.03, 0.012), (190, 186, 176)))
    return rows


def table(rng: np.random.Generator) -> Rows:
    """A table."""
    c = pick(rng, WOOD)
    w, h = rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.76)
    rows = [shape(BOX, (s * w * 0.9, -h / 2, 0.03, h / 2), c * 0.8, roundness=0.3) for s in (-1, 1)]
    return [*rows, shape(BOX, (0, -h, w, 0.03), c, texture=0.1, texel=0.01, tile=5)]


def bed(rng: np.random.Generator) -> Rows:
    """A bed."""
    c = rng.uniform(60, 240, 3)
    return [
        shape(BOX, (0, -0.2, 1.2, 0.2), pick(rng, WOOD)),
        shape(BOX, (0, -0.42, 1.2, 0.16), c, radii=(0.1, 0), texture=0.12, texel=0.03, tile=3),
        shape(
            BLOB,
            (0.8, -0.62, 0.34, 0.14),
            (236, 234, 230),
            radii=(0.03, 0),
            texture=0.06,
            texel=0.03,
        ),
    ]


def plant(rng: np.random.Generator) -> Rows:
    """A plant."""
    rows = [shape(BOX, (0, -0.14, 0.14, 0.14), pick(rng, PAINTED), radii=(0.03, 0), roundness=0.25)]
    green = pick(rng, ((50, 96, 50), (80, 120, 60)))
    for _ in range(int(rng.integers(5, 10))):
        x, y = rng.normal(0, 0.26), -rng.uniform(0.45, 1.0)
        rows.append(
            shape(
                CAPSULE,
                (0, -0.26, x, y),
                green * rng.uniform(0.7, 1.2),
                radii=(0.012, 0.05),
                roundness=0.2,
            )
        )
    return rows


def bowl(rng: np.random.Generator) -> Rows:
    """A bowl."""
    c = pick(rng, PAINTED)
    return [
        shape(ELLIPSE, (0, -0.03, 0.13, 0.045), c * 0.8, roundness=0.3),
        shape(ELLIPSE, (0, -0.06, 0.12, 0.03), c * 0.5),
    ]


def picture(rng: np.random.Generator) -> Rows:
    """A picture."""
    w, h = rng.uniform(0.15, 0.6), rng.uniform(0.15, 0.5)
    return [
        shape(BOX, (0, 0, w + 0.03, h + 0.03), pick(rng, WOOD + PAINTED)),
        shape(
            BOX,
            (0, 0, w, h),
            rng.uniform(30, 235, 3),
            texture=0.35,
            texel=0.03,
            tile=3,
            phase=rng.uniform(0, 9),
        ),
    ]


def window(rng: np.random.Generator) -> Rows:
    """A window."""
    w, h = rng.uniform(0.4, 1.0), rng.uniform(0.5, 1.1)
    light = np.array((206.0, 222.0, 236.0)) * rng.uniform(0.6, 1.1)
    rows = [
        shape(BOX, (0, 0, w + 0.06, h + 0.06), (236, 234, 230)),
        shape(BOX, (0, 0, w, h), np.clip(light, 0, 255), texture=0.12, texel=0.05, tile=3),
        shape(BOX, (0, 0, 0.03, h), (230, 228, 224)),
    ]
    if rng.random() < 0.5:
        curtain = rng.uniform(60, 240, 3)
        rows += [
            shape(
                BOX,
                (s * (w + 0.15), 0.1, 0.28, h + 0.3),
                curtain,
                texture=0.22,
                texel=0.012,
                tile=6,
            )
            for s in (-1, 1)
        ]
    return rows


def door(rng: np.random.Generator) -> Rows:
    """A door."""
    c = pick(rng, WOOD + PAINTED)
    return [
        shape(BOX, (0, -1.0, 0.5, 1.02), c * 0.7),
        shape(BOX, (0, -1.0, 0.44, 1.0), c, texture=0.06, texel=0.02, tile=6),
        shape(ELLIPSE, (0.34, -1.0, 0.04, 0.03), (190, 180, 150)),
    ]
