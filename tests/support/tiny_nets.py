"""Nets of a few hundred weights as ONNX files, and the same arithmetic in NumPy.

Each is a patch convolution (kernel = stride = s), the classifier with a mean and a linear layer
behind it: enough to notice a swapped colour, a mirrored input or a changed weight.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

INPUT, OUTPUT = "image", "output"


def weights(seed: int, *shape: int) -> Floats:
    """The same numbers on every machine and in every framework."""
    return (np.random.default_rng(seed).normal(0, 0.5, shape)).astype(np.float32)


def patches(pictures: Floats, kernel: Floats) -> Floats:
    """(N, 3, H, W) and (C, 3, s, s) -> (N, C, H/s, W/s): the convolution in NumPy."""
    s = kernel.shape[2]
    n, _, height, width = pictures.shape
    cut = pictures.reshape(n, 3, height // s, s, width // s, s)
    return np.einsum("nchiwj,kcij->nkhw", cut, kernel, optimize=True).astype(np.float32)


def write_patch_net(path: Path, size: int, stride: int, channels: int, seed: int = 1) -> Floats:
    """An ONNX file (N, 3, size, size) -> (N, channels, size/stride, size/stride); its kernel."""
    from onnx import TensorProto, helper, numpy_helper

    kernel = weights(seed, channels, 3, stride, stride)
    node = helper.make_node(
        "Conv", [INPUT, "kernel"], [OUTPUT], kernel_shape=[stride] * 2, strides=[stride] * 2
    )
    cells = size // stride
    _write(
        path,
        [node],
        [numpy_helper.from_array(kernel, "kernel")],
        helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 3, size, size]),
        helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", channels, cells, cells]),
    )
    return kernel


def classifier_weights(classes: int = 4, hidden: int = 8) -> tuple[Floats, Floats]:
    """Kernel (hidden, 3, 4, 4) and linear layer (classes, hidden) of the tiny classifier."""
    return weights(3, hidden, 3, 4, 4), 4 * weights(4, classes, hidden)


def classify(pictures: Floats) -> Floats:
    """The tiny classifier in NumPy: (N, 3, 16, 16) normalised -> logits (N, 4)."""
    kernel, linear = classifier_weights()
    return np.maximum(patches(pictures, kernel), 0).mean(axis=(2, 3)) @ linear.T


def write_classifier(path: Path, size: int = 16) -> None:
    """The tiny classifier as an ONNX file."""
    from onnx import TensorProto, helper, numpy_helper

    kernel, linear = classifier_weights()
    nodes = [
        helper.make_node("Conv", [INPUT, "kernel"], ["a"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "linear"], [OUTPUT], transB=1),
    ]
    _write(
        path,
        nodes,
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(linear, "linear")],
        helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 3, size, size]),
        helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", len(linear)]),
    )


def write_wide_net(path: Path, megabytes: int) -> None:
    """A net that holds this much memory while it is open (a large weight that nothing folds)."""
    from onnx import TensorProto, helper, numpy_helper

    rows = megabytes * 1024 * 1024 // 4 // 1024
    big = numpy_helper.from_array(np.ones((1024, rows), np.float32), "big")
    small = numpy_helper.from_array(np.zeros((rows, 4), np.float32), "small")
    nodes = [
        helper.make_node("GlobalAveragePool", [INPUT], ["a"]),
        helper.make_node("Flatten", ["a"], ["b"]),
        helper.make_node("Pad", ["b", "pads"], ["c"]),
        helper.make_node("MatMul", ["c", "big"], ["d"]),
        helper.make_node("MatMul", ["d", "small"], [OUTPUT]),
    ]
    pads = numpy_helper.from_array(np.array([0, 0, 0, 1021], np.int64), "pads")
    _write(
        path,
        nodes,
        [big, small, pads],
        helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 3, 16, 16]),
        helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", 4]),
    )


def _write(path: Path, nodes: list, tensors: list, given: object, answer: object) -> None:  # type: ignore[type-arg]
    import onnx
    from onnx import helper

    graph = helper.make_graph(nodes, "tiny", [given], [answer], tensors)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="tests"
    )
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
