"""The third dog of the gait examination does what its words say; no scorer is asked here."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.strut_dog import (
    HIND_LEFT,
    HIND_RIGHT,
    ROWS,
    TAIL,
    WITHERS,
    Build,
    Motion,
    Walk,
    move,
)
from tests.support.strut_film import Filming, film

TIMES_S = np.arange(480) / 60.0


def moved(seed: int, **changes: object) -> tuple[Walk, Motion, Build]:
    rng = np.random.default_rng(seed)
    build = Build.draw(rng)
    walk = replace(Walk.sound(rng), **changes).within(build)  # type: ignore[arg-type]
    return walk, move(rng, build, walk, TIMES_S), build


@pytest.mark.parametrize("seed", range(6))
def test_a_standing_paw_stands_still(seed: int) -> None:
    _, motion, _ = moved(seed)
    for limb, (paw, _, _) in ROWS.items():
        steps = motion.steps[limb]
        for down, up in zip(steps.down_s, steps.up_s, strict=True):
            stands = (down < TIMES_S) & (down + 0.8 * (up - down) > TIMES_S)
            if stands.any():
                assert np.ptp(motion.points[stands, paw, 0]) < 1e-3
                assert abs(motion.points[stands, paw, 2]).max() < 1e-3


@pytest.mark.parametrize("seed", range(6))
def test_bones_keep_their_length_from_the_side(seed: int) -> None:
    _, motion, build = moved(seed)
    paw, hock, stifle = (motion.points[:, row][:, [0, 2]] for row in ROWS[HIND_LEFT])
    assert np.allclose(np.hypot(*(stifle - hock).T), build.shank, atol=1e-9)
    assert np.allclose(np.hypot(*(hock - paw).T), build.foot, atol=1e-9)


def test_a_spared_limb_stands_shorter_by_what_was_asked() -> None:
    for side in (-0.2, 0.2):
        _, motion, _ = moved(3, spares=side, delay=0.0, clock=0.01)
        assert motion.truth.hind_stance_si == pytest.approx(100 * side, abs=1.5)
        assert motion.truth.faults["gait_balance"] == pytest.approx(20, abs=1.5)


def test_a_stiff_limb_bends_less_and_a_carried_one_has_no_ground_time() -> None:
    _, free, _ = moved(4, stiff=(0.0, 0.0))
    _, stiff, _ = moved(4, stiff=(0.8, 0.0))
    assert stiff.truth.stifle_range_deg[0] < free.truth.stifle_range_deg[0] - 5
    _, carried, _ = moved(4, carries=0.35, carried_left=False, spares=0.0)
    assert carried.truth.faults["gait_balance"] > 15
    assert not carried.steps[HIND_LEFT].carried.any()
    assert carried.steps[HIND_RIGHT].carried.any()


def test_wobble_and_clock_show_in_their_truths_only() -> None:
    _, calm, _ = moved(5, wobble=0.0, clock=0.0, delay=0.0, hurry=0.0, spares=0.0)
    assert calm.truth.faults["gait_rhythm"] < 1e-6
    assert calm.truth.faults["gait_stability"] < 0.002
    _, wild, _ = moved(5, wobble=0.03, clock=0.0, delay=0.0, hurry=0.0, spares=0.0)
    assert wild.truth.faults["gait_stability"] == pytest.approx(0.03, rel=0.3)
    _, irregular, _ = moved(5, wobble=0.0, clock=0.08, delay=0.0, hurry=0.0, spares=0.0)
    assert 0.02 < irregular.truth.faults["gait_rhythm"] < 0.16


def test_a_camera_on_its_left_sees_the_dog_go_left() -> None:
    rng = np.random.default_rng(6)
    walk = Walk.sound(rng)
    for from_left, sign in ((False, 1), (True, -1)):
        clip = film(rng, walk, Filming(noise=0.0, from_left=from_left))
        ahead = clip.keypoints[:, WITHERS, 0] - clip.keypoints[:, TAIL, 0]
        assert (sign * ahead > 0).all()
        assert np.median(abs(ahead)) == pytest.approx(200, rel=0.1)


def test_a_hard_filming_leaves_points_out_but_times_rise() -> None:
    rng = np.random.default_rng(7)
    view = replace(Filming.draw(rng, 30.0), missing=0.3, lost_frames=0.03, uneven_times=0.2)
    clip = film(rng, Walk.any(rng), view)
    assert (np.diff(clip.timestamps_ms) > 0).all()
    assert 0.15 < np.isnan(clip.keypoints[:, :, 0]).mean() < 0.5
