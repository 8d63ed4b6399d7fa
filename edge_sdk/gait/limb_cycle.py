"""The cycle of one paw in the dog's frame: a curve with few parameters and its derivatives.

On the ground a paw stands still while the trunk passes over it at a steady speed, so seen from the
trunk it moves back along a straight line, as far per stride as the dog travels (`travel`). In the
air it is carried forward by the same way along a smooth step:

    x(p) = centre + travel * (duty / 2 - p + step(q)),   q = (p - duty) / (1 - duty) within 0..1

with p the phase since touchdown. `step` runs from 0 to 1, flat at both ends: the cubic smoothstep,
plus `sharpness` towards the minimum-jerk quintic (Flash and Hogan, J. Neuroscience 5, 1985), plus
`skew` for early or late swings. Stance time comes from where line and step meet, fitted over all
frames of all strides at once, so a contact is timed far finer than the frames are apart, and no
threshold on a paw's own percentiles hides that one stance is shorter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

CENTRE, TOUCHDOWN, DUTY, TRAVEL = range(4)
"""Columns of `Cycle.limbs`."""

SHARPNESS, SKEW = range(2)
"""Columns of `Cycle.swings`."""

GIRDLE: Final = np.array([0, 1, 0, 1])
"""Fore (0) or hind (1) girdle of each limb: left and right share the shape of their swing."""

DUTY_RANGE: Final = (0.2, 0.9)
SHARPNESS_RANGE: Final = (-1.0, 2.0)
SKEW_RANGE: Final = (-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Cycle:
    """Parameters of all four limbs.

    `limbs` (4, 4): centre and travel in trunk lengths, touchdown in strides, duty 0 to 1;
    `swings` (2, 2): sharpness and skew of the fore and the hind girdle.
    """

    limbs: Array
    swings: Array


@dataclass(frozen=True, slots=True)
class Curve:
    """The cycle at given phases: `position` (4, T), phase since touchdown `since` (4, T) and the
    derivatives `slopes` (4, 6, T) by centre, touchdown, duty, travel, sharpness and skew.
    """

    position: Array
    since: Array
    slopes: Array


def curve(cycle: Cycle, phase: Array) -> Curve:
    """Evaluate the cycle at phases (T,) in strides."""
    centre, touchdown, duty, travel = (cycle.limbs[:, k, None] for k in range(4))
    sharpness, skew = (cycle.swings[GIRDLE, k, None] for k in range(2))
    since = (phase[None, :] - touchdown) % 1.0
    air = 1.0 - duty
    q = np.clip((since - duty) / air, 0.0, 1.0)
    flat = q * (1 - q)
    bump = flat * flat
    turn = 2 * q - 1
    step = q * q * (3 - 2 * q) + bump * (3 * sharpness * turn + 4 * skew)
    rate = flat * (6 - turn * (6 * sharpness * turn + 8 * skew)) + 6 * sharpness * bump
    shape = duty / 2 - since + step
    slopes = np.empty((4, 6, len(phase)))
    slopes[:, 0] = 1.0
    slopes[:, 1] = travel * (1 - rate / air)
    slopes[:, 2] = travel * (0.5 - rate * (1 - q) / air)
    slopes[:, 3] = shape
    slopes[:, 4] = travel * 3 * bump * turn
    slopes[:, 5] = travel * 4 * bump
    return Curve(centre + travel * shape, since, slopes)
