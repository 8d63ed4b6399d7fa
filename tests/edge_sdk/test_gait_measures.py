"""The contract that every measure of the gait keeps, and what each of them measures."""

import dataclasses

import msgspec
import numpy as np
import pytest

from edge_sdk import gait
from edge_sdk.gait.anatomy import HIND, TAIL_BASE, TOPS
from edge_sdk.gait.clip_measures import (
    FAR_RANGE_ERROR_DEG,
    NEAR_RANGE_ERROR_DEG,
    SPECS,
    absent_measures,
)
from edge_sdk.gait.limb_cycle import Cycle, curve
from edge_sdk.gait.measures import Measure, Spec, measured, student_975
from edge_sdk.gait.refusal import Reason
from tests.support.simple_walker import Walker, mirrored

SOUND = Walker()
CLIPS = {
    "sound walk": SOUND.film(),
    "sound trot": SOUND.but(gait="trot", duty=0.45, stride_hz=2.2).film(),
    "lame": SOUND.but(hind_stance_si=-24.0, limp_bob=0.02).film(),
    "skipping": SOUND.but(carried_left_hind=(3, 6)).film(),
    "12 fps": SOUND.film(fps=12),
    "five strides": SOUND.film(seconds=4.2),
}
REPORTS = {name: gait.score(*clip) for name, clip in CLIPS.items()}


def value(walker, name, **film):
    measure = gait.score(*walker.film(**film)).measures[name]
    assert measure.value is not None, (name, measure.abstained_reason)
    return measure.value


@pytest.mark.parametrize("name", SPECS)
class TestEveryMeasure:
    @pytest.mark.parametrize("clip", CLIPS)
    def test_has_a_value_with_its_error_or_a_reason(self, name, clip):
        m = REPORTS[clip].measures[name]
        assert (m.name, m.unit) == (name, SPECS[name].unit)
        if m.value is None:
            assert m.abstained_reason is not None
            assert m.ci95 is None and m.mdc95 is None
        else:
            assert m.abstained_reason is None
            assert m.ci95[0] <= m.value <= m.ci95[1]
            assert m.ci95[0] < m.ci95[1]
            assert m.mdc95 > 0
            assert m.standard_error == pytest.approx(m.mdc95 / 2.7718, rel=1e-3)
            assert m.strides >= 4

    def test_is_had_from_a_good_clip(self, name):
        assert REPORTS["sound walk"].measures[name].value is not None

    def test_is_a_frozen_value(self, name):
        with pytest.raises(AttributeError):
            REPORTS["sound walk"].measures[name].value = 0.0

    def test_of_the_mirrored_clip_is_the_mirrored_measure(self, name):
        keypoints, times_ms = CLIPS["lame"]
        seen = gait.score(mirrored(keypoints), times_ms)
        assert seen.measures[name] == REPORTS["lame"].mirrored().measures[name]

    def test_is_absent_with_the_reason_when_the_clip_is_refused(self, name):
        m = absent_measures(Reason.NOT_WALKING)[name]
        assert (m.value, m.abstained_reason) == (None, Reason.NOT_WALKING)

    def test_is_surer_with_more_strides(self, name):
        long = np.mean([_error(SOUND.but(seed=s), name, 10.0) for s in range(6)])
        short = np.mean([_error(SOUND.but(seed=s), name, 4.5) for s in range(6)])
        assert long < short


def _error(walker, name, seconds):
    return gait.score(*walker.film(seconds=seconds)).measures[name].mdc95


@pytest.mark.parametrize("joint", ["stifle", "hock"])
def test_the_range_of_the_limb_behind_the_other_one_is_the_less_sure_one(joint):
    right_near = REPORTS["sound walk"]
    keypoints, times_ms = CLIPS["sound walk"]
    left_near = gait.score(mirrored(keypoints), times_ms)
    for report, near, far in ((right_near, "right", "left"), (left_near, "left", "right")):
        assert report.view.facing == near
        errors = [report.measures[f"{side}_{joint}_rom"].standard_error for side in (near, far)]
        assert errors[0] >= NEAR_RANGE_ERROR_DEG and errors[1] >= FAR_RANGE_ERROR_DEG


