"""The overlay video: skeleton, paths of the paws, contact marks, and a small legend."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.artifacts import palette
from edge_sdk.artifacts.palette import LEFT, MIDDLE, RIGHT, Colour, pillow, typeface
from edge_sdk.errors import MissingExtra
from edge_sdk.gait.anatomy import LIMBS, PAWS
from edge_sdk.gait.report import GaitReport
from edge_sdk.media.frames import FrameSource
from edge_sdk.vision.keypoints import KEYPOINT_NAMES, SKELETON

if TYPE_CHECKING:
    from edge_sdk.gait.posing import PoseTrack

TRAIL_MS: Final = 700.0
"""How far back the path of a paw is drawn."""
SURE: Final = 0.3
MAX_STEP_MS: Final = 150.0
SMOOTH: Final = 2
"""Drawn this many times finer than shown, so that lines have soft edges."""


def write_overlay(source: FrameSource, track: PoseTrack, report: GaitReport, path: Path) -> Path:
    """Write an mp4 of the frames of `source` with what `track` and `report` know of them.

    Raises `MissingExtra` without PyAV or Pillow.
    """
    try:
        import av
    except ImportError:
        raise MissingExtra("av", "video") from None

    painter = Painter(track, report)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        stream: Any = None
        for image, at_ms in _drawn(source, painter):
            if stream is None:
                stream = _stream(out, image)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(at_ms), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        if stream is not None:
            out.mux(stream.encode())
    return path


def _stream(out: Any, image: NDArray[np.uint8]) -> Any:
    import av

    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    stream = out.add_stream(codec, rate=30)
    stream.height, stream.width = image.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, 1000)
    stream.codec_context.thread_count = 2
    stream.options = {"preset": "superfast", "crf": "23"} if codec == "libx264" else {"q": "4"}
    return stream


def _drawn(source: FrameSource, painter: Painter) -> Iterator[tuple[NDArray[np.uint8], float]]:
    for frame in source:
        image = painter.paint(frame.image, frame.timestamp_ms)
        # H.264 wants even sides.
        height, width = image.shape[:2]
        yield np.ascontiguousarray(image[: height // 2 * 2, : width // 2 * 2]), frame.timestamp_ms


class Painter:
    """Paints what is known of a time onto its picture."""

    def __init__(self, track: PoseTrack, report: GaitReport, *, legend: bool = True) -> None:
        """Paint poses and contacts, with or without a legend."""
        self._with_legend = legend
        self._image = pillow("Image")
        self._draw = pillow("ImageDraw")
        self._times = track.timestamps_ms
        self._points = track.keypoints
        self._boxes = track.boxes_xyxy_px
        self._stands = contact_spans(report, float(self._times[0]) if len(self._times) else 0.0)
        self._abstained = report.abstained
        self._labels: dict[tuple[int, int], Any] = {}

    def paint(self, image: NDArray[np.uint8], at_ms: float) -> NDArray[np.uint8]:
        """A copy of the picture (H, W, 3) with what is known of that time."""
        row = int(np.searchsorted(self._times, at_ms - 1.0))
        height, width = image.shape[:2]
        unit = max(2.0, height / 240)
        canvas = self._image.fromarray(image)
        known = row < len(self._times) and abs(self._times[row] - at_ms) <= 2.0
        if known and np.isfinite(self._boxes[row]).all():
            self._paint_dog(canvas, row, unit)
        if self._with_legend:
            legend = self._legend(width, height)
            canvas.paste(legend, (0, 0), legend)
        return np.asarray(canvas)

    def _paint_dog(self, canvas: Any, row: int, unit: float) -> None:
        """Draw finely on a layer about the dog, and lay it over the picture."""
        since = int(np.searchsorted(self._times, self._times[row] - TRAIL_MS))
        rows = self._points[since : row + 1]
        seen = rows[..., 2] >= SURE
        if not seen.any():
            return
        spots = rows[..., :2][seen]
        margin = 12 * unit
        left, top = np.floor(spots.min(axis=0) - margin).astype(int)
        right, bottom = np.ceil(spots.max(axis=0) + margin).astype(int)
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, canvas.width), min(bottom, canvas.height)
        if right <= left or bottom <= top:
            return
        size = ((right - left) * SMOOTH, (bottom - top) * SMOOTH)
        layer = self._image.new("RGBA", size, (0, 0, 0, 0))
        pen = _Pen(self._draw.Draw(layer), np.array([left, top]), unit)
        for limb, paw in enumerate(PAWS):
            self._trail(pen, since, row, paw, _limb_colour(limb))
        self._bones(pen, self._points[row])
        for limb, paw in enumerate(PAWS):
            if self._stands_at(limb, float(self._times[row])):
                pen.ring(self._points[row, paw], 5.0, _limb_colour(limb))
        small = layer.reduce(SMOOTH)
        canvas.paste(small, (int(left), int(top)), small)

    def _trail(self, pen: _Pen, since: int, row: int, paw: int, colour: Colour) -> None:
        path = self._points[since : row + 1, paw]
        times = self._times[since : row + 1]
        for at in range(1, len(path)):
            near = times[at] - times[at - 1] <= MAX_STEP_MS
            if near and (path[at - 1 : at + 1, 2] >= SURE).all():
                age = (times[-1] - times[at]) / TRAIL_MS
                pen.line(path[at - 1], path[at], 1.4, colour, int(200 * (1 - age)) + 30)

    def _bones(self, pen: _Pen, points: NDArray[np.float64]) -> None:
        for a, b in sorted(SKELETON, key=lambda bone: _side(bone[0]) == "middle"):
            if points[a, 2] >= SURE and points[b, 2] >= SURE:
                side = _side(a) if _side(a) != "middle" else _side(b)
                pen.line(points[a], points[b], 2.2, _SIDE_COLOUR[side], 235)
        for k, point in enumerate(points):
            if point[2] >= SURE:
                pen.dot(point, 2.2, _SIDE_COLOUR[_side(k)])

    def _stands_at(self, limb: int, at_ms: float) -> bool:
        return any(down <= at_ms <= up for down, up in self._stands[limb])

    def _legend(self, width: int, height: int) -> Any:
        if (width, height) not in self._labels:
            self._labels[width, height] = _legend(width, height, self._abstained)
        return self._labels[width, height]


class _Pen:
    """Draws in pixels of the picture onto a finer layer."""

    def __init__(self, draw: Any, corner: NDArray[np.integer], unit: float) -> None:
        self._draw, self._corner, self._unit = draw, corner, unit

    def _at(self, point: NDArray[np.floating]) -> tuple[float, float]:
        x, y = (np.asarray(point[:2], float) - self._corner) * SMOOTH
        return float(x), float(y)

    def line(
        self, a: NDArray[np.floating], b: NDArray[np.floating], width: float, colour: Colour,
        alpha: int,
    ) -> None:  # fmt: skip
        thick = max(1, round(width * self._unit * SMOOTH / 1.5))
        self._draw.line([self._at(a), self._at(b)], fill=(*colour, alpha), width=thick)

    def dot(self, point: NDArray[np.floating], radius: float, colour: Colour) -> None:
        x, y = self._at(point)
        r = radius * self._unit * SMOOTH / 1.5
        self._draw.ellipse(
            [x - r, y - r, x + r, y + r], fill=(*colour, 255), outline=(255, 255, 255, 230),
            width=SMOOTH,
        )  # fmt: skip

    def ring(self, point: NDArray[np.floating], radius: float, colour: Colour) -> None:
        if not np.isfinite(point[:2]).all():
            return
        x, y = self._at(point)
        r = radius * self._unit * SMOOTH / 1.5
        self._draw.ellipse(
            [x - r, y - r * 0.6, x + r, y + r * 0.6], outline=(*colour, 255),
            width=max(2, round(self._unit * SMOOTH)),
        )  # fmt: skip


_SIDE_COLOUR: Final[dict[str, Colour]] = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}


def _side(keypoint: int) -> str:
    parts = KEYPOINT_NAMES[keypoint].split("_")
    return next((part for part in parts if part in ("left", "right")), "middle")


def _limb_colour(limb: int) -> Colour:
    return LEFT if LIMBS[limb].endswith("L") else RIGHT


def contact_spans(report: GaitReport, start_ms: float) -> list[list[tuple[float, float]]]:
    """When each paw (FL, RL, FR, RR) stood, ms of the clip; carried strides are left out."""
    spans: list[list[tuple[float, float]]] = [[] for _ in LIMBS]
    for contacts in report.contacts:
        own = spans[LIMBS.index(contacts.limb)]
        steps = zip(contacts.touchdown_ms, contacts.liftoff_ms, contacts.carried, strict=True)
        own.extend((start_ms + down, start_ms + up) for down, up, carried in steps if not carried)
    return spans


def _legend(width: int, height: int, abstained: bool) -> Any:
    image, draw = pillow("Image"), pillow("ImageDraw")
    face = typeface()
    size = max(11, round(height / 32))
    font = face.font(size)
    entries: list[tuple[str, Colour, str]] = [
        ("dot", LEFT, face.say("왼쪽 다리", "left legs")),
        ("dot", RIGHT, face.say("오른쪽 다리", "right legs")),
        ("line", MIDDLE, face.say("발의 자취", "path of paws")),
        ("ring", palette.INK, face.say("딛는 중", "paw stands")),
    ]
    if abstained:
        entries[3] = ("none", palette.POOR, face.say("점수 없음", "not scored"))
    gap = size // 2
    widths = [size + gap // 2 + round(font.getlength(text)) + gap for _, _, text in entries]
    bar = image.new(
        "RGBA", (min(width, sum(widths) + gap), round(size * 1.9)), (255, 255, 255, 215)
    )
    pen = draw.Draw(bar)
    x, middle = gap, bar.height / 2
    for (mark, colour, text), own in zip(entries, widths, strict=True):
        box = [x, middle - size * 0.35, x + size * 0.7, middle + size * 0.35]
        if mark == "dot":
            pen.ellipse(box, fill=colour)
        elif mark == "ring":
            pen.ellipse([box[0], box[1] + size * 0.12, box[2], box[3] - size * 0.12],
                        outline=colour, width=2)  # fmt: skip
        elif mark == "line":
            pen.line([(box[0], middle), (box[2], middle)], fill=colour, width=2)
        pen.text((x + size * 0.95, middle), text, fill=palette.INK, font=font, anchor="lm")
        x += own
    return bar
