"""Data sets as the picture lists that the recipes of `model_export.train` mix in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from edge_sdk.face.emotions import EMOTIONS
from model_export.datasets.errors import SchemesDiffer
from model_export.datasets.files import require_unique_names, save_image
from model_export.datasets.provenance import write_provenance
from model_export.datasets.sample import ABSENT, DOG_24, Dataset, FloatArray, Instance, Sample
from model_export.datasets.validate import require_valid
from model_export.train.real import DogLabel, FaceLabel, Picture

FILE = "pictures.jsonl"
FACE_CLASSES = frozenset({"dog_face", "face", "dog face", "head", "dog_head"})
"""Classes that mean a dog's face; every other one is a whole dog."""


def write_picture_list(
    dataset: Dataset, folder: Path, *, dogs_complete: bool = True, faces_complete: bool = True
) -> Path:
    """Write `pictures.jsonl` and `provenance.csv` into `folder` and return the list's path.

    Pictures that are files stay where they are (named relative to the list); others are saved
    beside it. `*_complete` says that no dog (face) is left unlabelled; it is only claimed for the
    kinds that the data set's classes name. An image label becomes the emotion of its faces, or of
    a face that fills the picture. Raises DatasetInvalid, SchemesDiffer for keypoints other than
    the 24.
    """
    require_valid(dataset, read_images=False)
    require_unique_names(dataset.samples)
    if dataset.keypoints is not None and dataset.keypoints.names != DOG_24.names:
        raise SchemesDiffer("the recipes train on the 24 keypoints of dogs and no others")
    folder.mkdir(parents=True, exist_ok=True)
    faces = {k for k, name in enumerate(dataset.classes) if name.lower() in FACE_CLASSES}
    has_dogs = len(faces) < len(dataset.classes)
    path = folder / FILE
    with path.open("wb") as file:
        for sample in dataset.samples:
            picture = Picture(
                image=_relative(sample, folder),
                dogs=list(_dogs(sample, faces)),
                faces=list(_faces(sample, faces)),
                dogs_complete=dogs_complete and has_dogs and sample.label is None,
                faces_complete=faces_complete and bool(faces) and sample.label is None,
            )
            file.write(msgspec.json.encode(picture) + b"\n")
    write_provenance(folder, dataset.samples)
    return path


def _relative(sample: Sample, folder: Path) -> str:
    image = sample.image
    file = image if isinstance(image, Path) else save_image(sample, folder / "images")
    return Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()


def _box(instance: Instance) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(v) for v in instance.box_xyxy_px)
    return x0, y0, x1, y1


def _dogs(sample: Sample, faces: set[int]) -> Iterator[DogLabel]:
    for instance in sample.instances:
        if instance.class_id not in faces:
            yield DogLabel(_box(instance), instance.heading_rad, _points(instance.keypoints))


def _points(keypoints: FloatArray | None) -> list[tuple[float, float, float]] | None:
    if keypoints is None or not (keypoints[:, 2] > ABSENT).any():
        return None
    told = np.where(keypoints[:, 2:] > ABSENT, keypoints, 0.0)
    return [(float(x), float(y), float(v)) for x, y, v in told]


def _faces(sample: Sample, faces: set[int]) -> Iterator[FaceLabel]:
    emotion = sample.label if sample.label in EMOTIONS else None
    found = [i for i in sample.instances if i.class_id in faces]
    for instance in found:
        yield FaceLabel(_box(instance), emotion)
    if emotion is not None and not found:
        yield FaceLabel((0.0, 0.0, float(sample.width_px), float(sample.height_px)), emotion)
