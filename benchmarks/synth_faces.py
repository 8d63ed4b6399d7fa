"""Generated faces a second of CPU time of one core, by size: `python benchmarks/synth_faces.py`.

Also what the parts of a whole-body picture cost that `model_export.synth` paints itself:
background, shading and camera effects, in milliseconds at 256 px.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from model_export.synth.background import Background
from model_export.synth.camera import Camera
from model_export.synth.camera_effects import CameraEffects
from model_export.synth.coat import Coat
from model_export.synth.expression import EMOTIONS, Expression
from model_export.synth.faces import face_image
from model_export.synth.head_shape import HeadShape
from model_export.synth.portrait import portrait
from model_export.synth.raster import rasterise
from model_export.synth.shading import Light, shade

SIZES_PX = (160, 192, 224)
REPEATS = 60


def _milliseconds(work: Callable[[int], object]) -> float:
    work(0)
    start = time.process_time()
    for seed in range(REPEATS):
        work(seed)
    return (time.process_time() - start) / REPEATS * 1e3


def faces_per_second(size: int) -> float:
    """Pictures a second over all emotions, compilation excluded."""
    return 1e3 / _milliseconds(lambda seed: face_image(seed, size, EMOTIONS[seed % 4], "train"))


def painting_ms(size: int = 256) -> dict[str, float]:
    """Milliseconds for each painted layer of a picture with one whole dog."""
    rng = np.random.default_rng(0)
    coat = Coat.random(rng, "train")
    dog = portrait(
        rng,
        HeadShape.random(rng, "train"),
        Expression.random("happy", rng),
        coat,
        pose="stand",
        head_yaw_rad=0.0,
        collar=False,
    )
    camera = Camera(-1.4, 0.1, 5.0, 5.0 * size * 0.5, (size / 2, size / 2), (-0.4, 0.0, 0.55))
    buffer = rasterise(dog.primitives, camera, size, size)
    places = [Background.random(np.random.default_rng(s), "train") for s in range(REPEATS)]
    cameras = [CameraEffects.random(np.random.default_rng(s)) for s in range(REPEATS)]
    backdrop = places[0].render(size, size, 0.3 * size)
    return {
        "background": _milliseconds(lambda s: places[s].render(size, size, 0.3 * size, 5.0)),
        "shading": _milliseconds(
            lambda s: shade(buffer, coat, Light(), backdrop, detail_px=camera.scale_px)
        ),
        "effects": _milliseconds(lambda s: cameras[s].apply(backdrop)),
    }


def main() -> None:
    """Prints the table."""
    for size in SIZES_PX:
        print(f"faces at {size} px: {faces_per_second(size):6.1f} /s")
    layers = painting_ms()
    print(", ".join(f"{name} {ms:.2f} ms" for name, ms in layers.items()), "at 256 px,", end=" ")
    print(f"together {sum(layers.values()):.2f} ms")


if __name__ == "__main__":
    main()
