"""`manifest.json`: all that a program needs to run a bundle, whatever language it is written in.

`model_export` writes it, `edge_sdk` reads it, and both through these types. Every field must be
there and no other may be: a manifest that is silent about letterboxing is a wrong result later.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from edge_sdk.bundle.paths import parents, safe_path
from edge_sdk.errors import ManifestFieldMissing, ManifestFieldUnknown, ManifestInvalid
from edge_sdk.vision.keypoints import FLIP_INDEX, KEYPOINT_NAMES

MANIFEST_NAME: Final = "manifest.json"
FORMAT: Final = "daengdong-bundle/1"

# Ours have some 10 kB; a thousand times that is no manifest but an attack on memory.
MAX_MANIFEST_BYTES: Final = 4_000_000

Task = Literal["face_detection", "emotion", "pose"]
StageName = Literal["detector", "pose", "classifier"]
RuntimeName = Literal["onnx", "litert", "coreml"]
Precision = Literal["fp32", "fp16", "w8a32", "int8"]

Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Rgb = tuple[float, float, float]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the manifest: complete, closed and frozen."""


class InputSpec(_Part, frozen=True, kw_only=True):
    """How an image becomes the net's input.

    `fit`: "letterbox" shows the whole image in the middle, "square_crop" a square of side
    `padding` times the longer side of a box; pixels outside the image are `pad_value`. Then
    (value / 255 - mean) / std for each of R, G, B. `resample` names the rule of
    `edge_sdk.vision.resample`.
    """

    width: Positive
    height: Positive
    channels: Literal[3]
    dtype: Literal["float32"]
    colour: Literal["RGB"]
    fit: Literal["letterbox", "square_crop"]
    padding: Annotated[float, Meta(gt=0)]
    pad_value: Annotated[float, Meta(ge=0, le=255)]
    mean: Rgb
    std: Rgb
    resample: Literal["box-then-bilinear/1"]


class CentreOutput(_Part, frozen=True, kw_only=True, tag_field="head", tag="centre"):
    """Detector without anchors: (N, C + 4 + 2 * heading, h, w) raw, cells of `stride` px.

    Channels: C class logits (sigmoid); log of the distances left, top, right, bottom from the
    cell's centre ((i + 0.5) * stride) in strides; with `heading` cosine and sine of the dog's
    heading, not normalised. Decoded by `edge_sdk.vision.detect.decode_centre`.
    """

    stride: Positive
    heading: bool
    classes: tuple[str, ...]


class HeatmapOutput(_Part, frozen=True, kw_only=True, tag_field="head", tag="heatmap"):
    """Keypoints: (N, K, h, w) raw logits, cells of `stride` px.

    Decoded by `edge_sdk.vision.pose.decode_heatmap`: the greatest cell, moved by the top of a
    parabola through its neighbours; confidence sigmoid(maximum).
    """

    stride: Positive


class LogitsOutput(_Part, frozen=True, kw_only=True, tag_field="head", tag="logits"):
    """Classifier: (N, C) logits; probabilities softmax(logits / temperature)."""

    classes: tuple[str, ...]
    temperature: Annotated[float, Meta(gt=0)]


class YoloDetectOutput(_Part, frozen=True, kw_only=True, tag_field="head", tag="yolo_detect"):
    """Raw head of the YOLO family: (N, 4 + C, A): x, y, w, h of the box, then class scores 0..1.

    `box_units`: "px" of the input, or "normalised" to 0..1 as some converters leave them.
    """

    classes: tuple[str, ...]
    box_units: Literal["px", "normalised"]


class YoloPoseOutput(_Part, frozen=True, kw_only=True, tag_field="head", tag="yolo_pose"):
    """Raw pose head of the YOLO family: (N, 4 + C + 3 K, A).

    As `YoloDetectOutput`, then x, y, confidence of each keypoint in the same units.
    """

    classes: tuple[str, ...]
    box_units: Literal["px", "normalised"]
    keypoints: Positive


_HEADS_OF_STAGE: Final[dict[str, tuple[type, ...]]] = {
    "detector": (CentreOutput, YoloDetectOutput, YoloPoseOutput),
    "pose": (HeatmapOutput, YoloPoseOutput),
    "classifier": (LogitsOutput,),
}
_STAGES_OF_TASK: Final[dict[str, tuple[str, ...]]] = {
    "face_detection": ("detector",),
    "emotion": ("classifier",),
    "pose": ("pose",),
}

