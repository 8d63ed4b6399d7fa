"""Following one dog through a clip: nearest box, gate on jumps, crossings, heading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_sdk.vision.detections import Detections

Box = NDArray[np.float64]

DOG_CLASSES: Final = ("dog", "dog_body", "body")
"""Classes of a detector that are whole dogs, when it knows others too."""


class TrackPolicy(msgspec.Struct, frozen=True):
    """Gates of the follower, in sizes of the dog (square root of its box's area).

    The dog may move `jump_sizes` at once plus `speed_sizes` a second from where it was headed,
    and its box may change by `size_ratio`. A second box disturbs when it overlaps by
    `crossing_iou`, or is inside the gate and almost as near, with `rival_score` of the dog's own
    score; and when it comes within `beside_sizes`, with `beside_score` of the dog's own score, and
    is then gone, for `merged_ms`: two dogs in one box. Clutter that a detector takes for a dog now
    and then comes and goes too, but is less sure. Boxes of which `nested_share` lies within the
    other are the same dog. After `lost_ms` without the dog it is searched anew.
    """

    jump_sizes: float = 0.35
    speed_sizes: float = 2.5
    size_ratio: float = 1.8
    crossing_iou: float = 0.12
    nested_share: float = 0.65
    rival_score: float = 0.6
    beside_sizes: float = 1.6
    beside_score: float = 0.8
    merged_ms: float = 800.0
    lost_ms: float = 1_000.0
    heading_time_constant_s: float = 0.2
    side_margin: float = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """The dog at one time: box xyxy px, score, heading rad (contract: 0 faces right), crossing."""

    timestamp_ms: float
    box_xyxy_px: Box
    score: float
    heading_rad: float
    crossing: bool = False


class TrackSummary(msgspec.Struct, frozen=True):
    """How well the dog was followed; shares are of the detector's calls."""

    observed: int
    found: int
    found_share: float
    longest_gap_ms: float
    jumps: int
    crossing_share: float
    crossing_ms: float


class HeadingFilter:
    """Smooths headings as unit vectors and changes the side only beyond a margin.

    Poses are estimated on a crop that faces right; a dog seen from the front would otherwise be
    turned around from frame to frame. Mirrored headings give mirrored answers.
    """

    def __init__(self, time_constant_s: float, side_margin: float) -> None:
        """Follow with a time constant; change sides when |cos| is past `side_margin`."""
        self._time_constant_s = time_constant_s
        self._side_margin = side_margin
        self._cos_sin: tuple[float, float] | None = None
        self._side = 0.0
        self._last_ms = 0.0

    def __call__(self, heading_rad: float, timestamp_ms: float) -> float:
        """Heading with the side decided: its cosine has the sign of the side."""
        if math.isnan(heading_rad):
            heading_rad = 0.0 if self._cos_sin is None else math.atan2(*self._cos_sin[::-1])
        cos, sin = math.cos(heading_rad), math.sin(heading_rad)
        if self._cos_sin is None:
            self._cos_sin = (cos, sin)
            self._side = 1.0 if cos >= 0 else -1.0
        else:
            step_s = (timestamp_ms - self._last_ms) / 1000.0
            part = -math.expm1(-step_s / self._time_constant_s)
            old_cos, old_sin = self._cos_sin
            self._cos_sin = (old_cos + part * (cos - old_cos), old_sin + part * (sin - old_sin))
        self._last_ms = timestamp_ms
        cos, sin = self._cos_sin
        if self._side * cos < -self._side_margin * math.hypot(cos, sin):
            self._side = -self._side
        if self._side * cos <= 0:
            # Still on the old side of the margin: as near to the front as that side allows.
            return math.copysign(math.pi / 2, sin) - self._side * math.copysign(_SLIVER, sin)
        return math.atan2(sin, cos)


_SLIVER: Final = 1e-6
_CONFIRMED: Final = 3
_FORGIVEN: Final = 2


class DogFollower:
    """Chooses, call by call, the box that is still the same dog. Not thread-safe."""

    def __init__(
        self, policy: TrackPolicy | None = None, class_ids: frozenset[int] | None = None
    ) -> None:
        """Follow boxes of `class_ids` (None: all)."""
        self._policy = policy or TrackPolicy()
        self._class_ids = class_ids
        self._heading = self._new_heading()
        self._last: Tracked | None = None
        self._velocity = np.zeros(2)
        self._hits = self._misses = 0
        self._observed = self._found = self._jumps = 0
        self._crossings = 0
        self._crossing_ms = 0.0
        self._beside_ms: float | None = None
        self._times: list[float] = []
        self._first_ms = self._latest_ms = 0.0

    def observe(self, timestamp_ms: float, detections: Detections) -> Tracked | None:
        """Take the detections of a frame; None where the dog is not among them."""
        if not self._observed:
            self._first_ms = timestamp_ms
        step_ms = timestamp_ms - self._latest_ms if self._observed else 0.0
        self._latest_ms = timestamp_ms
        self._observed += 1
        rows = self._rows(detections)
        if self._last is not None and self._gone(timestamp_ms):
            self._restart()
        row = self._first(rows, detections) if self._last is None else None
        if row is None and self._last is not None:
            row = self._nearest(timestamp_ms, rows, detections)
        if row is None:
            self._misses += 1
            self._jumps += bool(len(rows)) and self._last is not None
            return None
        return self._accept(timestamp_ms, step_ms, row, rows, detections)

    def summary(self) -> TrackSummary:
        """What was seen until now."""
        edges = [self._first_ms, *self._times, self._latest_ms]
        return TrackSummary(
            observed=self._observed,
            found=self._found,
            found_share=self._found / self._observed if self._observed else 0.0,
            longest_gap_ms=float(np.max(np.diff(edges))) if self._times else math.inf,
            jumps=self._jumps,
            crossing_share=self._crossings / self._found if self._found else 0.0,
            crossing_ms=self._crossing_ms,
        )

    def _rows(self, detections: Detections) -> NDArray[np.intp]:
        rows = np.arange(len(detections.scores))
        if self._class_ids is None:
            return rows
        return rows[np.isin(detections.class_ids, list(self._class_ids))]

    def _gone(self, timestamp_ms: float) -> bool:
        assert self._last is not None
        if self._hits < _CONFIRMED and self._misses >= _FORGIVEN:
            return True
        return timestamp_ms - self._last.timestamp_ms > self._policy.lost_ms

    def _restart(self) -> None:
        self._last = None
        self._velocity = np.zeros(2)
        self._hits = self._misses = 0
        self._heading = self._new_heading()

    def _new_heading(self) -> HeadingFilter:
        return HeadingFilter(self._policy.heading_time_constant_s, self._policy.side_margin)

    def _first(self, rows: NDArray[np.intp], detections: Detections) -> int | None:
        """The largest and surest dog, when none is followed yet."""
        if not len(rows):
            return None
        sizes = np.sqrt(_areas(detections.boxes_xyxy_px[rows]))
        return int(rows[np.argmax(sizes * detections.scores[rows])])

    def _nearest(
        self, timestamp_ms: float, rows: NDArray[np.intp], detections: Detections
    ) -> int | None:
        if not len(rows):
            return None
        cost, inside = self._costs(timestamp_ms, detections.boxes_xyxy_px[rows])
        cost = np.where(inside, cost, np.inf)
        best = int(np.argmin(cost))
        return int(rows[best]) if np.isfinite(cost[best]) else None

    def _costs(
        self, timestamp_ms: float, boxes: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Distance of boxes from where the dog should be, in its sizes; which pass the gate."""
        assert self._last is not None
        policy, last = self._policy, self._last
        step_s = (timestamp_ms - last.timestamp_ms) / 1000.0
        size = math.sqrt(float(_areas(last.box_xyxy_px[None])[0]))
        expected = _centres(last.box_xyxy_px[None])[0] + self._velocity * step_s
        away = np.hypot(*(_centres(boxes) - expected).T) / size
        change = np.abs(np.log(np.sqrt(_areas(boxes)) / size))
        inside = (away <= policy.jump_sizes + policy.speed_sizes * step_s) & (
            change <= math.log(policy.size_ratio)
        )
        return away + change, inside

    def _accept(
        self,
        timestamp_ms: float,
        step_ms: float,
        row: int,
        rows: NDArray[np.intp],
        detections: Detections,
    ) -> Tracked:
        box = np.asarray(detections.boxes_xyxy_px[row], np.float64)
        crossing = self._rivalled(timestamp_ms, row, rows, detections)
        if self._last is not None:
            step_s = (timestamp_ms - self._last.timestamp_ms) / 1000.0
            moved = (_centres(box[None])[0] - _centres(self._last.box_xyxy_px[None])[0]) / step_s
            self._velocity = 0.5 * (self._velocity + moved)
        tracked = Tracked(
            timestamp_ms,
            box,
            float(detections.scores[row]),
            self._heading(float(detections.headings_rad[row]), timestamp_ms),
            crossing,
        )
        self._last = tracked
        self._hits += 1
        self._misses = 0
        self._found += 1
        self._crossings += crossing
        self._crossing_ms += step_ms if crossing else 0.0
        self._times.append(timestamp_ms)
        return tracked

    def _rivalled(
        self, timestamp_ms: float, row: int, rows: NDArray[np.intp], detections: Detections
    ) -> bool:
        """Whether another box could be the same dog, so that the choice is a guess."""
        policy = self._policy
        own_box = detections.boxes_xyxy_px[row]
        others = rows[rows != row]
        shares = detections.scores[others] / detections.scores[row]
        # Detectors give parts of a dog boxes of their own: a box within the dog's is another dog
        # only if one was seen beside it just before.
        rivals = (shares >= policy.rival_score) & (
            nested(own_box, detections.boxes_xyxy_px[others]) < policy.nested_share
        )
        apart = detections.boxes_xyxy_px[others[rivals]]
        size = math.sqrt(float(_areas(own_box[None])[0]))
        away = np.hypot(*(_centres(apart) - _centres(own_box[None])).T) / size
        sure = shares[rivals] >= policy.beside_score
        if bool(np.any(sure & (away <= policy.beside_sizes))):
            self._beside_ms = timestamp_ms
        elif len(apart):
            self._beside_ms = None
        if not len(apart):
            beside = self._beside_ms
            return beside is not None and timestamp_ms - beside <= policy.merged_ms
        if bool(np.any(overlap(own_box, apart) >= policy.crossing_iou)):
            return True
        if self._last is None:
            return False
        own, _ = self._costs(timestamp_ms, own_box[None])
        costs, inside = self._costs(timestamp_ms, apart)
        return bool(np.any(inside & (costs <= 2 * own[0] + 0.05)))


def dog_classes(classes: Sequence[str]) -> frozenset[int] | None:
    """Ids of a detector's classes that are whole dogs; None (all) when none is named so."""
    return frozenset(at for at, name in enumerate(classes) if name in DOG_CLASSES) or None


def between(before: Tracked, after: Tracked, timestamp_ms: float) -> Tracked:
    """The dog at a time between two observations: box and heading on the straight way."""
    whole = after.timestamp_ms - before.timestamp_ms
    part = (timestamp_ms - before.timestamp_ms) / whole if whole > 0 else 1.0
    turn = math.remainder(after.heading_rad - before.heading_rad, 2 * math.pi)
    return Tracked(
        timestamp_ms,
        before.box_xyxy_px + part * (after.box_xyxy_px - before.box_xyxy_px),
        min(before.score, after.score),
        math.remainder(before.heading_rad + part * turn, 2 * math.pi),
        before.crossing or after.crossing,
    )


def overlap(box: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of one box (4,) with boxes (N, 4)."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    inter = np.prod(np.clip(high - low, 0.0, None), axis=1)
    union = _areas(np.asarray(box)[None])[0] + _areas(others) - inter
    return np.asarray(inter / union, np.float64)


def nested(box: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of the smaller box (4,) or (N, 4) that lies within the other one."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    inter = np.prod(np.clip(high - low, 0.0, None), axis=1)
    return np.asarray(inter / np.minimum(_areas(np.asarray(box)[None])[0], _areas(others)))


def _areas(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 1e-6, None)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float64)


def _centres(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, np.float64)
