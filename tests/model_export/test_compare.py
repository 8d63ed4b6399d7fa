"""The comparisons measure what they say: on known nets, known answers, and other code's numbers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model_export.compare import plots
from model_export.compare.command import app
from model_export.compare.emotions import compare_emotions
from model_export.compare.faces import COLUMNS as FACE_COLUMNS
from model_export.compare.faces import compare_faces
from model_export.compare.latency import measure
from model_export.compare.poses import compare_poses, facing_rad
from model_export.compare.precision_recall import (
    average_precision,
    curve,
    match,
    object_keypoint_similarity,
)
from model_export.compare.tables import Column, markdown, percent, share, write_comparison
from model_export.datasets.sample import DOG_24, Dataset, Instance, Provenance, Sample
from model_export.evaluate import detection
from model_export.families.family import FamilyError, TrainedNet
from tests.support.known_nets import (
    AGPL,
    QUICK,
    OnePose,
    bright_faces,
    bright_finder,
    net_of,
    red_faces,
    red_reader,
)
from tests.support.made_dogs import MADE, made_dogs


# --- numbers ---------------------------------------------------------------------------------
def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    low = rng.uniform(0, 60, (count, 2))
    return np.concatenate([low, low + rng.uniform(5, 30, (count, 2))], axis=1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 0.9))
def test_average_precision_is_that_of_the_evaluation(seed: int, iou: float) -> None:
    rng = np.random.default_rng(seed)
    images, matches = [], []
    for _ in range(6):
        truth = _boxes(rng, int(rng.integers(0, 4)))
        found = np.concatenate([truth + rng.normal(0, 2, truth.shape), _boxes(rng, 2)])
        scores = rng.random(len(found)).round(6)
        nothing = np.zeros(0)
        images.append(detection.ImageDetections(found, scores, truth, nothing, nothing))
        matches.append(match(_iou(found, truth), scores, iou))
    theirs, ours = detection.average_precision(images, iou), average_precision(matches)
    assert (math.isnan(theirs) and math.isnan(ours)) or ours == pytest.approx(theirs, abs=1e-9)


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    areas = [(v[:, 2:] - v[:, :2]).prod(axis=1) for v in (a, b)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None] - shared))


def test_average_precision_by_hand() -> None:
    # Two truths; answers right, wrong, right: precision 1 up to recall .5, then 2/3.
    likeness = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    matches = [match(likeness, np.array([0.9, 0.8, 0.7]), 0.5)]
    recall, precision = curve(matches)
    assert recall.tolist() == [0.5, 0.5, 1.0]
    assert precision == pytest.approx([1, 0.5, 2 / 3])
    assert average_precision(matches) == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_each_truth_is_taken_once() -> None:
    twice = match(np.array([[0.9], [0.95]]), np.array([0.9, 0.8]), 0.5)
    assert twice.right.tolist() == [True, False]


def test_keypoint_similarity_is_one_on_the_truth_and_falls_as_coco_says() -> None:
    rng = np.random.default_rng(0)
    truth = np.zeros((1, 24, 3))
    truth[0, :, :2] = rng.uniform(0, 100, (24, 2))
    truth[0, :20, 2] = 2
    boxes = np.array([[0.0, 0, 100, 100]])
    assert object_keypoint_similarity(truth, truth, boxes)[0, 0] == pytest.approx(1)
    moved = truth.copy()
    moved[0, :, 0] += 5
    expected = math.exp(-25 / (2 * (2 / 24) ** 2 * 5300))
    assert object_keypoint_similarity(moved, truth, boxes)[0, 0] == pytest.approx(expected)
    missing = truth.copy()
    missing[0, :5] = np.nan
    assert object_keypoint_similarity(missing, truth, boxes)[0, 0] == pytest.approx(15 / 20)
    # What the truth does not have is not asked for.
    moved[0, :20], moved[0, 20:, :2] = truth[0, :20], 1e6
    assert object_keypoint_similarity(moved, truth, boxes)[0, 0] == pytest.approx(1)


def test_keypoint_similarity_is_that_of_ultralytics() -> None:
    metrics = pytest.importorskip("ultralytics.utils.metrics")
    rng = np.random.default_rng(5)
    truth = np.concatenate([rng.uniform(0, 90, (3, 24, 2)), rng.integers(0, 3, (3, 24, 1))], axis=2)
    found = truth[[2, 0]] + np.array([3.0, -2.0, 0.0])
    boxes = np.array([[0, 0, 90, 80], [5, 5, 60, 90], [0, 0, 40, 40]], np.float64)
    area = torch.tensor((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) * 0.53)
    sigma = np.ones(24) / 24
    theirs = metrics.kpt_iou(torch.tensor(truth), torch.tensor(found), area=area, sigma=sigma)
    ours = object_keypoint_similarity(found, truth, boxes)
    np.testing.assert_allclose(ours.T, theirs.numpy(), atol=1e-6)


def test_latency_warms_up_and_counts() -> None:
    calls: list[int] = []
    spent = measure(calls.append)
    assert calls == [*range(3), *range(20)]
    assert 0 <= spent.p50_ms <= spent.p95_ms


# --- tables ----------------------------------------------------------------------------------
def test_a_table_marks_reached_goals_and_keeps_what_was_not_measured_empty(tmp_path: Path) -> None:
    columns = [
        Column("name", "모델", "model"),
        Column("map50", "mAP", "mAP", share, ("min", 0.85)),
        Column("rate", "실패", "failed", percent, ("max", 0.03)),
    ]
    rows = [
        {"name": "a|b", "map50": 0.85, "rate": 0.031},
        {"name": "c", "map50": float("nan")},
    ]
    text = markdown(columns, rows)
    assert "| 모델 (model) | mAP (mAP) ≥ 0.850 | 실패 (failed) ≤ 3.0% |" in text
    assert "| a\\|b | 0.850 ✓ | 3.1% |" in text
    assert "| c | – | – |" in text
    write_comparison(tmp_path, "x", "title", columns, rows, notes=["note"])
    told = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert told["rows"][1]["map50"] is None and told["notes"] == ["note"]


# --- comparisons -----------------------------------------------------------------------------
def test_a_perfect_face_detector_is_perfect_and_an_unsure_one_has_no_valid_crop(
    tmp_path: Path,
) -> None:
    nets = {"sure": bright_finder(), "unsure": bright_finder(sure=0.5, licence=AGPL)}
    rows = compare_faces(nets, bright_faces(10, negatives=3), tmp_path, QUICK)
    sure, unsure = rows
    assert sure["map50"] == unsure["map50"] == pytest.approx(1.0)
    assert (sure["valid_crop_rate"], unsure["valid_crop_rate"]) == (1.0, 0.0)
    assert sure["false_alarms"] == 0
    assert sure["embeddable"] and not unsure["embeddable"]
    assert sure["torch_p50_ms"] > 0 and "onnx_p50_ms" not in sure
    text = (tmp_path / "face.md").read_text(encoding="utf-8")
    assert "open source or a licence" in text and "AGPL-3.0-only" in text
    assert all(column.head in text for column in FACE_COLUMNS)
    for name in ("face_precision_recall.png", "face_latency.png"):
        assert Image.open(tmp_path / name).size[0] > 300


def test_a_detector_that_is_off_by_half_a_face_is_not_perfect(tmp_path: Path) -> None:
    data = bright_faces(8)
    samples = []
    for sample in data.samples:
        box = sample.instances[0].box_xyxy_px + 12
        samples.append(replace(sample, instances=(Instance(0, box),)))
    shifted = data.with_samples(samples)
    row = compare_faces({"off": bright_finder()}, shifted, tmp_path, QUICK)[0]
    assert row["map50"] < 0.05 and row["valid_crop_rate"] == 1.0


def test_emotions_are_judged_on_given_and_on_found_faces(tmp_path: Path) -> None:
    row = compare_emotions({"red": red_reader()}, red_faces(12), tmp_path, QUICK)[0]
    assert row["macro_f1"] == pytest.approx(1.0) and row["accuracy"] == 1.0
    assert np.array(row["confusion"]).diagonal().tolist() == [3, 3, 3, 3]
    assert "detected_macro_f1" not in row
    # The finder sees nothing bright in these pictures: every face is missing, so all is wrong.
    row = compare_emotions(
        {"red": red_reader()}, red_faces(12), tmp_path, QUICK, face_detector=bright_finder()
    )[0]
    assert row["detected_missing"] == 12 and row["detected_macro_f1"] == 0.0
    # White faces: found and cropped to pure white, which this net calls happy.
    row = compare_emotions(
        {"red": red_reader()}, bright_faces(8), tmp_path, QUICK, face_detector=bright_finder()
    )[0]
    assert row["detected_missing"] == 0 and row["detected_accuracy"] == 0.25


def test_emotions_need_labels(tmp_path: Path) -> None:
    with pytest.raises(FamilyError, match="labelled"):
        compare_emotions({"red": red_reader()}, made_dogs(2), tmp_path, QUICK)


def _one_pose_data(cells: list[tuple[int, int]], count: int = 3) -> Dataset:
    """Pictures of 64 px, a bright dog that fills them, keypoints at the cells' centres."""
    points = np.array([[4 * (c + 0.5), 4 * (r + 0.5), 2.0] for c, r in cells])
    samples = []
    for k in range(count):
        image = np.full((64, 64, 3), 250, np.uint8)
        dog = Instance(0, np.array([0.0, 0, 64, 64]), points, None, 0.0)
        samples.append(Sample(f"p{k}", image, 64, 64, MADE, (dog,), None, f"p{k}", "test"))
    return Dataset(tuple(samples), ("dog",), (), DOG_24)


