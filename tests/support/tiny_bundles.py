"""Bundles of tiny nets, complete with golden vectors, for tests that load, break or attack them."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.golden import GoldenCase, GoldenVectors, dump_golden, make_golden
from edge_sdk.bundle.manifest import (
    CentreOutput,
    FileEntry,
    HeatmapOutput,
    InputSpec,
    KeypointSpec,
    Licence,
    LogitsOutput,
    Manifest,
    OutputSpec,
    Stage,
    StageName,
    Task,
    Training,
    Variant,
    dump,
)
from edge_sdk.bundle.stage import normalise
from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.vision.keypoints import FLIP_INDEX, KEYPOINT_NAMES, SKELETON
from tests.support import tiny_nets

TFLITE = Path(__file__).resolve().parents[1] / "edge_sdk" / "data" / "tiny_classifier.tflite"
MANIFEST = "manifest.json"

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]


def input_spec(size: int, fit: str = "letterbox", padding: float = 1.2) -> InputSpec:
    """A square input with the product's normalisation."""
    return InputSpec(
        width=size,
        height=size,
        channels=3,
        dtype="float32",
        colour="RGB",
        fit=fit,  # type: ignore[arg-type]
        padding=padding,
        pad_value=114.0,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        resample="box-then-bilinear/1",
    )


def stage_spec(
    name: StageName, spec: InputSpec, output: OutputSpec, variants: Iterable[Variant] = ()
) -> Stage:
    """A stage with its golden vectors in the usual place."""
    return Stage(
        name=name, input=spec, output=output, variants=tuple(variants),
        golden=f"golden/{name}.json",
    )  # fmt: skip


def onnx_variant(file: str = "net.onnx", **changes: object) -> Variant:
    """An ONNX variant of a tiny net."""
    variant = Variant(
        runtime="onnx",
        precision="fp32",
        file=file,
        layout="NCHW",
        input_name=tiny_nets.INPUT,
        output_name=tiny_nets.OUTPUT,
        batch="dynamic",
        max_abs_error=1e-3,
    )
    return msgspec.structs.replace(variant, **changes)


def litert_variant(**changes: object) -> Variant:
    """The .tflite fixture."""
    return onnx_variant(
        "net.tflite",
        **{"runtime": "litert", "layout": "NHWC", "output_name": "output_0", **changes},
    )


@dataclass
class NumpyStage:
    """A stage whose net is a NumPy function of normalised (N, 3, H, W)."""

    spec: Stage
    net: Callable[[Floats], Floats]

    def infer(self, batch: Floats) -> Floats:
        planes = normalise(batch, self.spec.input).transpose(0, 3, 1, 2)
        return self.net(np.ascontiguousarray(planes)).astype(np.float32)


