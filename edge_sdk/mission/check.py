"""`check`: the verdict on a mission from poses over time, without any model.

The rules follow the success and failure criteria of `assets/references/missions.json`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.errors import InsufficientFrames
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
    longest_run,
    possible_ms,
    without_blinks,
)
from edge_sdk.mission.jumping import judge_jump
from edge_sdk.mission.outcome import Outcome, seen_at
from edge_sdk.mission.paw import judge_paw
from edge_sdk.mission.posture import Posture, posture_of
from edge_sdk.mission.result import (
    Mission,
    MissionVerdict,
    Verdict,
    load_references,
    mission_of,
)
from edge_sdk.mission.turning import judge_turn
from edge_sdk.references.texts import Text


def check(
    mission: Mission | str,
    keypoints: NDArray[np.floating],
    headings_rad: NDArray[np.floating],
    timestamps_ms: NDArray[np.floating],
    boxes_xyxy_px: NDArray[np.floating] | None = None,
    *,
    hand_boxes_xyxy_px: NDArray[np.floating] | None = None,
) -> MissionVerdict:
    """Judge one mission.

    `keypoints` (T, 24, 3) x, y, confidence (NaN where missing), `headings_rad` (T,) with NaN where
    unknown, `timestamps_ms` (T,) rising, `boxes_xyxy_px` (T, 4) of the dog; `hand_boxes_xyxy_px`
    (T, 4) of the owner's hand, if the app detects it, lets PAW be confirmed. The inputs are not
    changed. Raises `InvalidMissionType`, `InsufficientFrames`, and ValueError for other shapes.
    """
    wanted = mission_of(mission)
    points, headings, times, boxes, hands = _checked(
        keypoints, headings_rad, timestamps_ms, boxes_xyxy_px, hand_boxes_xyxy_px
    )
    posture = posture_of(points, times)
    match wanted:
        case Mission.SIT:
            outcome = _judge_hold(posture, times, _sitting(posture), criteria.SIT_HOLD_MS, _SIT)
        case Mission.DOWN:
            levels = _lying(posture, headings)
            outcome = _judge_hold(posture, times, levels, criteria.DOWN_HOLD_MS, _DOWN)
        case Mission.PAW:
            outcome = judge_paw(posture, times, hands)
        case Mission.TURN:
            outcome = judge_turn(posture, headings, times)
        case Mission.JUMP:
            outcome = judge_jump(posture, times, boxes)
    return _verdict(wanted, outcome)


_SIT = (
    Text("앉은 자세가 시작됨", "The dog sits from here"),
    Text("앉은 자세가 끝남", "The dog sits until here"),
)
_DOWN = (
    Text("엎드린 자세가 시작됨", "The dog lies from here"),
    Text("엎드린 자세가 끝남", "The dog lies until here"),
)


def _sitting(posture: Posture) -> Levels:
    hips = between_bounds(posture.hips_over_withers, *criteria.HIPS_LOW)
    legs = between_bounds(posture.elbow_height, *criteria.LEG_STRAIGHT)
    return all_of(hips, legs)


def _lying(posture: Posture, headings: Floats) -> Levels:
    hips = between_bounds(posture.hips_over_withers, *criteria.HIPS_LEVEL)
    legs = between_bounds(posture.elbow_height, *criteria.LEG_FOLDED)
    frontal = ~(np.abs(np.cos(headings)) >= criteria.FORESHORTENED_COS)
    legs[frontal & (legs == NO)] = UNKNOWN
    return all_of(hips, legs)


def _judge_hold(
    posture: Posture, times: Floats, levels: Levels, needed_ms: float, words: tuple[Text, Text]
) -> Outcome:
    """A posture that is to be held."""
    levels = without_blinks(levels, times)
    held = longest_run(levels == YES, times)
    evidence = () if held is None else _span(held, words)
    hold_ms = None if held is None else held.length_ms
    if held is not None and held.length_ms >= needed_ms:
        margin = min(1.0, held.length_ms / needed_ms - 1.0)
        sure = float(posture.confidence[held.first : held.last + 1].mean())
        return Outcome(Verdict.SUCCESS, hold_ms, evidence, sure * (0.7 + 0.3 * margin))
    possible = possible_ms(levels, times)
    known = float(np.mean(levels != UNKNOWN))
    if possible < needed_ms:
        sure = float(posture.confidence.mean()) * known
        return Outcome(Verdict.FAIL, hold_ms, evidence, sure)
    return Outcome(Verdict.UNCERTAIN, hold_ms, evidence, 0.5 * known)


def _span(run: Run, words: tuple[Text, Text]) -> tuple[tuple[float, Text], ...]:
    if run.first == run.last:
        return ((run.start_ms, words[0]),)
    return ((run.start_ms, words[0]), (run.end_ms, words[1]))


def _verdict(mission: Mission, outcome: Outcome) -> MissionVerdict:
    references = load_references()
    own = references.missions[mission]
    by_verdict = {
        Verdict.SUCCESS: own.success,
        Verdict.FAIL: own.fail,
        Verdict.UNCERTAIN: references.uncertain.then(own.capture_hint),
    }
    return MissionVerdict(
        mission=mission,
        verdict=outcome.verdict,
        hold_duration_sec=None if outcome.hold_ms is None else round(outcome.hold_ms / 1000, 3),
        evidence=tuple(seen_at(*one) for one in outcome.evidence),
        confidence=round(min(max(outcome.confidence, 0.0), 1.0), 3),
        summary=by_verdict[outcome.verdict],
    )


def _checked(
    keypoints: NDArray[np.floating],
    headings_rad: NDArray[np.floating],
    timestamps_ms: NDArray[np.floating],
    boxes: NDArray[np.floating] | None,
    hands: NDArray[np.floating] | None,
) -> tuple[Floats, Floats, Floats, Floats | None, Floats | None]:
    points = np.asarray(keypoints, np.float64)
    count = len(points)
    if points.shape != (count, 24, 3):
        raise ValueError(f"keypoints have the shape (T, 24, 3), not {points.shape}")
    headings = np.asarray(headings_rad, np.float64)
    times = np.asarray(timestamps_ms, np.float64)
    if headings.shape != (count,) or times.shape != (count,):
        raise ValueError(f"{count} poses, {headings.shape} headings, {times.shape} timestamps")
    if not np.all(np.diff(times) > 0):
        raise ValueError("timestamps rise strictly")
    if count < criteria.MIN_FRAMES or times[-1] - times[0] < criteria.MIN_CLIP_MS:
        raise InsufficientFrames(
            f"{count} frames; at least {criteria.MIN_FRAMES} over "
            f"{criteria.MIN_CLIP_MS / 1000:g} s are needed",
            min_frames=criteria.MIN_FRAMES,
        )
    optional = []
    for given in (boxes, hands):
        array = None if given is None else np.asarray(given, np.float64)
        if array is not None and array.shape != (count, 4):
            raise ValueError(f"boxes have the shape ({count}, 4), not {array.shape}")
        optional.append(array)
    return points, headings, times, optional[0], optional[1]
