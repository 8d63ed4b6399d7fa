"""What each of the 24 keypoints is on a dog: said once, here.

The dog-pose names follow human limbs. In the front leg "knee" is the carpus (wrist) and "elbow" the
elbow. In the rear leg "knee" is the **hock** (tarsus) and "elbow" lies near the **stifle**, the
dog's real knee. There is no hip point: the hip is placed from the tail base and the trunk's line.
Results keep the product's names (`knee_mobility`); the measures are named after the anatomy.
"""

from __future__ import annotations

from typing import Final, Literal

from edge_sdk.vision.keypoints import FLIP_INDEX, KEYPOINT_NAMES

LimbName = Literal["FL", "RL", "FR", "RR"]

LIMBS: Final[tuple[LimbName, ...]] = ("FL", "RL", "FR", "RR")
"""Front left, rear left, front right, rear right: the order of every per-limb array."""

MIRRORED_LIMB: Final[tuple[int, ...]] = (2, 3, 0, 1)
"""The limb that each limb becomes in a mirror."""

HIND: Final[tuple[int, int]] = (1, 3)
"""Left and right hind limb."""

FORE: Final[tuple[int, int]] = (0, 2)
"""Left and right front limb."""


def _points(joint: str) -> tuple[int, ...]:
    legs = ("front_left", "rear_left", "front_right", "rear_right")
    return tuple(KEYPOINT_NAMES.index(f"{leg}_{joint}") for leg in legs)


PAWS: Final[tuple[int, ...]] = _points("paw")
"""Toes of each limb."""

MIDDLES: Final[tuple[int, ...]] = _points("knee")
"""Carpus of the front, hock of the rear limbs."""

TOPS: Final[tuple[int, ...]] = _points("elbow")
"""Elbow of the front limbs, near the stifle in the rear ones."""

WITHERS: Final[int] = KEYPOINT_NAMES.index("withers")
THROAT: Final[int] = KEYPOINT_NAMES.index("throat")
TAIL_BASE: Final[int] = KEYPOINT_NAMES.index("tail_start")

RIGID_PAIRS: Final[tuple[tuple[int, int], ...]] = tuple(
    (KEYPOINT_NAMES.index(one), KEYPOINT_NAMES.index(other))
    for one, other in (
        ("nose", "chin"),
        ("left_eye", "right_eye"),
    )
)
"""Points of the skull, which do not move against each other."""

KEYPOINTS: Final[int] = len(KEYPOINT_NAMES)
MIRRORED_KEYPOINT: Final[tuple[int, ...]] = FLIP_INDEX

# The hip joint, seen from the tail base, in trunk lengths (withers to tail base): forwards along
# the trunk and down. Our own choice, by eye on side views of skeletons and on generated dogs.
HIP_FORWARD: Final = 0.15
HIP_DOWN: Final = 0.205

# Distance between left and right paws of one girdle, in trunk lengths; sets how a turned dog's
# offset between its sides becomes an angle. Our own choice, from generated dogs.
STANCE_WIDTH: Final = 0.27
