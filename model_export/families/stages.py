"""Trained nets behind the interface of a bundle's stage: by torch, or exported and by ORT.

So every family is judged by the phone's own sampling and decoding, not by its trainer's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import HeatmapOutput, InputSpec, LogitsOutput, OutputSpec, Stage
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.stage import InferenceStage
from model_export.export.onnx import INPUT_NAME, export_onnx
from model_export.families.family import TrainedNet

LOWEST_SCORE: Final = 0.02
"""Detections down to this score enter the average precision."""


def stage_spec(net: TrainedNet) -> Stage:
    """Return the manifest's description of a net, without files."""
    output: OutputSpec = msgspec.convert(dict(net.output), OutputSpec)
    pose, classes = isinstance(output, HeatmapOutput), isinstance(output, LogitsOutput)
    return Stage(
        name="pose" if pose else "classifier" if classes else "detector",
        input=msgspec.convert(dict(net.input), InputSpec),
        output=output,
        variants=(),
        golden="",
    )


def normalised(batch: NDArray[np.float32], spec: InputSpec) -> NDArray[np.float32]:
    """(N, H, W, 3) of 0..255 -> (N, 3, H, W), (x / 255 - mean) / std."""
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    scaled = (batch / np.float32(255) - mean) / std
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class TorchStage:
    """A net run by torch."""

    net: TrainedNet
    spec: Stage

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, H, W, 3) of 0..255 -> the raw head, float32."""
        with torch.inference_mode():
            pixels = torch.from_numpy(normalised(batch, self.spec.input))
            raw: NDArray[np.float32] = self.net.module.eval()(pixels).float().numpy()
        return raw


@dataclass(frozen=True, eq=False)
class OnnxStage:
    """An exported net run by ONNX Runtime on the CPU."""

    session: Any
    spec: Stage

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, H, W, 3) of 0..255 -> the raw head, float32."""
        feed = {INPUT_NAME: normalised(batch, self.spec.input)}
        raw: NDArray[np.float32] = self.session.run(None, feed)[0]
        return raw


def torch_stage(net: TrainedNet) -> TorchStage:
    """Run a net by torch."""
    return TorchStage(net, stage_spec(net))


def onnx_stage(net: TrainedNet, file: Path, *, threads: int) -> OnnxStage:
    """Export a net to `file` (fp32) and run it by ONNX Runtime; raises ExportFailed."""
    spec = stage_spec(net)
    export_onnx(net.module, {"fp32": file}, height=spec.input.height, width=spec.input.width)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return OnnxStage(session, spec)


def detector(stage: InferenceStage, thresholds: Mapping[str, float], *, score: float) -> Detector:
    """Return the phone's detector over a stage, from the given score on."""
    return Detector(stage, {"nms_iou": 0.5, **thresholds, "score": score})
