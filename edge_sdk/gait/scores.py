"""From measures to the five scores: documented maps, 100 is sound in every one.

Every score is 100 / (1 + p), with p the sum of squares of measures over their *halving values*: a
single measure at its halving value halves the score. The form has no knee: small faults cost
little, so a healthy dog's score is steady from clip to clip, and no fault is ever free, so dogs
keep their order. Each measure enters with its noise taken out (`believed`). The halving values are
our own choice, none is a clinical threshold; what is published of sound and lame dogs, and was
looked at for their order of size:

- Stance and step symmetry: fewer than 8 % of 66 sound dogs had a walkway's lameness score (100 is
  even) under 90 (Fahie et al., Front. Vet. Sci. 5, 2018). Halves at 22 % of the hind limbs' time on
  the ground, in which a carried stride has none.
- Range of motion: halves at 18 degrees, below what the stifles of our generated sound dogs show.
- A skip in every fifth stride halves the signal score.
- Stride time: 10 % of variation halves.
- Sway beyond the even bob: halves at 3 % of the trunk (root mean square). The lowest points of the
  pelvis at left and right stance differ by 1 mm in sound dogs and by 8 to 10 mm with a moderate
  lameness of a hind limb (Gomez Alvarez et al. 2017, "Vertical head and pelvic movement symmetry at
  the trot in dogs with induced supporting limb lameness").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from edge_sdk.gait.measures import Measure
from edge_sdk.gait.refusal import Reason

Level = Literal["low", "medium", "high"]
MetricName = Literal[
    "patella_risk_signal", "gait_balance", "knee_mobility", "gait_stability", "gait_rhythm"
]

METRICS: Final[tuple[MetricName, ...]] = (
    "patella_risk_signal",
    "gait_balance",
    "knee_mobility",
    "gait_stability",
    "gait_rhythm",
)
"""The five scores, in the product's order."""

# Halving values.
HIND_STANCE: Final = 22.0
HIND_STEP: Final = 44.0
FORE_STANCE: Final = 60.0
SIGNAL_STANCE: Final = 26.0
SIGNAL_STEP: Final = 60.0
SIGNAL_SKIP: Final = 20.0
SIGNAL_STIFLE: Final = 80.0
ROM_DEG: Final = 18.0
# Of a hind limb's reach. The hock is clear of the trunk and seen better: decision 0012.
STIFLE_SHARE: Final = 0.4
SWAY: Final = 3.0
STRIDE_CV: Final = 10.0
LIMB_TIMING: Final = 12.0

# Scores at and above LOW_FROM are of low, below HIGH_BELOW of high concern.
LOW_FROM: Final = 70.0
HIGH_BELOW: Final = 50.0


class MetricScore(msgspec.Struct, frozen=True, kw_only=True):
    """One of the five scores.

    `score` 0 to 100, 100 is sound; None when unknown, with `abstained_reason`. `ci95` from the
    errors of its measures. `level` of concern.
    """

    name: MetricName
    score: float | None
    ci95: tuple[float, float] | None
    level: Level | None
    abstained_reason: Reason | None = None


Values = Mapping[str, tuple[float, float]]
"""Value and standard error of each measure that was had."""


def believed(value: float, error: float) -> float:
    """Size of a measure with its own noise taken out: Wiener's share of its square."""
    square = value * value
    return abs(value) * math.sqrt(square / (square + error * error)) if square else 0.0


def _halves(v: Values, **halving: float) -> float:
    """Sum of squares of believed measures over their halving values; missing ones count nothing."""
    return sum((believed(*v[name]) / half) ** 2 for name, half in halving.items() if name in v)


def _reach(v: Values, side: str) -> tuple[float, float]:
    """Mean range of a hind limb's stifle and hock, whichever were measured, and its error."""
    seen = [
        (share, v[f"{side}_{joint}_rom"])
        for joint, share in (("stifle", STIFLE_SHARE), ("hock", 1 - STIFLE_SHARE))
        if f"left_{joint}_rom" in v and f"right_{joint}_rom" in v
    ]
    total = sum(share for share, _ in seen)
    value = sum(share * m[0] for share, m in seen) / total
    error = math.sqrt(sum((share * m[1]) ** 2 for share, m in seen)) / total
    return value, error


def _uneven(left: tuple[float, float], right: tuple[float, float]) -> float:
    """Believed symmetry index of two ranges, in percent."""
    total = max(left[0] + right[0], 1e-6)
    error = 200.0 * math.hypot(left[1], right[1]) / total
    return believed(200.0 * (left[0] - right[0]) / total, error)


def _ground_index(v: Values) -> float:
    """Symmetry index of the hind limbs on the ground, in percent; carried strides have no time."""
    stance = math.copysign(believed(*v["hind_stance_si"]), v["hind_stance_si"][0])
    left, right = (
        (1.0 + side * stance / 200.0) * (1.0 - believed(*v[name]) / 100.0)
        for side, name in ((1.0, "left_skip_rate"), (-1.0, "right_skip_rate"))
    )
    return 200.0 * (left - right) / max(left + right, 1e-6)


def gait_balance(v: Values) -> float:
    """Left against right: time on the ground of the hind limbs, then hind steps, fore stances."""
    return 100.0 / (
        1.0
        + (_ground_index(v) / HIND_STANCE) ** 2
        + _halves(v, hind_step_si=HIND_STEP, fore_stance_si=FORE_STANCE)
    )


