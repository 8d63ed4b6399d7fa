"""What else is in a photograph of a dog: people beside it, hands, poles, grass in front of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_export.synth import humans
from model_export.synth.noise import tile_bank
from model_export.synth.paint import (
    BLOB,
    BOX,
    CAPSULE,
    ELLIPSE,
    SHAPE_COLUMNS,
    Float32Array,
    paint,
    shape,
)


def placed(rows: list[list[float]], x: float, y: float, scale: float) -> Float32Array:
    """A prop of `scenery` (metres) at a point of the picture, `scale` pixels per metre."""
    table = np.asarray(rows, np.float32).reshape(-1, SHAPE_COLUMNS)
    capsule = table[:, 0] == CAPSULE
    table[:, 1:7] *= np.float32(scale)
    table[:, [12, 15, 17]] *= np.float32(scale)
    table[:, 1] += np.float32(x)
    table[:, 2] += np.float32(y)
    table[capsule, 3] += np.float32(x)
    table[capsule, 4] += np.float32(y)
    return table


def hand(rng: np.random.Generator, x: float, y: float, size: float) -> Float32Array:
    """A hand with its forearm that reaches to (x, y); `size` px is the palm's width."""
    skin = humans.pick(rng, humans.SKIN)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array((np.cos(angle), np.sin(angle)))
    side = np.array((-along[1], along[0]))
    centre = np.array((x, y))
    wrist = centre + along * size * 0.9
    arm = centre + along * size * 7.0
    sleeve = rng.uniform(20, 230, 3)
    bare = rng.uniform(1.2, 4.0)
    rows = [
        shape(
            CAPSULE,
            (*wrist, *(centre + along * size * (bare + 0.5))),
            skin,
            radii=(0.36 * size, 0.5 * size),
            roundness=0.3,
        ),
        shape(
            CAPSULE,
            (*(centre + along * size * (bare + 0.4)), *arm),
            sleeve,
            radii=(0.62 * size, 0.8 * size),
            roundness=0.3,
            texture=0.15,
            texel=size / 12,
            tile=3,
        ),
        shape(ELLIPSE, (*centre, 0.52 * size, 0.58 * size), skin, roundness=0.15),
    ]
    for i in range(5):
        spread = (i - 1.7) * 0.26
        root = centre + side * spread * size - along * 0.25 * size
        reach = 0.95 if i < 4 else 0.55
        tip = root - along * size * reach + side * spread * 0.6 * size
        rows.append(
            shape(
                CAPSULE,
                (*root, *tip),
                skin * rng.uniform(0.92, 1.02),
                radii=(0.15 * size, 0.11 * size),
                roundness=0.3,
            )
        )
    return np.asarray(rows, np.float32)


def _toy(rng: np.random.Generator, x: float, y: float, r: float) -> Float32Array:
    """A plush or a cushion: furry, round and no dog."""
    colour = rng.uniform(20, 240, 3)
    rows = [
        shape(
            BLOB,
            (x, y, r, r * rng.uniform(0.7, 1.2)),
            colour,
            radii=(0.06 * r, 0),
            texture=0.25,
            texel=r / 30,
            tile=6,
            roundness=-0.25,
            phase=rng.uniform(0, 9) * r,
        )
    ]
    for _ in range(int(rng.integers(0, 5))):
        dx, dy = rng.normal(0, 0.45, 2) * r
        q = r * rng.uniform(0.08, 0.3)
        rows.append(
            shape(
                ELLIPSE,
                (x + dx, y + dy, q, q * rng.uniform(0.6, 1.2)),
                rng.uniform(10, 240, 3),
                roundness=-0.2,
            )
        )
    return np.asarray(rows, np.float32)


