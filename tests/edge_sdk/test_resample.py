"""The rule "box-then-bilinear/1": against a slow implementation of its numbered steps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_sdk.vision import resample
from edge_sdk.vision.resample import (
    PAD_VALUE,
    Window,
    letterbox,
    sample,
    sample_all,
    square_crop,
)

Image = NDArray[np.uint8]


def by_the_steps(image: Image, window: Window, pad_value: float = PAD_VALUE) -> NDArray[np.float64]:
    """The module's six steps, one target pixel at a time in 64 bits."""
    height, width = image.shape[:2]
    k = max(1, math.floor(window.scale))
    out = np.full((window.height, window.width, 3), float(pad_value))

    def block(row: int, column: int) -> NDArray[np.float64]:
        row = min(max(row, 0), -(-height // k) - 1)
        column = min(max(column, 0), -(-width // k) - 1)
        pixels = image[row * k : row * k + k, column * k : column * k + k]
        return pixels.reshape(-1, 3).astype(np.float64).mean(axis=0)

    for j in range(window.height):
        for i in range(window.width):
            u = i + 0.5
            if window.mirrored:
                u = window.width - u
            x = window.x0_px + u * window.scale
            y = window.y0_px + (j + 0.5) * window.scale
            if x < 0 or x > width or y < 0 or y > height:
                continue
            p, q = x / k - 0.5, y / k - 0.5
            a, c = math.floor(p), math.floor(q)
            left = block(c, a) + (block(c + 1, a) - block(c, a)) * (q - c)
            right = block(c, a + 1) + (block(c + 1, a + 1) - block(c, a + 1)) * (q - c)
            out[j, i] = left + (right - left) * (p - a)
    return out


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


windows = st.builds(
    Window,
    x0_px=st.floats(-40, 70),
    y0_px=st.floats(-40, 70),
    scale=st.floats(0.1, 9.5),
    width=st.integers(1, 14),
    height=st.integers(1, 14),
    mirrored=st.booleans(),
)


@given(st.integers(1, 60), st.integers(1, 60), windows, st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_every_window_follows_the_numbered_steps(
    height: int, width: int, window: Window, seed: int
) -> None:
    image = noise(height, width, seed)
    assert np.abs(sample(image, window) - by_the_steps(image, window)).max() < 1e-3


@given(st.integers(1, 60), st.integers(1, 60), windows)
@settings(max_examples=60, deadline=None)
def test_a_mirrored_window_is_the_flipped_picture_bit_for_bit(
    height: int, width: int, window: Window
) -> None:
    image = noise(height, width)
    turned = sample(image, window.mirror())
    assert (turned == sample(image, window)[:, ::-1]).all()
    assert turned.flags["C_CONTIGUOUS"]


def test_a_mirrored_picture_gives_the_mirrored_sample_when_blocks_fill_it() -> None:
    image = noise(48, 60)
    window = square_crop((11, 5, 47, 39), 12, 1.2)
    assert math.floor(window.scale) == 3
    other = Window(
        60 - window.x0_px - window.width * window.scale, window.y0_px, window.scale, 12, 12
    )
    mirrored = np.ascontiguousarray(image[:, ::-1])
    assert np.abs(sample(mirrored, other)[:, ::-1] - sample(image, window)).max() < 1e-3


def test_scale_one_at_whole_pixels_copies_the_picture() -> None:
    image = noise(9, 11)
    out = sample(image, Window(2, 3, 1.0, 5, 4))
    assert out.dtype == np.float32
    assert (out == image[3:7, 2:7]).all()


def test_a_whole_scale_takes_the_means_of_the_blocks() -> None:
    image = noise(12, 20)
    out = sample(image, Window(0, 0, 4.0, 5, 3))
    means = image.reshape(3, 4, 5, 4, 3).mean(axis=(1, 3))
    assert np.abs(out - means).max() < 1e-4


def test_nothing_is_rounded() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[:, 1] = 255
    out = sample(image, Window(0, 0, 0.5, 4, 4))
    assert out[0, :, 0].tolist() == [0.0, 63.75, 191.25, 255.0]


def test_outside_the_picture_is_grey() -> None:
    image = np.full((10, 20, 3), 7, np.uint8)
    out = sample(image, letterbox(20, 10, 20, 20))
    assert (out[:5] == 114).all() and (out[15:] == 114).all()
    assert (out[5:15] == 7).all()
    beside = sample(image, Window(100, 100, 1.0, 3, 3), pad_value=9)
    assert (beside == 9).all()


def test_a_last_partial_block_is_the_mean_of_what_it_has() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    image[:, 4] = 200
    out = sample(image, Window(0, 0, 4.0, 2, 1))
    assert out[0, 0, 0] == 0
    # The second pixel's centre is 6 px: outside. At 4.9 px the partial block (all 200) counts.
    assert out[0, 1, 0] == 114
    near = sample(image, Window(2.9, 0, 4.0, 1, 1))[0, 0, 0]
    assert near == pytest.approx(200 * (4.9 / 4 - 0.5), abs=1e-3)


def test_blocks_of_hundreds_of_pixels_keep_their_sums() -> None:
    image = np.full((700, 600, 3), 255, np.uint8)
    out = sample(image, Window(0, 0, 300.0, 2, 2))
    assert (out == 255).all()


def test_a_view_of_a_picture_samples_like_its_copy() -> None:
    image = noise(40, 50)
    view = image[3:, ::-1]
    window = Window(4.2, 1.1, 2.7, 8, 8)
    assert (sample(view, window) == sample(np.ascontiguousarray(view), window)).all()


@given(windows, st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_points_go_to_the_picture_and_back(window: Window, seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-50, 50, (6, 2))
    back = window.to_target(window.to_source(points))
    assert np.abs(back - points).max() < 1e-9


def test_a_mirrored_window_turns_points_around_its_middle() -> None:
    window = Window(10, 20, 2.0, 8, 8, mirrored=True)
    assert window.to_source([[0.5, 0.5]]).tolist() == [[10 + 7.5 * 2, 21.0]]
    assert window.to_target([[25.0, 21.0]]).tolist() == [[0.5, 0.5]]
    assert np.isnan(window.to_source([[np.nan, 1.0]])[0, 0])


def test_a_point_lands_where_its_pixel_does() -> None:
    rows, columns = np.mgrid[:60, :60] + 0.5
    spot = 255 * np.exp(-((columns - 42) ** 2 + (rows - 32) ** 2) / (2 * 3.0**2))
    image = np.repeat(np.rint(spot)[..., None], 3, axis=2).astype(np.uint8)
    for window in (square_crop((20, 15, 55, 50), 32, 1.1), letterbox(60, 60, 32, 32).mirror()):
        weight = sample(image, window, pad_value=0)[..., 0]
        rows, columns = np.mgrid[:32, :32] + 0.5
        seen = [(weight * columns).sum(), (weight * rows).sum()] / weight.sum()
        assert np.abs(seen - window.to_target([[42.0, 32.0]])[0]).max() < 0.01


def test_boxes_come_back_in_rising_order_from_a_mirrored_window() -> None:
    window = Window(0, 0, 1.0, 10, 10, mirrored=True)
    assert window.boxes_to_source([[1, 2, 4, 8]]).tolist() == [[6, 2, 9, 8]]


def test_a_letterbox_shows_all_in_the_middle() -> None:
    window = letterbox(1280, 720, 192, 192)
    assert window.scale == pytest.approx(1280 / 192)
    corners = window.to_target([[0, 0], [1280, 720]])
    assert corners == pytest.approx(np.array([[0, 42], [192, 150]]))


def test_a_square_crop_pads_the_longer_side() -> None:
    window = square_crop((10, 10, 30, 20), 24, 1.2)
    assert (window.x0_px, window.y0_px, window.scale) == pytest.approx((8, 3, 1.0))


def test_an_empty_box_still_gives_a_window() -> None:
    window = square_crop((5, 5, 5, 5), 8, 1.0)
    assert window.scale == 1 / 8
    assert np.isfinite(sample(noise(10, 10), window)).all()


def test_several_windows_make_a_batch() -> None:
    image = noise(30, 30)
    some = [square_crop((2, 2, 20, 20), 8, 1.0), square_crop((9, 1, 25, 28), 8, 1.3).mirror()]
    batch = sample_all(image, some)
    assert batch.shape == (2, 8, 8, 3)
    assert (batch[1] == sample(image, some[1])).all()


@given(st.integers(1, 90), windows, st.integers(100, 5000))
@settings(max_examples=40, deadline=None)
def test_bands_of_any_height_give_the_same_bits(side: int, window: Window, band: int) -> None:
    tall = replace(window, height=8 * window.height)
    image = noise(side, 40)
    whole = sample(image, tall)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resample, "_BAND_BYTES", band)
        patch.setattr(resample, "_LEAST_BAND", 1)
        assert (sample(image, tall) == whole).all()
