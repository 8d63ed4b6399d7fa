"""Our own nets and torchvision's classifiers: one recipe (`model_export.train`), one checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from model_export import nets
from model_export.datasets.picture_list import write_picture_list
from model_export.datasets.sample import Dataset
from model_export.export.source import PERMISSIVE_DATA
from model_export.families import ssdlite, torchvision_nets
from model_export.families.family import (
    FamilyError,
    Licence,
    NothingToLearn,
    Progress,
    Recipe,
    Task,
    TrainedNet,
)
from model_export.train.presets import DEFAULT, Preset
from model_export.train.run import Extra, RunSettings
from model_export.train.run import train as run_training

LICENCE: Final = Licence("Apache-2.0", "trained by this project's own code")
MODEL_FILE: Final = "model.pt"
_MODEL_OF_TASK: Final[dict[Task, str]] = {
    "face_detection": "face-detector",
    "dog_detection": "dog-detector",
    "pose": "pose",
    "emotion": "emotion",
}
_THRESHOLDS: Final = {"score": 0.3, "nms_iou": 0.5}
_LOG_FILE: Final = "log.jsonl"


class OwnFamily:
    """The product's own nets: centre detectors, heading-canonical pose, tiny emotion."""

    name = "own"
    licence = LICENCE

    def archs(self, task: Task) -> tuple[str, ...]:
        """Return the one net that there is for a task."""
        return (DEFAULT[_MODEL_OF_TASK[task]].arch,)

    def train(
        self, recipe: Recipe, dataset: Dataset, folder: Path, progress: Progress | None = None
    ) -> TrainedNet:
        """Train on generated pictures with the data set's part train mixed in as often.

        An epoch shows as many pictures as the data set has, half of them generated. Raises
        NothingToLearn, FamilyError, DatasetError.
        """
        if recipe.arch not in self.archs(recipe.task):
            raise FamilyError(f"{recipe.arch!r} is not {self.archs(recipe.task)[0]!r}")
        return _trained(recipe, DEFAULT[_MODEL_OF_TASK[recipe.task]], dataset, folder, progress)

    def load(self, file: Path) -> TrainedNet:
        """Load a checkpoint; raises FamilyError."""
        return load_checkpoint(file)


class TorchvisionFamily:
    """torchvision's nets: MobileNetV3, EfficientNet-B0, ResNet50 for emotion; SSDLite for boxes."""

    name = "torchvision"
    licence = torchvision_nets.LICENCE

    def archs(self, task: Task) -> tuple[str, ...]:
        """Return what there is for a task."""
        if task == "emotion":
            return torchvision_nets.CLASSIFIERS
        return () if task == "pose" else (torchvision_nets.SSDLITE,)

    def train(
        self, recipe: Recipe, dataset: Dataset, folder: Path, progress: Progress | None = None
    ) -> TrainedNet:
        """Train; `recipe.weights` may be a local file of torchvision's weights.

        Raises NothingToLearn, FamilyError, DatasetError.
        """
        if recipe.arch not in self.archs(recipe.task):
            raise FamilyError(f"{recipe.arch!r} is none of {self.archs(recipe.task)}")
        if recipe.task == "emotion":
            preset = replace(
                DEFAULT["emotion"],
                arch=recipe.arch,
                config={"classes": len(DEFAULT["emotion"].classes)},
            )
            return _trained(recipe, preset, dataset, folder, progress)
        if recipe.input_px != torchvision_nets.SSDLITE_PX:
            raise FamilyError(f"SSDLite takes {torchvision_nets.SSDLITE_PX} px and nothing else")
        net, curves = ssdlite.train_ssdlite(recipe, dataset, folder, progress)
        file = folder / MODEL_FILE
        nets.save(
            file,
            net,
            {
                "arch": recipe.arch,
                "config": {"classes": len(dataset.classes)},
                "classes": list(dataset.classes),
                "input": ssdlite.input_spec(),
                "output": {
                    "head": "yolo_detect",
                    "classes": list(dataset.classes),
                    "box_units": "px",
                },
                "thresholds": dict(_THRESHOLDS),
                "metrics": {},
                "training": _training(recipe, dataset),
                "task": recipe.task,
                "curves": curves,
            },
        )
        return load_checkpoint(file)

    def load(self, file: Path) -> TrainedNet:
        """Load a checkpoint; raises FamilyError."""
        return load_checkpoint(file)


