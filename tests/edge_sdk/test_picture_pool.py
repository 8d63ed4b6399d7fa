"""Memory of pictures is used again, and never while somebody looks at it."""

from pathlib import Path

import numpy as np

from edge_sdk.media.pictures import MOST_KEPT, PicturePool
from edge_sdk.media.video import VideoFile

CLIP = Path(__file__).resolve().parents[2] / "assets/clips/walk-lame.mp4"
SHAPE = (40, 60, 3)


def test_a_picture_let_go_is_used_again() -> None:
    pool = PicturePool()
    first = pool.take(SHAPE)
    place = first.ctypes.data
    del first
    assert pool.take(SHAPE).ctypes.data == place


def test_a_held_picture_or_a_view_of_it_is_left_alone() -> None:
    pool = PicturePool()
    held, other = pool.take(SHAPE), pool.take(SHAPE)
    view = other[3:9, ::2]
    del other
    held[:], view[:] = 7, 9
    for _ in range(3 * MOST_KEPT):
        pool.take(SHAPE)[:] = 1
    assert (held == 7).all()
    assert (view == 9).all()


def test_another_size_is_another_picture() -> None:
    pool = PicturePool()
    assert pool.take(SHAPE).shape == SHAPE
    assert pool.take((8, 8, 3)).shape == (8, 8, 3)


def test_more_than_the_pool_keeps_can_be_held() -> None:
    pool = PicturePool()
    held = [pool.take(SHAPE) for _ in range(2 * MOST_KEPT)]
    assert len({picture.ctypes.data for picture in held}) == len(held)


def test_frames_of_a_clip_share_few_pictures_and_those_kept_do_not_change() -> None:
    with VideoFile(CLIP) as clip:
        kept, places = [], set()
        for number, frame in enumerate(clip):
            places.add(frame.image.ctypes.data)
            if number in (2, 5):
                kept.append((frame.image, frame.image.copy()))
        assert number > 20
        assert len(places) <= 5
    assert all(np.array_equal(image, copy) for image, copy in kept)
