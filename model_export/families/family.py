"""What every family of models can do, and what a trained net of any family is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from torch import nn

from edge_sdk.errors import EdgeError
from model_export.datasets.sample import Dataset

Task = Literal["face_detection", "dog_detection", "pose", "emotion"]
Progress = Callable[[str, int, int, dict[str, float]], None]
"""Told what goes on: (stage, done, wanted, numbers)."""


class FamilyError(EdgeError):
    """A family cannot do what was asked: unknown net, wrong task, a file that is not its own."""

    code: ClassVar[str] = "family_error"


class NothingToLearn(FamilyError):
    """A data set has no sample of the part, or with the labels, that the training needs."""

    code: ClassVar[str] = "family_nothing_to_learn"


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which licence the code that trained a net is, and what that means for its weights."""

    spdx: str
    notice: str = ""

    @property
    def embeddable(self) -> bool:
        """Whether an app with closed source may ship the weights, as far as this licence goes."""
        return not self.spdx.startswith(("AGPL", "GPL"))


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a training runs. `weights` is a local file to start from; nothing is ever downloaded.

    `learning_rate` None is the family's own default.
    """

    task: Task
    arch: str
    input_px: int
    epochs: int
    batch_size: int = 16
    learning_rate: float | None = None
    seed: int = 2026
    threads: int = 2
    device: str = "cpu"
    weights: Path | None = None


@dataclass(frozen=True, eq=False, slots=True)
class TrainedNet:
    """A net with its raw head and all that is needed to run, judge, export and ship it.

    `module` takes normalised pictures (N, 3, H, W) and gives the raw tensor that `output["head"]`
    names in the bundle's terms; `input` is the bundle's InputSpec as a dictionary. `curves` are
    numbers for each epoch by name. `file` is what `Family.load` reads.
    """

    name: str
    family: str
    arch: str
    task: Task
    module: nn.Module
    input: Mapping[str, Any]
    output: Mapping[str, Any]
    classes: tuple[str, ...]
    thresholds: Mapping[str, float]
    licence: Licence
    file: Path
    training: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """How many trained numbers the net has."""
        return sum(p.numel() for p in self.module.parameters())

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights and buffers as they are kept in memory."""
        tensors = [*self.module.parameters(), *self.module.buffers()]
        return sum(t.numel() * t.element_size() for t in tensors)


class Family(Protocol):
    """A family of nets: what it is called, its licence, training and loading."""

    @property
    def name(self) -> str:
        """Name as the command line and tables show it."""

    @property
    def licence(self) -> Licence:
        """Licence of its training code."""

    def archs(self, task: Task) -> tuple[str, ...]:
        """Return the architectures that it has for a task; examples where any size goes."""

    def train(
        self, recipe: Recipe, dataset: Dataset, folder: Path, progress: Progress | None = None
    ) -> TrainedNet:
        """Train on the data set's train part, choose on its val part, write into `folder`.

        Raises FamilyError, NothingToLearn, DatasetError.
        """

    def load(self, file: Path) -> TrainedNet:
        """Load what `train` wrote; raises FamilyError."""
