"""Ultralytics YOLO, detect and pose, any size, from an architecture file without any download.

Ultralytics is AGPL-3.0, and its owner counts trained weights in: every net of this family carries
that notice into its results, its bundle and its card. This is the only module of the product that
imports it, and it never ships with the server or the phone's SDK.

Its checkpoints are pickles, which run code when read: load only files that you made yourself.
"""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from model_export.datasets.sample import DOG_24, Dataset
from model_export.datasets.yolo import write_yolo
from model_export.families.family import (
    FamilyError,
    Licence,
    NothingToLearn,
    Progress,
    Recipe,
    Task,
    TrainedNet,
)

NOTICE: Final = (
    "Trained with Ultralytics YOLO (AGPL-3.0). An app that embeds these weights must be open "
    "source under the AGPL-3.0 or hold an Ultralytics Enterprise licence: "
    "https://ultralytics.com/license"
)
LICENCE: Final = Licence("AGPL-3.0-only", NOTICE)
PREFIX: Final = "yolo:"
MODEL_FILE: Final = "model.pt"
_SIDECAR: Final = "model.json"
_NAME: Final = re.compile(r"yolo(v5|v8|v9|v10|11|12|26)[nsmlxtbce](-pose)?")
_THRESHOLDS: Final = {"score": 0.25, "nms_iou": 0.5}
_CURVES: Final = {
    "train/box_loss": "loss_box",
    "train/cls_loss": "loss_class",
    "train/pose_loss": "loss_pose",
    "val/box_loss": "val_loss_box",
    "metrics/mAP50(B)": "val_map50",
    "metrics/mAP50-95(B)": "val_map50_95",
    "metrics/mAP50-95(P)": "val_pose_map50_95",
}


class RawYolo(nn.Module):
    """A YOLO net up to its raw head: (N, 3, H, W) in 0..1 -> (N, 4 + classes [+ 3 K], A).

    Boxes are centre and size in px of the input, scores are probabilities, keypoints are x, y in
    px and the probability of being there. No suppression inside: end-to-end heads give zeros on
    some phones' accelerators in half precision.
    """

    def __init__(self, net: nn.Module) -> None:
        """Take the inner net of an `ultralytics.YOLO`."""
        super().__init__()
        inner: Any = net.float().eval()
        head = inner.model[-1]
        head.end2end = False
        # Folds normalisation into convolutions and drops the parts that only training needs.
        inner.fuse(verbose=False)
        head.export, head.format, head.dynamic = True, "onnx", False
        self.net = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W), H and W multiples of 32 -> (N, 4 + classes [+ 3 K], A)."""
        raw: torch.Tensor = self.net(x)
        return raw


class YoloFamily:
    """The YOLO family behind the common protocol."""

    name = "yolo"
    licence = LICENCE

    def archs(self, task: Task) -> tuple[str, ...]:
        """Return the nets of the product's own comparisons; other sizes go by their name."""
        detect = ("yolov5n", "yolov8n", "yolo11n", "yolo26n", "yolov5s", "yolov8s", "yolo26s")
        pose = ("yolov8n-pose", "yolo11n-pose", "yolo26n-pose", "yolo26s-pose")
        told = {"pose": pose, "emotion": ()}.get(task, detect)
        return tuple(PREFIX + name for name in told)

    def train(
        self, recipe: Recipe, dataset: Dataset, folder: Path, progress: Progress | None = None
    ) -> TrainedNet:
        """Train from random weights, or from a local checkpoint of the same family.

        Writes the data set in the family's format, `model.pt` and `model.json`. Raises
        FamilyError, NothingToLearn, DatasetError.
        """
        name = _checked_name(recipe)
        pose = recipe.task == "pose"
        if not dataset.part("train").samples and any(s.split for s in dataset.samples):
            raise NothingToLearn("no sample lies in the part train")
        if not any(s.instances for s in dataset.samples):
            raise NothingToLearn("no sample has a box")
        if pose and dataset.keypoints is None:
            raise NothingToLearn("the data set has no keypoints")
        folder = folder.resolve()
        data = folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        yolo = _ultralytics()
        model = yolo(f"{name}.yaml", task="pose" if pose else "detect", verbose=False)
        if recipe.weights is not None:
            _require_file(recipe.weights)
            model.load(str(recipe.weights))
        if progress is not None:
            model.add_callback("on_fit_epoch_end", _Told(progress, recipe.epochs))
        torch.set_num_threads(recipe.threads)
        rate = {} if recipe.learning_rate is None else {"lr0": recipe.learning_rate}
        model.train(
            data=str(write_yolo(dataset, data, pose=pose)),
            epochs=recipe.epochs,
            imgsz=recipe.input_px,
            batch=recipe.batch_size,
            seed=recipe.seed,
            deterministic=True,
            device=recipe.device,
            workers=0 if recipe.device == "cpu" else 8,
            project=str(folder),
            name="run",
            exist_ok=True,
            plots=False,
            # The check of half precision downloads a net.
            amp=False,
            verbose=False,
            optimizer="auto" if recipe.learning_rate is None else "AdamW",
            **rate,
        )
        file = folder / MODEL_FILE
        shutil.copyfile(folder / "run" / "weights" / "best.pt", file)
        sidecar = {
            "arch": PREFIX + name,
            "task": recipe.task,
            "classes": list(dataset.classes),
            "keypoints": pose,
            "input_px": recipe.input_px,
            "training": {
                "recipe": f"model_export.families.yolo {name}",
                "epochs": recipe.epochs,
                "seed": recipe.seed,
                "images": len(dataset),
                "research_only": dataset.research_only,
                "started_from": recipe.weights.name if recipe.weights else None,
            },
            "curves": _curves(folder / "run" / "results.csv"),
        }
        (folder / _SIDECAR).write_text(json.dumps(sidecar, ensure_ascii=False, indent=2))
        return self.load(file)

    def load(self, file: Path) -> TrainedNet:
        """Load a checkpoint of this family, with `model.json` beside it or without.

        Raises FamilyError.
        """
        _require_file(file)
        try:
            model = _ultralytics()(str(file), verbose=False)
            net = model.model
        except Exception as error:  # a pickle can fail in any way
            raise FamilyError(f"{file}: not a checkpoint of Ultralytics: {error}") from error
        if not isinstance(net, nn.Module) or model.task not in ("detect", "pose"):
            raise FamilyError(f"{file}: not a net for boxes or poses")
        told = _sidecar(file, model)
        pose = model.task == "pose"
        shape = getattr(net, "kpt_shape", None) or net.yaml.get("kpt_shape")  # type: ignore[union-attr, operator]
        if pose and list(shape) != [len(DOG_24), 3]:
            raise FamilyError(f"{file}: keypoints {shape}, not the {len(DOG_24)} of dogs")
        return TrainedNet(
            name=told["arch"].removeprefix(PREFIX),
            family=self.name,
            arch=told["arch"],
            task=told["task"],
            module=RawYolo(net),
            input=_input(int(told["input_px"])),
            output=_output(pose, told["classes"]),
            classes=tuple(told["classes"]),
            thresholds=dict(_THRESHOLDS),
            licence=LICENCE,
            file=file,
            training=told.get("training", {}),
            curves={name: tuple(values) for name, values in told.get("curves", {}).items()},
        )


