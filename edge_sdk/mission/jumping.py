"""JUMP: all four paws off the ground at once, and a fall that gravity explains."""

from __future__ import annotations

import numpy as np

from edge_sdk.mission import criteria
from edge_sdk.mission.evidence import (
    NO,
    UNKNOWN,
    YES,
    Floats,
    Levels,
    Run,
    all_of,
    between_bounds,
    possible_ms,
    runs_of,
    without_blinks,
)
from edge_sdk.mission.outcome import Outcome
from edge_sdk.mission.posture import Posture, rolling_percentile
from edge_sdk.mission.result import Verdict
from edge_sdk.references.texts import Text

_OFF = Text("네 발이 모두 바닥에서 떨어짐", "All four paws leave the ground")
_ON = Text("다시 바닥에 닿음", "The paws touch the ground again")
_FRONT = Text("앞발만 바닥에서 떨어짐", "Only the front paws leave the ground")


def judge_jump(posture: Posture, times: Floats, boxes: Floats | None) -> Outcome:
    """Judge the clearest flight."""
    height_px = _height_px(posture, boxes)
    rises = _rises(posture, times) / height_px
    paws = [between_bounds(rises[:, leg], *criteria.PAW_RISE) for leg in range(4)]
    body = between_bounds(_body_rise(posture, times) / height_px, *criteria.BODY_RISE)
    state = without_blinks(all_of(*paws, body), times)
    shortest, longest = criteria.AIRBORNE_MS
    flights = [
        run
        for run in runs_of(state == YES, times)
        if _airborne_ms(run, times) >= shortest and run.length_ms <= longest
    ]
    known = float(np.mean(state != UNKNOWN))
    sure = float(posture.confidence.mean())
    if flights:
        best = max(flights, key=lambda run: run.length_ms)
        evidence = ((best.start_ms, _OFF), (best.end_ms, _ON))
        if _falls(posture, times, best, height_px):
            return Outcome(Verdict.SUCCESS, best.length_ms, evidence, sure * 0.9)
        # A camera that was jerked lifts all paws too, but not along the parabola of a fall.
        return Outcome(Verdict.UNCERTAIN, best.length_ms, evidence, 0.4 * known)
    evidence_front = _front_only(paws, times)
    if possible_ms(state, times) <= criteria.CLEAR_FLIGHT_MS:
        return Outcome(Verdict.FAIL, None, evidence_front, sure * known)
    return Outcome(Verdict.UNCERTAIN, None, evidence_front, 0.5 * known)


def _height_px(posture: Posture, boxes: Floats | None) -> float:
    """Withers height of the standing dog; from the box where the withers are never seen."""
    heights = posture.withers_height_px[np.isfinite(posture.withers_height_px)]
    if len(heights):
        return float(np.percentile(heights, 60))
    if boxes is not None and np.isfinite(boxes).all(axis=1).any():
        return float(np.nanmedian(boxes[:, 3] - boxes[:, 1])) * 0.75
    return float("nan")


def _rises(posture: Posture, times: Floats) -> Floats:
    """How far each paw (T, 4) is over its own ground: the level it stands on most of the time."""
    return np.stack([_over_ground(posture.paws_px[:, leg, 1], times) for leg in range(4)], axis=1)


def _body_rise(posture: Posture, times: Floats) -> Floats:
    usual = rolling_percentile(posture.body_y_px, times, 2 * criteria.GROUND_WINDOW_MS, 50.0)
    return np.asarray(usual - posture.body_y_px, np.float64)


def _over_ground(y_px: Floats, times: Floats) -> Floats:
    window, percentile = criteria.GROUND_WINDOW_MS, criteria.GROUND_PERCENTILE
    return np.asarray(rolling_percentile(y_px, times, window, percentile) - y_px, np.float64)


def _airborne_ms(run: Run, times: Floats) -> float:
    """Length of a flight, reaching half a step beyond its first and last frame."""
    before = times[run.first] - times[max(run.first - 1, 0)]
    after = times[min(run.last + 1, len(times) - 1)] - times[run.last]
    return float(run.length_ms + (before + after) / 2)


def _falls(posture: Posture, times: Floats, run: Run, height_px: float) -> bool:
    """Whether the body moves along a parabola, with the curvature of free fall."""
    rows = slice(max(run.first - 1, 0), run.last + 2)
    y, t = posture.body_y_px[rows] / height_px, times[rows] / 1000.0
    seen = np.isfinite(y)
    if seen.sum() < criteria.FALL_POINTS:
        return False
    y, t = y[seen], t[seen] - t[seen].mean()
    curve = np.polyfit(t, y, 2)
    off = float(np.sqrt(np.mean((np.polyval(curve, t) - y) ** 2)))
    share, least = criteria.FALL_RESIDUAL
    low, high = criteria.FALL_HEIGHTS_PER_S2
    return low <= 2 * float(curve[0]) <= high and off <= max(share * float(np.ptp(y)), least)


def _front_only(paws: list[Levels], times: Floats) -> tuple[tuple[float, Text], ...]:
    front = all_of(paws[0], paws[2]) == YES
    hind = (paws[1] == NO) & (paws[3] == NO)
    runs = runs_of(front & hind, times)
    return ((max(runs, key=lambda run: run.length_ms).start_ms, _FRONT),) if runs else ()
