"""How the trunk moves over the paws that stand: bob, its unevenness, and unsteady sway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.gait.anatomy import HIND, PAWS, TAIL_BASE, WITHERS
from edge_sdk.gait.body_track import BodyTrack
from edge_sdk.gait.cycle_fit import CycleFit, stride_members
from edge_sdk.gait.limb_cycle import DUTY, TOUCHDOWN

Array = npt.NDArray[np.float64]

# The paw rolls on and off the ground at the ends of stance; its middle stands.
STANDS_FROM, STANDS_TO = 0.15, 0.85
HARMONICS: Final = 3
# What moves together this long after is motion; noise of single frames is forgotten by then.
MEMORY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class TrunkMotion:
    """Motion of the trunk in trunk lengths; each (R,): all strides, then without one each.

    `bob` vertical range of the pelvis over a stride, `uneven` its height at mid-stance of the left
    hind limb less that of the right (negative: it drops on the left), `pitch` range of the
    stride's own nodding, `sway` (1,) root mean square of what does not repeat each stride.
    """

    bob: Array
    uneven: Array
    pitch: Array
    sway: float
    frames: int


def trunk_motion(
    track: BodyTrack, fit: CycleFit, standing: Array, foreshortening: float
) -> TrunkMotion:
    """Measure the trunk against the standing paws, so that camera shake cancels.

    `standing` (4, T) weights of frames in which each paw stands. `foreshortening` as in
    `joint_curves`.
    """
    up = track.up * foreshortening
    ground, support = _ground(up[:, PAWS].T, standing)
    tail_w = np.where(support > 0, track.weight[:, TAIL_BASE], 0.0)
    withers_w = np.minimum(track.weight[:, WITHERS], track.weight[:, TAIL_BASE])
    if not withers_w.any():
        withers_w = track.trunk_seen.astype(np.float64)
    pelvis = up[:, TAIL_BASE] - ground
    nod = up[:, WITHERS] - up[:, TAIL_BASE]
    pelvis_wave, pelvis_rest = _waves(pelvis, tail_w, fit.phase)
    nod_wave, nod_rest = _waves(nod, withers_w, fit.phase)
    mid = fit.cycle.limbs[list(HIND), TOUCHDOWN] + fit.cycle.limbs[list(HIND), DUTY] / 2
    at = _basis(mid)[:, 1:]
    uneven = pelvis_wave @ (at[0] - at[1])
    grid = _basis(np.arange(48) / 48)[:, 1:]
    surge = _common_residual(fit)
    lasting = (
        _remembered(pelvis_rest, tail_w, track.rate_hz),
        _remembered(nod_rest, withers_w, track.rate_hz),
        _remembered(surge, np.asarray((fit.weight > 0).any(0), np.float64), track.rate_hz),
    )
    return TrunkMotion(
        bob=np.ptp(pelvis_wave @ grid.T, axis=1),
        uneven=uneven,
        pitch=np.ptp(nod_wave @ grid.T, axis=1),
        sway=float(np.sqrt(sum(lasting))),
        frames=int((tail_w > 0).sum()),
    )


def _ground(height: Array, standing: Array) -> tuple[Array, Array]:
    """Height of the ground (T,) under the trunk, from the paws that stand, and their weight."""
    total = np.maximum(standing.sum(1), 1e-9)
    level = (standing * height).sum(1) / total
    support = standing.sum(0)
    ground = np.zeros(height.shape[1])
    for _ in range(3):
        ground = (standing * (height - level[:, None])).sum(0) / np.maximum(support, 1e-9)
        level = (standing * (height - ground)).sum(1) / total
    return ground, support


def _basis(phase: Array) -> Array:
    turns = 2 * np.pi * np.outer(phase, np.arange(1, HARMONICS + 1))
    return np.column_stack([np.ones(len(phase)), np.cos(turns), np.sin(turns)])


def _waves(signal: Array, w: Array, phase: Array) -> tuple[Array, Array]:
    """Harmonics (R, 6) of a signal over the stride, without each stride too, and its rest (T,)."""
    basis = _basis(phase)
    slow = np.linspace(-1.0, 1.0, len(phase))
    full = np.column_stack([basis, slow, slow**2, slow**3])
    weighted = full * w[:, None]
    matrix = weighted.T @ full + 1e-6 * max(w.sum(), 1.0) * np.eye(full.shape[1])
    best = np.linalg.solve(matrix, weighted.T @ signal)
    rest = signal - full @ best
    member = stride_members(phase)
    count = member.shape[1]
    pulls = (weighted * rest[:, None]).T @ member
    away = np.linalg.solve(matrix, pulls).T * (count / max(count - 1, 1))
    return np.concatenate([best[None], best[None] - away])[:, 1 : 1 + 2 * HARMONICS], rest


def _common_residual(fit: CycleFit) -> Array:
    """What all paws leave their cycle by together: the trunk runs ahead or falls behind."""
    total: Array = fit.weight.sum(0)
    return np.asarray((fit.weight * fit.residual).sum(0) / np.maximum(total, 1e-9))


def _remembered(rest: Array, w: Array, rate_hz: float) -> float:
    """Variance of the part of a signal that lasts: the covariance with itself a moment later."""
    later = max(1, round(MEMORY_S * rate_hz))
    both = (w[:-later] > 0) & (w[later:] > 0)
    if both.sum() < 10:
        return 0.0
    spread = 1.4826 * float(np.median(np.abs(rest[w > 0])))
    calm = np.clip(rest, -4 * spread, 4 * spread)
    return max(float((calm[:-later] * calm[later:])[both].mean()), 0.0)