class TestWhatIsMeasured:
    @pytest.mark.parametrize("fps", [30, 60])
    def test_stance_asymmetry_one_to_one(self, fps):
        true = np.array([-30.0, -15.0, 0.0, 15.0, 30.0])
        seen = [value(SOUND.but(hind_stance_si=s, seed=3), "hind_stance_si", fps=fps) for s in true]
        gain, offset = np.polyfit(true, seen, 1)
        assert 0.9 <= gain <= 1.1
        assert abs(offset) < 4.0

    def test_stance_asymmetry_at_12_fps_keeps_its_sign(self):
        assert value(SOUND.but(hind_stance_si=20.0), "hind_stance_si", fps=12) > 8
        assert value(SOUND.but(hind_stance_si=-20.0), "hind_stance_si", fps=12) < -8

    def test_fore_limbs_are_measured_apart_from_hind_limbs(self):
        lame_in_front = SOUND.but(fore_stance_si=20.0)
        assert value(lame_in_front, "fore_stance_si") == pytest.approx(20, abs=6)
        assert value(lame_in_front, "hind_stance_si") == pytest.approx(0, abs=6)

    @pytest.mark.parametrize("stride_hz", [0.9, 1.25, 1.7])
    def test_cadence(self, stride_hz):
        walker = SOUND.but(stride_hz=stride_hz, stride_cv=0.0)
        assert value(walker, "cadence") == pytest.approx(60 * stride_hz, rel=0.01)

    @pytest.mark.parametrize("duty", [0.55, 0.62, 0.7])
    def test_duty_factor(self, duty):
        assert value(SOUND.but(duty=duty), "hind_duty_factor") == pytest.approx(duty, abs=0.04)

    def test_stride_length(self):
        assert value(SOUND.but(travel=0.8), "stride_length") == pytest.approx(0.8, rel=0.06)

    def test_variation_of_the_strides(self):
        even, uneven = (
            value(SOUND.but(stride_cv=cv, seed=5), "stride_time_cv") for cv in (0.01, 0.09)
        )
        assert even < 4.0
        assert uneven > even + 3.0

    @pytest.mark.parametrize("bend", [(1.0, 1.0), (1.5, 1.0), (1.0, 0.5)])
    @pytest.mark.parametrize("fps", [12, 30])
    def test_joints_move_through_the_walkers_own_angles(self, bend, fps):
        walker = SOUND.but(hind_bend=bend)
        seen = gait.score(*walker.film(fps=fps)).measures
        for side, limb in (("left", 1), ("right", 3)):
            hock, stifle = walker.ranges(limb)
            assert seen[f"{side}_hock_rom"].value == pytest.approx(hock, abs=8), side
            assert seen[f"{side}_stifle_rom"].value == pytest.approx(stifle, abs=8), side

    def test_a_hidden_stifle_is_held_by_its_bones(self):
        # A net draws what it cannot see towards its usual place.
        keypoints, times = SOUND.film()
        stifle = TOPS[HIND[0]]
        tail = keypoints[:, TAIL_BASE, :2]
        place = keypoints[:, stifle, :2]
        usual = tail + np.nanmean(place - tail, axis=0)
        keypoints[:, stifle, :2] = 0.4 * place + 0.6 * usual
        found = gait.score(keypoints, times).measures["left_stifle_rom"].value
        assert found == pytest.approx(SOUND.ranges(1)[1], abs=8)

    def test_skipped_strides_are_counted(self):
        report = gait.score(*SOUND.but(carried_left_hind=(3, 6)).film())
        skips = report.measures["left_skip_rate"]
        assert round(skips.value * skips.strides / 100) == 2
        assert report.measures["right_skip_rate"].value == 0.0
        assert sum(report.contacts[1].carried) == 2

    def test_uneven_bob_is_told_by_side(self):
        limping = SOUND.but(limp_bob=0.03)
        assert abs(value(limping, "pelvic_bob_asymmetry")) > 3.0
        assert abs(value(SOUND, "pelvic_bob_asymmetry")) < 1.5

    def test_contacts_lie_between_the_frames(self):
        walker = SOUND.but(stride_cv=0.0, noise=0.003, dropout=0.0)
        for contacts, duty in zip(
            gait.score(*walker.film(fps=12)).contacts, walker.duties(), strict=True
        ):
            steps = np.diff(contacts.touchdown_ms)
            assert steps == pytest.approx(800, abs=25)
            stance = np.subtract(contacts.liftoff_ms, contacts.touchdown_ms)
            assert stance.mean() == pytest.approx(800 * duty, abs=40)

    @pytest.mark.parametrize(("walker", "gait_class"), [
        (SOUND, "walk"),
        (SOUND.but(gait="trot", duty=0.45, stride_hz=2.2), "trot"),
    ])  # fmt: skip
    def test_the_gait_is_named(self, walker, gait_class):
        assert gait.score(*walker.film()).gait == gait_class


