"""Five-second clips made of pictures of dogs' faces, as the product's own experiment had them.

Each clip shows a few pictures one after another with a slow zoom; how often the picture changes
differs from clip to clip, and every change is a key frame, so the number of key frames differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.frame import PictureType
from PIL import Image

from model_export.datasets.sample import ImageArray, Sample

SECONDS: Final = 5.0
FPS: Final = 12
SIDE_PX: Final = 480
_PICTURES: Final = (4, 12)
_ZOOM_PER_S: Final = 0.02


def write_clip(samples: Sequence[Sample], seed: int, path: Path) -> Path:
    """Write one clip (H.264 in MP4) of pictures chosen by `seed` among `samples`."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(_PICTURES[0], _PICTURES[1] + 1))
    chosen = rng.choice(len(samples), size=count, replace=len(samples) < count)
    pictures = [_square(samples[int(k)].pixels()) for k in chosen]
    frames = round(SECONDS * FPS)
    shown = np.minimum(np.arange(frames) * count // frames, count - 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width = stream.height = SIDE_PX
        stream.pix_fmt = "yuv420p"
        # No key frames but ours: `sc_threshold` 0 keeps the encoder from adding some.
        stream.options = {"crf": "23", "preset": "veryfast", "sc_threshold": "0"}
        stream.codec_context.gop_size = 10 * frames
        stream.codec_context.time_base = Fraction(1, FPS)
        for at in range(frames):
            since = at - int(np.flatnonzero(shown == shown[at])[0])
            image = _zoomed(pictures[shown[at]], 1 + _ZOOM_PER_S * since / FPS)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = at
            frame.pict_type = PictureType.I if since == 0 else PictureType.NONE
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _square(image: ImageArray) -> ImageArray:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = Image.fromarray(image[top : top + side, left : left + side])
    return np.asarray(cut.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC), dtype=np.uint8)


def _zoomed(image: ImageArray, zoom: float) -> ImageArray:
    margin = SIDE_PX * (1 - 1 / zoom) / 2
    box = (margin, margin, SIDE_PX - margin, SIDE_PX - margin)
    resized = Image.fromarray(image).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized, dtype=np.uint8)
