"""What stands in a scene: trees, fences, cars, people, furniture, each built from soft shapes.

A prop is a table of `paint.SHAPE_COLUMNS` in metres, x to the right and y downwards from the
point where it touches the ground (or from eye level for things that hang on a wall).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_export.synth import furniture
from model_export.synth.humans import PAINTED, WOOD, Rows, person, pick
from model_export.synth.paint import BLOB, BOX, CAPSULE, ELLIPSE, shape


def _tree(rng: np.random.Generator) -> Rows:
    h = rng.uniform(2.5, 7.0)
    r = rng.uniform(0.08, 0.28)
    bark = pick(rng, ((92, 74, 58), (120, 104, 88), (64, 52, 42), (150, 140, 128)))
    green = pick(rng, ((58, 92, 40), (84, 116, 52), (42, 70, 36), (128, 120, 48), (150, 96, 44)))
    rows = [
        shape(
            CAPSULE,
            (0, 0, rng.normal(0, 0.2), -h),
            bark,
            radii=(r, r * 0.6),
            texture=0.16,
            texel=0.012,
            tile=6,
            roundness=0.35,
        ),
    ]
    for _ in range(int(rng.integers(3, 7))):
        s = rng.uniform(0.6, 1.4)
        rows.append(
            shape(
                BLOB,
                (rng.normal(0, 0.8), -h + rng.normal(0, 0.7), s * 1.2, s),
                green,
                radii=(0.14, 0.0),
                texture=0.3,
                texel=0.03,
                tile=7,
                roundness=-0.18,
                phase=rng.uniform(0, 9),
                softness=0.06,
            )
        )
    return rows


def _bush(rng: np.random.Generator) -> Rows:
    green = pick(rng, ((62, 96, 44), (44, 74, 38), (98, 118, 58), (120, 104, 60)))
    rows: Rows = []
    for _ in range(int(rng.integers(2, 5))):
        w, h = rng.uniform(0.25, 0.7), rng.uniform(0.2, 0.6)
        rows.append(
            shape(
                BLOB,
                (rng.normal(0, 0.4), -h * 0.7, w, h),
                green,
                radii=(0.07, 0.0),
                texture=0.32,
                texel=0.016,
                tile=7,
                roundness=-0.25,
                phase=rng.uniform(0, 9),
            )
        )
    return rows


def _fence(rng: np.random.Generator) -> Rows:
    colour = pick(rng, WOOD + PAINTED[:2])
    h, gap = rng.uniform(0.8, 1.7), rng.uniform(0.1, 0.5)
    w = gap * rng.uniform(0.12, 0.44)
    half = rng.uniform(1.5, 3.5)
    rows = [
        shape(BOX, (0, -h * f, half, 0.035), colour * 0.85, texture=0.1, texel=0.01, tile=5)
        for f in (0.25, 0.8)
    ]
    rows += [
        shape(
            BOX,
            (x, -h / 2, w, h / 2),
            colour * rng.uniform(0.9, 1.08),
            radii=(0.02, 0.0),
            texture=0.1,
            texel=0.01,
            tile=6,
            roundness=0.2,
        )
        for x in np.arange(-half, half, gap).tolist()
    ]
    return rows


def _pole(rng: np.random.Generator) -> Rows:
    r = rng.uniform(0.02, 0.09)
    return [shape(CAPSULE, (0, 0, 0, -4.0), pick(rng, PAINTED), radii=(r, r), roundness=0.4)]


def _car(rng: np.random.Generator) -> Rows:
    paint_colour = pick(rng, PAINTED)
    half, h = rng.uniform(1.7, 2.2), rng.uniform(1.3, 1.7)
    rows = [
        shape(BOX, (0, -0.1, half, 0.08), (18, 18, 20), softness=0.15, opacity=0.7),
        shape(
            BOX,
            (rng.normal(0, 0.15), -h * 0.72, half * 0.62, h * 0.27),
            paint_colour * 0.9,
            radii=(0.3, 0.0),
            roundness=0.1,
        ),
        shape(
            BOX,
            (0, -h * 0.74, half * 0.53, h * 0.19),
            (62, 74, 84),
            radii=(0.16, 0.0),
            texture=0.2,
            texel=0.05,
            tile=3,
        ),
        shape(
            BOX,
            (0, -h * 0.42, half, h * 0.22),
            paint_colour,
            radii=(0.2, 0.0),
            texture=0.05,
            texel=0.05,
            tile=3,
        ),
    ]
    for x in (-0.6, 0.62):
        rows.append(shape(ELLIPSE, (x * half, -0.32, 0.33, 0.33), (22, 22, 24)))
        rows.append(shape(ELLIPSE, (x * half, -0.32, 0.2, 0.2), (150, 152, 156), roundness=0.3))
    return rows


def _bench(rng: np.random.Generator) -> Rows:
    wood = pick(rng, WOOD)
    rows = [shape(BOX, (x, -0.22, 0.03, 0.22), (40, 40, 42)) for x in (-0.6, 0.6)]
    rows += [
        shape(BOX, (0, -y, 0.8, 0.04), wood * f, texture=0.1, texel=0.01, tile=5)
        for y, f in ((0.45, 1.0), (0.62, 0.9), (0.76, 0.95))
    ]
    return rows


def _house(rng: np.random.Generator) -> Rows:
    w, h = rng.uniform(2.5, 5.0), rng.uniform(3.0, 6.0)
    wall = pick(
        rng, ((206, 196, 180), (168, 96, 78), (226, 224, 216), (150, 150, 152), (188, 170, 130))
    )
    rows = [shape(BOX, (0, -h / 2, w, h / 2), wall, texture=0.1, texel=0.03, tile=1)]
    for x in np.arange(-w + 0.8, w - 0.4, 1.5).tolist():
        for y in np.arange(1.4, h - 0.5, 2.2).tolist():
            rows.append(shape(BOX, (x, -y, 0.42, 0.6), (232, 230, 226)))
            rows.append(
                shape(BOX, (x, -y, 0.36, 0.54), (64, 74, 84), texture=0.25, texel=0.05, tile=3)
            )
    return rows


def _rock(rng: np.random.Generator) -> Rows:
    w = rng.uniform(0.1, 0.5)
    return [
        shape(
            BLOB,
            (0, -w * 0.3, w, w * 0.55),
            pick(rng, ((120, 116, 110), (92, 88, 84), (150, 140, 124))),
            radii=(0.03, 0),
            texture=0.2,
            texel=0.012,
            tile=2,
            roundness=-0.3,
            phase=rng.uniform(0, 9),
        )
    ]


def _ball(rng: np.random.Generator) -> Rows:
    r = rng.uniform(0.04, 0.14)
    colour = rng.uniform(30, 240, 3)
    return [
        shape(ELLIPSE, (0, -0.01, r * 1.1, r * 0.3), (20, 20, 20), softness=r * 0.6, opacity=0.5),
        shape(ELLIPSE, (0, -r, r, r), colour, roundness=-0.35),
    ]


def _litter(rng: np.random.Generator) -> Rows:
    palette = (
        (150, 96, 44),
        (176, 130, 50),
        (226, 214, 90),
        (230, 228, 226),
        (96, 70, 44),
        (190, 80, 110),
    )
    colour = pick(rng, palette)
    return [
        shape(
            ELLIPSE,
            (
                rng.normal(0, 0.5),
                -abs(rng.normal(0, 0.02)),
                rng.uniform(0.015, 0.05),
                rng.uniform(0.006, 0.02),
            ),
            colour * rng.uniform(0.8, 1.2),
        )
        for _ in range(int(rng.integers(5, 16)))
    ]


def _shade_patch(rng: np.random.Generator) -> Rows:
    return [
        shape(
            BLOB,
            (rng.normal(0, 0.6), 0.02, rng.uniform(0.3, 1.4), rng.uniform(0.04, 0.2)),
            (14, 16, 18),
            radii=(0.12, 0),
            texel=0.05,
            softness=0.08,
            opacity=rng.uniform(0.15, 0.45),
            phase=rng.uniform(0, 9),
        )
        for _ in range(3)
    ]


PROPS: dict[str, Callable[[np.random.Generator], Rows]] = {
    "tree": _tree,
    "bush": _bush,
    "fence": _fence,
    "pole": _pole,
    "car": _car,
    "person": person,
    "bench": _bench,
    "house": _house,
    "rock": _rock,
    "ball": _ball,
    "litter": _litter,
    "sofa": furniture.sofa,
    "cabinet": furniture.cabinet,
    "table": furniture.table,
    "bed": furniture.bed,
    "plant": furniture.plant,
    "bowl": furniture.bowl,
    "picture": furniture.picture,
    "window": furniture.window,
    "door": furniture.door,
    "shade": _shade_patch,
}
HANGING = frozenset({"picture", "window"})
"""Props that hang on the wall at eye level instead of standing on the ground."""
FLAT = frozenset({"shade", "litter", "ball", "bowl", "rock"})
"""Props that may lie in front of the dog: low enough not to hide it."""
