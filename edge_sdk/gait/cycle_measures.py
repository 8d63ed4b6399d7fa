"""Formulas from the parameters of the four cycles to the measures of symmetry and timing.

Every function takes parameters (..., 20) in the order of `CycleFit.without` and returns (...), so
that the same formula serves the estimate and its jackknife.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_sdk.gait.limb_cycle import CENTRE, DUTY, TOUCHDOWN, TRAVEL

Array = npt.NDArray[np.float64]
Pair = tuple[int, int]


def symmetry_index(left: Array, right: Array) -> Array:
    """SI = 200 (L - R) / (L + R) in percent (Robinson et al., JMPT 10, 1987); 0 is symmetric."""
    total = left + right
    return np.asarray(200.0 * (left - right) / np.where(np.abs(total) > 1e-9, total, np.nan))


def _column(parameters: Array, limb: int, column: int) -> Array:
    return np.asarray(parameters[..., 4 * limb + column])


def stance_index(parameters: Array, pair: Pair) -> Array:
    """Symmetry index of the stance times: both limbs have the same stride time."""
    return symmetry_index(_column(parameters, pair[0], DUTY), _column(parameters, pair[1], DUTY))


def duty_factor(parameters: Array, pair: Pair) -> Array:
    """Share of the stride that a paw of the pair stands, mean of both, 0 to 1."""
    return np.asarray((_column(parameters, pair[0], DUTY) + _column(parameters, pair[1], DUTY)) / 2)


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
