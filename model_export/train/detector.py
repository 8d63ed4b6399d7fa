"""Recipe of the two detectors: the dog's body with its heading, and the dog's face.

Targets and losses are CenterNet's (Zhou et al. 2019, "Objects as Points") with the distances to
the four edges instead of width and height (Tian et al. 2019, FCOS) and a generalised-IoU loss
(Rezatofighi et al. 2019).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from edge_sdk.vision import resample
from model_export.nets.detector import STRIDE
from model_export.train import augment
from model_export.train.examples import Example
from model_export.train.loader import Mixture, batches, steps_per_epoch
from model_export.train.loop import Batch
from model_export.train.presets import Preset
from model_export.train.tensors import normalised

#: Boxes of one training picture: four tiles with at most two dogs each.
_MAX_BOXES = 8

#: Of a box, this share must be in the picture to count as the object; below, it is left out of
#: the loss (neither object nor background).
_VISIBLE_SHARE = 0.45

#: Spread of a centre's peak as a share of the box's side.
_PEAK_SPREAD = 0.11

#: Cells whose target is above this learn the box, weighted by the target.
_BOX_CELLS_ABOVE = 0.5


@dataclass(frozen=True)
class _Placed:
    """One picture sampled into a window: pixels, boxes in the target's px, and what to ignore."""

    pixels: NDArray[np.float32]
    boxes: NDArray[np.float32]
    headings_rad: NDArray[np.float32]
    ignored: NDArray[np.float32]


