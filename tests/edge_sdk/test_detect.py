"""Detectors' heads: what the numbers in a tensor mean, and that overlaps go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import CentreOutput, LogitsOutput, YoloDetectOutput, YoloPoseOutput
from edge_sdk.vision.classify import Classifier, softmax
from edge_sdk.vision.detect import (
    MAX_DETECTIONS,
    Detector,
    decode_centre,
    iou_matrix,
    sigmoid,
    suppress,
    to_image,
)
from edge_sdk.vision.detections import Detections
from edge_sdk.vision.resample import Window, letterbox, sample
from edge_sdk.vision.yolo import decode_yolo
from tests.support.tiny_bundles import NumpyStage, input_spec, picture, stage_spec

Floats = NDArray[np.float32]

ONE = CentreOutput(stride=8, heading=True, classes=("dog",))
TWO = CentreOutput(stride=8, heading=False, classes=("dog", "cat"))
THRESHOLDS = {"score": 0.35, "nms_iou": 0.5}


def empty_head(output: CentreOutput, cells: int = 8) -> Floats:
    channels = len(output.classes) + 4 + 2 * output.heading
    raw = np.zeros((1, channels, cells, cells), np.float32)
    raw[:, : len(output.classes)] = -8
    return raw


def put(
    raw: Floats, row: int, column: int, logit: float, reach: tuple[float, ...], channel: int = 0
) -> None:
    raw[0, channel, row, column] = logit
    classes = raw.shape[1] - 4 - (2 if raw.shape[1] % 2 else 0)
    raw[0, classes : classes + 4, row, column] = np.log(reach)


def boxes_of(count: int, rng: np.random.Generator) -> Floats:
    corner = rng.uniform(0, 60, (count, 2))
    return np.hstack([corner, corner + rng.uniform(0, 40, (count, 2))]).astype(np.float32)


def found(boxes: Floats, scores: Floats, classes: NDArray[np.int64] | None = None) -> Detections:
    return Detections(
        boxes,
        scores,
        np.zeros(len(boxes), np.int64) if classes is None else classes,
        np.full(len(boxes), np.nan, np.float32),
    )


def test_a_cell_says_where_its_box_is() -> None:
    raw = empty_head(ONE)
    put(raw, 3, 2, 2.0, (1.0, 0.5, 2.0, 3.0))
    raw[0, 5:, 3, 2] = 0.0, 3.0
    (dogs,) = decode_centre(raw, ONE, score=0.35, nms_iou=0.5)
    assert dogs.boxes_xyxy_px.tolist() == [pytest.approx([12.0, 24.0, 36.0, 52.0])]
    assert dogs.scores[0] == pytest.approx(1 / (1 + np.exp(-2)))
    assert dogs.headings_rad[0] == pytest.approx(np.pi / 2)
    assert dogs.class_ids.tolist() == [0]


def test_a_neighbour_below_the_peak_is_no_second_dog() -> None:
    raw = empty_head(ONE)
    put(raw, 4, 4, 3.0, (0.2, 0.2, 0.2, 0.2))
    put(raw, 4, 5, 2.9, (0.2, 0.2, 0.2, 0.2))
    put(raw, 3, 3, 2.9, (0.2, 0.2, 0.2, 0.2))
    put(raw, 4, 6, 2.8, (0.2, 0.2, 0.2, 0.2))
    (dogs,) = decode_centre(raw, ONE, score=0.35, nms_iou=0.5)
    assert len(dogs) == 1
    put(raw, 0, 0, 2.5, (0.2, 0.2, 0.2, 0.2))
    assert len(decode_centre(raw, ONE, score=0.35, nms_iou=0.5)[0]) == 2


def test_a_cell_at_the_threshold_counts_and_below_does_not() -> None:
    raw = empty_head(ONE)
    put(raw, 1, 1, 0.0, (1.0, 1.0, 1.0, 1.0))
    assert len(decode_centre(raw, ONE, score=0.5, nms_iou=0.5)[0]) == 1
    assert len(decode_centre(raw, ONE, score=0.5001, nms_iou=0.5)[0]) == 0


def test_boxes_of_another_class_do_not_push_each_other_out() -> None:
    raw = empty_head(TWO)
    for channel in (0, 1):
        put(raw, 3, 3, 3.0 + channel, (2.0, 2.0, 2.0, 2.0), channel)
    (both,) = decode_centre(raw, TWO, score=0.35, nms_iou=0.5)
    assert both.class_ids.tolist() == [1, 0]
    assert np.isnan(both.headings_rad).all()
    put(raw, 3, 5, 2.0, (4.0, 2.0, 0.01, 2.0), 0)
    (same,) = decode_centre(raw, TWO, score=0.35, nms_iou=0.5)
    assert same.class_ids.tolist() == [1, 0]


def test_no_more_peaks_than_the_limit_and_the_best_first() -> None:
    raw = empty_head(ONE, cells=40)
    rng = np.random.default_rng(0)
    for row in range(0, 40, 2):
        for column in range(0, 40, 2):
            put(raw, row, column, rng.uniform(0, 5), (0.4, 0.4, 0.4, 0.4))
    (dogs,) = decode_centre(raw, ONE, score=0.35, nms_iou=0.5)
    assert len(dogs) == MAX_DETECTIONS
    assert (np.diff(dogs.scores) <= 0).all()


def test_broken_weights_give_wide_boxes_but_no_overflow() -> None:
    raw = np.full((1, 7, 4, 4), 500.0, np.float32)
    with np.errstate(over="raise", invalid="raise"):
        (dogs,) = decode_centre(raw, ONE, score=0.35, nms_iou=0.5)
    assert np.isfinite(dogs.boxes_xyxy_px).all() and len(dogs) == 1


def test_a_batch_is_its_images_one_by_one() -> None:
    raw = np.random.default_rng(3).normal(0, 2, (5, 7, 9, 9)).astype(np.float32)
    together = decode_centre(raw, ONE, score=0.35, nms_iou=0.5)
    for k, dogs in enumerate(together):
        (alone,) = decode_centre(raw[k : k + 1], ONE, score=0.35, nms_iou=0.5)
        assert (dogs.boxes_xyxy_px == alone.boxes_xyxy_px).all()


def test_sigmoid_is_exact_at_both_ends() -> None:
    with np.errstate(over="raise"):
        values = sigmoid(np.array([-1000, -2, 0, 2, 1000], np.float32))
    assert values.tolist() == pytest.approx([0, 0.1192029, 0.5, 0.8807971, 1])


def test_iou_of_half_overlapping_boxes_is_a_third() -> None:
    a = np.array([[0, 0, 2, 2]], np.float32)
    b = np.array([[1, 0, 3, 2], [5, 5, 6, 6], [0, 0, 2, 2], [1, 1, 1, 1]], np.float32)
    assert iou_matrix(a, b)[0].tolist() == pytest.approx([1 / 3, 0, 1, 0])
    empty = np.zeros((1, 4), np.float32)
    assert iou_matrix(empty, empty).tolist() == [[0.0]]


def greedy_by_hand(boxes: Floats, classes: NDArray[np.int64], limit: float) -> list[int]:
    stay: list[int] = []
    for k in range(len(boxes)):
        rivals = [s for s in stay if classes[s] == classes[k]]
        if all(iou_matrix(boxes[s : s + 1], boxes[k : k + 1])[0, 0] <= limit for s in rivals):
            stay.append(k)
    return stay


@given(st.integers(0, 40), st.integers(0, 2**32), st.floats(0.1, 0.9))
@settings(max_examples=60, deadline=None)
def test_suppression_equals_the_greedy_loop(count: int, seed: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    boxes, classes = boxes_of(count, rng), rng.integers(0, 2, count)
    scores = np.sort(rng.random(count).astype(np.float32))[::-1]
    stays = suppress(found(boxes, scores, classes), limit)
    assert stays.tolist() == greedy_by_hand(boxes, classes, limit)


def test_boxes_return_to_the_picture_also_from_a_mirrored_window() -> None:
    box = np.array([[10, 20, 30, 44]], np.float32)
    seen = Detections(
        box, np.ones(1, np.float32), np.zeros(1, np.int64), np.array([0.2], np.float32)
    )
    plain = to_image(seen, Window(5, 6, 2.0, 64, 64))
    assert plain.boxes_xyxy_px.tolist() == [[25, 46, 65, 94]]
    turned = to_image(seen, Window(5, 6, 2.0, 64, 64, mirrored=True))
    assert turned.boxes_xyxy_px.tolist() == [[5 + 34 * 2, 46, 5 + 54 * 2, 94]]
    assert turned.headings_rad[0] == pytest.approx(np.pi - 0.2)


def test_detections_refuse_lengths_that_differ() -> None:
    with pytest.raises(ValueError, match="lengths differ"):
        found(np.zeros((2, 4), np.float32), np.zeros(3, np.float32))
    assert len(Detections()) == 0


def test_mirroring_twice_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    some = Detections(
        boxes_of(5, rng), rng.random(5, np.float32), np.arange(5),
        rng.uniform(-3, 3, 5).astype(np.float32),
    )  # fmt: skip
    twice = some.mirrored(100).mirrored(100)
    assert np.abs(twice.boxes_xyxy_px - some.boxes_xyxy_px).max() < 1e-4
    assert np.abs(twice.headings_rad - some.headings_rad).max() < 1e-5
    assert some.select(some.scores > 2).areas_px2.shape == (0,)


def spot_finder() -> NumpyStage:
    """A net that calls a cell a dog when it is bright; boxes of one stride about it."""

    def net(planes: Floats) -> Floats:
        count, _, height, width = planes.shape
        cells = planes.mean(axis=1).reshape(count, height // 8, 8, width // 8, 8).mean(axis=(2, 4))
        raw = np.zeros((count, 7, *cells.shape[1:]), np.float32)
        raw[:, 0] = 6 * cells
        raw[:, 5] = 1
        return raw

    return NumpyStage(stage_spec("detector", input_spec(64), ONE), net)


def test_a_detector_finds_the_bright_spot_in_px_of_the_picture() -> None:
    image = np.zeros((180, 320, 3), np.uint8)
    image[80:120, 200:240] = 255
    detector = Detector(spot_finder(), {"score": 0.9, "nms_iou": 0.5})
    dark = np.zeros((50, 70, 3), np.uint8)
    results = detector.detect([image, dark, image[:, ::-1]])
    assert [len(r) for r in results] == [1, 0, 1]
    assert results[0].boxes_xyxy_px[0].tolist() == [180.0, 70.0, 260.0, 150.0]
    assert results[2].boxes_xyxy_px[0].tolist() == [60.0, 70.0, 140.0, 150.0]
    assert detector.classes == ("dog",)
    assert detector.detect([]) == []


def test_many_pictures_pass_in_small_batches() -> None:
    stage = spot_finder()
    sizes: list[int] = []
    plain = stage.net

    def counted(planes: Floats) -> Floats:
        sizes.append(len(planes))
        return plain(planes)

    stage.net = counted
    assert len(Detector(stage, THRESHOLDS).detect([picture(k) for k in range(19)])) == 19
    assert max(sizes) <= 8 and sum(sizes) == 19


def test_a_detector_wants_its_head_and_thresholds() -> None:
    spec = stage_spec("classifier", input_spec(16), LogitsOutput(classes=("a",), temperature=1.0))
    with pytest.raises(TypeError, match="LogitsOutput"):
        Detector(NumpyStage(spec, lambda x: x), THRESHOLDS)
    with pytest.raises(KeyError, match="nms_iou"):
        Detector(spot_finder(), {"score": 0.4})
    with pytest.raises(TypeError, match="CentreOutput"):
        Classifier(spot_finder())


def yolo_head(normalised: bool) -> Floats:
    raw = np.zeros((1, 4 + 2 + 24 * 3, 30), np.float32)
    by = 1 / 64 if normalised else 1.0
    raw[0, :4, 7] = np.array([30, 20, 20, 10]) * by
    raw[0, 5, 7] = 0.9
    raw[0, :4, 8] = np.array([31, 20, 20, 10]) * by
    raw[0, 5, 8] = 0.8
    raw[0, :4, 9] = np.array([50, 50, 4, 4]) * by
    raw[0, 4, 9] = 0.7
    raw[0, 6::3, 7] = 11 * by
    raw[0, 7::3, 7] = 22 * by
    raw[0, 8::3, 7] = 0.5
    return raw


@pytest.mark.parametrize("units", ["px", "normalised"])
def test_a_yolo_head_is_read_in_either_unit(units: str) -> None:
    output = YoloPoseOutput(classes=("dog", "cat"), box_units=units, keypoints=24)  # type: ignore[arg-type]
    raw = yolo_head(units == "normalised")
    ((boxes, keypoints),) = decode_yolo(raw, output, (64, 64), score=0.25, most=10)
    assert boxes.scores.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert boxes.class_ids.tolist() == [1, 1, 0]
    assert boxes.boxes_xyxy_px[0].tolist() == pytest.approx([20, 15, 40, 25])
    assert keypoints[0, 5].tolist() == pytest.approx([11, 22, 0.5])
    stage = NumpyStage(stage_spec("detector", input_spec(64), output), lambda x: raw[: len(x)])
    (seen,) = Detector(stage, {"score": 0.25, "nms_iou": 0.5}).detect([picture(0, 64, 64)])
    assert seen.class_ids.tolist() == [1, 0]


def test_a_yolo_detector_without_anything_to_see_is_empty() -> None:
    output = YoloDetectOutput(classes=("dog_face",), box_units="px")
    raw = np.zeros((1, 5, 20), np.float32)
    stage = NumpyStage(stage_spec("detector", input_spec(32), output), lambda x: raw)
    (seen,) = Detector(stage, THRESHOLDS).detect([picture()])
    assert len(seen) == 0


@given(st.integers(0, 2**32), st.floats(0.2, 5))
@settings(max_examples=40, deadline=None)
def test_probabilities_sum_to_one_and_keep_the_order(seed: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(0, 200, (6, 4)).astype(np.float32)
    shares = softmax(logits, temperature)
    assert np.abs(shares.astype(np.float64).sum(axis=1) - 1).max() < 1e-6
    assert (shares.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_a_classifier_sees_the_box_it_was_given() -> None:
    spec = stage_spec(
        "classifier",
        input_spec(16, "square_crop", padding=1.0),
        LogitsOutput(classes=("dark", "bright"), temperature=2.0),
    )

    def net(planes: Floats) -> Floats:
        light = planes.mean(axis=(1, 2, 3))
        return np.stack([-light, light], axis=1)

    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 40:] = 255
    classifier = Classifier(NumpyStage(spec, net))
    out = classifier.classify(image, [[4, 4, 30, 30], [48, 6, 76, 34]])
    assert out.argmax(axis=1).tolist() == [0, 1]
    assert out[1, 1] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert classifier.classify(image, np.zeros((0, 4))).shape == (0, 2)
    many = classifier.classify(image, [[4, 4, 30, 30]] * 11)
    assert many.shape == (11, 2) and np.ptp(many[:, 0]) == 0


def test_the_letterbox_of_a_detector_is_that_of_the_rule() -> None:
    seen: list[Floats] = []

    def net(planes: Floats) -> Floats:
        seen.append(planes)
        return np.full((len(planes), 7, 8, 8), -9, np.float32)

    image = picture(9, 100, 60)
    Detector(NumpyStage(stage_spec("detector", input_spec(64), ONE), net), THRESHOLDS).detect(
        [image]
    )
    pixels = sample(image, letterbox(100, 60, 64, 64))
    wanted = ((pixels / 255 - 0.5) / 0.25).transpose(2, 0, 1)
    assert np.abs(seen[0][0] - wanted).max() < 1e-6
