"""Fit the cycles of four paws to a clip: robust, weighted, with its uncertainty by strides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.gait.limb_cycle import (
    DUTY,
    DUTY_RANGE,
    GIRDLE,
    SHARPNESS_RANGE,
    SKEW_RANGE,
    TOUCHDOWN,
    TRAVEL,
    Curve,
    Cycle,
    curve,
)

Array = npt.NDArray[np.float64]

# Huber's bound in standard deviations; beyond OUTLIER a point is no sample of this paw.
HUBER: Final = 2.0
OUTLIER: Final = 6.0
# Pixels are not finer than this share of a trunk length.
LEAST_NOISE: Final = 0.004

# What is known before looking. All paws travel as far as the dog, but the far side looks smaller
# and an oblique view stretches one end (scatter of `travel`, relative); swings lie between cubic
# and quintic steps (sharpness) and are nearly even (skew, held tightly: free, it takes asymmetry
# away). What sharpness the fit still misses, `cycle_measures` makes good.
TRAVEL_SCATTER: Final = 0.05
SHARPNESS_MEAN: Final = 0.5
SHARPNESS_SCATTER: Final = 0.6
SKEW_SCATTER: Final = 0.06

# The phase may leave the smooth rhythm by this much (standard deviation, strides).
PHASE_SCATTER: Final = 0.05
LARGEST_PHASE_STEP: Final = 0.1

# A paw whose cycle explains less than this of its motion, and so much less than its partner's, is
# carried now and then. Frames this far (trunk lengths) off a tried cycle are of carried strides.
CLEAR_CYCLE: Final = 0.85
BEHIND_PARTNER: Final = 0.12
NEAR_CYCLE: Final = 0.15
_SHIFTS: Final = np.linspace(-0.21, 0.21, 12)
_STRETCHES: Final = np.array([0.8, 0.9, 1.0])

_PARAMETERS: Final = 20
_PLACE: Final = np.array([[4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3, 16 + 2 * g, 17 + 2 * g]
                          for i, g in enumerate(GIRDLE)])  # fmt: skip
_CELLS: Final = (_PLACE[:, :, None] * _PARAMETERS + _PLACE[:, None, :]).ravel()
_TRAVELS: Final = slice(TRAVEL, 16, 4)
_EVEN: Final = np.eye(4) - 0.25
_SWINGS: Final = np.arange(16, 20)
_SWING_MEAN: Final = np.tile([SHARPNESS_MEAN, 0.0], 2)
_SWING_GRIP: Final = np.tile([SHARPNESS_SCATTER**-2, SKEW_SCATTER**-2], 2)
_GUESS_CALM: Final = np.diag([1e-6, 0.05, 0.05] + 6 * [1e-4])
_LARGEST_STEP: Final = np.array([np.inf, 0.08, 0.08, np.inf])


@dataclass(frozen=True, slots=True)
class CycleFit:
    """The cycle of a clip and how sure it is.

    `cycle` the best fit; `jackknife` (1 + n, 20) its parameters, limbs before swings, and those
    refitted without each of n strides (one Newton step); `phase` (T,) corrected; `residual` (4, T),
    `weight` (4, T) with robust weights over noise variance, `noise` (4,) in trunk lengths, `curve`
    at the frames.
    """

    cycle: Cycle
    jackknife: Array
    phase: Array
    residual: Array
    weight: Array
    noise: Array
    curve: Curve


def first_guess(phase: Array, position: Array, weight: Array) -> tuple[Cycle, Array, Array]:
    """Start from three harmonics a limb: touchdown near the foremost, lift-off near the rearmost.

    Returns the cycle, the share of each limb's variance that rhythm explains (4,), and the slow
    drift (4, T) of each limb's centre, as perspective makes when the dog passes the camera.
    """
    along = np.linspace(-1.0, 1.0, len(phase))
    turns = 2 * np.pi * np.outer(phase, (1, 2, 3))
    basis = np.column_stack(
        [np.ones(len(phase)), along, along**2 - 1 / 3, np.cos(turns), np.sin(turns)]
    )
    grid = np.arange(128) / 128
    turns = 2 * np.pi * np.outer(grid, (1, 2, 3))
    wave = np.column_stack([np.ones(128), np.cos(turns), np.sin(turns)])
    total = weight.sum(1)
    weighted = weight[:, None, :] * basis.T
    matrix = weighted @ basis + _GUESS_CALM * total[:, None, None]
    c = np.linalg.solve(matrix, weighted @ position[:, :, None])[:, :, 0]
    drift = c[:, 1:3] @ basis[:, 1:3].T
    level = position - drift
    mean = (weight * level).sum(1) / total
    spread = (weight * (level - mean[:, None]) ** 2).sum(1)
    left = (weight * (position - c @ basis.T) ** 2).sum(1)
    explained = np.where(spread > 0, 1.0 - left / np.where(spread > 0, spread, 1.0), 0.0)
    y = np.delete(c, (1, 2), axis=1) @ wave.T
    foremost, rearmost = grid[y.argmax(1)], grid[y.argmin(1)]
    high, low = y.max(1), y.min(1)
    duty = np.clip((rearmost - foremost) % 1.0, 0.3, 0.8)
    travel = np.maximum(high - low, 1e-3) / duty
    limbs = np.stack([(high + low) / 2, foremost, duty, travel], axis=1)
    return Cycle(limbs, np.tile([SHARPNESS_MEAN, 0.0], (2, 1))), explained, drift


def after_partner(
    guess: Cycle, explained: Array, phase: Array, position: Array, weight: Array
) -> tuple[Cycle, npt.NDArray[np.bool_]]:
    """Start a limb that is often carried from its partner's cycle, about half a stride later.

    A limb carried in every third stride has no mean path that resembles a stride. The partner's
    cycle, moved and stretched to where most frames lie near it, does. Returns which limbs (4,)
    those are: the first fit leaves them out, so that their carried strides are found against a
    sound cycle instead of bending it.
    """
    limbs, unsure = guess.limbs.copy(), np.zeros(4, bool)
    for limb, partner in enumerate((2, 3, 0, 1)):
        if explained[limb] >= min(CLEAR_CYCLE, explained[partner] - BEHIND_PARTNER):
            continue
        tried = np.repeat(guess.limbs[partner][None], len(_SHIFTS) * len(_STRETCHES), axis=0)
        tried[:, TOUCHDOWN] += 0.5 + np.repeat(_SHIFTS, len(_STRETCHES))
        tried[:, DUTY] *= np.tile(_STRETCHES, len(_SHIFTS))
        costs = []
        for four in tried.reshape(-1, 4, 4):
            off = np.abs(position[limb] - curve(Cycle(four, guess.swings), phase).position)
            costs.append(np.minimum(off, NEAR_CYCLE) @ weight[limb])
        limbs[limb] = tried[int(np.argmin(np.concatenate(costs)))]
        unsure[limb] = True
    return Cycle(limbs, guess.swings), unsure


def refine(
    cycle: Cycle, phase: Array, position: Array, weight: Array, rounds: int
) -> tuple[Cycle, Array, Array, Curve, Array, Array]:
    """Gauss-Newton rounds of the penalised robust fit.

    Returns the cycle, residuals (4, T), robust weights (4, T), the curve, the noise (4,) and the
    normal matrix (20, 20), the last five at the last round's start.
    """
    for _ in range(rounds):
        at = curve(cycle, phase)
        residual = np.where(weight > 0, position - at.position, 0.0)
        noise = _noise(residual, weight)
        off = np.abs(residual) / noise[:, None]
        robust = np.where(off < HUBER, 1.0, HUBER / np.maximum(off, HUBER)) * (off < OUTLIER)
        w = weight * robust / noise[:, None] ** 2
        weighted = at.slopes * w[:, None, :]
        blocks = weighted @ at.slopes.transpose(0, 2, 1)
        pulls = weighted @ residual[:, :, None]
        cells: Array = np.bincount(_CELLS, blocks.ravel(), _PARAMETERS**2).astype(np.float64)
        matrix = cells.reshape(_PARAMETERS, _PARAMETERS)
        pull: Array = np.bincount(_PLACE.ravel(), pulls.ravel(), _PARAMETERS).astype(np.float64)
        _add_prior(matrix, pull, cycle)
        step = np.linalg.solve(matrix, pull)
        moved = np.clip(step[:16].reshape(4, 4), -_LARGEST_STEP, _LARGEST_STEP)
        limbs = cycle.limbs + moved
        limbs[:, DUTY] = np.clip(limbs[:, DUTY], *DUTY_RANGE)
        limbs[:, TRAVEL] = np.maximum(limbs[:, TRAVEL], 1e-3)
        swings = cycle.swings + np.clip(step[16:].reshape(2, 2), -0.5, 0.5)
        swings[:, 0] = np.clip(swings[:, 0], *SHARPNESS_RANGE)
        swings[:, 1] = np.clip(swings[:, 1], *SKEW_RANGE)
        cycle = Cycle(limbs, swings)
    return cycle, residual, w, at, noise, matrix


def follow_phase(
    at: Curve, residual: Array, weight: Array, time_s: Array, stride_s: float
) -> Array:
    """How far (T,) the phase is from the rhythm, by all four paws over one whole stride.

    Over a whole stride, what repeats each stride cancels: a limp stays in the limbs and is not
    taken for time running unevenly.
    """
    slope = -at.slopes[:, 1]
    pull = np.concatenate([[0.0], np.cumsum((weight * slope * residual).sum(0))])
    grip = np.concatenate([[0.0], np.cumsum((weight * slope * slope).sum(0))])
    first = np.searchsorted(time_s, time_s - stride_s / 2)
    last = np.searchsorted(time_s, time_s + stride_s / 2)
    step = (pull[last] - pull[first]) / (grip[last] - grip[first] + 1 / PHASE_SCATTER**2)
    return np.asarray(np.clip(step, -LARGEST_PHASE_STEP, LARGEST_PHASE_STEP))


def fit_cycle(
    cycle: Cycle, phase: Array, position: Array, weight: Array, time_s: Array, stride_s: float
) -> CycleFit:
    """Fit all four limbs to (4, T) positions with weights (0 = missing), from a first guess."""
    for rounds in (3, 2):
        cycle, residual, w, at, _, _ = refine(cycle, phase, position, weight, rounds)
        phase = phase + follow_phase(at, residual, w, time_s, stride_s)
    cycle, *_ = refine(cycle, phase, position, weight, 2)
    # One round more only reads off residuals and matrix at the solution.
    last, residual, w, at, noise, matrix = refine(cycle, phase, position, weight, 1)
    pulls = _pulls_by_stride(at, residual, w, phase)
    strides = len(pulls)
    away = np.linalg.solve(matrix, pulls.T).T * (strides / max(strides - 1, 1))
    best = np.concatenate([last.limbs.ravel(), last.swings.ravel()])
    return CycleFit(last, np.vstack([best, best - away]), phase, residual, w, noise, at)


def stride_members(phase: Array) -> Array:
    """Which of n whole strides each frame belongs to, (T, n) of 0 and 1."""
    strides = max(round(float(phase[-1] - phase[0])), 1)
    share = (phase - phase[0]) / max(float(phase[-1] - phase[0]), 1e-9)
    number = np.clip(np.floor(share * strides), 0, strides - 1)
    return np.asarray(number[:, None] == np.arange(strides), dtype=np.float64)


def _noise(residual: Array, weight: Array) -> Array:
    """Robust standard deviation of each limb's residuals, never finer than pixels."""
    seen = weight > 0
    ordered = np.sort(np.where(seen, np.abs(residual), np.inf), axis=1)
    middle = ordered[np.arange(len(ordered)), np.maximum(seen.sum(1) - 1, 0) // 2]
    return np.maximum(1.4826 * np.where(np.isfinite(middle), middle, 0.0), LEAST_NOISE)


def _add_prior(matrix: Array, pull: Array, cycle: Cycle) -> None:
    travel = cycle.limbs[:, TRAVEL]
    even = _EVEN / (TRAVEL_SCATTER * max(float(travel.mean()), 1e-3)) ** 2
    matrix[_TRAVELS, _TRAVELS] += even
    pull[_TRAVELS] -= even @ travel
    matrix[_SWINGS, _SWINGS] += _SWING_GRIP
    pull[_SWINGS] -= _SWING_GRIP * (cycle.swings.ravel() - _SWING_MEAN)
    # A limb that is never seen has no pull on its own parameters; they stay where they are.
    diagonal = matrix.ravel()[:: _PARAMETERS + 1]
    diagonal += 1e-9 * diagonal.mean() + 1e-6


def _pulls_by_stride(at: Curve, residual: Array, w: Array, phase: Array) -> Array:
    """Gradient of the fit (n, 20) by each stride of the common phase; loose ends join the next."""
    member = stride_members(phase)
    single = (at.slopes * (w * residual)[:, None, :]) @ member
    pulls = np.zeros((member.shape[1], _PARAMETERS))
    for limb in range(4):
        pulls[:, _PLACE[limb]] += single[limb].T
    return pulls
