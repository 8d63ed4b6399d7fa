"""The verdicts of `check` on a stick dog: success, failure, and never a guess."""

import math
from dataclasses import replace

import numpy as np
import pytest

from edge_sdk.errors import InsufficientFrames, InvalidMissionType
from edge_sdk.mission.check import check
from edge_sdk.mission.result import MissionVerdict, Verdict
from tests.support.mission_poses import (
    SHORT_LEGS,
    Build,
    Filmed,
    begging_paw,
    between_stances,
    bow,
    film,
    jumping,
    lie,
    sit,
    stand,
)

SUCCESS, FAIL, UNCERTAIN = Verdict.SUCCESS, Verdict.FAIL, Verdict.UNCERTAIN
BUILDS = [Build(), SHORT_LEGS, Build(trunk=0.85, leg=0.58)]


def _judge(mission: str, filmed: Filmed, hands: np.ndarray | None = None) -> MissionVerdict:
    return check(
        mission, filmed.keypoints, filmed.headings_rad, filmed.timestamps_ms, filmed.boxes_xyxy_px,
        hand_boxes_xyxy_px=hands,
    )  # fmt: skip


# --- SIT and DOWN ----------------------------------------------------------------------------
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(("mission", "pose"), [("SIT", sit), ("DOWN", lie)])
@pytest.mark.parametrize("yaw", [0.0, math.pi, 0.6, math.pi - 0.6])
def test_a_posture_held_for_two_seconds_succeeds(mission, pose, build, yaw) -> None:
    action = between_stances(stand(build), pose(build), 1.0, 3.0)
    verdict = _judge(mission, film(action, 4.0, build=build, yaw_rad=yaw))
    assert verdict.verdict is SUCCESS
    assert verdict.hold_duration_sec == pytest.approx(2.0, abs=0.35)
    start, end = (one.time_sec for one in verdict.evidence)
    assert (start, end) == (pytest.approx(1.0, abs=0.25), pytest.approx(3.0, abs=0.25))


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(("mission", "pose"), [("SIT", sit), ("DOWN", lie)])
def test_a_posture_left_at_once_fails(mission, pose, build) -> None:
    action = between_stances(stand(build), pose(build), 1.0, 1.25)
    verdict = _judge(mission, film(action, 4.0, build=build))
    assert verdict.verdict is FAIL
    assert not verdict.success


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(
    ("mission", "pose"),
    [("SIT", stand), ("SIT", lie), ("DOWN", stand), ("DOWN", sit)],
)
def test_another_posture_fails(mission, pose, build) -> None:
    verdict = _judge(mission, film(lambda t: pose(build), 3.0, build=build))
    assert verdict.verdict is FAIL


@pytest.mark.parametrize("build", BUILDS)
def test_a_bow_to_play_is_not_lying_down(build) -> None:
    assert _judge("DOWN", film(lambda t: bow(build), 3.0, build=build)).verdict is not SUCCESS


@pytest.mark.parametrize("mission", ["SIT", "DOWN"])
def test_hidden_hips_are_never_guessed(mission) -> None:
    pose = {"SIT": sit, "DOWN": lie}[mission]
    filmed = film(lambda t: pose(Build()), 3.0, hidden=("tail_start",))
    verdict = _judge(mission, filmed)
    assert verdict.verdict is UNCERTAIN
    assert verdict.confidence <= 0.5


def test_a_hold_just_at_the_limit_is_uncertain_or_right() -> None:
    for seed in range(12):
        action = between_stances(stand(Build()), sit(Build()), 1.0, 1.95)
        verdict = _judge("SIT", film(action, 4.0, seed=seed))
        assert verdict.verdict is not FAIL


def test_a_gap_in_the_frames_does_not_count_as_held() -> None:
    filmed = film(lambda t: sit(Build()), 3.0)
    keep = (filmed.timestamps_ms < 700) | (filmed.timestamps_ms > 2300)
    cut = Filmed(*(part[keep] for part in (
        filmed.keypoints, filmed.headings_rad, filmed.timestamps_ms, filmed.boxes_xyxy_px
    )))  # fmt: skip
    assert _judge("SIT", cut).verdict is UNCERTAIN


