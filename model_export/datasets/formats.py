"""The formats by name, for the command line: one reader and one writer each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from model_export.datasets.class_folders import read_class_folders, write_class_folders
from model_export.datasets.coco import ANNOTATIONS, read_coco, write_coco
from model_export.datasets.deeplabcut import read_deeplabcut, write_deeplabcut
from model_export.datasets.errors import FormatInvalid
from model_export.datasets.keypoint_schemes import OnFlipFault
from model_export.datasets.masks import read_masks, write_masks
from model_export.datasets.picture_list import write_picture_list
from model_export.datasets.sample import Dataset, Provenance
from model_export.datasets.stanford_extra import FILE as STANFORD_EXTRA_FILE
from model_export.datasets.stanford_extra import read_stanford_extra, write_stanford_extra
from model_export.datasets.yolo import read_yolo, write_yolo

Format = Literal[
    "yolo", "coco", "deeplabcut", "stanford-extra", "class-folders", "masks", "picture-list"
]
"""All are read and written but "picture-list", which is what `train --extra` reads."""

_WRITERS: Final[dict[Format, Callable[[Dataset, Path], Path]]] = {
    "yolo": write_yolo,
    "coco": write_coco,
    "deeplabcut": write_deeplabcut,
    "stanford-extra": write_stanford_extra,
    "class-folders": write_class_folders,
    "masks": write_masks,
    "picture-list": write_picture_list,
}


def guess_format(path: Path) -> Format:
    """Tell a data set's format by its files; raises FormatInvalid when none fits."""
    folder = path if path.is_dir() else path.parent
    if path.suffix in (".yaml", ".yml") or (path.is_dir() and (path / "data.yaml").is_file()):
        return "yolo"
    if path.suffix == ".csv" and path.stem.startswith("CollectedData"):
        return "deeplabcut"
    if path.suffix == ".json":
        head = path.read_bytes()[:4096].lstrip()
        return "stanford-extra" if head.startswith(b"[") else "coco"
    if path.is_dir():
        if (folder / ANNOTATIONS).is_file():
            return "coco"
        if (folder / STANFORD_EXTRA_FILE).is_file():
            return "stanford-extra"
        if next(folder.glob("CollectedData*.csv"), None) is not None:
            return "deeplabcut"
        if (folder / "masks").is_dir() and (folder / "images").is_dir():
            return "masks"
        if any(child.is_dir() for child in folder.iterdir()):
            return "class-folders"
    raise FormatInvalid(f"{path}: none of the known formats: {', '.join(_WRITERS)}")


def read_dataset(
    path: Path,
    provenance: Provenance,
    *,
    format_name: Format | None = None,
    images: Path | None = None,
    on_flip_fault: OnFlipFault = "fail",
) -> Dataset:
    """Read a data set from its folder or its main file; raises DatasetError."""
    match format_name or guess_format(path):
        case "yolo":
            file = path / "data.yaml" if path.is_dir() else path
            return read_yolo(file, provenance, on_flip_fault=on_flip_fault)
        case "coco":
            file = path / ANNOTATIONS if path.is_dir() else path
            return read_coco(file, provenance, images=images)
        case "deeplabcut":
            table = next(path.glob("CollectedData*.csv"), None) if path.is_dir() else path
            if table is None:
                raise FormatInvalid(f"{path} holds no CollectedData*.csv")
            return read_deeplabcut(table, provenance, root=images)
        case "stanford-extra":
            file = path / STANFORD_EXTRA_FILE if path.is_dir() else path
            return read_stanford_extra(file, provenance, images=images)
        case "class-folders":
            return read_class_folders(path, provenance)
        case "masks":
            return read_masks(path, provenance)
        case "picture-list":
            raise FormatInvalid(f"{path}: a picture list is for training, not for conversion")


def write_dataset(dataset: Dataset, folder: Path, format_name: Format) -> Path:
    """Write a data set into a new or empty folder; returns its main file.

    Raises FormatInvalid for a folder that holds something: two data sets mixed are none.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FormatInvalid(f"{folder} exists and is not an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    return _WRITERS[format_name](dataset, folder)
