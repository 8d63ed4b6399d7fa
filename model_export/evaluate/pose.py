"""How good a pose net is: error of the keypoints, and whether left and right stay apart.

PCK and mAP hide the one fault that ruins a gait: both legs of a pair on one spot (collapse), or
each on the other's (swap). They are counted here, frame by frame, where the truth has them apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_sdk.vision.keypoints import FLIP_INDEX, KEYPOINT_NAMES

Floats = NDArray[np.floating]

_INDEX = {name: k for k, name in enumerate(KEYPOINT_NAMES)}
HIND_PAWS = (_INDEX["rear_left_paw"], _INDEX["rear_right_paw"])
FORE_PAWS = (_INDEX["front_left_paw"], _INDEX["front_right_paw"])
_WITHERS, _TAIL_START = _INDEX["withers"], _INDEX["tail_start"]

#: A pair counts where the truth has it at least this far apart, as a share of the box's longer
#: side: nearer together, left and right cannot be told from the distance.
_APART = 0.10

#: Predicted closer together than this share of the true distance is a collapse.
_COLLAPSED_BELOW = 0.4


@dataclass(frozen=True)
class LegPairing:
    """How a pair of paws fared: rates over the `frames` in which the truth has it apart."""

    frames: int
    swap_rate: float
    collapse_rate: float


@dataclass(frozen=True)
class PoseReport:
    """Errors relative to the box's longer side over keypoints that are there (visibility >= 1).

    `pck05`, `pck10`: share within 5 and 10 % of all labelled keypoints, those behind the body or
    another thing too; `pck05_visible`, `pck10_visible` of those in sight, which is how people's
    data sets are labelled and the figures of others are meant; `nme`: mean error;
    `per_keypoint_pck05` by name, of all, `per_keypoint_pck05_visible` of those in sight.
    """

    images: int
    keypoints: int
    pck05: float
    pck10: float
    pck05_visible: float
    pck10_visible: float
    nme: float
    per_keypoint_pck05: dict[str, float]
    per_keypoint_pck05_visible: dict[str, float]


def longer_sides(boxes: Floats) -> NDArray[np.float64]:
    """(N, 4) xyxy -> (N,) the longer side of each box."""
    boxes = np.asarray(boxes, np.float64)
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).max(axis=1))


def relative_errors(predicted: Floats, truth: Floats, boxes: Floats) -> NDArray[np.float64]:
    """(N, 24) distance / longer side of the box; NaN where the truth is absent, inf where only
    the prediction is.
    """
    gap = np.linalg.norm(
        np.asarray(predicted, np.float64)[..., :2] - np.asarray(truth, np.float64)[..., :2], axis=2
    )
    gap = np.where(np.isnan(gap), np.inf, gap) / longer_sides(boxes)[:, None]
    return np.where(np.asarray(truth)[..., 2] > 0, gap, np.nan)


def report(predicted: Floats, truth: Floats, boxes: Floats) -> PoseReport:
    """All numbers over a set: keypoints (N, 24, 3) in px of their images, boxes (N, 4)."""
    errors = relative_errors(predicted, truth, boxes)
    there = ~np.isnan(errors)
    visible = np.asarray(truth)[..., 2] > 1
    within5, within10 = errors <= 0.05, errors <= 0.10
    finite = there & np.isfinite(errors)
    return PoseReport(
        images=len(errors),
        keypoints=int(there.sum()),
        pck05=float(within5[there].mean()),
        pck10=float(within10[there].mean()),
        pck05_visible=float(within5[there & visible].mean()),
        pck10_visible=float(within10[there & visible].mean()),
        nme=float(errors[finite].mean()),
        per_keypoint_pck05=_by_name(within5, there),
        per_keypoint_pck05_visible=_by_name(within5, there & visible),
    )


def _by_name(within: NDArray[np.bool_], counted: NDArray[np.bool_]) -> dict[str, float]:
    """The share of the counted keypoints (N, 24) that are within, by name; NaN for none."""
    return {
        name: float(within[:, k][counted[:, k]].mean()) if counted[:, k].any() else float("nan")
        for k, name in enumerate(KEYPOINT_NAMES)
    }


def leg_pairing(
    predicted: Floats, truth: Floats, boxes: Floats, pair: tuple[int, int] = HIND_PAWS
) -> LegPairing:
    """Swap and collapse rate of one clip, (T, 24, 3) both, boxes (T, 4).

    A frame is swapped when exchanging the two predictions brings them nearer to the truth; it is
    collapsed when they are closer together than 0.4 of the true distance. A missing prediction
    counts as collapsed: nothing can be measured from it.
    """
    mine = np.asarray(predicted, np.float64)[:, list(pair), :2]
    real = np.asarray(truth, np.float64)[:, list(pair), :2]
    present = (np.asarray(truth)[:, list(pair), 2] > 0).all(axis=1)
    distance = np.linalg.norm(real[:, 0] - real[:, 1], axis=1)
    counted = present & (distance >= _APART * longer_sides(boxes))
    frames = int(counted.sum())
    if frames == 0:
        return LegPairing(0, float("nan"), float("nan"))
    mine, real, distance = mine[counted], real[counted], distance[counted]
    missing = np.isnan(mine).any(axis=(1, 2))
    straight = np.linalg.norm(mine - real, axis=2).sum(axis=1)
    crossed = np.linalg.norm(mine[:, ::-1] - real, axis=2).sum(axis=1)
    gap = np.linalg.norm(mine[:, 0] - mine[:, 1], axis=1)
    with np.errstate(invalid="ignore"):
        collapsed = missing | (gap < _COLLAPSED_BELOW * distance)
        swapped = ~collapsed & (crossed < straight)
    return LegPairing(frames, float(swapped.mean()), float(collapsed.mean()))


def body_lengths(keypoints: Floats) -> NDArray[np.float64]:
    """(N, 24, 3) -> (N,) distance from the withers to the start of the tail in px."""
    points = np.asarray(keypoints, np.float64)
    return np.asarray(np.linalg.norm(points[:, _WITHERS, :2] - points[:, _TAIL_START, :2], axis=1))


def mirror_difference(
    straight: Floats, mirrored: Floats, widths_px: Floats | Sequence[int], lengths_px: Floats
) -> float:
    """Mean distance between keypoints and those of the mirrored images, as a share of the body.

    `straight` (N, 24, 3) predictions on the images, `mirrored` those on the images mirrored,
    `widths_px` (N,) of the images, `lengths_px` (N,) body lengths; a share (0.01 is 1 %).
    """
    back = np.asarray(mirrored, np.float64)[:, np.asarray(FLIP_INDEX)].copy()
    back[..., 0] = np.asarray(widths_px, np.float64)[:, None] - back[..., 0]
    gap = np.linalg.norm(back[..., :2] - np.asarray(straight, np.float64)[..., :2], axis=2)
    return float(np.nanmean(gap / np.asarray(lengths_px, np.float64)[:, None]))