class TestTheCycle:
    CYCLE = Cycle(
        np.array([[0.4, 0.1, 0.6, 1.0], [-0.4, 0.8, 0.62, 0.95], [0.4, 0.6, 0.58, 1.0],
                  [-0.4, 0.3, 0.5, 1.05]]),
        np.array([[0.3, 0.1], [0.6, -0.2]]),
    )  # fmt: skip

    def test_stands_at_a_steady_speed_and_comes_back(self):
        at = curve(self.CYCLE, np.linspace(0, 2, 401))
        assert at.position[:, 0] == pytest.approx(at.position[:, 200], abs=1e-9)
        stands = (at.since[:, 1:] < 0.49) & (at.since[:, :-1] < at.since[:, 1:])
        speed = np.diff(at.position, axis=1) / (2 / 400)
        expected = np.broadcast_to(-self.CYCLE.limbs[:, 3:], speed.shape)
        assert speed[stands] == pytest.approx(expected[stands])

    def test_slopes_are_its_derivatives(self):
        phase = np.linspace(0.013, 0.987, 60)
        at, h = curve(self.CYCLE, phase), 1e-6
        for column in range(6):
            limbs, swings = self.CYCLE.limbs.copy(), self.CYCLE.swings.copy()
            if column < 4:
                limbs[:, column] += h
            else:
                swings[:, column - 4] += h
            moved = curve(Cycle(limbs, swings), phase)
            numeric = (moved.position - at.position) / h
            assert at.slopes[:, column] == pytest.approx(numeric, abs=2e-4), column


class TestMeasure:
    SPEC = Spec("x", "%", floor=1.0, poor_error=10.0)

    def test_too_large_an_error_abstains(self):
        assert measured(self.SPEC, 5.0, 9.0, 12).abstained_reason is Reason.TOO_UNCERTAIN

    def test_too_few_strides_abstain(self):
        assert measured(self.SPEC, 5.0, 1.0, 3).abstained_reason is Reason.TOO_FEW_STRIDES

    def test_a_value_without_error_cannot_be_made(self):
        whole = measured(self.SPEC, 5.0, 1.0, 12)
        fields = msgspec.structs.asdict(whole)
        for missing in ("ci95", "mdc95"):
            with pytest.raises(ValueError, match="error"):
                Measure(**{**fields, missing: None})

    def test_students_quantile(self):
        table = {4: 2.776, 6: 2.447, 10: 2.228, 20: 2.086, 60: 2.000}
        for degrees, quantile in table.items():
            assert student_975(degrees) == pytest.approx(quantile, rel=0.01)


def test_the_walker_is_what_it_says():
    assert dataclasses.is_dataclass(SOUND)
    assert SOUND.but(hind_stance_si=20.0).duties()[[1, 3]] == pytest.approx([0.682, 0.558])


def test_a_lens_that_hunts_for_its_zoom_is_no_unsteady_trunk() -> None:
    keypoints, times_ms = Walker().film(fps=30, seconds=8.0)
    before = gait.score(keypoints, times_ms).metrics["gait_stability"].score
    hunting = 1.0 + 0.05 * np.sin(2 * np.pi * 0.8 * times_ms / 1000.0)
    middle = np.nanmean(keypoints[:, :, :2], axis=(0, 1))
    zoomed = keypoints.copy()
    zoomed[:, :, :2] = middle + (keypoints[:, :, :2] - middle) * hunting[:, None, None]
    after = gait.score(zoomed, times_ms).metrics["gait_stability"].score
    assert before is not None
    assert after is not None
    assert after == pytest.approx(before, abs=8)


def test_a_limb_that_was_never_carried_leaves_the_balance_sure() -> None:
    keypoints, times_ms = Walker().film(fps=30, seconds=8.0)
    balance = gait.score(keypoints, times_ms).metrics["gait_balance"]
    assert balance.ci95 is not None
    assert balance.ci95[1] - balance.ci95[0] < 20
