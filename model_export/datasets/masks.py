"""Pictures with a mask file of the same name: whole dogs, so also whole-body boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from model_export.datasets.errors import FormatInvalid, ImageBroken
from model_export.datasets.files import images_in, require_unique_names, save_image
from model_export.datasets.provenance import with_provenance, write_provenance
from model_export.datasets.rle import Rle
from model_export.datasets.sample import Dataset, Instance, Provenance, Sample, image_size
from model_export.datasets.validate import require_valid

_INSIDE: Final = 128


def read_masks(folder: Path, provenance: Provenance) -> Dataset:
    """Read `images/` and `masks/` (bright inside); the box of a dog is the box of its mask.

    A picture without mask file, or with a black one, is a negative. Raises FormatInvalid,
    ImageBroken.
    """
    samples = []
    for path in images_in(folder / "images"):
        width, height = image_size(path)
        rle = _mask(folder / "masks" / f"{path.stem}.png", width, height)
        instances = () if rle is None else (Instance(0, rle.box_xyxy_px(), None, rle),)
        told = Provenance(
            provenance.source, provenance.licence, provenance.research_only, path.name
        )
        samples.append(Sample(path.stem, path, width, height, told, instances))
    return Dataset(with_provenance(folder, samples))


def write_masks(dataset: Dataset, folder: Path) -> Path:
    """Write `images/`, `masks/` and `provenance.csv`; returns the folder.

    Raises FormatInvalid for instances without a mask or two dogs in a picture, DatasetInvalid.
    """
    require_valid(dataset, read_images=False)
    require_unique_names(dataset.samples)
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    for sample in dataset.samples:
        save_image(sample, folder / "images")
        if not sample.instances:
            continue
        mask = sample.instances[0].mask
        if len(sample.instances) > 1 or mask is None:
            raise FormatInvalid(f"{sample.name}: one masked dog a picture, or none")
        drawn = mask.mask().astype(np.uint8) * 255
        Image.fromarray(drawn).save(folder / "masks" / f"{sample.name}.png")
    write_provenance(folder, dataset.samples)
    return folder


def _mask(path: Path, width: int, height: int) -> Rle | None:
    if not path.is_file():
        return None
    try:
        with Image.open(path) as opened:
            inside = np.asarray(opened.convert("L")) >= _INSIDE
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageBroken(f"{path}: {error}") from error
    if inside.shape != (height, width):
        raise FormatInvalid(
            f"{path}: the mask is {inside.shape[::-1]}, the picture {width, height}"
        )
    return Rle.of_mask(inside) if inside.any() else None
