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
# A trunk moves slower than this; what is quicker is the noise of keypoints, and as much of it per
# hertz lies below. That needs a band above it, and more frames than waves.
QUICKEST_HZ: Final = 5.0
LEAST_BAND_RATE_HZ: Final = 18.0
LEAST_FRAMES_PER_WAVE: Final = 1.3
# With fewer frames, what moves together this long after is taken for motion.
MEMORY_S: Final = 0.083
LEAST_PAIRS: Final = 10
# Standard deviations beyond which a height is an outlier, and held there.
FURTHEST: Final = 4.0
# Orders of the stride that an even walk has: both sides alike, twice and four times a stride.
EVEN_ORDERS: Final = (2, 4)


@dataclass(frozen=True, slots=True)
class TrunkMotion:
    """Motion of the trunk in trunk lengths; each (R,): all strides, then without one each.

    `bob` vertical range of the pelvis over a stride, `uneven` its height at mid-stance of the left
    hind limb less that of the right (negative: it drops on the left), `pitch` range of the
    stride's own nodding. `sway` the root mean square of how withers and pelvis rise and fall beyond
    the bob that is alike on both sides, without noise, and its error `sway_error`.
    """

    bob: Array
    uneven: Array
    pitch: Array
    sway: float
    sway_error: float


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
    pelvis_wave = _waves(pelvis, tail_w, fit.phase)
    nod_wave = _waves(nod, withers_w, fit.phase)
    mid = fit.cycle.limbs[list(HIND), TOUCHDOWN] + fit.cycle.limbs[list(HIND), DUTY] / 2
    at = _basis(mid)[:, 1:]
    uneven = pelvis_wave @ (at[0] - at[1])
    grid = _basis(np.arange(48) / 48)[:, 1:]
    rate_hz = track.rate_hz
    both = []
    for point in (WITHERS, TAIL_BASE):
        weight = np.where(support > 0, track.weight[:, point], 0.0)
        both.append(_unsteady(up[:, point] - ground, weight, track, fit.phase, rate_hz))
    known = [found for found in both if found is not None]
    variance = sum(v for v, _ in known) / max(len(known), 1)
    error = float(np.sqrt(sum(e * e for _, e in known))) / max(len(known), 1)
    # A variance can come out below zero by its error; that smoothly becomes nearly nothing.
    sway = float(np.sqrt((variance + np.hypot(variance, error / 4)) / 2))
    return TrunkMotion(
        bob=np.ptp(pelvis_wave @ grid.T, axis=1),
        uneven=uneven,
        pitch=np.ptp(nod_wave @ grid.T, axis=1),
        sway=sway,
        # Of a root: half the error over the root, but no more than the root of the error.
        sway_error=error / (2 * max(sway, np.sqrt(error) / 2)) if known and error > 0 else np.inf,
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


def _waves(signal: Array, w: Array, phase: Array) -> Array:
    """Harmonics (R, 6) of a signal over the stride, from all strides and without each."""
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
    return np.concatenate([best[None], best[None] - away])[:, 1 : 1 + 2 * HARMONICS]


def _unsteady(
    height: Array, w: Array, track: BodyTrack, phase: Array, rate_hz: float
) -> tuple[float, float] | None:
    """Variance of a height beyond drift and even bob, noise taken out, and its standard error.

    None when too few frames are left to tell motion from noise.
    """
    seen = w > 0
    if seen.sum() < 2 * LEAST_PAIRS:
        return None
    y, root = height[seen], np.sqrt(w[seen])
    share = track.time_s[seen] / max(track.duration_s, 1e-9)
    turns = 2 * np.pi * np.outer(phase[seen], EVEN_ORDERS)
    slow = 2 * share - 1
    even = np.column_stack([np.ones(len(y)), slow, slow**2, slow**3, np.cos(turns), np.sin(turns)])
    rest = y - even @ _solved(even, root, y)
    bound = FURTHEST * 1.4826 * float(np.median(np.abs(rest)))
    rest = np.clip(rest, -bound, bound)
    waves = int(2 * track.duration_s * QUICKEST_HZ)
    if rate_hz < LEAST_BAND_RATE_HZ or len(y) < LEAST_FRAMES_PER_WAVE * waves:
        return _lasting(rest, track.time_s[seen])
    basis = np.cos(np.pi * np.outer(share, np.arange(1, waves + 1)))
    motion = basis @ _solved(basis, root, rest)
    left = rest - motion
    noise = float(left @ left) / (len(y) - waves - even.shape[1])
    moved = float(motion @ motion) / len(y)
    return moved - noise * waves / len(y), moved * float(np.sqrt(2.0 / waves))


def _lasting(rest: Array, time_s: Array) -> tuple[float, float] | None:
    """Covariance of a signal with itself a moment later, which noise of single frames has not."""
    later = max(1, round(MEMORY_S / float(np.median(np.diff(time_s)))) if len(rest) > 1 else 1)
    pair = np.abs(time_s[later:] - time_s[:-later] - MEMORY_S) < MEMORY_S / 2
    if pair.sum() < LEAST_PAIRS:
        return None
    products = (rest[later:] * rest[:-later])[pair]
    return float(products.mean()), float(rest @ rest) / len(rest) / float(np.sqrt(pair.sum()))


def _solved(basis: Array, root: Array, y: Array) -> Array:
    """Least squares with weights root**2, held a little so that gaps do no harm."""
    weighted = basis * root[:, None]
    matrix = weighted.T @ weighted
    matrix += 1e-3 * np.trace(matrix) / len(matrix) * np.eye(len(matrix))
    return np.asarray(np.linalg.solve(matrix, weighted.T @ (root * y)))
