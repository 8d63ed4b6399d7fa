"""A stage walked over the parity cases, from picture to final result, by the phone's own code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import Stage
from edge_sdk.vision.classify import Classifier
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.detections import Detections
from edge_sdk.vision.pose import PoseEstimator
from edge_sdk.vision.stage import InferenceStage, window_of
from model_export.parity.inputs import ParityCase

Floats = NDArray[np.floating]

#: Detections down to this score are compared, so that one at the threshold is not "lost" by 1e-6.
LOWEST_SCORE = 0.01

HEADS_OF_DETECTORS = ("centre", "yolo_detect", "yolo_pose")
HEADS_OF_POSE = ("heatmap", "yolo_pose")


def head_of(spec: Stage) -> str:
    """Name of the output head of a stage, as the manifest writes it."""
    return str(type(spec.output).__struct_config__.tag)


class Recorded:
    """A stage that remembers the raw tensors it gave."""

    def __init__(self, stage: InferenceStage):
        self._stage = stage
        self.raw: list[NDArray[np.float32]] = []

    @property
    def spec(self) -> Stage:
        """The stage's specification."""
        return self._stage.spec

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run and remember."""
        out = self._stage.infer(batch)
        self.raw.append(np.array(out, np.float32))
        return out


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What a stage made of one case: the raw head, and detections, keypoints or probabilities."""

    raw: NDArray[np.float32]
    detections: Detections | None = None
    keypoints: Floats | None = None
    probabilities: Floats | None = None


def run_cases(
    stage: InferenceStage, thresholds: Mapping[str, float], cases: Sequence[ParityCase]
) -> list[CaseResult]:
    """The results of a stage on each case, through full pre- and post-processing."""
    return [run_case(stage, thresholds, case) for case in cases]


def run_case(
    stage: InferenceStage, thresholds: Mapping[str, float], case: ParityCase
) -> CaseResult:
    """One case; detectors see the whole picture, the others a crop about its box."""
    recorded = Recorded(stage)
    head = head_of(stage.spec)
    box = case.box_xyxy[None]
    found, points, probabilities = None, None, None
    if head in HEADS_OF_DETECTORS:
        low = {**thresholds, "score": min(LOWEST_SCORE, thresholds["score"])}
        (found,) = Detector(recorded, low).detect([case.image])
    if head in HEADS_OF_POSE:
        heading = np.array([case.heading_rad])
        points = PoseEstimator(recorded).estimate(case.image, box, heading)[0]
    if head == "logits":
        probabilities = Classifier(recorded).classify(case.image, box)[0]
    return CaseResult(recorded.raw[0], found, points, probabilities)


def input_scale(stage: InferenceStage, case: ParityCase) -> float:
    """Px of the picture for one px of the net's input: differences are stated in the latter."""
    return window_of(stage.spec.input, case.image, case.box_xyxy).scale
