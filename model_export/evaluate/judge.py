"""The numbers of a model over a set of examples, through the phone's own code.

Pictures are sampled, boxes and keypoints decoded by `edge_sdk.vision`; only the forward pass is
torch's. So a number here is a number of the product, not of a training loop.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge_sdk.vision.classify import Classifier
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.pose import PoseEstimator
from model_export.evaluate import detection, emotion, pose
from model_export.evaluate.stages import TorchStage
from model_export.train.emotion import fitted_temperature
from model_export.train.examples import Example
from model_export.train.presets import Preset

#: Detections down to this score enter the average precision.
_LOWEST_SCORE = 0.02


class ExampleSet(Protocol):
    """Examples by number."""

    def __len__(self) -> int: ...

    def example(self, index: int) -> Example:
        """The picture of this number with its labels."""
        ...


@dataclass(frozen=True)
class Judged:
    """`metrics` of the test part; thresholds and temperature chosen on the validation part."""

    metrics: dict[str, Any]
    thresholds: dict[str, float]
    temperature: float | None


def stage_of(net: nn.Module, preset: Preset) -> TorchStage:
    """The net as a stage of the phone's pipeline."""
    return TorchStage(net, preset.input(), preset.output())


def _all(sets: Sequence[ExampleSet], most: int | None = None) -> Iterator[Example]:
    """The examples of several sets; at most `most` of each."""
    for examples in sets:
        count = len(examples) if most is None else min(most, len(examples))
        for index in range(count):
            yield examples.example(index)


def detections_of(
    net: nn.Module, preset: Preset, sets: Sequence[ExampleSet], most: int | None = None
) -> list[detection.ImageDetections]:
    """What a detector finds in each picture, beside what is there."""
    face = preset.model == "face-detector"
    finder = Detector(stage_of(net, preset), {**preset.thresholds, "score": _LOWEST_SCORE})
    found = []
    for example in _all(sets, most):
        seen = finder.detect([example.image])[0]
        found.append(
            detection.ImageDetections(
                boxes=seen.boxes_xyxy_px,
                scores=seen.scores,
                true_boxes=example.face_boxes if face else example.dog_boxes,
                headings_rad=np.zeros(0) if face else seen.headings_rad,
                true_headings_rad=np.zeros(0) if face else example.dog_headings_rad,
                hidden=np.zeros(0, np.bool_) if face else example.dogs_hidden,
            )
        )
    return found


