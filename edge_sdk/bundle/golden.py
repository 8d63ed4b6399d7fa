"""Golden vectors: small pictures with what must come out, to check a variant or a port against.

`golden/<stage>.json` is plain JSON, arrays as base64 of little-endian numbers in row order, so
that JavaScript, Kotlin and Swift read it without a library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import LogitsOutput, Stage, StageName
from edge_sdk.errors import GoldenInvalid
from edge_sdk.vision.classify import Classifier
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.pose import PoseEstimator, canonical_window
from edge_sdk.vision.resample import Window, sample
from edge_sdk.vision.stage import InferenceStage, window_of

FORMAT: Final = "daengdong-golden/1"

# What two right implementations may differ by: the order of additions in 32-bit floats.
SAMPLED_TOLERANCE: Final = 0.01
"""Grey levels of 255."""
RESULT_TOLERANCE: Final = 1e-3
"""Pixels of a box or keypoint; a hundredth of that would do for scores."""

_MAX_BYTES: Final = 64_000_000

Numbers = NDArray[np.float32] | NDArray[np.uint8] | NDArray[np.int64]
Result = dict[str, Numbers]


class PackedArray(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An array: its type, its shape, its little-endian bytes (base64 in JSON)."""

    dtype: Literal["uint8", "float32", "int64"]
    shape: tuple[Annotated[int, Meta(ge=0)], ...]
    data: bytes

    @staticmethod
    def of(array: Numbers) -> PackedArray:
        """Pack an array of uint8, float32 or int64; raises TypeError for another."""
        name = array.dtype.name
        if name not in ("uint8", "float32", "int64"):
            raise TypeError(f"golden vectors hold no {name}")
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        return PackedArray(dtype=name, shape=array.shape, data=little.tobytes())  # type: ignore[arg-type]

    def array(self) -> Numbers:
        """The array; raises `GoldenInvalid` when shape and bytes differ."""
        kind = np.dtype(self.dtype)
        if math.prod(self.shape) * kind.itemsize != len(self.data):
            raise GoldenInvalid(f"{len(self.data)} bytes are no {self.dtype} {self.shape}")
        flat = np.frombuffer(self.data, kind.newbyteorder("<"))
        try:
            values: Numbers = flat.astype(kind).reshape(self.shape)
        except ValueError as error:
            raise GoldenInvalid(f"{self.dtype} {self.shape}: {error}") from error
        return values


