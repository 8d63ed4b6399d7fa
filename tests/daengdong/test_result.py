"""result.json keeps its content, and its colours can be told apart."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest

from daengdong.result import PLAYER_COLOURS, DemoResult
from tests.daengdong.sample_result import sample_result


def test_the_result_survives_json() -> None:
    result = sample_result()
    assert msgspec.json.decode(msgspec.json.encode(result), type=DemoResult) == result


# Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB.
SIGHTS = {
    "full colour": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


@pytest.mark.parametrize("sight", SIGHTS)
def test_player_colours_differ_for_every_sight(sight: str) -> None:
    labs = [_lab(_rgb(colour), SIGHTS[sight]) for colour in PLAYER_COLOURS]
    for (i, a), (j, b) in itertools.combinations(enumerate(labs), 2):
        # 2.3 is the just noticeable difference in CIE 1976 Lab.
        assert np.linalg.norm(a - b) > 15, (PLAYER_COLOURS[i], PLAYER_COLOURS[j])


def _lab(rgb: tuple[int, int, int], sight: np.ndarray) -> np.ndarray:
    share = np.array(rgb) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(sight @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    white = np.array([0.9505, 1.0, 1.089])
    xyz = np.array(to_xyz) @ seen / white
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
