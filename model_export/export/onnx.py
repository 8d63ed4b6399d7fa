"""Torch to ONNX: one graph with a free batch size, and the same graph with smaller weights.

The batch size is left free because it costs nothing: measured on one thread, ONNX Runtime 1.31
runs the pose net in 2.95 ms an image with a fixed and in 2.96 ms with a free batch.
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import nn

from model_export.export.precision import (
    SMALLEST_REDUCED_WEIGHT,
    ExportFailed,
    Precision,
    PrecisionUnsupported,
)
from model_export.export.quiet import quiet

#: Read by ONNX Runtime from 1.13 on, and by onnxruntime-web and -node.
OPSET = 17
INPUT_NAME = "image"
OUTPUT_NAME = "output"

Pictures = npt.NDArray[np.float32]


def export_onnx(
    module: nn.Module,
    paths: Mapping[Precision, Path],
    *,
    height: int,
    width: int,
    calibration: Pictures | None = None,
) -> None:
    """Write `module` as ONNX files, input `image` (N, 3, height, width), output `output`.

    `paths`: a file for each precision. "fp16" and "w8a32" store the weights in 16 or 8 bits and
    compute in 32 (see `_half_weights`, `_eight_bit_weights`). "int8" quantises activations too and
    needs `calibration`, normalised pictures (N, 3, height, width). Raises `PrecisionUnsupported`
    without them, `ExportFailed` when torch or ONNX refuses the net.
    """
    full = _graph(module, height, width)
    for precision, path in paths.items():
        graph = onnx.ModelProto()
        graph.CopyFrom(full)
        if precision == "fp16":
            _half_weights(graph)
        elif precision == "w8a32":
            _eight_bit_weights(graph)
        elif precision == "int8":
            if calibration is None:
                raise PrecisionUnsupported("int8 needs calibration pictures")
            graph = _static_int8(graph, calibration)
        onnx.checker.check_model(graph, full_check=True)
        path.write_bytes(graph.SerializeToString(deterministic=True))


def _graph(module: nn.Module, height: int, width: int) -> ModelProto:
    with tempfile.TemporaryDirectory(prefix="daengdong-onnx-") as folder:
        path = Path(folder) / "graph.onnx"
        # The exporter on top of torch.export needs onnxscript; the older one writes the same graph
        # for these nets (convolutions with folded normalisation) without another dependency.
        with quiet(), torch.no_grad():
            try:
                pictures = torch.zeros(2, 3, height, width)
                # Some nets compute their anchors in the first call of a shape: not in the graph.
                module.eval()(pictures)
                torch.onnx.export(
                    module,
                    (pictures,),
                    str(path),
                    dynamo=False,
                    input_names=[INPUT_NAME],
                    output_names=[OUTPUT_NAME],
                    dynamic_axes={INPUT_NAME: {0: "batch"}, OUTPUT_NAME: {0: "batch"}},
                    opset_version=OPSET,
                )
            except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
                raise ExportFailed(f"{type(module).__name__} to ONNX: {error}") from error
        graph = onnx.load(path)
    _name_weights_by_order(graph)
    return graph


def _name_weights_by_order(graph: ModelProto) -> None:
    """Torch numbers weights by a counter of the process: name them by order, so bytes repeat."""
    new_name = {w.name: f"weight_{i}" for i, w in enumerate(graph.graph.initializer)}
    for weight in graph.graph.initializer:
        weight.name = new_name[weight.name]
    for node in graph.graph.node:
        for i, name in enumerate(node.input):
            if name in new_name:
                node.input[i] = new_name[name]


def _large_weights(graph: ModelProto) -> Iterator[tuple[TensorProto, npt.NDArray[np.float32]]]:
    for weight in list(graph.graph.initializer):
        values = numpy_helper.to_array(weight)
        big = values.ndim >= 2 and values.size >= SMALLEST_REDUCED_WEIGHT
        if big and values.dtype == np.float32:
            yield weight, values


def _with_restored_weights(
    graph: ModelProto, replace: dict[str, list[TensorProto]], restore: list[NodeProto]
) -> None:
    kept = [w for w in graph.graph.initializer if w.name not in replace]
    stored = [tensor for tensors in replace.values() for tensor in tensors]
    nodes = [*restore, *graph.graph.node]
    del graph.graph.initializer[:]
    del graph.graph.node[:]
    graph.graph.initializer.extend(kept + stored)
    graph.graph.node.extend(nodes)


def _half_weights(graph: ModelProto) -> None:
    """Weights in 16 bits, cast back when the session opens: half the file, the speed of 32 bits.

    ONNX Runtime has no 16-bit convolution on CPUs; a graph that computes in 16 bits would insert
    casts around every node.
    """
    replace: dict[str, list[TensorProto]] = {}
    restore = []
    for weight, values in _large_weights(graph):
        stored = f"{weight.name}_half"
        replace[weight.name] = [numpy_helper.from_array(values.astype(np.float16), stored)]
        restore.append(helper.make_node("Cast", [stored], [weight.name], to=TensorProto.FLOAT))
    _with_restored_weights(graph, replace, restore)


def _eight_bit_weights(graph: ModelProto) -> None:
    """Weights as integers of 8 bits and one scale for each output channel, symmetric about zero.

    Restored by Cast and Mul, which ONNX Runtime folds once when the session opens. It never folds
    DequantizeLinear: measured on the pose net, 4.41 ms an image with it and 2.97 ms this way.
    """
    replace: dict[str, list[TensorProto]] = {}
    restore = []
    for weight, values in _large_weights(graph):
        integers, scales = eight_bits(values)
        name = weight.name
        replace[name] = [
            numpy_helper.from_array(integers, f"{name}_int8"),
            numpy_helper.from_array(scales, f"{name}_scale"),
        ]
        restore += [
            helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]),
        ]
    _with_restored_weights(graph, replace, restore)


def eight_bits(
    values: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """(int8 of the same shape, scales (C, 1, ...)) with values ~ int8 * scale, each channel alone.

    The range is -127..127: symmetric, so that zero stays zero.
    """
    over = tuple(range(1, values.ndim))
    scales = np.abs(values).max(axis=over, keepdims=True) / 127
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    return np.clip(np.rint(values / scales), -127, 127).astype(np.int8), scales


class _CalibrationPictures:
    """Pictures one at a time, as ONNX Runtime's quantiser asks for them."""

    def __init__(self, pictures: Pictures):
        self._left = iter(pictures)

    def get_next(self) -> dict[str, Pictures] | None:
        """The next input, or None after the last."""
        picture = next(self._left, None)
        return None if picture is None else {INPUT_NAME: picture[None]}


def _static_int8(graph: ModelProto, pictures: Pictures) -> ModelProto:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    CalibrationDataReader.register(_CalibrationPictures)
    with tempfile.TemporaryDirectory(prefix="daengdong-int8-") as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(graph, before)
        with quiet():
            quantize_static(
                str(before),
                str(after),
                _CalibrationPictures(pictures),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
            )
        return onnx.load(after)
