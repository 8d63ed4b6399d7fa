"""Ears as thin sheets of cones: erect, half erect, folded and hanging, moved by the expression.

The movements are DogFACS' ear actions: forward (EAD101), drawn together (EAD102), flattened
(EAD103), turned out (EAD104), down (EAD105).
"""

from __future__ import annotations

import numpy as np

from model_export.synth import parts
from model_export.synth.expression import Expression
from model_export.synth.head_shape import HeadShape
from model_export.synth.primitives import PrimitiveList
from model_export.synth.vectors import Vector, cross, unit


def add_ears(
    s: PrimitiveList, h: HeadShape, e: Expression
) -> tuple[tuple[Vector, Vector], tuple[Vector, Vector]]:
    """Adds both ears; returns (base, tip) of the left and of the right one, each (3,)."""
    return _ear(s, h, e, 1), _ear(s, h, e, -1)


def _sheet(
    s: PrimitiveList, spine: list[Vector], halves: list[Vector], cup: list[Vector], inside: int
) -> None:
    """A leaf of skin along a spine with a rounded rim.

    `halves` (3,) reach from the spine to the edge at each station; `cup` (3,) points where the
    opening looks and says how deep it is: the spine lies that far behind the edges. The side that
    `cup` points to is `inside`.
    """
    left = [p - w for p, w in zip(spine, halves, strict=True)]
    right = [p + w for p, w in zip(spine, halves, strict=True)]
    middle = [p - c for p, c in zip(spine, cup, strict=True)]
    for i in range(len(spine) - 1):
        for edge in (left, right):
            rim = 0.022
            s.cone(edge[i], edge[i + 1], rim, rim, parts.EAR_OUTER, blend=0.01)
            for corners in (
                (edge[i], middle[i], edge[i + 1]),
                (middle[i], middle[i + 1], edge[i + 1]),
            ):
                a, b, c = corners
                outward = float(np.dot(cross(b - a, c - a), cup[0]))
                front, back = (
                    (inside, parts.EAR_OUTER) if outward > 0 else (parts.EAR_OUTER, inside)
                )
                s.triangle(a, b, c, front, part_back=back)


def _ear(s: PrimitiveList, h: HeadShape, e: Expression, side: int) -> tuple[Vector, Vector]:
    i = 0 if side > 0 else 1
    flat, forward, turned = e.ears_flattened[i], e.ears_forward[i], e.ears_rotated[i]
    together = e.ears_adducted * (1.0 - flat)
    length, width = h.ear_length, h.ear_width
    sw = h.skull_width
    base = np.array(
        (-0.10, (0.36 - 0.13 * h.ear_set) * side * sw, (0.12 + 0.26 * h.ear_set) * h.skull_height)
    )
    base = base + np.array(
        (-0.05 * flat + 0.03 * forward, 0.02 * side * flat, -0.05 * flat + 0.02 * forward)
    )
    if h.ears == "floppy":
        return _hanging(s, base, length, width, side, flat, forward, turned)
    out = (
        0.34
        + 0.30 * turned
        + 0.34 * flat
        - 0.16 * together
        - 0.08 * forward
        + 0.25 * (1 - h.ear_set)
    )
    lean = -0.10 + 0.24 * forward - 1.05 * flat - 0.14 * turned
    rise = 1.0 - 0.82 * flat
    up = unit(np.array((lean, out * side, rise)))
    facing = unit(
        np.array(
            (0.95 - 0.5 * flat - 0.45 * turned, (0.22 + 0.7 * turned + 0.5 * flat) * side, 0.06)
        )
    )
    across = unit(cross(up, facing))
    facing = unit(cross(across, up))
    if h.ears == "erect":
        spine = [
            base - up * 0.06,
            base + up * 0.3 * length,
            base + up * 0.66 * length,
            base + up * length,
        ]
        halves = [across * width * k for k in (1.0, 0.95, 0.58, 0.08)]
        depth = [facing * width * k for k in (0.75, 0.55, 0.25, 0.03)]
        _sheet(s, spine, halves, depth, parts.EAR_INNER)
        s.ball(base - facing * 0.04, 0.8 * width, parts.SKULL, blend=0.08)
        return base, base + up * length
    stand = 0.62 if h.ears == "semi" else 0.34
    bend = base + up * stand * length
    drop = unit(
        np.array(
            (
                0.75 - 1.0 * flat - 0.2 * turned,
                (0.30 + 0.3 * turned) * side,
                -0.62 + 0.55 * forward * (1 - flat) - 0.3 * flat,
            )
        )
    )
    tip_length = (1.0 - stand) * length
    tip = bend + drop * tip_length
    shallow = facing * width * 0.4
    _sheet(
        s,
        [base - up * 0.05, base + up * 0.5 * stand * length, bend],
        [across * width * k for k in (1.0, 1.0, 0.85)],
        [shallow, shallow, 0.4 * shallow],
        parts.EAR_INNER,
    )
    fold = unit(cross(across, drop)) * width * 0.12
    fold = fold if fold[0] < 0 else -fold
    _sheet(
        s,
        [bend, bend + drop * 0.5 * tip_length + facing * 0.04, tip],
        [across * width * k for k in (0.85, 0.6, 0.12)],
        [fold, fold, 0.3 * fold],
        parts.EAR_INNER,
    )
    s.ball(base - facing * 0.04, 0.7 * width, parts.SKULL, blend=0.08)
    return base, tip


def _hanging(
    s: PrimitiveList,
    base: Vector,
    length: float,
    width: float,
    side: int,
    flat: float,
    forward: float,
    turned: float,
) -> tuple[Vector, Vector]:
    # EAD103 of a hanging ear: its root is drawn back and down, so that no crest stands out.
    base = base + flat * np.array((-0.08, 0.0, -0.07))
    out = unit(
        np.array(
            (-0.10 + 0.25 * forward - 0.60 * flat, 0.95 * side, 0.30 + 0.45 * forward - 0.60 * flat)
        )
    )
    crest = base + out * (0.15 + 0.03 * forward)
    fall = unit(
        np.array(
            (
                0.02 + 0.30 * forward - 0.95 * flat,
                (0.16 + 0.18 * forward + 0.1 * turned - 0.12 * flat) * side,
                -1.0,
            )
        )
    )
    middle = crest + fall * 0.5 * length
    curl = np.array((0.10 + 0.1 * forward - 0.1 * flat, -0.06 * side, 0.0)) * length
    tip = crest + fall * length + curl
    along = unit(np.array((0.93 - 0.25 * turned, -(0.28 + 0.3 * turned) * side, 0.05)))
    spine = [
        base,
        crest,
        crest + fall * 0.25 * length,
        middle + 0.3 * curl,
        crest + fall * 0.82 * length + 0.8 * curl,
        tip,
    ]
    halves = [along * width * k for k in (0.7, 0.9, 1.05, 1.05, 0.74, 0.25)]
    inwards = np.array((-0.1, -1.0 * side, 0.0)) * width
    depth = [inwards * k for k in (0.2, 0.3, 0.25, 0.2, 0.12, 0.05)]
    _sheet(s, spine, halves, depth, parts.EAR_INNER)
    return base, tip