CELLS = [(int(c), int(r)) for c, r in np.random.default_rng(8).integers(1, 15, (24, 2))]
LEFT, RIGHT = (DOG_24.names.index(f"rear_{side}_paw") for side in ("left", "right"))
CELLS[LEFT], CELLS[RIGHT] = (3, 14), (9, 14)


def poser(cells: list[tuple[int, int]]) -> TrainedNet:
    return net_of(OnePose(cells), "pose", {"head": "heatmap", "stride": 4}, fit="square_crop")


def test_pose_tables_tell_swaps_and_collapses_that_pck_hides(tmp_path: Path) -> None:
    swapped, collapsed = list(CELLS), list(CELLS)
    swapped[LEFT], swapped[RIGHT] = CELLS[RIGHT], CELLS[LEFT]
    collapsed[LEFT] = collapsed[RIGHT] = (6, 14)
    nets = {"right": poser(CELLS), "swapped": poser(swapped), "collapsed": poser(collapsed)}
    rows = compare_poses(nets, _one_pose_data(CELLS), tmp_path, QUICK)
    rates = [(row["hind_swap_rate"], row["hind_collapse_rate"]) for row in rows]
    assert rates == [(0, 0), (1, 0), (0, 1)]
    assert rows[0]["pck05"] == 1.0 and rows[1]["pck10"] > 0.9
    # Without a detector a top-down net finds no dogs: nothing is claimed about whole pictures.
    assert "pose_map50_95" not in rows[0]


