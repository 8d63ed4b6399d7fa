"""The generated gait: paws that hold, numbers that agree with what was asked. No renderer."""

import subprocess
import sys

import numpy as np
import pytest

from model_export.synth.actions import ACTIONS, act
from model_export.synth.gait import GaitParams, random_gait, with_other_faults
from model_export.synth.gait_truth import measure
from model_export.synth.head_shape import CROSS
from model_export.synth.kinematics import FL, FR, RL, RR, GaitPlan
from model_export.synth.morphology import ARCHETYPES, Morphology
from model_export.synth.posture import (
    DISTAL,
    MIDDLE,
    PAW,
    PAW_HEIGHT,
    PROXIMAL,
    LimbLengths,
    solve,
    standing,
)

SECONDS = 8.0
TIMES = np.arange(0.0, SECONDS, 1 / 60)


def planned(seed: int, **fixed) -> GaitPlan:
    rng = np.random.default_rng(seed)
    body = Morphology.random(rng, "train")
    return GaitPlan.draw(rng, random_gait(rng, body, **fixed), body, SECONDS)


def test_the_kinematics_need_no_renderer():
    code = (
        "import sys; import model_export.synth.actions, model_export.synth.gait_truth;"
        "assert not {'numba', 'torch', 'cv2', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("seed", range(6))
def test_a_paw_on_the_ground_does_not_slide(seed):
    motion = planned(seed).at(TIMES)
    paws = motion.to_world(motion.skeleton.limbs[:, :, PAW])
    for limb in range(4):
        stays = motion.contacts[1:, limb] & motion.contacts[:-1, limb]
        # Two stances can touch only across a swing, so neighbours in contact are one stance.
        assert np.abs(np.diff(paws[:, limb], axis=0))[stays].max() < 1e-9
        assert np.allclose(paws[motion.contacts[:, limb], limb, 2], PAW_HEIGHT)
    assert motion.contacts.mean() > 0.3


@pytest.mark.parametrize("seed", range(24))
def test_a_hock_bends_forward_only_and_flexes_in_the_swing(seed):
    # A Labrador's hock lies between 38 and 164 degrees (Jaegger et al. 2002).
    plan = planned(seed, skip_rate=0.3 if seed % 3 == 0 else 0.0)
    motion = plan.at(TIMES)
    for limb in (RL, RR):
        stifle, hock, paw = (
            motion.skeleton.limbs[:, limb, joint][:, [0, 2]] for joint in (MIDDLE, DISTAL, PAW)
        )
        up, down = stifle - hock, paw - hock
        turned = np.arctan2(down[:, 0] * up[:, 1] - down[:, 1] * up[:, 0], (up * down).sum(-1))
        in_front = np.degrees(turned) % 360
        assert in_front.min() > 80 and in_front.max() < 175
        swings = ~motion.contacts[:, limb]
        assert in_front[swings].min() < in_front[~swings].max() - 10


@pytest.mark.parametrize("unsteady", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_bones_keep_their_length(seed, unsteady):
    plan = planned(seed, unsteady=unsteady)
    limbs = plan.at(TIMES).skeleton.limbs
    lengths = LimbLengths.of(plan.body)
    hind = limbs[:, [RL, RR]]
    for upper, lower, length in (
        (PROXIMAL, MIDDLE, lengths.femur),
        (MIDDLE, DISTAL, lengths.tibia),
        (DISTAL, PAW, lengths.rear_pastern),
    ):
        measured = np.linalg.norm(hind[:, :, upper] - hind[:, :, lower], axis=-1)
        assert np.abs(measured / length - 1).max() < 0.03
    assert (limbs[:, :, :, 2] > 0).all()


def test_stifles_point_forward_and_hocks_backward():
    for kinds in ARCHETYPES.values():
        for body in kinds:
            limbs = solve(body, standing(body)).limbs[0]
            for limb in (RL, RR):
                x = limbs[limb, :, 0]
                assert x[MIDDLE] > x[PROXIMAL] and x[DISTAL] < x[MIDDLE] - 0.1
            for limb in (FL, FR):
                assert limbs[limb, MIDDLE, 0] < limbs[limb, PROXIMAL, 0]


@pytest.mark.parametrize("si", [-30.0, -12.0, 0.0, 20.0])
def test_contacts_and_truth_show_the_asymmetry_that_was_asked_for(si):
    plan = planned(3, gait="walk", severity=0.0, hind_stance_si=si, limb_jitter=0.002)
    truth = measure(plan, SECONDS)
    assert truth.hind_stance_si == pytest.approx(si, abs=1.5)
    assert truth.sound and truth.gait == "walk"
    dense = plan.at(np.arange(0.0, SECONDS, 1 / 500)).contacts
    share = dense.mean(0)
    from_contacts = 200 * (share[RL] - share[RR]) / (share[RL] + share[RR])
    assert from_contacts == pytest.approx(si, abs=5.0)
    assert np.abs(share - truth.duty).max() < 0.05
    assert truth.stride_hz == pytest.approx(plan.gait.stride_hz, rel=0.04)


def test_a_walk_moves_one_side_then_the_other_and_a_trot_the_diagonals():
    def landing(plan: GaitPlan, limb: int) -> float:
        hind = plan.events[RL].down_s
        events = plan.events[limb].down_s
        return float(
            np.median([(events[np.searchsorted(events, t - 1e-3)] - t) for t in hind[3:-3]])
        )

    walk = planned(5, gait="walk", severity=0.0)
    period = 1 / walk.gait.stride_hz
    order = sorted((FL, RR, FR), key=lambda limb: landing(walk, limb))
    assert order == [FL, RR, FR] and 0.1 < landing(walk, FL) / period < 0.35
    trot = planned(6, gait="trot", severity=0.0, limb_jitter=0.0)
    period = 1 / trot.gait.stride_hz
    together = (landing(trot, FR) / period + 0.5) % 1 - 0.5
    assert abs(together) < 0.08 and measure(trot, SECONDS).duty[RL] < 0.5


def test_strides_differ_from_one_to_the_next():
    lengths = np.diff(planned(1, severity=0.0, stride_cv=0.03).events[RL].down_s)
    assert 0.01 < lengths.std() / lengths.mean() < 0.06


def test_lame_dogs_show_several_signs_together_and_sound_dogs_none():
    rng = np.random.default_rng(0)
    body = ARCHETYPES["train"][0]
    for _ in range(60):
        sound = random_gait(rng, body, severity=0.0)
        assert abs(sound.hind_stance_si) <= 3 and sound.skip_rate == 0 and sound.lame_left is None
    lame = [random_gait(rng, body, severity=0.9, lame_left=True) for _ in range(60)]
    assert all(g.hind_stance_si < -5 for g in lame)
    assert all(g.fold_hind[0] < g.fold_hind[1] for g in lame)
    assert np.mean([g.skip_rate > 0 for g in lame]) > 0.3
    other = [random_gait(rng, body, severity=0.9, lame_left=False) for _ in range(20)]
    assert all(g.hind_stance_si > 5 for g in other)


def test_an_unsteady_trunk_heaves_and_nods_and_its_paws_still_stand():
    def beyond_the_even_bob(plan):
        times = np.arange(0, SECONDS, 1 / 60)
        motion = plan.at(times)
        s = motion.skeleton
        heights = np.stack([s.thorax_xyz[:, 2], s.pelvis_xyz[:, 2]], axis=1)
        turn = 4 * np.pi * measure(plan, SECONDS).stride_hz * times
        even = np.stack([np.ones_like(times), np.cos(turn), np.sin(turn)], axis=1)
        return heights - even @ np.linalg.lstsq(even, heights, rcond=None)[0], motion

    steady, _ = beyond_the_even_bob(planned(3, gait="walk", severity=0.0))
    shaken, motion = beyond_the_even_bob(planned(3, gait="walk", severity=0.0, unsteady=0.8))
    assert shaken.std() > 3 * steady.std()
    nods = shaken[:, 0] - shaken[:, 1]
    assert nods.std() > 3 * (steady[:, 0] - steady[:, 1]).std()
    for limb in range(4):
        paws = motion.skeleton.limbs[motion.contacts[:, limb], limb, PAW, 2]
        assert np.allclose(paws, PAW_HEIGHT)


def test_dogs_of_films_are_unsteady_and_stiff_apart_from_their_lameness():
    rng, body = np.random.default_rng(5), ARCHETYPES["train"][0]
    lame = [random_gait(rng, body, severity=0.6, lame_left=True) for _ in range(200)]
    shown = [with_other_faults(rng, g) for g in lame]
    assert 0.7 < np.mean([g.unsteady > 0.12 for g in shown]) < 0.95
    second = [a.fold_hind[1] < b.fold_hind[1] for a, b in zip(shown, lame, strict=True)]
    assert 0.15 < np.mean(second) < 0.45
    assert all(a.fold_hind[0] == b.fold_hind[0] for a, b in zip(shown, lame, strict=True))
    unsteady = np.array([g.unsteady for g in shown])
    assert abs(np.corrcoef(unsteady, [g.hind_stance_si for g in shown])[0, 1]) < 0.2
    sound = [with_other_faults(rng, random_gait(rng, body, severity=0.0)) for _ in range(50)]
    assert all(g.unsteady <= 0.12 and min(g.fold_hind) > 0.6 for g in sound)


def test_a_stiff_hind_limb_moves_less_in_its_joints():
    free = measure(planned(2, gait="walk", severity=0.0), SECONDS)
    stiff = measure(planned(2, gait="walk", severity=0.0, fold_hind=(0.35, 1.0)), SECONDS)
    assert stiff.hock_rom_deg[0] < free.hock_rom_deg[0] - 8
    assert stiff.hock_rom_deg[0] < stiff.hock_rom_deg[1] - 8


def test_a_skipped_stride_carries_the_paw():
    plan = planned(4, gait="walk", severity=0.0, skip_rate=0.4, skip_left=False)
    truth = measure(plan, SECONDS)
    assert 0.1 < truth.skip_rate < 0.6 and truth.skip_left is False
    e = plan.events[RR]
    inside = np.flatnonzero(e.carried & (e.down_s > 0.2) & (e.up_s < SECONDS - 0.2))
    middle = 0.5 * (e.down_s + e.up_s)[inside]
    motion = plan.at(middle)
    assert not motion.contacts[:, RR].any()
    assert (motion.skeleton.limbs[:, RR, PAW, 2] > 0.12).all()


def test_small_dogs_step_faster():
    rng = np.random.default_rng(1)
    kinds = {m.archetype: m for m in ARCHETYPES["train"]}

    def mean_hz(name: str) -> float:
        return np.mean([random_gait(rng, kinds[name], gait="trot").stride_hz for _ in range(40)])

    assert mean_hz("chihuahua") > 1.2 * mean_hz("mastiff")


def test_the_splits_share_no_breed():
    names = [{m.archetype for m in ARCHETYPES[split]} for split in ("train", "val", "test")]
    assert not names[0] & names[1] and not names[0] & names[2] and not names[1] & names[2]


def test_half_of_the_dogs_to_learn_from_are_crosses_and_none_of_the_held_out_ones():
    drawn = {
        split: [Morphology.random(np.random.default_rng(s), split) for s in range(300)]
        for split in ("train", "val", "test")
    }
    crosses = [m for m in drawn["train"] if m.archetype == CROSS]
    assert 110 < len(crosses) < 190
    assert not [m for m in drawn["val"] + drawn["test"] if m.archetype == CROSS]
    # Builds that no archetype comes near: one trait does not tell the other.
    trunks, legs = (np.array([getattr(m, f) for m in crosses]) for f in ("trunk", "leg_thickness"))
    assert abs(np.corrcoef(trunks, legs)[0, 1]) < 0.5
    sizes, masses = (np.log([getattr(m, f) for m in crosses]) for f in ("withers_m", "mass_kg"))
    assert np.corrcoef(sizes, masses)[0, 1] > 0.9


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_holds_what_its_truth_says(action):
    rng = np.random.default_rng(7)
    body = ARCHETYPES["train"][0]
    times = np.arange(0.0, 5.0, 1 / 30)
    acted = act(rng, action, body, times)
    truth, motion = acted.truth, acted.motion
    ends = [i.end_ms for i in truth.intervals]
    starts = [i.start_ms for i in truth.intervals]
    assert truth.done and starts[1:] == ends[:-1] and ends[-1] == pytest.approx(1000 * times[-1])
    hip = motion.skeleton.pelvis_xyz[:, 2]
    withers = motion.skeleton.thorax_xyz[:, 2]
    if action in ("SIT", "PAW"):
        assert hip[-1] < 0.4 * hip[0] and withers[-1] > 0.8 * withers[0]
    if action == "DOWN":
        assert hip[-1] < 0.4 * hip[0] and withers[-1] < 0.5 * withers[0]
    if action == "PAW":
        given, other = (FL, FR) if truth.paw == "left" else (FR, FL)
        assert not motion.contacts[-1, given] and motion.contacts[-1, other]
        assert motion.skeleton.limbs[-1, given, PAW, 2] > 0.14
    if action == "TURN":
        turned = np.degrees(motion.root_yaw_rad[-1] - motion.root_yaw_rad[0])
        assert turned == pytest.approx(truth.turned_deg, abs=1) and abs(turned) >= 180
        assert (motion.contacts.sum(1) >= 2).all()
    if action == "JUMP":
        airborne = ~motion.contacts.any(1)
        low = motion.skeleton.limbs[airborne][:, :, PAW, 2]
        assert airborne.sum() >= 5 and (low > PAW_HEIGHT).all()
        assert airborne.sum() / 30 * 1000 == pytest.approx(truth.airborne_ms, abs=70)
    if action == "STAND":
        assert motion.contacts.all()
    assert (motion.skeleton.limbs[:, :, :, 2] > -0.06).all()


def test_the_same_seed_walks_the_same_walk():
    one, two = planned(9).at(TIMES), planned(9).at(TIMES)
    assert np.array_equal(one.skeleton.limbs, two.skeleton.limbs)
    assert planned(10).gait != planned(9).gait


def test_gait_parameters_know_their_speed():
    assert GaitParams(stride_hz=2.0, stride_length=0.8).speed == pytest.approx(1.6)