class GoldenVector(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A picture and what must come out.

    `image` uint8 (H, W, 3) RGB; `box_xyxy_px` the box to crop about, null for a letterbox;
    `heading_rad` null where there is none; `sampled` float32 (height, width, 3) in 0..255, the
    input before normalisation, or null; `raw` float32, the head without its batch axis; `result`:
    "boxes_xyxy_px", "scores", "class_ids", "headings_rad" of a detector, "keypoints" (24, 3) of a
    pose net, "probabilities" (C,) of a classifier, in px of the picture.
    """

    name: str
    image: PackedArray
    box_xyxy_px: tuple[float, float, float, float] | None
    heading_rad: float | None
    sampled: PackedArray | None
    raw: PackedArray
    result: dict[str, PackedArray]


class GoldenVectors(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The vectors of a stage; the first few are the self-test at load."""

    format: Literal["daengdong-golden/1"]
    stage: StageName
    vectors: tuple[GoldenVector, ...]


@dataclass(frozen=True, slots=True, eq=False)
class GoldenCase:
    """A picture to make a vector from: uint8 (H, W, 3), box (xyxy px) and heading or None."""

    name: str
    image: NDArray[np.uint8]
    box_xyxy_px: tuple[float, float, float, float] | None
    heading_rad: float | None


def load_golden(data: bytes) -> GoldenVectors:
    """Read `golden/<stage>.json`; raises `GoldenInvalid` naming the field."""
    if len(data) > _MAX_BYTES:
        raise GoldenInvalid(f"{len(data)} bytes of golden vectors, {_MAX_BYTES} at most")
    try:
        vectors = msgspec.json.decode(data, type=GoldenVectors)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GoldenInvalid(str(error)) from error
    if not vectors.vectors:
        raise GoldenInvalid("no vectors: a self-test needs one")
    return vectors


def dump_golden(vectors: GoldenVectors) -> bytes:
    """The bytes of `golden/<stage>.json`: the same vectors give the same bytes."""
    return msgspec.json.encode(vectors, order="deterministic") + b"\n"


def make_golden(
    stage: InferenceStage,
    thresholds: Mapping[str, float],
    cases: Sequence[GoldenCase],
    sampled_of: int = 1,
) -> GoldenVectors:
    """Run a trusted stage (torch) over pictures and write down what comes out.

    The sampled input, which is large, is kept for the first `sampled_of` cases.
    """
    vectors = []
    for number, case in enumerate(cases):
        pixels = sample_of(stage.spec, case)
        raw = stage.infer(pixels[None])[0]
        result = result_of(stage.spec, thresholds, case, raw)
        vectors.append(
            GoldenVector(
                name=case.name,
                image=PackedArray.of(case.image),
                box_xyxy_px=case.box_xyxy_px,
                heading_rad=case.heading_rad,
                sampled=PackedArray.of(pixels) if number < sampled_of else None,
                raw=PackedArray.of(raw.astype(np.float32)),
                result={name: PackedArray.of(value) for name, value in result.items()},
            )
        )
    return GoldenVectors(format=FORMAT, stage=stage.spec.name, vectors=tuple(vectors))


def case_of(vector: GoldenVector) -> GoldenCase:
    """The picture of a vector; raises `GoldenInvalid` when it is none."""
    image = vector.image.array()
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise GoldenInvalid(f"{vector.name}: image {image.dtype} {image.shape}")
    return GoldenCase(vector.name, image.astype(np.uint8), vector.box_xyxy_px, vector.heading_rad)


def sample_of(spec: Stage, case: GoldenCase) -> NDArray[np.float32]:
    """The stage's input for a case, (height, width, 3) in 0..255."""
    return sample(case.image, _window(spec, case), spec.input.pad_value)


def _window(spec: Stage, case: GoldenCase) -> Window:
    try:
        window = window_of(spec.input, case.image, case.box_xyxy_px)
    except ValueError as error:
        raise GoldenInvalid(f"{case.name}: {error}") from error
    turned = spec.name == "pose" and case.heading_rad is not None
    return canonical_window(window, case.heading_rad or 0.0) if turned else window


class _Replay:
    """A stage that answers a known head: what the decoders make of it is the question."""

    def __init__(self, spec: Stage, raw: NDArray[np.float32]) -> None:
        self.spec = spec
        self._raw = raw[None]

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._raw


def result_of(
    spec: Stage, thresholds: Mapping[str, float], case: GoldenCase, raw: NDArray[np.float32]
) -> Result:
    """The final result of a head (without batch axis) for a case, as `GoldenVector.result`."""
    replay = _Replay(spec, raw)
    box = np.array(case.box_xyxy_px or (0, 0, case.image.shape[1], case.image.shape[0]))[None]
    if spec.name == "detector":
        (found,) = Detector(replay, thresholds).detect([case.image])
        return {
            "boxes_xyxy_px": found.boxes_xyxy_px,
            "scores": found.scores,
            "class_ids": found.class_ids,
            "headings_rad": found.headings_rad,
        }
    if isinstance(spec.output, LogitsOutput):
        return {"probabilities": Classifier(replay).classify(case.image, box)[0]}
    heading = np.nan if case.heading_rad is None else case.heading_rad
    return {"keypoints": PoseEstimator(replay).estimate(case.image, box, [heading])[0]}


def greatest_difference(a: Numbers, b: Numbers) -> float:
    """The greatest absolute difference; infinite where shapes differ or only one is NaN."""
    if a.shape != b.shape:
        return float("inf")
    gap = np.abs(a.astype(np.float64) - b.astype(np.float64))
    gap[np.isnan(a) & np.isnan(b)] = 0.0
    return float(np.nan_to_num(gap, nan=np.inf).max(initial=0.0))


def check_result(spec: Stage, thresholds: Mapping[str, float], vector: GoldenVector) -> None:
    """Hold the manifest and this SDK's code against a vector; raises `GoldenInvalid`.

    The input is sampled and the known head decoded anew: a letterbox, colour order, threshold or
    mirror index that differs from training's shows here, whatever the net's precision.
    """
    case = case_of(vector)
    if vector.sampled is not None:
        gap = greatest_difference(sample_of(spec, case), vector.sampled.array())
        if not gap <= SAMPLED_TOLERANCE:
            raise GoldenInvalid(f"{vector.name}: the sampled input differs by {gap:.3g} of 255")
    raw = vector.raw.array().astype(np.float32)
    result = result_of(spec, thresholds, case, raw)
    if result.keys() != vector.result.keys():
        raise GoldenInvalid(f"{vector.name}: result has {sorted(vector.result)}")
    for name, value in result.items():
        gap = greatest_difference(value, vector.result[name].array())
        if not gap <= RESULT_TOLERANCE:
            raise GoldenInvalid(f"{vector.name}: {name} differs by {gap:.3g}")
