"""Nets whose answers are known, and pictures made for them: what the comparisons are tested on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edge_sdk.face.emotions import EMOTIONS
from model_export.compare.settings import CompareSettings
from model_export.datasets.sample import Dataset, Instance, Sample
from model_export.families.family import Licence, Task, TrainedNet
from tests.support.made_dogs import MADE

QUICK = CompareSettings(threads=1, warm_up=1, timed=3, onnx=False)
AGPL = Licence("AGPL-3.0-only", "open source or a licence")


class BrightBox(nn.Module):
    """Finds the one bright thing of a 64 px picture: raw head (N, 5, 1), score `sure` if any."""

    def __init__(self, sure: float = 0.9) -> None:
        super().__init__()
        self.sure = nn.Parameter(torch.tensor(sure))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = x.amin(dim=1) > 0.7
        out = []
        for picture in bright:
            if not bool(picture.any()):
                out.append(torch.tensor([32.0, 32, 4, 4, 0.0]))
                continue
            rows, columns = picture.any(1).nonzero()[:, 0], picture.any(0).nonzero()[:, 0]
            x0, x1 = columns[0].float(), columns[-1].float() + 1
            y0, y1 = rows[0].float(), rows[-1].float() + 1
            box = torch.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])
            out.append(torch.cat([box, self.sure[None]]))
        return torch.stack(out)[..., None]


class Redness(nn.Module):
    """Tells the emotion by the share of red: happy is brightest, then sad, angry, relaxed."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.tensor([0.9, 0.65, 0.4, 0.15]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        red = x[:, 0].mean(dim=(1, 2))
        return -((red[:, None] - self.levels[None]) ** 2) * 400


class OnePose(nn.Module):
    """The same 24 points in every crop: heat maps (N, 24, 16, 16) at stride 4."""

    def __init__(self, cells: list[tuple[int, int]]) -> None:
        super().__init__()
        maps = torch.full((24, 16, 16), -6.0)
        for k, (column, row) in enumerate(cells):
            maps[k, row, column] = 6.0
        self.maps = nn.Parameter(maps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.maps[None].expand(len(x), -1, -1, -1) + 0 * x.mean()


def net_of(
    module: nn.Module, task: Task, output: dict[str, Any], *, name: str = "net",
    licence: Licence | None = None, fit: str = "letterbox", **extra: Any,
) -> TrainedNet:  # fmt: skip
    spec = {
        "width": 64, "height": 64, "channels": 3, "dtype": "float32", "colour": "RGB",
        "fit": fit, "padding": 1.0, "pad_value": 0, "mean": [0.0] * 3, "std": [1.0] * 3,
        "resample": "box-then-bilinear/1",
    }  # fmt: skip
    return TrainedNet(
        name, "own", name, task, module, spec, output, tuple(output.get("classes", ())),
        {"score": 0.3, "nms_iou": 0.5}, licence or Licence("Apache-2.0"), Path("none"), **extra,
    )  # fmt: skip


def bright_finder(**kwargs: Any) -> TrainedNet:
    output = {"head": "yolo_detect", "classes": ["dog_face"], "box_units": "px"}
    sure = kwargs.pop("sure", 0.9)
    return net_of(BrightBox(sure), "face_detection", output, **kwargs)


def red_reader(**kwargs: Any) -> TrainedNet:
    output = {"head": "logits", "classes": list(EMOTIONS), "temperature": 1.0}
    return net_of(Redness(), "emotion", output, fit="square_crop", **kwargs)


def bright_faces(count: int, *, negatives: int = 0) -> Dataset:
    """Bright squares whose red tells the emotion, on black; negatives are black."""
    samples = []
    for k in range(count + negatives):
        image = np.zeros((64, 64, 3), np.uint8)
        instances: tuple[Instance, ...] = ()
        emotion = None
        if k < count:
            emotion = EMOTIONS[k % 4]
            x, y, side = 4 + 2 * (k % 9), 6 + (k % 7), 20 + k % 11
            image[y : y + side, x : x + side] = 255
            instances = (Instance(0, np.array([x, y, x + side, y + side], np.float64)),)
        samples.append(Sample(f"f{k}", image, 64, 64, MADE, instances, emotion, f"f{k}", "test"))
    return Dataset(tuple(samples), ("dog_face",), tuple(EMOTIONS))


def red_faces(count: int) -> Dataset:
    """Whole pictures of one red each: their emotion."""
    levels = {"happy": 230, "sad": 166, "angry": 102, "relaxed": 38}
    samples = []
    for k in range(count):
        emotion = EMOTIONS[k % 4]
        image = np.zeros((64, 64, 3), np.uint8)
        image[..., 0] = levels[emotion]
        samples.append(Sample(f"r{k}", image, 64, 64, MADE, (), emotion, f"r{k}", "test"))
    return Dataset(tuple(samples), ("dog_face",), tuple(EMOTIONS))
