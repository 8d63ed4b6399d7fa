"""How the trunk moves over the paws that stand: bob, its unevenness, and unsteady sway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.gait.anatomy import HIND, MIDDLES, PAWS, RIGID_PAIRS, TAIL_BASE, WITHERS
from edge_sdk.gait.body_track import DIGITS, BodyTrack
from edge_sdk.gait.cycle_fit import CycleFit, stride_members
from edge_sdk.gait.limb_cycle import DUTY, TOUCHDOWN

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# The paw rolls on and off the ground at the ends of stance; its middle stands.
STANDS_FROM, STANDS_TO = 0.15, 0.85
HARMONICS: Final = 3
# Sway beyond the stride's own waves is slower than this. What is quicker is noise of keypoints.
SLOWER_THAN_HZ: Final = 2.5
LEAST_FRAMES_PER_WAVE: Final = 1.2
# Standard deviations beyond which a height is an outlier, and held there.
FURTHEST: Final = 4.0
# Orders of the stride that an even walk has, both sides alike; and those of an uneven one.
EVEN_ORDERS: Final = (2, 4)
ODD_ORDERS: Final = (1, 3)
# Noise per hertz in the slow band over that above it: 1 when no error lasts, and never more.
LONGEST_NOISE: Final = 4.5
# Relative error of that ratio, and least noise of a height in trunk lengths.
LASTS_SCATTER: Final = 0.5
LEAST_NOISE: Final = 0.003
LEAST_SEEN: Final = 0.4
# A standing paw may rise or sink evenly, a middle joint follow an arc: what holds their courses.
COURSE_HELD: Final = np.array(
    [np.diag([1e-6, 1e-6, held, held]) for held in (1e6,) * 4 + (1e-6,) * 4]
)
# A trunk that is unsteady both heaves and pitches. Heaving is seen against the ground, with the
# errors of the standing paws, and a camera a little above takes the trunk's swinging sideways for
# it (error of its square); pitching between two points of the trunk itself. Pitching's usual share
# of the whole, and how far (relative) a dog is from it.
HEAVE_ERROR: Final = 2e-4
PITCH_SHARE: Final = 0.65
PITCH_SCATTER: Final = 0.5
# What dogs show, before looking: median of the sway in trunk lengths, scatter of its logarithm.
USUAL_SWAY: Final = 0.007
SWAY_SCATTER: Final = 0.8
# A clip shows a sample of the dog's sway: relative error of its square in a clip of 8 s.
SAMPLED: Final = 0.3
SAMPLED_S: Final = 8.0
_SWAYS: Final = np.exp(np.linspace(np.log(0.001), np.log(0.08), 64))


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
    sway, sway_error = _sway(track, up, fit, standing)
    return TrunkMotion(
        bob=np.ptp(pelvis_wave @ grid.T, axis=1),
        uneven=uneven,
        pitch=np.ptp(nod_wave @ grid.T, axis=1),
        sway=sway,
        sway_error=sway_error,
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


def _sway(track: BodyTrack, up: Array, fit: CycleFit, standing: Array) -> tuple[float, float]:
    """Sway and its error: infinite when too few frames show heaving or pitching."""
    level, trust = _level(track, up, fit, standing)
    front, rear = up[:, WITHERS], up[:, TAIL_BASE]
    length = track.forward[:, WITHERS] - track.forward[:, TAIL_BASE]
    seen = (track.weight[:, WITHERS] > 0) & (track.weight[:, TAIL_BASE] > 0)
    split = _Splitter(track, fit.phase)
    both = front + rear - 2 * level
    grounded = seen & (trust > 0)
    # A lens that hunts for its zoom moves heights and the trunk's length alike. A trunk that turns
    # changes slowly how long it looks, and with it the unit of heights that do not change.
    turn = np.round(track.length_px.mean() / track.length_px, DIGITS)
    both = both - split.shared(both, np.stack([length, turn], axis=1), grounded)
    heaving = split(both[:, None], grounded)
    pitching = split(np.stack([front - rear, length], axis=1), seen)
    if not heaving or not pitching:
        return USUAL_SWAY, np.inf
    heave, pitch, stretch = heaving[0], *pitching
    lasts = _lasting_noise(track, stretch, split)
    # In squares of withers plus pelvis: half of that of their sum and of their difference.
    (heaved, heaved_error), (ends, ends_error) = (
        (part.variance(lasts) / 2, part.error(lasts) / 2) for part in (heave, pitch)
    )
    total, error = heaved + ends, float(np.hypot(np.hypot(heaved_error, ends_error), HEAVE_ERROR))
    alone = ends / PITCH_SHARE
    unsure = np.hypot(ends_error / PITCH_SHARE, PITCH_SCATTER * max(alone, total, 0.0))
    error, unsure = max(error, 1e-9), max(unsure, 1e-9)
    seen = (total / error**2 + alone / unsure**2) / (1 / error**2 + 1 / unsure**2)
    sampled = SAMPLED * float(np.sqrt(SAMPLED_S / max(track.duration_s, 1.0)))
    return _believed(seen, 1.0 / np.hypot(1.0 / error, 1.0 / unsure), sampled)


def _believed(seen: float, error: float, sampled: float) -> tuple[float, float]:
    """Sway (RMS) and its error from a sum of two variances, with what dogs usually show.

    `error` of the sum, `sampled` how far (relative) the clip's sum is from the dog's.
    The mean logarithm under the prior: a clip too noisy to tell says what is usual, not nothing.
    """
    true = 2.0 * _SWAYS**2
    spread = np.hypot(error, sampled * true)
    chance = (
        -0.5 * (np.log(_SWAYS / USUAL_SWAY) / SWAY_SCATTER) ** 2
        - 0.5 * ((seen - true) / spread) ** 2
        - np.log(spread)
    )
    share = np.exp(chance - chance.max())
    share /= share.sum()
    middle = float(share @ np.log(_SWAYS))
    sway = float(np.exp(middle))
    return sway, sway * float(np.sqrt(share @ (np.log(_SWAYS) - middle) ** 2))


def _level(track: BodyTrack, up: Array, fit: CycleFit, standing: Array) -> tuple[Array, Array]:
    """Height of the ground (T,) by paws and middle joints of standing limbs, and its weight.

    Each point is taken less its own mean course over the stance, weighted by what is left of it.
    """
    points, limbs = PAWS + MIDDLES, [0, 1, 2, 3] * 2
    w = np.where(standing[limbs] > 0, track.weight[:, points].T, 0.0)
    along = 2.0 * fit.curve.since[limbs] / fit.cycle.limbs[limbs, DUTY, None] - 1.0
    basis = along[:, :, None] ** np.arange(4)
    weighted = (basis * w[:, :, None]).transpose(0, 2, 1)
    matrix = weighted @ basis + COURSE_HELD
    course = np.linalg.solve(matrix, weighted)
    heights = up[:, points].T
    level, trust = np.zeros(len(up)), np.ones(len(points))
    for _ in range(3):
        above = heights - level
        off = heights - (basis @ (course @ above[:, :, None]))[:, :, 0]
        weight = w * trust[:, None]
        total = weight.sum(0)
        level = np.where(total > 0, (weight * off).sum(0) / np.maximum(total, 1e-9), 0.0)
        left = (w * (off - level) ** 2).sum(1) / np.maximum(w.sum(1), 1e-9)
        trust = 1.0 / (left + LEAST_NOISE**2)
    return level, total


@dataclass(frozen=True, slots=True)
class _Parts:
    """A signal taken apart, in squares: uneven waves of the stride, slow rest, noise a frame."""

    uneven: float
    slow: float
    noise: float
    waves: int
    frames: int

    def _slow_noise(self, lasts: float) -> float:
        return lasts * self.noise * self.waves / self.frames

    def variance(self, lasts: float) -> float:
        """What moved, without the noise, of which a slow hertz holds `lasts` times as much."""
        noise = self._slow_noise(lasts)
        return self.uneven + self.slow - noise * (1.0 + 2 * len(ODD_ORDERS) / self.waves)

    def error(self, lasts: float) -> float:
        """Standard error of `variance` by the noise alone: its own draw, and `lasts`."""
        return self._slow_noise(lasts) * float(np.hypot(np.sqrt(2.0 / self.waves), LASTS_SCATTER))


class _Splitter:
    """Takes signals of one clip apart; the bases are made once."""

    def __init__(self, track: BodyTrack, phase: Array) -> None:
        share = track.time_s / max(track.duration_s, 1e-9)
        slow = 2 * share - 1
        turns = 2 * np.pi * np.outer(phase, EVEN_ORDERS + ODD_ORDERS)
        drift = np.stack([np.ones(len(slow)), slow, slow**2, slow**3], axis=1)
        even, most = len(EVEN_ORDERS), len(EVEN_ORDERS + ODD_ORDERS)
        self._stride = np.concatenate([drift, np.cos(turns), np.sin(turns)], axis=1)
        self._odd = np.r_[4 + even : 4 + most, 4 + most + even : 4 + 2 * most]
        self._waves = int(2 * track.duration_s * SLOWER_THAN_HZ)
        self._slow = np.cos(np.pi * np.outer(share, np.arange(1, self._waves + 1)))

    def shared(self, signal: Array, others: Array, seen: Flags) -> Array:
        """What of a signal (T,) goes with others (T, n), beyond drift and stride (regression)."""
        if int(seen.sum()) < 2 * self._stride.shape[1]:
            return np.zeros(len(signal))
        stride, pair = self._stride[seen], np.column_stack([others, signal])[seen]
        rest = pair - stride @ _solved(stride, pair, 1e-6)
        causes, effect = rest[:, :-1], rest[:, -1]
        matrix = causes.T @ causes + 1e-12 * np.eye(others.shape[1])
        return np.asarray(others @ np.linalg.solve(matrix, causes.T @ effect))

    def __call__(self, signals: Array, seen: Flags) -> list[_Parts]:
        """Split signals (T, n) of the frames seen (T,); nothing when too few of those are left."""
        frames, taken = int(seen.sum()), self._waves + self._stride.shape[1]
        if frames < LEAST_FRAMES_PER_WAVE * taken:
            return []
        y, stride, basis = signals[seen], self._stride[seen], self._slow[seen]
        found = _solved(stride, y, 1e-6)
        rest = y - stride @ found
        size = np.sort(np.abs(rest), axis=0)[frames // 2]
        rest = np.clip(rest, -FURTHEST * 1.4826 * size, FURTHEST * 1.4826 * size)
        motion = basis @ _solved(basis, rest, 1e-3)
        uneven = stride[:, self._odd] @ found[self._odd]
        squares = [(part**2).sum(0).tolist() for part in (uneven, motion, rest - motion)]
        return [
            _Parts(one / frames, slow / frames, left / (frames - taken), self._waves, frames)
            for one, slow, left in zip(*squares, strict=True)
        ]


def _lasting_noise(track: BodyTrack, trunk: _Parts, split: _Splitter) -> float:
    """How much more noise a hertz lies in the slow band than above it, by rigid distances.

    `trunk` is the length between withers and tail base; the others are of the skull.
    """
    parts = [trunk]
    for one, other in RIGID_PAIRS:
        seen = (track.weight[:, one] > 0) & (track.weight[:, other] > 0)
        away = np.stack([a[:, one] - a[:, other] for a in (track.forward, track.up)], axis=1)
        if float(seen.mean()) >= LEAST_SEEN:
            parts += split(away, seen)
    found = sorted(p.slow * p.frames / (p.waves * max(p.noise, 1e-12)) for p in parts)
    return float(
        np.clip(np.mean(found[(len(found) - 1) // 2 : len(found) // 2 + 1]), 1.0, LONGEST_NOISE)
    )


def _solved(basis: Array, y: Array, held: float) -> Array:
    """Least squares, held a little so that gaps do no harm."""
    matrix = basis.T @ basis
    diagonal = matrix.reshape(-1)[:: len(matrix) + 1]
    diagonal += held * diagonal.mean()
    return np.asarray(np.linalg.solve(matrix, basis.T @ y))
