"""A whole training: pictures, net, loop, final numbers, checkpoint."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model_export import nets
from model_export.datasets.provenance import sources_of
from model_export.evaluate.judge import judge_test, judge_validation
from model_export.train.data import DataSource, Kind, Shards, Split, generate
from model_export.train.detector import DetectorTask
from model_export.train.emotion import EmotionTask
from model_export.train.loader import Examples, Mixture, Part
from model_export.train.loop import FitReport, LoopSettings, fit
from model_export.train.pose import PoseTask
from model_export.train.presets import Preset
from model_export.train.real import RealPictures
from model_export.train.start import described, first_weights, minutes_before
from model_export.train.tracking import Tracker

#: How often the face detector sees a face on a whole dog next to a portrait: nine tenths of what
#: it missed were there.
_SMALL_FACES_WEIGHT = 1.5

#: A dog smaller than this in a training picture has no legible legs.
_SMALLEST_POSE_BOX_PX = 40

#: A detector sees pictures with two dogs this often: of the first release's misses two thirds were
#: second dogs, one picture in twelve.
_SECOND_DOG_TIMES = 3

#: Batches from which the folded normalisations of a bundle are measured anew.
_STATISTICS_BATCHES = 4


@dataclass(frozen=True)
class Extra:
    """A list of real pictures (train/real.py) mixed in; `weight` next to the generated ones' 1."""

    pictures: Path
    weight: float


@dataclass(frozen=True)
class RunSettings:
    """Where and how a training runs; what it trains is the preset's.

    `cache`: folder of the generated pictures; `workers`: processes that draw; `renderers`: other
    drawing functions by kind ("body", "face"); `extras`: real pictures; `start_from`: a checkpoint
    (file) or bundle (folder) whose weights the training begins with.
    """

    out: Path
    cache: Path
    workers: int = 2
    threads: int = 2
    resume: bool = False
    extras: tuple[Extra, ...] = ()
    renderers: dict[str, str] = field(default_factory=dict)
    start_from: Path | None = None
    stop_after_steps: int | None = None


@dataclass(frozen=True)
class RunReport:
    """`checkpoint`: the final model (None when stopped early); `metrics`: on the test part."""

    checkpoint: Path | None
    fit: FitReport
    metrics: dict[str, Any]


#: Told what goes on: (stage, done, wanted, numbers).
Progress = Callable[[str, int, int, dict[str, float]], None]


def _silent(stage: str, done: int, wanted: int, numbers: dict[str, float]) -> None:
    pass


def kinds_of(model: str) -> tuple[Kind, ...]:
    """Which generated pictures a model learns from."""
    if model == "face-detector":
        return ("face", "body")
    return ("face",) if model == "emotion" else ("body",)


def open_parts(
    preset: Preset,
    split: Split,
    count: int,
    settings: RunSettings,
    progress: Progress = _silent,
    *,
    illegible: bool = False,
) -> list[Part]:
    """The generated pictures of a split, drawn where the cache lacks them, fit for the model.

    `illegible`: also faces whose expression nobody could read, to say what they cost.
    """
    parts = []
    for kind in kinds_of(preset.model):
        source = DataSource(kind, preset.image_px, split, count, settings.renderers.get(kind, ""))
        stage = f"{kind} {split}"

        def told(done: int, wanted: int, stage: str = stage) -> None:
            progress(stage, done, wanted, {})

        shards = generate(source, settings.cache, workers=settings.workers, progress=told)
        rows = usable(shards, preset.model, repeated=split == "train", illegible=illegible)
        small = preset.model == "face-detector" and kind == "body"
        parts.append(Part(shards, _SMALL_FACES_WEIGHT if small else 1.0, rows))
    return parts


