"""A picture of the worst cases of a bundle: green is the truth, orange what the net says."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edge_sdk.bundle.manifest import YoloPoseOutput
from edge_sdk.vision.classify import Classifier
from edge_sdk.vision.detect import Detector, iou_matrix
from edge_sdk.vision.keypoints import SKELETON
from edge_sdk.vision.pose import PoseEstimator
from model_export.evaluate.pose import relative_errors
from model_export.export.source import ExportSource
from model_export.parity.quality import sees_faces
from model_export.parity.reference import TorchReference
from model_export.train.examples import Example

SHEET_NAME = "worst_cases.png"

_TILE_PX = 160
_COLUMNS = 4
_TILES_OF_A_STAGE = 4
_COLOURS = 64
_TRUTH, _ANSWER = (60, 220, 90), (255, 140, 0)


@dataclass(frozen=True, eq=False)
class _Tile:
    """A picture with its error (greater is worse), boxes, bones and words to draw."""

    error: float
    image: NDArray[np.uint8]
    true_boxes: NDArray[np.floating]
    boxes: NDArray[np.floating]
    true_points: NDArray[np.floating]
    points: NDArray[np.floating]
    words: str


def worst_cases_png(stages: Sequence[tuple[ExportSource, Sequence[Example]]]) -> bytes:
    """The worst pictures of each stage as a PNG of a few colours; repeats to the byte."""
    tiles: list[_Tile] = []
    for source, examples in stages:
        judged = [_judged(source, example) for example in examples]
        judged.sort(key=lambda tile: -tile.error)
        tiles += judged[:_TILES_OF_A_STAGE]
    rows = max(1, -(-len(tiles) // _COLUMNS))
    sheet = Image.new("RGB", (_COLUMNS * _TILE_PX, rows * _TILE_PX), (24, 24, 24))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, _COLUMNS)
        sheet.paste(_drawn(tile), (column * _TILE_PX, row * _TILE_PX))
    out = io.BytesIO()
    sheet.quantize(_COLOURS).save(out, "PNG", optimize=True)
    return out.getvalue()


def _judged(source: ExportSource, example: Example) -> _Tile:
    stage = TorchReference(source)
    nothing = np.zeros((0, 4))
    no_points = np.zeros((0, 3))
    if source.stage == "classifier":
        shares = Classifier(stage).classify(example.image, example.face_boxes[:1])[0]
        truth = example.emotion
        said = int(shares.argmax())
        words = f"{source.classes[truth]} | {source.classes[said]} {shares[said]:.2f}"
        box = example.face_boxes[:1]
        return _Tile(
            1 - float(shares[truth]), example.image, box, nothing, no_points, no_points, words
        )
    if source.stage == "pose":
        box = example.dog_boxes[:1]
        found = PoseEstimator(stage).estimate(example.image, box, example.dog_headings_rad[:1])
        errors = relative_errors(found, example.keypoints[None], box)
        known = errors[np.isfinite(errors)]
        error = float(known.mean()) if len(known) else 0.0
        words = f"error {error:.1%} of the dog"
        return _Tile(error, example.image, box, nothing, example.keypoints, found[0], words)
    detections = Detector(stage, source.thresholds).detect([example.image])[0]
    true = example.face_boxes if sees_faces(source) else example.dog_boxes
    boxes = detections.boxes_xyxy_px
    overlap = iou_matrix(true.astype(np.float32), boxes)
    missed = float((1 - overlap.max(axis=1, initial=0)).sum())
    alarms = float((overlap.max(axis=0, initial=0) < 0.5).sum())
    if isinstance(source.output, YoloPoseOutput):
        true = example.dog_boxes
    return _Tile(
        missed + alarms,
        example.image,
        true,
        boxes,
        no_points,
        no_points,
        f"{len(true)} there, {len(boxes)} found",
    )


def _drawn(tile: _Tile) -> Image.Image:
    height, width = tile.image.shape[:2]
    scale = _TILE_PX / max(height, width)
    size = (round(width * scale), round(height * scale))
    picture = Image.new("RGB", (_TILE_PX, _TILE_PX))
    picture.paste(Image.fromarray(tile.image).resize(size, Image.Resampling.BILINEAR))
    pen = ImageDraw.Draw(picture)
    for boxes, colour in ((tile.true_boxes, _TRUTH), (tile.boxes, _ANSWER)):
        for box in boxes:
            low, high = np.sort(np.asarray(box, np.float64).reshape(2, 2) * scale, axis=0)
            pen.rectangle((*low.tolist(), *high.tolist()), outline=colour, width=2)
    for points, colour in ((tile.true_points, _TRUTH), (tile.points, _ANSWER)):
        _draw_bones(pen, np.asarray(points, np.float64) * [scale, scale, 1], colour)
    pen.text((4, 2), tile.words, fill=(255, 255, 255), stroke_width=2, stroke_fill=(0, 0, 0))
    return picture


def _draw_bones(
    pen: ImageDraw.ImageDraw, points: NDArray[np.float64], colour: tuple[int, int, int]
) -> None:
    if len(points) == 0:
        return
    there = (points[:, 2] > 0) & ~np.isnan(points).any(axis=1)
    for a, b in SKELETON:
        if there[a] and there[b]:
            pen.line((*points[a, :2].tolist(), *points[b, :2].tolist()), fill=colour, width=2)
