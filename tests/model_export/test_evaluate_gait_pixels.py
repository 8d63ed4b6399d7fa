"""Gait from the pixels: boxes between detections, and the summary against hand-made walks."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from edge_sdk.gait import METRICS
from edge_sdk.vision.detections import Detections
from edge_sdk.vision.keypoints import KEYPOINT_NAMES
from model_export.evaluate import gait_pixels
from model_export.evaluate.clips import ClipReport, summary
from model_export.evaluate.pose import LegPairing
from model_export.synth.clips import WalkClip
from model_export.synth.truth import GaitTruth

TRUTH = GaitTruth(
    gait="walk", stride_hz=1.0, duty=(0.6, 0.6, 0.6, 0.6), hind_stance_si=0.0, fore_stance_si=0.0,
    step_length_si=0.0, stifle_rom_deg=(30.0, 30.0), hock_rom_deg=(40.0, 40.0),
    stifle_proxy_rom_deg=(50.0, 50.0), skip_rate=0.0, skip_left=None, bob=0.01,
    bob_asymmetry=0.0, head_bob=0.0, sway=0.01, stride_time_cv=0.02, speed=1.0, strides=10,
    sound=True, severity=0.0, lame_left=None,
)  # fmt: skip
POSE = ClipReport(0.95, 0.99, 0.02, LegPairing(100, 0.01, 0.02), LegPairing(90, 0.0, 0.0))


class MovingDog:
    """A detector that sees a box moving 10 px a frame, and nothing in the frames `blind`."""

    def __init__(self, blind=()):
        self.blind, self.seen = blind, []

    def detect(self, images):
        found = []
        for image in images:
            number = int(image[0, 0, 0])
            self.seen.append(number)
            if number in self.blind:
                found.append(Detections())
                continue
            box = np.float32([[10 * number, 20, 10 * number + 100, 80]])
            one = np.ones(1, np.float32)
            found.append(Detections(box, one, np.zeros(1, np.int64), 0 * one))
        return found


class BoxReader:
    """A pose net whose keypoints all are the corner of the box that it was given."""

    def estimate_each(self, images, boxes, headings):
        assert len(images) == len(boxes) == len(headings)
        corners = np.asarray(boxes, np.float32)[:, None, :2]
        ones = np.ones((len(boxes), 24, 1), np.float32)
        return np.concatenate([np.repeat(corners, 24, axis=1), ones], axis=2)


def frames(count):
    for number in range(count):
        yield number * 33.0, np.full((4, 4, 3), number, np.uint8)


def test_the_detector_sees_every_fourth_frame_and_the_dog_is_followed_between():
    detector = MovingDog()
    found = gait_pixels.keypoints_from_pixels(frames(11), detector, BoxReader(), every=4)
    assert detector.seen == [0, 4, 8, 10]
    np.testing.assert_allclose(found[:, 0, 0], 10.0 * np.arange(11), atol=1e-3)
    assert found.shape == (11, 24, 3)


def test_before_the_dog_is_found_there_are_no_keypoints():
    detector = MovingDog(blind=(0, 4))
    found = gait_pixels.keypoints_from_pixels(frames(12), detector, BoxReader(), every=4)
    assert np.isnan(found[:5]).all()
    assert np.isfinite(found[8:]).all()


def walk(seed, si, measured_si, **changes):
    truth = replace(TRUTH, hind_stance_si=si, **changes.pop("truth", {}))
    measures = {
        "cadence": 61.2,
        "hind_stance_si": measured_si,
        "left_stifle_rom": 33.0,
        "right_stifle_rom": 28.0,
        "left_hock_rom": 40.0,
        "right_hock_rom": None,
    }
    values = {
        "fps": 30.0,
        "faults": {name: abs(si) for name in METRICS},
        "pose": POSE,
        "measures": measures,
        "scores": {name: 100.0 - abs(si) for name in METRICS},
        "risk": "low",
        "refused": None,
        "collapse_refused": True,
        **changes,
    }
    return gait_pixels.WalkResult(seed=seed, truth=truth, **values)


def test_the_summary_is_the_arithmetic_of_its_walks():
    walks = [walk(1, -20.0, -15.0), walk(2, 0.0, 2.0), walk(3, 20.0, 24.0), walk(4, 30.0, -1.0)]
    report = gait_pixels.summary(walks)
    assert report.frequency_mae_hz == pytest.approx(0.02)
    assert report.stance_si_mae == pytest.approx((5 + 2 + 4 + 31) / 400)
    assert report.stance_si_sign == pytest.approx(2 / 3)
    assert report.stifle_rom_mae_deg == pytest.approx(2.5)
    assert report.hock_rom_mae_deg == pytest.approx(0.0)
    assert report.score_rho["gait_balance"] == pytest.approx(1.0)
    assert report.pose.hind_collapse_rate == pytest.approx(0.02)


def test_refused_walks_are_counted_by_reason_and_sound_dogs_called_high_are_a_share():
    nothing = dict.fromkeys(METRICS, None)
    refused = walk(1, 0.0, None, refused="legs_swapped", scores=nothing, risk=None, measures={})
    lame = walk(4, 40.0, 35.0, risk="high", truth={"sound": False})
    report = gait_pixels.summary([refused, walk(2, 0.0, 1.0, risk="high"), walk(3, 1.0, 1.0), lame])
    assert report.refused == {"legs_swapped": 1} and report.measured == 3
    assert report.sound == 2 and report.sound_called_high == pytest.approx(0.5)
    assert report.collapse_refused == 1.0


def test_legs_drawn_as_one_lie_in_their_middle():
    keypoints = np.random.default_rng(1).uniform(0, 100, (5, 24, 3))
    drawn = gait_pixels.collapsed(keypoints)
    for name in ("paw", "knee", "elbow"):
        left, right = (KEYPOINT_NAMES.index(f"rear_{side}_{name}") for side in ("left", "right"))
        assert np.array_equal(drawn[:, left], drawn[:, right])
        assert np.allclose(drawn[:, left], (keypoints[:, left] + keypoints[:, right]) / 2)
    same = [k for k, name in enumerate(KEYPOINT_NAMES) if not name.startswith("rear")]
    assert np.array_equal(drawn[:, same], keypoints[:, same])


def test_faults_are_read_off_the_clip():
    steady = gait_pixels.true_faults(
        WalkClip.random(1, "test", fps=12, seconds=4, width=64, height=48, severity=0.0)
    )
    lame = gait_pixels.true_faults(
        WalkClip.random(
            1, "test", fps=12, seconds=4, width=64, height=48, severity=1.0, hind_stance_si=-30.0
        )
    )
    assert set(steady) == set(METRICS)
    worse = ("patella_risk_signal", "gait_balance", "gait_stability")
    assert all(lame[name] > steady[name] for name in worse)


def test_rank_correlation_knows_order_ties_and_too_few_pairs():
    assert gait_pixels.spearman([1, 2, 3, 4], [10, 20, 300, 4000]) == pytest.approx(1)
    assert gait_pixels.spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert gait_pixels.spearman([1, 2, 2, 3], [1, 2, 2, 3]) == pytest.approx(1)
    assert np.isnan(gait_pixels.spearman([1, 2], [1, 2]))
    assert np.isnan(gait_pixels.spearman([1, 1, 1], [1, 2, 3]))


def test_clips_are_averaged_and_the_worst_one_is_named():
    bad = ClipReport(0.9, 0.95, 0.03, LegPairing(50, 0.10, 0.40), LegPairing(0, np.nan, np.nan))
    report = summary([POSE, POSE, bad])
    assert report.hind_swap_rate == pytest.approx(0.04)
    assert report.worst_hind_collapse_rate == 0.40
    assert report.clips_within_3_percent == pytest.approx(2 / 3)
    assert report.fore_swap_rate == 0.0
