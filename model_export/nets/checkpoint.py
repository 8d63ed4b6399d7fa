"""Nets by name, and the one file format in which training, comparison and export exchange them."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model_export.nets.detector import CentreDetector
from model_export.nets.emotion import TinyEmotion
from model_export.nets.pose import CanonicalPose

_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "centre_detector": CentreDetector,
    "canonical_pose": CanonicalPose,
    "tiny_emotion": TinyEmotion,
}

#: Families whose nets come from elsewhere: the part of the arch before ":" names the module, whose
#: `build(arch, **config)` is called.
_FAMILIES = {"torchvision": "model_export.families.torchvision_nets"}

_REQUIRED = ("arch", "config", "state", "classes", "input", "output", "metrics", "training")


class CheckpointInvalid(ValueError):
    """A file is no checkpoint of this package: say which field is missing, then train again."""


def archs() -> tuple[str, ...]:
    """The names of the product's own nets."""
    return tuple(sorted(_BUILDERS))


def build(arch: str, **config: Any) -> nn.Module:
    """A new net of the named architecture.

    `config` is what its class takes; raises KeyError with the known names for an unknown `arch`.
    """
    family, _, rest = arch.partition(":")
    if rest and family in _FAMILIES:
        module: nn.Module = importlib.import_module(_FAMILIES[family]).build(arch, **config)
        return module
    if arch not in _BUILDERS:
        raise KeyError(f"unknown net {arch!r}: known are {', '.join(archs())}")
    return _BUILDERS[arch](**config)


def parameter_count(module: nn.Module) -> int:
    """How many trained numbers a net has (buffers not counted)."""
    return sum(p.numel() for p in module.parameters())


def save(path: str | os.PathLike[str], module: nn.Module, meta: dict[str, Any]) -> None:
    """Write a checkpoint in one step: a reader sees the old file or the new one, never half.

    `meta`: "arch", "config" (what `build` takes), "classes" (names), "input" (the InputSpec of the
    bundle as a dictionary), "output" (head and stride), "metrics", "training"; more keys are kept.
    Raises `CheckpointInvalid` when one is missing.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}
    document = {**meta, "state": state}
    missing = [name for name in _REQUIRED if name not in document]
    if missing:
        raise CheckpointInvalid(f"{path}: a checkpoint needs {', '.join(missing)}")
    write_atomically(Path(path), document)


def write_atomically(path: Path, document: object) -> None:
    """`torch.save` beside the target, flush to the disk, then rename over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with beside.open("wb") as file:
        torch.save(document, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def load(path: str | os.PathLike[str]) -> tuple[nn.Module, dict[str, Any]]:
    """The net of a checkpoint, in evaluation mode on the CPU, and the file but for "state".

    The file is read without running code from it. Raises `CheckpointInvalid` when a field is
    missing or the weights do not fit the architecture.
    """
    document = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(document, dict):
        raise CheckpointInvalid(f"{path}: not a dictionary")
    missing = [name for name in _REQUIRED if name not in document]
    if missing:
        raise CheckpointInvalid(f"{path}: lacks {', '.join(missing)}")
    state = document.pop("state")
    module = build(document["arch"], **document["config"])
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointInvalid(f"{path}: {error}") from error
    return module.eval(), document
