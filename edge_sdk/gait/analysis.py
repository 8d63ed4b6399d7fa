"""One clip from keypoints to measures: the order of the steps, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.gait import gates
from edge_sdk.gait.anatomy import FORE, HIND, PAWS
from edge_sdk.gait.body_track import BodyTrack
from edge_sdk.gait.cycle_fit import CycleFit, after_partner, first_guess, fit_cycle
from edge_sdk.gait.joints import JointCurves, joint_curves
from edge_sdk.gait.limb_cycle import DUTY
from edge_sdk.gait.refusal import Reason
from edge_sdk.gait.rhythm import find_rhythm
from edge_sdk.gait.strides import LimbStrides, limb_strides
from edge_sdk.gait.trunk import STANDS_FROM, STANDS_TO, TrunkMotion, trunk_motion

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# A limb carried in more strides than this has no cycle of its own to measure.
MOST_CARRIED: Final = 0.5


@dataclass(frozen=True, slots=True)
class ClipAnalysis:
    """What was read from a clip that passed all gates.

    `stride_hz`; `fit` the four cycles; `strides` and `carried` (4, T) by limb; `joints` of left and
    right hind limb; `trunk`; `oblique_deg` signed angle of the view; `view_offset` left less right
    of the legs in trunk lengths; `swapped` share of frames with exchanged legs, left out.
    """

    track: BodyTrack
    stride_hz: float
    fit: CycleFit
    strides: tuple[LimbStrides, ...]
    carried: Flags
    joints: tuple[JointCurves, JointCurves]
    trunk: TrunkMotion
    oblique_deg: float
    swapped: float
    collapsed: float
    clarity: float


def analyse(track: BodyTrack) -> ClipAnalysis | Reason:
    """Read one clip, or say why it cannot be read."""
    refused = gates.before_rhythm(track)
    if refused is not None:
        return refused
    rhythm = find_rhythm(track)
    refused = gates.of_rhythm(track, rhythm)
    if refused is not None or rhythm is None:
        return refused or Reason.NO_STEADY_RHYTHM
    track, swapped = _without_swapped(track, rhythm.phase)
    if swapped > gates.MOST_SWAPPED:
        return Reason.LEGS_SWAPPED
    position = np.ascontiguousarray(track.forward[:, PAWS].T)
    weight = np.ascontiguousarray(track.weight[:, PAWS].T)
    up = np.ascontiguousarray(track.up[:, PAWS].T)
    guess, explained, drift = first_guess(rhythm.phase, position, weight)
    position = position - drift
    stride_s = 1.0 / rhythm.stride_hz
    guess, unsure = after_partner(guess, explained, rhythm.phase, position, weight)
    first_weight = np.where(unsure[:, None], 0.0, weight)
    fit = fit_cycle(guess, rhythm.phase, position, first_weight, track.time_s, stride_s)
    strides, carried = _all_strides(fit, position, up, weight, track.time_s)
    if carried.any() or unsure.any():
        standing = np.where(carried, 0.0, weight)
        usable = (standing > 0).mean(1) > 0.25
        kept = np.where(usable[:, None], standing, weight)
        fit = fit_cycle(fit.cycle, rhythm.phase, position, kept, track.time_s, stride_s)
        strides, carried = _all_strides(fit, position, up, weight, track.time_s)
    collapsed = max(gates.collapsed_share(track, fit, pair) for pair in (HIND, FORE))
    oblique = gates.oblique_deg(track)
    refused = gates.of_cycle(track, fit, explained, swapped, collapsed, oblique)
    if refused is not None:
        return refused
    foreshortening = float(np.cos(np.radians(oblique)))
    duty = fit.cycle.limbs[:, DUTY, None]
    since = fit.curve.since
    stands = (since > STANDS_FROM * duty) & (since < STANDS_TO * duty) & ~carried
    return ClipAnalysis(
        track=track,
        stride_hz=float(fit.phase[-1] - fit.phase[0]) / track.duration_s,
        fit=fit,
        strides=strides,
        carried=carried,
        joints=joint_curves(track, fit.phase, ~carried[list(HIND)], foreshortening),
        trunk=trunk_motion(track, fit, weight * stands, foreshortening),
        oblique_deg=oblique,
        swapped=swapped,
        collapsed=collapsed,
        clarity=rhythm.clarity,
    )


def _all_strides(
    fit: CycleFit, position: Array, up: Array, weight: Array, time_s: Array
) -> tuple[tuple[LimbStrides, ...], Flags]:
    found = [
        limb_strides(fit, limb, position[limb], up[limb], weight[limb], time_s) for limb in range(4)
    ]
    return tuple(strides for strides, _ in found), np.array([frames for _, frames in found])


def _without_swapped(track: BodyTrack, phase: Array) -> tuple[BodyTrack, float]:
    """Leave out the legs of frames in which left and right are exchanged; and their share."""
    weight = track.weight.copy()
    worst = 0.0
    for girdle in (HIND, FORE):
        exchanged, judged = gates.swapped_frames(track, phase, girdle)
        worst = max(worst, float(exchanged.sum() / max(judged.sum(), 1)))
        for limb in girdle:
            weight[exchanged, PAWS[limb] : PAWS[limb] + 3] = 0.0
    return replace(track, weight=weight), worst
