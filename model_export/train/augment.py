"""Augmentation of whole batches of images as tensors: light, colour, blur, noise, patches, turns.

Every function takes a `torch.Generator`, so that a batch is a function of its seed. Images are
(N, 3, H, W) float32 in 0..255 throughout.
"""

import math

import torch
from torch.nn import functional


def _uniform(
    generator: torch.Generator, shape: tuple[int, ...], low: float, high: float
) -> torch.Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def _chosen(generator: torch.Generator, count: int, share: float) -> torch.Tensor:
    """The indices of about `share` of a batch."""
    return torch.nonzero(torch.rand(count, generator=generator) < share)[:, 0]


def photometric(
    images: torch.Tensor, generator: torch.Generator, strength: float = 1.0
) -> torch.Tensor:
    """What a camera and the light change: gain per channel, contrast, gamma, grey, blur, noise.

    `strength` 0..1 scales every range and share: fine cues, as an eyelid, drown in the full one.
    """
    n = images.shape[0]
    k = strength
    gain = _uniform(generator, (n, 1, 1, 1), 1 - 0.3 * k, 1 + 0.3 * k)
    gain = gain * _uniform(generator, (n, 3, 1, 1), 1 - 0.12 * k, 1 + 0.12 * k)
    contrast = _uniform(generator, (n, 1, 1, 1), 1 - 0.3 * k, 1 + 0.25 * k)
    shift = _uniform(generator, (n, 1, 1, 1), -18.0 * k, 18.0 * k)
    mean = images.mean(dim=(2, 3), keepdim=True)
    # ((x - mean) contrast + mean) gain + shift in one pass: half of a batch's time went here.
    offset = mean * (1 - contrast) * gain + shift
    out = torch.addcmul(offset, images, contrast * gain).clamp_(0, 255)
    some = _chosen(generator, n, 0.3 * k)
    if len(some):
        gamma = torch.exp(_uniform(generator, (len(some), 1, 1, 1), -0.35 * k, 0.35 * k))
        out[some] = (out[some] / 255).pow_(gamma).mul_(255)
    some = _chosen(generator, n, 0.08 * k)
    if len(some):
        out[some] = out[some].mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    some = _chosen(generator, n, 0.15 * k)
    if len(some):
        out[some] = _softened(out[some])
    some = _chosen(generator, n, 0.3 * k)
    if len(some):
        spread = _uniform(generator, (len(some), 1, 1, 1), 2.0, 2.0 + 10.0 * k)
        noise = torch.randn((len(some), *out.shape[1:]), generator=generator).mul_(spread)
        out.index_add_(0, some, noise.to(out.dtype))
    return out.clamp_(0, 255)


def _softened(images: torch.Tensor) -> torch.Tensor:
    """A 3x3 binomial blur."""
    line = torch.tensor([1.0, 2.0, 1.0]) / 4
    kernel = (line[:, None] * line[None])[None, None].expand(3, 1, 3, 3)
    return functional.conv2d(functional.pad(images, (1, 1, 1, 1), "replicate"), kernel, groups=3)


def patches(
    images: torch.Tensor, generator: torch.Generator, share: float, largest: float
) -> torch.Tensor:
    """Cover a rectangle in a share of the images with a flat colour: something in front.

    `largest`: longest side of a patch as a share of the image's side.
    """
    height, width = images.shape[2:]
    for index in _chosen(generator, images.shape[0], share).tolist():
        u = torch.rand(7, generator=generator)
        wide, high = (float(v) * largest + 0.04 for v in u[:2])
        x, y = float(u[2]) * width, float(u[3]) * height
        rows = slice(int(y), min(height, int(y + high * height) + 1))
        columns = slice(int(x), min(width, int(x + wide * width) + 1))
        images[index, :, rows, columns] = (u[4:] * 255)[:, None, None]
    return images


def turned(
    images: torch.Tensor,
    points: torch.Tensor,
    generator: torch.Generator,
    *,
    share: float,
    spread_deg: float,
    pad_value: float = 114.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn a share of the batch about the image's centre; `points` (N, K, 2+) px turn with it.

    The angle is normal with `spread_deg`. Both arguments are changed in place and returned.
    """
    some = _chosen(generator, images.shape[0], share)
    if not len(some):
        return images, points
    angle = torch.randn(len(some), generator=generator) * math.radians(spread_deg)
    cos, sin = torch.cos(angle), torch.sin(angle)
    zero = torch.zeros_like(cos)
    # From the place in the turned image to the place in the old one, in grid units (square image).
    back = torch.stack([torch.stack([cos, sin, zero], 1), torch.stack([-sin, cos, zero], 1)], dim=1)
    grid = functional.affine_grid(back, [len(some), *images.shape[1:]], align_corners=False)
    images[some] = (
        functional.grid_sample(images[some] - pad_value, grid, align_corners=False) + pad_value
    )
    centre = torch.tensor([images.shape[3] / 2, images.shape[2] / 2])
    offset = points[some, :, :2] - centre
    x = cos[:, None] * offset[..., 0] - sin[:, None] * offset[..., 1]
    y = sin[:, None] * offset[..., 0] + cos[:, None] * offset[..., 1]
    points[some, :, :2] = torch.stack([x, y], dim=-1) + centre
    return images, points