OutputSpec = CentreOutput | HeatmapOutput | LogitsOutput | YoloDetectOutput | YoloPoseOutput


class Variant(_Part, frozen=True, kw_only=True):
    """One file of a stage's net.

    `file`: path in the bundle (a folder for "coreml"); `layout` of its input; `batch`: "dynamic"
    or the fixed number; `max_abs_error`: the largest difference from the golden output that its
    self-test accepts (that measured against torch, with a margin for other processors).
    """

    runtime: RuntimeName
    precision: Precision
    file: str
    layout: Literal["NCHW", "NHWC"]
    input_name: str
    output_name: str
    batch: Positive | Literal["dynamic"]
    max_abs_error: Annotated[float, Meta(ge=0)]


class Stage(_Part, frozen=True, kw_only=True):
    """One net of the bundle; `variants` in the order of preference, `golden`: path of its vectors.

    Training uses a stage without variants and golden (`()` and "") to share the pipeline.
    """

    name: StageName
    input: InputSpec
    output: OutputSpec
    variants: tuple[Variant, ...]
    golden: str


class KeypointSpec(_Part, frozen=True, kw_only=True):
    """Names of the keypoints, the index each becomes in a mirror, bones as pairs of indices."""

    names: tuple[str, ...]
    flip_index: tuple[int, ...]
    skeleton: tuple[tuple[int, int], ...]


class DataSource(_Part, frozen=True, kw_only=True):
    """Pictures that a net has learned from."""

    name: str
    licence: str
    images: Annotated[int, Meta(ge=0)]


class Training(_Part, frozen=True, kw_only=True):
    """Where the weights come from: data, the command or recipe, its seed, minutes it took."""

    data: tuple[DataSource, ...]
    recipe: str
    seed: int
    minutes: Annotated[float, Meta(ge=0)]


class Licence(_Part, frozen=True, kw_only=True):
    """Terms of the weights: an SPDX identifier, the notice to show, research only or not."""

    spdx: str
    notice: str
    research_only: bool


class Calibration(_Part, frozen=True, kw_only=True):
    """How far probabilities can be believed: expected calibration error before and after.

    `method` says how (such as "temperature"), `images` on how many held-out pictures.
    """

    method: str
    images: Positive
    ece_before: Share
    ece_after: Share


class ParityRow(_Part, frozen=True, kw_only=True):
    """One variant against torch, through full pre- and post-processing.

    `p95_px`: 95th percentile of the distance of boxes or keypoints; `argmax_agreement`: share of
    equal classes; `metric_change`: change of `metric`; each null where it does not apply.
    """

    stage: StageName
    runtime: RuntimeName
    precision: Precision
    inputs: Positive
    max_abs_error: Annotated[float, Meta(ge=0)]
    p95_px: Annotated[float, Meta(ge=0)] | None
    argmax_agreement: Share | None
    metric: str | None
    metric_change: float | None
    passed: bool


class FileEntry(_Part, frozen=True, kw_only=True):
    """Hash and length of a file."""

    sha256: Sha256
    bytes: Annotated[int, Meta(ge=0)]


