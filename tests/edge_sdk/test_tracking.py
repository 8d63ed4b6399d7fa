"""Following one dog: nearest box, jumps, crossings, gaps, headings."""

import math

import numpy as np
import pytest

from edge_sdk.gait.tracking import (
    DogFollower,
    HeadingFilter,
    Tracked,
    TrackPolicy,
    between,
    dog_classes,
    overlap,
)
from edge_sdk.vision.detections import Detections

Spot = tuple[float, float]


def _found(
    *centres: Spot, size: float = 100.0, scores: list[float] | None = None,
    headings: list[float] | None = None, classes: list[int] | None = None,
) -> Detections:  # fmt: skip
    half = np.array([size * 0.7, size * 0.5])
    boxes = [np.concatenate([np.array(c) - half, np.array(c) + half]) for c in centres]
    count = len(centres)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores or [0.9] * count, np.float32),
        np.array(classes or [0] * count, np.int64),
        np.array(headings or [0.0] * count, np.float32),
    )


def _centre(tracked: Tracked | None) -> Spot:
    assert tracked is not None
    x0, y0, x1, y1 = tracked.box_xyxy_px
    return (x0 + x1) / 2, (y0 + y1) / 2


def test_the_dog_followed_stays_the_same_when_a_surer_one_appears() -> None:
    follower = DogFollower()
    follower.observe(0, _found((100, 200), scores=[0.6]))
    for step in range(1, 20):
        both = _found((100 + 6 * step, 200), (600, 210), scores=[0.5, 0.99])
        seen = follower.observe(100.0 * step, both)
        assert _centre(seen) == pytest.approx((100 + 6 * step, 200))
    assert follower.summary().found_share == 1
    assert follower.summary().crossing_share == 0


def test_the_first_dog_is_the_large_and_sure_one() -> None:
    small = _found((100, 100), size=40, scores=[0.95])
    large = _found((400, 200), size=160, scores=[0.8])
    both = Detections(
        *(
            np.concatenate([getattr(small, part), getattr(large, part)])
            for part in ("boxes_xyxy_px", "scores", "class_ids", "headings_rad")
        )
    )
    assert _centre(DogFollower().observe(0, both)) == pytest.approx((400, 200))


def test_a_box_that_jumps_is_not_taken_for_the_dog() -> None:
    follower = DogFollower()
    for step in range(5):
        follower.observe(100.0 * step, _found((100 + 5 * step, 200)))
    assert follower.observe(500, _found((500, 200))) is None
    assert _centre(follower.observe(600, _found((130, 200)))) == pytest.approx((130, 200))
    assert follower.summary().jumps == 1


def test_a_running_dog_is_kept_by_its_speed() -> None:
    follower = DogFollower()
    for step in range(30):
        # Twelve of its own lengths a second.
        assert follower.observe(33.0 * step, _found((100 + 40 * step, 200))) is not None


def test_a_box_of_another_size_is_another_thing() -> None:
    follower = DogFollower()
    for step in range(4):
        follower.observe(100.0 * step, _found((100, 200)))
    assert follower.observe(400, _found((100, 200), size=45)) is None


def test_after_a_second_without_it_the_dog_is_searched_anew() -> None:
    follower = DogFollower()
    for step in range(4):
        follower.observe(100.0 * step, _found((100, 200)))
    for step in range(4, 13):
        assert follower.observe(100.0 * step, _found()) is None
    assert _centre(follower.observe(1500, _found((700, 300)))) == pytest.approx((700, 300))
    assert follower.summary().longest_gap_ms == pytest.approx(1200)


def test_a_false_start_is_given_up_soon() -> None:
    follower = DogFollower()
    follower.observe(0, _found((700, 50), size=120))
    for step in range(1, 6):
        seen = follower.observe(100.0 * step, _found((100 + 5 * step, 200)))
    assert _centre(seen) == pytest.approx((125, 200))


@pytest.mark.parametrize("offset", [20, -20])
def test_two_dogs_that_cross_are_flagged(offset: float) -> None:
    follower = DogFollower()
    flags = []
    for step in range(41):
        walker, other = 100 + 10 * step, 500 - 10 * step
        seen = follower.observe(50.0 * step, _found((walker, 200), (other, 200 + offset)))
        flags.append(seen is not None and seen.crossing)
    assert sum(flags) >= 8
    assert not any(flags[:8])
    assert follower.summary().crossing_ms >= 300


def test_two_dogs_that_become_one_box_are_flagged() -> None:
    follower = DogFollower()
    for step in range(41):
        walker, other = 100 + 10 * step, 500 - 10 * step
        apart = abs(walker - other) > 120
        seen = _found((walker, 200), (other, 210)) if apart else _found((300, 205), size=130)
        follower.observe(50.0 * step, seen)
    assert follower.summary().crossing_ms >= 250


def test_a_dog_beside_at_a_distance_does_not_disturb() -> None:
    follower = DogFollower()
    for step in range(40):
        follower.observe(50.0 * step, _found((100 + 5 * step, 200), (100 + 5 * step, 420)))
    assert follower.summary().crossing_share == 0


def test_a_part_of_the_dog_with_a_box_of_its_own_does_not_disturb() -> None:
    follower = DogFollower()
    for step in range(20):
        whole, head = _found((100, 200)), _found((140, 180), size=55, scores=[0.8])
        both = Detections(
            *(
                np.concatenate([getattr(whole, part), getattr(head, part)])
                for part in ("boxes_xyxy_px", "scores", "class_ids", "headings_rad")
            )
        )
        follower.observe(50.0 * step, both)
    assert follower.summary().crossing_share == 0


