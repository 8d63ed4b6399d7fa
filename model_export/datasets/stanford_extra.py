"""StanfordExtra: dogs of Stanford Dogs with a box, 24 keypoints (20 of them labelled) and a mask.

Format: https://github.com/benjiebob/StanfordExtra. `joints` are the mean of several people's
clicks with the share of people who saw the point; `seg` is COCO's run-length text. Eyes, withers
and throat were not labelled. The box of a dog is the box of its mask when there is one, else
`img_bbox` (x, y, width, height).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from model_export.datasets.errors import FormatInvalid, KeypointCountWrong
from model_export.datasets.files import require_unique_names, save_image
from model_export.datasets.provenance import with_provenance, write_provenance
from model_export.datasets.rle import Rle
from model_export.datasets.sample import (
    ABSENT,
    DOG_24,
    OCCLUDED,
    VISIBLE,
    Dataset,
    Instance,
    Provenance,
    Sample,
)
from model_export.datasets.validate import require_valid

FILE: Final = "StanfordExtra.json"
_SEEN_BY_HALF: Final = 0.5
"""Points that fewer than half of the people saw count as occluded."""


class _Entry(msgspec.Struct):
    img_path: str
    img_width: int
    img_height: int
    joints: list[tuple[float, float, float]]
    img_bbox: tuple[float, float, float, float]
    is_multiple_dogs: bool = False
    seg: str | None = None


def read_stanford_extra(
    json_file: Path, provenance: Provenance, *, images: Path | None = None
) -> Dataset:
    """Read the JSON; pictures lie in `images`, or in the folder `images` beside it.

    Raises FormatInvalid, KeypointCountWrong.
    """
    try:
        entries = msgspec.json.decode(json_file.read_bytes(), type=list[_Entry])
    except (OSError, msgspec.MsgspecError) as error:
        raise FormatInvalid(f"{json_file}: {error}") from error
    folder = json_file.parent / "images" if images is None else images
    dogs: dict[str, list[_Entry]] = {}
    for entry in entries:
        dogs.setdefault(entry.img_path, []).append(entry)
    samples = []
    for path, of_image in dogs.items():
        told = Provenance(provenance.source, provenance.licence, provenance.research_only, path)
        first = of_image[0]
        samples.append(
            Sample(
                Path(path).stem,
                folder / path,
                first.img_width,
                first.img_height,
                told,
                tuple(_instance(entry) for entry in of_image),
            )
        )
    return Dataset(with_provenance(json_file.parent, samples), ("dog",), (), DOG_24)


def write_stanford_extra(dataset: Dataset, folder: Path) -> Path:
    """Write `StanfordExtra.json`, `images/` and `provenance.csv`; returns the JSON's path.

    Visibility 1 becomes a share of .25; pictures without a dog cannot be told. Raises
    FormatInvalid when the keypoints are not the 24, DatasetInvalid.
    """
    require_valid(dataset, read_images=False)
    if dataset.keypoints is None or dataset.keypoints.names != DOG_24.names:
        raise FormatInvalid("StanfordExtra holds the 24 keypoints of dogs and no others")
    require_unique_names(dataset.samples)
    entries: list[_Entry] = []
    for sample in dataset.samples:
        if not sample.instances:
            raise FormatInvalid(f"{sample.name} has no dog, which StanfordExtra cannot tell")
        file = save_image(sample, folder / "images")
        entries += [_entry(sample, instance, file.name) for instance in sample.instances]
    write_provenance(folder, dataset.samples)
    path = folder / FILE
    path.write_bytes(msgspec.json.encode(entries))
    return path


def _entry(sample: Sample, instance: Instance, file_name: str) -> _Entry:
    x0, y0, x1, y1 = (float(v) for v in instance.box_xyxy_px)
    points = np.zeros((len(DOG_24), 3)) if instance.keypoints is None else instance.keypoints
    shares = {ABSENT: 0.0, OCCLUDED: _SEEN_BY_HALF / 2, VISIBLE: 1.0}
    joints = [
        (float(x), float(y), shares[int(v)]) if v > ABSENT else (0.0, 0.0, 0.0)
        for x, y, v in points
    ]
    return _Entry(
        file_name,
        sample.width_px,
        sample.height_px,
        joints,
        (x0, y0, x1 - x0, y1 - y0),
        len(sample.instances) > 1,
        None if instance.mask is None else instance.mask.text(),
    )


def _instance(entry: _Entry) -> Instance:
    if len(entry.joints) != len(DOG_24):
        raise KeypointCountWrong(f"{entry.img_path}: {len(entry.joints)} joints, not {len(DOG_24)}")
    points = np.array(entry.joints, dtype=np.float64)
    share = points[:, 2]
    points[:, 2] = np.select(
        [share <= 0, share < _SEEN_BY_HALF], [float(ABSENT), float(OCCLUDED)], float(VISIBLE)
    )
    x, y, width, height = entry.img_bbox
    box = np.array([x, y, x + width, y + height], dtype=np.float64)
    mask = None if entry.seg is None else Rle.of_text(entry.seg, entry.img_height, entry.img_width)
    return Instance(0, box if mask is None else mask.box_xyxy_px(), points, mask)
