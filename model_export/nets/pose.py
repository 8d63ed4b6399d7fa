"""The heading-canonical top-down pose net: one dog that faces right in, 24 heat maps out."""

from collections.abc import Sequence

import torch
from torch import nn

from model_export.nets.blocks import ConvNormAct, MergeUp, Trunk, fp32_head

STRIDE = 4


class CanonicalPose(nn.Module):
    """Raw heat-map logits at stride 4 for a square crop of a dog that faces right.

    The trunk goes down to stride 32, so that every cell sees the whole dog (which leg is which is
    a question about all of it); the way back up to stride 4 carries the detail. Output: (N,
    keypoints, H / 4, W / 4) logits; the spatial softmax of a map is the place of the keypoint, the
    sigmoid of its maximum is the confidence.
    """

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64, 96, 128),
        depths: Sequence[int] = (0, 2, 2, 1),
        neck: Sequence[int] = (64, 48, 32),
        keypoints: int = 24,
    ):
        super().__init__()
        self.trunk = Trunk(widths, depths)
        self.top = ConvNormAct(widths[4], neck[0], 1)
        self.merge16 = MergeUp(neck[0], widths[3], neck[0])
        self.merge8 = MergeUp(neck[0], widths[2], neck[1])
        self.merge4 = MergeUp(neck[1], widths[1], neck[2])
        self.head = nn.Conv2d(neck[2], keypoints, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        # The maximum of a map starts near "no keypoint" (sigmoid 0.02); from zero the confidence
        # needs half of a short training to come down.
        bias = self.head.bias
        assert bias is not None
        nn.init.constant_(bias, -4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W), H and W multiples of 32 -> (N, keypoints, H / 4, W / 4) logits."""
        at4, at8, at16, at32 = self.trunk(x)
        y = self.merge16(self.top(at32), at16)
        y = self.merge4(self.merge8(y, at8), at4)
        return fp32_head(self.head, y)
