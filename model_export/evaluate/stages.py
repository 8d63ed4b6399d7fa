"""A torch net behind the interface of a bundle's stage, for the phone's own pipelines."""

from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge_sdk.bundle.manifest import (
    CentreOutput,
    HeatmapOutput,
    InputSpec,
    OutputSpec,
    Stage,
    StageName,
)
from model_export.train.tensors import normalised


class TorchStage:
    """Runs a net as `LoadedStage` runs an exported one: pixels in, the raw head out.

    `input_spec`, `output_spec`: the dictionaries of a checkpoint ("input", "output").
    """

    def __init__(self, net: nn.Module, input_spec: dict[str, Any], output_spec: dict[str, Any]):
        self._net = net.eval()
        self._input = input_spec
        self._device = next(net.parameters()).device
        output: OutputSpec = msgspec.convert(output_spec, OutputSpec)
        self.spec = Stage(
            name=_stage_name(output),
            input=msgspec.convert(input_spec, InputSpec),
            output=output,
            variants=(),
            golden="",
        )

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, H, W, 3) of 0..255 -> the raw output of the net, float32."""
        pixels = torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
        with torch.inference_mode():
            raw: NDArray[np.float32] = (
                self._net(normalised(pixels.to(self._device), self._input)).float().cpu().numpy()
            )
        return raw


def _stage_name(output: OutputSpec) -> StageName:
    if isinstance(output, HeatmapOutput):
        return "pose"
    return "detector" if isinstance(output, CentreOutput) else "classifier"


def stage_of_checkpoint(net: nn.Module, meta: dict[str, Any]) -> TorchStage:
    """The stage of a loaded checkpoint, with its calibrated temperature if it has one."""
    output = dict(meta["output"])
    if "calibration" in meta:
        output["temperature"] = meta["calibration"]["temperature"]
    return TorchStage(net, meta["input"], output)