def _ultralytics() -> Any:
    # Set before the import: it would look for updates, install packages and send usage data.
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ.setdefault("YOLO_VERBOSE", "false")
    try:
        ultralytics = importlib.import_module("ultralytics")
    except ImportError as error:
        raise FamilyError(
            "ultralytics is not installed: it belongs to the model environment "
            "(nox -s models), under AGPL-3.0"
        ) from error
    return ultralytics.YOLO


def _checked_name(recipe: Recipe) -> str:
    name = recipe.arch.removeprefix(PREFIX)
    if _NAME.fullmatch(name) is None:
        raise FamilyError(f"{recipe.arch!r} is no YOLO net, such as yolo:yolo26n or yolov8s-pose")
    if name.endswith("-pose") != (recipe.task == "pose"):
        raise FamilyError(f"{recipe.arch!r} does not fit the task {recipe.task}")
    if recipe.task == "emotion":
        raise FamilyError("the YOLO family finds boxes and keypoints; it does not classify here")
    if recipe.input_px % 32:
        raise FamilyError(f"an input of {recipe.input_px} px is not a multiple of 32")
    return name


def _require_file(file: Path) -> None:
    if not file.is_file():
        # Ultralytics would download a file of that name.
        raise FamilyError(f"{file} does not exist")


def _sidecar(file: Path, model: Any) -> dict[str, Any]:
    path = file.with_name(_SIDECAR)
    if path.is_file():
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return told
    names = [model.names[k] for k in sorted(model.names)]
    stem = Path(str(model.model.yaml.get("yaml_file", file.stem))).stem
    told_args = getattr(model.model, "args", {})
    size = told_args.get("imgsz", 640) if isinstance(told_args, dict) else 640
    face = any("face" in name or "head" in name for name in names)
    task = "pose" if model.task == "pose" else "face_detection" if face else "dog_detection"
    return {"arch": PREFIX + stem, "task": task, "classes": names, "input_px": size}


def _input(size_px: int) -> dict[str, Any]:
    return {
        "width": size_px,
        "height": size_px,
        "channels": 3,
        "dtype": "float32",
        "colour": "RGB",
        "fit": "letterbox",
        "padding": 1.0,
        "pad_value": 114,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "resample": "box-then-bilinear/1",
    }


def _output(pose: bool, classes: list[str]) -> dict[str, Any]:
    told = {"classes": list(classes), "box_units": "px"}
    if pose:
        return {"head": "yolo_pose", **told, "keypoints": len(DOG_24)}
    return {"head": "yolo_detect", **told}


def _curves(table: Path) -> dict[str, list[float]]:
    with table.open(newline="", encoding="utf-8") as file:
        rows = [{k.strip(): v for k, v in row.items()} for row in csv.DictReader(file)]
    return {
        ours: [float(row[theirs]) for row in rows]
        for theirs, ours in _CURVES.items()
        if rows and theirs in rows[0]
    }


class _Told:
    """Tell the progress of a training, epoch by epoch."""

    def __init__(self, progress: Progress, epochs: int) -> None:
        """Keep whom to tell."""
        self._progress, self._epochs = progress, epochs

    def __call__(self, trainer: Any) -> None:
        """Take what the trainer measured."""
        if trainer.epoch >= self._epochs:
            return  # the last call is about the best epoch, not a further one
        numbers = {_CURVES[k]: float(v) for k, v in trainer.metrics.items() if k in _CURVES}
        self._progress("epoch", trainer.epoch + 1, self._epochs, numbers)
