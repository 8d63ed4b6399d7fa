"""Building blocks of the product's own nets: plain convolutions that every phone runtime runs fast.

Only 1x1 and 3x3 convolutions, batch normalisation (folded at export), ReLU, addition and nearest
up-sampling by two are used, so that ONNX, LiteRT and Core ML all keep a net as it is, in floats
and in eight bits.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class ConvNormAct(nn.Sequential):
    """A convolution without bias, batch normalisation and ReLU; padding keeps the size / stride."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1):
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3x3 convolutions around which the input is carried (He et al. 2015, basic block)."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = ConvNormAct(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )
        # The block starts as the identity: deep stacks then train from the first step on.
        norm = self.second[1]
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.zeros_(norm.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) -> the same shape."""
        return functional.relu(x + self.second(self.first(x)))


class Trunk(nn.Module):
    """Feature maps at strides 4, 8, 16, 32: a strided convolution and residual blocks for each.

    `widths`: channels of the stem (stride 2) and of the four stages; `depths`: residual blocks of
    each stage.
    """

    def __init__(self, widths: Sequence[int], depths: Sequence[int]):
        super().__init__()
        if len(widths) != 5 or len(depths) != 4:
            raise ValueError(f"a trunk has 5 widths and 4 depths, not {widths} and {depths}")
        self.stem = ConvNormAct(3, widths[0], 3, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(
                ConvNormAct(before, after, 3, 2), *(Residual(after) for _ in range(depth))
            )
            for before, after, depth in zip(widths[:-1], widths[1:], depths, strict=True)
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(N, 3, H, W) -> four maps, (N, widths[k + 1], H / 4 / 2**k, W / 4 / 2**k)."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class MergeUp(nn.Module):
    """The coarser map, doubled in size, added to the finer one and mixed by a 3x3 convolution."""

    def __init__(self, coarse: int, fine: int, channels_out: int):
        super().__init__()
        self.lateral = ConvNormAct(fine, coarse, 1)
        self.mix = ConvNormAct(coarse, channels_out, 3)

    def forward(self, coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
        """(N, coarse, h, w) and (N, fine, 2h, 2w) -> (N, channels_out, 2h, 2w)."""
        doubled = functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
        merged: torch.Tensor = self.mix(doubled + self.lateral(fine))
        return merged


def fp32_head(head: nn.Module, features: torch.Tensor) -> torch.Tensor:
    """Run the last layer in 32 bits also under autocast: sub-cell peaks need more than 8 bits."""
    if torch.is_autocast_enabled(features.device.type):
        with torch.autocast(features.device.type, enabled=False):
            out: torch.Tensor = head(features.float())
            return out
    out = head(features)
    return out
