"""Proportions of dogs' heads: archetypes of each split and the individuals around them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from model_export.synth.vectors import clamp

#: The archetype's name of a cross, and how many of the animals to learn from are one.
CROSS = "cross"
CROSSED_SHARE = 0.5
EARS = ("erect", "semi", "floppy", "button")


@dataclass(frozen=True)
class HeadShape:
    """One head; lengths in head units (the skull is about one unit wide at its cheeks).

    `muzzle` length from the stop to the nose (.06 pug to 1 sighthound); `flews` how far the upper
    lips hang; `stop` depth of the step between forehead and muzzle; `ear_set` height of the ear's
    base (0 low as in hounds, 1 on top); `ruff` fur around the cheeks; `beard` fur at the muzzle;
    `folds` wrinkles of short-nosed and loose-skinned breeds; `fringe` hair over the brows.
    """

    archetype: str = "retriever"
    muzzle: float = 0.55
    muzzle_width: float = 1.0
    muzzle_depth: float = 1.0
    skull_width: float = 1.0
    skull_height: float = 1.0
    skull_length: float = 1.0
    cheeks: float = 1.0
    stop: float = 0.5
    flews: float = 0.4
    ears: str = "floppy"
    ear_length: float = 0.7
    ear_width: float = 0.22
    ear_set: float = 0.5
    eye_size: float = 1.0
    eye_spacing: float = 1.0
    nose_size: float = 1.0
    ruff: float = 0.0
    beard: float = 0.0
    folds: float = 0.0
    fringe: float = 0.0
    underbite: float = 0.0

    @staticmethod
    def random(rng: np.random.Generator, split: str, archetype: str | None = None) -> HeadShape:
        """An individual near one of the split's archetypes; no archetype is in two splits.

        `archetype` names one of the split's, to match a body; None draws one, or in "train" in
        half of the cases a cross of two: a net that knows 19 breeds by heart reads a 20th badly.
        """
        kinds = [k for k in ARCHETYPES[split] if archetype in (None, k.archetype)]
        shape = kinds[rng.integers(len(kinds))]
        if split == "train" and archetype is None and rng.random() < CROSSED_SHARE:
            shape = _crossed(shape, kinds[rng.integers(len(kinds))], rng)

        def near(value: float, spread: float) -> float:
            return float(value * np.exp(rng.normal(0.0, spread)))

        return replace(
            shape,
            muzzle=clamp(near(shape.muzzle, 0.16), 0.05, 1.05),
            muzzle_width=near(shape.muzzle_width, 0.07),
            muzzle_depth=near(shape.muzzle_depth, 0.07),
            skull_width=near(shape.skull_width, 0.06),
            skull_height=near(shape.skull_height, 0.05),
            skull_length=near(shape.skull_length, 0.05),
            cheeks=near(shape.cheeks, 0.1),
            stop=clamp(shape.stop + rng.normal(0, 0.12), 0.0, 1.0),
            flews=clamp(shape.flews + rng.normal(0, 0.15), 0.05, 1.0),
            ear_length=near(shape.ear_length, 0.12),
            ear_width=near(shape.ear_width, 0.1),
            ear_set=clamp(shape.ear_set + rng.normal(0, 0.1), 0.0, 1.0),
            eye_size=near(shape.eye_size, 0.1),
            eye_spacing=near(shape.eye_spacing, 0.05),
            nose_size=near(shape.nose_size, 0.1),
            ruff=clamp(shape.ruff + rng.normal(0, 0.1), 0.0, 1.0),
            beard=clamp(shape.beard + rng.normal(0, 0.05), 0.0, 1.0),
            folds=clamp(shape.folds + rng.normal(0, 0.08), 0.0, 1.0),
            fringe=clamp(shape.fringe + rng.normal(0, 0.06), 0.0, 1.0),
        )


_EAR_FIELDS = ("ears", "ear_length", "ear_width", "ear_set")
_FUR_FIELDS = ("ruff", "beard", "fringe")


def _crossed(one: HeadShape, other: HeadShape, rng: np.random.Generator) -> HeadShape:
    """A cross of two archetypes: each length in between, the ears of the first.

    Fur around the face is now and then of neither: it grows in any shape of head.
    """
    mixed: dict[str, float] = {}
    shaggy = rng.random() < 0.3
    for field in fields(HeadShape):
        if field.name == "archetype" or field.name in _EAR_FIELDS:
            continue
        share = rng.random()
        value = (1 - share) * getattr(one, field.name) + share * getattr(other, field.name)
        mixed[field.name] = share if shaggy and field.name in _FUR_FIELDS else value
    return replace(one, archetype=CROSS, **mixed)  # type: ignore[arg-type]


def _h(archetype: str, muzzle: float, ears: str, ear_length: float, **rest: float) -> HeadShape:
    return replace(
        HeadShape(), archetype=archetype, muzzle=muzzle, ears=ears, ear_length=ear_length, **rest
    )


ARCHETYPES: dict[str, tuple[HeadShape, ...]] = {
    "train": (
        _h(
            "retriever",
            0.55,
            "floppy",
            0.62,
            ear_set=0.6,
            muzzle_width=1.1,
            flews=0.45,
            ear_width=0.24,
        ),
        _h("shepherd", 0.72, "erect", 0.66, ear_set=0.9, stop=0.3, flews=0.2, ruff=0.35),
        _h("husky", 0.55, "erect", 0.46, ear_set=0.85, ruff=0.6, eye_size=0.95, cheeks=1.1),
        _h("terrier", 0.5, "button", 0.42, ear_set=0.8, skull_width=0.9, flews=0.15),
        _h(
            "wire_terrier",
            0.62,
            "button",
            0.4,
            ear_set=0.85,
            skull_width=0.82,
            beard=0.8,
            fringe=0.4,
        ),
        _h(
            "pug",
            0.08,
            "button",
            0.38,
            ear_set=0.75,
            muzzle_width=1.35,
            cheeks=1.2,
            folds=0.9,
            stop=1.0,
            eye_size=1.35,
            eye_spacing=1.12,
            flews=0.6,
            underbite=0.3,
        ),
        _h(
            "bulldog",
            0.14,
            "button",
            0.32,
            ear_set=0.8,
            muzzle_width=1.5,
            cheeks=1.35,
            folds=0.8,
            stop=1.0,
            flews=0.95,
            eye_spacing=1.2,
            nose_size=1.25,
            underbite=0.6,
        ),
        _h(
            "chihuahua",
            0.3,
            "erect",
            0.6,
            ear_set=0.55,
            skull_height=1.2,
            eye_size=1.5,
            ear_width=0.29,
            muzzle_width=0.75,
            flews=0.1,
            stop=0.8,
            nose_size=0.85,
        ),
        _h(
            "spaniel",
            0.5,
            "floppy",
            0.95,
            ear_set=0.35,
            flews=0.6,
            skull_height=1.1,
            ear_width=0.27,
            stop=0.7,
        ),
        _h(
            "hound",
            0.72,
            "floppy",
            1.1,
            ear_set=0.2,
            flews=0.85,
            folds=0.35,
            ear_width=0.25,
            muzzle_width=1.1,
        ),
        _h(
            "collie",
            0.85,
            "semi",
            0.5,
            ear_set=0.9,
            skull_width=0.84,
            stop=0.2,
            flews=0.15,
            ruff=0.7,
        ),
        _h(
            "sighthound",
            1.0,
            "semi",
            0.42,
            ear_set=0.6,
            skull_width=0.72,
            muzzle_width=0.8,
            stop=0.05,
            flews=0.1,
        ),
        _h("pinscher", 0.75, "erect", 0.52, ear_set=0.95, skull_width=0.86, flews=0.25, stop=0.25),
        _h("dachshund", 0.85, "floppy", 0.72, ear_set=0.5, skull_width=0.84, flews=0.25, stop=0.15),
        _h(
            "poodle",
            0.72,
            "floppy",
            0.7,
            ear_set=0.45,
            skull_width=0.84,
            ruff=0.4,
            fringe=0.5,
            muzzle_width=0.8,
            ear_width=0.28,
        ),
        _h(
            "bichon",
            0.36,
            "floppy",
            0.5,
            ear_set=0.6,
            ruff=0.9,
            fringe=0.8,
            beard=0.6,
            ear_width=0.26,
        ),
        _h(
            "spitz",
            0.36,
            "erect",
            0.34,
            ear_set=0.7,
            ruff=1.0,
            eye_size=1.1,
            muzzle_width=0.78,
            nose_size=0.9,
        ),
        _h(
            "mastiff",
            0.42,
            "floppy",
            0.5,
            ear_set=0.7,
            muzzle_width=1.35,
            cheeks=1.25,
            flews=0.9,
            folds=0.5,
        ),
        _h("jindo", 0.62, "erect", 0.44, ear_set=0.85, cheeks=1.1, flews=0.15),
    ),
    "val": (
        _h("beagle", 0.56, "floppy", 0.74, ear_set=0.4, flews=0.5, ear_width=0.25),
        _h("corgi", 0.56, "erect", 0.56, ear_set=0.8, ear_width=0.25, cheeks=1.1),
        _h(
            "boxer",
            0.22,
            "floppy",
            0.5,
            ear_set=0.75,
            muzzle_width=1.4,
            flews=0.9,
            stop=0.9,
            folds=0.45,
            underbite=0.3,
        ),
        _h(
            "papillon",
            0.4,
            "erect",
            0.56,
            ear_set=0.5,
            ear_width=0.3,
            ruff=0.5,
            skull_width=0.9,
            muzzle_width=0.75,
        ),
    ),
    "test": (
        _h(
            "vizsla", 0.68, "floppy", 0.8, ear_set=0.45, flews=0.4, ear_width=0.26, skull_width=0.92
        ),
        _h("shiba", 0.48, "erect", 0.42, ear_set=0.85, cheeks=1.2, ruff=0.4, flews=0.1),
        _h(
            "schnauzer",
            0.62,
            "button",
            0.44,
            ear_set=0.85,
            beard=1.0,
            fringe=0.7,
            muzzle_width=1.05,
        ),
        _h(
            "french_bulldog",
            0.12,
            "erect",
            0.56,
            ear_set=0.65,
            ear_width=0.24,
            muzzle_width=1.4,
            cheeks=1.25,
            folds=0.6,
            flews=0.7,
            eye_spacing=1.15,
            stop=1.0,
        ),
    ),
}
"""Breed-like heads of each split."""
