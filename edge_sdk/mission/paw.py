"""PAW: a front paw off the ground, resting on a hand.

Poses know no hands. With the app's hand boxes contact is seen; without them it is inferred from a
paw that stays still in the air, for longer, and never with full confidence.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edge_sdk.gait.anatomy import FORE
from edge_sdk.mission import criteria
from edge_sdk.mission.evidence import (
    NO,
    UNKNOWN,
    YES,
    Floats,
    Levels,
    all_of,
    between_bounds,
    longest_run,
    possible_ms,
    without_blinks,
)
from edge_sdk.mission.outcome import Outcome
from edge_sdk.mission.posture import Posture, rolling_percentile
from edge_sdk.mission.result import Verdict
from edge_sdk.references.texts import Text

INFERRED_CONFIDENCE: Final = 0.75
"""Contact that was not seen is never surer than this."""

_LIFTED = Text("앞발을 들어 올림", "A front paw is lifted")
_CONTACT = Text("앞발이 손 위에 머묾", "The paw rests on the hand")
_STILL = Text(
    "든 앞발이 가만히 머묾 (손은 검출되지 않음)",
    "The lifted paw stays still (no hand was detected)",
)


def judge_paw(posture: Posture, times: Floats, hands: Floats | None) -> Outcome:
    """Judge the better of the two front paws."""
    outcomes = [_judge_one(posture, times, hands, side) for side in range(2)]
    order = (Verdict.SUCCESS, Verdict.UNCERTAIN, Verdict.FAIL)
    return min(outcomes, key=lambda one: (order.index(one.verdict), -(one.hold_ms or 0.0)))


def _judge_one(posture: Posture, times: Floats, hands: Floats | None, side: int) -> Outcome:
    lifted = between_bounds(posture.lift[:, side], *criteria.PAW_LIFTED)
    paw = posture.paws_px[:, FORE[side]]
    if hands is not None and np.isfinite(hands).all(axis=1).any():
        state = all_of(lifted, _on_hand(paw, hands, posture.leg_px))
        needed_ms, words, ceiling = criteria.PAW_HAND_MS, _CONTACT, 1.0
    else:
        state = all_of(lifted, _still(paw - posture.withers_px, posture.leg_px, times))
        needed_ms, words, ceiling = criteria.PAW_STILL_MS, _STILL, INFERRED_CONFIDENCE
    state = without_blinks(state, times)
    held = longest_run(state == YES, times)
    hold_ms = None if held is None else held.length_ms
    evidence = () if held is None else ((held.start_ms, _LIFTED), (held.end_ms, words))
    if held is not None and held.length_ms >= needed_ms:
        sure = float(posture.confidence[held.first : held.last + 1].mean())
        margin = min(1.0, held.length_ms / needed_ms - 1.0)
        confidence = min(ceiling, sure * (0.7 + 0.3 * margin))
        return Outcome(Verdict.SUCCESS, hold_ms, evidence, confidence)
    known = float(np.mean(state != UNKNOWN))
    # A hold between the two durations may have been a short touch of a hand.
    if possible_ms(state, times) < criteria.PAW_HAND_MS:
        return Outcome(Verdict.FAIL, hold_ms, evidence, known * float(posture.confidence.mean()))
    return Outcome(Verdict.UNCERTAIN, hold_ms, evidence, 0.5 * known)


def _still(offset: Floats, leg_px: Floats, times: Floats) -> Levels:
    spread = [
        rolling_percentile(offset[:, axis], times, criteria.PAW_WINDOW_MS, 100.0)
        - rolling_percentile(offset[:, axis], times, criteria.PAW_WINDOW_MS, 0.0)
        for axis in range(2)
    ]
    moved = np.where(np.isfinite(offset[:, 0]), np.hypot(*spread) / leg_px, np.nan)
    return between_bounds(moved, *criteria.PAW_STILL)


def _on_hand(paw: Floats, hands: Floats, leg_px: Floats) -> Levels:
    margin = criteria.HAND_MARGIN * (hands[:, 2:] - hands[:, :2])
    outside = np.maximum(hands[:, :2] - margin - paw, paw - hands[:, 2:] - margin)
    away = np.hypot(*np.clip(outside, 0.0, None).T) / leg_px
    levels = np.full(len(paw), UNKNOWN, np.int8)
    levels[away == 0] = YES
    levels[away > criteria.HAND_FAR_LEGS] = NO
    return levels
