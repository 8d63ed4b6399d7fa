"""The shipped clips, and real videos made of them to be refused."""

from __future__ import annotations

from pathlib import Path

from edge_sdk.media.video import VideoFile
from tests.support.videos import Picture, grey_pictures, write_video

CLIPS = Path(__file__).resolve().parents[2] / "assets" / "clips"
WALK = CLIPS / "walk-sound.mp4"
LAME = CLIPS / "walk-lame.mp4"
SIT = CLIPS / "sit.mp4"
FACE = CLIPS / "face.mp4"


def no_dog(path: Path, seconds: float = 4.0, fps: float = 25.0) -> Path:
    """A video of nothing, slowly growing brighter."""
    return write_video(path, grey_pictures(round(seconds * fps), 160, 96), fps=fps)


def first_frames(path: Path, source: Path, count: int, fps: float = 30.0) -> Path:
    """The first frames of a clip as a video of its own."""
    images: list[Picture] = []
    with VideoFile(source) as frames:
        for frame in frames:
            images.append(frame.image)
            if len(images) == count:
                break
    return write_video(path, images, fps=fps)


def web_page(path: Path) -> Path:
    """A page that says it is a video."""
    path.write_text("<!doctype html><title>404</title>" + "not here " * 200)
    return path
