"""How good a detector is: average precision as COCO counts it, false alarms, heading error."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_sdk.vision.detect import iou_matrix

Floats = NDArray[np.floating]

#: COCO's ten IoU thresholds and 101 recall levels (Lin et al. 2014).
COCO_IOUS = tuple(float(v) for v in np.linspace(0.5, 0.95, 10).round(2))
_RECALL_LEVELS = np.linspace(0, 1, 101)


def _none_hidden() -> NDArray[np.bool_]:
    return np.zeros(0, np.bool_)


@dataclass(frozen=True)
class ImageDetections:
    """What was found in an image and what is there, boxes (M, 4) xyxy px of the image.

    `headings_rad` of the found boxes and `true_headings_rad` of the true ones may be empty.
    `hidden` (M,): true boxes of which too little is in sight to ask for them; empty for none.
    """

    boxes: Floats
    scores: Floats
    true_boxes: Floats
    headings_rad: Floats
    true_headings_rad: Floats
    hidden: NDArray[np.bool_] = field(default_factory=_none_hidden)

    def without_hidden(self) -> "ImageDetections":
        """The same without the `hidden` boxes and what fits them and nothing else."""
        return self._without(self.hidden) if self.hidden.any() else self

    def without_covered(self) -> "ImageDetections":
        """The same without true boxes that lie by more than half in another true box.

        A dog behind a dog cannot be told from a part of it: such boxes are set aside, and so are
        the detections that fit them and nothing else (PASCAL VOC's "difficult" objects).
        """
        covered = _covered(np.asarray(self.true_boxes, np.float32).reshape(-1, 4))
        return self._without(covered) if covered.any() else self

    def _without(self, aside: NDArray[np.bool_]) -> "ImageDetections":
        true = np.asarray(self.true_boxes, np.float32).reshape(-1, 4)
        boxes = np.asarray(self.boxes, np.float32).reshape(-1, 4)
        fit = iou_matrix(boxes, true) >= 0.5
        kept = ~fit.any(axis=1) | fit[:, ~aside].any(axis=1)
        headings, known = np.asarray(self.headings_rad), np.asarray(self.true_headings_rad)
        return ImageDetections(
            boxes[kept],
            np.asarray(self.scores)[kept],
            true[~aside],
            headings[kept] if len(headings) else headings,
            known[~aside] if len(known) else known,
            self.hidden[~aside] if len(self.hidden) else self.hidden,
        )


def _covered(boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(M,) whether more than half of a box lies in one larger box of the set."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    inside = (shared > 0.5 * area[:, None]) & (area[None] > area[:, None])
    return np.asarray(inside.any(axis=1))


@dataclass(frozen=True)
class DetectionReport:
    """The numbers of a detector.

    `map50`, `map50_95` and all else without boxes that are `hidden`; `map50_all` with them,
    `map50_uncovered` also without dogs behind dogs (`ImageDetections.without_covered`); at
    `threshold`: recall and precision at IoU .5 and found boxes per image without an object; median
    and 90th percentile of the heading error (NaN without headings), and how often both say the
    same side where |cos| > 0.5; `best_threshold` is where F1 is greatest.
    """

    images: int
    objects: int
    map50: float
    map50_95: float
    map50_all: float
    map50_uncovered: float
    threshold: float
    recall: float
    precision: float
    negatives: int
    false_alarms_per_negative: float
    heading_error_p50_deg: float
    heading_error_p90_deg: float
    faces_right_agreement: float
    best_threshold: float


def _matched(image: ImageDetections, iou: float) -> tuple[Floats, NDArray[np.intp]]:
    """Scores in falling order and for each the true box that it takes, -1 for none."""
    order = np.argsort(-np.asarray(image.scores), kind="stable")
    boxes = np.asarray(image.boxes, np.float32).reshape(-1, 4)[order]
    overlaps = iou_matrix(boxes, np.asarray(image.true_boxes, np.float32).reshape(-1, 4))
    taken = np.full(len(order), -1, np.intp)
    free = np.ones(len(image.true_boxes), bool)
    for k, row in enumerate(overlaps):
        candidates = np.where(free, row, -1.0)
        if len(candidates) and candidates.max() >= iou:
            taken[k] = int(candidates.argmax())
            free[taken[k]] = False
    return np.asarray(image.scores)[order], taken


def average_precision(images: Sequence[ImageDetections], iou: float) -> float:
    """Area under the precision-recall curve at one IoU threshold, 101 recall levels; 0..1.

    NaN when no image holds an object.
    """
    objects = sum(len(image.true_boxes) for image in images)
    if objects == 0:
        return float("nan")
    matches = [_matched(image, iou) for image in images]
    scores = np.concatenate([m[0] for m in matches])
    right = np.concatenate([m[1] for m in matches]) >= 0
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    recall = hits / objects
    precision = hits / np.arange(1, len(hits) + 1)
    # The curve only falls: each precision is the best at this recall or a higher one.
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, _RECALL_LEVELS - 1e-12)
    return float(np.mean(np.append(precision, 0.0)[np.minimum(at, len(precision))]))


def _best_threshold(images: Sequence[ImageDetections]) -> float:
    """The score threshold with the greatest F1 at IoU .5, on a grid of hundredths."""
    objects = sum(len(image.true_boxes) for image in images)
    matches = [_matched(image, 0.5) for image in images]
    scores = np.concatenate([m[0] for m in matches])
    right = np.concatenate([m[1] for m in matches]) >= 0
    grid = np.arange(0.05, 0.96, 0.01)
    f1 = [2 * right[scores >= t].sum() / max(1, (scores >= t).sum() + objects) for t in grid]
    best = np.flatnonzero(np.isclose(f1, max(f1), atol=1e-4))
    # The middle of the plateau is the safest choice on other pictures.
    return float(round(grid[best[len(best) // 2]], 2))


def angle_gap_deg(a_rad: Floats, b_rad: Floats) -> NDArray[np.float64]:
    """The smaller angle between two directions, degrees 0..180."""
    gap = np.asarray(a_rad, np.float64) - np.asarray(b_rad, np.float64)
    degrees: NDArray[np.float64] = np.degrees(np.abs(np.arctan2(np.sin(gap), np.cos(gap))))
    return degrees


def report(images: Sequence[ImageDetections], threshold: float) -> DetectionReport:
    """All numbers of a detector over a set; `threshold` is the score from which a box counts."""
    hits = false_alarms = found = 0
    empty = [len(image.true_boxes) == 0 for image in images]
    everything, images = images, [image.without_hidden() for image in images]
    errors: list[NDArray[np.float64]] = []
    agreements: list[NDArray[np.bool_]] = []
    for image, without_object in zip(images, empty, strict=True):
        scores, taken = _matched(image, 0.5)
        counted = scores >= threshold
        found += int(counted.sum())
        hits += int((taken[counted] >= 0).sum())
        if without_object:
            false_alarms += int(counted.sum())
        if len(image.headings_rad) and len(image.true_headings_rad):
            order = np.argsort(-np.asarray(image.scores), kind="stable")
            kept = counted & (taken >= 0)
            mine = np.asarray(image.headings_rad)[order][kept]
            truth = np.asarray(image.true_headings_rad)[taken[kept]]
            known = ~np.isnan(truth)
            errors.append(angle_gap_deg(mine[known], truth[known]))
            side = known & (np.abs(np.cos(truth)) > 0.5)
            agreements.append((np.cos(mine[side]) >= 0) == (np.cos(truth[side]) >= 0))
    objects = sum(len(image.true_boxes) for image in images)
    negatives = sum(empty)
    error = np.concatenate(errors) if errors else np.zeros(0)
    agree = np.concatenate(agreements) if agreements else np.zeros(0, bool)
    precisions = [average_precision(images, iou) for iou in COCO_IOUS]
    return DetectionReport(
        images=len(images),
        objects=objects,
        map50=precisions[0],
        map50_95=float(np.mean(precisions)),
        map50_all=average_precision(everything, 0.5),
        map50_uncovered=average_precision([i.without_covered() for i in images], 0.5),
        threshold=threshold,
        recall=hits / objects if objects else float("nan"),
        precision=hits / found if found else float("nan"),
        negatives=negatives,
        false_alarms_per_negative=false_alarms / negatives if negatives else float("nan"),
        heading_error_p50_deg=float(np.median(error)) if len(error) else float("nan"),
        heading_error_p90_deg=float(np.percentile(error, 90)) if len(error) else float("nan"),
        faces_right_agreement=float(agree.mean()) if len(agree) else float("nan"),
        best_threshold=_best_threshold(images),
    )
