"""Differences between torch and a variant on the same cases, in the units of the final result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_sdk.vision.detect import iou_matrix
from edge_sdk.vision.detections import Detections
from model_export.parity.runs import CaseResult

#: Boxes that overlap this much are one object seen twice.
_SAME_OBJECT_IOU = 0.5

#: A peak is the cells up to this far from its top; another one is a rival when its logit is less
#: than this much lower.
_PEAK_CELLS = 2
_CLEAR_LOGITS = 0.05


@dataclass(frozen=True)
class Differences:
    """How far a variant is from torch.

    `raw_max`: greatest difference of the raw head; `raw_relative`: the same in parts of torch's
    value where that is above 1 (32 bits hold a logit of 40 no better than to 1e-5); `raw_share`:
    root mean square of the difference as a share of the spread of torch's head;
    `position_p95_px`: 95th percentile of box edges or keypoints in px of the net's input (NaN for
    a classifier); `positions`: how many were compared; `lost`: objects that only one of the two
    found clearly; `score_max`: greatest difference of a confidence or probability; `agreement`:
    share of cases with the same class (1 elsewhere); `dead`: names of cases with an all-zero,
    constant or not finite output.
    """

    raw_max: float
    raw_relative: float
    raw_share: float
    position_p95_px: float
    positions: int
    lost: int
    score_max: float
    agreement: float
    dead: tuple[str, ...]


def compare(
    names: Sequence[str],
    scales: Sequence[float],
    reference: Sequence[CaseResult],
    candidate: Sequence[CaseResult],
    thresholds: Mapping[str, float],
    score_tolerance: float,
) -> Differences:
    """Compare case by case; `scales` are px of the picture for one px of the net's input.

    An object counts as lost when one side has it `score_tolerance` or more above the threshold and
    the other has nothing that overlaps it.
    """
    raw_max, raw_relative, dead = 0.0, 0.0, []
    for name, torch_s, theirs in zip(names, reference, candidate, strict=True):
        if torch_s.raw.shape != theirs.raw.shape:
            raw_max = raw_relative = float("inf")
            dead.append(f"{name}: shape {theirs.raw.shape} instead of {torch_s.raw.shape}")
            continue
        gap = np.abs(torch_s.raw - theirs.raw)
        gap = np.where(np.isnan(gap), np.inf, gap)
        raw_max = max(raw_max, float(gap.max()))
        raw_relative = max(raw_relative, float((gap / np.maximum(1, np.abs(torch_s.raw))).max()))
        if is_dead(theirs.raw, torch_s.raw):
            dead.append(name)
    if any(":" in name for name in dead):
        return Differences(
            raw_max, raw_relative, float("inf"), float("inf"), 0, 0, float("inf"), 0.0, tuple(dead)
        )
    positions, scores = [np.zeros(0)], [np.zeros(0)]
    lost = 0
    if reference[0].detections is not None:
        gaps, changes, lost = _boxes(scales, reference, candidate, thresholds, score_tolerance)
        positions.append(gaps)
        scores.append(changes)
    if reference[0].keypoints is not None:
        gaps, changes = _keypoints(scales, reference, candidate, thresholds)
        positions.append(gaps)
        scores.append(changes)
    if reference[0].probabilities is not None:
        scores.append(_probabilities(reference, candidate))
    moved, changed = np.concatenate(positions), np.concatenate(scores)
    return Differences(
        raw_max=raw_max,
        raw_relative=raw_relative,
        raw_share=_raw_share(reference, candidate),
        position_p95_px=float(np.percentile(moved, 95)) if len(moved) else float("nan"),
        positions=len(moved),
        lost=lost,
        score_max=float(changed.max()) if len(changed) else float("nan"),
        agreement=_agreement(reference, candidate),
        dead=tuple(dead),
    )


def _raw_share(reference: Sequence[CaseResult], candidate: Sequence[CaseResult]) -> float:
    mine = np.concatenate([r.raw.reshape(-1) for r in reference]).astype(np.float64)
    theirs = np.concatenate([r.raw.reshape(-1) for r in candidate]).astype(np.float64)
    spread = float(mine.std())
    off = float(np.sqrt(np.mean((mine - theirs) ** 2)))
    if not np.isfinite(off):
        return float("inf")
    return off / spread if spread > 0 else (0.0 if off == 0 else float("inf"))


def is_dead(raw: NDArray[np.float32], reference: NDArray[np.float32]) -> bool:
    """Not finite, or one and the same number everywhere where torch's output is not."""
    if not np.isfinite(raw).all() or not raw.any():
        return True
    return bool(np.ptp(raw) == 0 and np.ptp(reference) > 0)


def usual_threshold(scores: NDArray[np.floating], threshold: float) -> float:
    """The threshold, or the upper quartile of the scores where hardly any reaches it.

    A net after one epoch is sure of nothing, yet its variants have to agree on its best guesses.
    """
    if len(scores) == 0:
        return threshold
    return float(min(threshold, np.percentile(scores, 75)))


