"""Ultralytics YOLO data sets, detect and pose: `data.yaml`, `images/<part>`, `labels/<part>`.

Format: https://docs.ultralytics.com/datasets/detect/ and /pose/. A label line is the class, the
box as centre and size, then K keypoints (x, y[, visibility]), all relative to the picture's size.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from model_export.datasets.errors import FormatInvalid, KeypointCountWrong
from model_export.datasets.files import images_in, name_of_path, require_unique_names, save_image
from model_export.datasets.keypoint_schemes import OnFlipFault, check_flip_index, scheme_of
from model_export.datasets.provenance import with_provenance, write_provenance
from model_export.datasets.sample import (
    ABSENT,
    SPLITS,
    VISIBLE,
    Dataset,
    FloatArray,
    Instance,
    KeypointScheme,
    Provenance,
    Sample,
    Split,
    image_size,
)
from model_export.datasets.validate import require_valid

_DIGITS: Final = 9


class _DataYaml(msgspec.Struct):
    """What of `data.yaml` is read; other keys are the trainer's."""

    names: dict[int, str] | list[str]
    path: str = "."
    train: str | list[str] | None = None
    val: str | list[str] | None = None
    test: str | list[str] | None = None
    kpt_shape: list[int] | None = None
    flip_idx: list[int] | None = None
    kpt_names: dict[int, list[str]] | None = None


def read_yolo(
    data_yaml: Path, provenance: Provenance, *, on_flip_fault: OnFlipFault = "fail"
) -> Dataset:
    """Read a detect or pose data set from its `data.yaml`.

    A missing or identity `flip_idx` raises FlipIndexMissing or FlipIndexInvalid, or with `derive`
    is told from the keypoints' names with a warning. Pictures without a label file are negatives.
    Raises FormatInvalid, KeypointCountWrong, ImageMissing, ImageBroken.
    """
    try:
        config = msgspec.yaml.decode(data_yaml.read_bytes(), type=_DataYaml)
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise FormatInvalid(f"{data_yaml}: {error}") from error
    scheme, dims = _scheme(config, str(data_yaml), on_flip_fault)
    names = config.names if isinstance(config.names, list) else _ordered(config.names, data_yaml)
    root = (data_yaml.parent / config.path).resolve()
    if not root.is_dir():
        # Published files give a path relative to the trainer's own data folder.
        root = data_yaml.parent.resolve()
    samples: list[Sample] = []
    entries: list[str | list[str] | None] = []
    for split in SPLITS:
        entry = getattr(config, split)
        # Small sets name one folder for several parts; it is read once.
        images = [] if entry in entries else _images(root, entry, data_yaml)
        entries.append(entry)
        for image in images:
            folder = root / "images" / split
            name = name_of_path(image, folder) if image.is_relative_to(folder) else image.stem
            samples.append(
                _read_sample(image, _label_of(image), name, split, provenance, scheme, dims)
            )
    return Dataset(with_provenance(root, samples), tuple(names), (), scheme)


def read_yolo_folders(
    images: Path, labels: Path, provenance: Provenance, classes: tuple[str, ...]
) -> Dataset:
    """Read detect labels that lie in two folders without a `data.yaml`, as many are shared.

    Raises FormatInvalid, ImageMissing, ImageBroken.
    """
    samples = [
        _read_sample(image, labels / f"{image.stem}.txt", image.stem, None, provenance, None, 0)
        for image in images_in(images)
    ]
    return Dataset(tuple(samples), classes)


def write_yolo(dataset: Dataset, folder: Path, *, pose: bool | None = None) -> Path:
    """Write a detect or pose data set and return the path of its `data.yaml`.

    Pose is chosen when the data set has keypoints, unless said; samples without a part go to
    train. A keypoint outside of its picture cannot be told in this format and is written as
    absent; instances without keypoints get absent ones. Raises DatasetInvalid, FlipIndexInvalid.
    """
    require_valid(dataset, read_images=False)
    scheme = dataset.keypoints if pose or pose is None else None
    if pose and scheme is None:
        raise FormatInvalid("a pose data set needs keypoints")
    require_unique_names(dataset.samples)
    for sample in dataset.samples:
        split = sample.split or "train"
        save_image(sample, folder / "images" / split)
        labels = folder / "labels" / split
        labels.mkdir(parents=True, exist_ok=True)
        lines = [_line(sample, instance, scheme) for instance in sample.instances]
        (labels / f"{sample.name}.txt").write_text("".join(f"{line}\n" for line in lines))
    write_provenance(folder, dataset.samples)
    path = folder / "data.yaml"
    path.write_text(_yaml(dataset, scheme), encoding="utf-8")
    return path


def _yaml(dataset: Dataset, scheme: KeypointScheme | None) -> str:
    used = {sample.split or "train" for sample in dataset.samples}
    # JSON values are YAML values, with every name quoted as it must be.
    values: dict[str, Any] = {}
    # Without `path` the trainer takes the file's own folder, so the data set can be moved; it
    # refuses a file without train or val.
    for split in ("train", "val"):
        values[split] = f"images/{split if split in used else next(iter(sorted(used)), 'train')}"
    if "test" in used:
        values["test"] = "images/test"
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    lines.append("names:")
    lines += [f"  {k}: {json.dumps(n, ensure_ascii=False)}" for k, n in enumerate(dataset.classes)]
    if scheme is not None:
        check_flip_index(scheme.names, scheme.flip_index)
        lines.append(f"kpt_shape: [{len(scheme)}, 3]")
        lines.append(f"flip_idx: {list(scheme.flip_index)}")
        lines.append("kpt_names:")
        told = json.dumps(list(scheme.names), ensure_ascii=False)
        lines += [f"  {k}: {told}" for k in range(len(dataset.classes))]
    return "\n".join(lines) + "\n"


