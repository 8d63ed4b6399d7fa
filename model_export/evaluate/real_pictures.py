"""What the checkpoints do on real pictures: detection, false alarms, keypoints, weak emotions.

Nothing here is tuned: thresholds are those of the checkpoints. The pictures are research only and
stay outside the repository; each number says how many pictures stand behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.vision.classify import Classifier
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.keypoints import KEYPOINT_NAMES
from edge_sdk.vision.pose import PoseEstimator
from model_export import nets
from model_export.datasets import real
from model_export.datasets.sample import Dataset, Sample, Split
from model_export.evaluate import detection, emotion, pose
from model_export.evaluate.judge import recorded
from model_export.evaluate.stages import TorchStage, stage_of_checkpoint

# Low enough for the whole curve of precision and recall.
_LOWEST_SCORE: Final = 0.02
_NOSE, _TAIL = KEYPOINT_NAMES.index("nose"), KEYPOINT_NAMES.index("tail_start")


def judge_real_pictures(models: Path, data: Path, photo: bool = False) -> dict[str, Any]:
    """Numbers by checkpoint name, for the model cards; `photo` judges those fine-tuned on photos.

    `models`: folder of checkpoints; those that are missing are left out. `data`: the folder of real
    pictures. Only pictures of the part "val" are used where a set has parts, since the other part
    may have been learned from.
    """
    suffix = "-photo" if photo else ""
    numbers: dict[str, Any] = {}
    for name, judge in (
        ("dog-detector", _dogs),
        ("face-detector", _faces),
        ("emotion", _emotions),
        ("pose", _poses),
    ):
        path = models / f"{name}{suffix}.pt"
        if path.exists():
            net, meta = nets.load(path)
            stage = stage_of_checkpoint(net, meta)
            told = judge(stage, meta, data)
            finder = _face_finder(models, suffix) if name == "emotion" else None
            if finder is not None:
                told |= _emotions_of_found_faces(stage, finder, data)
            numbers[name + suffix] = recorded(told)
    return numbers


def _face_finder(models: Path, suffix: str) -> Detector | None:
    """The face detector beside the classifier: fine-tuned for a fine-tuned one, where it is."""
    for path in (models / f"face-detector{suffix}.pt", models / "face-detector.pt"):
        if path.exists():
            net, meta = nets.load(path)
            return Detector(stage_of_checkpoint(net, meta), meta["thresholds"])
    return None


def _emotions_of_found_faces(stage: TorchStage, finder: Detector, data: Path) -> dict[str, Any]:
    """As the phone does it: the most confident face is cropped; photos without one are left out."""
    samples = _part(real.weak_emotions(data), "val")
    classifier = Classifier(stage)
    shares, truth = [], []
    for sample in samples:
        image = sample.pixels()
        found = finder.detect([image])[0]
        if len(found):
            best = found.boxes_xyxy_px[[int(np.argmax(found.scores))]]
            shares.append(classifier.classify(image, best)[0])
            truth.append(EMOTIONS.index(str(sample.label)))
    if not truth:
        return {}
    told = emotion.report(np.array(truth), np.array(shares))
    share = len(truth) / len(samples)
    return {"found_faces_weakly_labelled": {**asdict(told), "something_found": share}}


def _dogs(stage: TorchStage, meta: Mapping[str, Any], data: Path) -> dict[str, Any]:
    limits = meta["thresholds"]
    posed = real.posed_dogs(data).samples
    boxed = [*_part(real.masked_bulldogs(data), "val"), *posed]
    empty = [*_part(real.cats(data), "val"), *_part(real.street_negatives(data), "val")]
    return {
        "boxed_dogs": _detection(stage, limits, boxed, empty),
        # Of breeds and places that no fine-tuning has seen; the others are bulldogs.
        "posed_dogs": _detection(stage, limits, posed, empty),
        "breed_photos": _found_share(stage, limits, real.breed_photos(data).samples),
    }


def _faces(stage: TorchStage, meta: Mapping[str, Any], data: Path) -> dict[str, Any]:
    limits = meta["thresholds"]
    faces = _part(real.vizsla_faces(data), "val")
    empty = _part(real.street_negatives(data), "val")
    return {
        "vizsla_faces": _detection(stage, limits, faces, empty),
        "breed_photos": _found_share(stage, limits, real.breed_photos(data).samples),
    }


def _emotions(stage: TorchStage, meta: Mapping[str, Any], data: Path) -> dict[str, Any]:
    samples = _part(real.weak_emotions(data), "val")
    classifier = Classifier(stage)
    shares, truth = [], []
    for sample in samples:
        image = sample.pixels()
        whole = [[0, 0, image.shape[1], image.shape[0]]]
        shares.append(classifier.classify(image, whole)[0])
        truth.append(EMOTIONS.index(str(sample.label)))
    found = emotion.report(np.array(truth), np.array(shares))
    return {"weakly_labelled_photos": {"images": len(samples), **asdict(found)}}


def _poses(stage: TorchStage, meta: Mapping[str, Any], data: Path) -> dict[str, Any]:
    samples = [s for s in real.posed_dogs(data).samples if s.instances[0].keypoints is not None]
    images = [sample.pixels() for sample in samples]
    boxes = np.array([sample.instances[0].box_xyxy_px for sample in samples], np.float64)
    truth = np.array([sample.instances[0].keypoints for sample in samples], np.float64)
    # Which way the dog looks is read off its labels: this judges the pose net alone.
    faces_right = truth[:, _NOSE, 0] >= truth[:, _TAIL, 0]
    headings = np.where(faces_right, 0.0, np.pi)
    found = PoseEstimator(stage).estimate_each(images, boxes, headings)
    return {"posed_dogs_given_box_and_side": asdict(pose.report(found, truth, boxes))}


def _detection(
    stage: TorchStage, limits: Mapping[str, float], full: Sequence[Sample], empty: Sequence[Sample]
) -> dict[str, Any]:
    finder = Detector(stage, {**limits, "score": _LOWEST_SCORE})
    seen = [_seen(finder, sample) for sample in (*full, *empty)]
    found = detection.report(seen, limits["score"])
    return {"dogs": len(full), "without_dog": len(empty), **asdict(found)}


def _seen(finder: Detector, sample: Sample) -> detection.ImageDetections:
    (found,) = finder.detect([sample.pixels()])
    true = np.array([i.box_xyxy_px for i in sample.instances], np.float32).reshape(-1, 4)
    nothing: NDArray[np.float32] = np.zeros(0, np.float32)
    return detection.ImageDetections(found.boxes_xyxy_px, found.scores, true, nothing, nothing)


def _found_share(
    stage: TorchStage, limits: Mapping[str, float], samples: Sequence[Sample]
) -> dict[str, Any]:
    """In how many photos of one dog something is found, and how often more than one thing."""
    counts = np.array([len(Detector(stage, limits).detect([s.pixels()])[0]) for s in samples])
    return {
        "images": len(samples),
        "something_found": float((counts > 0).mean()),
        "more_than_one": float((counts > 1).mean()),
    }


def _part(dataset: Dataset, split: Split) -> tuple[Sample, ...]:
    return tuple(sample for sample in dataset.samples if sample.split == split)
