"""TURN: one continuous rotation of the body, from headings over time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edge_sdk.mission import criteria
from edge_sdk.mission.evidence import Floats
from edge_sdk.mission.outcome import Outcome
from edge_sdk.mission.posture import Posture
from edge_sdk.mission.result import Verdict
from edge_sdk.references.texts import Text

_STARTS = Text("몸을 돌리기 시작함", "The body begins to turn")


@dataclass(frozen=True, slots=True)
class Turn:
    """The largest rotation in one direction: degrees, and when it began and ended."""

    degrees: float
    start_ms: float
    end_ms: float


def judge_turn(posture: Posture, headings: Floats, times: Floats) -> Outcome:
    """Judge the largest turn; unsure where headings break off or contradict the body."""
    known = np.isfinite(headings)
    turn, broken = largest_turn(headings[known], times[known])
    turning = (times >= turn.start_ms) & (times <= turn.end_ms)
    looked_at = turning if turn.degrees > criteria.TURN_REVERSAL_DEG else known
    agrees = _agreement(posture.facing[looked_at], headings[looked_at])
    share = float(known.mean())
    evidence: tuple[tuple[float, Text], ...] = ()
    hold_ms = None
    if turn.degrees > criteria.TURN_REVERSAL_DEG:
        turned = Text(
            f"이어서 {turn.degrees:.0f}도 돎", f"Turned by {turn.degrees:.0f} degrees in one go"
        )
        evidence = ((turn.start_ms, _STARTS), (turn.end_ms, turned))
        hold_ms = turn.end_ms - turn.start_ms
    if not agrees >= criteria.FACING_AGREES:
        return Outcome(Verdict.UNCERTAIN, hold_ms, evidence, 0.3 * share)
    sure = agrees * float(posture.confidence[known].mean())
    if turn.degrees >= criteria.TURN_DEG:
        margin = min(1.0, turn.degrees / criteria.TURN_DEG - 1.0)
        return Outcome(Verdict.SUCCESS, hold_ms, evidence, sure * (0.7 + 0.3 * margin))
    if turn.degrees < criteria.TURN_SURE_NO_DEG and not broken:
        return Outcome(Verdict.FAIL, hold_ms, evidence, sure * share)
    return Outcome(Verdict.UNCERTAIN, hold_ms, evidence, 0.5 * share)


def largest_turn(headings: Floats, times: Floats) -> tuple[Turn, bool]:
    """Largest rotation without a reversal, a pause or a gap; and whether the chain ever broke.

    It breaks where a step is too large to know its direction, or frames are missing.
    """
    none = Turn(0.0, float(times[0]) if len(times) else 0.0, float(times[0]) if len(times) else 0.0)
    if len(headings) < 2:
        return none, True
    steps = np.degrees(np.angle(np.exp(1j * np.diff(headings))))
    step_ms = np.diff(times)
    most = np.minimum(criteria.TURN_STEP_DEG, criteria.TURN_DEG_PER_S * step_ms / 1000)
    most = np.maximum(most, criteria.TURN_REVERSAL_DEG)
    unsure = (np.abs(steps) > most) | (step_ms > criteria.TURN_GAP_MS)
    best = none
    edges = [0, *(np.flatnonzero(unsure) + 1), len(headings)]
    for first, last in pairwise(edges):
        for sign in (1.0, -1.0):
            angles = np.concatenate([[0.0], np.cumsum(sign * steps[first : last - 1])])
            found = _largest_rise(angles, times[first:last])
            best = max(best, found, key=lambda turn: turn.degrees)
    return best, bool(unsure.any())


def _largest_rise(angles: Floats, times: Floats) -> Turn:
    """Largest rise of an angle that neither falls back nor pauses on its way."""
    best = Turn(0.0, float(times[0]), float(times[0]))
    low, peak = 0, 0
    for at in range(1, len(angles)):
        back = angles[peak] - angles[at]
        paused = (
            times[at] - times[peak] > criteria.TURN_PAUSE_MS
            and angles[at] - angles[peak] < criteria.TURN_PAUSE_DEG
        )
        if angles[at] < angles[low] or back > criteria.TURN_REVERSAL_DEG or paused:
            low = peak = at
        elif angles[at] >= angles[peak] + criteria.TURN_PAUSE_DEG or (
            angles[at] > angles[peak] and times[at] - times[peak] <= criteria.TURN_PAUSE_MS
        ):
            peak = at
        rise = float(angles[peak] - angles[low])
        if rise > best.degrees:
            best = _without_rests(angles, times, low, peak)
    return best


def _without_rests(angles: Floats, times: Floats, low: int, peak: int) -> Turn:
    """A turn from its last frame near the start to its first frame near the end."""
    path = angles[low : peak + 1]
    edge = min(criteria.TURN_EDGE_DEG, (path[-1] - path[0]) / 4)
    start = low + int(np.flatnonzero(path <= path[0] + edge)[-1])
    end = low + int(np.flatnonzero(path >= path[-1] - edge)[0])
    return Turn(float(path[-1] - path[0]), float(times[start]), float(times[end]))


def _agreement(facing: Floats, headings: Floats) -> float:
    """Share of clear side views in which nose and tail lie as the heading says; NaN without."""
    cos = np.cos(headings)
    clear = (np.abs(cos) >= criteria.FACING_COS) & np.isfinite(facing)
    if not clear.any():
        return float("nan")
    return float(np.mean(np.sign(cos[clear]) == facing[clear]))
