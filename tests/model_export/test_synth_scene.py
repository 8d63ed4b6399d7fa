"""Backgrounds, coats, light and camera: seeded, disjoint by split, and true to their pixels."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from model_export.synth import parts
from model_export.synth.background import STYLES, Background
from model_export.synth.camera import Camera
from model_export.synth.camera_effects import CameraEffects
from model_export.synth.coat import Coat
from model_export.synth.noise import SPLITS, tile_bank
from model_export.synth.paint import ELLIPSE, blur, paint, shape
from model_export.synth.primitives import PrimitiveList
from model_export.synth.raster import rasterise
from model_export.synth.shading import Light, contact_shadow, shade

SIZE = 96


@pytest.mark.parametrize("split", SPLITS)
def test_the_same_seed_gives_the_same_place(split: str) -> None:
    def picture(seed: int) -> bytes:
        place = Background.random(np.random.default_rng(seed), split)
        return place.render(SIZE, SIZE, 40.0, 13.0).tobytes()

    assert picture(4) == picture(4)
    assert picture(4) != picture(5)


def test_no_place_and_no_texture_is_in_two_splits() -> None:
    names = [style.name for split in SPLITS for style in STYLES[split]]
    assert len(names) == len(set(names))
    for a, b in (("train", "val"), ("train", "test"), ("val", "test")):
        for kind in range(len(tile_bank(a))):
            first, second = (np.diff(tile_bank(s)[kind], axis=1).ravel() for s in (a, b))
            assert abs(np.corrcoef(first, second)[0, 1]) < 0.2


def test_every_style_renders_finite_colours() -> None:
    for split in SPLITS:
        seen = set()
        for seed in range(60):
            place = Background.random(np.random.default_rng(seed), split)
            seen.add(place.style.name)
            picture = place.render(48, 40, 18.0, 5.0)
            assert picture.shape == (40, 48, 3)
            assert np.isfinite(picture).all()
        assert len(seen) >= min(len(STYLES[split]), 4)


def _plain_ground(split: str = "train") -> Background:
    """A place without props or blur, so that only the ground moves below the horizon."""
    for seed in range(200):
        place = Background.random(np.random.default_rng(seed), split)
        if place.style.name == "meadow" and place.defocus == 0.0:
            return Background(**{**vars(place), "props": place.props[:0]})
    raise AssertionError("no meadow among 200 seeds")


@pytest.mark.parametrize("scroll", [4, 17, 31])
def test_the_ground_under_the_dog_moves_by_the_pixels_asked_for(scroll: int) -> None:
    place = _plain_ground()
    feet = 80
    still = place.render(200, SIZE, 30.0, 0.0, feet_px=feet + 0.5)
    moved = place.render(200, SIZE, 30.0, float(scroll), feet_px=feet + 0.5)
    np.testing.assert_allclose(moved[feet, : 200 - scroll], still[feet, scroll:], atol=0.6)
    assert np.abs(moved[feet] - still[feet]).mean() > 1.0


def test_what_is_farther_moves_less() -> None:
    place = _plain_ground()
    still = place.render(320, SIZE, 20.0, 0.0, feet_px=80.5)[..., 0]
    moved = place.render(320, SIZE, 20.0, 24.0, feet_px=80.5)[..., 0]

    def shift(row: int) -> int:
        errors = [np.abs(moved[row, : 320 - s] - still[row, s:]).mean() for s in range(48)]
        return int(np.argmin(errors))

    assert shift(80) == 24
    assert shift(50) == pytest.approx(12, abs=1)
    assert shift(92) > 24


def test_a_scene_without_horizon_in_view_is_all_ground_or_all_wall() -> None:
    place = _plain_ground()
    assert np.isfinite(place.render(SIZE, SIZE, -400.0)).all()
    assert np.isfinite(place.render(SIZE, SIZE, 500.0)).all()


def test_the_same_seed_gives_the_same_coat_and_splits_differ_in_pattern_fields() -> None:
    def coat(split: str) -> np.ndarray:
        return Coat.random(np.random.default_rng(3), split).packed()

    np.testing.assert_array_equal(coat("train"), coat("train"))
    assert not np.allclose(coat("train")[40:64], coat("test")[40:64])


def test_coats_cover_dark_and_light_dogs_and_every_pattern() -> None:
    coats = [Coat.random(np.random.default_rng(seed), "train") for seed in range(400)]
    assert {coat.pattern for coat in coats} == set(range(8))
    light = np.array([coat.base.mean() for coat in coats])
    assert (light < 60).any() and (light > 200).any()
    for coat in coats:
        for colour in (coat.base, coat.second, coat.nose, coat.iris, coat.skin):
            assert colour.shape == (3,) and (colour >= 0).all() and (colour <= 255).all()


def _ball(part: int = parts.TORSO) -> tuple[PrimitiveList, Camera]:
    shapes = PrimitiveList()
    shapes.ball((0.0, 0.0, 0.5), 0.4, part)
    return shapes, Camera(0.0, 0.0, 4.0, 4.0 * 80, (48.0, 48.0))


def _lit(light: Light, part: int = parts.TORSO, seed: int = 1) -> np.ndarray:
    shapes, camera = _ball(part)
    buffer = rasterise(shapes.build(), camera, SIZE, SIZE)
    coat = Coat.random(np.random.default_rng(seed), "train")
    return shade(buffer, coat, light, np.full((SIZE, SIZE, 3), 90.0, np.float32), detail_px=80.0)


def test_the_side_towards_the_lamp_is_brighter() -> None:
    from_left = _lit(Light(direction=(-0.9, -0.2, 0.38), ambient=0.3))
    from_right = _lit(Light(direction=(0.9, -0.2, 0.38), ambient=0.3))
    left, right = np.s_[30:66, 24:40], np.s_[30:66, 56:72]
    assert from_left[left].mean() > 1.2 * from_left[right].mean()
    assert from_right[right].mean() > 1.2 * from_right[left].mean()


def test_shading_touches_only_the_dog_and_its_outline() -> None:
    picture = _lit(Light())
    y, x = np.mgrid[:SIZE, :SIZE]
    outside = np.hypot(x - 47.5, y - 47.5) > 36.0
    assert (picture[outside] == 90.0).all()
    assert (np.abs(picture[~outside] - 90.0).max(axis=-1) > 0.5).mean() > 0.85


def test_a_nose_shines_and_fur_is_rough() -> None:
    frontal = Light(direction=(0.0, -0.3, 0.954), ambient=0.4)
    nose, fur = _lit(frontal, parts.NOSE), _lit(frontal, parts.TORSO)
    assert nose.max() > np.median(nose[30:66, 30:66]) + 60
    rough = np.abs(np.diff(fur[40:56, 30:66], axis=1)).mean()
    smooth = np.abs(np.diff(nose[60:70, 30:66], axis=1)).mean()
    assert rough > smooth


def test_a_shadow_darkens_the_ground_where_the_paw_stands() -> None:
    image = np.full((SIZE, SIZE, 3), 120.0, np.float32)
    contact_shadow(image, np.array([(30.0, 60.0, 10.0, 5.0, 0.6)]))
    assert image[60, 30, 0] < 60.0
    assert image[60, 80, 0] == 120.0


def test_effects_are_repeatable_and_move_on_with_the_frame() -> None:
    image = Background.random(np.random.default_rng(1), "train").render(SIZE, SIZE, 40.0)
    for seed in range(12):
        camera = CameraEffects.random(np.random.default_rng(seed))
        first = camera.apply(image)
        assert first.dtype == np.uint8 and first.shape == image.shape
        np.testing.assert_array_equal(first, camera.apply(image))
    noisy = CameraEffects(noise=6.0, seed=5)
    assert (noisy.apply(image, frame=0) != noisy.apply(image, frame=1)).mean() > 0.5


def test_a_perfect_camera_changes_nothing_but_rounding() -> None:
    image = Background.random(np.random.default_rng(1), "train").render(SIZE, SIZE, 40.0)
    seen = CameraEffects().apply(image).astype(np.float64)
    assert np.abs(seen - np.clip(image, 0, 255)).max() <= 1.0


def test_exposure_aims_at_its_metering() -> None:
    dark = np.full((SIZE, SIZE, 3), 60.0, np.float32)
    assert CameraEffects(metering=110.0).apply(dark).mean() == pytest.approx(110.0, abs=2.0)


def test_block_compression_keeps_the_mean_and_loses_detail() -> None:
    rng = np.random.default_rng(0)
    image = (120.0 + 30.0 * rng.standard_normal((SIZE, SIZE, 3))).astype(np.float32)
    packed = CameraEffects(quality=30.0).apply(image).astype(np.float64)
    assert packed.mean() == pytest.approx(image.mean(), abs=1.5)
    assert packed.std() < 0.7 * image.std()


def test_a_blur_keeps_the_mean_and_widens_a_spot_as_asked() -> None:
    image = np.zeros((81, 81, 3), np.float32)
    image[40, 40] = 1000.0
    for sigma in (1.5, 3.0, 5.0):
        spread = blur(image, sigma)[..., 0].astype(np.float64)
        assert spread.sum() == pytest.approx(1000.0, rel=1e-3)
        x = np.arange(81) - 40.0
        assert np.sqrt((spread.sum(axis=0) * x**2).sum() / 1000.0) == pytest.approx(sigma, rel=0.2)


def test_paint_covers_what_it_draws() -> None:
    image = np.zeros((SIZE, SIZE, 3), np.float32)
    coverage = np.zeros((SIZE, SIZE), np.float32)
    row = shape(ELLIPSE, (50.0, 40.0, 12.0, 8.0), (200.0, 100.0, 50.0))
    paint(image, np.asarray([row], np.float32), tile_bank("train"), coverage)
    assert coverage.sum() == pytest.approx(np.pi * 12 * 8, rel=0.05)
    np.testing.assert_allclose(image[40, 50], (200.0, 100.0, 50.0), rtol=1e-3)
