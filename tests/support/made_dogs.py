"""Small drawn data sets for the tests of data sets, families and comparisons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from model_export.datasets.rle import Rle
from model_export.datasets.sample import (
    DOG_24,
    Dataset,
    Instance,
    KeypointScheme,
    Provenance,
    Sample,
    Split,
)

MADE = Provenance("made", "Apache-2.0")


def textured(seed: int, width: int = 96, height: int = 80) -> np.ndarray:
    """A picture unlike those of other seeds: smooth blobs of colour."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def made_dog(
    seed: int,
    *,
    width: int = 96,
    height: int = 80,
    scheme: KeypointScheme | None = DOG_24,
    split: Split | None = "train",
    provenance: Provenance = MADE,
) -> Sample:
    """A bright ellipse with box, mask and keypoints inside it, on a texture."""
    rng = np.random.default_rng(seed)
    image = textured(seed, width, height) // 3
    w, h = rng.uniform(24, 48), rng.uniform(20, 40)
    x0, y0 = rng.uniform(1, width - w - 1), rng.uniform(1, height - h - 1)
    ys, xs = np.mgrid[:height, :width] + 0.5
    inside = ((xs - x0 - w / 2) / (w / 2)) ** 2 + ((ys - y0 - h / 2) / (h / 2)) ** 2 <= 1
    image[inside] = (230, 200, 160)
    mask = Rle.of_mask(inside)
    points = None
    if scheme is not None:
        count = len(scheme)
        points = np.zeros((count, 3))
        points[:, 0] = rng.uniform(x0 + 1, x0 + w - 1, count)
        points[:, 1] = rng.uniform(y0 + 1, y0 + h - 1, count)
        points[:, 2] = rng.integers(0, 3, count)
        points[points[:, 2] == 0] = 0
    instance = Instance(0, mask.box_xyxy_px(), points, mask)
    return Sample(
        f"dog{seed:04d}", image, width, height, provenance, (instance,), split=split
    )  # fmt: skip


def made_dogs(
    count: int,
    *,
    val: int = 0,
    first: int = 0,
    scheme: KeypointScheme | None = DOG_24,
    provenance: Provenance = MADE,
) -> Dataset:
    """A data set of `count` made dogs, the last `val` of them held out."""
    parts: list[Split] = ["train"] * (count - val) + ["val"] * val
    samples = [
        made_dog(first + k, scheme=scheme, split=part, provenance=provenance)
        for k, part in enumerate(parts)
    ]
    return Dataset(tuple(samples), ("dog",), (), scheme)


def on_disk(dataset: Dataset, folder: Path) -> Dataset:
    """The same data set with its pictures as files."""
    from dataclasses import replace

    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for sample in dataset.samples:
        path = folder / f"{sample.name}.png"
        Image.fromarray(sample.pixels()).save(path)
        samples.append(replace(sample, image=path))
    return dataset.with_samples(samples)
