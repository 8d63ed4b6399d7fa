"""What is wrong with a data set, found before a training run finds it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from model_export.datasets.errors import (
    BoxInvalid,
    ClassUnknown,
    DatasetError,
    DatasetInvalid,
    ImageBroken,
    ImageMissing,
    KeypointCountWrong,
    NameInvalid,
    NotANumber,
    SplitLeaks,
    VisibilityInvalid,
)
from model_export.datasets.files import require_name
from model_export.datasets.keypoint_schemes import check_flip_index
from model_export.datasets.sample import ABSENT, Dataset, Instance, Sample

BOX_TOLERANCE_PX: Final = 1.0
"""How far a box may leave the picture: labels are often rounded outwards to whole pixels."""


def find_problems(dataset: Dataset, *, read_images: bool = True) -> tuple[DatasetError, ...]:
    """Every problem as the error that it would raise.

    With `read_images` each picture is decoded to its end, which finds truncated files and labels
    made for another size.
    """
    return tuple(_problems(dataset, read_images))


def require_valid(dataset: Dataset, *, read_images: bool = True) -> None:
    """Raise DatasetInvalid with all problems when there is any."""
    problems = find_problems(dataset, read_images=read_images)
    if problems:
        raise DatasetInvalid(problems)


def _problems(dataset: Dataset, read_images: bool) -> Iterator[DatasetError]:
    if dataset.keypoints is not None:
        try:
            check_flip_index(dataset.keypoints.names, dataset.keypoints.flip_index)
        except DatasetError as error:
            yield error
    seen: set[str] = set()
    parts: dict[str, set[str]] = {}
    for sample in dataset.samples:
        yield from _name_problems(sample, seen)
        if sample.cluster and sample.split:
            parts.setdefault(sample.cluster, set()).add(sample.split)
        if sample.label is not None and sample.label not in dataset.labels:
            yield ClassUnknown(f"{sample.name}: label {sample.label!r} is not in {dataset.labels}")
        for instance in sample.instances:
            yield from _instance_problems(sample, instance, dataset)
        yield from _image_problems(sample, read_images)
    for cluster, splits in parts.items():
        if len(splits) > 1:
            yield SplitLeaks(f"cluster {cluster!r} lies in {' and '.join(sorted(splits))}")


def _name_problems(sample: Sample, seen: set[str]) -> Iterator[DatasetError]:
    try:
        require_name(sample.name)
    except NameInvalid as error:
        yield error
    if sample.name.casefold() in seen:
        yield NameInvalid(f"two samples are named {sample.name!r}")
    seen.add(sample.name.casefold())


def _instance_problems(
    sample: Sample, instance: Instance, dataset: Dataset
) -> Iterator[DatasetError]:
    if not 0 <= instance.class_id < len(dataset.classes):
        yield ClassUnknown(
            f"{sample.name}: class {instance.class_id}, but there are {len(dataset.classes)}"
        )
    yield from _box_problems(sample, instance)
    count = 0 if dataset.keypoints is None else len(dataset.keypoints)
    if instance.keypoints is None:
        return
    if instance.keypoints.shape != (count, 3):
        yield KeypointCountWrong(
            f"{sample.name}: keypoints of shape {instance.keypoints.shape}, not ({count}, 3)"
        )
        return
    visibility = instance.keypoints[:, 2]
    if not np.isin(visibility, (0, 1, 2)).all():
        yield VisibilityInvalid(f"{sample.name}: visibilities {np.unique(visibility).tolist()}")
    elif not np.isfinite(instance.keypoints[visibility > ABSENT]).all():
        yield NotANumber(f"{sample.name}: a present keypoint is not a number")


def _box_problems(sample: Sample, instance: Instance) -> Iterator[DatasetError]:
    box = instance.box_xyxy_px
    if box.shape != (4,) or not np.isfinite(box).all():
        yield NotANumber(f"{sample.name}: the box is {box.tolist()}")
        return
    low, high = box[:2], box[2:]
    size = np.array([sample.width_px, sample.height_px])
    if (high <= low).any():
        yield BoxInvalid(f"{sample.name}: the box {box.tolist()} has no area")
    elif (low < -BOX_TOLERANCE_PX).any() or (high > size + BOX_TOLERANCE_PX).any():
        yield BoxInvalid(
            f"{sample.name}: the box {box.tolist()} leaves "
            f"the picture of {sample.width_px} x {sample.height_px} px"
        )


def _image_problems(sample: Sample, read: bool) -> Iterator[DatasetError]:
    if isinstance(sample.image, Path) and not sample.image.is_file():
        yield ImageMissing(f"{sample.image} does not exist")
        return
    if not read:
        return
    try:
        height, width = sample.pixels().shape[:2]
    except DatasetError as error:
        yield error
        return
    if (width, height) != (sample.width_px, sample.height_px):
        yield ImageBroken(
            f"{sample.name}: {width} x {height} px, but its labels are for "
            f"{sample.width_px} x {sample.height_px} px"
        )