@pytest.mark.parametrize("mission", ["SIT", "DOWN"])
def test_noise_and_lost_points_do_not_turn_a_verdict_around(mission) -> None:
    pose = {"SIT": sit, "DOWN": lie}[mission]
    wrong = {SUCCESS: 0, FAIL: 0, UNCERTAIN: 0}
    missed = dict(wrong)
    for seed in range(20):
        held = between_stances(stand(Build()), pose(Build()), 1.0, 3.0)
        bad = {"noise": 0.03, "missing": 0.08, "seed": seed}
        missed[_judge(mission, film(held, 4.0, **bad)).verdict] += 1
        wrong[_judge(mission, film(lambda t: stand(Build()), 4.0, **bad)).verdict] += 1
    assert missed[FAIL] == 0
    assert missed[SUCCESS] >= 14
    assert wrong[SUCCESS] == 0
    assert wrong[FAIL] >= 14


@pytest.mark.parametrize("pitch", [0.0, 12.0, 30.0])
@pytest.mark.parametrize("mission", ["SIT", "DOWN"])
def test_a_camera_that_looks_down_changes_nothing(mission, pitch) -> None:
    pose = {"SIT": sit, "DOWN": lie}[mission]
    held = between_stances(stand(Build()), pose(Build()), 1.0, 3.0)
    for yaw in (0.0, 0.7, -0.7):
        filmed = film(held, 4.0, yaw_rad=yaw, pitch_deg=pitch)
        # Legs that lie towards a camera high above look half raised: that is not to be told.
        unclear = {UNCERTAIN} if (mission, pitch) == ("DOWN", 30.0) and yaw > 0 else set()
        assert _judge(mission, filmed).verdict in {SUCCESS} | unclear
        stood = film(lambda t: stand(Build()), 4.0, yaw_rad=yaw, pitch_deg=pitch)
        assert _judge(mission, stood).verdict is FAIL


# --- PAW -------------------------------------------------------------------------------------
@pytest.mark.parametrize("side", [0, 1])
def test_a_paw_that_stays_up_succeeds_without_full_confidence(side) -> None:
    held = between_stances(sit(Build()), begging_paw(Build(), side=side), 1.0, 2.8)
    verdict = _judge("PAW", film(held, 4.0))
    assert verdict.verdict is SUCCESS
    assert verdict.confidence <= 0.75
    assert "손은 검출되지 않음" in verdict.evidence[-1].description.ko


def test_a_paw_lifted_for_a_moment_fails() -> None:
    held = between_stances(sit(Build()), begging_paw(Build()), 1.0, 1.1, change_s=0.15)
    assert _judge("PAW", film(held, 4.0)).verdict is FAIL


def test_a_paw_on_the_ground_fails() -> None:
    assert _judge("PAW", film(lambda t: sit(Build()), 3.0)).verdict is FAIL


def test_a_short_still_paw_without_a_hand_is_uncertain() -> None:
    held = between_stances(sit(Build()), begging_paw(Build()), 1.0, 1.8, change_s=0.15)
    assert _judge("PAW", film(held, 4.0)).verdict is UNCERTAIN


def test_a_waving_paw_is_not_taken_for_a_resting_one() -> None:
    def wave(t: float):
        return begging_paw(Build(), lift=0.45 + 0.2 * math.sin(2 * math.pi * 2 * t))

    assert _judge("PAW", film(wave, 3.0, fps=30)).verdict is not SUCCESS


def test_a_hand_under_the_paw_confirms_it_sooner_and_a_far_one_denies_it() -> None:
    held = between_stances(sit(Build()), begging_paw(Build()), 1.0, 1.8, change_s=0.15)
    filmed = film(held, 4.0)
    paw = filmed.keypoints[:, 0, :2]
    near = np.concatenate([paw - 15, paw + 15], axis=1)
    verdict = _judge("PAW", filmed, near)
    assert verdict.verdict is SUCCESS
    assert verdict.confidence <= 0.9
    assert _judge("PAW", filmed, near + 300).verdict is FAIL


# --- TURN ------------------------------------------------------------------------------------
def _turn(degrees: float, seconds: float = 1.6, start: float = 0.0):
    return lambda t: start + math.radians(degrees) * min(max((t - 0.7) / seconds, 0.0), 1.0)