def test_a_weak_second_box_on_the_same_dog_does_not_disturb() -> None:
    follower = DogFollower()
    for step in range(20):
        follower.observe(50.0 * step, _found((100, 200), (130, 210), scores=[0.9, 0.35]))
    assert follower.summary().crossing_share == 0


def test_clutter_that_is_now_and_then_taken_for_a_dog_does_not_disturb() -> None:
    follower = DogFollower()
    for step in range(40):
        clutter = [] if step % 3 else [(230.0, 200.0)]
        follower.observe(
            50.0 * step, _found((100, 200), *clutter, scores=[0.8, 0.56][: 1 + len(clutter)])
        )
    assert follower.summary().crossing_share == 0


def test_only_dogs_are_followed_where_the_detector_knows_more() -> None:
    follower = DogFollower(class_ids=dog_classes(("cat", "dog")))
    seen = follower.observe(0, _found((100, 100), (300, 300), classes=[0, 1]))
    assert _centre(seen) == pytest.approx((300, 300))
    assert follower.observe(100, _found((300, 300), classes=[0])) is None


def test_class_names_choose_whole_dogs_or_all() -> None:
    assert dog_classes(("face", "dog")) == {1}
    assert dog_classes(("animal",)) is None


def test_an_empty_clip_has_a_summary() -> None:
    follower = DogFollower()
    assert follower.observe(0, _found()) is None
    summary = follower.summary()
    assert (summary.found, summary.found_share) == (0, 0)
    assert summary.longest_gap_ms == math.inf


def test_time_before_and_behind_the_dog_counts_as_a_gap() -> None:
    follower = DogFollower()
    for step in range(40):
        there = 15 <= step < 25
        follower.observe(100.0 * step, _found((100, 200)) if there else _found())
    assert follower.summary().longest_gap_ms == pytest.approx(1500)


# --- boxes between ---------------------------------------------------------------------------
def test_boxes_and_headings_between_two_observations_lie_on_the_way() -> None:
    one = Tracked(0, np.array([0.0, 0, 10, 10]), 0.9, math.pi - 0.2)
    two = Tracked(100, np.array([20.0, 0, 30, 20]), 0.7, -math.pi + 0.2)
    middle = between(one, two, 50)
    assert middle.box_xyxy_px == pytest.approx([10, 0, 20, 15])
    # The short way leads through pi, not through 0.
    assert abs(middle.heading_rad) == pytest.approx(math.pi)
    assert between(one, two, 100).box_xyxy_px == pytest.approx(two.box_xyxy_px)
    assert between(one, one, 0).box_xyxy_px == pytest.approx(one.box_xyxy_px)


def test_overlap_is_intersection_over_union() -> None:
    others = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]])
    assert overlap(np.array([0.0, 0, 10, 10]), others) == pytest.approx([1, 1 / 3, 0])


# --- headings --------------------------------------------------------------------------------
def _filtered(headings: list[float], step_ms: float = 100.0) -> list[float]:
    follow = HeadingFilter(0.2, 0.2)
    return [follow(heading, step_ms * i) for i, heading in enumerate(headings)]


def test_noise_around_the_front_does_not_turn_the_crop_from_frame_to_frame() -> None:
    rng = np.random.default_rng(4)
    noisy = list(rng.normal(math.pi / 2 - 0.05, 0.15, 100))
    sides = np.sign(np.cos(_filtered(noisy)))
    assert np.sum(np.diff(sides) != 0) == 0
    assert np.sum(np.diff(np.sign(np.cos(noisy))) != 0) > 20


def test_a_dog_that_turns_round_changes_its_side_once() -> None:
    turning = list(np.linspace(0, math.pi, 40)) + [math.pi] * 10
    out = _filtered(turning)
    assert np.sum(np.diff(np.sign(np.cos(out))) != 0) == 1
    assert abs(out[-1]) == pytest.approx(math.pi, abs=0.05)


def test_an_unknown_heading_keeps_the_last_one() -> None:
    assert _filtered([2.9, float("nan"), float("nan")]) == pytest.approx([2.9] * 3)
    assert _filtered([float("nan")]) == pytest.approx([0.0])


def test_mirrored_headings_give_mirrored_answers() -> None:
    rng = np.random.default_rng(9)
    headings = list(np.cumsum(rng.normal(0.05, 0.3, 200)))
    one = np.array(_filtered(headings))
    two = np.array(_filtered([math.pi - heading for heading in headings]))
    assert np.exp(1j * (math.pi - one)) == pytest.approx(np.exp(1j * two), abs=1e-9)


def test_a_mirrored_track_is_followed_alike() -> None:
    rng = np.random.default_rng(2)
    plain, mirrored = DogFollower(TrackPolicy()), DogFollower(TrackPolicy())
    for step in range(60):
        spots = [(100 + 6 * step, 200.0), (*rng.uniform(50, 600, 2),)][: 1 + step % 2]
        found = _found(*spots, headings=list(rng.normal(0, 0.4, len(spots))))
        one = plain.observe(50.0 * step, found)
        two = mirrored.observe(50.0 * step, found.mirrored(640))
        assert (one is None) == (two is None)
        if one is not None and two is not None:
            x0, y0, x1, y1 = one.box_xyxy_px
            assert two.box_xyxy_px == pytest.approx([640 - x1, y0, 640 - x0, y1], abs=1e-3)
            assert one.crossing == two.crossing
    assert plain.summary() == mirrored.summary()