def distractor(
    image: Float32Array, rng: np.random.Generator, split: str, px_per_m: float, always: bool = False
) -> None:
    """Sometimes (or `always`) a person, a human face or a toy, painted in place behind the dog."""
    if not always and rng.random() > 0.3:
        return
    height, width = image.shape[:2]
    bank = tile_bank(split)
    x, kind = rng.uniform(0, width), rng.random()
    if kind < 0.4:
        person = humans.person(rng, seated=bool(rng.random() < 0.4))
        paint(
            image,
            placed(person, x, height * rng.uniform(0.75, 1.6), px_per_m * rng.uniform(0.6, 1.2)),
            bank,
        )
    elif kind < 0.7:
        skin = humans.pick(rng, humans.SKIN)
        hair = humans.pick(rng, ((30, 24, 22), (70, 46, 30), (170, 130, 80)))
        r = height * rng.uniform(0.08, 0.26)
        y = rng.uniform(0.1, 0.6) * height
        shirt = rng.uniform(20, 235, 3)
        rows = [
            shape(
                BOX,
                (0, 3.4 * r, 2.1 * r, 1.9 * r),
                shirt,
                radii=(0.9 * r, 0),
                texture=0.15,
                texel=r / 20,
                tile=3,
            )
        ]
        rows += humans.face((0.0, 0.0), r, skin, hair, rng)
        paint(image, placed(rows, x, y, 1.0), bank)
    elif kind < 0.85:
        paint(
            image,
            _toy(rng, x, rng.uniform(0.3, 1.0) * height, height * rng.uniform(0.06, 0.3)),
            bank,
        )
    else:
        paint(
            image,
            hand(rng, x, rng.uniform(0.2, 0.9) * height, height * rng.uniform(0.05, 0.12)),
            bank,
        )


def occluders(
    image: Float32Array,
    covered: Float32Array,
    rng: np.random.Generator,
    split: str,
    avoid_xyxy: NDArray[np.float64] | None,
) -> None:
    """Paints a pole, grass, a hand, a leash or a ball in front; `covered` (H, W) gets the opacity.

    `avoid_xyxy`: a face, of which the middle is left free so that its expression can be seen.
    """
    height, width = image.shape[:2]
    bank = tile_bank(split)
    kind = int(rng.integers(5))
    x = rng.uniform(0, width)
    if avoid_xyxy is not None and kind in (0, 3, 4):
        x0, x1 = avoid_xyxy[0], avoid_xyxy[2]
        edge = 0.12 * (x1 - x0)
        x = float(
            rng.choice(
                [rng.uniform(-0.05 * width, x0 + edge), rng.uniform(x1 - edge, 1.05 * width)]
            )
        )
    colour = rng.uniform(15, 235, 3)
    rows: list[list[float]] = []
    if kind == 0:
        r = rng.uniform(0.01, 0.045) * width
        rows = [
            shape(
                CAPSULE,
                (x, -9, x + rng.normal(0, 0.05) * width, height + 9),
                colour,
                radii=(r, r),
                roundness=0.4,
            )
        ]
    elif kind == 1:
        green = np.array((96, 128, 62)) * rng.uniform(0.6, 1.25)
        base = rng.uniform(0.08, 0.3) * height
        for _ in range(46):
            gx, gh = rng.uniform(0, width), base * rng.uniform(0.3, 1.1)
            rows.append(
                shape(
                    CAPSULE,
                    (gx, height + 2, gx + rng.normal(0, 0.3) * gh, height - gh),
                    green * rng.uniform(0.7, 1.2),
                    radii=(width / 110, width / 400),
                )
            )
    elif kind == 2:
        knot = (x, rng.uniform(0.6, 1.0) * height)
        far = (rng.uniform(0, width), -5.0)
        rows = [
            shape(
                CAPSULE,
                (*knot, *far),
                colour * 0.6,
                radii=(width / 130, width / 160),
                roundness=0.3,
            )
        ]
    elif kind == 3:
        rows = hand(
            rng, x, rng.uniform(0.2, 0.95) * height, height * rng.uniform(0.05, 0.11)
        ).tolist()
    else:
        r = rng.uniform(0.03, 0.1) * width
        rows = [shape(ELLIPSE, (x, rng.uniform(0.6, 0.98) * height, r, r), colour, roundness=-0.35)]
    paint(image, np.asarray(rows, np.float32), bank, covered)
