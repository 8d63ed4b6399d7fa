"""Keypoints in, report out: the whole of the gait analysis that needs no model."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from edge_sdk.gait.analysis import ClipAnalysis, analyse
from edge_sdk.gait.anatomy import FORE, HIND, LIMBS
from edge_sdk.gait.body_track import BodyTrack, body_track
from edge_sdk.gait.clip_measures import absent_measures, clip_measures
from edge_sdk.gait.joints import PHASES
from edge_sdk.gait.limb_cycle import DUTY, TOUCHDOWN
from edge_sdk.gait.refusal import Reason
from edge_sdk.gait.report import (
    AngleCurve,
    GaitClass,
    GaitReport,
    LimbContacts,
    View,
    build_report,
)
from edge_sdk.smoothing.measurement import MeasurementTrack, refuse_display_frames
from edge_sdk.smoothing.medians import median

Array = npt.NDArray[np.float64]

# Hildebrand's diagram (Science 150, 1965): share of a stride by which the fore paw follows the hind
# paw of its side. Pace near 0, lateral-sequence walk near a quarter, trot near a half; the bounds
# between them are our own.
PACE_WITHIN: Final = 0.11
TROT_WITHIN: Final = 0.11

_SIDES: Final[tuple[Literal["left", "right"], ...]] = ("left", "right")
_JOINTS: Final[tuple[Literal["stifle", "hock"], ...]] = ("stifle", "hock")


def score(
    keypoints: npt.ArrayLike | MeasurementTrack, timestamps_ms: npt.ArrayLike | None = None
) -> GaitReport:
    """Score the walk of one dog.

    `keypoints` (T, 24, 3): x and y in px and confidence, NaN where missing, in the dog-pose order
    ("left" is the dog's left); `timestamps_ms` (T,) strictly rising; or a `MeasurementTrack`, which
    holds both (raw keypoints measure better: the fit smooths by itself). What cannot be judged
    comes back as a report with `refusal` set and every score None. Raises `GaitInputInvalid` for
    wrong shapes or times, `DisplayFilteredInput` for keypoints of a `DisplayFilter`.
    """
    refuse_display_frames(keypoints)
    if isinstance(keypoints, MeasurementTrack):
        timestamps_ms = keypoints.timestamps_ms
        keypoints = np.where(keypoints.imputed[:, :, None], np.nan, keypoints.keypoints)
    if timestamps_ms is None:
        raise TypeError("score() needs timestamps_ms with raw keypoints")
    track = body_track(keypoints, timestamps_ms)
    if track is None:
        t = np.asarray(timestamps_ms, dtype=np.float64)
        return _refused(Reason.TRUNK_NOT_SEEN, _view(t, None, None))
    times = track.time_s * 1000.0
    found = analyse(track)
    if isinstance(found, Reason):
        return _refused(found, _view(times, track, None))
    return build_report(
        measures=clip_measures(found),
        refused=None,
        gait=_gait_class(found),
        view=_view(times, track, found),
        contacts=_contacts(found),
        angles=_angles(found),
    )


def _refused(reason: Reason, view: View) -> GaitReport:
    return build_report(
        measures=absent_measures(reason),
        refused=reason,
        gait=None,
        view=view,
        contacts=(),
        angles=(),
    )


def _view(times_ms: Array, track: BodyTrack | None, clip: ClipAnalysis | None) -> View:
    steps = np.diff(times_ms)
    return View(
        facing=None if track is None else "right" if track.facing > 0 else "left",
        oblique_deg=None if clip is None else round(abs(clip.oblique_deg), 1) + 0.0,
        frames=len(times_ms),
        duration_s=round(float(times_ms[-1] - times_ms[0]) / 1000.0, 3) if len(times_ms) else 0.0,
        rate_hz=round(1000.0 / median(steps), 2) if len(steps) else 0.0,
        swapped_share=None if clip is None else round(clip.swapped, 4),
    )


def _gait_class(clip: ClipAnalysis) -> GaitClass:
    limbs = clip.fit.cycle.limbs
    lags = [
        float((limbs[fore, TOUCHDOWN] - limbs[hind, TOUCHDOWN]) % 1.0)
        for fore, hind in zip(FORE, HIND, strict=True)
    ]
    # Both sides as one vector: lags live on a circle.
    turned = np.exp(2j * np.pi * np.array(lags)).sum()
    lag = float(np.angle(turned) / (2 * np.pi)) % 1.0
    if min(lag, 1.0 - lag) < PACE_WITHIN:
        return "pace"
    if abs(lag - 0.5) < TROT_WITHIN:
        return "trot" if float(limbs[:, DUTY].mean()) < 0.57 else "walk"
    return "walk" if lag < 0.5 else "other"


def _contacts(clip: ClipAnalysis) -> tuple[LimbContacts, ...]:
    contacts = []
    for limb, strides in zip(LIMBS, clip.strides, strict=True):
        at = np.flatnonzero(strides.complete)
        contacts.append(
            LimbContacts(
                limb=limb,
                touchdown_ms=tuple(round(float(1000 * strides.touchdown_s[k]), 1) for k in at),
                liftoff_ms=tuple(round(float(1000 * strides.liftoff_s[k]), 1) for k in at),
                carried=tuple(bool(strides.carried[k]) for k in at),
            )
        )
    return tuple(contacts)


def _angles(clip: ClipAnalysis) -> tuple[AngleCurve, ...]:
    curves = []
    for side, limb, joints in zip(_SIDES, HIND, clip.joints, strict=True):
        touchdown = float(clip.fit.cycle.limbs[limb, TOUCHDOWN])
        own = (touchdown + np.arange(PHASES) / PHASES) % 1.0 * PHASES
        for joint, angle in zip(_JOINTS, (joints.stifle[0], joints.hock[0]), strict=True):
            turned = np.interp(own, np.arange(PHASES + 1), np.r_[angle, angle[0]])
            degrees = tuple(np.round(turned, 2).tolist())
            curves.append(AngleCurve(joint=joint, side=side, degrees=degrees))
    return tuple(curves)
