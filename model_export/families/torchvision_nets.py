"""torchvision's nets (BSD-3-Clause) by name, as `model_export.nets.build` asks for them.

Weights are random unless the user has a file of torchvision's own weights: nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torchvision import models  # type: ignore[import-untyped]
from torchvision.models.detection import (  # type: ignore[import-untyped]
    ssdlite320_mobilenet_v3_large,
)
from torchvision.models.detection.image_list import ImageList  # type: ignore[import-untyped]

from model_export.families.family import FamilyError, Licence

PREFIX: Final = "torchvision:"
LICENCE: Final = Licence("BSD-3-Clause", "torchvision")
SSDLITE: Final = "torchvision:ssdlite320_mobilenet_v3_large"
SSDLITE_PX: Final = 320
_CLASSIFIERS: Final[dict[str, Callable[..., nn.Module]]] = {
    "mobilenet_v3_small": models.mobilenet_v3_small,
    "mobilenet_v3_large": models.mobilenet_v3_large,
    "efficientnet_b0": models.efficientnet_b0,
    "resnet50": models.resnet50,
}
CLASSIFIERS: Final = tuple(PREFIX + name for name in _CLASSIFIERS)
"""The nets that the product's own emotion comparison names, as archs."""


def build(arch: str, **config: Any) -> nn.Module:
    """Return a new net with random weights: a classifier (N, classes), or the SSDLite raw head.

    `config`: `classes`, the count without background. Raises KeyError for an unknown arch.
    """
    name = arch.removeprefix(PREFIX)
    classes = int(config.get("classes", 4))
    if arch == SSDLITE:
        return SsdliteRaw(classes)
    if name not in _CLASSIFIERS:
        raise KeyError(f"unknown net {arch!r}: known are {', '.join((*CLASSIFIERS, SSDLITE))}")
    return _CLASSIFIERS[name](weights=None, num_classes=classes)


def load_local_weights(module: nn.Module, file: Path) -> tuple[str, ...]:
    """Take from a file of torchvision's weights what fits; returns the names left as they were.

    The last layer never fits, as the classes differ. Raises FamilyError when the file is not a
    dictionary of tensors, or less than half of the net's tensors are in it.
    """
    try:
        told = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise FamilyError(f"{file}: {error}") from error
    if not isinstance(told, dict):
        raise FamilyError(f"{file} is not a dictionary of tensors")
    inner = module.ssd if isinstance(module, SsdliteRaw) else module
    own = inner.state_dict()
    fitting = {
        name: value
        for name, value in told.items()
        if name in own and isinstance(value, torch.Tensor) and value.shape == own[name].shape
    }
    if len(fitting) * 2 < len(own):
        raise FamilyError(f"{file}: only {len(fitting)} of {len(own)} tensors fit this net")
    inner.load_state_dict(fitting, strict=False)
    return tuple(sorted(set(own) - set(fitting)))


class SsdliteRaw(nn.Module):
    """SSDLite with its boxes decoded and nothing suppressed: (N, 4 + classes, A).

    Input (N, 3, 320, 320), normalised with mean and deviation .5; output in px of the input:
    centre x, y, width, height, then a probability for each class (background left out). This is
    the bundle's head "yolo_detect", so one decoder serves both.
    """

    def __init__(self, classes: int = 1) -> None:
        """Build with random weights."""
        super().__init__()
        self.ssd = ssdlite320_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=classes + 1
        )
        with torch.no_grad():
            sizes = self._sizes(torch.zeros(1, 3, SSDLITE_PX, SSDLITE_PX))
        self.register_buffer("anchors", self._anchors(sizes), persistent=False)

    def _sizes(self, x: torch.Tensor) -> list[torch.Tensor]:
        training = self.ssd.training
        features = list(self.ssd.eval().backbone(x).values())
        self.ssd.train(training)
        return features

    def _anchors(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Default boxes (A, 4) as centre and size in px; they depend on the input's size only."""
        blank = torch.zeros(1, 3, SSDLITE_PX, SSDLITE_PX)
        images = ImageList(blank, [(SSDLITE_PX, SSDLITE_PX)])
        corners = self.ssd.anchor_generator(images, features)[0]
        low, high = corners[:, :2], corners[:, 2:]
        return torch.cat([(low + high) / 2, high - low], dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, 320, 320) -> (N, 4 + classes, A)."""
        out = self.ssd.head(list(self.ssd.backbone(x).values()))
        wx, wy, ww, wh = self.ssd.box_coder.weights
        anchors: torch.Tensor = self.get_buffer("anchors")
        step = out["bbox_regression"] / torch.tensor([wx, wy, ww, wh])
        centre = step[..., :2] * anchors[:, 2:] + anchors[:, :2]
        size = step[..., 2:].clamp(max=self.ssd.box_coder.bbox_xform_clip).exp() * anchors[:, 2:]
        scores = out["cls_logits"].softmax(dim=-1)[..., 1:]
        return torch.cat([centre, size, scores], dim=-1).transpose(1, 2)
