"""Faces: repeatable, with boxes and points that fit, and expressions that can be told apart."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba")

from edge_sdk.vision.keypoints import KEYPOINT_NAMES
from model_export.synth import faces, parts
from model_export.synth.camera import Camera
from model_export.synth.expression import EMOTIONS, Expression
from model_export.synth.faces import face_image
from model_export.synth.head import head_primitives, points_array
from model_export.synth.head_shape import ARCHETYPES, EARS, HeadShape
from model_export.synth.noise import SPLITS
from model_export.synth.raster import GBuffer, rasterise

NOSE = KEYPOINT_NAMES.index("nose")
EYES = (KEYPOINT_NAMES.index("left_eye"), KEYPOINT_NAMES.index("right_eye"))
SIZE = 128


def _seen(shape: HeadShape, expression: Expression, azimuth_deg: float = 0.0) -> GBuffer:
    primitives, _ = head_primitives(shape, expression)
    camera = Camera(math.radians(azimuth_deg), 0.0, 5.0, 5.0 * 90, (80.0, 80.0), (0.1, 0.0, 0.0))
    return rasterise(primitives, camera, 160, 160)


def _area(buffer: GBuffer, *ids: int) -> int:
    return int(np.isin(buffer.part, ids).sum())


@pytest.mark.parametrize("emotion", [*EMOTIONS, None])
def test_the_same_seed_gives_the_same_bytes(emotion: str | None) -> None:
    first, second = (face_image(11, 96, emotion, "train") for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()
    np.testing.assert_array_equal(first.keypoints, second.keypoints)
    assert first.image.tobytes() != face_image(12, 96, emotion, "train").image.tobytes()
    assert first.image.tobytes() != face_image(11, 96, emotion, "val").image.tobytes()


def test_the_box_contains_the_visible_points_of_the_face() -> None:
    inside = total = 0
    for seed in range(24):
        face = face_image(seed, SIZE, EMOTIONS[seed % 4], SPLITS[seed % 3])
        assert face.image.shape == (SIZE, SIZE, 3) and face.image.dtype == np.uint8
        assert face.face_box_xyxy is not None
        x0, y0, x1, y1 = face.face_box_xyxy
        assert 0 <= x0 < x1 <= SIZE and 0 <= y0 < y1 <= SIZE
        for k in (NOSE, *EYES):
            x, y, visibility = face.keypoints[k]
            if visibility == 2:
                total += 1
                inside += x0 - 1 <= x <= x1 + 1 and y0 - 1 <= y <= y1 + 1
    assert total >= 40
    assert inside == total


def test_faces_take_between_a_twentieth_and_nearly_all_of_the_frame() -> None:
    shares = []
    for seed in range(60):
        box = face_image(seed, 64, EMOTIONS[seed % 4], "train").face_box_xyxy
        assert box is not None
        shares.append((box[2] - box[0]) * (box[3] - box[1]) / 64**2)
    assert min(shares) < 0.12
    assert max(shares) > 0.6


def test_a_wider_share_gives_a_wider_face() -> None:
    def width(share: float) -> float:
        box = face_image(5, SIZE, "relaxed", "train", face_share=share).face_box_xyxy
        assert box is not None
        return float(box[2] - box[0])

    assert width(0.6) == pytest.approx(2.0 * width(0.3), rel=0.15)


def test_a_picture_without_a_dog_says_so() -> None:
    nothing = face_image(3, 96, None, "train")
    assert nothing.face_box_xyxy is None and nothing.emotion is None
    assert (nothing.keypoints[:, 2] == 0).all() and len(nothing.other_boxes) == 0


@pytest.mark.parametrize(("emotion", "split"), [("bored", "train"), ("happy", "holdout")])
def test_an_unknown_emotion_or_split_is_refused(emotion: str, split: str) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        face_image(0, 64, emotion, split)


def test_no_head_is_in_two_splits() -> None:
    names = [shape.archetype for split in SPLITS for shape in ARCHETYPES[split]]
    assert len(names) == len(set(names))
    for split in SPLITS:
        own = {shape.archetype for shape in ARCHETYPES[split]}
        own |= {"cross"} if split == "train" else set()
        drawn = {HeadShape.random(np.random.default_rng(s), split).archetype for s in range(80)}
        assert drawn <= own and len(drawn) >= min(4, len(own))


def _vectors(per_emotion: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = [Expression.random(e, rng).as_vector() for e in EMOTIONS for _ in range(per_emotion)]
    return np.stack(rows), np.repeat(np.arange(4), per_emotion)


def test_expressions_are_separable_by_all_units_together_and_by_no_unit_alone() -> None:
    x, y = _vectors(300, 1)
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9

    def features(rows: np.ndarray) -> np.ndarray:
        z = (rows - mean) / spread
        return np.hstack([z, z**2, np.ones((len(z), 1))])

    target = np.eye(4)[y]
    ridge = features(x).T @ features(x) + 1e-3 * np.eye(features(x).shape[1])
    weights = np.linalg.solve(ridge, features(x).T @ target)
    test_x, test_y = _vectors(300, 2)
    assert ((features(test_x) @ weights).argmax(axis=1) == test_y).mean() >= 0.97
    for unit in range(x.shape[1]):
        column, edges = test_x[:, unit], np.quantile(test_x[:, unit], np.linspace(0, 1, 9)[1:-1])
        bins = np.searchsorted(edges, column)
        right = sum(np.bincount(test_y[bins == b], minlength=4).max() for b in range(8))
        assert right / len(column) < 0.80


def test_a_happy_dog_shows_its_tongue_and_an_angry_one_its_teeth() -> None:
    rng = np.random.default_rng(4)
    shape = HeadShape()
    tongue, teeth = dict.fromkeys(EMOTIONS, 0), dict.fromkeys(EMOTIONS, 0)
    for emotion in EMOTIONS:
        for _ in range(12):
            buffer = _seen(shape, Expression.random(emotion, rng), rng.normal(0, 20))
            tongue[emotion] += _area(buffer, parts.TONGUE)
            teeth[emotion] += _area(buffer, parts.TEETH)
    assert tongue["happy"] > 5 * max(tongue[e] for e in EMOTIONS if e != "happy")
    assert teeth["angry"] > 2 * max(teeth[e] for e in EMOTIONS if e != "angry")


def test_closing_the_eyes_hides_them_and_opening_shows_the_iris() -> None:
    def eye(opening: float) -> int:
        buffer = _seen(HeadShape(), Expression(eye_open=(opening, opening)))
        return _area(buffer, parts.IRIS, parts.PUPIL, parts.EYE_WHITE)

    areas = [eye(v) for v in (0.0, 0.35, 0.7, 1.0)]
    assert areas[0] < 0.35 * areas[-1]
    assert areas == sorted(areas)
    assert areas[-1] > 60


@pytest.mark.parametrize("ears", EARS)
def test_flattened_ears_move_back_or_down(ears: str) -> None:
    shape = replace(HeadShape(), ears=ears)
    neutral = points_array(head_primitives(shape, Expression())[1])
    flat = points_array(head_primitives(shape, Expression(ears_flattened=(1.0, 1.0)))[1])
    for tip in (4, 5):
        assert flat[tip, 0] < neutral[tip, 0] - 0.1


def test_a_mirrored_expression_gives_a_mirrored_head() -> None:
    rng = np.random.default_rng(8)
    for emotion in EMOTIONS:
        expression = Expression.random(emotion, rng)
        shape = HeadShape.random(rng, "train")
        points = points_array(head_primitives(shape, expression)[1])
        other = points_array(head_primitives(shape, expression.mirrored())[1])
        flipped = other[[0, 1, 3, 2, 5, 4, 7, 6]] * (1.0, -1.0, 1.0)
        np.testing.assert_allclose(points, flipped, atol=1e-9)
    assert expression.mirrored().mirrored() == expression


def test_seen_from_the_side_the_far_eye_is_hidden() -> None:
    buffer = _seen(HeadShape(), Expression(eye_open=(1.0, 1.0)), azimuth_deg=90.0)
    columns = np.flatnonzero(np.isin(buffer.part, [parts.IRIS, parts.PUPIL]).any(axis=0))
    assert 0 < np.ptp(columns) < 20


@pytest.mark.parametrize("split", SPLITS)
def test_every_archetype_builds_and_shows_nose_and_eyes(split: str) -> None:
    for shape in ARCHETYPES[split]:
        buffer = _seen(shape, Expression(eye_open=(0.9, 0.9)))
        assert _area(buffer, parts.NOSE) > 20
        assert _area(buffer, parts.IRIS, parts.PUPIL, parts.EYE_WHITE) > 15


def test_an_expression_is_legible_only_where_eyes_and_mouth_show() -> None:
    drawn = [face_image(seed, SIZE, EMOTIONS[seed % 4], "val") for seed in range(60)]
    share = np.mean([face.legible for face in drawn])
    assert 0.75 < share < 1.0, "nearly all faces carry a label, the hidden and dark ones do not"
    for face in drawn:
        if face.legible:
            assert face.keypoints[NOSE, 2] == 2
            assert max(face.keypoints[k, 2] for k in EYES) == 2
    assert not face_image(3, SIZE, None, "val").legible


def test_a_face_in_the_dark_or_out_of_focus_has_no_legible_expression() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[20:44, 20:44] = np.random.default_rng(0).integers(0, 255, (24, 24, 3))
    head = np.ones((64, 64), np.bool_)
    points = np.zeros((len(KEYPOINT_NAMES), 3), np.float32)
    for name in ("nose", "chin", "left_eye", "right_eye"):
        points[KEYPOINT_NAMES.index(name)] = (32, 32, 2)
    nothing = np.zeros((64, 64), np.float32)

    def legible(**changes: object) -> bool:
        told = {"image": image, "head": head, "covered": nothing, "keypoints": points} | {
            "eye_px": 4.0,
            "blur_px": 0.0,
        }
        return faces._is_legible(**(told | changes))  # type: ignore[arg-type]

    assert legible()
    assert not legible(image=image // 16)
    assert not legible(blur_px=2.0)
    assert not legible(covered=nothing + 1)
    turned_away = points.copy()
    turned_away[KEYPOINT_NAMES.index("nose"), 2] = 1
    assert not legible(keypoints=turned_away)