def poses_of(
    net: nn.Module, preset: Preset, sets: Sequence[ExampleSet], most: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """Predicted and true keypoints (N, 24, 3), boxes (N, 4), and the mirror difference.

    Boxes and headings are the true ones: this judges the pose net alone.
    """
    estimator = PoseEstimator(stage_of(net, preset))
    examples = list(_all(sets, most))
    boxes = np.array([e.dog_boxes[0] for e in examples], np.float64)
    headings = np.array([e.dog_headings_rad[0] for e in examples], np.float64)
    widths = np.array([e.image.shape[1] for e in examples])
    predicted = estimator.estimate_each([e.image for e in examples], boxes, headings)
    turned = np.stack([widths - boxes[:, 2], boxes[:, 1], widths - boxes[:, 0], boxes[:, 3]], 1)
    images = [np.ascontiguousarray(e.image[:, ::-1]) for e in examples]
    mirrored = estimator.estimate_each(images, turned, np.pi - headings)
    real = np.array([e.keypoints for e in examples], np.float64)
    # Seen end-on the body has no length: then a quarter of the box stands for it.
    lengths = np.maximum(pose.body_lengths(real), 0.25 * pose.longer_sides(boxes))
    difference = pose.mirror_difference(predicted, mirrored, widths, lengths)
    return predicted.astype(np.float64), real, boxes, difference


def logits_of(
    net: nn.Module, preset: Preset, sets: Sequence[ExampleSet], most: int | None = None
) -> tuple[torch.Tensor, NDArray[np.int64]]:
    """Logits (N, C) of the true face boxes and the true classes (N,)."""
    shares, truth = given_probabilities(Classifier(stage_of(net, preset)), sets, most)
    logits = np.log(np.maximum(shares, 1e-9)).astype(np.float32)
    return torch.from_numpy(logits), truth


def given_probabilities(
    classifier: Classifier, sets: Sequence[ExampleSet], most: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities (N, C) of the true face boxes and the true classes (N,)."""
    shares, truth = [], []
    for example in _all(sets, most):
        shares.append(classifier.classify(example.image, example.face_boxes[:1])[0])
        truth.append(example.emotion)
    return np.array(shares, np.float64), np.array(truth, np.int64)


def detected_probabilities(
    finder: Detector, classifier: Classifier, sets: Sequence[ExampleSet]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities (N, C) of the face that the phone would take, NaN where it finds none.

    The phone's rule: of the detector's boxes the most confident, cropped as it lies. A picture of
    two dogs may so be answered for the wrong one, which counts as it comes out. The second result
    are the true classes (N,).
    """
    answers, truth = [], []
    for example in _all(sets):
        found = finder.detect([example.image])[0]
        answer = np.full(len(classifier.classes), np.nan)
        if len(found.scores):
            best = found.boxes_xyxy_px[[int(np.argmax(found.scores))]]
            answer = np.asarray(classifier.classify(example.image, best)[0], np.float64)
        answers.append(answer)
        truth.append(example.emotion)
    return np.array(answers), np.array(truth, np.int64)


def judge_validation(
    net: nn.Module, preset: Preset, held_out: Sequence[ExampleSet], most: int = 256
) -> dict[str, float]:
    """A few numbers after an epoch, from at most `most` pictures of each set."""
    if preset.model == "pose":
        predicted, truth, boxes, difference = poses_of(net, preset, held_out, most)
        judged = pose.report(predicted, truth, boxes)
        hind = pose.leg_pairing(predicted, truth, boxes)
        return {
            "pck05": judged.pck05,
            "pck10": judged.pck10,
            "pck05_visible": judged.pck05_visible,
            "pck10_visible": judged.pck10_visible,
            "nme": judged.nme,
            "hind_swap": hind.swap_rate,
            "hind_collapse": hind.collapse_rate,
            "mirror": difference,
        }
    if preset.model == "emotion":
        logits, labels = logits_of(net, preset, held_out, most)
        result = emotion.report(labels, torch.softmax(logits, dim=1).numpy())
        return {"macro_f1": result.macro_f1, "accuracy": result.accuracy}
    seen = detection.report(detections_of(net, preset, held_out, most), preset.thresholds["score"])
    return {
        "map50": seen.map50,
        "map50_95": seen.map50_95,
        "false_alarms": seen.false_alarms_per_negative,
        "heading_p50_deg": seen.heading_error_p50_deg,
        "faces_right": seen.faces_right_agreement,
    }


def judge_test(
    net: nn.Module,
    preset: Preset,
    tested: Sequence[ExampleSet],
    held_out: Sequence[ExampleSet],
) -> Judged:
    """All numbers on the test part; what has to be chosen is chosen on the validation part."""
    if preset.model == "pose":
        predicted, truth, boxes, difference = poses_of(net, preset, tested)
        hind = pose.leg_pairing(predicted, truth, boxes)
        fore = pose.leg_pairing(predicted, truth, boxes, pose.FORE_PAWS)
        metrics = {
            **asdict(pose.report(predicted, truth, boxes)),
            "mirror_difference": difference,
            "hind": asdict(hind),
            "fore": asdict(fore),
        }
        return Judged(recorded(metrics), {}, None)
    if preset.model == "emotion":
        logits, labels = logits_of(net, preset, held_out)
        temperature = fitted_temperature(logits, torch.from_numpy(labels))
        logits, labels = logits_of(net, preset, tested)
        result = emotion.report(labels, torch.softmax(logits / temperature, dim=1).numpy())
        return Judged(recorded(asdict(result)), {}, temperature)
    chosen = detection.report(
        detections_of(net, preset, held_out), preset.thresholds["score"]
    ).best_threshold
    seen = detection.report(detections_of(net, preset, tested), chosen)
    return Judged(recorded(asdict(seen)), {"score": chosen}, None)


def recorded(value: Any) -> Any:
    """A report as plain JSON values: tuples become lists, what is not a number becomes None."""
    if isinstance(value, dict):
        return {name: recorded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [recorded(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
