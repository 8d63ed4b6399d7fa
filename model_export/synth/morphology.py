"""Builds of dogs: archetypes of each split, named as the heads are, and individuals around them.

Lengths are in withers heights (the body unit). Proportions follow breed standards and the
measurements of Fischer & Lilje, "Dogs in Motion" (VDH 2011): in dogs of most builds the hip lies at
about .8, the elbow at about .5 of the withers height, femur and tibia are about a third each and
the rear pastern a quarter; short-legged breeds have the trunk of a larger dog on short limbs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from model_export.synth.head_shape import CROSS, CROSSED_SHARE
from model_export.synth.vectors import clamp

TRAIN_SCATTER = 1.5


@dataclass(frozen=True)
class Morphology:
    """One dog's build.

    `elbow_height`: height of the elbow and thereby of the breastbone; `trunk`: hip to withers along
    x; `girth`, `chest_width` scale the rib cage, `tuck` 0..1 how far the belly rises to the loin,
    `leg_thickness`, `thigh`, `angulation` (1 = usual hind angles) scale the limbs; `neck_deg` the
    carriage of the neck above the horizontal; `head_scale` the skull's unit; `tail_*` length,
    radius, angle of the root above the horizontal, curl along the tail (> 150: over the back);
    `coat_bulk` thickness that the fur adds.
    """

    archetype: str = "retriever"
    withers_m: float = 0.58
    mass_kg: float = 30.0
    elbow_height: float = 0.52
    trunk: float = 0.74
    girth: float = 1.0
    chest_width: float = 1.0
    tuck: float = 0.55
    leg_thickness: float = 1.0
    thigh: float = 1.0
    angulation: float = 1.0
    neck_length: float = 0.3
    neck_deg: float = 45.0
    neck_thickness: float = 1.0
    head_scale: float = 0.28
    tail_length: float = 0.5
    tail_thickness: float = 1.0
    tail_deg: float = 0.0
    tail_curl_deg: float = 30.0
    croup_drop: float = 0.0
    coat_bulk: float = 0.0

    @staticmethod
    def random(rng: np.random.Generator, split: str) -> Morphology:
        """An individual near one of the split's archetypes; no archetype is in two splits.

        In "train" half of them are a cross of two and all of them scatter more: a net that knows
        19 builds by heart reads a 20th worse.
        """
        kinds = ARCHETYPES[split]
        build = kinds[int(rng.integers(len(kinds)))]
        if split != "train":
            return build.varied(rng)
        if rng.random() < CROSSED_SHARE:
            build = _crossed(build, kinds[int(rng.integers(len(kinds)))], rng)
        return build.varied(rng, TRAIN_SCATTER)

    def varied(self, rng: np.random.Generator, scatter: float = 1.0) -> Morphology:
        """Another individual of the archetype; lengths stray `scatter` times as far as usual."""

        def near(value: float, spread: float) -> float:
            deviation = clamp(rng.normal(0.0, spread), -2.5 * spread, 2.5 * spread)
            return float(value * np.exp(scatter * deviation))

        size = near(1.0, 0.1)
        return replace(
            self,
            withers_m=self.withers_m * size,
            mass_kg=self.mass_kg * size**3 * near(1.0, 0.1),
            elbow_height=clamp(near(self.elbow_height, 0.035), 0.3, 0.6),
            trunk=near(self.trunk, 0.04),
            girth=near(self.girth, 0.06),
            chest_width=near(self.chest_width, 0.09),
            tuck=clamp(self.tuck + rng.normal(0, 0.13), 0.1, 1.0),
            leg_thickness=near(self.leg_thickness, 0.1),
            thigh=near(self.thigh, 0.08),
            angulation=clamp(near(self.angulation, 0.08), 0.7, 1.3),
            neck_length=near(self.neck_length, 0.1),
            neck_deg=clamp(self.neck_deg + rng.normal(0, 7), 15, 72),
            neck_thickness=near(self.neck_thickness, 0.09),
            head_scale=near(self.head_scale, 0.06),
            tail_length=near(self.tail_length, 0.12),
            tail_thickness=near(self.tail_thickness, 0.15),
            tail_deg=self.tail_deg + float(rng.normal(0, 16)),
            tail_curl_deg=self.tail_curl_deg + float(rng.normal(0, 22)),
            croup_drop=clamp(self.croup_drop + rng.normal(0, 0.02), -0.05, 0.1),
            coat_bulk=float(max(0.0, self.coat_bulk + rng.normal(0, 0.005))),
        )

    @property
    def depth(self) -> float:
        """Breastbone to withers."""
        return 1.0 - self.elbow_height

    @property
    def hip_height(self) -> float:
        """Hip joint over the ground when the dog stands."""
        return 1.0 - 0.41 * self.depth - self.croup_drop

    @property
    def leg_length_m(self) -> float:
        """Hip joint over the ground in metres, the h of dynamic similarity."""
        return self.hip_height * self.withers_m


_SIZE_FIELDS = ("withers_m", "mass_kg")


def _crossed(one: Morphology, other: Morphology, rng: np.random.Generator) -> Morphology:
    """A cross of two archetypes: each length in between, height and mass by one share.

    Apart from size every field goes its own way, so that limbs, trunk and coat meet in builds
    that no archetype has.
    """
    size_share = rng.random()
    mixed: dict[str, float] = {}
    for field in fields(Morphology):
        if field.name == "archetype":
            continue
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in _SIZE_FIELDS:
            mixed[field.name] = float(a ** (1 - size_share) * b**size_share)
        else:
            mixed[field.name] = a + (b - a) * float(rng.random())
    return replace(one, archetype=CROSS, **mixed)


def _m(archetype: str, withers_m: float, mass_kg: float, **rest: float) -> Morphology:
    return replace(
        Morphology(),
        archetype=archetype,
        withers_m=withers_m,
        mass_kg=mass_kg,
        **rest,
    )


ARCHETYPES: dict[str, tuple[Morphology, ...]] = {
    "train": (
        _m("retriever", 0.58, 31, tail_deg=5, tail_curl_deg=20),
        _m("shepherd", 0.62, 34, trunk=0.8, angulation=1.15, croup_drop=0.03, tail_deg=-55,
           tail_curl_deg=45, tail_thickness=1.5, neck_deg=40, coat_bulk=0.012),
        _m("husky", 0.56, 24, tail_deg=50, tail_curl_deg=150, tail_thickness=1.7,
           coat_bulk=0.02),
        _m("terrier", 0.33, 7.5, head_scale=0.31, tail_length=0.36, tail_deg=60,
           tail_curl_deg=10, neck_deg=52),
        _m("wire_terrier", 0.39, 8.5, head_scale=0.32, tail_length=0.32, tail_deg=70,
           tail_curl_deg=0, neck_deg=58, leg_thickness=1.2, coat_bulk=0.012, trunk=0.68),
        _m("pug", 0.30, 8.0, head_scale=0.36, elbow_height=0.46, girth=1.08, chest_width=1.25,
           tuck=0.25, tail_length=0.38, tail_deg=60, tail_curl_deg=300, neck_length=0.22,
           neck_thickness=1.2, trunk=0.72),
        _m("bulldog", 0.38, 24, head_scale=0.43, elbow_height=0.42, girth=1.1, chest_width=1.6,
           tuck=0.45, leg_thickness=1.55, tail_length=0.12, tail_deg=-30, neck_length=0.2,
           neck_thickness=1.5, neck_deg=30, trunk=0.76, thigh=1.15),
        _m("chihuahua", 0.20, 2.4, head_scale=0.4, neck_deg=58, leg_thickness=0.85, tail_deg=55,
           tail_curl_deg=70, tail_length=0.48, chest_width=1.1),
        _m("spaniel", 0.40, 13.5, head_scale=0.31, trunk=0.78, tail_length=0.4, tail_deg=10,
           leg_thickness=1.15, coat_bulk=0.012, neck_deg=48),
        _m("hound", 0.50, 24, head_scale=0.32, trunk=0.84, elbow_height=0.47, tail_deg=40,
           tail_curl_deg=30, neck_deg=36, leg_thickness=1.15),
        _m("collie", 0.56, 24, coat_bulk=0.03, tail_deg=-45, tail_curl_deg=55,
           tail_thickness=1.8, neck_deg=46, head_scale=0.28, trunk=0.8),
        _m("sighthound", 0.70, 29, elbow_height=0.56, girth=1.02, chest_width=0.85, tuck=1.0,
           leg_thickness=0.8, neck_length=0.38, neck_deg=50, neck_thickness=0.8,
           head_scale=0.24, tail_length=0.62, tail_deg=-60, tail_curl_deg=80,
           tail_thickness=0.7, angulation=1.15),
        _m("pinscher", 0.64, 36, neck_deg=58, tuck=0.75, neck_length=0.33, tail_deg=30,
           head_scale=0.25, tail_length=0.45, tail_thickness=0.8),
        _m("dachshund", 0.24, 8.5, elbow_height=0.34, trunk=1.25, head_scale=0.43,
           leg_thickness=1.35, girth=0.92, tail_length=0.7, tail_deg=5, tail_curl_deg=10,
           neck_deg=42, neck_length=0.36, tuck=0.35),
        _m("poodle", 0.45, 16, neck_deg=62, coat_bulk=0.02, leg_thickness=1.35,
           tail_length=0.35, tail_deg=60, tail_thickness=1.4, head_scale=0.29, trunk=0.7),
        _m("bichon", 0.28, 5.5, coat_bulk=0.035, leg_thickness=1.6, head_scale=0.37,
           tail_deg=60, tail_curl_deg=190, tail_thickness=1.9, tail_length=0.42, trunk=0.74,
           elbow_height=0.48, neck_deg=52),
        _m("spitz", 0.24, 3.2, coat_bulk=0.05, head_scale=0.37, tail_deg=65, tail_curl_deg=170,
           tail_thickness=2.2, tail_length=0.42, neck_deg=55, trunk=0.68, leg_thickness=1.15),
        _m("mastiff", 0.74, 70, head_scale=0.31, girth=1.06, chest_width=1.25,
           leg_thickness=1.4, tuck=0.4, neck_thickness=1.25, neck_deg=36, tail_deg=-50,
           tail_curl_deg=50),
        _m("jindo", 0.50, 19, tail_deg=60, tail_curl_deg=170, tail_thickness=1.4, neck_deg=50,
           tuck=0.65),
    ),
    "val": (
        _m("beagle", 0.38, 12, head_scale=0.32, tail_deg=65, tail_curl_deg=20, tail_length=0.46,
           trunk=0.76),
        _m("corgi", 0.28, 12, elbow_height=0.38, trunk=1.05, head_scale=0.43, leg_thickness=1.4,
           coat_bulk=0.018, tail_length=0.14, tail_deg=0, neck_deg=48),
        _m("boxer", 0.60, 31, head_scale=0.29, chest_width=1.12, tuck=0.75, neck_deg=54,
           tail_length=0.3, tail_deg=50, trunk=0.7, thigh=1.1),
        _m("papillon", 0.26, 4.0, head_scale=0.34, coat_bulk=0.02, tail_deg=60,
           tail_curl_deg=140, tail_thickness=1.6, leg_thickness=0.95, neck_deg=54),
    ),
    "test": (
        _m("vizsla", 0.60, 25, tuck=0.8, tail_deg=15, tail_curl_deg=10, tail_length=0.44,
           head_scale=0.26, neck_deg=48, leg_thickness=0.95),
        _m("shiba", 0.39, 10, head_scale=0.32, tail_deg=60, tail_curl_deg=210,
           tail_thickness=1.5, neck_deg=52, coat_bulk=0.012),
        _m("schnauzer", 0.35, 8.0, head_scale=0.35, leg_thickness=1.45, tail_length=0.22,
           tail_deg=65, neck_deg=56, coat_bulk=0.014, trunk=0.7),
        _m("french_bulldog", 0.30, 11.5, head_scale=0.41, elbow_height=0.44, girth=1.06,
           chest_width=1.45, tuck=0.5, leg_thickness=1.35, tail_length=0.1, tail_deg=-20,
           neck_length=0.22, neck_thickness=1.4, neck_deg=42, trunk=0.7, thigh=1.1),
    ),
}  # fmt: skip
"""Breed-like builds of each split, named like the heads of `head_shape.ARCHETYPES`."""
