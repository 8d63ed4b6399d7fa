"""A Core ML program computed operation by operation with torch: Apple's runtime is macOS only.

What Apple's compiler and neural engine make of the package stays unknown here; but a broken
weight, a lost layer, a wrong padding or an overflow of 16 bits in the file shows in the numbers.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from model_export.export.coreml import coremltools
from model_export.export.quiet import quiet


class ProgramUnreadable(Exception):
    """The program uses an operation that is not known here: its numbers can be checked on a Mac."""

    code = "coreml_program_unreadable"


class CoreMLProgram:
    """The operations and weights of a .mlpackage, as they lie in its files."""

    def __init__(self, path: Path):
        ct = coremltools()
        with quiet():
            reader: Any = import_module("coremltools.converters.mil.frontend.milproto.load")
            model = ct.models.MLModel(str(path), skip_model_load=True)
            spec = model.get_spec()
            program = reader.load(spec, spec.specificationVersion, model.weights_dir)
        (function,) = program.functions.values()
        self._operations = list(function.operations)
        self._input = next(iter(function.inputs))
        self._output = function.outputs[0].name

    def __call__(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(N, 3, H, W) normalised -> the raw head; raises `ProgramUnreadable`."""
        values = {self._input: torch.from_numpy(np.ascontiguousarray(image))}
        with torch.no_grad():
            for operation in self._operations:
                _compute(operation, values)
        return values[self._output].float().numpy()


def _compute(operation: Any, values: dict[str, torch.Tensor]) -> None:
    if operation.op_type == "const":
        return
    out = operation.outputs[0]
    if operation.op_type.startswith("constexpr_"):
        values[out.name] = torch.from_numpy(np.array(operation.materialized_val_inference()))
        return
    compute = _OPERATIONS.get(operation.op_type)
    if compute is None:
        raise ProgramUnreadable(f"operation {operation.op_type} is not known here")
    result = compute(_Arguments(operation, values))
    results = (result,) if isinstance(result, torch.Tensor) else result
    for out, value in zip(operation.outputs, results, strict=True):
        # Sums are kept in 32 bits inside an operation, results have the type the program says.
        values[out.name] = value.half() if out.dtype.__name__ == "fp16" else value.float()


class _Arguments:
    """Tensors and settings of one operation, by the names of the MIL reference."""

    def __init__(self, operation: Any, values: dict[str, torch.Tensor]):
        self._inputs = operation.inputs
        self._values = values

    def tensor(self, name: str) -> torch.Tensor:
        return self._tensor(self._inputs[name])

    def tensors(self, name: str) -> list[torch.Tensor]:
        return [self._tensor(found) for found in self._inputs[name]]

    def _tensor(self, found: Any) -> torch.Tensor:
        if found.name in self._values:
            return self._values[found.name].float()
        return torch.from_numpy(np.array(found.val, dtype=np.float32))

    def has(self, name: str) -> bool:
        return self._inputs.get(name) is not None

    def setting(self, name: str, default: Any = None) -> Any:
        found = self._inputs.get(name)
        return default if found is None else found.val

    def numbers(self, name: str) -> list[int]:
        return [int(v) for v in np.atleast_1d(self.setting(name))]


