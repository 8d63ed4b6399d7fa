"""Training torchvision's SSDLite on MobileNetV3 (320 px) with its own loss, for boxes of any class.

Loss, matching and hard negatives are torchvision's (Liu et al. 2016, SSD; Sandler et al. 2018).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from edge_sdk.vision import resample
from model_export.datasets.sample import Dataset, Sample
from model_export.families.family import NothingToLearn, Progress, Recipe
from model_export.families.torchvision_nets import (
    SSDLITE_PX,
    SsdliteRaw,
    load_local_weights,
)

_RATE: Final = 1e-3
_WEIGHT_DECAY: Final = 1e-4
_WARMUP_SHARE: Final = 0.1
_ZOOM: Final = (0.75, 1.35)
_SHIFT: Final = 0.15
_VISIBLE_SHARE: Final = 0.45
_MEAN_STD: Final = 0.5


def input_spec() -> dict[str, Any]:
    """Return the bundle's InputSpec of this net as a dictionary."""
    return {
        "width": SSDLITE_PX,
        "height": SSDLITE_PX,
        "channels": 3,
        "dtype": "float32",
        "colour": "RGB",
        "fit": "letterbox",
        "padding": 1.0,
        "pad_value": resample.PAD_VALUE,
        "mean": [_MEAN_STD] * 3,
        "std": [_MEAN_STD] * 3,
        "resample": resample.RULE,
    }


def train_ssdlite(
    recipe: Recipe, dataset: Dataset, folder: Path, progress: Progress | None = None
) -> tuple[SsdliteRaw, dict[str, list[float]]]:
    """Train on the part train (or all, when no sample has a part); returns net and curves.

    Writes `curves.json` into `folder` epoch by epoch. The same recipe and data give the same
    weights on one machine. Raises NothingToLearn, FamilyError, ImageMissing, ImageBroken.
    """
    parted = any(sample.split for sample in dataset.samples)
    part = dataset.part("train") if parted else dataset
    held_out = dataset.part("val")
    if not any(sample.instances for sample in part.samples):
        raise NothingToLearn("no sample of the part train has a box")
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    net = SsdliteRaw(len(dataset.classes)).to(recipe.device)
    if recipe.weights is not None:
        load_local_weights(net, recipe.weights)
    steps = -(-len(part) // recipe.batch_size)
    optimiser = torch.optim.AdamW(
        net.parameters(), recipe.learning_rate or _RATE, weight_decay=_WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        recipe.learning_rate or _RATE,
        total_steps=steps * recipe.epochs + 1,
        pct_start=_WARMUP_SHARE,
    )
    curves: dict[str, list[float]] = {"loss_box": [], "loss_class": []}
    folder.mkdir(parents=True, exist_ok=True)
    for epoch in range(recipe.epochs):
        net.train()
        sums = np.zeros(2)
        for images, targets in _batches(part, recipe, epoch):
            losses = _losses(net, images.to(recipe.device), targets, recipe.device)
            optimiser.zero_grad()
            torch.autograd.backward(losses["bbox_regression"] + losses["classification"])
            torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimiser.step()
            schedule.step()
            sums += losses["bbox_regression"].item(), losses["classification"].item()
        for name, value in zip(("loss_box", "loss_class"), sums / steps, strict=True):
            curves[name].append(float(value))
        if held_out.samples:
            curves.setdefault("val_loss", []).append(_held_out_loss(net, held_out, recipe))
        (folder / "curves.json").write_text(json.dumps(curves))
        if progress is not None:
            progress("epoch", epoch + 1, recipe.epochs, {k: v[-1] for k, v in curves.items()})
    return net.cpu().eval(), curves


Target = dict[str, torch.Tensor]


def _losses(
    net: SsdliteRaw, images: torch.Tensor, targets: list[Target], device: str
) -> dict[str, torch.Tensor]:
    moved = [{k: v.to(device) for k, v in target.items()} for target in targets]
    # The inner net normalises by itself when it trains: it takes 0..1.
    losses: dict[str, torch.Tensor] = net.ssd(list(images), moved)
    return losses


def _held_out_loss(net: SsdliteRaw, part: Dataset, recipe: Recipe) -> float:
    rows = []
    # The loss needs the training mode, whose running means must not see the held-out pictures.
    net.train()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.Dropout):
            module.eval()
    with torch.no_grad():
        for sample in part.samples:
            image, target = _placed(sample, _whole(sample))
            losses = _losses(net, image[None].to(recipe.device), [target], recipe.device)
            rows.append(sum(loss.item() for loss in losses.values()))
    return float(np.mean(rows))


def _batches(
    part: Dataset, recipe: Recipe, epoch: int
) -> Iterator[tuple[torch.Tensor, list[Target]]]:
    rng = np.random.default_rng((recipe.seed, epoch))
    order = rng.permutation(len(part))
    # One picture alone has no variance to normalise by: the last batch is filled from the first.
    for start in range(0, len(order), recipe.batch_size):
        chosen = order[start : start + recipe.batch_size]
        if len(chosen) < 2:
            chosen = np.concatenate([chosen, order[: 2 - len(chosen)]])
        placed = [_placed(part.samples[k], _jittered(part.samples[k], rng)) for k in chosen]
        yield torch.stack([image for image, _ in placed]), [target for _, target in placed]


def _whole(sample: Sample) -> resample.Window:
    return resample.letterbox(sample.width_px, sample.height_px, SSDLITE_PX, SSDLITE_PX)


def _jittered(sample: Sample, rng: np.random.Generator) -> resample.Window:
    """Zoom and shift a letterbox, and in half of the cases mirror it."""
    whole = _whole(sample)
    scale = whole.scale * rng.uniform(*_ZOOM)
    centre = np.array([sample.width_px, sample.height_px]) / 2
    centre = centre + rng.uniform(-_SHIFT, _SHIFT, 2) * whole.scale * SSDLITE_PX
    x0, y0 = centre - scale * SSDLITE_PX / 2
    mirrored = bool(rng.random() < 0.5)
    return resample.Window(float(x0), float(y0), float(scale), SSDLITE_PX, SSDLITE_PX, mirrored)


def _placed(sample: Sample, window: resample.Window) -> tuple[torch.Tensor, Target]:
    pixels = resample.sample(sample.pixels(), window) / 255
    image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32))
    boxes, labels = [], []
    for instance in sample.instances:
        box = _moved(instance.box_xyxy_px, window)
        cut = np.clip(box, 0, SSDLITE_PX)
        area = float(np.prod(box[2:] - box[:2]))
        if float(np.prod(cut[2:] - cut[:2])) >= _VISIBLE_SHARE * area > 0:
            boxes.append(cut)
            labels.append(instance.class_id + 1)
    target = {
        "boxes": torch.from_numpy(np.array(boxes, np.float32).reshape(-1, 4)),
        "labels": torch.tensor(labels, dtype=torch.int64),
    }
    return image, target


def _moved(box: NDArray[np.float64], window: resample.Window) -> NDArray[np.float64]:
    corners = np.asarray(window.to_target(box.reshape(2, 2)))
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])
