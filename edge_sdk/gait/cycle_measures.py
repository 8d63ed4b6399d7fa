"""Formulas from the parameters of the four cycles to the measures of symmetry and timing.

Every function takes parameters (..., 20) in the order of `CycleFit.jackknife` and returns (...), so
that the same formula serves the estimate and its jackknife.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.gait.limb_cycle import CENTRE, DUTY, GIRDLE, SHARPNESS, TOUCHDOWN, TRAVEL

Array = npt.NDArray[np.float64]
Pair = tuple[int, int]

# A sharp swing leaves and meets the ground so softly that the fit takes its ends for stance, and
# finds two thirds of its sharpness: the asymmetry shrinks and the stance grows by so much per unit
# of sharpness found. From generated walks with cubic, half-cosine and minimum-jerk swings
# (docs/decisions/0009).
SHARPNESS_RANGE: Final = (0.0, 1.0)
INDEX_LOST: Final = 0.28
STANCE_GAINED: Final = 0.06


def symmetry_index(left: Array, right: Array) -> Array:
    """SI = 200 (L - R) / (L + R) in percent (Robinson et al., JMPT 10, 1987); 0 is symmetric."""
    total = left + right
    return np.asarray(200.0 * (left - right) / np.where(np.abs(total) > 1e-9, total, np.nan))


def _column(parameters: Array, limb: int, column: int) -> Array:
    return np.asarray(parameters[..., 4 * limb + column])


def sharpness(parameters: Array, pair: Pair) -> Array:
    """Sharpness of the pair's swing, 0 (cubic or softer) to 1 (minimum jerk or sharper)."""
    column = 16 + 2 * int(GIRDLE[pair[0]]) + SHARPNESS
    return np.asarray(np.clip(parameters[..., column], *SHARPNESS_RANGE))


def stance_index(parameters: Array, pair: Pair) -> Array:
    """Symmetry index of the stance times: both limbs have the same stride time."""
    index = symmetry_index(_column(parameters, pair[0], DUTY), _column(parameters, pair[1], DUTY))
    return np.asarray(index * (1.0 + INDEX_LOST * sharpness(parameters, pair)))


def duty_factor(parameters: Array, pair: Pair) -> Array:
    """Share of the stride that a paw of the pair stands, mean of both, 0 to 1."""
    fitted = (_column(parameters, pair[0], DUTY) + _column(parameters, pair[1], DUTY)) / 2
    return np.asarray(fitted - STANCE_GAINED * sharpness(parameters, pair))


def travel(parameters: Array) -> Array:
    """Way of the dog per stride in trunk lengths: stride length."""
    return np.asarray(np.mean([_column(parameters, limb, TRAVEL) for limb in range(4)], axis=0))


def turn(parameters: Array, pair: Pair) -> Array:
    """Touchdown of the left after that of the right in strides, about 0.5 in walk and trot."""
    return (_column(parameters, pair[0], TOUCHDOWN) - _column(parameters, pair[1], TOUCHDOWN)) % 1.0


def step_index(parameters: Array, pair: Pair, view_offset: float) -> Array:
    """Symmetry index of step lengths: how far ahead of the other's print each paw lands.

    In the dog's frame a print made `turn` strides ago has gone back by turn x travel. The view's
    own offset between the sides (`view_offset`, trunk lengths) is taken out: an oblique camera is
    no limp.
    """
    landing = [
        _column(parameters, limb, CENTRE)
        + _column(parameters, limb, TRAVEL) * _column(parameters, limb, DUTY) / 2
        for limb in pair
    ]
    ahead = landing[0] - landing[1] - view_offset
    way = (_column(parameters, pair[0], TRAVEL) + _column(parameters, pair[1], TRAVEL)) / 2
    later = turn(parameters, pair)
    return symmetry_index(way * later + ahead, way * (1 - later) - ahead)


def retraction_index(parameters: Array, pair: Pair, view_offset: float) -> Array:
    """Symmetry index of peak retraction: how far behind its mean place each paw lifts off.

    Measured from the middle of both limbs' ranges, half the view's offset taken from each side.
    """
    back = [
        -_column(parameters, limb, CENTRE)
        + _column(parameters, limb, TRAVEL) * _column(parameters, limb, DUTY) / 2
        for limb in pair
    ]
    middle = (_column(parameters, pair[0], CENTRE) + _column(parameters, pair[1], CENTRE)) / 2
    return symmetry_index(back[0] + middle + view_offset / 2, back[1] + middle - view_offset / 2)
