"""Families of nets beside each other after equal CPU time: ours, YOLO, torchvision's.

    python benchmarks/families.py face|pose|emotion [--minutes 6] [--pictures 2048]

Runs in the model environment. Every net starts from new weights, learns from the same generated
pictures on one thread, and gets the same minutes of processor time: a probe of 256 pictures says
how many epochs fit. Our pose net is top-down, so the minutes are shared with its dog detector; our
face detector learns from as many whole dogs as faces, as its recipe does. The nets for emotion
learn by one recipe. Then the comparison command's own table on test breeds is printed, with the
minutes that each training really took.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from model_export.compare.emotions import compare_emotions
from model_export.compare.faces import compare_faces
from model_export.compare.poses import compare_poses
from model_export.compare.settings import CompareSettings
from model_export.datasets.generated import generated_dogs, generated_faces
from model_export.datasets.sample import Dataset
from model_export.families.family import Recipe, Task, TrainedNet
from model_export.families.registry import family_of_arch, load_net
from model_export.train.command import DEFAULT_CACHE
from model_export.train.presets import Preset, preset
from model_export.train.run import RunSettings, open_parts, train

PICTURE_PX = 256
PROBE = 256
HELD_OUT = 128
TEST = 400
BATCH = 16
RIVALS: dict[str, dict[str, int]] = {
    "face": {"yolo:yolo11n": 224, "torchvision:ssdlite320_mobilenet_v3_large": 320},
    "pose": {"yolo:yolo11n-pose": 256},
    "emotion": {},
}
TASKS: dict[str, Task] = {"face": "face_detection", "pose": "pose", "emotion": "emotion"}
#: What our own recipe trains: name -> model, and the net that it is to be (ours where none).
OURS: dict[str, dict[str, tuple[str, str | None]]] = {
    "face": {"face-detector": ("face-detector", None)},
    "pose": {"dog-detector": ("dog-detector", None), "pose": ("pose", None)},
    "emotion": {
        "tiny_emotion": ("emotion", None),
        "mobilenet_v3_small": ("emotion", "torchvision:mobilenet_v3_small"),
        "efficientnet_b0": ("emotion", "torchvision:efficientnet_b0"),
    },
}
#: Trains for so many epochs on so many pictures into a folder.
Training = Callable[[int, int, Path], TrainedNet]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=sorted(TASKS))
    parser.add_argument("--minutes", type=float, default=6.0, help="processor time for each")
    parser.add_argument("--pictures", type=int, default=2048)
    parser.add_argument("--out", type=Path, default=Path("runs/families"))
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    options = parser.parse_args()
    draw = generated_dogs if options.what == "pose" else generated_faces
    found: dict[str, TrainedNet] = {}
    spent: dict[str, float] = {}
    if RIVALS[options.what]:
        learned = _drawn(draw(options.pictures, PICTURE_PX, "train"))
        held_out = _drawn(draw(HELD_OUT, PICTURE_PX, "val"))
    for arch, input_px in RIVALS[options.what].items():
        rival = _rival(arch, TASKS[options.what], input_px, learned, held_out)
        name = arch.partition(":")[2]
        found[name], spent[name] = _within(rival, name, options, options.minutes)
    # A dog detector and a pose net are one thing together; nets for emotion are one each.
    shared = 1 if options.what == "emotion" else len(OURS[options.what])
    for name, (model, arch) in OURS[options.what].items():
        training = _our(_preset(model, arch), options)
        found[name], spent[name] = _within(training, name, options, options.minutes / shared)
    tested = draw(TEST, PICTURE_PX, "test")
    out = options.out / options.what
    if options.what == "face":
        compare_faces(found, tested, out, CompareSettings(threads=1))
    elif options.what == "emotion":
        compare_emotions(found, tested, out, CompareSettings(threads=1))
    else:
        finder = found.pop("dog-detector")
        compare_poses(found, tested, out, CompareSettings(threads=1), dog_detector=finder)
    print((out / f"{options.what}.md").read_text(encoding="utf-8"))
    for name, minutes in spent.items():
        print(f"{name}: {minutes:.1f} CPU minutes of training")
    print(f"{options.pictures} pictures, {TEST} to test, {os.cpu_count()} cores, one thread")


def _within(
    training: Training, name: str, options: argparse.Namespace, minutes: float
) -> tuple[TrainedNet, float]:
    """The net after about so many CPU minutes, and how many they were."""
    began = time.process_time()
    training(1, PROBE, options.out / "probe" / name)
    epoch_s = (time.process_time() - began) * options.pictures / PROBE
    epochs = max(1, int(minutes * 60 / epoch_s))
    print(f"{name}: about {epoch_s:.0f} s an epoch, {epochs} epochs", file=sys.stderr, flush=True)
    began = time.process_time()
    net = training(epochs, options.pictures, options.out / name)
    return net, (time.process_time() - began) / 60


def _drawn(dataset: Dataset) -> Dataset:
    """The same pictures, kept in memory: no training pays for drawing."""
    return replace(dataset, samples=tuple(replace(s, image=s.pixels()) for s in dataset.samples))


def _rival(arch: str, task: Task, input_px: int, learned: Dataset, held_out: Dataset) -> Training:
    def training(epochs: int, pictures: int, folder: Path) -> TrainedNet:
        # A check of all the held-out pictures after a probe would cost as much as the probe.
        checked = len(held_out.samples) * pictures // len(learned.samples)
        samples = learned.samples[:pictures] + held_out.samples[:checked]
        recipe = Recipe(task, arch, input_px, epochs, BATCH, threads=1)
        return family_of_arch(arch).train(recipe, replace(learned, samples=samples), folder)

    return training


def _preset(model: str, arch: str | None) -> Preset:
    own = preset(model)
    if arch is None:
        return own
    return replace(own, arch=arch, config={"classes": len(own.classes)})


def _our(base: Preset, options: argparse.Namespace) -> Training:
    def parts(pictures: int) -> Preset:
        checked = HELD_OUT * pictures // options.pictures
        return replace(base, images=pictures, val_images=checked, test_images=checked)

    def settings(folder: Path) -> RunSettings:
        return RunSettings(folder, options.cache, workers=0, threads=1)

    # Drawn before the clock runs, as for the others.
    for chosen in (parts(PROBE), parts(options.pictures)):
        open_parts(chosen, "train", chosen.images, settings(options.out))
        open_parts(chosen, "val", chosen.val_images, settings(options.out))
        open_parts(chosen, "test", chosen.test_images, settings(options.out))

    def training(epochs: int, pictures: int, folder: Path) -> TrainedNet:
        report = train(replace(parts(pictures), epochs=epochs), settings(folder))
        assert report.checkpoint is not None
        return load_net(report.checkpoint)

    return training


if __name__ == "__main__":
    main()
