"""Kaggle-style folders: `[part/]<label>/picture`, with `labels.csv` beside them or not.

With `labels.csv` (a column for the file, one for the label, and if present `cluster` and `split`)
the table tells; without it the folders do.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

from model_export.datasets.errors import FormatInvalid
from model_export.datasets.files import (
    images_in,
    name_of_path,
    require_name,
    require_unique_names,
    save_image,
)
from model_export.datasets.provenance import split_of, with_provenance, write_provenance
from model_export.datasets.sample import Dataset, Provenance, Sample, image_size
from model_export.datasets.validate import require_valid

TABLE: Final = "labels.csv"
_FILE_COLUMNS: Final = ("file", "filename", "image", "path")
_LABEL_COLUMNS: Final = ("label", "emotion", "class", "category")
_Row = tuple[str, str, str, str, str]
_PART_NAMES: Final = {"train": "train", "val": "val", "valid": "val", "test": "test"}


def read_class_folders(
    folder: Path, provenance: Provenance, *, labels: tuple[str, ...] | None = None
) -> Dataset:
    """Read a folder of folders; `labels` gives the order of the classes, else the alphabet does.

    Raises FormatInvalid, ImageMissing, ImageBroken.
    """
    table = folder / TABLE
    rows = _of_table(table) if table.is_file() else _of_folders(folder)
    samples = []
    for relative, label, cluster, split, name in rows:
        path = folder / relative
        width, height = image_size(path)
        told = Provenance(provenance.source, provenance.licence, provenance.research_only, relative)
        samples.append(
            Sample(
                name or name_of_path(path, folder),
                path,
                width,
                height,
                told,
                label=label,
                cluster=cluster,
                split=split_of(split, f"{table}: {relative}"),
            )
        )
    found = tuple(sorted({row[1] for row in rows}))
    return Dataset(with_provenance(folder, samples), labels=labels or found)


def write_class_folders(dataset: Dataset, folder: Path) -> Path:
    """Write `[part/]<label>/picture`, `labels.csv` and `provenance.csv`; returns the table's path.

    Raises FormatInvalid for a sample without a label, DatasetInvalid.
    """
    require_valid(dataset, read_images=False)
    require_unique_names(dataset.samples)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for sample in dataset.samples:
        if sample.label is None:
            raise FormatInvalid(f"{sample.name} has no label")
        require_name(sample.label)
        parts = (sample.split, sample.label) if sample.split else (sample.label,)
        file = save_image(sample, folder.joinpath(*parts))
        relative = file.relative_to(folder).as_posix()
        rows.append((relative, sample.label, sample.cluster, sample.split or "", sample.name))
    table = folder / TABLE
    with table.open("w", newline="", encoding="utf-8") as file_:
        writer = csv.writer(file_)
        writer.writerow(("file", "label", "cluster", "split", "name"))
        writer.writerows(rows)
    write_provenance(folder, dataset.samples)
    return table


def _of_table(table: Path) -> list[_Row]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or ()
        of_file = next((c for c in _FILE_COLUMNS if c in columns), None)
        of_label = next((c for c in _LABEL_COLUMNS if c in columns), None)
        if of_file is None or of_label is None:
            raise FormatInvalid(
                f"{table}: no column {' or '.join(_FILE_COLUMNS)}, "
                f"or none {' or '.join(_LABEL_COLUMNS)}"
            )
        return [
            (_path(row[of_file], row[of_label], table.parent), row[of_label],
             row.get("cluster") or "", row.get("split") or "", row.get("name") or "")
            for row in reader
        ]  # fmt: skip


def _path(told: str, label: str, folder: Path) -> str:
    # Kaggle's table names the file without the folder of its class.
    return told if (folder / told).is_file() or "/" in told else f"{label}/{told}"


def _of_folders(folder: Path) -> list[_Row]:
    rows = []
    for path in images_in(folder):
        relative = path.relative_to(folder)
        split = _PART_NAMES.get(relative.parts[0], "")
        below = relative.parts[1:] if split else relative.parts
        if len(below) < 2:
            raise FormatInvalid(f"{path} lies in no folder that names its class")
        rows.append((relative.as_posix(), below[0], "", split, ""))
    return rows
