"""The real pictures in ../shared/data as samples, for fine-tuning and honest numbers.

All of them are research only: a model trained on any says so in its card and manifest. They are
never copied into the product's repository; the folder is given, or found beside the repository.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from edge_sdk.face.emotions import EMOTIONS
from model_export.datasets.class_folders import read_class_folders
from model_export.datasets.clusters import cluster_dataset
from model_export.datasets.errors import FormatInvalid
from model_export.datasets.files import images_in
from model_export.datasets.masks import read_masks
from model_export.datasets.sample import Dataset, Provenance, Sample, sample_of_file
from model_export.datasets.split import split_dataset
from model_export.datasets.stanford_extra import read_stanford_extra
from model_export.datasets.yolo import read_yolo_folders

FACE_CLASS: Final = "dog_face"
DOG_CLASS: Final = "dog"
SPLIT_SEED: Final = 7
"""One seed for all, so that no run ever tests on what another has trained on."""
_TRAIN_SHARE: Final = 0.7


def find_real_data() -> Path | None:
    """Return `shared/data` beside this repository, None when it is not there."""
    for folder in Path(__file__).resolve().parents:
        if (folder / "shared" / "data" / "README.md").is_file():
            return folder / "shared" / "data"
    return None


def vizsla_faces(data: Path) -> Dataset:
    """461 photos of one breed with head boxes, in train (70 %) and val by cluster."""
    told = Provenance("dog_face_vizsla", "unstated, research only", True)
    folder = data / "dog_face_vizsla"
    faces = read_yolo_folders(folder / "images", folder / "labels", told, (FACE_CLASS,))
    return _in_two(faces)


def street_negatives(data: Path) -> Dataset:
    """120 street pictures without dogs, in train and val by cluster."""
    folder = data / "dog_face_vizsla" / "negatives"
    told = Provenance("dog_face_vizsla negatives", "unstated, research only", True)
    return _in_two(Dataset(_plain(folder, told), (FACE_CLASS,)))


def posed_dogs(data: Path) -> Dataset:
    """25 dogs with 20 of the 24 keypoints, boxes and masks: all in test, too few to train on."""
    folder = data / "dog_pose_24_sample"
    told = Provenance("StanfordExtra sample", "labels MIT, pictures research only", True)
    dogs = read_stanford_extra(
        folder / "StanfordExtra_sample.json", told, images=folder / "sample_imgs"
    )
    return dogs.with_samples([replace(sample, split="test") for sample in dogs.samples])


def breed_photos(data: Path) -> Dataset:
    """59 photos, one dog of another breed each, without boxes: whether anything is found at all."""
    told = Provenance("dog_photos", "research only", True)
    plain = _plain(data / "dog_photos", told)
    return Dataset(tuple(replace(s, split="test") for s in plain), (DOG_CLASS,))


def weak_emotions(data: Path) -> Dataset:
    """8,817 photos labelled by the word they were found by, in the given parts.

    The labels are weak (angry is right in about 10 %): a score on them mostly measures that word.
    """
    told = Provenance("dog_emotion_weak", "unstated, research only", True)
    read = read_class_folders(data / "dog_emotion_weak", told, labels=tuple(EMOTIONS))
    # Cluster numbers are unique within this set only.
    return read.with_samples([replace(s, cluster=f"emotion-{s.cluster}") for s in read.samples])


def masked_bulldogs(data: Path) -> Dataset:
    """100 whole dogs with masks and boxes, in train and val by cluster."""
    told = Provenance("Oxford-IIIT Pet, bulldogs", "research only", True)
    return _in_two(read_masks(data / "dog_masks_bulldog", told))


def cats(data: Path) -> Dataset:
    """50 cats as negatives of a dog detector, in train and val by cluster."""
    told = Provenance("Oxford-IIIT Pet, cats", "research only", True)
    return _in_two(Dataset(_plain(data / "dog_masks_bulldog" / "cats", told), (DOG_CLASS,)))


def photos_to_learn_faces(data: Path) -> Dataset:
    """Every photo from which the face detector may learn: the parts "train" of two sets."""
    samples = (*vizsla_faces(data).samples, *street_negatives(data).samples)
    return Dataset(tuple(s for s in samples if s.split == "train"), (FACE_CLASS,))


def chosen_by(learned: Dataset, share: float = 0.2) -> tuple[Dataset, Dataset]:
    """Split pictures to learn from once more, by cluster: to train on, and to choose models by.

    The part "val" of each set stays untouched until the end.
    """
    again = split_dataset(learned, {"train": 1 - share, "val": share}, seed=SPLIT_SEED + 1)
    parts: list[Dataset] = []
    for part in ("train", "val"):
        samples = tuple(s for s in again.samples if s.split == part)
        parts.append(again.with_samples(samples))
    return parts[0], parts[1]


def _plain(folder: Path, provenance: Provenance) -> tuple[Sample, ...]:
    samples = tuple(
        sample_of_file(path, replace(provenance, origin=path.name)) for path in images_in(folder)
    )
    if not samples:
        raise FormatInvalid(f"{folder} holds no pictures")
    return samples


def _in_two(dataset: Dataset) -> Dataset:
    clustered = cluster_dataset(dataset)
    return split_dataset(
        clustered, {"train": _TRAIN_SHARE, "val": 1 - _TRAIN_SHARE}, seed=SPLIT_SEED
    )
