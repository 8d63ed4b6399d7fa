"""Recipe of the heading-canonical pose net.

Every crop is mirrored so that the dog faces right, and then left and right change their names.
Without that the two legs of a pair look alike, the net learns the average of both, and a gait
measured from it is symmetric whatever the dog does.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from edge_sdk.vision import resample
from edge_sdk.vision.keypoints import KEYPOINT_NAMES
from model_export.nets.pose import STRIDE
from model_export.train import augment
from model_export.train.examples import Example, swap_left_right
from model_export.train.loader import Mixture, batches, steps_per_epoch
from model_export.train.loop import Batch
from model_export.train.presets import Preset
from model_export.train.tensors import normalised

#: Spread of a keypoint's target in cells: the logits learn a parabola of this width, which the
#: decoder's parabola then fits exactly.
_TARGET_SPREAD_CELLS = 1.0

#: A keypoint this far off, as a share of the crop's side, has the confidence exp(-1).
_CONFIDENCE_REACH = 0.04

#: Weight of the confidence next to the place.
_CONFIDENCE_WEIGHT = 0.15

#: Hidden keypoints can only be guessed: they pull less.
_HIDDEN_WEIGHT = 0.6

#: Legs carry the gait: their keypoints count more than the rest of the body.
_LEG_WEIGHT = 1.5

#: Free ends move on their own and are small: two fifths of all errors of the first release were
#: the tips of the ears, a tenth the end of the tail.
_FREE_END_WEIGHT = 1.5

#: Spread of the heading that a detector gives, in degrees: near the end-on views the crop is
#: then sometimes mirrored the other way, as on the phone.
_HEADING_NOISE_DEG = 8.0


def keypoint_weights() -> torch.Tensor:
    """(24,) how much each keypoint counts."""
    weights = {"paw": _LEG_WEIGHT, "knee": _LEG_WEIGHT, "elbow": _LEG_WEIGHT}
    weights |= {"ear_tip": _FREE_END_WEIGHT, "tail_end": _FREE_END_WEIGHT}
    return torch.tensor(
        [
            max((w for end, w in weights.items() if n.endswith(end)), default=1.0)
            for n in KEYPOINT_NAMES
        ]
    )


def canonical_crop(
    image: NDArray[np.uint8],
    keypoints: NDArray[np.float32],
    window: resample.Window,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pixels (S, S, 3) and keypoints (24, 3) of a window, names swapped when it is mirrored."""
    moved = keypoints.astype(np.float32).copy()
    moved[:, :2] = window.to_target(keypoints[:, :2])
    if window.mirrored:
        moved = swap_left_right(moved)
    return resample.sample(image, window), moved


def jittered_window(
    example: Example, rng: np.random.Generator, size: int, padding: float
) -> resample.Window:
    """The window that an imperfect detector gives: shifted, scaled, sometimes turned around."""
    box = example.dog_boxes[0].astype(np.float64)
    sides = box[2:] - box[:2]
    corner_noise = rng.normal(0, 0.035, 4) * np.tile(sides, 2)
    box = box + np.clip(corner_noise, -0.12 * sides.max(), 0.12 * sides.max())
    box[2:] = np.maximum(box[2:], box[:2] + 4)
    stretched = padding * math.exp(rng.normal(0, 0.08))
    window = resample.square_crop(box, size, stretched)
    heading = float(example.dog_headings_rad[0]) + math.radians(rng.normal(0, _HEADING_NOISE_DEG))
    return window.mirror() if math.cos(heading) < 0 else window


def heatmap_targets(
    points: torch.Tensor, height: int, width: int, spread_cells: float = _TARGET_SPREAD_CELLS
) -> torch.Tensor:
    """Points (N, K, 2) px -> probabilities over the cells, (N, K, h * w), each map sums to 1."""
    cells = points / STRIDE - 0.5
    xs = torch.arange(width, device=points.device)
    ys = torch.arange(height, device=points.device)
    line_x = torch.exp(-0.5 * ((xs - cells[..., :1]) / spread_cells) ** 2)
    line_y = torch.exp(-0.5 * ((ys - cells[..., 1:]) / spread_cells) ** 2)
    maps = (line_y[..., :, None] * line_x[..., None, :]).flatten(2)
    return maps / maps.sum(dim=2, keepdim=True).clamp(min=1e-9)


def pose_loss(raw: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """Cross-entropy of each map's spatial softmax with the place + that of the confidence.

    `raw` (N, 24, h, w); `batch["keypoints"]` (N, 24, 3) px and visibility. The softmax leaves a
    constant of each map free; the confidence, sigmoid of the map's maximum, sets it: it learns how
    near the maximum is to the truth, 0 where the keypoint is absent or outside the crop.
    """
    raw = raw.float()
    height, width = raw.shape[2:]
    points, visibility = batch["keypoints"][..., :2], batch["keypoints"][..., 2]
    limit = torch.tensor([width * STRIDE, height * STRIDE], device=raw.device)
    inside = ((points >= 0) & (points < limit)).all(dim=2) & (visibility > 0)
    logits = raw.flatten(2)
    target = heatmap_targets(torch.where(inside[..., None], points, 0.0), height, width)
    entropy = -(target * functional.log_softmax(logits, dim=2)).sum(dim=2)
    weight = torch.where(visibility > 1, 1.0, _HIDDEN_WEIGHT) * keypoint_weights().to(raw.device)
    weight = torch.where(inside, weight, 0.0)
    place = (entropy * weight).sum() / weight.sum().clamp(min=1)

    peak, cell = logits.max(dim=2)
    found = torch.stack([cell % width, cell // width], dim=2).float()
    away = ((found + 0.5) * STRIDE - points).norm(dim=2) / (width * STRIDE)
    wanted = torch.where(inside, torch.exp(-((away / _CONFIDENCE_REACH) ** 2)), 0.0)
    confidence = functional.binary_cross_entropy_with_logits(peak, wanted.detach())
    loss = place + _CONFIDENCE_WEIGHT * confidence
    return loss, {"place": float(place.detach()), "confidence": float(confidence.detach())}


class PoseTask:
    """What the training loop needs to train the pose net."""

    def __init__(self, net: nn.Module, preset: Preset, mixture: Mixture):
        self.net = net
        self.preset = preset
        self.mixture = mixture
        self.steps_per_epoch = steps_per_epoch(mixture, preset.batch_size)

    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        return batches(self.mixture, self._collate, self.preset.batch_size, epoch, first_step)

    def _collate(
        self, examples: list[Example], rng: np.random.Generator, generator: torch.Generator
    ) -> Batch:
        size, padding = self.preset.input_px, self.preset.padding
        crops = [
            canonical_crop(e.image, e.keypoints, jittered_window(e, rng, size, padding))
            for e in examples
        ]
        images = torch.from_numpy(np.stack([pixels for pixels, _ in crops])).permute(0, 3, 1, 2)
        points = torch.from_numpy(np.stack([keypoints for _, keypoints in crops]))
        images, points = augment.turned(images, points, generator, share=0.35, spread_deg=9.0)
        images = augment.photometric(images, generator, strength=0.6)
        images = augment.patches(images, generator, share=0.1, largest=0.2)
        return {"image": normalised(images, self.preset.input()), "keypoints": points}

    def loss(self, net: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of a batch."""
        return pose_loss(net(batch["image"]), batch)
