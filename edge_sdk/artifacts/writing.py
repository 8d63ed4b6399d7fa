"""Overlay and report of one analysis, written to a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from edge_sdk.artifacts.overlay import Painter, write_overlay
from edge_sdk.artifacts.report_image import representative_picture, write_report_image
from edge_sdk.media.frames import Clip, Frame
from edge_sdk.media.video import VideoFile

if TYPE_CHECKING:
    from edge_sdk.gait.results import GaitAnalysis

OVERLAY_NAME: Final = "overlay.mp4"
REPORT_NAME: Final = "report.png"


@dataclass(frozen=True, slots=True)
class ArtifactFiles:
    """What was written; `overlay` is None for clips that can be read only once."""

    overlay: Path | None
    report: Path


def write_artifacts(analysis: GaitAnalysis, clip: Clip, folder: Path) -> ArtifactFiles:
    """Write `overlay.mp4` and `report.png` into `folder`, which is made.

    `clip` is read again when it is a file; of frames that were used up only the report is drawn.
    Raises `MissingExtra` without Pillow or PyAV, and OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    overlay: Path | None = None
    picture = None
    if isinstance(clip, (str, Path, bytes)):
        stamps = analysis.track.timestamps_ms
        side_px = max(analysis.frame_size)
        span = (float(stamps[0]) - 1.0, float(stamps[-1]) + 1.0)
        with VideoFile(
            clip, max_side_px=side_px, max_fps=analysis.plan.fps, span_ms=span
        ) as source:
            overlay = write_overlay(source, analysis.track, analysis.report, folder / OVERLAY_NAME)
        picture = _shown_frame(analysis, clip, span)
    report = write_report_image(
        analysis.report,
        None if picture is None else representative_picture(picture),
        folder / REPORT_NAME,
    )
    return ArtifactFiles(overlay, report)


def _shown_frame(
    analysis: GaitAnalysis, clip: str | Path | bytes, span: tuple[float, float]
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None:
    """The frame with the surest pose, with its skeleton, cut to the dog's surroundings."""
    track = analysis.track
    sure = np.nan_to_num(track.keypoints[..., 2]).mean(axis=1)
    if not sure.any():
        return None
    at_ms = float(track.timestamps_ms[int(np.argmax(sure))])
    with VideoFile(
        clip, max_side_px=max(analysis.frame_size), span_ms=(at_ms - 1, at_ms + 1)
    ) as source:
        frame: Frame | None = next(iter(source), None)
    if frame is None:
        return None
    painter = Painter(track, analysis.report, legend=False)
    image = painter.paint(frame.image, frame.timestamp_ms)
    height, width = image.shape[:2]
    x0, y0, x1, y1 = track.boxes_xyxy_px[int(np.argmax(sure))]
    around = 0.25 * max(x1 - x0, y1 - y0)
    left, top = max(0, int(x0 - around)), max(0, int(y0 - around))
    right, bottom = min(width, int(x1 + around)), min(height, int(y1 + around))
    return image[top:bottom, left:right]
