"""Pose numbers: each planted fault is found by the number that is meant to find it."""

import numpy as np
import pytest

from edge_sdk.vision.keypoints import FLIP_INDEX, KEYPOINT_NAMES
from model_export.evaluate.pose import (
    FORE_PAWS,
    HIND_PAWS,
    body_lengths,
    leg_pairing,
    mirror_difference,
    relative_errors,
    report,
)

FRAMES = 40
BOXES = np.tile([10.0, 20.0, 210.0, 140.0], (FRAMES, 1))


@pytest.fixture
def truth():
    rng = np.random.default_rng(3)
    keypoints = np.zeros((FRAMES, 24, 3))
    keypoints[..., 0] = rng.uniform(20, 200, (FRAMES, 24))
    keypoints[..., 1] = rng.uniform(30, 130, (FRAMES, 24))
    keypoints[..., 2] = 2
    phase = np.linspace(0, 6 * np.pi, FRAMES)
    for pair in (HIND_PAWS, FORE_PAWS):
        keypoints[:, pair[0], 0] = 60 + 30 * np.cos(phase)
        keypoints[:, pair[1], 0] = 60 - 30 * np.cos(phase)
        keypoints[:, list(pair), 1] = 130
    return keypoints


def predicted_from(truth):
    out = truth.copy()
    out[..., 2] = 0.9
    return out


def test_the_truth_itself_is_perfect(truth):
    numbers = report(predicted_from(truth), truth, BOXES)
    assert (numbers.pck05, numbers.pck10, numbers.nme) == (1, 1, 0)
    pairing = leg_pairing(predicted_from(truth), truth, BOXES)
    assert pairing.swap_rate == 0 and pairing.collapse_rate == 0
    assert 10 < pairing.frames < FRAMES, "frames with crossing paws are not counted"


def test_errors_are_shares_of_the_longer_side(truth):
    mine = predicted_from(truth)
    mine[..., 0] += 0.07 * 200
    numbers = report(mine, truth, BOXES)
    assert numbers.nme == pytest.approx(0.07)
    assert (numbers.pck05, numbers.pck10) == (0, 1)


def test_absent_keypoints_do_not_count_and_missing_predictions_are_wrong(truth):
    truth[:, 5, 2] = 0
    mine = predicted_from(truth)
    mine[:, 5, :2] = 9_999
    mine[:, 6, :2] = np.nan
    numbers = report(mine, truth, BOXES)
    assert numbers.keypoints == FRAMES * 23
    assert numbers.pck10 == pytest.approx(22 / 23)
    assert np.isinf(relative_errors(mine, truth, BOXES)[:, 6]).all()


def test_exchanged_hind_paws_are_swaps_and_nothing_else(truth):
    mine = predicted_from(truth)
    mine[:, list(HIND_PAWS)] = mine[:, list(HIND_PAWS)[::-1]]
    assert leg_pairing(mine, truth, BOXES).swap_rate == 1
    assert leg_pairing(mine, truth, BOXES).collapse_rate == 0
    assert leg_pairing(mine, truth, BOXES, FORE_PAWS).swap_rate == 0


def test_both_hind_paws_on_one_spot_are_a_collapse_though_pck_stays_high(truth):
    mine = predicted_from(truth)
    mine[:, HIND_PAWS[0]] = mine[:, HIND_PAWS[1]]
    pairing = leg_pairing(mine, truth, BOXES)
    assert pairing.collapse_rate == 1 and pairing.swap_rate == 0
    assert report(mine, truth, BOXES).pck10 > 0.95


def test_a_missing_paw_counts_as_a_collapse(truth):
    mine = predicted_from(truth)
    mine[: FRAMES // 2, HIND_PAWS[0], :2] = np.nan
    pairing = leg_pairing(mine, truth, BOXES)
    assert 0.3 < pairing.collapse_rate < 0.7


def test_a_clip_in_which_the_paws_never_part_says_so(truth):
    truth[:, HIND_PAWS[0]] = truth[:, HIND_PAWS[1]]
    pairing = leg_pairing(predicted_from(truth), truth, BOXES)
    assert pairing.frames == 0 and np.isnan(pairing.swap_rate)


def test_a_true_mirror_image_has_no_difference_and_a_forgotten_swap_a_large_one(truth):
    width = 240
    mirrored = truth[:, list(FLIP_INDEX)].copy()
    mirrored[..., 0] = width - mirrored[..., 0]
    lengths = body_lengths(truth)
    widths = np.full(FRAMES, width)
    assert mirror_difference(truth, mirrored, widths, lengths) == pytest.approx(0)
    forgotten = mirrored[:, list(FLIP_INDEX)]
    assert mirror_difference(truth, forgotten, widths, lengths) > 0.05


def test_the_body_reaches_from_the_withers_to_the_tail(truth):
    truth[0, KEYPOINT_NAMES.index("withers"), :2] = [0, 0]
    truth[0, KEYPOINT_NAMES.index("tail_start"), :2] = [3, 4]
    assert body_lengths(truth)[0] == pytest.approx(5)
