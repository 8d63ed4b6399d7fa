"""F1, confusion and calibration against cases worked out by hand."""

import numpy as np
import pytest

pytest.importorskip("torch")

from edge_sdk.vision.detections import Detections
from model_export.evaluate.emotion import calibration_error, confusion_matrix, f1_scores, report
from model_export.evaluate.judge import detected_probabilities
from model_export.train.examples import Example


def test_the_confusion_matrix_has_the_truth_in_its_rows():
    matrix = confusion_matrix(np.array([0, 0, 1, 3]), np.array([0, 1, 1, -1]), 4)
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_f1_is_twice_the_hits_over_truth_and_predicted():
    # Class 0: 1 hit, 2 true, 1 predicted -> 2/3. Class 1: 1 hit, 1 true, 2 predicted -> 2/3.
    scores = f1_scores(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    assert scores == pytest.approx([2 / 3, 2 / 3, 0])


def test_a_face_that_was_not_found_counts_as_wrong():
    probabilities = np.eye(4)[[0, 1, 2, 3, 0]].astype(float)
    probabilities[4] = np.nan
    numbers = report(np.array([0, 1, 2, 3, 0]), probabilities)
    assert numbers.missing == 1
    assert numbers.accuracy == pytest.approx(4 / 5)
    assert numbers.f1["happy"] == pytest.approx(2 / 3)
    assert numbers.macro_f1 == pytest.approx((2 / 3 + 3) / 4)


def test_full_confidence_at_half_the_hits_is_an_error_of_a_half():
    probabilities = np.eye(4)[[0, 0]].astype(float)
    assert calibration_error(np.array([0, 1]), probabilities) == pytest.approx(0.5)


class _Answers:
    """A detector and a classifier in one: finds two boxes, or none in black pictures."""

    classes = ("happy", "sad", "angry", "relaxed")

    def __init__(self):
        self.cropped = []

    def detect(self, images):
        if not images[0].any():
            return [Detections()]
        boxes = np.array([[0, 0, 4, 4], [2, 2, 8, 8]], np.float32)
        nan = np.full(2, np.nan, np.float32)
        return [Detections(boxes, np.array([0.4, 0.9], np.float32), np.zeros(2, np.int64), nan)]

    def classify(self, image, boxes):
        self.cropped.append(np.asarray(boxes).tolist())
        return np.array([[0.7, 0.1, 0.1, 0.1]], np.float32)


def test_the_emotion_is_judged_on_the_most_confident_box_and_a_missed_face_is_wrong():
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    asked = _Answers()
    examples = [Example(image=white, emotion=0), Example(image=black, emotion=0)]

    class Set:
        def __len__(self):
            return len(examples)

        def example(self, index):
            return examples[index]

    found, truth = detected_probabilities(asked, asked, [Set()])
    assert asked.cropped == [[[2, 2, 8, 8]]]
    numbers = report(truth, found)
    assert numbers.missing == 1 and numbers.accuracy == pytest.approx(0.5)
