"""Clips that must not be scored, and inputs that are errors."""

import numpy as np
import pytest

from edge_sdk import gait
from edge_sdk.errors import DogNotTracked, GaitInputInvalid, InsufficientFrames
from edge_sdk.gait.refusal import TEXT_EN, TEXT_KO, Reason, Refusal
from tests.support.simple_walker import Walker, mirrored

SOUND = Walker()
HIND_LEFT, HIND_RIGHT = slice(3, 6), slice(9, 12)


def refused(keypoints, times_ms):
    report = gait.score(keypoints, times_ms)
    assert report.refusal is not None, {n: m.score for n, m in report.metrics.items()}
    assert all(metric.score is None for metric in report.metrics.values())
    assert all(m.value is None for m in report.measures.values())
    assert report.overall_risk_level is None
    assert report.abstained
    return report.refusal.reason


def exchange(keypoints, frames):
    seen = keypoints.copy()
    seen[frames, HIND_LEFT] = keypoints[frames, HIND_RIGHT]
    seen[frames, HIND_RIGHT] = keypoints[frames, HIND_LEFT]
    return seen


@pytest.mark.parametrize("seed", range(5))
def test_random_points(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1, (240, 24, 3)) * (1280, 720, 1)
    assert refused(points, np.arange(240) * 33.3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("spread_px", [5, 20, 60])
def test_a_dogs_shape_with_random_motion(seed, spread_px):
    keypoints, times_ms = SOUND.but(dropout=0.0).film()
    rng = np.random.default_rng(seed)
    keypoints[:] = keypoints[:1]
    keypoints[:, :, :2] += rng.normal(size=(len(times_ms), 24, 2)) * spread_px
    assert refused(keypoints, times_ms)


@pytest.mark.parametrize("fps", [12, 30])
def test_a_standing_dog(fps):
    keypoints, times_ms = SOUND.film(fps=fps)
    still = SOUND.but(travel=1e-3, bob=0.0, noise=0.02).film(fps=fps)[0]
    still[:, :, 1] = np.where(np.isnan(keypoints[:, :, 1]), np.nan, keypoints[0, :, 1])
    still[:, 9:12, 0] += 40
    assert refused(still, times_ms) in (
        Reason.NOT_WALKING, Reason.NO_STEADY_RHYTHM, Reason.LEGS_COLLAPSED
    )  # fmt: skip


def test_fewer_than_four_strides():
    assert refused(*SOUND.film(seconds=3.0)) is Reason.TOO_FEW_STRIDES


def test_five_frames_a_second():
    assert refused(*SOUND.film(fps=5)) is Reason.TOO_FEW_FRAMES_A_SECOND


def test_two_dogs_that_cross():
    one, times_ms = SOUND.but(speed_in_picture=1.0).film()
    other = mirrored(SOUND.but(speed_in_picture=1.0, seed=4).film()[0])
    mixed = one.copy()
    mixed[120:] = other[120:]
    assert refused(mixed, times_ms) is Reason.DOG_CHANGED
    flicker = one.copy()
    flicker[100:140:3] = other[100:140:3]
    assert refused(flicker, times_ms) is Reason.DOG_CHANGED


@pytest.mark.parametrize("missing", [[0, 6], [0], [3]])
def test_missing_paws(missing):
    keypoints, times_ms = SOUND.film()
    keypoints[:, missing] = (np.nan, np.nan, 0)
    assert refused(keypoints, times_ms) is Reason.PAWS_NOT_SEEN


def test_paws_of_low_confidence_are_missing_paws():
    keypoints, times_ms = SOUND.film()
    keypoints[:, [0, 6], 2] = 0.05
    assert refused(keypoints, times_ms) is Reason.PAWS_NOT_SEEN


@pytest.mark.parametrize("share", [0.2, 0.35, 0.5])
def test_swapped_legs(share):
    keypoints, times_ms = SOUND.film()
    frames = np.random.default_rng(1).random(len(times_ms)) < share
    assert refused(exchange(keypoints, frames), times_ms) in (
        Reason.LEGS_SWAPPED, Reason.NO_STEADY_RHYTHM
    )  # fmt: skip


def test_legs_swapped_for_half_the_clip():
    keypoints, times_ms = SOUND.film()
    frames = np.arange(len(times_ms)) > 120
    assert refused(exchange(keypoints, frames), times_ms) is Reason.LEGS_SWAPPED


def test_a_few_swapped_frames_are_left_out():
    keypoints, times_ms = SOUND.but(hind_stance_si=20.0, dropout=0.0).film()
    frames = np.random.default_rng(1).random(len(times_ms)) < 0.03
    report = gait.score(exchange(keypoints, frames), times_ms)
    assert report.view.swapped_share > 0
    clean = gait.score(keypoints, times_ms).measures["hind_stance_si"].value
    assert report.measures["hind_stance_si"].value == pytest.approx(clean, abs=3.0)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_legs_seen_as_one(share):
    keypoints, times_ms = SOUND.but(dropout=0.0).film()
    frames = np.random.default_rng(1).random(len(times_ms)) < share
    keypoints[frames, HIND_LEFT] = keypoints[frames, HIND_RIGHT]
    assert refused(keypoints, times_ms) is Reason.LEGS_COLLAPSED


def test_a_dog_lost_for_more_than_a_second():
    keypoints, times_ms = SOUND.film()
    keypoints[80:125] = (np.nan, np.nan, 0)
    assert refused(keypoints, times_ms) is Reason.LOST_TOO_LONG


def test_a_dog_seen_from_the_front():
    keypoints, times_ms = SOUND.film()
    middle = np.nanmean(keypoints[:, :, 0])
    keypoints[:, :, 0] = middle + 0.2 * (keypoints[:, :, 0] - middle)
    assert refused(keypoints, times_ms) is Reason.NOT_SIDE_VIEW


@pytest.mark.parametrize("frames", [0, 1, 2, 5])
def test_hardly_any_frame(frames):
    keypoints, times_ms = SOUND.film()
    assert refused(keypoints[:frames], times_ms[:frames])


def test_nothing_seen_at_all():
    assert refused(np.full((240, 24, 3), np.nan), np.arange(240) * 33) is Reason.TRUNK_NOT_SEEN


def test_a_dataset_without_withers_and_eyes_is_enough():
    keypoints, times_ms = SOUND.film()
    keypoints[:, [20, 21, 22]] = (np.nan, np.nan, 0)
    assert gait.score(keypoints, times_ms).refusal is None


def test_dropouts_of_30_percent_are_enough():
    report = gait.score(*SOUND.but(dropout=0.3).film())
    assert report.refusal is None
    assert report.metrics["gait_balance"].score > 80


@pytest.mark.parametrize("broken", [
    lambda k, t: (k[:, :20], t),
    lambda k, t: (k[:, :, :2], t),
    lambda k, t: (k, t[:-1]),
    lambda k, t: (k, t[::-1]),
    lambda k, t: (k, np.zeros(len(t))),
    lambda k, t: (k, np.where(t > 100, np.nan, t)),
    lambda k, t: (np.where(k > 600, np.inf, k), t),
])  # fmt: skip
def test_wrong_input_is_a_typed_error(broken):
    with pytest.raises(GaitInputInvalid):
        gait.score(*broken(*SOUND.film()))


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words_and_the_products_code(reason):
    refusal = Refusal.of(reason)
    assert refusal.message_ko == TEXT_KO[reason] and refusal.message_en == TEXT_EN[reason]
    error = refusal.error()
    assert isinstance(error, InsufficientFrames | DogNotTracked)
    assert error.code == refusal.code
    assert error.to_json()["details"] == {"reason": reason}
