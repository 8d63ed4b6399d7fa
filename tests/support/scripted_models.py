"""Stages without a trained net: their heads are computed from the colours of the pictures.

A face is a rectangle of blue 0..100: red (or green, a second one), its confidence 1 - blue / 100.
An emotion is the grey level of a bar across the face's middle. So every test runs the whole way
from pixels through sampling, decoding and selection, and knows what must come out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_sdk.bundle.manifest import (
    CentreOutput,
    InputSpec,
    Licence,
    LogitsOutput,
    Manifest,
    OutputSpec,
    Stage,
    StageName,
    Training,
)
from edge_sdk.bundle.stage import Fallback
from edge_sdk.face.emotions import EMOTIONS

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
STRIDE = 8


def input_spec(size: int, fit: str, padding: float = 1.0) -> InputSpec:
    """A square input without normalisation."""
    return InputSpec(
        width=size, height=size, channels=3, dtype="float32", colour="RGB", fit=fit,
        padding=padding, pad_value=114.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0),
        resample="box-then-bilinear/1",
    )  # type: ignore[arg-type]  # fmt: skip


@dataclass
class ScriptedStage:
    """A stage that computes its head; counts the pictures that it was given."""

    spec: Stage
    head: Callable[[Floats], Floats]
    fallbacks: tuple[Fallback, ...] = ()
    pictures: int = 0
    calls: int = 0

    def infer(self, batch: Floats) -> Floats:
        self.pictures += len(batch)
        self.calls += 1
        return np.stack([self.head(image) for image in batch]).astype(np.float32)


def stage_of(
    name: StageName, size: int, fit: str, output: OutputSpec, head: Callable[[Floats], Floats],
    padding: float = 1.0,
) -> ScriptedStage:  # fmt: skip
    """A scripted stage with its part of a manifest."""
    spec = Stage(
        name=name, input=input_spec(size, fit, padding), output=output, variants=(), golden=""
    )
    return ScriptedStage(spec, head)


@dataclass
class ScriptedBundle:
    """Scripted stages behind a manifest."""

    manifest: Manifest
    stages: dict[StageName, ScriptedStage]

    def stage(self, name: StageName) -> ScriptedStage:
        return self.stages[name]


def bundle_of(name: str, task: str, *stages: ScriptedStage, score: float = 0.3) -> ScriptedBundle:
    """A bundle of scripted stages."""
    manifest = Manifest(
        format="daengdong-bundle/1", name=name, task=task, version="2026.11.1", serial=1,
        created_at="2026-11-21T00:00:00+00:00", stages=tuple(stage.spec for stage in stages),
        keypoints=None, thresholds={"score": score, "nms_iou": 0.5},
        training=Training(data=(), recipe="scripted", seed=0, minutes=0.0),
        licence=Licence(spdx="Apache-2.0", notice="", research_only=False),
        calibration=None, parity=(), model_card="MODEL_CARD.md", files={},
    )  # type: ignore[arg-type]  # fmt: skip
    return ScriptedBundle(manifest, {stage.spec.name: stage for stage in stages})


def centre_head(
    size: int, boxes: Sequence[tuple[Sequence[float], float, float | None]], heading: bool
) -> Floats:
    """The raw head that says: these boxes (xyxy px of the input), scores, headings rad."""
    cells = size // STRIDE
    raw = np.full((5 + 2 * heading, cells, cells), 0.0, np.float32)
    raw[0] = -12.0
    for (x0, y0, x1, y1), score, angle in boxes:
        column = min(int((x0 + x1) / 2 / STRIDE), cells - 1)
        row = min(int((y0 + y1) / 2 / STRIDE), cells - 1)
        cx, cy = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
        reach = np.array([cx - x0, cy - y0, x1 - cx, y1 - cy]) / STRIDE
        raw[0, row, column] = np.log(score / (1 - score))
        raw[1:5, row, column] = np.log(np.maximum(reach, 0.05))
        if heading and angle is not None:
            raw[5:7, row, column] = np.cos(angle), np.sin(angle)
    return raw


def box_of(mask: npt.NDArray[np.bool_]) -> tuple[float, float, float, float] | None:
    """Bounding box of a mask, None for hardly any pixel."""
    if mask.sum() < 4:
        return None
    ys, xs = np.nonzero(mask)
    return float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)


# --- faces -----------------------------------------------------------------------------------
FACE_INPUT = 160
CLASSIFIER_INPUT = 32


def paint_face(
    image: Picture,
    box: tuple[int, int, int, int],
    confidence: float = 0.9,
    emotion: str = "happy",
    second: bool = False,
) -> Picture:
    """Paint a face into a picture (in place)."""
    x0, y0, x1, y1 = box
    blue = round(100 * (1 - confidence))
    image[y0:y1, x0:x1] = (20, 220, blue) if second else (220, 20, blue)
    bar = (y1 - y0) // 6
    middle = (y0 + y1) // 2
    level = 30 + 55 * EMOTIONS.index(emotion)
    image[middle - bar : middle + bar, x0 + bar : x1 - bar] = level
    return image


def picture(width: int = 320, height: int = 240, seed: int = 0) -> Picture:
    """A picture of grey noise without a face."""
    rng = np.random.default_rng(seed)
    grey = rng.integers(110, 140, (height, width, 1), np.uint8)
    return np.repeat(grey, 3, axis=2)


def _face_head(image: Floats) -> Floats:
    red, green, blue = np.moveaxis(image, -1, 0)
    found = []
    for one, other in ((red, green), (green, red)):
        mask = (one > 180) & (other < 80)
        box = box_of(mask)
        if box is not None:
            inner = float(np.median(blue[mask]))
            found.append((box, float(np.clip(1 - inner / 100, 0.02, 0.98)), None))
    return centre_head(FACE_INPUT, found, heading=False)


def _emotion_head(image: Floats) -> Floats:
    middle = image[12:20, 8:24].mean()
    at = int(np.clip(round((middle - 30) / 55), 0, 3))
    return np.array([3.0 if k == at else 0.0 for k in range(4)], np.float32)


def face_bundle(score: float = 0.3) -> ScriptedBundle:
    """A face detector."""
    output = CentreOutput(stride=STRIDE, heading=False, classes=("face",))
    stage = stage_of("detector", FACE_INPUT, "letterbox", output, _face_head)
    return bundle_of("dog-face", "face_detection", stage, score=score)


def emotion_bundle(
    classes: tuple[str, ...] = EMOTIONS, head: Callable[[Floats], Floats] = _emotion_head
) -> ScriptedBundle:
    """An emotion classifier."""
    output = LogitsOutput(classes=classes, temperature=1.0)
    stage = stage_of("classifier", CLASSIFIER_INPUT, "square_crop", output, head)
    return bundle_of("dog-emotion", "emotion", stage)
