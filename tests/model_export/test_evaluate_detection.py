"""Average precision and false alarms against cases worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from model_export.evaluate.detection import (
    ImageDetections,
    angle_gap_deg,
    average_precision,
    report,
)

NONE = np.zeros((0, 4))


def seen(boxes, scores, truth, headings=(), true_headings=()):
    return ImageDetections(
        np.asarray(boxes, float).reshape(-1, 4),
        np.asarray(scores, float),
        np.asarray(truth, float).reshape(-1, 4),
        np.asarray(headings, float),
        np.asarray(true_headings, float),
    )


def test_perfect_boxes_have_precision_one_at_every_threshold():
    images = [
        seen([[0, 0, 9, 9]], [0.9], [[0, 0, 9, 9]]),
        seen([[5, 5, 9, 9]], [0.4], [[5, 5, 9, 9]]),
    ]
    assert average_precision(images, 0.5) == pytest.approx(1.0)
    assert average_precision(images, 0.95) == pytest.approx(1.0)


def test_one_false_box_between_two_hits_gives_the_known_area():
    # Ranked: hit (recall .5, precision 1), miss, hit (recall 1, precision 2/3). Of the 101 recall
    # levels 51 (0 .. .50) lie at precision 1 and 50 at 2/3.
    images = [
        seen([[0, 0, 10, 10], [40, 40, 50, 50]], [0.9, 0.8], [[0, 0, 10, 10]]),
        seen([[0, 0, 10, 10]], [0.7], [[0, 0, 10, 10]]),
    ]
    assert average_precision(images, 0.5) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_an_object_counts_once_however_often_it_is_found():
    twice = [seen([[0, 0, 10, 10], [0, 0, 10, 10]], [0.9, 0.8], [[0, 0, 10, 10], [50, 50, 60, 60]])]
    # One of two objects found at precision 1: recall levels 0 .. .50.
    assert average_precision(twice, 0.5) == pytest.approx(51 / 101)


def test_a_loose_box_counts_only_at_loose_thresholds():
    # IoU of the two is 80 / 100.
    images = [seen([[0, 0, 10, 8]], [0.9], [[0, 0, 10, 10]])]
    assert average_precision(images, 0.8) == pytest.approx(1.0)
    assert average_precision(images, 0.85) == 0.0
    # .5, .55, .. .80 are seven of COCO's ten thresholds.
    assert report(images, 0.5).map50_95 == pytest.approx(0.7)


def test_nothing_to_find_has_no_precision():
    assert math.isnan(average_precision([seen(NONE, [], NONE)], 0.5))


def test_false_alarms_are_counted_on_pictures_without_an_object_only():
    images = [
        seen([[0, 0, 10, 10], [50, 50, 60, 60]], [0.9, 0.8], [[0, 0, 10, 10]]),
        seen([[0, 0, 10, 10], [20, 20, 30, 30]], [0.9, 0.2], NONE),
        seen(NONE, [], NONE),
    ]
    numbers = report(images, 0.5)
    assert numbers.negatives == 2
    assert numbers.false_alarms_per_negative == pytest.approx(0.5)
    assert numbers.recall == 1.0
    assert numbers.precision == pytest.approx(1 / 3)


def test_a_dog_behind_a_dog_is_set_aside_with_the_box_that_fits_it():
    front, behind = [0, 0, 100, 60], [30, 20, 60, 50]
    unseen = report([seen([front], [0.9], [front, behind])], 0.5)
    # One of two objects at precision 1: recall levels 0 .. .50.
    assert unseen.map50 == pytest.approx(51 / 101)
    assert unseen.map50_uncovered == pytest.approx(1.0)
    both = [seen([behind, front, [200, 0, 230, 30]], [0.95, 0.9, 0.8], [front, behind])]
    assert average_precision([i.without_covered() for i in both], 0.5) == pytest.approx(1.0)
    assert len(both[0].without_covered().boxes) == 2, "the false box still counts"


def test_a_hidden_dog_is_neither_missed_nor_a_false_alarm():
    front, tuft = [0, 0, 100, 60], [30, 20, 34, 50]
    missed = replace(seen([front], [0.9], [front, tuft]), hidden=np.array([False, True]))
    numbers = report([missed], 0.5)
    assert numbers.map50 == 1.0 and numbers.recall == 1.0 and numbers.objects == 1
    assert numbers.map50_all == pytest.approx(51 / 101)
    found = replace(
        seen([tuft, front, [200, 0, 230, 30]], [0.95, 0.9, 0.6], [front, tuft]),
        hidden=np.array([False, True]),
    )
    numbers = report([found], 0.5)
    assert numbers.map50 == 1.0 and numbers.map50_all == 1.0
    assert numbers.precision == 0.5, "the false box still counts"
    only = replace(seen([[200, 0, 230, 30]], [0.9], [tuft]), hidden=np.array([True]))
    assert report([only, missed], 0.5).negatives == 0, "a picture with a hidden dog is not empty"


def test_headings_are_compared_with_the_box_that_was_matched():
    images = [
        seen(
            [[50, 50, 60, 60], [0, 0, 10, 10]],
            [0.6, 0.9],
            [[0, 0, 10, 10], [50, 50, 60, 60]],
            headings=[math.pi, 0.1],
            true_headings=[0.0, -math.pi + 0.3],
        )
    ]
    numbers = report(images, 0.5)
    assert numbers.heading_error_p50_deg == pytest.approx(math.degrees(0.2))
    assert numbers.faces_right_agreement == 1.0


def test_an_angle_gap_goes_the_short_way_round():
    assert angle_gap_deg(np.array([3.1]), np.array([-3.1]))[0] == pytest.approx(
        math.degrees(2 * math.pi - 6.2)
    )