def _line(sample: Sample, instance: Instance, scheme: KeypointScheme | None) -> str:
    size = np.array([sample.width_px, sample.height_px], dtype=np.float64)
    low = np.clip(instance.box_xyxy_px[:2] / size, 0, 1)
    high = np.clip(instance.box_xyxy_px[2:] / size, 0, 1)
    values = [*((low + high) / 2), *(high - low)]
    if scheme is not None:
        points = np.zeros((len(scheme), 3)) if instance.keypoints is None else instance.keypoints
        for x, y, visibility in points:
            inside = visibility > ABSENT and 0 <= x <= size[0] and 0 <= y <= size[1]
            values += [x / size[0], y / size[1], visibility] if inside else [0.0, 0.0, 0.0]
    return " ".join([str(instance.class_id), *(f"{v:.{_DIGITS}g}" for v in values)])


def _scheme(
    config: _DataYaml, where: str, on_flip_fault: OnFlipFault
) -> tuple[KeypointScheme | None, int]:
    if config.kpt_shape is None:
        return None, 0
    if len(config.kpt_shape) != 2 or config.kpt_shape[1] not in (2, 3) or config.kpt_shape[0] < 1:
        raise FormatInvalid(f"{where}: kpt_shape is [points, 2 or 3], not {config.kpt_shape}")
    names = next(iter(config.kpt_names.values()), None) if config.kpt_names else None
    count = config.kpt_shape[0]
    if names is not None and len(names) != count:
        raise KeypointCountWrong(f"{where}: {len(names)} kpt_names for {count} keypoints")
    return scheme_of(count, names, config.flip_idx, where, on_flip_fault), config.kpt_shape[1]


def _ordered(names: dict[int, str], where: Path) -> list[str]:
    if sorted(names) != list(range(len(names))):
        raise FormatInvalid(f"{where}: class ids are not 0 to {len(names) - 1}")
    return [names[k] for k in range(len(names))]


def _images(root: Path, told: str | list[str] | None, where: Path) -> list[Path]:
    out: list[Path] = []
    for entry in [told] if isinstance(told, str) else told or []:
        path = root / entry
        if path.is_dir():
            out += images_in(path)
        elif path.suffix == ".txt" and path.is_file():
            listed = path.read_text(encoding="utf-8").split("\n")
            out += [(root / line.strip()).resolve() for line in listed if line.strip()]
        elif not path.exists():
            raise FormatInvalid(f"{where}: {path} does not exist")
    return out


def _label_of(image: Path) -> Path:
    """Return the label file by the trainer's rule: the last folder `images` becomes `labels`."""
    parts = list(image.parts)
    for at in range(len(parts) - 2, -1, -1):
        if parts[at] == "images":
            parts[at] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _read_sample(
    image: Path,
    label: Path,
    name: str,
    split: Split | None,
    provenance: Provenance,
    scheme: KeypointScheme | None,
    dims: int,
) -> Sample:
    width, height = image_size(image)
    text = label.read_text(encoding="utf-8") if label.is_file() else ""
    told = Provenance(provenance.source, provenance.licence, provenance.research_only, image.name)
    instances = tuple(
        _instance(line.split(), width, height, scheme, dims, f"{label}:{row}")
        for row, line in enumerate(text.splitlines(), 1)
        if line.strip()
    )
    return Sample(name, image, width, height, told, instances, split=split)


def _instance(
    fields: list[str], width: int, height: int, scheme: KeypointScheme | None, dims: int, where: str
) -> Instance:
    try:
        class_id, values = int(fields[0]), np.array([float(v) for v in fields[1:]])
    except ValueError as error:
        raise FormatInvalid(f"{where}: {error}") from error
    expected = 4 + (0 if scheme is None else len(scheme) * dims)
    if len(values) != expected:
        kind = FormatInvalid if scheme is None else KeypointCountWrong
        raise kind(f"{where}: {len(values)} numbers after the class, not {expected}")
    size = np.array([width, height], dtype=np.float64)
    centre, extent = values[:2] * size, values[2:4] * size
    box = np.concatenate([centre - extent / 2, centre + extent / 2])
    return Instance(class_id, box, _keypoints(values[4:], size, scheme, dims))


def _keypoints(
    values: FloatArray, size: FloatArray, scheme: KeypointScheme | None, dims: int
) -> FloatArray | None:
    if scheme is None:
        return None
    told = values.reshape(len(scheme), dims)
    points = np.zeros((len(scheme), 3))
    points[:, :2] = told[:, :2] * size
    # Without a visibility column the trainer takes (0, 0) for absent, and so does this.
    points[:, 2] = told[:, 2] if dims == 3 else np.where((told > 0).any(axis=1), VISIBLE, ABSENT)
    return points
