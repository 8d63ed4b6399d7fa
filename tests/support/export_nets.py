"""Small nets with lively weights, their export folders, and ways to damage what was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import torch
from onnx import numpy_helper

from model_export import nets
from model_export.export.folder import file_entries, read_record, write_record
from model_export.export.source import ExportSource, load_source
from model_export.parity.quality import generated_examples, sees_faces
from model_export.train.examples import Example
from model_export.train.presets import preset

IMAGE_PX = 96


def lively_checkpoint(model: str, folder: Path, seed: int = 3) -> Path:
    """A checkpoint whose net answers every picture differently, without having learned anything."""
    chosen = preset(model, "tiny")
    torch.manual_seed(seed)
    net = nets.build(chosen.arch, **chosen.config)
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.weight, 0.7, 1.3)
            torch.nn.init.uniform_(part.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(part.running_var, 0.7, 1.3)
    torch.nn.init.normal_(net.head.weight, std=0.5)
    path = folder / f"{model}.pt"
    meta = {
        "arch": chosen.arch,
        "config": chosen.config,
        "classes": list(chosen.classes),
        "input": chosen.input(),
        "output": chosen.output(),
        "thresholds": chosen.thresholds,
        "metrics": {"pck05": 0.5, "per_keypoint_pck05": {"nose": 0.9, "rear_left_paw": 0.2}},
        "training": {
            "recipe": f"model_export.train {model}",
            "seed": seed,
            "minutes": 0.0,
            "data": [{"name": "generated pictures", "licence": "Apache-2.0", "images": 64}],
        },
    }
    nets.save(path, net.eval(), meta)
    return path


def lively_source(model: str, folder: Path) -> ExportSource:
    """The same as something to export."""
    return load_source(lively_checkpoint(model, folder))


def plain_examples(source: ExportSource, cache: Path, count: int = 12) -> list[Example]:
    """Labelled pictures of coloured ellipses, drawn in no time."""
    kind = "face" if sees_faces(source) else "body"
    renderer = f"tests.support.plain_dogs:{kind}_image"
    return generated_examples(source, count, cache, renderer=renderer, image_px=IMAGE_PX)


def rehash(folder: Path) -> None:
    """Make the record of an export folder true again, so that hashes are not what finds a fault."""
    record = read_record(folder)
    write_record(folder, msgspec.structs.replace(record, files=file_entries(folder)))


def change_weights(
    file: Path, change: Callable[[np.ndarray], np.ndarray], dimensions: int = 4, last: bool = False
) -> None:
    """Change the first (or last) weight of an ONNX file that has this many dimensions."""
    graph = onnx.load(file)
    found = [w for w in graph.graph.initializer if len(w.dims) == dimensions]
    # The first node that is a convolution carries the first weight, whatever their order.
    names = [n.input[1] for n in graph.graph.node if n.op_type in ("Conv", "Gemm")]
    found.sort(key=lambda w: names.index(w.name))
    weight = found[-1 if last else 0]
    values = np.ascontiguousarray(change(numpy_helper.to_array(weight).copy()), np.float32)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    file.write_bytes(graph.SerializeToString())
