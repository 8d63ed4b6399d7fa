"""Facial expressions as DogFACS action units, and how the four emotions use them.

Units: DogFACS, the Dog Facial Action Coding System (Waller, Caeiro, Peirce, Burrows, Kaminski:
www.animalfacs.com; Waller et al. 2013, PLoS ONE 8:e82686). Which emotion moves which unit:

- happy: mouth open (AU25, AU26), tongue shown and panting (AD19, AD126), lip corners drawn back
  (AU12): Caeiro, Guo, Mills 2017, Scientific Reports 7:15525; ears drawn together (EAD102) in
  positive anticipation: Bremhorst et al. 2019, Scientific Reports 9:19312.
- sad (low, submissive or fearful): inner brow raised, which makes the eyes look large (AU101;
  Kaminski et al. 2019, PNAS 116:14677), ears flattened and down (EAD103, EAD105), head low,
  gaze away with the white of the eye showing, mouth closed: Beerda et al. 1998, Applied Animal
  Behaviour Science 58:365; Bremhorst et al. 2019.
- angry (threat): nose wrinkled and upper lip raised so that teeth show (AU109 + AU110), lower lip
  drawn down (AU116), stare, ears forward in an offensive and flat in a defensive threat: Shepherd
  2009, BSAVA Manual of Canine and Feline Behavioural Medicine ("ladder of aggression"); Mota-Rojas
  et al. 2021, Animals 11:3334.
- relaxed: eyes partly closed (AU143), ears hanging or turned out without tension (EAD104), mouth
  closed or slightly open with loose lips: Caeiro et al. 2017; Mota-Rojas et al. 2021.

The strengths overlap as they do in dogs: a single unit seldom tells the emotion, all together do.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from model_export.synth.vectors import clamp

EMOTIONS = ("happy", "sad", "angry", "relaxed")


@dataclass(frozen=True)
class Expression:
    """One moment of a face; strengths 0..1 unless a unit is named.

    Pairs are (left, right). `eye_open` 1 = wide; `lip_corner` -1 drawn down, 1 drawn back;
    `gaze_*_deg` relative to the head, up and left positive; `head_pitch_deg` nose up positive.
    """

    jaw_drop_deg: float = 0.0
    tongue: float = 0.0
    tongue_side: float = 0.0
    lip_corner: float = 0.0
    upper_lip_raise: tuple[float, float] = (0.0, 0.0)
    lower_lip_drop: float = 0.0
    nose_wrinkle: float = 0.0
    inner_brow_raise: tuple[float, float] = (0.0, 0.0)
    brow_knit: float = 0.0
    eye_open: tuple[float, float] = (0.85, 0.85)
    eye_white: float = 0.15
    gaze_yaw_deg: float = 0.0
    gaze_pitch_deg: float = 0.0
    ears_forward: tuple[float, float] = (0.0, 0.0)
    ears_adducted: float = 0.0
    ears_flattened: tuple[float, float] = (0.0, 0.0)
    ears_rotated: tuple[float, float] = (0.0, 0.0)
    head_pitch_deg: float = 0.0
    head_roll_deg: float = 0.0

    @staticmethod
    def random(emotion: str, rng: np.random.Generator) -> Expression:
        """An expression of one of EMOTIONS, as varied as dogs are; raises KeyError for another."""
        return _natural(_SAMPLERS[emotion](rng), rng)

    @staticmethod
    def neutral(rng: np.random.Generator) -> Expression:
        """Any of the four, as it happens: for pictures in which the face is not the subject."""
        return Expression.random(EMOTIONS[rng.integers(len(EMOTIONS))], rng)

    def mirrored(self) -> Expression:
        """The expression of the mirrored dog."""
        swapped = {
            f.name: getattr(self, f.name)[::-1]
            for f in fields(self)
            if isinstance(getattr(self, f.name), tuple)
        }
        return replace(
            self,
            tongue_side=-self.tongue_side,
            gaze_yaw_deg=-self.gaze_yaw_deg,
            head_roll_deg=-self.head_roll_deg,
            **swapped,
        )

    def as_vector(self) -> NDArray[np.float64]:
        """All strengths in the order of the fields, pairs as two values: (25,) float64."""
        return np.hstack([np.atleast_1d(np.asarray(v, np.float64)) for v in astuple(self)])


def _pair(
    rng: np.random.Generator, low: float, high: float, spread: float = 0.06
) -> tuple[float, float]:
    middle, difference = rng.uniform(low, high), rng.normal(0.0, spread)
    return (
        clamp(middle + difference, 0.0, 1.0),
        clamp(middle - difference, 0.0, 1.0),
    )


def _happy(rng: np.random.Generator) -> Expression:
    u = rng.uniform
    panting = rng.random() < 0.88
    return Expression(
        jaw_drop_deg=u(13.0, 33.0),
        tongue=u(0.35, 1.0) if panting else u(0.0, 0.2),
        tongue_side=rng.normal(0.0, 0.35),
        lip_corner=u(0.45, 1.0),
        lower_lip_drop=u(0.0, 0.3),
        inner_brow_raise=_pair(rng, 0.0, 0.3),
        eye_open=_pair(rng, 0.5, 1.0) if rng.random() < 0.85 else _pair(rng, 0.2, 0.5),
        eye_white=u(0.0, 0.3),
        gaze_yaw_deg=rng.normal(0.0, 10.0),
        gaze_pitch_deg=rng.normal(4.0, 7.0),
        ears_forward=_pair(rng, 0.0, 0.6, 0.1),
        ears_adducted=u(0.0, 0.7),
        ears_flattened=_pair(rng, 0.0, 0.35) if rng.random() < 0.25 else (0.0, 0.0),
        ears_rotated=_pair(rng, 0.0, 0.4),
        head_pitch_deg=rng.normal(7.0, 8.0),
        head_roll_deg=rng.normal(0.0, 8.0),
    )


def _sad(rng: np.random.Generator) -> Expression:
    u = rng.uniform
    return Expression(
        jaw_drop_deg=u(0.0, 1.5),
        lip_corner=u(-0.9, -0.25),
        inner_brow_raise=_pair(rng, 0.6, 1.0, 0.1),
        brow_knit=u(0.0, 0.3),
        eye_open=_pair(rng, 0.62, 1.0),
        eye_white=u(0.4, 1.0),
        gaze_yaw_deg=rng.normal(0.0, 20.0),
        gaze_pitch_deg=rng.normal(-17.0, 8.0) if rng.random() < 0.7 else rng.normal(16.0, 6.0),
        ears_flattened=_pair(rng, 0.6, 1.0, 0.06),
        ears_rotated=_pair(rng, 0.2, 0.7),
        head_pitch_deg=rng.normal(-18.0, 7.0),
        head_roll_deg=rng.normal(0.0, 7.0),
    )


def _angry(rng: np.random.Generator) -> Expression:
    u = rng.uniform
    offensive = rng.random() < 0.5
    return Expression(
        jaw_drop_deg=u(1.5, 24.0),
        tongue=u(0.0, 0.12) if rng.random() < 0.2 else 0.0,
        lip_corner=u(-0.3, 0.2) if offensive else u(0.2, 0.8),
        upper_lip_raise=_pair(rng, 0.6, 1.0, 0.12),
        lower_lip_drop=u(0.3, 1.0),
        nose_wrinkle=u(0.5, 1.0),
        inner_brow_raise=_pair(rng, 0.0, 0.2),
        brow_knit=u(0.4, 1.0),
        eye_open=_pair(rng, 0.55, 1.0),
        eye_white=u(0.1, 0.9),
        gaze_yaw_deg=rng.normal(0.0, 5.0),
        gaze_pitch_deg=rng.normal(5.0, 5.0),
        ears_forward=_pair(rng, 0.55, 1.0) if offensive else (0.0, 0.0),
        ears_flattened=(0.0, 0.0) if offensive else _pair(rng, 0.55, 1.0),
        head_pitch_deg=rng.normal(-6.0, 6.0),
        head_roll_deg=rng.normal(0.0, 5.0),
    )


def _relaxed(rng: np.random.Generator) -> Expression:
    u = rng.uniform
    slightly_open = rng.random() < 0.5
    return Expression(
        jaw_drop_deg=u(3.0, 9.0) if slightly_open else u(0.0, 2.0),
        tongue=u(0.0, 0.12) if slightly_open else 0.0,
        lip_corner=u(0.0, 0.55),
        inner_brow_raise=_pair(rng, 0.0, 0.2),
        eye_open=_pair(rng, 0.03, 0.36, 0.04),
        eye_white=u(0.0, 0.2),
        gaze_yaw_deg=rng.normal(0.0, 10.0),
        gaze_pitch_deg=rng.normal(-2.0, 6.0),
        ears_forward=_pair(rng, 0.0, 0.15),
        ears_flattened=_pair(rng, 0.0, 0.2, 0.06),
        ears_rotated=_pair(rng, 0.1, 0.8, 0.12),
        head_pitch_deg=rng.normal(-2.0, 7.0),
        head_roll_deg=rng.normal(0.0, 8.0),
    )


_SAMPLERS = {"happy": _happy, "sad": _sad, "angry": _angry, "relaxed": _relaxed}


def _natural(expression: Expression, rng: np.random.Generator) -> Expression:
    """Now and then a wink, one turned ear, or a lick of the nose: noise no emotion owns."""
    changes: dict[str, object] = {}
    if rng.random() < 0.03:
        side = int(rng.integers(2))
        eyes = list(expression.eye_open)
        eyes[side] *= 0.2
        changes["eye_open"] = (eyes[0], eyes[1])
    if rng.random() < 0.12:
        side = int(rng.integers(2))
        ears = list(expression.ears_rotated)
        ears[side] = float(rng.uniform(0.3, 1.0))
        changes["ears_rotated"] = (ears[0], ears[1])
    return replace(expression, **changes) if changes else expression  # type: ignore[arg-type]
