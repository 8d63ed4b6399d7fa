"""Pose: sub-cell places, and left and right through the mirrored window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import CentreOutput, HeatmapOutput, YoloPoseOutput
from edge_sdk.vision.keypoints import FLIP_INDEX, KEYPOINT_NAMES, LEFT_RIGHT_PAIRS, SKELETON
from edge_sdk.vision.pose import PoseEstimator, canonical_window, decode_heatmap
from edge_sdk.vision.resample import square_crop
from tests.support.tiny_bundles import NumpyStage, input_spec, picture, stage_spec

Floats = NDArray[np.float32]


def parabola(x: float, y: float, height: int = 10, width: int = 12) -> Floats:
    """A logit map whose top lies at cell place (x, y)."""
    rows, columns = np.mgrid[:height, :width]
    return (4 - (columns - x) ** 2 - 0.7 * (rows - y) ** 2).astype(np.float32)


@given(st.floats(1, 10), st.floats(1, 8), st.integers(1, 16))
@settings(max_examples=80, deadline=None)
def test_a_parabola_is_found_below_a_cell(x: float, y: float, stride: int) -> None:
    ((point,),) = decode_heatmap(parabola(x, y)[None, None], stride)
    assert point[:2] == pytest.approx([(x + 0.5) * stride, (y + 0.5) * stride], abs=1e-3 * stride)


def test_confidence_is_the_sigmoid_of_the_top_cell() -> None:
    raw = np.full((1, 2, 5, 5), -7.0, np.float32)
    raw[0, 0, 2, 2] = 1.5
    points = decode_heatmap(raw, 4)[0]
    assert points[0].tolist() == pytest.approx([10, 10, 1 / (1 + np.exp(-1.5))])
    assert points[1, 2] == pytest.approx(1 / (1 + np.exp(7)))


def test_at_the_edge_and_on_a_plateau_the_cells_centre_counts() -> None:
    raw = np.zeros((1, 3, 4, 4), np.float32)
    raw[0, 0, 0, 3] = 5
    raw[0, 1, 3, 1] = 5
    points = decode_heatmap(raw, 8)[0]
    assert points[0, :2].tolist() == [28, 4]
    assert points[1, :2].tolist() == [12, 28]
    assert points[2, :2].tolist() == [4, 4]


def test_a_neighbour_as_high_moves_half_a_cell_at_most() -> None:
    raw = np.full((1, 1, 5, 5), -9.0, np.float32)
    raw[0, 0, 2, 2] = raw[0, 0, 2, 3] = 2
    ((point,),) = decode_heatmap(raw, 2)
    assert point[:2].tolist() == pytest.approx([6.0, 5.0])


def test_mirror_index_and_pairs_agree_with_the_names() -> None:
    assert FLIP_INDEX == (
        6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 15, 14, 16, 17, 19, 18, 21, 20, 22, 23,
    )  # fmt: skip
    for left, right in LEFT_RIGHT_PAIRS:
        assert KEYPOINT_NAMES[left].replace("left", "right") == KEYPOINT_NAMES[right]
    assert len(LEFT_RIGHT_PAIRS) == 9
    bones = {frozenset(bone) for bone in SKELETON}
    assert bones == {frozenset((FLIP_INDEX[a], FLIP_INDEX[b])) for a, b in SKELETON}


@pytest.mark.parametrize(
    ("heading", "mirrored"),
    [(0.0, False), (1.5, False), (1.6, True), (3.1, True), (-3.1, True), (-1.5, False)],
)
def test_only_a_dog_that_faces_left_is_turned(heading: float, mirrored: bool) -> None:
    window = canonical_window(square_crop((0, 0, 9, 9), 8, 1), heading)
    assert window.mirrored is mirrored


def test_an_unknown_heading_leaves_the_window() -> None:
    assert not canonical_window(square_crop((0, 0, 9, 9), 8, 1), float("nan")).mirrored


COLOURS = np.array([[16 * (k // 8) + 90, 30 * (k % 8) + 10, 250 - 9 * k] for k in range(24)])


def colour_seeker(turned_names: bool = False) -> NumpyStage:
    """A net that knows each keypoint by its colour, as one would that has learned the names."""

    def net(planes: Floats) -> Floats:
        pixels = (planes.transpose(0, 2, 3, 1) * 0.25 + 0.5) * 255
        cells = pixels.reshape(len(pixels), 16, 4, 16, 4, 3).mean(axis=(2, 4))
        away = np.abs(cells[..., None, :] - COLOURS).sum(axis=-1)
        return 6 - 0.2 * away.transpose(0, 3, 1, 2)

    return NumpyStage(
        stage_spec("pose", input_spec(64, "square_crop", padding=1.0), HeatmapOutput(stride=4)), net
    )


def painted(order: tuple[int, ...] = tuple(range(24))) -> NDArray[np.uint8]:
    """Twenty-four squares of 16 px, keypoint order[k] in place k of a 6 x 4 board of 128 px."""
    image = np.full((128, 128, 3), 40, np.uint8)
    for place, keypoint in enumerate(order):
        row, column = divmod(place, 6)
        top, left = 16 + 24 * row, 8 + 16 * column
        image[top : top + 16, left : left + 16] = COLOURS[keypoint]
    return image


def test_keypoints_come_back_in_px_of_the_picture() -> None:
    box = [[0, 0, 128, 128]]
    points = PoseEstimator(colour_seeker()).estimate(painted(), box, [0.0])[0]
    for place in range(24):
        row, column = divmod(place, 6)
        middle = (16 + 16 * column, 24 + 24 * row)
        assert np.abs(points[place, :2] - middle).max() <= 8
    assert points.shape == (24, 3) and (points[:, 2] > 0.9).all()


def test_a_dog_that_faces_left_is_the_mirror_image_with_its_sides_kept() -> None:
    # The net was trained on dogs that face right. In the mirror a left paw looks like a right one.
    estimator = PoseEstimator(colour_seeker())
    image = painted()
    right = estimator.estimate(image, [[0, 0, 128, 128]], [0.4])[0]
    mirrored_picture = np.ascontiguousarray(image[:, ::-1])
    left = estimator.estimate(mirrored_picture, [[0, 0, 128, 128]], [np.pi - 0.4])[0]
    expected = right[list(FLIP_INDEX)].copy()
    expected[:, 0] = 128 - expected[:, 0]
    assert np.abs(left - expected).max() < 1e-3


def test_without_the_mirror_the_sides_would_be_wrong() -> None:
    estimator = PoseEstimator(colour_seeker())
    image = np.ascontiguousarray(painted()[:, ::-1])
    known = estimator.estimate(image, [[0, 0, 128, 128]], [np.pi])[0]
    unknown = estimator.estimate(image, [[0, 0, 128, 128]], [np.nan])[0]
    assert np.abs(known[list(FLIP_INDEX)] - unknown)[:, :2].max() < 8
    assert np.abs(known - unknown)[:, :2].max() > 20


def test_boxes_of_many_pictures_go_together_or_alone() -> None:
    estimator = PoseEstimator(colour_seeker())
    images = [np.roll(painted(), 3 * k, axis=1) for k in range(11)]
    boxes = np.array([[k, 2, 110 + k, 118] for k in range(11)])
    headings = np.where(np.arange(11) % 2, np.pi, 0.0)
    together = estimator.estimate_each(images, boxes, headings)
    for k in range(11):
        alone = estimator.estimate(images[k], boxes[k : k + 1], headings[k : k + 1])[0]
        assert (together[k] == alone).all()
    assert estimator.estimate(images[0], np.zeros((0, 4)), []).shape == (0, 24, 3)
    with pytest.raises(ValueError, match="2 boxes"):
        estimator.estimate_each(images[:1], boxes[:2], [0.0])


def test_a_yolo_pose_is_that_of_the_dog_asked_for() -> None:
    raw = np.zeros((1, 5 + 72, 10), np.float32)
    for anchor, x in ((2, 16.0), (6, 48.0)):
        raw[0, :5, anchor] = x, 32, 20, 30, 0.5 + anchor / 20
        raw[0, 5::3, anchor] = x
        raw[0, 6::3, anchor] = 30
        raw[0, 7::3, anchor] = 0.8
    output = YoloPoseOutput(classes=("dog",), box_units="px", keypoints=24)
    stage = NumpyStage(
        stage_spec("pose", input_spec(64), output), lambda planes: np.repeat(raw, len(planes), 0)
    )
    boxes = [[6, 17, 26, 47], [38, 17, 58, 47], [0, 0, 5, 5]]
    points = PoseEstimator(stage).estimate(picture(0, 64, 64), boxes, [0, 0, 0])
    assert points[0, 0].tolist() == pytest.approx([16, 30, 0.8])
    assert points[1, 0].tolist() == pytest.approx([48, 30, 0.8])
    assert np.isnan(points[2, :, :2]).all() and (points[2, :, 2] == 0).all()


def test_a_pose_estimator_wants_a_pose_head() -> None:
    output = CentreOutput(stride=8, heading=False, classes=("dog",))
    stage = NumpyStage(stage_spec("detector", input_spec(32), output), lambda x: x)
    with pytest.raises(TypeError, match="CentreOutput"):
        PoseEstimator(stage)
