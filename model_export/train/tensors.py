"""From sampled pixels to a net's input tensor: the normalisation that the bundle's stage does."""

from typing import Any

import torch


def normalised(images: torch.Tensor, spec: dict[str, Any]) -> torch.Tensor:
    """(N, 3, H, W) of 0..255 -> (x / 255 - mean) / std with the InputSpec's mean and std."""
    mean = torch.tensor(spec["mean"], dtype=torch.float32, device=images.device)
    std = torch.tensor(spec["std"], dtype=torch.float32, device=images.device)
    return images * (1 / (255 * std[:, None, None])) - (mean / std)[:, None, None]
