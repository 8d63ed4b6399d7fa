"""A person and a leash as shapes that stand among the dog's own: they hide it and are hidden."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from model_export.synth import parts
from model_export.synth.primitives import PrimitiveList, Primitives

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Person:
    """Somebody beside the dog. Lengths in metres unless said otherwise.

    `spot_xy` between the feet and `units_per_m` in body units of the dog; `heading_rad` where the
    person faces; `hand_side` +1 the left hand holds the leash; `reach` how far it is held ahead and
    `drop` below the elbow.
    """

    spot_xy: tuple[float, float]
    units_per_m: float
    heading_rad: float
    hand_side: float
    reach: float
    drop: float
    bare_shins: bool

    @staticmethod
    def random(
        rng: np.random.Generator, spot_xy: FloatArray, units_per_m: float, heading_rad: float
    ) -> Person:
        """Anybody at this place."""
        return Person(
            (float(spot_xy[0]), float(spot_xy[1])), units_per_m, heading_rad,
            1.0 if rng.random() < 0.5 else -1.0, float(rng.uniform(0.05, 0.25)),
            float(rng.uniform(0.0, 0.22)), bool(rng.random() < 0.25),
        )  # fmt: skip

    def shapes(self, step: float) -> tuple[Primitives, FloatArray]:
        """The person with the left foot `step` metres ahead, and where the hand is (3,)."""
        m = self.units_per_m
        s = PrimitiveList()
        ahead = np.array((np.cos(self.heading_rad), np.sin(self.heading_rad), 0.0))
        across = np.array((-ahead[1], ahead[0], 0.0))
        base = np.array((*self.spot_xy, 0.0))
        up = np.array((0.0, 0.0, 1.0))
        shin = parts.PERSON_SKIN if self.bare_shins else parts.PERSON_TROUSERS
        for side in (-1.0, 1.0):
            foot = base + m * (0.09 * side * across + step * side * ahead)
            knee = base + m * (
                0.10 * side * across + (0.4 * step * side + 0.05) * ahead + 0.48 * up
            )
            hip = base + m * (0.10 * side * across + 0.9 * up)
            s.cone(hip, knee, 0.10 * m, 0.07 * m, parts.PERSON_TROUSERS)
            s.cone(knee, foot + 0.1 * m * up, 0.07 * m, 0.05 * m, shin)
            toe = foot + m * (0.16 * ahead + 0.04 * up)
            s.cone(foot + 0.05 * m * up, toe, 0.05 * m, 0.042 * m, parts.PERSON_SHOE)
        chest = base + 1.35 * m * up
        s.cone(base + 0.95 * m * up, chest, 0.15 * m, 0.2 * m, parts.PERSON_SHIRT)
        shoulder = chest + 0.2 * m * self.hand_side * across
        elbow = shoulder + m * (0.08 * self.hand_side * across - 0.28 * up)
        hand = elbow + m * (self.reach * ahead - self.drop * up)
        s.cone(shoulder, elbow, 0.06 * m, 0.05 * m, parts.PERSON_SHIRT)
        s.cone(elbow, hand, 0.045 * m, 0.035 * m, parts.PERSON_SKIN)
        return s.build(), hand


def leash(start: FloatArray, end: FloatArray, slack: float, thickness: float) -> Primitives:
    """A leash from collar to hand; `slack` 0..1 how far it hangs through, all in body units."""
    s = PrimitiveList()
    t = np.linspace(0, 1, 9)
    path = start + t[:, None] * (end - start)
    path[:, 2] -= 2.4 * slack * t * (1 - t)
    path[:, 2] = np.maximum(path[:, 2], 0.02)
    for one, two in pairwise(path):
        s.cone(one, two, thickness, thickness, parts.LEASH)
    return s.build()
