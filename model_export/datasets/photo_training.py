"""Real pictures for fine-tuning the dog detector: the train parts only, and dogs cut and pasted.

The parts are those of `real.py`, by near-duplicate cluster and one seed, so that `evaluate-real`
judges on other pictures. The posed dogs and the breed photos are in none: they are for the test.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from model_export.datasets import real
from model_export.datasets.paste import paste_dog
from model_export.datasets.sample import Dataset, Sample


def dog_training_photos(data: Path, pasted: int, seed: int = 2026) -> Dataset:
    """Whole dogs as they are, pictures without a dog, and `pasted` dogs on other backgrounds.

    The backgrounds are streets and cats of the train parts; every other one gets two dogs. All of
    it is research only.
    """
    dogs = _train(real.masked_bulldogs(data))
    empty = [*_train(real.street_negatives(data)), *_train(real.cats(data))]
    rng = np.random.default_rng(seed)
    made = []
    for number in range(pasted):
        scene = empty[int(rng.integers(len(empty)))]
        for _ in range(1 + number % 2):
            dog = dogs[int(rng.integers(len(dogs)))]
            scene = paste_dog(dog, scene, int(rng.integers(2**31)))
        made.append(replace(scene, name=f"pasted-{number:05d}", split="train"))
    named = [replace(s, name=f"photo-{k:05d}") for k, s in enumerate([*dogs, *empty])]
    return Dataset((*named, *made), (real.DOG_CLASS,))


def _train(dataset: Dataset) -> list[Sample]:
    return [sample for sample in dataset.samples if sample.split == "train"]
