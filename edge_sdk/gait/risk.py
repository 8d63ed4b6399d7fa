"""One level of concern for the whole clip, with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from edge_sdk.gait.measures import GOOD_STRIDES, Measure
from edge_sdk.gait.scores import HIGH_BELOW, LOW_FROM, METRICS, Level, MetricScore

# A difference counts as seen when its 95 % interval stays beyond what sound dogs show.
SOUND_STANCE_SI: Final = 7.0
# One skip may be a stumble, and one may be a misread stride.
LEAST_SKIPS: Final = 2


class RiskReason(StrEnum):
    """What made the level, as stable codes."""

    HIND_STANCE_UNEVEN = "hind_stance_uneven"
    STRIDES_SKIPPED = "strides_skipped"
    LOW_SCORE = "low_score"
    ALL_WITHIN_USUAL = "all_within_usual"


def overall(
    scores: Mapping[str, MetricScore], measures: Mapping[str, Measure]
) -> tuple[Level | None, tuple[str, ...]]:
    """Level of concern and its reasons; None when no score is known.

    High needs a signal or balance score below 50 *and* evidence that stands out of its error:
    scores alone, on few strides, make it medium at most.
    """
    known = {name: s.score for name in METRICS if (s := scores[name]).score is not None}
    if not known:
        return None, ()
    reasons: list[str] = []
    stance = measures["hind_stance_si"]
    uneven = (
        stance.ci95 is not None
        and stance.strides >= GOOD_STRIDES
        and (stance.ci95[0] > SOUND_STANCE_SI or stance.ci95[1] < -SOUND_STANCE_SI)
    )
    if uneven:
        reasons.append(RiskReason.HIND_STANCE_UNEVEN)
    skips = max(_skips(measures["left_skip_rate"]), _skips(measures["right_skip_rate"]))
    skipped = skips >= LEAST_SKIPS
    if skipped:
        reasons.append(RiskReason.STRIDES_SKIPPED)
    low = [name for name, score in known.items() if score is not None and score < LOW_FROM]
    reasons += [f"{RiskReason.LOW_SCORE}:{name}" for name in low]
    worst = min(known.get(name) or 100.0 for name in ("patella_risk_signal", "gait_balance"))
    if worst < HIGH_BELOW and (uneven or skipped):
        return "high", tuple(reasons)
    if reasons:
        return "medium", tuple(reasons)
    return "low", (RiskReason.ALL_WITHIN_USUAL,)


def _skips(rate: Measure) -> int:
    return round(rate.value * rate.strides / 100.0) if rate.value is not None else 0