def test_a_top_down_net_with_a_detector_gets_its_map(tmp_path: Path) -> None:
    finder = bright_finder()
    row = compare_poses(
        {"right": poser(CELLS)}, _one_pose_data(CELLS), tmp_path, QUICK, dog_detector=finder
    )[0]
    assert row["box_map50_95"] == pytest.approx(1.0)
    assert row["pose_map50_95"] == pytest.approx(1.0)
    away = [((c + 7) % 14 + 1, r) for c, r in CELLS]
    row = compare_poses(
        {"away": poser(away)}, _one_pose_data(CELLS), tmp_path, QUICK, dog_detector=finder
    )[0]
    assert row["box_map50_95"] == pytest.approx(1.0) and row["pose_map50_95"] < 0.2


def test_the_side_that_a_dog_faces_comes_from_its_points() -> None:
    dog = _one_pose_data(CELLS).samples[0].instances[0]
    assert facing_rad(dog) == 0.0
    nose, tail = DOG_24.names.index("nose"), DOG_24.names.index("tail_start")
    points = dog.keypoints.copy()  # type: ignore[union-attr]
    points[nose, 0], points[tail, 0] = 10, 50
    assert facing_rad(replace(dog, keypoints=points, heading_rad=None)) == pytest.approx(math.pi)
    points[tail, 2] = 0
    assert math.isnan(facing_rad(replace(dog, keypoints=points, heading_rad=None)))


# --- pictures and commands -------------------------------------------------------------------
def test_pictures_are_drawn_without_a_window(tmp_path: Path) -> None:
    curves = {"a": {"loss": (3.0, 2.0, 1.5), "val_map50": (0.1, 0.3, 0.5)}, "b": {"loss": (2.0,)}}
    drawn = [
        plots.training_curves(curves, tmp_path / "t.png"),
        plots.confusion_matrices({"a": [[3, 1], [0, 4]]}, ["x", "y"], tmp_path / "c.png"),
        plots.precision_recall(
            {"a": (np.array([0.5, 1.0]), np.array([1.0, 0.7])), "none": (np.zeros(0), np.zeros(0))},
            tmp_path / "p.png",
            "title",
        ),
        plots.quality_over_latency(
            {"a": (3.0, 0.8, 5.0, True)}, tmp_path / "q.png", quality="F1", title="t"
        ),
    ]
    for path in drawn:
        pixels = np.asarray(Image.open(path).convert("L"))
        assert (pixels < 128).mean() > 0.001


def test_the_command_explains_what_is_wrong(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    run = CliRunner()
    done = run.invoke(app, ["face", str(tmp_path / "no.pt"), "--out", str(tmp_path)])
    assert done.exit_code == 1 and "Traceback" not in done.output
    done = run.invoke(
        app, ["face", str(tmp_path / "no.pt"), "--out", str(tmp_path), "--data", "real:unicorns"]
    )
    assert done.exit_code == 1 and "vizsla-faces" in done.output


def test_the_licence_of_the_data_is_told(tmp_path: Path) -> None:
    data = bright_faces(4)
    research = Provenance("zoo", "research only", True)
    data = data.with_samples([replace(s, provenance=research) for s in data.samples])
    compare_faces({"a": bright_finder()}, data, tmp_path, QUICK)
    assert "zoo (research only)" in (tmp_path / "face.md").read_text(encoding="utf-8")
