"""DeepLabCut's `CollectedData_<scorer>.csv`, single and multi animal.

Header rows: scorer, [individuals,] bodyparts, coords; then one row a picture, named by one column
("labeled-data/clip/img001.png") or three ("labeled-data", "clip", "img001.png"). Format:
https://deeplabcut.github.io/DeepLabCut/docs/standardDeepLabCut_UserGuide.html. DeepLabCut counts
from the centre of the top-left pixel, this library from its corner, so half a pixel is added.
The format has neither boxes nor occlusion: a box is the one around the points, all points seen.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from model_export.datasets.errors import FormatInvalid
from model_export.datasets.files import require_unique_names, save_image
from model_export.datasets.keypoint_schemes import flip_index_of
from model_export.datasets.provenance import with_provenance, write_provenance
from model_export.datasets.sample import (
    ABSENT,
    DOG_24,
    VISIBLE,
    Dataset,
    FloatArray,
    Instance,
    KeypointScheme,
    Provenance,
    Sample,
    box_of_keypoints,
    image_size,
)
from model_export.datasets.validate import require_valid

MIN_LIKELIHOOD: Final = 0.6
"""DeepLabCut's own `pcutoff`: points of a prediction file below it count as absent."""
_HALF_PX: Final = 0.5
_CLIP: Final = "clip"
_HEADERS: Final = ("scorer", "individuals", "bodyparts", "coords")


def read_deeplabcut(csv_file: Path, provenance: Provenance, *, root: Path | None = None) -> Dataset:
    """Read a table of labels; pictures are named relative to `root` or the nearest folder above.

    Empty cells are absent points; an animal without any point is left out. Raises FormatInvalid.
    """
    try:
        with csv_file.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise FormatInvalid(f"{csv_file}: {error}") from error
    head, body = _header(rows, csv_file)
    index_columns = next((k for k, cell in enumerate(head["coords"][1:], 1) if cell), 1)
    parts = head["bodyparts"][index_columns:]
    owners = head.get("individuals", [""] * (index_columns + len(parts)))[index_columns:]
    coords = head["coords"][index_columns:]
    names = list(dict.fromkeys(parts))
    scheme = DOG_24 if tuple(names) == DOG_24.names else KeypointScheme(
        tuple(names), flip_index_of(names)
    )  # fmt: skip
    individuals = list(dict.fromkeys(owners))
    samples: list[Sample] = []
    for row in body:
        if len(row) != index_columns + len(parts):
            raise FormatInvalid(f"{csv_file}: {row[0]} has {len(row)} cells")
        relative = "/".join(cell.strip() for cell in row[:index_columns] if cell.strip())
        relative = relative.replace("\\", "/")
        image = _find(csv_file, relative, root)
        width, height = image_size(image)
        tables = {name: np.full((len(names), 3), np.nan) for name in individuals}
        for part, owner, coord, cell in zip(
            parts, owners, coords, row[index_columns:], strict=True
        ):
            column = {"x": 0, "y": 1, "likelihood": 2}.get(coord)
            if column is None:
                raise FormatInvalid(f"{csv_file}: a coords column is named {coord!r}")
            tables[owner][names.index(part), column] = _number(cell, csv_file, relative)
        told = (_instance(table, width, height) for table in tables.values())
        samples.append(
            Sample(
                _name(relative),
                image,
                width,
                height,
                Provenance(
                    provenance.source, provenance.licence, provenance.research_only, relative
                ),
                tuple(instance for instance in told if instance is not None),
            )
        )
    return Dataset(with_provenance(csv_file.parent, samples), ("dog",), (), scheme)


def write_deeplabcut(dataset: Dataset, folder: Path, *, scorer: str = "daengdong") -> Path:
    """Write `CollectedData_<scorer>.csv` and its pictures under `labeled-data/`; returns its path.

    The multi-animal header is used when any picture has more than one animal. Raises
    FormatInvalid without keypoints, DatasetInvalid.
    """
    require_valid(dataset, read_images=False)
    scheme = dataset.keypoints
    if scheme is None:
        raise FormatInvalid("DeepLabCut tables hold keypoints, and this data set has none")
    require_unique_names(dataset.samples)
    animals = max((len(sample.instances) for sample in dataset.samples), default=1)
    owners = [f"individual{k + 1}" for k in range(max(animals, 1))]
    width = len(scheme) * len(owners) * 2
    head = [["scorer", "", "", *([scorer] * width)]]
    if len(owners) > 1:
        head.append(["individuals", "", "", *(o for o in owners for _ in range(2 * len(scheme)))])
    points = [name for name in scheme.names for _ in "xy"]
    head.append(["bodyparts", "", "", *(points * len(owners))])
    head.append(["coords", "", "", *(["x", "y"] * (width // 2))])
    target = folder / "labeled-data" / _CLIP
    target.mkdir(parents=True, exist_ok=True)
    path = folder / f"CollectedData_{scorer}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows(head)
        for sample in dataset.samples:
            image = save_image(sample, target)
            cells = _cells(sample, scheme, len(owners))
            writer.writerow(["labeled-data", _CLIP, image.name, *cells])
    write_provenance(folder, dataset.samples)
    return path


def _name(relative: str) -> str:
    parts = Path(relative).with_suffix("").parts
    # Pictures that this library wrote have unique names; DeepLabCut's are unique in a clip.
    return parts[-1] if parts[-2:-1] == (_CLIP,) else "_".join(parts[-2:])


def _cells(sample: Sample, scheme: KeypointScheme, animals: int) -> list[str]:
    out: list[str] = []
    for at in range(animals):
        instance = sample.instances[at] if at < len(sample.instances) else None
        points = None if instance is None else instance.keypoints
        for k in range(len(scheme)):
            if points is None or points[k, 2] <= ABSENT:
                out += ["", ""]
            else:
                out += [repr(float(points[k, 0] - _HALF_PX)), repr(float(points[k, 1] - _HALF_PX))]
    return out


def _header(rows: list[list[str]], where: Path) -> tuple[dict[str, list[str]], list[list[str]]]:
    head = {row[0]: row for row in rows[:4] if row[0] in _HEADERS}
    if not {"scorer", "bodyparts", "coords"} <= set(head):
        raise FormatInvalid(f"{where}: no header rows scorer, bodyparts, coords")
    if len({len(row) for row in head.values()}) != 1:
        raise FormatInvalid(f"{where}: header rows of different lengths")
    return head, rows[len(head) :]


def _number(cell: str, where: Path, row: str) -> float:
    if not cell.strip():
        return math.nan
    try:
        return float(cell)
    except ValueError as error:
        raise FormatInvalid(f"{where}: {row}: {cell!r} is not a number") from error


def _instance(table: FloatArray, width: int, height: int) -> Instance | None:
    likely = ~(table[:, 2] < MIN_LIKELIHOOD)
    present = np.isfinite(table[:, :2]).all(axis=1) & likely
    if not present.any():
        return None
    points = np.zeros((len(table), 3))
    points[present, :2] = table[present, :2] + _HALF_PX
    points[present, 2] = VISIBLE
    return Instance(0, box_of_keypoints(points, width, height), points)


def _find(csv_file: Path, relative: str, root: Path | None) -> Path:
    # The table lies in labeled-data/<clip>/ of a project, or at its top; both name pictures from
    # the top.
    above: Sequence[Path] = [root] if root is not None else list(csv_file.resolve().parents)[:4]
    for folder in above:
        if (folder / relative).is_file():
            return folder / relative
    return above[0] / relative
