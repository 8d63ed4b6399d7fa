"""The real pictures, where this machine has them: counts, sides, parts, and the duplicate rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_export.datasets import real
from model_export.datasets.clusters import MAX_DISTANCE_BITS, difference_hash
from model_export.datasets.paste import paste_dog
from model_export.datasets.photo_training import dog_training_photos
from model_export.datasets.sample import DOG_24, Dataset
from model_export.datasets.split import require_no_leaks
from model_export.datasets.validate import find_problems

DATA = real.find_real_data()
pytestmark = pytest.mark.skipif(DATA is None, reason="../shared/data is not here")


@pytest.fixture(scope="module")
def data() -> Path:
    assert DATA is not None
    return DATA


@pytest.mark.parametrize(
    ("loader", "pictures", "instances"),
    [
        (real.vizsla_faces, 461, 499),
        (real.street_negatives, 120, 0),
        (real.posed_dogs, 25, 25),
        (real.breed_photos, 59, 0),
        (real.masked_bulldogs, 100, 100),
        (real.cats, 50, 0),
    ],
)
def test_every_picture_is_whole_labelled_and_research_only(
    loader: Callable[[Path], Dataset], pictures: int, instances: int, data: Path
) -> None:
    dataset = loader(data)
    assert len(dataset) == pictures
    assert sum(len(s.instances) for s in dataset.samples) == instances
    assert find_problems(dataset) == ()
    assert all(s.provenance.research_only and s.split for s in dataset.samples)
    require_no_leaks(dataset)


def test_the_weak_emotions_keep_their_parts(data: Path) -> None:
    dataset = real.weak_emotions(data)
    counts = Counter(sample.split for sample in dataset.samples)
    assert counts == {"train": 7968, "val": 849}
    assert dataset.labels == ("happy", "sad", "angry", "relaxed")


def test_posed_dogs_have_twenty_of_24_points_inside_their_masks(data: Path) -> None:
    inside = total = 0
    never = [DOG_24.names.index(n) for n in ("left_eye", "right_eye", "withers", "throat")]
    for sample in real.posed_dogs(data).samples:
        instance = sample.instances[0]
        assert instance.keypoints is not None and instance.mask is not None
        assert (instance.keypoints[never, 2] == 0).all()
        mask = instance.mask.mask()
        for x, y, there in instance.keypoints:
            if there:
                total += 1
                ys, xs = (slice(max(int(v) - 4, 0), int(v) + 5) for v in (y, x))
                inside += bool(mask[ys, xs].any())
    # A mask read with rows and columns exchanged would miss most of them.
    assert total > 350 and inside / total > 0.97


def test_unrelated_photos_are_hardly_ever_joined_and_copies_always_are(data: Path) -> None:
    samples = real.weak_emotions(data).part("val").samples[:400]
    pictures = [sample.pixels() for sample in samples]
    hashes = np.array([difference_hash(picture) for picture in pictures])
    gaps = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(axis=2)
    # One pair is the same dog a second later; the other 79,799 are strangers.
    assert (gaps[np.triu_indices(len(hashes), 1)] <= MAX_DISTANCE_BITS).sum() == 1
    for k in range(0, 400, 10):
        height, width = pictures[k].shape[:2]
        half = Image.fromarray(pictures[k]).resize((width // 2, height // 2))
        gap = np.bitwise_count(hashes[k] ^ difference_hash(np.asarray(half))).sum()
        assert gap <= MAX_DISTANCE_BITS // 2


def test_real_dogs_are_pasted_onto_streets(data: Path) -> None:
    dogs, streets = real.masked_bulldogs(data).samples, real.street_negatives(data).samples
    pasted = [paste_dog(dogs[k], streets[k], k) for k in range(6)]
    assert find_problems(Dataset(tuple(pasted))) == ()
    for sample in pasted:
        assert sample.provenance.research_only
        width, height = sample.instances[0].box_xyxy_px[2:] - sample.instances[0].box_xyxy_px[:2]
        assert width > 20 and height > 20


def test_models_are_chosen_on_photos_that_neither_training_nor_examination_saw(data: Path) -> None:
    learned = real.photos_to_learn_faces(data)
    learn, choose = real.chosen_by(learned)
    assert len(learn) + len(choose) == len(learned)
    assert 0.1 < len(choose) / len(learned) < 0.3
    clusters = [{s.cluster for s in part.samples if s.cluster} for part in (learn, choose)]
    assert not clusters[0] & clusters[1]
    examined = {s.name for s in real.vizsla_faces(data).samples if s.split == "val"}
    assert not examined & {s.name for s in learned.samples}


def test_the_dog_detector_fine_tunes_on_train_parts_only(data: Path) -> None:
    dataset = dog_training_photos(data, pasted=6)
    held_out = {
        s.name
        for part in (real.masked_bulldogs(data), real.cats(data), real.street_negatives(data))
        for s in part.part("val").samples
    }
    pasted = [s for s in dataset.samples if s.name.startswith("pasted")]
    plain = [s for s in dataset.samples if s not in pasted]
    assert len(pasted) == 6 and all(s.split == "train" for s in dataset.samples)
    assert [len(s.instances) > 0 for s in pasted] == [True] * 6
    assert not {s.image.stem for s in plain if isinstance(s.image, Path)} & held_out
    assert dataset.research_only and find_problems(dataset) == ()