@pytest.mark.parametrize("degrees", [230, 360, -230, -360])
@pytest.mark.parametrize("fps", [12, 30])
def test_a_turn_of_more_than_half_a_circle_succeeds(degrees, fps) -> None:
    filmed = film(lambda t: stand(Build()), 3.5, yaw_rad=_turn(degrees), fps=fps)
    verdict = _judge("TURN", filmed)
    assert verdict.verdict is SUCCESS
    assert f"{abs(degrees) // 100}" in verdict.evidence[-1].description.en
    assert verdict.hold_duration_sec == pytest.approx(1.6, abs=0.5)


@pytest.mark.parametrize("degrees", [0, 45, 90, -110])
def test_less_than_half_a_circle_fails(degrees) -> None:
    filmed = film(lambda t: stand(Build()), 3.5, yaw_rad=_turn(degrees))
    assert _judge("TURN", filmed).verdict is FAIL


def test_half_a_circle_itself_is_not_called_a_failure() -> None:
    for seed in range(10):
        filmed = film(lambda t: stand(Build()), 3.5, yaw_rad=_turn(180), seed=seed)
        assert _judge("TURN", filmed).verdict is not FAIL


def test_to_and_fro_is_no_turn() -> None:
    filmed = film(
        lambda t: stand(Build()), 4.0, yaw_rad=lambda t: math.radians(60) * math.sin(3 * t)
    )
    assert _judge("TURN", filmed).verdict is not SUCCESS


def test_two_quarter_turns_with_a_rest_between_are_no_turn() -> None:
    def yaw(t: float) -> float:
        return math.radians(100) * (min(t / 0.6, 1) + min(max((t - 2.4) / 0.6, 0), 1))

    assert _judge("TURN", film(lambda t: stand(Build()), 4.0, yaw_rad=yaw)).verdict is FAIL


def test_headings_that_flip_are_uncertain() -> None:
    filmed = film(lambda t: stand(Build()), 3.0)
    headings = filmed.headings_rad.copy()
    headings[::5] += math.pi
    flipped = Filmed(filmed.keypoints, headings, filmed.timestamps_ms, filmed.boxes_xyxy_px)
    assert _judge("TURN", flipped).verdict is UNCERTAIN


def test_headings_that_contradict_the_body_are_uncertain() -> None:
    turning = film(lambda t: stand(Build()), 3.5, yaw_rad=_turn(330))
    still = film(lambda t: stand(Build()), 3.5)
    mixed = Filmed(still.keypoints, turning.headings_rad, still.timestamps_ms, still.boxes_xyxy_px)
    assert _judge("TURN", mixed).verdict is UNCERTAIN


# --- JUMP ------------------------------------------------------------------------------------
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(("height", "gravity"), [(0.4, 18.0), (0.8, 18.0), (0.6, 40.0)])
@pytest.mark.parametrize("fps", [15, 30])
def test_a_jump_succeeds(build, height, gravity, fps) -> None:
    filmed = film(jumping(build, 1.2, height, gravity), 3.0, build=build, fps=fps)
    verdict = _judge("JUMP", filmed)
    assert verdict.verdict is SUCCESS
    assert verdict.evidence[0].time_sec == pytest.approx(1.2, abs=0.2)


def test_standing_is_no_jump() -> None:
    assert _judge("JUMP", film(lambda t: stand(Build()), 3.0)).verdict is FAIL


def test_front_paws_alone_are_no_jump_and_are_named() -> None:
    def rear_up(t: float):
        up = 0.4 * max(0.0, math.sin(2 * math.pi * (t - 1))) if 1 < t < 1.5 else 0.0
        return replace(stand(Build()), paw_lift=(up, up), withers_z=1 + up)

    verdict = _judge("JUMP", film(rear_up, 3.0, fps=30))
    assert verdict.verdict is FAIL
    assert "앞발만" in verdict.evidence[0].description.ko


@pytest.mark.parametrize("speed", [0.35, 1.2])
def test_a_camera_that_moves_is_no_jump(speed) -> None:
    def tilt(t: float) -> tuple[float, float]:
        return 0.0, -0.5 * min(max((t - 1.0) / speed, 0), 1) + 0.5 * min(
            max((t - 1.0 - speed) / speed, 0), 1
        )

    filmed = film(lambda t: stand(Build()), 4.0, fps=30, camera=tilt)
    assert _judge("JUMP", filmed).verdict is not SUCCESS