def labels_of(example: Example, face: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The boxes (M, 4) and headings (M,) that this detector learns from an example."""
    if face:
        return example.face_boxes, np.full(len(example.face_boxes), np.nan, np.float32)
    return example.dog_boxes, example.dog_headings_rad


def mapped_boxes(window: resample.Window, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (M, 4) xyxy of the source in the target's px, corners in order after a mirror."""
    if not len(boxes):
        return np.zeros((0, 4), np.float32)
    corners = window.to_target(boxes.reshape(-1, 2)).reshape(-1, 2, 2)
    low, high = corners.min(axis=1), corners.max(axis=1)
    mapped: NDArray[np.float32] = np.concatenate([low, high], axis=1).astype(np.float32)
    return mapped


def place(example: Example, window: resample.Window, face: bool) -> _Placed:
    """Sample a picture through a window and take its labels along."""
    boxes, headings = labels_of(example, face)
    moved = mapped_boxes(window, boxes)
    limit = np.array([window.width, window.height] * 2, np.float32)
    clipped = np.clip(moved, 0, limit)
    area = _areas(moved)
    share = _areas(clipped) / np.maximum(area, 1e-6)
    small = np.minimum(clipped[:, 2] - clipped[:, 0], clipped[:, 3] - clipped[:, 1]) < STRIDE
    kept = (share >= _VISIBLE_SHARE) & ~small
    if not face and len(example.dogs_hidden):
        kept &= ~example.dogs_hidden
    ignored = ~kept & (share > 0)
    turned = np.pi - headings if window.mirrored else headings
    pixels = resample.sample(example.image, window)
    return _Placed(pixels, clipped[kept], turned[kept].astype(np.float32), clipped[ignored])


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def random_window(
    rng: np.random.Generator, width: int, height: int, size: int, zoom: tuple[float, float]
) -> resample.Window:
    """A view of an image: letterbox, then zoomed, shifted and in half of the cases mirrored.

    `zoom`: the range of magnification, drawn on a logarithmic scale; shifted by at most 0.2 of
    the view or, zoomed in, of what is out of sight.
    """
    magnified = math.exp(rng.uniform(math.log(zoom[0]), math.log(zoom[1])))
    scale = max(width, height) / size / magnified
    view = scale * size
    slack_x, slack_y = abs(width - view) / 2 + 0.1 * view, abs(height - view) / 2 + 0.1 * view
    x0 = (width - view) / 2 + rng.uniform(-slack_x, slack_x)
    y0 = (height - view) / 2 + rng.uniform(-slack_y, slack_y)
    return resample.Window(x0, y0, scale, size, size, bool(rng.random() < 0.5))


def picture(
    examples: Sequence[Example], rng: np.random.Generator, size: int, face: bool
) -> _Placed:
    """One training picture: a single view, or with four examples a mosaic of smaller ones."""
    if len(examples) == 1:
        height, width = examples[0].image.shape[:2]
        zoom = (0.7, 1.4)
        return place(examples[0], random_window(rng, width, height, size, zoom), face)
    half = size // 2
    canvas = np.empty((size, size, 3), np.float32)
    parts = []
    for number, example in enumerate(examples[:4]):
        height, width = example.image.shape[:2]
        window = random_window(rng, width, height, half, (0.8, 1.6))
        placed = place(example, window, face)
        row, column = divmod(number, 2)
        canvas[row * half : (row + 1) * half, column * half : (column + 1) * half] = placed.pixels
        offset = np.array([column * half, row * half] * 2, np.float32)
        parts.append((placed.boxes + offset, placed.headings_rad, placed.ignored + offset))
    boxes, headings, ignored = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Placed(canvas, boxes, headings, ignored)


def _rows(values: Sequence[NDArray[np.float32]], width: int) -> torch.Tensor:
    out = np.full((len(values), _MAX_BOXES, width), np.nan, np.float32)
    for row, value in zip(out, values, strict=True):
        count = min(len(value), _MAX_BOXES)
        row[:count] = value[:count].reshape(count, width)
    return torch.from_numpy(out)


def centre_targets(
    boxes: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Peaks (N, h, w) in 0..1, exactly 1 at each centre's cell, and the box each cell belongs to.

    `boxes` (N, B, 4) px with NaN rows for "none"; the second result (N, h, w) indexes B.
    """
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2 / STRIDE
    cell = centre.floor().clamp_(min=0)
    cell[..., 0].clamp_(max=width - 1)
    cell[..., 1].clamp_(max=height - 1)
    sides = (boxes[..., 2:] - boxes[..., :2]) / STRIDE
    spread = (sides * _PEAK_SPREAD).clamp(min=0.55)
    xs = torch.arange(width, device=boxes.device)
    ys = torch.arange(height, device=boxes.device)
    away_x = ((xs - cell[..., :1]) / spread[..., :1]) ** 2
    away_y = ((ys - cell[..., 1:]) / spread[..., 1:]) ** 2
    peaks = torch.exp(-0.5 * (away_y[..., :, None] + away_x[..., None, :]))
    return torch.nan_to_num(peaks, nan=0.0).max(dim=1)


def edge_distances(boxes: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Boxes (N, 4, h or 1, w or 1) px -> distances of the cell centres to the edges, in strides."""
    xs = torch.arange(width, device=boxes.device) + 0.5
    ys = (torch.arange(height, device=boxes.device) + 0.5)[:, None]
    left, top, right, bottom = (boxes / STRIDE).unbind(1)
    zero = torch.zeros_like(xs + ys)
    return torch.stack([d + zero for d in (xs - left, ys - top, right - xs, bottom - ys)], dim=1)


def giou_of_distances(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Generalised IoU of boxes about one point, (4, K) distances each -> (K,)."""
    area_p = (predicted[0] + predicted[2]) * (predicted[1] + predicted[3])
    area_t = (truth[0] + truth[2]) * (truth[1] + truth[3])
    low, high = torch.minimum(predicted, truth), torch.maximum(predicted, truth)
    shared = (low[0] + low[2]) * (low[1] + low[3])
    union = area_p + area_t - shared
    hull = (high[0] + high[2]) * (high[1] + high[3])
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def detector_loss(raw: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """Focal loss of the centres + GIoU and log-distance loss of the boxes + heading loss.

    `raw` (N, 1 + 4 [+ 2], h, w); `batch`: "boxes" (N, B, 4), "headings" (N, B, 1), "ignored"
    (N, B, 4), NaN rows for none.
    """
    raw = raw.float()
    height, width = raw.shape[2:]
    target, owner = centre_targets(batch["boxes"], height, width)
    away = _inside(batch["ignored"], height, width) & (target < 1)
    logit = raw[:, 0]
    score = torch.sigmoid(logit).clamp(1e-5, 1 - 1e-5)
    centres = target >= 1
    positive = torch.where(centres, -((1 - score) ** 2) * torch.log(score), 0.0)
    negative = -((1 - target) ** 4) * score**2 * torch.log(1 - score)
    negative = torch.where(centres | away, 0.0, negative)
    count = centres.sum().clamp(min=1)
    centre_loss = (positive.sum() + negative.sum()) / count

    grid = (len(raw), height, width)
    own_box = torch.gather(
        torch.nan_to_num(batch["boxes"], nan=0.0), 1, owner.flatten(1)[..., None].expand(-1, -1, 4)
    )
    truth = edge_distances(own_box.transpose(1, 2).reshape(grid[0], 4, *grid[1:]), height, width)
    learns = (target > _BOX_CELLS_ABOVE) & (truth.min(dim=1).values > 0.05)
    weight = target[learns]
    total = weight.sum().clamp(min=1)
    log_predicted = raw[:, 1:5].clamp(-6, 6).permute(1, 0, 2, 3)[:, learns]
    distances = truth.permute(1, 0, 2, 3)[:, learns]
    giou = giou_of_distances(log_predicted.exp(), distances)
    log_gap = functional.smooth_l1_loss(log_predicted, distances.log(), reduction="none", beta=0.1)
    box_loss = ((2 * (1 - giou) + log_gap.mean(dim=0)) * weight).sum() / total
    loss = centre_loss + box_loss
    parts = {"centre": float(centre_loss.detach()), "box": float(box_loss.detach())}
    if raw.shape[1] > 5:
        heading = torch.gather(batch["headings"][..., 0], 1, owner.flatten(1))
        heading = heading.reshape(grid)[learns]
        known = ~torch.isnan(heading)
        direction = torch.stack([heading.cos(), heading.sin()])[:, known]
        gap = (raw[:, 5:7].permute(1, 0, 2, 3)[:, learns][:, known] - direction) ** 2
        heading_loss = (gap.sum(dim=0) * weight[known]).sum() / weight[known].sum().clamp(min=1)
        loss = loss + heading_loss
        parts["heading"] = float(heading_loss.detach())
    return loss, parts


def _inside(boxes: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(N, h, w): the cell's centre lies in one of the boxes (N, B, 4); NaN rows hold nothing."""
    xs = (torch.arange(width, device=boxes.device) + 0.5) * STRIDE
    ys = ((torch.arange(height, device=boxes.device) + 0.5) * STRIDE)[:, None]
    left, top, right, bottom = (boxes[..., k, None, None] for k in range(4))
    return ((xs > left) & (xs < right) & (ys > top) & (ys < bottom)).any(dim=1)


class DetectorTask:
    """What the training loop needs to train a detector."""

    def __init__(self, net: nn.Module, preset: Preset, mixture: Mixture, mosaic_share: float = 0.2):
        self.net = net
        self.preset = preset
        self.mixture = mixture
        self.mosaic_share = mosaic_share
        self.face = preset.model == "face-detector"
        self.steps_per_epoch = steps_per_epoch(mixture, preset.batch_size)

    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        return batches(self.mixture, self._collate, self.preset.batch_size, epoch, first_step)

    def _collate(
        self, examples: list[Example], rng: np.random.Generator, generator: torch.Generator
    ) -> Batch:
        placed = []
        for number, example in enumerate(examples):
            shown = [example]
            if rng.random() < self.mosaic_share:
                shown += [examples[(number + k) % len(examples)] for k in (1, 2, 3)]
            placed.append(picture(shown, rng, self.preset.input_px, self.face))
        pixels = torch.from_numpy(np.stack([p.pixels for p in placed])).permute(0, 3, 1, 2)
        images = augment.photometric(pixels, generator, strength=0.6)
        images = augment.patches(images, generator, share=0.1, largest=0.2)
        return {
            "image": normalised(images, self.preset.input()),
            "boxes": _rows([p.boxes for p in placed], 4),
            "headings": _rows([p.headings_rad[:, None] for p in placed], 1),
            "ignored": _rows([p.ignored for p in placed], 4),
        }

    def loss(self, net: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of a batch."""
        return detector_loss(net(batch["image"]), batch)
