"""One number of quality on labelled pictures: what a smaller variant may not lose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_sdk.vision.classify import Classifier
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.pose import PoseEstimator
from edge_sdk.vision.stage import InferenceStage
from model_export.evaluate import detection, emotion, pose
from model_export.export.source import ExportSource
from model_export.parity.runs import HEADS_OF_DETECTORS, LOWEST_SCORE, head_of
from model_export.train.data import DataSource, Kind, Split, generate
from model_export.train.examples import Example
from model_export.train.run import usable

#: Side of the generated pictures, as in training.
_BODY_PX, _FACE_PX = 256, 192


@dataclass(frozen=True, eq=False)
class Quality:
    """`metric` "map50", "pck05" or "macro_f1" and its `value` 0..1 (NaN without a labelled object);
    `classes`: the class named for each picture, empty for other stages.
    """

    metric: str
    value: float
    classes: NDArray[np.intp]


def sees_faces(source: ExportSource) -> bool:
    """Whether the net looks at faces (emotion, face boxes) rather than at whole dogs."""
    return source.stage == "classifier" or any("face" in name for name in source.classes)


def generated_examples(
    source: ExportSource,
    count: int,
    cache: Path,
    *,
    split: Split = "test",
    renderer: str = "",
    image_px: int = 0,
) -> list[Example]:
    """Labelled pictures of a split; those of "test" have breeds and places that training never had.

    Fewer than `count` where some lack the labels that the stage needs. `renderer` and `image_px`
    replace the generator and its size (the tests draw small pictures).
    """
    faces = sees_faces(source)
    kind: Kind = "face" if faces else "body"
    side = image_px or (_FACE_PX if faces else _BODY_PX)
    shards = generate(DataSource(kind, side, split, count, renderer), cache)
    model = {"pose": "pose", "classifier": "emotion"}.get(source.stage)
    rows = usable(shards, model or ("face-detector" if faces else "dog-detector"))
    return [shards.example(int(row)) for row in rows]


def quality(
    stage: InferenceStage, thresholds: Mapping[str, float], examples: Sequence[Example], faces: bool
) -> Quality:
    """The number of a stage; `faces` says which boxes of an example a detector looks for."""
    head = head_of(stage.spec)
    if head in HEADS_OF_DETECTORS:
        return _detector(stage, thresholds, examples, faces)
    return _pose(stage, examples) if head == "heatmap" else _classifier(stage, examples)


def _detector(
    stage: InferenceStage, thresholds: Mapping[str, float], examples: Sequence[Example], faces: bool
) -> Quality:
    detector = Detector(stage, {**thresholds, "score": LOWEST_SCORE})
    found = []
    for example in examples:
        seen = detector.detect([example.image])[0]
        found.append(
            detection.ImageDetections(
                boxes=seen.boxes_xyxy_px,
                scores=seen.scores,
                true_boxes=example.face_boxes if faces else example.dog_boxes,
                headings_rad=np.zeros(0),
                true_headings_rad=np.zeros(0),
            )
        )
    return Quality("map50", detection.average_precision(found, 0.5), np.zeros(0, np.intp))


def _pose(stage: InferenceStage, examples: Sequence[Example]) -> Quality:
    estimator = PoseEstimator(stage)
    boxes = np.array([example.dog_boxes[0] for example in examples], np.float64)
    predicted = np.array(
        [
            estimator.estimate(example.image, box[None], example.dog_headings_rad[:1])[0]
            for example, box in zip(examples, boxes, strict=True)
        ]
    )
    truth = np.array([example.keypoints for example in examples], np.float64)
    return Quality("pck05", pose.report(predicted, truth, boxes).pck05, np.zeros(0, np.intp))


def _classifier(stage: InferenceStage, examples: Sequence[Example]) -> Quality:
    classifier = Classifier(stage)
    probabilities = np.array(
        [classifier.classify(example.image, example.face_boxes[:1])[0] for example in examples]
    )
    named = probabilities.argmax(axis=1)
    truth = np.array([example.emotion for example in examples])
    f1 = emotion.f1_scores(truth, named, probabilities.shape[1])
    return Quality("macro_f1", float(f1.mean()), named)