def picture(seed: int = 0, width: int = 40, height: int = 30) -> Image:
    """Coloured blocks with noise: nothing in it looks the same mirrored or with swapped colours."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (-(-height // 6), -(-width // 6), 3))
    image = np.kron(blocks, np.ones((6, 6, 1)))[:height, :width]
    return np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8)


def manifest_of(
    name: str,
    task: Task,
    stages: Iterable[Stage],
    thresholds: dict[str, float],
    files: dict[str, FileEntry],
    **changes: object,
) -> Manifest:
    """A complete manifest around stages."""
    keypoints = KeypointSpec(names=KEYPOINT_NAMES, flip_index=FLIP_INDEX, skeleton=SKELETON)
    manifest = Manifest(
        format="daengdong-bundle/1",
        name=name,
        task=task,
        version="2026.11.1",
        serial=1,
        created_at="2026-11-21T00:00:00+00:00",
        stages=tuple(stages),
        keypoints=keypoints if task == "pose" else None,
        thresholds=thresholds,
        training=Training(data=(), recipe="random weights", seed=0, minutes=0.0),
        licence=Licence(spdx="Apache-2.0", notice="Weights made for tests.", research_only=False),
        calibration=None,
        parity=(),
        model_card="MODEL_CARD.md",
        files=files,
    )
    return msgspec.structs.replace(manifest, **changes)


def entry(path: Path) -> FileEntry:
    """Hash and length of a file."""
    data = path.read_bytes()
    return FileEntry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


@dataclass
class TinyBundle:
    """A bundle's folder, its manifest, and ways to change it as an honest exporter would."""

    folder: Path
    manifest: Manifest

    def write(self, **changes: object) -> None:
        """Change manifest fields, list all files with their hashes, write the manifest."""
        there = (p for p in sorted(self.folder.rglob("*")) if p.is_file() and p.name != MANIFEST)
        files = {p.relative_to(self.folder).as_posix(): entry(p) for p in there}
        self.manifest = msgspec.structs.replace(self.manifest, **{"files": files, **changes})
        (self.folder / MANIFEST).write_bytes(dump(self.manifest))

    def change_stage(self, **changes: object) -> None:
        """Change fields of the first stage and write the manifest."""
        first, *others = self.manifest.stages
        self.write(stages=(msgspec.structs.replace(first, **changes), *others))

    def zip(self, path: Path) -> Path:
        """The bundle as a zip."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(self.folder.rglob("*")):
                archive.write(file, file.relative_to(self.folder).as_posix())
        return path


def _finish(folder: Path, manifest: Manifest, golden: Iterable[GoldenVectors]) -> TinyBundle:
    (folder / "golden").mkdir(exist_ok=True)
    for vectors in golden:
        (folder / "golden" / f"{vectors.stage}.json").write_bytes(dump_golden(vectors))
    (folder / "MODEL_CARD.md").write_text("# a tiny net\n")
    bundle = TinyBundle(folder, manifest)
    bundle.write()
    return bundle


def emotion_bundle(folder: Path, variants: Iterable[Variant] | None = None) -> TinyBundle:
    """A classifier as ONNX and LiteRT."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny_nets.write_classifier(folder / "net.onnx")
    shutil.copy(TFLITE, folder / "net.tflite")
    chosen = tuple(variants or (onnx_variant(), litert_variant()))
    output = LogitsOutput(classes=EMOTIONS, temperature=1.5)
    spec = stage_spec("classifier", input_spec(16, "square_crop"), output, chosen)
    cases = [
        GoldenCase("inside", picture(1), (8.0, 5.0, 30.0, 26.0), None),
        GoldenCase("over the edge", picture(2), (25.0, -6.0, 47.0, 20.0), None),
    ]
    golden = make_golden(NumpyStage(spec, tiny_nets.classify), {}, cases)
    return _finish(folder, manifest_of("tiny-emotion", "emotion", [spec], {}, {}), [golden])


def pose_bundle(folder: Path) -> TinyBundle:
    """A detector with headings and a pose net, both as ONNX."""
    folder.mkdir(parents=True, exist_ok=True)
    found = tiny_nets.write_patch_net(folder / "detector.onnx", 32, 8, 7, seed=5)
    points = tiny_nets.write_patch_net(folder / "pose.onnx", 16, 4, 24, seed=6)
    thresholds = {"score": 0.3, "nms_iou": 0.5, "keypoint": 0.3}
    detector = stage_spec(
        "detector",
        input_spec(32),
        CentreOutput(stride=8, heading=True, classes=("dog",)),
        [onnx_variant("detector.onnx")],
    )
    pose = stage_spec(
        "pose", input_spec(16, "square_crop"), HeatmapOutput(stride=4), [onnx_variant("pose.onnx")]
    )
    box = (6.0, 4.0, 33.0, 25.0)
    golden = [
        make_golden(
            NumpyStage(detector, lambda x: tiny_nets.patches(x, found)),
            thresholds,
            [GoldenCase(f"picture {seed}", picture(seed), None, None) for seed in (3, 4)],
        ),
        make_golden(
            NumpyStage(pose, lambda x: tiny_nets.patches(x, points)),
            thresholds,
            [
                GoldenCase("faces right", picture(5), box, 0.3),
                GoldenCase("faces left", picture(6), box, 2.9),
            ],
        ),
    ]
    manifest = manifest_of("tiny-pose", "pose", [detector, pose], thresholds, {})
    return _finish(folder, manifest, golden)