class Manifest(_Part, frozen=True, kw_only=True):
    """The whole manifest; `serial` rises with each version, `files` lists every other file.

    `thresholds`: "score" and "nms_iou" of a detector, "keypoint" of a pose net; `created_at` is
    ISO 8601 with zone.
    """

    format: Literal["daengdong-bundle/1"]
    name: Annotated[str, Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    task: Task
    version: Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+){1,3}$")]
    serial: Positive
    created_at: str
    stages: tuple[Stage, ...]
    keypoints: KeypointSpec | None
    thresholds: dict[str, float]
    training: Training
    licence: Licence
    calibration: Calibration | None
    parity: tuple[ParityRow, ...]
    model_card: str
    files: dict[str, FileEntry]

    def stage(self, name: StageName) -> Stage:
        """The stage of this name; raises KeyError naming the ones there are."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        there = ", ".join(stage.name for stage in self.stages)
        raise KeyError(f"{self.name} has no stage {name!r}, only {there}")


def load_manifest(data: bytes) -> Manifest:
    """Read `manifest.json`.

    Raises `ManifestFieldMissing`, `ManifestFieldUnknown` or `ManifestInvalid`, each naming the
    field; `ManifestInvalid` too when the parts contradict each other.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise ManifestInvalid(
            "$", f"{len(data)} bytes, {MAX_MANIFEST_BYTES} at most: not a manifest"
        )
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.ValidationError as error:
        raise _typed(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestInvalid("$", f"not JSON: {error}") from error
    check(manifest)
    return manifest


def dump(manifest: Manifest) -> bytes:
    """The bytes of `manifest.json`: the same manifest gives the same bytes."""
    packed = msgspec.json.encode(manifest, order="deterministic")
    return msgspec.json.format(packed, indent=2) + b"\n"


def _typed(error: msgspec.ValidationError) -> ManifestInvalid:
    text = str(error)
    problem, _, at = text.partition(" - at ")
    place = at.strip("`") or "$"
    for start, kind in (
        ("Object missing required field `", ManifestFieldMissing),
        ("Object contains unknown field `", ManifestFieldUnknown),
    ):
        if problem.startswith(start):
            return kind(f"{place}.{problem[len(start) :].rstrip('`')}", problem)
    return ManifestInvalid(place, problem)


def check(manifest: Manifest) -> None:
    """Hold a manifest's parts against each other; raises `ManifestInvalid` naming the field."""
    try:
        created = datetime.fromisoformat(manifest.created_at)
    except ValueError as error:
        raise ManifestInvalid("$.created_at", str(error)) from error
    _require(created.tzinfo is not None, "$.created_at", "has no time zone")
    for path in manifest.files:
        safe_path(path, "$.files")
    _require(MANIFEST_NAME not in manifest.files, "$.files", "lists the manifest itself")
    folded = {path.casefold() for path in manifest.files}
    folders = {parent for path in folded for parent in parents(path)}
    _require(
        len(folded) == len(manifest.files) and not folded & folders,
        "$.files",
        "two paths are one on a system that ignores case, or a file is a folder too",
    )
    _require(manifest.model_card in manifest.files, "$.model_card", "is not among the files")
    names = [stage.name for stage in manifest.stages]
    _require(0 < len(names) == len(set(names)), "$.stages", "empty, or a name is there twice")
    needed = _STAGES_OF_TASK[manifest.task]
    _require(set(needed) <= set(names), "$.stages", f"{manifest.task} needs {', '.join(needed)}")
    for number, stage in enumerate(manifest.stages):
        _check_stage(stage, f"$.stages[{number}]", manifest)
    for name, value in manifest.thresholds.items():
        _require(math.isfinite(value), f"$.thresholds.{name}", "is not finite")
    if manifest.task == "pose":
        keypoints = manifest.keypoints
        known = (KEYPOINT_NAMES, FLIP_INDEX)
        _require(
            keypoints is not None and (keypoints.names, keypoints.flip_index) == known,
            "$.keypoints",
            "are not the 24 of edge_sdk.vision.keypoints with their mirror index",
        )


def _check_stage(stage: Stage, at: str, manifest: Manifest) -> None:
    spec = stage.input
    _require(all(value > 0 for value in spec.std), f"{at}.input.std", "is not positive")
    _require(
        all(math.isfinite(value) for value in (*spec.mean, *spec.std, spec.padding)),
        f"{at}.input",
        "holds a number that is not finite",
    )
    heads = _HEADS_OF_STAGE[stage.name]
    _require(isinstance(stage.output, heads), f"{at}.output.head", f"no head of a {stage.name}")
    classes = getattr(stage.output, "classes", ("one",))
    _require(
        0 < len(classes) == len(set(classes)), f"{at}.output.classes", "empty, or one is twice"
    )
    if stage.name == "detector":
        for name in ("score", "nms_iou"):
            _require(name in manifest.thresholds, f"$.thresholds.{name}", "is missing")
    _require(len(stage.variants) > 0, f"{at}.variants", "is empty")
    _require(stage.golden in manifest.files, f"{at}.golden", "is not among the files")
    for number, variant in enumerate(stage.variants):
        inside = f"{variant.file}/"
        listed = variant.file in manifest.files or any(f.startswith(inside) for f in manifest.files)
        _require(listed, f"{at}.variants[{number}].file", "is not among the files")


def _require(holds: bool, field: str, problem: str) -> None:
    if not holds:
        raise ManifestInvalid(field, problem)
