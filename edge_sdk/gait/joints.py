"""Angles of stifle and hock over the stride, and how far they bend and stretch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.gait.anatomy import (
    FORE,
    HIND,
    HIP_DOWN,
    HIP_FORWARD,
    MIDDLES,
    PAWS,
    TAIL_BASE,
    TOPS,
    WITHERS,
)
from edge_sdk.gait.body_track import BodyTrack
from edge_sdk.gait.cycle_fit import stride_members
from edge_sdk.gait.measures import jackknife_error
from edge_sdk.smoothing.medians import median

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

PHASES: Final = 64
"""Points of the angle curves over one stride."""

# Harmonics of the stride kept in a joint's path. A walking dog's stifle angle needs five of them,
# its hock angle six (Hottinger et al., Am. J. Vet. Res. 57, 1996:381).
HARMONICS: Final = 5
# Harmonics of a smooth motion fall with the square of their order: a ridge of noise over amplitude,
# (0.017 / 0.1 trunk lengths)^2 times order^4, keeps few frames a second from inventing high ones.
# The noise is what keypoints found in pictures scatter by about their path (decision 0012).
CALM: Final = 0.03
# Pelvis and chest grow together, trunks of short-legged breeds grow alone: the hip lies below the
# tail base by this share of the distance from withers to elbow. Believed in part, as elbows
# are keypoints that move.
HIP_DOWN_PER_DEPTH: Final = 0.38
DEPTH_SHARE: Final = 0.6
HIP_DOWN_RANGE: Final = (0.14, 0.28)
# Ends of the range are picked among the points of a noisy curve; fitted on generated walks.
NOISE_IN_RANGE: Final = 4.0
# The hip is moved to where thighs keep their length: this holds it near its usual place, as a
# share of how far the stifles' arcs would pull it.
HIP_CALM: Final = 0.03
HIP_REACH: Final = 0.12
FIT_STEPS: Final = 8
# A joint must be seen in this share of the frames.
LEAST_SEEN: Final = 0.4


@dataclass(frozen=True, slots=True)
class JointCurves:
    """Mean angle curves of one hind limb over a stride of the common phase, in degrees.

    `stifle` and `hock` (R, 64): row 0 from all strides, the others without one each, for the
    jackknife; `seen` whether the joint was seen in enough frames.
    """

    stifle: Array
    hock: Array
    seen: bool


def joint_curves(
    track: BodyTrack, phase: Array, usable: Flags, foreshortening: float
) -> tuple[JointCurves, JointCurves]:
    """Average the paths of paw, hock, stifle and tail base over the strides, then take angles.

    Paths are averaged before angles are taken: the angle of a noisy point is bent by its noise,
    the angle of a mean path is not. Then thigh and shank get one length each, the same on both
    sides: keypoints of a limb behind the other one err, bones do not (decision 0012). `usable`
    (2, T) leaves out carried strides of the left and the right hind limb. `foreshortening` is the
    cosine of the view's angle: a trunk seen obliquely is short, so heights look too tall. Returns
    the left and the right limb.
    """
    points = [joint[limb] for limb in HIND for joint in (PAWS, MIDDLES, TOPS)] + [TAIL_BASE]
    weight = track.weight[:, points].T.copy()
    weight[:3] *= usable[0]
    weight[3:6] *= usable[1]
    seen = (weight > 0).mean(1) >= LEAST_SEEN
    xy = np.stack([track.forward[:, points].T, track.up[:, points].T * foreshortening], axis=2)
    paths = _mean_paths(xy, weight, phase)
    tail = paths[6]
    down = _hip_down(track, foreshortening)
    # Seen obliquely or from above, near and far hip lie as far apart as their stifles do.
    means = [paths[at + 2].mean(1, keepdims=True) for at in (0, 3)]
    middle = (means[0] + means[1]) / 2
    hips = [tail + np.array([HIP_FORWARD, -down]) + mean - middle for mean in means]
    moved = _hip_shift(hips, [paths[2], paths[5]])
    chains = np.stack(
        [[hip + moved, paths[at + 2], paths[at + 1]] for hip, at in zip(hips, (0, 3), strict=True)]
    )
    _keep_lengths(chains)
    curves = []
    for (hip, stifle, hock), at in zip(chains, (0, 3), strict=True):
        curves.append(
            JointCurves(
                _angle(hip, stifle, hock),
                _angle(stifle, hock, paths[at]),
                bool(seen[at : at + 3].all()),
            )
        )
    return curves[0], curves[1]


def swept(curves: Array) -> tuple[float, float]:
    """Range of a mean curve in degrees without the part that noise adds, and its standard error.

    `curves` (R, 64) as in `JointCurves`. The highest point of a noisy curve is high by its noise:
    by its variance over the range, times a factor for how many independent points it has.
    """
    own = np.ptp(curves, axis=1)
    strides = len(curves) - 1
    if strides < 2:
        return float(own[0]), np.inf
    spread = (strides - 1) / strides * float(((curves[1:] - curves[0]) ** 2).mean(1).sum())
    noise = NOISE_IN_RANGE * spread / max(float(own[0]), 1.0)
    return float(max(own[0] - noise, own[0] / 2)), jackknife_error(float(own[0]), own[1:])


def _hip_down(track: BodyTrack, foreshortening: float) -> float:
    """How far the hip lies below the tail base, in trunk lengths: by the depth of the chest."""
    elbows = [TOPS[limb] for limb in FORE]
    deep = []
    for elbow in elbows:
        both = (track.weight[:, elbow] > 0) & (track.weight[:, WITHERS] > 0)
        if both.mean() >= LEAST_SEEN:
            deep.append(median(track.up[both, WITHERS] - track.up[both, elbow]))
    if not deep:
        return HIP_DOWN
    own = HIP_DOWN_PER_DEPTH * foreshortening * sum(deep) / len(deep)
    return float(np.clip((own * DEPTH_SHARE + HIP_DOWN * (1 - DEPTH_SHARE)), *HIP_DOWN_RANGE))


def _hip_shift(hips: list[Array], stifles: list[Array]) -> Array:
    """Shift (2,) of both hips after which the thighs' lengths change least over the stride.

    `hips` and `stifles` of left and right, each (R, 64, 2); row 0 counts. Gauss-Newton steps on
    the lengths about their mean.
    """
    shift = np.zeros(2)
    for _ in range(FIT_STEPS):
        slopes, rests = [], []
        for hip, stifle in zip(hips, stifles, strict=True):
            away = stifle[0] - hip[0] - shift
            length = np.maximum(np.hypot(away[:, 0], away[:, 1]), 1e-6)
            slope = -away / length[:, None]
            slopes.append(slope - slope.mean(0))
            rests.append(length - length.mean())
        jacobian, rest = np.concatenate(slopes), np.concatenate(rests)
        pull = jacobian.T @ rest / len(rest) + HIP_CALM * shift
        step = np.linalg.solve(jacobian.T @ jacobian / len(rest) + HIP_CALM * np.eye(2), pull)
        shift = np.clip(shift - step, -HIP_REACH, HIP_REACH)
    return np.asarray(shift)


def _keep_lengths(chains: Array) -> None:
    """Move hip, stifle and hock, each as little as the others, until the bones keep their length.

    `chains` (2, 3, R, 64, 2), changed in place; the length of a bone is its mean over the stride
    and over both sides.
    """
    lengths = np.linalg.norm(np.diff(chains, axis=1), axis=-1).mean(axis=(0, 3))[..., None, None]
    for _ in range(FIT_STEPS):
        for bone, length in enumerate(lengths):
            along = chains[:, bone + 1] - chains[:, bone]
            own = np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
            move = (own - length) / own * along / 2
            chains[:, bone] += move
            chains[:, bone + 1] -= move


def _mean_paths(xy: Array, weight: Array, phase: Array) -> Array:
    """Mean paths (P, R, 64, 2) of P keypoints over the stride, and without each stride.

    `xy` (P, T, 2), `weight` (P, T) 0 where missing.
    """
    orders = np.arange(1, HARMONICS + 1)
    turns = 2 * np.pi * np.outer(phase, orders)
    basis = np.column_stack([np.ones(len(phase)), np.cos(turns), np.sin(turns)])
    weighted = basis.T * weight[:, None, :]
    calm = np.diag(np.append(1e-6, np.tile(CALM * orders**4, 2)))
    matrix = weighted @ basis + calm
    best = np.linalg.solve(matrix, weighted @ xy)
    rest = xy - basis @ best
    member = stride_members(phase)
    count = member.shape[1]
    pulls = np.stack([(weighted * rest[:, None, :, axis]) @ member for axis in range(2)], axis=-1)
    size = pulls.shape[1]
    away = np.linalg.solve(matrix, pulls.reshape(len(xy), size, -1))
    away = away.reshape(len(xy), size, count, 2).transpose(0, 2, 1, 3) * (count / max(count - 1, 1))
    parameters = np.concatenate([best[:, None], best[:, None] - away], axis=1)
    grid = 2 * np.pi * np.outer(np.arange(PHASES) / PHASES, orders)
    wave = np.column_stack([np.ones(PHASES), np.cos(grid), np.sin(grid)])
    return np.asarray(wave @ parameters)


def _angle(a: Array, b: Array, c: Array) -> Array:
    """Angle at b between a and c in degrees, 0 to 180."""
    u, v = a - b, c - b
    cross = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return np.asarray(np.degrees(np.arctan2(np.abs(cross), (u * v).sum(-1))))