def usable(
    shards: Shards, model: str, *, repeated: bool = False, illegible: bool = False
) -> NDArray[np.intp]:
    """Which generated pictures a model can learn from: those with the labels that it needs.

    `repeated` names rare pictures several times, for training. A face's emotion is a label where
    it can be read off the picture, or with `illegible` always.
    """
    labels = shards.labels
    if model == "dog-detector":
        legible = ~np.isnan(labels["dog_boxes"][..., 0]) & ~labels["dogs_hidden"]
        several = np.count_nonzero(legible, axis=1) > 1
        times = np.where(several, _SECOND_DOG_TIMES, 1) if repeated else np.ones(len(several), int)
        return np.repeat(np.arange(len(several)), times * labels["dogs_labelled"])
    if model == "face-detector":
        return np.flatnonzero(labels["faces_labelled"])
    if model == "emotion":
        there = (labels["emotion"] >= 0) & ~np.isnan(labels["face_boxes"][:, 0, 0])
        return np.flatnonzero(there & (labels["legible"] | illegible))
    boxes = labels["dog_boxes"][:, 0]
    sides = np.nan_to_num(boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    known = ~np.isnan(labels["dog_headings"][:, 0])
    points = (labels["keypoints"][..., 2] > 0).sum(axis=1)
    return np.flatnonzero((sides >= _SMALLEST_POSE_BOX_PX) & known & (points >= 8))


def task_of(
    preset: Preset, net: nn.Module, mixture: Mixture
) -> PoseTask | DetectorTask | EmotionTask:
    """The recipe of a model."""
    if preset.model == "pose":
        return PoseTask(net, preset, mixture)
    if preset.model == "emotion":
        return EmotionTask(net, preset, mixture)
    return DetectorTask(net, preset, mixture)


class _Judged:
    """A recipe together with its validation pictures: what the loop calls a task."""

    def __init__(
        self, task: PoseTask | DetectorTask | EmotionTask, preset: Preset, held_out: Sequence[Part]
    ):
        self.net = task.net
        self.steps_per_epoch = task.steps_per_epoch
        self.batches = task.batches
        self.loss = task.loss
        self._preset = preset
        self._held_out = held_out

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        """The validation numbers."""
        return judge_validation(net, self._preset, self._held_out)


def _first_net(
    preset: Preset, settings: RunSettings, mixture: Mixture
) -> PoseTask | DetectorTask | EmotionTask:
    """The recipe with its net: new weights, or those to begin with."""
    torch.manual_seed(preset.seed)
    task = task_of(preset, nets.build(preset.arch, **preset.config), mixture)
    if settings.start_from is not None:
        some = itertools.islice(task.batches(0, 0), _STATISTICS_BATCHES)
        images = torch.cat([batch["image"] for batch in some])
        first_weights(task.net, settings.start_from, preset, images)
    return task


def train(
    preset: Preset,
    settings: RunSettings,
    *,
    progress: Progress = _silent,
    tracker: Tracker | None = None,
) -> RunReport:
    """Train a model and write `out/model.pt`, `out/log.jsonl` and, after each epoch, its average.

    The same preset, seed, generator and machine give the same weights, resumed or not.
    """
    parts = open_parts(preset, "train", preset.images, settings, progress)
    generated = sum(len(part) for part in parts)
    parts += [
        Part(_nonempty(RealPictures.open(extra.pictures, preset.model), extra), extra.weight)
        for extra in settings.extras
    ]
    held_out = open_parts(preset, "val", preset.val_images, settings, progress)
    mixture = Mixture(parts, min(generated, preset.images), preset.seed)
    task = _Judged(_first_net(preset, settings, mixture), preset, held_out)
    loop = LoopSettings(
        epochs=preset.epochs,
        learning_rate=preset.learning_rate,
        weight_decay=preset.weight_decay,
        seed=preset.seed,
        threads=settings.threads,
        stop_after_steps=settings.stop_after_steps,
    )

    def on_epoch(epoch: int, net: nn.Module, metrics: dict[str, float]) -> None:
        meta = checkpoint_meta(preset, settings, metrics, {"epochs": epoch})
        nets.save(settings.out / "intermediate.pt", net, meta)
        progress("epoch", epoch, preset.epochs, metrics)

    def on_step(step: int, total: int, numbers: dict[str, float]) -> None:
        progress("train", step, total, numbers)

    fitted = fit(
        task,
        loop,
        settings.out,
        resume=settings.resume,
        tracker=tracker,
        on_step=on_step,
        on_epoch=on_epoch,
    )
    if not fitted.finished:
        return RunReport(None, fitted, {})
    net = task.net.float().cpu().eval()
    tested = open_parts(preset, "test", preset.test_images, settings, progress)
    judged = judge_test(net, preset, tested, held_out)
    trained: dict[str, Any] = {
        "minutes": round(fitted.minutes + minutes_before(settings.start_from), 2),
        "started_from": described(settings.start_from),
        "epochs": fitted.epochs,
        "steps": fitted.steps,
        "shortened_at_step": fitted.shortened_at_step,
        "device": fitted.device,
        "precision": fitted.precision,
    }
    final = replace(preset, thresholds={**preset.thresholds, **judged.thresholds})
    meta = checkpoint_meta(final, settings, judged.metrics, trained, len(mixture.parts[0]))
    if judged.temperature is not None:
        meta["calibration"] = {"temperature": judged.temperature}
    path = settings.out / "model.pt"
    nets.save(path, net, meta)
    return RunReport(path, fitted, judged.metrics)


def _nonempty(pictures: Examples, extra: Extra) -> Examples:
    if not len(pictures):
        raise ValueError(f"{extra.pictures} has no picture with the labels that this model needs")
    return pictures


def checkpoint_meta(
    preset: Preset,
    settings: RunSettings,
    metrics: dict[str, Any],
    trained: dict[str, Any],
    generated: int | None = None,
) -> dict[str, Any]:
    """What a checkpoint says about itself."""
    data: list[dict[str, Any]] = [
        {"name": f"generated {kind} pictures", "licence": "Apache-2.0", "images": preset.images}
        for kind in kinds_of(preset.model)
    ]
    for extra in settings.extras:
        told = sources_of(extra.pictures.parent) or [(str(extra.pictures), "see the list", 0)]
        data += [
            {"name": name, "licence": licence, "images": count, "weight": extra.weight}
            for name, licence, count in told
        ]
    return {
        "arch": preset.arch,
        "config": preset.config,
        "classes": list(preset.classes),
        "input": preset.input(),
        "output": preset.output(),
        "thresholds": preset.thresholds,
        "metrics": metrics,
        "training": {
            "recipe": f"model_export.train {preset.model}",
            "preset": _plain(asdict(preset)),
            "seed": preset.seed,
            "data": data,
            "usable_images": generated,
            **trained,
        },
    }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Tuples as lists: a checkpoint is read without running code, and JSON writes it as it is."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
