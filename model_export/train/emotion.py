"""Recipe of the emotion classifier: a face crop as a detector would give it, four logits out."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from edge_sdk.vision import resample
from model_export.train import augment
from model_export.train.examples import Example
from model_export.train.loader import Mixture, batches, steps_per_epoch
from model_export.train.loop import Batch
from model_export.train.presets import Preset
from model_export.train.tensors import normalised

#: Of each label this share is spread over all classes: expressions have no sharp borders.
_SMOOTHING = 0.05


def jittered_window(
    example: Example, rng: np.random.Generator, size: int, padding: float
) -> resample.Window:
    """The window of a face box with a detector's error, mirrored in half of the cases."""
    box = example.face_boxes[0].astype(np.float64)
    sides = box[2:] - box[:2]
    box = box + np.clip(rng.normal(0, 0.06, 4), -0.18, 0.18) * np.tile(sides, 2)
    box[2:] = np.maximum(box[2:], box[:2] + 4)
    window = resample.square_crop(box, size, padding * math.exp(rng.normal(0, 0.08)))
    return window.mirror() if rng.random() < 0.5 else window


def fitted_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature that makes the probabilities honest (Guo et al. 2017), 0.25 to 4.

    `logits` (N, C) and `labels` (N,) of pictures outside the training.
    """
    candidates = torch.exp(torch.linspace(math.log(0.25), math.log(4.0), 161))
    losses = [float(functional.cross_entropy(logits / t, labels)) for t in candidates]
    return float(candidates[int(np.argmin(losses))])


class EmotionTask:
    """What the training loop needs to train the emotion classifier."""

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
        crops = [resample.sample(e.image, jittered_window(e, rng, size, padding)) for e in examples]
        images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        nothing = torch.zeros(len(examples), 0, 2)
        images, _ = augment.turned(images, nothing, generator, share=0.3, spread_deg=8.0)
        images = augment.photometric(images, generator, strength=0.5)
        images = augment.patches(images, generator, share=0.1, largest=0.2)
        labels = torch.tensor([e.emotion for e in examples])
        return {"image": normalised(images, self.preset.input()), "emotion": labels}

    def loss(self, net: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of a batch."""
        logits = net(batch["image"]).float()
        loss = functional.cross_entropy(logits, batch["emotion"], label_smoothing=_SMOOTHING)
        right = (logits.argmax(dim=1) == batch["emotion"]).float().mean()
        return loss, {"entropy": float(loss.detach()), "accuracy": float(right)}