def test_hidden_hind_paws_leave_a_jump_uncertain() -> None:
    hidden = ("rear_left_paw", "rear_right_paw")
    filmed = film(jumping(Build(), 1.2, 0.5), 3.0, fps=30, hidden=hidden)
    assert _judge("JUMP", filmed).verdict is UNCERTAIN


# --- all of them -----------------------------------------------------------------------------
ACTIONS = {
    "SIT": lambda: film(between_stances(stand(Build()), sit(Build()), 1.0, 3.0), 4.0),
    "DOWN": lambda: film(between_stances(stand(Build()), lie(Build()), 1.0, 3.0), 4.0),
    "PAW": lambda: film(between_stances(sit(Build()), begging_paw(Build()), 1.0, 3.0), 4.0),
    "TURN": lambda: film(lambda t: stand(Build()), 3.5, yaw_rad=_turn(300)),
    "JUMP": lambda: film(jumping(Build(), 1.2, 0.5), 3.0, fps=30),
}


@pytest.mark.parametrize("mission", ACTIONS)
def test_scale_shift_time_and_mirror_change_nothing(mission) -> None:
    filmed = ACTIONS[mission]()
    reference = _judge(mission, filmed)
    moved = filmed.keypoints * [0.4, 0.4, 1] + [-300, 77, 0]
    later = filmed.timestamps_ms + 5_000
    again = check(mission, moved, filmed.headings_rad, later, filmed.boxes_xyxy_px * 0.4)
    assert again.verdict is reference.verdict
    assert again.hold_duration_sec == reference.hold_duration_sec
    from edge_sdk.vision.keypoints import FLIP_INDEX

    mirrored = filmed.keypoints[:, list(FLIP_INDEX)] * [-1, 1, 1] + [1000, 0, 0]
    flipped = check(mission, mirrored, math.pi - filmed.headings_rad, filmed.timestamps_ms)
    assert (flipped.verdict, flipped.hold_duration_sec) == (
        reference.verdict,
        reference.hold_duration_sec,
    )


@pytest.mark.parametrize("mission", ACTIONS)
def test_random_points_are_never_a_success(mission) -> None:
    rng = np.random.default_rng(3)
    for _ in range(25):
        keypoints = np.concatenate(
            [rng.uniform(0, 600, (48, 24, 2)), np.full((48, 24, 1), 0.9)], axis=2
        )
        headings = rng.uniform(-math.pi, math.pi, 48)
        verdict = check(mission, keypoints, headings, np.arange(48) * 1000 / 12)
        assert verdict.verdict is not SUCCESS


@pytest.mark.parametrize("mission", ACTIONS)
def test_nothing_seen_is_uncertain(mission) -> None:
    keypoints = np.full((40, 24, 3), np.nan)
    verdict = check(mission, keypoints, np.full(40, np.nan), np.arange(40) * 83.0)
    assert verdict.verdict is UNCERTAIN
    assert verdict.confidence == 0
    assert verdict.hold_duration_sec is None


def test_inputs_are_not_written_to() -> None:
    filmed = ACTIONS["SIT"]()
    parts = (filmed.keypoints, filmed.headings_rad, filmed.timestamps_ms, filmed.boxes_xyxy_px)
    before = [part.copy() for part in parts]
    for mission in ACTIONS:
        _judge(mission, filmed)
    assert all(np.array_equal(a, b) for a, b in zip(parts, before, strict=True))


def test_bad_input_is_refused() -> None:
    filmed = ACTIONS["SIT"]()
    with pytest.raises(InvalidMissionType, match="ROLL"):
        _judge("ROLL", filmed)
    with pytest.raises(InsufficientFrames):
        check("SIT", filmed.keypoints[:4], filmed.headings_rad[:4], filmed.timestamps_ms[:4])
    with pytest.raises(ValueError, match="rise"):
        check("SIT", filmed.keypoints, filmed.headings_rad, filmed.timestamps_ms[::-1])
    with pytest.raises(ValueError, match="24"):
        check("SIT", filmed.keypoints[:, :17], filmed.headings_rad, filmed.timestamps_ms)
