"""Torch as a stage of the phone's pipeline: what every variant is held against."""

import numpy as np
import torch
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import Stage, StageName
from model_export.export.source import ExportSource


class TorchReference:
    """The trained net itself, with the specification of its checkpoint.

    It takes nothing from the export: a wrong mean, padding or layout there shows as a difference.
    """

    def __init__(self, source: ExportSource, name: StageName | None = None):
        """`name` instead of the source's own stage: a YOLO pose net is detector and pose in one."""
        self._module = source.module.eval()
        self._mean = torch.tensor(source.input.mean)[:, None, None]
        self._std = torch.tensor(source.input.std)[:, None, None]
        self.spec = Stage(
            name=name or source.stage,
            input=source.input,
            output=source.output,
            variants=(),
            golden="",
        )

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, H, W, 3) in 0..255 -> the raw head, float32."""
        pictures = torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
        with torch.inference_mode():
            raw = self._module((pictures / 255 - self._mean) / self._std)
        return np.asarray(raw.float().numpy(), np.float32)

    def normalised(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, H, W, 3) in 0..255 -> what the net itself is fed, (N, 3, H, W)."""
        pictures = torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
        return np.asarray(((pictures / 255 - self._mean) / self._std).numpy(), np.float32)
