"""The pose recipe: dogs face right, names go with the mirror, targets are what decoding finds."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edge_sdk.vision import resample  # noqa: E402
from edge_sdk.vision.keypoints import FLIP_INDEX  # noqa: E402
from edge_sdk.vision.pose import decode_heatmap  # noqa: E402
from model_export.train import augment  # noqa: E402
from model_export.train.examples import Example  # noqa: E402
from model_export.train.pose import (  # noqa: E402
    canonical_crop,
    heatmap_targets,
    jittered_window,
    pose_loss,
)

SIDE = 96


def example(heading):
    rng = np.random.default_rng(2)
    image = rng.integers(0, 255, (120, 160, 3)).astype(np.uint8)
    keypoints = np.zeros((24, 3), np.float32)
    keypoints[:, 0] = np.linspace(30, 130, 24)
    keypoints[:, 1] = np.linspace(40, 90, 24)
    keypoints[:, 2] = 2
    return Example(
        image=image,
        dog_boxes=np.array([[25, 35, 135, 95]], np.float32),
        dog_headings_rad=np.array([heading], np.float32),
        keypoints=keypoints,
    )


def test_a_dog_that_faces_left_is_mirrored_and_one_that_faces_right_is_not():
    rng = np.random.default_rng(0)
    for heading, mirrored in ((0.0, False), (0.6, False), (math.pi, True), (-2.6, True)):
        windows = [jittered_window(example(heading), rng, SIDE, 1.2) for _ in range(20)]
        assert all(w.mirrored == mirrored for w in windows), heading


def test_windows_are_jittered_but_hold_the_dog():
    rng = np.random.default_rng(0)
    windows = [jittered_window(example(0.0), rng, SIDE, 1.2) for _ in range(100)]
    centres = np.array([w.to_target(np.array([80.0, 65.0])) for w in windows])
    assert 0.5 < centres.std() < 10
    assert ((centres > 0.3 * SIDE) & (centres < 0.7 * SIDE)).all()


def test_a_mirrored_crop_is_the_mirrored_picture_with_left_and_right_renamed():
    plain = resample.square_crop([25, 35, 135, 95], SIDE, 1.2)
    pixels, keypoints = canonical_crop(example(0.0).image, example(0.0).keypoints, plain)
    turned, renamed = canonical_crop(example(0.0).image, example(0.0).keypoints, plain.mirror())
    np.testing.assert_allclose(turned, pixels[:, ::-1])
    np.testing.assert_allclose(renamed[:, 0], SIDE - keypoints[list(FLIP_INDEX), 0], rtol=1e-5)
    np.testing.assert_allclose(renamed[:, 1], keypoints[list(FLIP_INDEX), 1], rtol=1e-5)


def test_decoding_a_target_finds_the_point_to_a_hundredth_of_a_pixel():
    rng = np.random.default_rng(1)
    points = rng.uniform(12, SIDE - 12, (3, 24, 2)).astype(np.float32)
    targets = heatmap_targets(torch.from_numpy(points), 24, 24)
    assert targets.sum(dim=2).numpy() == pytest.approx(np.ones((3, 24)), rel=1e-5)
    logits = torch.log(targets.clamp(min=1e-30)).reshape(3, 24, 24, 24).numpy()
    found = decode_heatmap(logits, 4)
    np.testing.assert_allclose(found[..., :2], points, atol=0.01)


def raw_at(points, height=24, sharpness=1.0, level=4.0):
    logits = torch.log(heatmap_targets(points, height, height).clamp(min=1e-12))
    logits = sharpness * (logits - logits.max(dim=2, keepdim=True).values) + level
    return logits.reshape(*points.shape[:2], height, height)


def test_the_loss_is_least_at_the_truth_and_grows_when_two_legs_change_places():
    rng = np.random.default_rng(1)
    points = torch.from_numpy(rng.uniform(12, SIDE - 12, (2, 24, 2)).astype(np.float32))
    keypoints = torch.cat([points, torch.full((2, 24, 1), 2.0)], dim=2)
    batch = {"keypoints": keypoints}
    best, _ = pose_loss(raw_at(points), batch)
    swapped = points.clone()
    swapped[:, [3, 9]] = points[:, [9, 3]]
    assert float(pose_loss(raw_at(swapped), batch)[0]) > float(best) + 0.2
    assert float(pose_loss(raw_at(points + 4), batch)[0]) > float(best) + 0.2
    assert float(pose_loss(raw_at(points, level=-4.0), batch)[0]) > float(best) + 0.1


def test_absent_keypoints_and_those_outside_teach_no_place_but_no_confidence_either():
    points = torch.full((1, 24, 2), 40.0)
    keypoints = torch.cat([points, torch.full((1, 24, 1), 2.0)], dim=2)
    keypoints[0, 5, 2] = 0
    keypoints[0, 6, 0] = SIDE + 30
    raw = raw_at(points).requires_grad_()
    pose_loss(raw, {"keypoints": keypoints})[0].backward()
    touched = raw.grad[0].abs().sum(dim=(1, 2))
    peak_only = (raw.grad[0, 5] != 0).sum()
    assert peak_only == 1, "only the maximum is told to come down"
    assert raw.grad[0, 5].max() > 0 and raw.grad[0, 6].max() > 0
    assert (touched > 0).all()


def test_turning_a_picture_takes_its_points_along():
    images = torch.zeros(1, 3, 64, 64)
    images[0, :, 20:24, 44:48] = 255
    points = torch.tensor([[[46.0, 22.0, 2.0]]])
    generator = torch.Generator().manual_seed(3)
    turned, moved = augment.turned(images, points, generator, share=1.1, spread_deg=25.0)
    lit = torch.nonzero(turned[0, 0] > 180).float().mean(dim=0).flip(0) + 0.5
    assert float((lit - moved[0, 0, :2]).norm()) < 0.7
    assert float((moved[0, 0, :2] - torch.tensor([46.0, 22.0])).norm()) > 1
    assert float(moved[0, 0, 2]) == 2


def test_augmentation_is_a_function_of_its_seed_and_stays_in_range():
    images = torch.rand(6, 3, 32, 32) * 255

    def augmented(seed):
        generator = torch.Generator().manual_seed(seed)
        out = augment.photometric(images.clone(), generator)
        return augment.patches(out, generator, share=0.5, largest=0.4)

    assert torch.equal(augmented(1), augmented(1))
    assert not torch.equal(augmented(1), augmented(2))
    assert float(augmented(1).min()) >= 0 and float(augmented(1).max()) <= 255