def load_checkpoint(file: Path) -> TrainedNet:
    """Load a checkpoint of `model_export.nets`, own or torchvision's; raises FamilyError."""
    try:
        module, meta = nets.load(file)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise FamilyError(f"{file}: {error}") from error
    arch = str(meta["arch"])
    foreign = arch.startswith(torchvision_nets.PREFIX)
    output = dict(meta["output"])
    if output["head"] in ("centre", "logits", "yolo_detect"):
        output.setdefault("classes", list(meta["classes"]))
    if output["head"] == "logits":
        told = meta.get("calibration", {}).get("temperature", 1.0)
        output.setdefault("temperature", told)
    return TrainedNet(
        name=arch.removeprefix(torchvision_nets.PREFIX),
        family="torchvision" if foreign else "own",
        arch=arch,
        task=meta.get("task") or _task_of(meta),
        module=module,
        input=meta["input"],
        output=output,
        classes=tuple(meta["classes"]),
        thresholds=meta.get("thresholds", {}),
        licence=torchvision_nets.LICENCE if foreign else LICENCE,
        file=file,
        training={**meta["training"], "research_only": _research_only(meta["training"])},
        curves={name: tuple(values) for name, values in meta.get("curves", {}).items()},
    )


def _task_of(meta: Mapping[str, Any]) -> Task:
    head = meta["output"]["head"]
    if head == "heatmap":
        return "pose"
    if head == "logits":
        return "emotion"
    face = any("face" in name for name in meta["classes"])
    return "face_detection" if face else "dog_detection"


def _trained(
    recipe: Recipe, base: Preset, dataset: Dataset, folder: Path, progress: Progress | None
) -> TrainedNet:
    parted = any(sample.split for sample in dataset.samples)
    part = dataset.part("train") if parted else dataset
    if not part.samples:
        raise NothingToLearn("no sample lies in the part train")
    pictures = write_picture_list(part, folder / "data")
    preset = replace(
        base,
        images=len(part),
        val_images=min(base.val_images, max(16, len(part) // 8)),
        test_images=min(base.test_images, max(16, len(part) // 8)),
        input_px=recipe.input_px,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate or base.learning_rate,
        seed=recipe.seed,
    )
    settings = RunSettings(
        out=folder,
        cache=folder / "cache",
        workers=recipe.threads,
        threads=recipe.threads,
        extras=(Extra(pictures, 1.0),),
        start_from=recipe.weights,
    )
    report = run_training(preset, settings, progress=progress or _silent)
    if report.checkpoint is None:
        raise FamilyError("the training was stopped before its end")
    # The recipe knows a list of pictures by its path only: say here what may be done with them.
    module, meta = nets.load(report.checkpoint)
    meta["training"]["research_only"] = part.research_only
    meta["curves"] = _curves(folder / _LOG_FILE)
    nets.save(report.checkpoint, module, meta)
    return load_checkpoint(report.checkpoint)


def _curves(log: Path) -> dict[str, list[float]]:
    """Read each number of the training's log over its epochs."""
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line]
    names = [name for name in (rows[0] if rows else {}) if name not in ("epoch", "minutes")]
    told = {name: [float(row.get(name, math.nan)) for row in rows] for name in names}
    return {name: values for name, values in told.items() if not all(map(math.isnan, values))}


def _research_only(training: Mapping[str, Any]) -> bool:
    """What the checkpoint says, or else whether any of its pictures is not clearly free."""
    if "research_only" in training:
        return bool(training["research_only"])
    licences = {str(data.get("licence", "unknown")) for data in training.get("data", ())}
    return not licences <= PERMISSIVE_DATA


def _silent(stage: str, done: int, wanted: int, numbers: dict[str, float]) -> None:
    """Tell nobody."""


def _training(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    return {
        "recipe": f"model_export.families {recipe.arch}",
        "epochs": recipe.epochs,
        "seed": recipe.seed,
        "images": len(dataset),
        "research_only": dataset.research_only,
        "started_from": recipe.weights.name if recipe.weights else None,
    }
