"""People, built from soft shapes, and the colours of skin, cloth, wood and paint."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from model_export.synth.paint import BLOB, BOX, CAPSULE, ELLIPSE, shape

Rows = list[list[float]]
Colour = NDArray[np.float64]

CLOTHES = (
    (32, 38, 60),
    (60, 62, 66),
    (120, 30, 34),
    (205, 202, 196),
    (44, 84, 120),
    (30, 30, 32),
    (84, 102, 72),
    (170, 140, 100),
    (190, 90, 40),
    (228, 196, 60),
)
SKIN = ((236, 196, 170), (222, 176, 146), (196, 144, 108), (150, 100, 72), (98, 64, 48))
WOOD = ((132, 92, 58), (98, 64, 40), (176, 138, 96), (70, 46, 32), (200, 170, 130))
PAINTED = (
    (240, 238, 232),
    (60, 66, 72),
    (150, 44, 40),
    (52, 76, 110),
    (196, 196, 194),
    (28, 28, 30),
    (90, 110, 96),
    (216, 176, 70),
)


class Cloth(TypedDict, total=False):
    """How a surface looks, as keywords of `paint.shape`."""

    texture: float
    texel: float
    tile: int
    roundness: float


def pick(rng: np.random.Generator, palette: tuple[tuple[int, int, int], ...]) -> Colour:
    """A colour of the palette, varied a little in brightness and in hue."""
    base = np.asarray(palette[rng.integers(len(palette))], np.float64)
    return np.clip(base * rng.uniform(0.75, 1.15) + rng.normal(0.0, 6.0, 3), 4.0, 250.0)


def person(rng: np.random.Generator, seated: bool = False) -> Rows:
    """A standing or crouching person of 1.5 to 1.9 m, limbs as capsules."""
    top, legs = pick(rng, CLOTHES), pick(rng, CLOTHES)
    skin, hair = (
        pick(rng, SKIN),
        pick(rng, ((30, 24, 22), (70, 46, 30), (170, 130, 80), (120, 116, 112))),
    )
    k = rng.uniform(0.88, 1.1)
    drop = 0.42 if seated else 0.0
    cloth: Cloth = {"texture": 0.14, "texel": 0.025, "tile": 3, "roundness": 0.3}
    rows: Rows = []
    step = rng.normal(0, 0.14)
    for x in (-0.1, 0.1):
        foot = x + (step if x > 0 else -step)
        knee = (x * 1.2 + 0.1, -0.46 * k)
        rows += [
            shape(
                CAPSULE,
                (x * k, -(0.86 - drop) * k, knee[0], knee[1]),
                legs,
                radii=(0.1, 0.075),
                **cloth,
            ),
            shape(
                CAPSULE, (knee[0], knee[1], foot, -0.06), legs * 0.95, radii=(0.075, 0.05), **cloth
            ),
            shape(
                CAPSULE,
                (foot - 0.05, -0.04, foot + 0.14, -0.035),
                pick(rng, PAINTED),
                radii=(0.05, 0.04),
            ),
        ]
    hip, shoulder = -(0.88 - drop) * k, -(1.42 - drop) * k
    rows.append(
        shape(
            CAPSULE, (0, hip, rng.normal(0, 0.06), shoulder + 0.1), top, radii=(0.15, 0.2), **cloth
        )
    )
    for side in (-1, 1):
        elbow = (side * rng.uniform(0.24, 0.34), shoulder + 0.32 * k)
        hand = (elbow[0] + rng.normal(0, 0.16), elbow[1] + rng.uniform(0.05, 0.3))
        sleeve = top if rng.random() < 0.6 else skin
        rows += [
            shape(
                CAPSULE,
                (side * 0.17, shoulder + 0.05, *elbow),
                top * 0.96,
                radii=(0.07, 0.05),
                **cloth,
            ),
            shape(CAPSULE, (*elbow, *hand), sleeve, radii=(0.048, 0.036), roundness=0.3),
            shape(ELLIPSE, (hand[0], hand[1] + 0.04, 0.045, 0.06), skin, roundness=0.15),
        ]
    rows += face((rng.normal(0, 0.03), shoulder - 0.2 * k), 0.115 * k, skin, hair, rng)
    return rows


def face(
    centre: tuple[float, float], radius: float, skin: Colour, hair: Colour, rng: np.random.Generator
) -> Rows:
    """A human face seen from the front: the usual neighbour of a dog in a photograph."""
    x, y, r = centre[0], centre[1], radius
    turn = rng.normal(0, 0.25) * r
    rows = [
        shape(CAPSULE, (x, y + r, x, y + 1.7 * r), lighter(skin, 0.85), radii=(0.45 * r, 0.5 * r)),
        shape(
            BLOB,
            (x, y - 0.28 * r, 1.02 * r, 1.2 * r),
            hair,
            radii=(0.05 * r, 0),
            texture=0.2,
            texel=r / 16,
            tile=6,
        ),
        shape(ELLIPSE, (x + 0.3 * turn, y + 0.12 * r, 0.82 * r, 1.08 * r), skin, roundness=0.14),
    ]
    for side in (-1, 1):
        ex = x + turn + side * 0.34 * r
        rows += [
            shape(ELLIPSE, (ex, y - 0.02 * r, 0.16 * r, 0.08 * r), (232, 228, 224)),
            shape(ELLIPSE, (ex, y - 0.02 * r, 0.075 * r, 0.08 * r), (42, 30, 26)),
            shape(BOX, (ex, y - 0.22 * r, 0.2 * r, 0.04 * r), hair, radii=(0.02 * r, 0)),
        ]
    rows += [
        shape(
            ELLIPSE,
            (x + 1.2 * turn, y + 0.28 * r, 0.1 * r, 0.15 * r),
            lighter(skin, 0.9),
            softness=0.1 * r,
        ),
        shape(
            ELLIPSE, (x + turn, y + 0.62 * r, 0.3 * r, rng.uniform(0.04, 0.12) * r), (158, 70, 66)
        ),
    ]
    return rows


def lighter(colour: Colour, factor: float) -> Colour:
    """The colour, darker or lighter by a factor."""
    return np.clip(colour * factor, 0.0, 255.0)