def patella_risk_signal(v: Values) -> float:
    """What owners see of an unsteady kneecap: skipped strides, an unloaded and stiff hind limb."""
    # A single skip among few strides may be a misread stride, and its error says so.
    skips = max(believed(*v["left_skip_rate"]), believed(*v["right_skip_rate"])) / SIGNAL_SKIP
    p = skips**2 + _halves(v, hind_stance_si=SIGNAL_STANCE, hind_step_si=SIGNAL_STEP)
    if "left_stifle_rom" in v and "right_stifle_rom" in v:
        p += (_uneven(v["left_stifle_rom"], v["right_stifle_rom"]) / SIGNAL_STIFLE) ** 2
    return 100.0 / (1.0 + p)


def knee_mobility(v: Values) -> float:
    """How far the stiffer hind limb bends, of both limbs drawn together as far as they are unsure.

    Of two noisy ranges the smaller one is too small: what differs by no more than its error counts
    as equal, and the limb that is seen better says where. The difference itself is a matter of the
    signal score, not of this one.
    """
    left, right = _reach(v, "left"), _reach(v, "right")
    apart = abs(left[0] - right[0])
    sure = believed(apart, math.hypot(left[1], right[1])) / apart if apart else 1.0
    one, two = left[1] ** 2 + 1e-9, right[1] ** 2 + 1e-9
    both = (two * left[0] + one * right[0]) / (one + two)
    stiffer = both + sure * (min(left[0], right[0]) - both)
    return 100.0 / (1.0 + (ROM_DEG / max(stiffer, 1e-3)) ** 2)


def gait_stability(v: Values) -> float:
    """How quietly the trunk rides: its sway beyond the even bob, an uneven bob included.

    The bob itself counts nothing: a sound trot bobs more than a walk. Noise is out of the sway
    already (`trunk`).
    """
    return 100.0 / (1.0 + (v["trunk_sway"][0] / SWAY) ** 2)


def gait_rhythm(v: Values) -> float:
    """How alike the strides are in time, and left and right within them."""
    cv, timing = v["stride_time_cv"][0], v.get("limb_timing_sd", (0.0, 0.0))[0]
    return 100.0 / (1.0 + (cv / STRIDE_CV) ** 2 + (timing / LIMB_TIMING) ** 2)


class _Map(NamedTuple):
    """A score's formula, the measures without which it is unknown, and the others it uses."""

    formula: Callable[[Values], float]
    needed: tuple[str, ...]
    used: tuple[str, ...]


_STIFLES: Final = ("left_stifle_rom", "right_stifle_rom")
_HOCKS: Final = ("left_hock_rom", "right_hock_rom")
_SKIPS: Final = ("left_skip_rate", "right_skip_rate")
_MAPS: Final[dict[MetricName, _Map]] = {
    "patella_risk_signal": _Map(
        patella_risk_signal, _SKIPS, ("hind_stance_si", "hind_step_si", *_STIFLES)
    ),
    "gait_balance": _Map(
        gait_balance, ("hind_stance_si", *_SKIPS), ("hind_step_si", "fore_stance_si")
    ),
    "knee_mobility": _Map(knee_mobility, _STIFLES, _HOCKS),
    "gait_stability": _Map(gait_stability, ("trunk_sway",), ()),
    "gait_rhythm": _Map(gait_rhythm, ("stride_time_cv",), ("limb_timing_sd",)),
}


def scores(measures: Mapping[str, Measure]) -> dict[str, MetricScore]:
    """Score the measures of a clip; a score whose measures are missing is None with the reason."""
    return {name: _score(name, measures) for name in METRICS}


def _score(name: MetricName, measures: Mapping[str, Measure]) -> MetricScore:
    formula, needed, used = _MAPS[name]
    missing = next((measures[m] for m in needed if measures[m].value is None), None)
    if name == "patella_risk_signal" and missing is None:
        missing = _signal_missing(measures)
    if missing is not None:
        return MetricScore(
            name=name, score=None, ci95=None, level=None, abstained_reason=missing.abstained_reason
        )
    values = {
        m.name: (m.value, m.standard_error)
        for m in (measures[measure] for measure in needed + used)
        if m.value is not None and m.standard_error is not None
    }
    score = formula(values)
    spread = 0.0
    for measure, (value, error) in values.items():
        step = error
        if name == "gait_balance" and measure in _SKIPS:
            # Balance is that of the strides seen: a limb never carried here takes nothing from it.
            step = min(error, value)
        up = formula({**values, measure: (value + step, error)})
        down = formula({**values, measure: (value - step, error)})
        spread += max(abs(up - score), abs(down - score)) ** 2
    half = 1.96 * math.sqrt(spread)
    return MetricScore(
        name=name,
        score=round(score, 1),
        ci95=(round(max(score - half, 0.0), 1), round(min(score + half, 100.0), 1)),
        level=level_of(score),
    )


def _signal_missing(measures: Mapping[str, Measure]) -> Measure | None:
    """A carried limb explains a missing stance index; otherwise the signal needs it."""
    stance = measures["hind_stance_si"]
    if stance.value is None and stance.abstained_reason is not Reason.LIMB_CARRIED:
        return stance
    return None


def level_of(score: float) -> Level:
    """Concern of a score: low from 70, high below 50."""
    return "low" if score >= LOW_FROM else "high" if score < HIGH_BELOW else "medium"