def _boxes(
    scales: Sequence[float],
    reference: Sequence[CaseResult],
    candidate: Sequence[CaseResult],
    thresholds: Mapping[str, float],
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    best = [_found(r).scores.max() for r in reference if len(_found(r).scores)]
    threshold = usual_threshold(np.array(best), thresholds.get("score", 0.25))
    positions: list[NDArray[np.float64]] = []
    scores: list[NDArray[np.float64]] = []
    lost = 0
    for scale, torch_s, theirs in zip(scales, reference, candidate, strict=True):
        mine, other = _found(torch_s), _found(theirs)
        clear = mine.scores >= threshold
        partner = _partners(mine, other)
        sure = mine.scores >= threshold + tolerance
        lost += int((sure & (partner < 0)).sum())
        lost += int(((other.scores >= threshold + tolerance) & (_partners(other, mine) < 0)).sum())
        both = clear & (partner >= 0)
        gap = np.abs(mine.boxes_xyxy_px[both] - other.boxes_xyxy_px[partner[both]]) / scale
        positions.append(gap.reshape(-1).astype(np.float64))
        scores.append(np.abs(mine.scores[both] - other.scores[partner[both]]).astype(np.float64))
    return np.concatenate(positions), np.concatenate(scores), lost


def _found(result: CaseResult) -> Detections:
    assert result.detections is not None
    return result.detections


def _partners(a: Detections, b: Detections) -> NDArray[np.intp]:
    """For each detection of `a` the one of `b` of its class that overlaps it most, -1 for none."""
    if len(a.scores) == 0 or len(b.scores) == 0:
        return np.full(len(a.scores), -1, np.intp)
    overlaps = iou_matrix(a.boxes_xyxy_px, b.boxes_xyxy_px)
    overlaps = np.where(a.class_ids[:, None] == b.class_ids[None], overlaps, 0.0)
    best = overlaps.argmax(axis=1)
    return np.where(overlaps.max(axis=1) >= _SAME_OBJECT_IOU, best, -1)


def _keypoints(
    scales: Sequence[float],
    reference: Sequence[CaseResult],
    candidate: Sequence[CaseResult],
    thresholds: Mapping[str, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mine = np.array([r.keypoints for r in reference], np.float64)
    theirs = np.array([r.keypoints for r in candidate], np.float64)
    confidence = np.nan_to_num(mine[..., 2])
    clear = confidence >= usual_threshold(confidence.reshape(-1), thresholds.get("keypoint", 0.3))
    # The YOLO family gives no keypoints (NaN) where it sees no dog in the box.
    clear &= ~np.isnan(mine).any(axis=2)
    if reference[0].raw.ndim == 4:
        clear &= np.array([_stands_out(r.raw[0]) for r in reference])
    gap = np.abs(mine[..., :2] - theirs[..., :2]).max(axis=2) / np.asarray(scales)[:, None]
    gap = np.where(np.isnan(gap), np.inf, gap)
    scores = np.abs(mine[..., 2] - theirs[..., 2])
    return gap[clear], np.where(np.isnan(scores), np.inf, scores).reshape(-1)


def _stands_out(maps: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(K, h, w) logits -> (K,) whether a map has one peak, not two of the same height.

    Between equal peaks the last bit decides, in torch as well: such a place means nothing.
    """
    keypoints, height, width = maps.shape
    rows, columns = np.divmod(maps.reshape(keypoints, -1).argmax(axis=1), width)
    y, x = np.mgrid[:height, :width]
    near = (np.abs(y - rows[:, None, None]) <= _PEAK_CELLS) & (
        np.abs(x - columns[:, None, None]) <= _PEAK_CELLS
    )
    top = maps.reshape(keypoints, -1).max(axis=1)
    rest = np.where(near, -np.inf, maps).reshape(keypoints, -1).max(axis=1)
    clear: NDArray[np.bool_] = top - rest >= _CLEAR_LOGITS
    return clear


def _probabilities(
    reference: Sequence[CaseResult], candidate: Sequence[CaseResult]
) -> NDArray[np.float64]:
    mine = np.array([r.probabilities for r in reference], np.float64)
    theirs = np.array([r.probabilities for r in candidate], np.float64)
    gap = np.abs(mine - theirs)
    return np.where(np.isnan(gap), np.inf, gap).reshape(-1)


def _agreement(reference: Sequence[CaseResult], candidate: Sequence[CaseResult]) -> float:
    same = [
        np.argmax(a.probabilities) == np.argmax(b.probabilities)
        for a, b in zip(reference, candidate, strict=True)
        if a.probabilities is not None and b.probabilities is not None
    ]
    return float(np.mean(same)) if same else 1.0
