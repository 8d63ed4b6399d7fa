"""Real bundles on disk whose nets always answer the same: one face, one reading of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.golden import GoldenCase, make_golden
from edge_sdk.bundle.manifest import CentreOutput, LogitsOutput
from edge_sdk.face.emotions import EMOTIONS
from tests.support import tiny_nets
from tests.support.scripted_models import STRIDE, centre_head
from tests.support.tiny_bundles import (
    NumpyStage,
    _finish,
    input_spec,
    manifest_of,
    onnx_variant,
    picture,
    stage_spec,
)

SIZE = 64
Floats = NDArray[np.float32]


def steady_faces(
    models_dir: Path, *, score: float = 0.9, side_px: float = 32.0,
    logits: Sequence[float] = (3, 0, 0, 0),
) -> Path:  # fmt: skip
    """A folder of models: a face in the middle, `side_px` of 64, and `logits` for its emotion."""
    half = side_px / 2
    box = (SIZE / 2 - half, SIZE / 2 - half, SIZE / 2 + half, SIZE / 2 + half)
    head = centre_head(SIZE, [(box, score, None)], heading=False)
    _detector(models_dir / "dog-face", head)
    _classifier(models_dir / "dog-emotion", np.array(logits, np.float32))
    return models_dir


def _detector(folder: Path, head: Floats) -> None:
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir(parents=True)
    nodes = [
        helper.make_node("ReduceMean", [tiny_nets.INPUT], ["a"], axes=[1, 2, 3]),
        helper.make_node("Mul", ["a", "zero"], ["b"]),
        helper.make_node("Add", ["b", "head"], [tiny_nets.OUTPUT]),
    ]
    tensors = [
        numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
        numpy_helper.from_array(head[None], "head"),
    ]
    _net(folder, nodes, tensors, SIZE, ["batch", *head.shape], TensorProto.FLOAT)
    output = CentreOutput(stride=STRIDE, heading=False, classes=("face",))
    spec = stage_spec("detector", input_spec(SIZE), output, [onnx_variant()])
    thresholds = {"score": 0.3, "nms_iou": 0.5}
    golden = make_golden(
        NumpyStage(spec, lambda x: np.repeat(head[None], len(x), axis=0)), thresholds,
        [GoldenCase("any", picture(1), None, None)],
    )  # fmt: skip
    manifest = manifest_of("steady-face", "face_detection", [spec], thresholds, {})
    _finish(folder, manifest, [golden])


def _classifier(folder: Path, logits: Floats) -> None:
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir(parents=True)
    nodes = [
        helper.make_node("GlobalAveragePool", [tiny_nets.INPUT], ["a"]),
        helper.make_node("Flatten", ["a"], ["b"]),
        helper.make_node("Gemm", ["b", "zero", "logits"], [tiny_nets.OUTPUT]),
    ]
    tensors = [
        numpy_helper.from_array(np.zeros((3, 4), np.float32), "zero"),
        numpy_helper.from_array(logits, "logits"),
    ]
    _net(folder, nodes, tensors, 16, ["batch", 4], TensorProto.FLOAT)
    output = LogitsOutput(classes=EMOTIONS, temperature=1.0)
    spec = stage_spec("classifier", input_spec(16, "square_crop"), output, [onnx_variant()])
    golden = make_golden(
        NumpyStage(spec, lambda x: np.repeat(logits[None], len(x), axis=0)), {},
        [GoldenCase("any", picture(1), (8.0, 5.0, 30.0, 26.0), None)],
    )  # fmt: skip
    _finish(folder, manifest_of("steady-emotion", "emotion", [spec], {}, {}), [golden])


def _net(
    folder: Path, nodes: list[Any], tensors: list[Any], size: int, shape: list[Any], kind: int
) -> None:
    from onnx import helper

    given = helper.make_tensor_value_info(tiny_nets.INPUT, kind, ["batch", 3, size, size])
    answer = helper.make_tensor_value_info(tiny_nets.OUTPUT, kind, shape)
    tiny_nets._write(folder / "net.onnx", nodes, tensors, given, answer)
