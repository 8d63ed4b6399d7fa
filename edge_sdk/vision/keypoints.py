"""The 24 keypoints of a dog: names, mirror index and bones, in the order of the dog-pose data set.

"Left" is the dog's own left. Order: https://docs.ultralytics.com/datasets/pose/dog-pose/, which is
that of StanfordExtra; that file has no mirror index, so it is derived from the names here.
"""

from __future__ import annotations

from typing import Final

KEYPOINT_NAMES: Final[tuple[str, ...]] = (
    "front_left_paw", "front_left_knee", "front_left_elbow",
    "rear_left_paw", "rear_left_knee", "rear_left_elbow",
    "front_right_paw", "front_right_knee", "front_right_elbow",
    "rear_right_paw", "rear_right_knee", "rear_right_elbow",
    "tail_start", "tail_end", "left_ear_base", "right_ear_base",
    "nose", "chin", "left_ear_tip", "right_ear_tip",
    "left_eye", "right_eye", "withers", "throat",
)  # fmt: skip


def _mirrored(name: str) -> str:
    swap = {"left": "right", "right": "left"}
    return "_".join(swap.get(part, part) for part in name.split("_"))


FLIP_INDEX: Final[tuple[int, ...]] = tuple(
    KEYPOINT_NAMES.index(_mirrored(name)) for name in KEYPOINT_NAMES
)
"""`FLIP_INDEX[k]` is the keypoint that k becomes in a mirror."""

LEFT_RIGHT_PAIRS: Final[tuple[tuple[int, int], ...]] = tuple(
    (at, FLIP_INDEX[at]) for at, name in enumerate(KEYPOINT_NAMES) if "left" in name.split("_")
)
"""Pairs (left, right)."""

SKELETON: Final[tuple[tuple[int, int], ...]] = (
    (0, 1), (1, 2), (2, 22), (6, 7), (7, 8), (8, 22),
    (3, 4), (4, 5), (5, 12), (9, 10), (10, 11), (11, 12),
    (22, 12), (12, 13), (22, 23), (23, 17), (17, 16),
    (16, 20), (16, 21), (20, 14), (21, 15), (14, 18), (15, 19),
)  # fmt: skip
"""Bones to draw, as pairs of indices."""
