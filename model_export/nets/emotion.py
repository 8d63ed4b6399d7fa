"""The small residual classifier of a dog's face."""

from collections.abc import Sequence

import torch
from torch import nn

from model_export.nets.blocks import ConvNormAct, Trunk, fp32_head


class TinyEmotion(nn.Module):
    """Logits (N, classes) of a square face crop: a residual trunk, its mean, one linear layer."""

    def __init__(
        self,
        classes: int = 4,
        widths: Sequence[int] = (16, 24, 40, 64, 96),
        depths: Sequence[int] = (1, 1, 1, 1),
        features: int = 96,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.trunk = Trunk(widths, depths)
        self.mix = ConvNormAct(widths[4], features, 1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, classes)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W), H and W multiples of 32 -> (N, classes) logits."""
        pooled = self.mix(self.trunk(x)[-1]).mean(dim=(2, 3))
        return fp32_head(self.head, self.dropout(pooled))
