"""Memory of pictures is used again, and never while somebody looks at it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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


MEMORY = """
import random, sys
import subprocess
import sys
from pathlib import Path
from edge_sdk.errors import UnsupportedMedia
from edge_sdk.media.video import VideoFile

clip = Path(sys.argv[1]).read_bytes()
kept, pending = [], []

def once():
    # Small things outlive their frame, frames wait for a detection: this tore the heap.
    with VideoFile(clip) as video:
        for frame in video:
            pending.append(frame.image)
            kept.append(bytearray(random.randrange(40, 4000)))
            if len(pending) == 6:
                pending.clear()
    pending.clear()
    for broken in (b"", b"<html>", clip[: len(clip) // 3]):
        try:
            for _ in VideoFile(broken):
                pass
        except UnsupportedMedia:
            pass

def megabytes(word):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(word)) / 1000

for _ in range(3):
    once()
before = megabytes("VmRSS")
for _ in range(12):
    once()
print(megabytes("VmRSS") - before, megabytes("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's own accounts")
def test_clips_and_refusals_give_their_memory_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(CLIP)], check=True, capture_output=True, text=True
    )
    left, peak = (float(word) for word in done.stdout.split())
    assert left < 15
    assert peak < 40
