"""What a gait is made of: rhythm, stance, asymmetry, variation; sound and lame. Pure NumPy.

Sources: stride frequency falls with mass to the power -.15 (Heglund & Taylor 1988, J. Exp. Biol.
138:301); the factors 1.8 (walk) and 3.3 (trot) place a 25 kg dog at 1.1 and 2.0 Hz, as Maes et al.
2008 (J. Exp. Biol. 211:138) measured in Malinois. Lateral-sequence walk and duty factors above .5,
diagonal trot below: Hildebrand 1968, J. Mammal. 49:353. Relative stride lengths of 1 to 2 hip
heights: Alexander & Jayes 1983, J. Zool. 201:135. Lame hind limbs stand shorter, take the weight
later and lift the pelvis: Bockstahler et al. 2009; skips in medial patellar luxation, where the
dog carries the limb for a stride: Roush 1993, Vet. Clin. North Am. 23:855.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model_export.synth.morphology import Morphology
from model_export.synth.posture import SIDE, FloatArray
from model_export.synth.truth import GaitName

_WALK_HZ, _TROT_HZ, _MASS_EXPONENT = 1.8, 3.3, -0.15


@dataclass(frozen=True)
class GaitParams:
    """One manner of going. Pairs are (left, right); SI values in percent as 200 (L - R) / (L + R).

    `duty` mean share of the stride on the ground; `stride_length` body units per stride;
    `lateral_phase` by which share of a stride the fore limb lands after the hind limb of its side;
    `hind_phase_shift` by how much the right hind lands late; `lift` height of the paws in swing,
    fore and hind; `fold` how far the pasterns fold, 1 = usual; `skip_rate` chance that a stride of
    `skip_left`'s hind limb is carried; `*_cv` and `limb_jitter` variation from stride to stride as
    share of a stride; `bob`, `head_bob`, `sway` amplitudes in body units, `*_uneven` their
    once-a-stride part, which lameness brings; `pitch` of the trunk in degrees; `unsteady` 0 to 1,
    how far the trunk heaves and nods as no stride asks for.
    """

    gait: GaitName = "walk"
    stride_hz: float = 1.1
    duty: float = 0.62
    stride_length: float = 0.9
    lateral_phase: float = 0.25
    hind_stance_si: float = 0.0
    fore_stance_si: float = 0.0
    step_length_si: float = 0.0
    hind_phase_shift: float = 0.0
    lift: tuple[float, float] = (0.09, 0.09)
    fold_fore: tuple[float, float] = (1.0, 1.0)
    fold_hind: tuple[float, float] = (1.0, 1.0)
    skip_rate: float = 0.0
    skip_left: bool = True
    stride_cv: float = 0.02
    step_cv: float = 0.02
    limb_jitter: float = 0.006
    bob: float = 0.008
    bob_uneven: float = 0.0
    head_bob: float = 0.012
    head_bob_uneven: float = 0.0
    sway: float = 0.012
    pitch_deg: float = 1.0
    unsteady: float = 0.0
    wag: float = 0.2
    severity: float = 0.0
    lame_left: bool | None = None
    start_phase: float = 0.0

    @property
    def speed(self) -> float:
        """Body units per second."""
        return self.stride_length * self.stride_hz if self.gait != "stand" else 0.0


def random_gait(
    rng: np.random.Generator,
    body: Morphology,
    *,
    gait: GaitName | None = None,
    severity: float | None = None,
    lame_left: bool | None = None,
    **fixed: Any,
) -> GaitParams:
    """A gait that fits the build.

    `severity` None draws a sound dog in two of five cases; 0 is sound with the small natural
    asymmetries of sound dogs (SI of stance within about 3 %). Several signs grow together with the
    severity, each with scatter of its own. `fixed` replaces fields of the result.
    """
    name: GaitName = gait or ("walk" if rng.random() < 0.62 else "trot")
    if severity is None:
        severity = 0.0 if rng.random() < 0.4 else float(rng.uniform(0.05, 1.0))
    left = bool(rng.random() < 0.5) if lame_left is None else lame_left
    short = (body.elbow_height / 0.52) ** -0.35
    hz = (_WALK_HZ if name == "walk" else _TROT_HZ) * body.mass_kg**_MASS_EXPONENT * short
    hz *= float(np.exp(rng.normal(0, 0.11)))
    relative = rng.normal(1.12, 0.1) if name == "walk" else rng.normal(1.45, 0.14)
    params = GaitParams(
        gait=name,
        stride_hz=float(np.clip(hz, 0.65, 1.9 if name == "walk" else 3.0)),
        duty=float(rng.uniform(0.58, 0.68) if name == "walk" else rng.uniform(0.40, 0.48)),
        stride_length=float(np.clip(relative, 0.8, 1.75) * body.hip_height),
        lateral_phase=float(rng.uniform(0.19, 0.29) if name == "walk" else rng.uniform(0.48, 0.53)),
        hind_stance_si=float(np.clip(rng.normal(0, 1.3), -3, 3)),
        fore_stance_si=float(np.clip(rng.normal(0, 1.3), -3, 3)),
        step_length_si=float(np.clip(rng.normal(0, 1.5), -4, 4)),
        hind_phase_shift=float(rng.normal(0, 0.006)),
        lift=(float(rng.uniform(0.07, 0.12)), float(rng.uniform(0.085, 0.14))),
        fold_fore=_pair(rng, rng.uniform(0.75, 1.15), 0.03),
        fold_hind=_pair(rng, rng.uniform(0.75, 1.15), 0.03),
        stride_cv=float(rng.uniform(0.012, 0.035)),
        step_cv=float(rng.uniform(0.01, 0.03)),
        limb_jitter=float(rng.uniform(0.003, 0.010)),
        bob=float(rng.uniform(0.004, 0.012) * (1.0 if name == "walk" else 1.4)),
        head_bob=float(rng.uniform(0.005, 0.025)),
        sway=float(rng.uniform(0.006, 0.022)),
        pitch_deg=float(rng.uniform(0.3, 1.6)),
        wag=float(rng.uniform(0.0, 0.5)),
        start_phase=float(rng.random()),
    )
    if severity > 0.0:
        params = _lamed(rng, params, severity, left)
    return _reachable(replace(params, **fixed), body)


def _pair(rng: np.random.Generator, centre: float, spread: float) -> tuple[float, float]:
    a, b = centre + rng.normal(0, spread, 2)
    return float(a), float(b)


def _lamed(rng: np.random.Generator, g: GaitParams, severity: float, left: bool) -> GaitParams:
    sign = -1.0 if left else 1.0

    def share(low: float, high: float) -> float:
        return float(severity * rng.uniform(low, high))

    stiff = float(np.clip(1.0 - share(0.25, 0.75), 0.2, 1.0))
    other = float(rng.uniform(0.93, 1.05))
    one, two = g.fold_hind
    fold = (one * stiff, two * other) if left else (one * other, two * stiff)
    skips = share(0.15, 0.55) if severity > 0.3 and rng.random() < 0.6 else 0.0
    return replace(
        g,
        severity=severity,
        lame_left=left,
        hind_stance_si=g.hind_stance_si + sign * share(12.0, 38.0),
        fore_stance_si=g.fore_stance_si + sign * share(-4.0, 6.0),
        step_length_si=g.step_length_si + sign * share(4.0, 24.0),
        hind_phase_shift=g.hind_phase_shift - sign * share(0.0, 0.03),
        fold_hind=fold,
        skip_rate=skips,
        skip_left=left,
        stride_cv=g.stride_cv + share(0.0, 0.06),
        limb_jitter=g.limb_jitter + share(0.0, 0.012),
        bob_uneven=sign * share(0.006, 0.03),
        head_bob_uneven=sign * share(0.004, 0.035),
        sway=g.sway + share(0.0, 0.03),
        stride_length=g.stride_length * (1.0 - share(0.0, 0.14)),
        pitch_deg=g.pitch_deg + share(0.0, 2.0),
    )


def with_other_faults(rng: np.random.Generator, g: GaitParams) -> GaitParams:
    """The same dog with faults that do not grow with its lameness.

    As in the examination of kinematic dogs (`tests/support/gait_clips.py`): five in six of those
    that are not sound, which makes half of all dogs, have an unsteady trunk, and three in ten a
    stiff second hind limb. Sound dogs ride as quietly as sound dogs do.
    """
    quiet, shaken, second, stiff = rng.uniform((0, 0.1, 0, 0.3), (0.12, 1.0, 1, 0.9))
    if g.severity == 0.0:
        return replace(g, unsteady=float(quiet))
    one, two = g.fold_hind
    if second < 0.3:
        one, two = (one, two * float(stiff)) if g.lame_left else (one * float(stiff), two)
    unsteady = float(shaken if rng.random() < 5 / 6 else quiet)
    return replace(g, unsteady=unsteady, fold_hind=(one, two))


def _reachable(g: GaitParams, body: Morphology) -> GaitParams:
    """Shorten the stride until no limb must stretch beyond its length while it stands."""
    if g.gait == "stand":
        return g
    skew = 1.0 + 2.0 * max(abs(g.hind_stance_si), abs(g.fore_stance_si)) / 200.0
    longest = min(0.86 * body.hip_height, 1.5 * body.elbow_height)
    excursion = g.stride_length * g.duty * skew
    return replace(g, stride_length=g.stride_length * min(1.0, longest / excursion))


def limb_phases(g: GaitParams) -> FloatArray:
    """When each limb lands, as share of a stride after the left hind: FL, RL, FR, RR."""
    right = 0.5 + g.hind_phase_shift
    if g.gait == "trot":
        return np.array((g.lateral_phase, 0.0, right + g.lateral_phase - 1.0, right))
    return np.array((g.lateral_phase, 0.0, right + g.lateral_phase, right))


def duties(g: GaitParams) -> FloatArray:
    """Share of the stride on the ground of each limb, FL, RL, FR, RR."""
    fore, hind = g.fore_stance_si / 200.0, g.hind_stance_si / 200.0
    shares: FloatArray = g.duty * (1.0 + SIDE * np.array((fore, hind, fore, hind)))
    return shares
