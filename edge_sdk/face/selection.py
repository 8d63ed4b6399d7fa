"""Which faces of a clip are kept: the best few as patches, and the one best frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.face.result import FaceBox
from edge_sdk.face.scoring import FrameScore, score_frame
from edge_sdk.media.frames import Frame, Image

PATCH_MARGIN: Final = 0.6
"""A kept patch reaches this share of the face's longer side beyond it, enough for any crop."""
CROP_MARGIN: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A face that was kept: its frame's number and time, scores, and a patch around it."""

    index: int
    timestamp_ms: float
    face: FaceBox
    score: FrameScore
    patch: Image
    patch_box: NDArray[np.float64]

    @property
    def frame_id(self) -> str:
        """The frame's name in the product's JSON: its number among the frames looked at."""
        return f"frame_{self.index:03d}"


@dataclass(frozen=True, slots=True, eq=False)
class FoundFaces:
    """All that later steps need of a clip that was searched for faces; the clip can go.

    Means and medians are over the frames with a face (0 where there is none). `best` and its
    whole `frame` are None when no face was large enough; `seen` are the faces kept.
    """

    sampled: int
    with_face: int
    first_ms: float
    last_ms: float
    mean_confidence: float
    median_area_share: float
    seen: tuple[Seen, ...]
    best: Seen | None
    frame: Image | None
    duration_ms: float
    by_key_frames: bool


class BestFaces:
    """Collects the faces of a clip frame by frame; keeps patches, and one whole frame."""

    def __init__(self, keep: int, min_area_share: float) -> None:
        """Keep the `keep` best faces of at least `min_area_share` of their frame."""
        self.sampled = 0
        self.with_face = 0
        self.first_ms = 0.0
        self.last_ms = 0.0
        self.seen: list[Seen] = []
        self._keep = keep
        self._min_area_share = min_area_share
        self._confidences: list[float] = []
        self._areas: list[float] = []
        self._frame: Image | None = None
        self._best: Seen | None = None

    def add(self, frame: Frame, face: tuple[FaceBox, NDArray[np.floating]] | None) -> None:
        """Take the next frame and the face in it, if there is one."""
        if not self.sampled:
            self.first_ms = frame.timestamp_ms
        self.last_ms = frame.timestamp_ms
        self.sampled += 1
        if face is None:
            return
        self.with_face += 1
        found, box = face
        self._confidences.append(found.confidence)
        self._areas.append(found.area_share)
        if found.area_share < self._min_area_share:
            return
        patch, patch_box = _patch(frame.image, box)
        score = score_frame(frame.image, box, found.confidence)
        seen = Seen(self.sampled, frame.timestamp_ms, found, score, patch, patch_box)
        if self._best is None or score.total > self._best.score.total:
            self._best, self._frame = seen, frame.image
        self.seen.append(seen)
        if len(self.seen) > self._keep:
            self.seen.remove(min(self.seen, key=lambda one: one.score.total))

    def found(self, duration_ms: float, by_key_frames: bool) -> FoundFaces:
        """What was collected, with the clip's length (0: unknown) and how it was sampled."""
        return FoundFaces(
            sampled=self.sampled,
            with_face=self.with_face,
            first_ms=self.first_ms,
            last_ms=self.last_ms,
            mean_confidence=float(np.mean(self._confidences)) if self._confidences else 0.0,
            median_area_share=float(np.median(self._areas)) if self._areas else 0.0,
            seen=tuple(self.seen),
            best=self._best,
            frame=self._frame,
            duration_ms=duration_ms or self.last_ms - self.first_ms,
            by_key_frames=by_key_frames,
        )


def crop_of(seen: Seen) -> Image:
    """The face with a small margin, as an owner would cut it out."""
    return _cut(seen.patch, seen.patch_box, CROP_MARGIN)[0]


def _patch(image: Image, box: NDArray[np.floating]) -> tuple[Image, NDArray[np.float64]]:
    patch, offset = _cut(image, box, PATCH_MARGIN)
    return patch, np.asarray(box, np.float64) - np.tile(offset, 2)


def _cut(
    image: Image, box: NDArray[np.floating], margin: float
) -> tuple[Image, NDArray[np.float64]]:
    """The part of an image around a box (copied, so that the frame can go), and its corner."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (float(value) for value in box)
    more = margin * max(x1 - x0, y1 - y0)
    left, top = max(0, int(x0 - more)), max(0, int(y0 - more))
    right = min(width, int(np.ceil(x1 + more)))
    bottom = min(height, int(np.ceil(y1 + more)))
    return image[top:bottom, left:right].copy(), np.array([left, top], np.float64)
