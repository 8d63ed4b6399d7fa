"""First weights of a training: a checkpoint's, or those inside a bundle that somebody ships.

A bundle keeps no checkpoint: its normalisations are folded into the convolutions. They are
unfolded here from pictures, so that a training goes on where the shipped net stands, without a
jump at the first step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge_sdk.bundle.manifest import Manifest
from model_export import nets
from model_export.train.presets import Preset

_STAGE_OF_MODEL: Final = {
    "pose": "pose",
    "dog-detector": "detector",
    "face-detector": "detector",
    "emotion": "classifier",
}

_PRECISIONS: Final = ("fp32", "fp16")
"""Of the ONNX variants these hold the weights themselves; the first that is there is taken."""

Convolutions = list[tuple[NDArray[np.float32], NDArray[np.float32] | None]]


class NoFirstWeights(ValueError):
    """Nothing to begin with: the net is another one, or the bundle holds no exact ONNX variant."""


def first_weights(net: nn.Module, start_from: Path, preset: Preset, images: torch.Tensor) -> None:
    """Put the weights of a checkpoint (a file) or of a bundle (a folder) into `net`.

    `images` (N, 3, H, W), normalised as in training: a few dozen set the statistics of a bundle's
    folded normalisations. Raises `NoFirstWeights`.
    """
    if start_from.is_dir():
        found = convolutions_of_bundle(start_from, _STAGE_OF_MODEL[preset.model])
        unfold(net, found, images)
        return
    other, meta = nets.load(start_from)
    if meta["arch"] != preset.arch:
        raise NoFirstWeights(f"{start_from} holds {meta['arch']}, not {preset.arch}")
    carry_over(other, net)


def carry_over(source: nn.Module, target: nn.Module) -> int:
    """Copy the weights that fit by name and shape; returns how many tensors did.

    A detector without heading begins with the trunk of one that has it: only the last layer is
    its own. Raises `NoFirstWeights` when less than half fits: then they are different nets.
    """
    theirs, mine = source.state_dict(), target.state_dict()
    fitting = {k: v for k, v in theirs.items() if k in mine and v.shape == mine[k].shape}
    if 2 * len(fitting) < len(mine):
        raise NoFirstWeights(f"only {len(fitting)} of {len(mine)} tensors fit: not the same net")
    target.load_state_dict({**mine, **fitting})
    return len(fitting)


def minutes_before(start_from: Path | None) -> float:
    """Minutes of training that a checkpoint has behind it; 0 for a bundle, which tells one number
    for all its stages.
    """
    if start_from is None or start_from.is_dir():
        return 0.0
    _, meta = nets.load(start_from)
    return float(meta["training"].get("minutes", 0.0))


def described(start_from: Path | None) -> str | None:
    """What the checkpoint says it began with: a file, or a bundle's name and version."""
    if start_from is None:
        return None
    if not start_from.is_dir():
        return str(start_from)
    manifest = _manifest(start_from)
    return f"bundle {manifest.name} {manifest.version}"


def convolutions_of_bundle(bundle: Path, stage: str) -> Convolutions:
    """Weights (O, I, h, w) and biases (O,) of a stage's convolutions in the order they run."""
    import onnx
    from onnx import numpy_helper

    stages = [s for s in _manifest(bundle).stages if s.name == stage]
    files = {v.precision: v.file for s in stages for v in s.variants if v.runtime == "onnx"}
    file = next((files[p] for p in _PRECISIONS if p in files), None)
    if file is None:
        raise NoFirstWeights(f"{bundle} has no {stage} as ONNX in {' or '.join(_PRECISIONS)}")
    graph = onnx.load(str(bundle / file)).graph
    values = {t.name: numpy_helper.to_array(t).astype(np.float32) for t in graph.initializer}
    for node in graph.node:
        # Sixteen-bit weights are cast as the first thing in the graph.
        if node.op_type == "Cast" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
    return [
        (values[n.input[1]], values[n.input[2]] if len(n.input) > 2 else None)
        for n in graph.node
        if n.op_type == "Conv"
    ]


def unfold(net: nn.Module, convolutions: Convolutions, images: torch.Tensor) -> None:
    """Give `net` folded convolutions, and normalisations that undo their own statistics.

    Afterwards the net computes what the folded one does, both in training mode on pictures like
    `images` and in evaluation mode. Raises `NoFirstWeights` when a shape differs.
    """
    waiting = list(convolutions)
    bias: torch.Tensor | None = None
    scale = torch.ones(1)

    def take(module: nn.Module, _: tuple[torch.Tensor, ...]) -> None:
        nonlocal bias, scale
        assert isinstance(module, nn.Conv2d)
        if not waiting or waiting[0][0].shape != tuple(module.weight.shape):
            raise NoFirstWeights("the bundle's net is not the one to be trained")
        weight, folded = waiting.pop(0)
        own = torch.from_numpy(weight.copy())
        bias = torch.zeros(len(own)) if folded is None else torch.from_numpy(folded.copy())
        if module.bias is not None:
            module.weight.copy_(own)
            module.bias.copy_(bias)
            return
        # Before a normalisation the length of a filter is free: one that AdamW's steps suit.
        scale = own.flatten(1).norm(dim=1).clamp(min=1e-6)
        module.weight.copy_(own / scale[:, None, None, None])

    def measure(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(module, nn.BatchNorm2d)
        assert module.running_mean is not None and module.running_var is not None
        assert bias is not None
        mean = inputs[0].mean(dim=(0, 2, 3))
        variance = inputs[0].var(dim=(0, 2, 3), correction=0)
        module.running_mean.copy_(mean)
        module.running_var.copy_(variance)
        module.weight.copy_(scale * (variance + module.eps).sqrt())
        module.bias.copy_(bias + scale * mean)

    hooks = []
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_pre_hook(take))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(measure))
    training = net.training
    net.eval()
    try:
        with torch.no_grad():
            net(images)
    finally:
        for hook in hooks:
            hook.remove()
        net.train(training)
    if waiting:
        raise NoFirstWeights(f"{len(waiting)} convolutions of the bundle have no place")


def _manifest(bundle: Path) -> Manifest:
    from edge_sdk.bundle.contents import read_folder

    return read_folder(bundle)
