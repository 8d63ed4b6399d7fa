"""Faces in photos without labels are believed only where the detector agrees with itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edge_sdk.vision.detections import Detections
from model_export.datasets.pseudo import Belief, believed_faces
from model_export.datasets.sample import Provenance, Sample

PHOTO = Provenance("photos", "own")


def _photo(x: int, y: int, side: int = 40) -> Sample:
    """A grey picture with one bright square."""
    image = np.full((100, 120, 3), 90, np.uint8)
    image[y : y + side, x : x + side] = 250
    return Sample(f"at-{x}", lambda: image, 120, 100, PHOTO)


class _Finder:
    """Finds the bright square; `spoil` changes the boxes of the k-th picture that it is asked."""

    def __init__(self, spoil: Callable[[int, np.ndarray], np.ndarray] | None = None):
        self.asked = 0
        self._spoil = spoil

    def detect(self, images: Sequence[Any]) -> list[Detections]:
        rows, columns = np.nonzero(images[0][..., 0] > 180)
        box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
        if self._spoil is not None:
            box = self._spoil(self.asked, box)
        self.asked += 1
        count = len(box)
        nan = np.full(count, np.nan, np.float32)
        return [Detections(box, np.full(count, 0.8, np.float32), np.zeros(count, np.int64), nan)]


def test_a_face_found_again_in_mirror_and_close_up_is_kept_with_its_box() -> None:
    (kept,) = believed_faces(_Finder(), [_photo(30, 20)])
    np.testing.assert_allclose(kept.instances[0].box_xyxy_px, [30, 20, 70, 60], atol=1)


def test_a_box_that_moves_in_the_mirror_is_a_chance_hit() -> None:
    moved = _Finder(lambda asked, box: box + 35 if asked == 1 else box)
    assert believed_faces(moved, [_photo(30, 20)]) == []


def test_a_box_that_vanishes_in_the_close_up_is_a_chance_hit() -> None:
    lost = _Finder(lambda asked, box: box[:0] if asked == 2 else box)
    assert believed_faces(lost, [_photo(30, 20)]) == []


def test_pictures_of_two_faces_and_of_tiny_ones_teach_nothing() -> None:
    double = _Finder(lambda asked, box: np.concatenate([box, box + 50]))
    assert believed_faces(double, [_photo(10, 10)]) == []
    assert believed_faces(_Finder(), [_photo(30, 20, side=10)], Belief(least_side_px=24)) == []
