"""The anchor-free centre detector, with or without a heading beside each box."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from model_export.nets.blocks import ConvNormAct, MergeUp, Trunk, fp32_head

STRIDE = 8

# Before training a cell says "an object" with this probability (Lin et al. 2017, focal loss):
# without it the thousands of empty cells dominate the first steps.
_PRIOR = 0.01


class CentreDetector(nn.Module):
    """Raw logits at stride 8: classes, distances to the four edges, and the heading where asked.

    Output (N, classes + 4 + 2 * heading, H / 8, W / 8): class logits; log of the distances left,
    top, right, bottom from the cell's centre in strides; cosine and sine of the heading, not
    normalised.
    """

    def __init__(
        self,
        classes: int = 1,
        heading: bool = True,
        widths: Sequence[int] = (16, 24, 40, 72, 88),
        depths: Sequence[int] = (0, 1, 1, 1),
        neck: Sequence[int] = (64, 48),
    ):
        super().__init__()
        self.trunk = Trunk(widths, depths)
        self.top = ConvNormAct(widths[4], neck[0], 1)
        self.merge16 = MergeUp(neck[0], widths[3], neck[0])
        self.merge8 = MergeUp(neck[0], widths[2], neck[1])
        self.mix = ConvNormAct(neck[1], neck[1])
        self.head = nn.Conv2d(neck[1], classes + 4 + (2 if heading else 0), 1)
        nn.init.normal_(self.head.weight, std=0.01)
        bias = self.head.bias
        assert bias is not None
        with torch.no_grad():
            bias.zero_()
            bias[:classes] = -math.log((1 - _PRIOR) / _PRIOR)
            # exp(1.6) is about 5 strides: half of a middle-sized dog in a 224 px image.
            bias[classes : classes + 4] = 1.6

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W), H and W multiples of 32 -> (N, C + 4 + Hd, H / 8, W / 8) raw."""
        _, at8, at16, at32 = self.trunk(x)
        y = self.merge16(self.top(at32), at16)
        return fp32_head(self.head, self.mix(self.merge8(y, at8)))
