"""What a clip must show before anything is said about the dog."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.gait.anatomy import FORE, HIND, MIDDLES, PAWS, STANCE_WIDTH, TOPS
from edge_sdk.gait.body_track import BodyTrack
from edge_sdk.gait.cycle_fit import CycleFit
from edge_sdk.gait.limb_cycle import DUTY, TOUCHDOWN, TRAVEL
from edge_sdk.gait.refusal import Reason
from edge_sdk.gait.rhythm import Rhythm
from edge_sdk.smoothing.medians import median

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# A trotting dog makes up to 3 strides a second: below this rate a stride has under three frames.
LEAST_RATE_HZ: Final = 7.5
LEAST_STRIDES: Final = 4.0
# The product's rule: lost for more than a second, or in more than 40 % of the frames.
LONGEST_LOSS_S: Final = 1.0
LEAST_TRUNK_SHARE: Final = 0.6
LEAST_PAW_SHARE: Final = 0.5
LEAST_CONFIDENCE: Final = 0.3
# A dog that turns round, or another dog.
MOST_TURNED: Final = 0.05
MOST_LEAP: Final = 0.6
MOST_LENGTH_SCATTER: Final = 0.25
# Obliquer than this, near and far side and fore and hind differ by perspective, not by gait.
SIDE_VIEW_DEG: Final = 15.0
MOST_OBLIQUE_DEG: Final = 42.0
# The side view of a dog is about as long as its legs are high; the front view is not.
LEAST_LENGTH_TO_HEIGHT: Final = 0.5
# Share of the legs' motion that the rhythm, and of each paw's that its cycle must explain.
LEAST_CLARITY: Final = 0.4
LEAST_EXPLAINED: Final = 0.5
# A paw of a walking dog goes to and fro by a fifth of a trunk (short legs) to a whole one.
LEAST_EXCURSION: Final = 0.12
# Left and right paw of a walking dog are a third of a trunk apart in half of the frames.
LEAST_APART: Final = 0.12
# Frames that show a pair of joints before left and right are compared.
LEAST_COMPARED: Final = 12
# Walk, trot and pace are symmetrical: left and right of a girdle land half a stride apart, by
# definition (Hildebrand, Science 150, 1965). How much a lame dog may be off is our own choice.
MOST_OFF_TURN: Final = 0.18
# Beyond these shares of frames left and right mean nothing.
MOST_SWAPPED: Final = 0.07
MOST_COLLAPSED: Final = 0.20


def before_rhythm(track: BodyTrack) -> Reason | None:
    """Check what needs no rhythm: rate, trunk, paws, one dog."""
    if track.frames < 2 or track.rate_hz < LEAST_RATE_HZ:
        return Reason.TOO_FEW_FRAMES_A_SECOND
    seen_s = track.time_s[track.trunk_seen]
    if float(track.trunk_seen.mean()) < LEAST_TRUNK_SHARE:
        return Reason.TRUNK_NOT_SEEN
    edges = np.r_[track.time_s[0], seen_s, track.time_s[-1]]
    if float(np.diff(edges).max()) > LONGEST_LOSS_S:
        return Reason.LOST_TOO_LONG
    paws = (track.weight[:, PAWS] > 0).mean(0)
    if float(paws.min()) < LEAST_PAW_SHARE:
        return Reason.PAWS_NOT_SEEN
    legs = track.weight[:, PAWS + MIDDLES + TOPS]
    if float(legs[legs > 0].mean()) < LEAST_CONFIDENCE:
        return Reason.LOW_CONFIDENCE
    if (
        track.turned_share > MOST_TURNED
        or track.leap > MOST_LEAP
        or track.length_scatter > MOST_LENGTH_SCATTER
    ):
        return Reason.DOG_CHANGED
    return None


def of_rhythm(track: BodyTrack, rhythm: Rhythm | None) -> Reason | None:
    """Check that the dog walks, on legs seen apart, steadily and long enough."""
    excursion, apart = [], []
    for paw in PAWS:
        course = track.forward[track.weight[:, paw] > 0, paw]
        ordered = np.sort(course)
        tenth = len(ordered) // 10
        excursion.append(float(ordered[-1 - tenth] - ordered[tenth]))
    if median(excursion) < LEAST_EXCURSION:
        return Reason.NOT_WALKING
    for left, right in ((PAWS[HIND[0]], PAWS[HIND[1]]), (PAWS[FORE[0]], PAWS[FORE[1]])):
        both = (track.weight[:, left] > 0) & (track.weight[:, right] > 0)
        if both.any():
            away = track.forward[both, left] - track.forward[both, right]
            higher = track.up[both, left] - track.up[both, right]
            apart.append(median(np.hypot(away, higher)))
    if min(apart, default=0.0) < LEAST_APART:
        return Reason.LEGS_COLLAPSED
    if rhythm is None or rhythm.clarity < LEAST_CLARITY:
        return Reason.NO_STEADY_RHYTHM
    if float(rhythm.phase[-1] - rhythm.phase[0]) < LEAST_STRIDES:
        return Reason.TOO_FEW_STRIDES
    return None


def of_cycle(
    track: BodyTrack,
    fit: CycleFit,
    explained: Array,
    swapped: float,
    collapsed: float,
    oblique: float,
) -> Reason | None:
    """Check that the paws follow cycles of their own, in turns, in a view from the side."""
    if swapped > MOST_SWAPPED:
        return Reason.LEGS_SWAPPED
    if collapsed > MOST_COLLAPSED:
        return Reason.LEGS_COLLAPSED
    if median(explained) < LEAST_EXPLAINED:
        return Reason.NO_STEADY_RHYTHM
    limbs = fit.cycle.limbs
    for left, right in (HIND, FORE):
        turn = (limbs[left, TOUCHDOWN] - limbs[right, TOUCHDOWN]) % 1.0
        if abs(turn - 0.5) > MOST_OFF_TURN:
            return Reason.NOT_A_WALK_OR_TROT
    if median(limbs[:, DUTY] * limbs[:, TRAVEL]) < LEAST_EXCURSION:
        return Reason.NOT_WALKING
    height = median(-track.up[:, PAWS][track.weight[:, PAWS] > 0])
    if abs(oblique) > MOST_OBLIQUE_DEG or LEAST_LENGTH_TO_HEIGHT * height > 1.0:
        return Reason.NOT_SIDE_VIEW
    return None


def oblique_deg(track: BodyTrack) -> float:
    """Angle of the view from straight beside the dog, by how far its sides lie apart, in degrees.

    Left less right of the same joint averages to zero over strides in a side view, and to the
    width of the stance times the tangent of the angle in an oblique one, in trunk lengths as seen.
    """
    apart = []
    for joints in (PAWS, MIDDLES, TOPS):
        for left, right in ((joints[0], joints[2]), (joints[1], joints[3])):
            both = (track.weight[:, left] > 0) & (track.weight[:, right] > 0)
            if both.any():
                apart.append(float(np.mean(track.forward[both, left] - track.forward[both, right])))
    return float(np.degrees(np.arctan(median(apart) / STANCE_WIDTH))) if apart else 0.0


def swapped_frames(
    track: BodyTrack, phase: Array, girdle: tuple[int, int]
) -> tuple[Flags, Flags]:  # fmt: skip
    """Frames (T,) in which left and right legs of a girdle are exchanged, and those judged.

    Each frame's distances left minus right of paw and middle joint are compared with the mean
    course of that distance over the stride, which frames of both kinds share up to their sign.
    """
    turns = 2 * np.pi * np.outer(phase, (1, 2, 3))
    basis = np.column_stack([np.ones(len(phase)), np.cos(turns), np.sin(turns)])
    left, right = ([joints[limb] for joints in (PAWS, MIDDLES)] for limb in girdle)
    w = ((track.weight[:, left] > 0) & (track.weight[:, right] > 0)).T.astype(np.float64)
    w[w.sum(1) < LEAST_COMPARED] = 0.0
    seen = w > 0
    apart = (track.forward[:, left] - track.forward[:, right]).T
    calm = 1e-6 * len(phase) * np.eye(basis.shape[1])
    for _ in range(3):
        weighted = w[:, None, :] * basis.T
        pulls = weighted @ apart[:, :, None]
        course = (basis @ np.linalg.solve(weighted @ basis + calm, pulls))[:, :, 0]
        w = seen / (1.0 + ((apart - course) / 0.1) ** 2)
    against = np.where(seen, apart * course, 0.0).sum(0)
    size = np.where(seen, course * course, 0.0).sum(0)
    judged = size > 0.25 * float(np.max(size, initial=1e-12))
    return judged & (against < -0.35 * size), judged


def collapsed_share(track: BodyTrack, fit: CycleFit, girdle: tuple[int, int]) -> float:
    """Share of frames that show both paws of a girdle on one spot though they should be apart."""
    left, right = PAWS[girdle[0]], PAWS[girdle[1]]
    both = (track.weight[:, left] > 0) & (track.weight[:, right] > 0)
    expected = np.abs(fit.curve.position[girdle[0]] - fit.curve.position[girdle[1]])
    reach = float(np.max(expected, initial=0.0))
    apart = np.hypot(
        track.forward[:, left] - track.forward[:, right], track.up[:, left] - track.up[:, right]
    )
    wide = both & (expected > 0.5 * reach)
    if wide.sum() < 5:
        return 1.0
    return float(np.mean(apart[wide] < 0.3 * expected[wide]))
