"""`python -m model_export evaluate CHECKPOINT`: numbers on held-out pictures, walks and gait."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from edge_sdk import ModelBundle
from edge_sdk.vision.classify import Classifier
from edge_sdk.vision.detect import Detector
from model_export import nets
from model_export.evaluate import emotion
from model_export.evaluate.judge import (
    ExampleSet,
    detected_probabilities,
    given_probabilities,
    judge_test,
    recorded,
)
from model_export.evaluate.stages import TorchStage, stage_of_checkpoint
from model_export.train.command import DEFAULT_CACHE, ProgressBars
from model_export.train.presets import Preset
from model_export.train.run import RunSettings, open_parts

SHIPPED_FACE = Path(__file__).resolve().parents[2] / "assets" / "models" / "dog-face"


def preset_of(meta: dict[str, Any]) -> Preset:
    """The preset that a checkpoint was trained by; raises typer.BadParameter for a foreign one."""
    stored = meta["training"].get("preset")
    if not isinstance(stored, dict):
        raise typer.BadParameter("the checkpoint does not name its preset: not of `train`")
    return Preset(**{**stored, "classes": tuple(stored["classes"])})


def evaluate_command(
    checkpoint: Annotated[Path, typer.Argument(help="model.pt of a training")],
    images: Annotated[int | None, typer.Option(help="test pictures; default: the preset's")] = None,
    clips: Annotated[int, typer.Option(help="for the pose: rendered side-view walks")] = 0,
    detector: Annotated[
        Path | None,
        typer.Option(
            help="with --clips: gait from the pixels with this dog detector; for the emotion: "
            "faces found by this checkpoint instead of the shipped bundle"
        ),
    ] = None,
    fps: Annotated[float, typer.Option(help="frames a second of the walks")] = 30.0,
    cache: Annotated[Path, typer.Option(help="folder of the generated pictures")] = DEFAULT_CACHE,
    workers: Annotated[int, typer.Option(help="processes that draw the pictures")] = 2,
    report: Annotated[Path | None, typer.Option(help="write the numbers as JSON")] = None,
    record: Annotated[
        bool, typer.Option(help="write them into the checkpoint, from which the card takes them")
    ] = False,
) -> None:
    """Judge a checkpoint on generated pictures that no training saw (split "test")."""
    net, meta = nets.load(checkpoint)
    preset = preset_of(meta)
    if images is not None:
        preset = replace(preset, test_images=images)
    settings = RunSettings(out=checkpoint.parent, cache=cache, workers=workers)
    with ProgressBars() as bars:
        tested = open_parts(preset, "test", preset.test_images, settings, bars)
        held_out = open_parts(preset, "val", preset.val_images, settings, bars)
        judged = judge_test(net, preset, tested, held_out)
        numbers: dict[str, Any] = {"pictures": judged.metrics}
        if preset.model == "emotion":
            every = open_parts(preset, "test", preset.test_images, settings, bars, illegible=True)
            stage = stage_of_checkpoint(net, meta)
            numbers |= emotion_in_use(stage, face_finder(detector), tested, every)
        if clips and preset.model == "pose":
            from model_export.evaluate import gait_pixels

            stage = stage_of_checkpoint(net, meta)
            finder = None if detector is None else stage_of_checkpoint(*nets.load(detector))
            walks = gait_pixels.judge_walks(
                stage,
                finder,
                seeds=range(clips),
                fps=fps,
                progress=lambda done: bars("walks", done, clips, {}),
            )
            numbers["walks"] = recorded(asdict(walks))
    if record:
        more = {name: told for name, told in numbers.items() if name != "pictures"}
        nets.save(checkpoint, net, {**meta, "metrics": {**judged.metrics, **more}})
    text = json.dumps(numbers, indent=2, default=_number)
    if report is not None:
        report.write_text(text + "\n")
    typer.echo(text)


def face_finder(checkpoint: Path | None) -> Detector:
    """The face detector of a checkpoint, or the one that ships; scores from its own threshold."""
    if checkpoint is not None:
        net, meta = nets.load(checkpoint)
        return Detector(stage_of_checkpoint(net, meta), meta["thresholds"])
    bundle = ModelBundle.load(SHIPPED_FACE)
    return Detector(bundle.stage("detector"), bundle.manifest.thresholds)


def emotion_in_use(
    stage: TorchStage,
    finder: Detector,
    tested: Sequence[ExampleSet],
    every: Sequence[ExampleSet],
) -> dict[str, Any]:
    """The emotion on faces as the phone finds them, and with the unreadable ones counted in.

    "detected": the faces of `tested` found and cropped by the phone's rule, none found is wrong;
    "every_face": the given boxes of `every`, which holds the illegible faces too.
    """
    classifier = Classifier(stage)
    found, truth = detected_probabilities(finder, classifier, tested)
    given, classes = given_probabilities(classifier, every)
    return {
        "detected": recorded(asdict(emotion.report(truth, found))),
        "every_face": recorded(asdict(emotion.report(classes, given))),
    }


def evaluate_real_command(
    models: Annotated[Path, typer.Argument(help="folder of the checkpoints")],
    data: Annotated[Path | None, typer.Option(help="folder of the real pictures")] = None,
    report: Annotated[Path | None, typer.Option(help="write the numbers as JSON")] = None,
) -> None:
    """Judge checkpoints on real pictures, for the cards (`release --real`); research only."""
    from model_export.datasets.real import find_real_data
    from model_export.evaluate.real_pictures import judge_real_pictures

    folder = data or find_real_data()
    if folder is None:
        raise typer.BadParameter("the real pictures are not here: name their folder with --data")
    numbers = judge_real_pictures(models, folder) | judge_real_pictures(models, folder, photo=True)
    text = json.dumps(numbers, indent=2, default=_number)
    if report is not None:
        report.write_text(text + "\n")
    typer.echo(text)


def _number(value: object) -> float:
    """NumPy scalars as JSON numbers."""
    if isinstance(value, np.generic):
        return float(value.item())
    raise TypeError(f"{type(value).__name__} in a report")
