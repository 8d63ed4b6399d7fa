"""Left and right over whole walks: what pictures one by one cannot show."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_sdk.vision.keypoints import KEYPOINT_NAMES
from edge_sdk.vision.pose import PoseEstimator
from model_export.evaluate import pose

Floats = NDArray[np.floating]


class Clip(Protocol):
    """What is needed of a rendered walk: `model_export.synth.clips.WalkClip` has it."""

    @property
    def keypoints(self) -> Floats:
        """(T, 24, 3) x, y px and visibility."""
        ...

    @property
    def boxes(self) -> Floats:
        """(T, 4) xyxy px, NaN where the dog is out of sight."""
        ...

    @property
    def headings_rad(self) -> Floats:
        """(T,) 0 = faces image right."""
        ...

    def frames(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """(timestamp in ms, image) in order."""
        ...


@dataclass(frozen=True)
class ClipReport:
    """A clip's pose numbers; rates over the frames in which the paws are apart."""

    pck05: float
    pck10: float
    nme: float
    hind: pose.LegPairing
    fore: pose.LegPairing


@dataclass(frozen=True)
class ClipsReport:
    """Means over clips, and the worst clip of each rate."""

    clips: int
    pck05: float
    pck10: float
    nme: float
    hind_swap_rate: float
    hind_collapse_rate: float
    fore_swap_rate: float
    fore_collapse_rate: float
    worst_hind_swap_rate: float
    worst_hind_collapse_rate: float
    clips_within_3_percent: float


def poses_of_clip(
    estimator: PoseEstimator, clip: Clip, rng: np.random.Generator | None = None
) -> NDArray[np.float64]:
    """Keypoints (T, 24, 3) of every frame in the true boxes, NaN where there is none.

    `rng` shakes the boxes as a detector does (2 % of their sides).
    """
    boxes = np.array(clip.boxes, np.float64)
    if rng is not None:
        boxes += rng.normal(0, 0.02, boxes.shape) * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    headings = np.asarray(clip.headings_rad, np.float64)
    found = np.full((len(boxes), len(KEYPOINT_NAMES), 3), np.nan)
    for number, (_, image) in enumerate(clip.frames()):
        if not np.isnan(boxes[number, 0]):
            here = slice(number, number + 1)
            found[number] = estimator.estimate(image, boxes[here], headings[here])[0]
    return found


def report_of_clip(predicted: Floats, clip: Clip) -> ClipReport:
    """The numbers of one clip, over the frames in which the dog is in sight."""
    shown = ~np.isnan(np.asarray(clip.boxes)[:, 0])
    mine, truth, boxes = (np.asarray(v)[shown] for v in (predicted, clip.keypoints, clip.boxes))
    numbers = pose.report(mine, truth, boxes)
    return ClipReport(
        numbers.pck05,
        numbers.pck10,
        numbers.nme,
        pose.leg_pairing(mine, truth, boxes),
        pose.leg_pairing(mine, truth, boxes, pose.FORE_PAWS),
    )


def summary(reports: Sequence[ClipReport]) -> ClipsReport:
    """Means over the clips; a clip whose paws are never apart counts in no rate."""
    hind = [r.hind for r in reports if r.hind.frames]
    fore = [r.fore for r in reports if r.fore.frames]
    good = [p.swap_rate <= 0.03 and p.collapse_rate <= 0.03 for p in hind]
    return ClipsReport(
        clips=len(reports),
        pck05=_mean(r.pck05 for r in reports),
        pck10=_mean(r.pck10 for r in reports),
        nme=_mean(r.nme for r in reports),
        hind_swap_rate=_mean(p.swap_rate for p in hind),
        hind_collapse_rate=_mean(p.collapse_rate for p in hind),
        fore_swap_rate=_mean(p.swap_rate for p in fore),
        fore_collapse_rate=_mean(p.collapse_rate for p in fore),
        worst_hind_swap_rate=max((p.swap_rate for p in hind), default=float("nan")),
        worst_hind_collapse_rate=max((p.collapse_rate for p in hind), default=float("nan")),
        clips_within_3_percent=_mean(float(g) for g in good),
    )


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return float(np.mean(listed)) if listed else float("nan")
