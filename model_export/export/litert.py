"""Torch to LiteRT (.tflite): pictures as (1, height, width, 3), as phones hold them.

The batch in the file is 1; LiteRT's interpreter can resize it (tested), which the runtime of
`edge_sdk` does for batches.
"""

import copy
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model_export.export.precision import ExportFailed, Precision, PrecisionUnsupported
from model_export.export.quiet import quiet
from model_export.export.tflite_file import repack

SIGNATURE = "serving_default"

#: Names in the signature; the tensors themselves are called after the converter's fashion.
INPUT_NAME = "image"
OUTPUT_NAME = "output_0"

Pictures = npt.NDArray[np.float32]


class _ChannelsLast(nn.Module):
    """A net that takes (N, H, W, 3); what it returns stays as the manifest says, (N, C, ...)."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, H, W, 3) -> raw head."""
        out: torch.Tensor = self.module(image.permute(0, 3, 1, 2))
        return out


def export_litert(
    module: nn.Module,
    paths: Mapping[Precision, Path],
    *,
    height: int,
    width: int,
    calibration: Pictures | None = None,
) -> None:
    """Write `module` as .tflite files, float32 input (1, height, width, 3), float32 output.

    `paths`: a file for each precision. "fp16" and "w8a32" store weights in 16 or 8 bits (one scale
    for each channel), which XNNPACK turns back once when the interpreter opens: files of 51 % and
    27 % at the same speed. "int8" computes in 8 bits and needs `calibration`, normalised pictures
    (N, 3, height, width). Raises `PrecisionUnsupported` without them and `ExportFailed` when the
    converter refuses the net.
    """
    if "int8" in paths and calibration is None:
        raise PrecisionUnsupported("int8 needs calibration pictures")
    model = _float_model(module, height, width)
    for precision, path in paths.items():
        with quiet():
            path.write_bytes(repack(_reduce(model, precision, calibration)))


def _float_model(module: nn.Module, height: int, width: int) -> bytes:
    # The converter logs every pass of its C++ part to stderr unless told before it is loaded.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import litert_torch

    litert_torch.config.show_progress = False
    net = _ChannelsLast(copy.deepcopy(module)).eval()
    with (
        tempfile.TemporaryDirectory(prefix="daengdong-litert-") as folder,
        quiet(),
        torch.no_grad(),
    ):
        path = Path(folder) / "model.tflite"
        try:
            pictures = torch.zeros(1, height, width, 3)
            # Some nets compute their anchors in the first call of a shape: not in the graph.
            net(pictures)
            model = litert_torch.convert(net, sample_kwargs={INPUT_NAME: pictures})
            model.export(str(path))
        except (RuntimeError, ValueError, NotImplementedError, TypeError) as error:
            raise ExportFailed(f"{type(module).__name__} to LiteRT: {error}") from error
        return path.read_bytes()


def _reduce(model: bytes, precision: Precision, calibration: Pictures | None) -> bytes:
    if precision == "fp32":
        return model
    from ai_edge_quantizer import qtyping, quantizer
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    every = qtyping.TFLOperationName.ALL_SUPPORTED
    tool: Any = quantizer.Quantizer(bytearray(model))
    if precision == "fp16":
        tool.update_quantization_recipe(
            regex=".*",
            operation_name=every,
            algorithm_key=AlgorithmName.FLOAT_CASTING,
            op_config=qtyping.OpQuantizationConfig(
                weight_tensor_config=qtyping.TensorQuantizationConfig(
                    num_bits=16, dtype=qtyping.TensorDataType.FLOAT
                ),
                compute_precision=qtyping.ComputePrecision.FLOAT,
                explicit_dequantize=True,
            ),
        )
        return bytes(tool.quantize().quantized_model)
    if precision == "w8a32":
        tool.add_weight_only_config(regex=".*", operation_name=every, num_bits=8)
        return bytes(tool.quantize().quantized_model)
    assert calibration is not None
    tool.add_static_config(
        regex=".*", operation_name=every, activation_num_bits=8, weight_num_bits=8
    )
    # Input and output stay float32, as the manifest promises for every variant.
    for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        tool.update_quantization_recipe(
            regex=".*", operation_name=end, algorithm_key=AlgorithmName.NO_QUANTIZE
        )
    pictures = np.ascontiguousarray(calibration.transpose(0, 2, 3, 1))
    measured = tool.calibrate({SIGNATURE: [{INPUT_NAME: picture[None]} for picture in pictures]})
    return bytes(tool.quantize(measured).quantized_model)