def _padded(
    a: _Arguments, x: torch.Tensor, size: list[int], strides: list[int], fill: float
) -> torch.Tensor:
    kind = a.setting("pad_type", "valid")
    if kind == "valid":
        return x
    if kind == "custom":
        top, bottom, left, right = a.numbers("pad")
    else:
        # "same": what is missing to ceil(length / stride) steps, the odd pixel behind;
        # "same_lower": before.
        pads = []
        for length, kernel, stride in zip(x.shape[2:], size, strides, strict=True):
            need = max(0, (-(-length // stride) - 1) * stride + kernel - length)
            small, large = need // 2, need - need // 2
            pads += [large, small] if kind == "same_lower" else [small, large]
        top, bottom, left, right = pads
    return functional.pad(x, (left, right, top, bottom), value=fill)


def _conv(a: _Arguments) -> torch.Tensor:
    weight = a.tensor("weight")
    strides, dilations = a.numbers("strides"), a.numbers("dilations")
    size = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=True)]
    x = _padded(a, a.tensor("x"), size, strides, 0.0)
    bias = a.tensor("bias") if a.has("bias") else None
    groups = int(a.setting("groups", 1))
    return functional.conv2d(x, weight, bias, strides, 0, dilations, groups)


def _linear(a: _Arguments) -> torch.Tensor:
    return functional.linear(
        a.tensor("x"), a.tensor("weight"), a.tensor("bias") if a.has("bias") else None
    )


def _upsample(a: _Arguments) -> torch.Tensor:
    factors = (float(a.setting("scale_factor_height")), float(a.setting("scale_factor_width")))
    return functional.interpolate(a.tensor("x"), scale_factor=factors, mode="nearest")


def _max_pool(a: _Arguments) -> torch.Tensor:
    size, strides = a.numbers("kernel_sizes"), a.numbers("strides")
    x = _padded(a, a.tensor("x"), size, strides, float("-inf"))
    return functional.max_pool2d(x, size, strides)


def _hard_sigmoid(a: _Arguments) -> torch.Tensor:
    return (float(a.setting("alpha")) * a.tensor("x") + float(a.setting("beta"))).clamp(0, 1)


def _matmul(a: _Arguments) -> torch.Tensor:
    x, y = a.tensor("x"), a.tensor("y")
    x = x.transpose(-1, -2) if a.setting("transpose_x", False) else x
    return x @ (y.transpose(-1, -2) if a.setting("transpose_y", False) else y)


def _slice(a: _Arguments) -> torch.Tensor:
    x = a.tensor("x")
    begin, end = a.numbers("begin"), a.numbers("end")
    steps = a.numbers("stride") if a.has("stride") else [1] * x.ndim
    from_start = np.atleast_1d(a.setting("begin_mask", [False] * x.ndim))
    to_end = np.atleast_1d(a.setting("end_mask", [False] * x.ndim))
    if a.has("squeeze_mask") and np.any(a.setting("squeeze_mask")):
        raise ProgramUnreadable("slice_by_index with a squeeze mask is not known here")
    return x[
        tuple(
            slice(None if first else b, None if last else e, s)
            for b, e, s, first, last in zip(begin, end, steps, from_start, to_end, strict=True)
        )
    ]


def _split(a: _Arguments) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor_split(a.tensor("x"), _ends(a), dim=int(a.setting("axis"))))


def _ends(a: _Arguments) -> list[int]:
    return [int(end) for end in np.cumsum(a.numbers("split_sizes"))[:-1]]


_OPERATIONS: dict[str, Callable[[_Arguments], torch.Tensor | tuple[torch.Tensor, ...]]] = {
    "matmul": _matmul,
    "slice_by_index": _slice,
    "split": _split,
    "exp": lambda a: a.tensor("x").exp(),
    "transpose": lambda a: a.tensor("x").permute(a.numbers("perm")),
    "concat": lambda a: torch.cat(a.tensors("values"), dim=int(a.setting("axis"))),
    "softmax": lambda a: a.tensor("x").softmax(dim=int(a.setting("axis"))),
    "conv": _conv,
    "linear": _linear,
    "upsample_nearest_neighbor": _upsample,
    "max_pool": _max_pool,
    "sigmoid_hard": _hard_sigmoid,
    "relu": lambda a: functional.relu(a.tensor("x")),
    "thresholded_relu": lambda a: functional.threshold(
        a.tensor("x"), float(a.setting("alpha")), 0.0
    ),
    "relu6": lambda a: functional.relu6(a.tensor("x")),
    "silu": lambda a: functional.silu(a.tensor("x")),
    "sigmoid": lambda a: torch.sigmoid(a.tensor("x")),
    "clip": lambda a: a.tensor("x").clamp(float(a.setting("alpha")), float(a.setting("beta"))),
    "add": lambda a: a.tensor("x") + a.tensor("y"),
    "sub": lambda a: a.tensor("x") - a.tensor("y"),
    "mul": lambda a: a.tensor("x") * a.tensor("y"),
    "real_div": lambda a: a.tensor("x") / a.tensor("y"),
    "cast": lambda a: a.tensor("x"),
    "reduce_mean": lambda a: a.tensor("x").mean(
        dim=a.numbers("axes"), keepdim=bool(a.setting("keep_dims", False))
    ),
    "reshape": lambda a: a.tensor("x").reshape(a.numbers("shape")),
    "squeeze": lambda a: a.tensor("x").squeeze(a.numbers("axes")),
}
