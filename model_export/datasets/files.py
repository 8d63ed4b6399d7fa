"""Picture files of a data set: found, copied byte by byte, or written without loss."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from PIL import Image

from model_export.datasets.errors import FormatInvalid, ImageMissing, NameInvalid
from model_export.datasets.sample import Sample

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_NAME: Final = re.compile(r"[\w가-힣][\w가-힣 .()+-]*")


def images_in(folder: Path) -> Iterator[Path]:
    """Pictures anywhere in a folder, in the order of their paths; raises FormatInvalid."""
    if not folder.is_dir():
        raise FormatInvalid(f"{folder} is not a folder")
    yield from sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)


def save_image(sample: Sample, folder: Path) -> Path:
    """Put the sample's picture into `folder` under its name: files are copied, pixels become PNG.

    Raises ImageMissing, NameInvalid.
    """
    require_name(sample.name)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(sample.image, Path):
        target = folder / f"{sample.name}{sample.image.suffix.lower()}"
        try:
            shutil.copyfile(sample.image, target)
        except FileNotFoundError as error:
            raise ImageMissing(f"{sample.image} does not exist") from error
        return target
    target = folder / f"{sample.name}.png"
    Image.fromarray(sample.pixels()).save(target, compress_level=1)
    return target


def require_name(name: str) -> None:
    """Raise NameInvalid unless `name` can be the name of a file in any folder."""
    if _NAME.fullmatch(name) is None:
        raise NameInvalid(f"{name!r} cannot be the name of a file")


def require_unique_names(samples: Iterable[Sample]) -> None:
    """Raise NameInvalid when two samples would overwrite each other."""
    seen: set[str] = set()
    for sample in samples:
        require_name(sample.name)
        if sample.name.casefold() in seen:
            raise NameInvalid(f"two samples are named {sample.name!r}")
        seen.add(sample.name.casefold())


def name_of_path(path: Path, root: Path) -> str:
    """Return a name that keeps the folders below `root`: `angry/0001.jpg` becomes `angry_0001`."""
    return "_".join(path.relative_to(root).with_suffix("").parts)
