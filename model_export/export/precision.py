"""Precisions and runtimes that a net is exported to, and the errors of doing so."""

from typing import Literal, get_args

Runtime = Literal["onnx", "litert", "coreml"]
Precision = Literal["fp32", "fp16", "w8a32", "int8"]

RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

#: Weights smaller than this stay in 32 bits: biases and scales cost nothing and matter most.
SMALLEST_REDUCED_WEIGHT = 256


class ExportFailed(Exception):
    """A net could not be turned into the format asked for; the message names net and cause."""

    code = "export_failed"


class PrecisionUnsupported(ExportFailed):
    """The format has no such precision, or it needs calibration pictures that were not given."""

    code = "precision_unsupported"
