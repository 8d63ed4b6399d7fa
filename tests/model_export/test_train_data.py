"""Shards of generated pictures: the same bytes however they were made, resumed, with all labels."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from model_export.train import data
from model_export.train.data import DataSource, generate
from model_export.train.run import usable
from tests.support import plain_dogs

BODY = "tests.support.plain_dogs:body_image"
FACE = "tests.support.plain_dogs:face_image"


def source(count=20, kind="body", split="train"):
    return DataSource(kind, 48, split, count, BODY if kind == "body" else FACE)


def test_an_example_has_the_pixels_and_labels_of_its_seed(tmp_path):
    shards = generate(source(), tmp_path, workers=0)
    assert len(shards) == 20
    drawn = plain_dogs.body_image(5, size=48, split="train")
    example = shards.example(5)
    np.testing.assert_array_equal(example.image, drawn.image)
    np.testing.assert_allclose(example.dog_boxes, [drawn.box_xyxy], rtol=1e-6)
    np.testing.assert_allclose(example.face_boxes, [drawn.face_box_xyxy], rtol=1e-6)
    np.testing.assert_allclose(example.dog_headings_rad, [drawn.heading_rad], rtol=1e-6)
    np.testing.assert_allclose(example.keypoints, drawn.keypoints, rtol=1e-6)
    assert example.emotion == -1 and example.dogs_labelled and example.faces_labelled


def test_a_picture_without_a_dog_has_no_box_but_is_labelled(tmp_path):
    example = generate(source(), tmp_path, workers=0).example(7)
    assert example.dog_boxes.shape == (0, 4) and example.face_boxes.shape == (0, 4)
    assert example.dogs_labelled and not example.keypoints.any()


def test_faces_come_with_the_four_emotions_in_turn_and_some_pictures_have_none(tmp_path):
    shards = generate(source(kind="face"), tmp_path, workers=0)
    expected = [-1 if seed % 9 == 8 else seed % 4 for seed in range(20)]
    assert shards.labels["emotion"].tolist() == expected
    assert shards.example(8).face_boxes.shape == (0, 4) and shards.example(8).faces_labelled
    assert not shards.example(0).dogs_labelled


def test_the_second_dog_of_a_picture_is_a_box_too_and_its_face_is_unknown(tmp_path, monkeypatch):
    def two_dogs(seed, size, split):
        body = plain_dogs.body_image(seed, size, split)
        return plain_dogs.Body(**{**body.__dict__, "other_boxes": (np.array([1.0, 2, 9, 8]),)})

    monkeypatch.setattr(plain_dogs, "two_dogs", two_dogs, raising=False)
    one = DataSource("body", 48, "train", 3, "tests.support.plain_dogs:two_dogs")
    example = generate(one, tmp_path, workers=0).example(0)
    assert example.dog_boxes.shape == (2, 4)
    assert example.dog_boxes[1].tolist() == [1, 2, 9, 8]
    assert np.isnan(example.dog_headings_rad[1]) and not np.isnan(example.dog_headings_rad[0])
    assert not example.faces_labelled


def test_a_hidden_second_dog_is_marked_and_does_not_make_a_picture_of_two(tmp_path, monkeypatch):
    def two_dogs(seed, size, split):
        body = plain_dogs.body_image(seed, size, split)
        second = (np.array([1.0, 2, 9, 8]),)
        return replace(body, other_boxes=second, other_hidden=(seed % 2 == 0,))

    monkeypatch.setattr(plain_dogs, "two_dogs", two_dogs, raising=False)
    one = DataSource("body", 48, "train", 3, "tests.support.plain_dogs:two_dogs")
    shards = generate(one, tmp_path, workers=0)
    assert shards.example(0).dogs_hidden.tolist() == [False, True]
    assert shards.example(1).dogs_hidden.tolist() == [False, False]
    rows = usable(shards, "dog-detector", repeated=True)
    assert rows.tolist() == [0, 1, 1, 1, 2], "dogs that are seen twice over are shown oftener"


def test_worker_processes_write_the_bytes_that_one_process_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "SHARD_IMAGES", 8)
    here = generate(source(), tmp_path / "a", workers=0)
    there = generate(source(), tmp_path / "b", workers=2)
    for index in range(20):
        np.testing.assert_array_equal(here.example(index).image, there.example(index).image)
    np.testing.assert_array_equal(here.labels["keypoints"], there.labels["keypoints"])


def test_an_interrupted_generation_draws_only_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "SHARD_IMAGES", 5)
    generate(source(), tmp_path, workers=0)
    folder = source().folder(tmp_path)
    removed = sorted(folder.glob("*.npz"))[1]
    removed.unlink()
    kept = {p: p.stat().st_mtime_ns for p in folder.glob("*.npz")}
    steps = []
    generate(
        source(), tmp_path, workers=0, progress=lambda done, wanted: steps.append((done, wanted))
    )
    assert steps == [(20, 20)], "one shard of five"
    assert removed.exists()
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


def test_splits_sizes_and_generators_do_not_share_a_folder(tmp_path):
    folders = {
        source().folder(tmp_path),
        source(split="val").folder(tmp_path),
        source(kind="face").folder(tmp_path),
        DataSource("body", 64, "train", 20, BODY).folder(tmp_path),
        DataSource("body", 48, "train", 20, "edge_sdk.vision.keypoints:x").folder(tmp_path),
    }
    assert len(folders) == 5


def test_a_number_past_the_end_is_an_index_error(tmp_path):
    shards = generate(source(3), tmp_path, workers=0)
    with pytest.raises(IndexError):
        shards.example(3)
