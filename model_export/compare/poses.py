"""Pose nets beside each other: PCK, swaps and collapses, pose mAP50-95, latency, size, licence.

The columns of the product's own comparison (box mAP50-95, pose mAP50-95, speed, parameters) and
the ones that decide whether a gait can be measured: how often the hind paws change places or fall
onto one spot, which mAP and PCK hide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import YoloPoseOutput
from edge_sdk.vision.detect import MAX_DETECTIONS, Detector, iou_matrix, suppress, to_image
from edge_sdk.vision.keypoints import KEYPOINT_NAMES
from edge_sdk.vision.pose import PoseEstimator
from edge_sdk.vision.pose import to_image as keypoints_to_image
from edge_sdk.vision.stage import InferenceStage, crops, window_of
from edge_sdk.vision.yolo import decode_yolo
from model_export.compare import plots
from model_export.compare.latency import machine, measure
from model_export.compare.precision_recall import (
    LEVELS,
    Matches,
    average_precision,
    curve,
    match,
    object_keypoint_similarity,
)
from model_export.compare.settings import (
    LICENCE_COLUMNS,
    NAME_COLUMNS,
    CompareSettings,
    Running,
    about_net,
    data_notes,
    latency_columns,
    notices,
    pictures_for_timing,
    run_net,
    size_column,
)
from model_export.compare.tables import Column, percent, share, write_comparison
from model_export.datasets.sample import ABSENT, Dataset, Instance, Sample
from model_export.evaluate import pose as pose_numbers
from model_export.families.family import FamilyError, TrainedNet
from model_export.families.stages import LOWEST_SCORE, detector

Floats = NDArray[np.floating]
COLUMNS: Final = (
    *NAME_COLUMNS,
    Column("pck05", "PCK@0.05, 주어진 박스", "PCK@0.05, given box", share, ("min", 0.92)),
    Column("pck10", "PCK@0.1", "PCK@0.1", share, ("min", 0.97)),
    Column("nme", "NME", "NME", share),
    Column("hind_swap_rate", "뒷다리 뒤바뀜", "hind swaps", percent, ("max", 0.03)),
    Column("hind_collapse_rate", "뒷다리 겹침", "hind collapses", percent, ("max", 0.03)),
    Column("box_map50_95", "박스 mAP50-95", "box mAP50-95", share),
    Column("pose_map50_95", "포즈 mAP50-95", "pose mAP50-95 (OKS)", share),
    *latency_columns(),
    size_column(),
    *LICENCE_COLUMNS,
)
_NOSE, _TAIL = KEYPOINT_NAMES.index("nose"), KEYPOINT_NAMES.index("tail_start")


@dataclass(frozen=True, eq=False, slots=True)
class Poses:
    """Dogs found in one picture: boxes (M, 4), scores (M,), keypoints (M, 24, 3), px."""

    boxes: Floats
    scores: Floats
    keypoints: Floats


class WholePicture:
    """Finds the poses of all dogs in a picture: by one net, or by a detector and a pose net."""

    def __init__(
        self,
        stage: InferenceStage,
        thresholds: Mapping[str, float],
        finder: Detector | None,
        score: float = LOWEST_SCORE,
    ) -> None:
        """Take the pose stage and, for a top-down net, the dog detector.

        `score`: from which a net that needs no detector takes a dog.
        """
        self._stage = stage
        self._nms_iou = thresholds.get("nms_iou", 0.5)
        self._finder = finder
        self._score = score
        self._pose = PoseEstimator(stage)

    def find(self, image: NDArray[np.uint8]) -> Poses:
        """All dogs of a picture; keypoints carry their confidence."""
        output = self._stage.spec.output
        if isinstance(output, YoloPoseOutput):
            return self._by_one_net(image, output)
        if self._finder is None:
            raise FamilyError("a top-down pose net needs a dog detector to find the dogs")
        found = self._finder.detect([image])[0]
        points = self._pose.estimate(image, found.boxes_xyxy_px, found.headings_rad)
        # A box is as sure as it is a dog and its points are seen (as top-down nets on COCO score).
        sure = found.scores * np.nan_to_num(points[..., 2]).mean(axis=1)
        return Poses(found.boxes_xyxy_px, sure, points)

    def _by_one_net(self, image: NDArray[np.uint8], output: YoloPoseOutput) -> Poses:
        spec = self._stage.spec.input
        window = window_of(spec, image, None)
        raw = self._stage.infer(crops(spec, [image], [window]))
        size = (spec.width, spec.height)
        most = MAX_DETECTIONS * 4
        found, points = decode_yolo(raw, output, size, score=self._score, most=most)[0]
        kept = suppress(found, self._nms_iou)[:MAX_DETECTIONS]
        moved = [keypoints_to_image(points[k], window) for k in kept]
        boxes = to_image(found.select(kept), window)
        empty = np.zeros((0, len(KEYPOINT_NAMES), 3), np.float32)
        return Poses(boxes.boxes_xyxy_px, boxes.scores, np.stack(moved) if moved else empty)


def compare_poses(
    nets: Mapping[str, TrainedNet],
    dataset: Dataset,
    folder: Path,
    settings: CompareSettings | None = None,
    *,
    dog_detector: TrainedNet | None = None,
) -> list[dict[str, Any]]:
    """Compare pose nets on the posed dogs; writes `pose.json`, `.md` and pictures.

    On given boxes: PCK, NME, swaps and collapses of the hind paws; the side that the dog faces
    is the truth's. On whole pictures: box and pose mAP; a top-down net then needs `dog_detector`
    (without it these columns stay empty), and its latency counts the detector. Raises
    FamilyError, ExportFailed, ImageMissing, ImageBroken.
    """
    told = settings or CompareSettings()
    posed = [(s, i) for s in dataset.samples for i in s.instances if _is_posed(i)]
    if not posed:
        raise FamilyError("no dog of the data has keypoints")
    finder = None if dog_detector is None else run_net(dog_detector, told)
    pictures = pictures_for_timing([sample for sample, _ in posed])
    rows: list[dict[str, Any]] = []
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for name, net in nets.items():
        running = run_net(net, told)
        row = {**about_net(running), "name": name, **on_given_boxes(running.torch, posed)}
        alone = isinstance(running.torch.spec.output, YoloPoseOutput)
        if alone or finder is not None:
            whole = _whole(running, finder, "torch")
            numbers, curves[name] = on_whole_pictures(whole, dataset)
            row |= numbers
            if not alone and finder is not None:
                row["size_mb"] = round(row["size_mb"] + finder.size_mb, 2)
            row |= _timed(running, finder, pictures, told)
        rows.append(row)
    drawn = []
    if curves:
        title = "OKS ≥ 0.5"
        drawn.append(plots.precision_recall(curves, folder / "pose_precision_recall.png", title))
    trained = {name: net.curves for name, net in nets.items() if net.curves}
    if trained:
        drawn.append(plots.training_curves(trained, folder / "pose_training.png"))
    write_comparison(
        folder,
        "pose",
        "포즈 비교 (pose nets)",
        COLUMNS,
        rows,
        notes=[
            *data_notes(dataset, "데이터 (data)"),
            "OKS: sigma 1/24, 면적 0.53 x 박스. Ultralytics 검증기의 기본값과 같음 "
            "(as Ultralytics' validator has them; our choice, nobody has published others)",
            f"지연: 사진 한 장, 검출 포함, {told.threads} threads, {machine()} "
            "(latency of one picture, detector included)",
            *notices(rows),
        ],
        pictures=drawn,
    )
    return rows


def facing_rad(instance: Instance) -> float:
    """The truth's heading, or 0 / pi by which side the nose is of the tail; NaN when unknown."""
    if instance.heading_rad is not None:
        return instance.heading_rad
    points = instance.keypoints
    if points is None or min(points[_NOSE, 2], points[_TAIL, 2]) <= ABSENT:
        return float("nan")
    return 0.0 if points[_NOSE, 0] >= points[_TAIL, 0] else float(np.pi)


def on_given_boxes(
    stage: InferenceStage, posed: Sequence[tuple[Sample, Instance]]
) -> dict[str, Any]:
    """PCK, NME, swaps and collapses with true boxes and sides."""
    estimator = PoseEstimator(stage)
    predicted = [
        estimator.estimate(sample.pixels(), [instance.box_xyxy_px], [facing_rad(instance)])[0]
        for sample, instance in posed
    ]
    truth = np.array([instance.keypoints for _, instance in posed], np.float64)
    boxes = np.array([instance.box_xyxy_px for _, instance in posed])
    answers = np.array(predicted, np.float64)
    judged = asdict(pose_numbers.report(answers, truth, boxes))
    hind = pose_numbers.leg_pairing(answers, truth, boxes)
    kept = ("pck05", "pck10", "pck05_visible", "nme", "per_keypoint_pck05")
    return {
        **{name: judged[name] for name in kept},
        "dogs": len(posed),
        "hind_frames": hind.frames,
        "hind_swap_rate": hind.swap_rate,
        "hind_collapse_rate": hind.collapse_rate,
    }


def on_whole_pictures(
    whole: WholePicture, dataset: Dataset
) -> tuple[dict[str, float], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Box and pose mAP, and the curve of the pose at OKS .5.

    Dogs without keypoints count for the boxes only; predictions on them count for neither.
    """
    by_box: dict[float, list[Matches]] = {float(level): [] for level in LEVELS}
    by_pose: dict[float, list[Matches]] = {float(level): [] for level in LEVELS}
    for sample in dataset.samples:
        found = whole.find(sample.pixels())
        boxes = np.array([i.box_xyxy_px for i in sample.instances], np.float32).reshape(-1, 4)
        overlap = iou_matrix(found.boxes, boxes)
        posed = [k for k, i in enumerate(sample.instances) if _is_posed(i)]
        other = [k for k in range(len(boxes)) if k not in posed]
        real = np.array([sample.instances[k].keypoints for k in posed]).reshape(-1, 24, 3)
        likeness = object_keypoint_similarity(found.keypoints, real, boxes[posed])
        # Like COCO's ignored objects: what lies on a dog without keypoints is not judged.
        ignored = overlap[:, other].max(axis=1, initial=0) > overlap[:, posed].max(
            axis=1, initial=0
        )
        for level in by_box:
            by_box[level].append(match(overlap, found.scores, level))
            by_pose[level].append(match(likeness[~ignored], found.scores[~ignored], level))
    boxes_map = [average_precision(matches) for matches in by_box.values()]
    poses_map = [average_precision(matches) for matches in by_pose.values()]
    numbers = {
        "box_map50": boxes_map[0],
        "box_map50_95": float(np.mean(boxes_map)),
        "pose_map50": poses_map[0],
        "pose_map50_95": float(np.mean(poses_map)),
    }
    return numbers, curve(by_pose[0.5])


def _is_posed(instance: Instance) -> bool:
    return instance.keypoints is not None and bool((instance.keypoints[:, 2] > ABSENT).any())


def _whole(running: Running, finder: Running | None, runtime: str) -> WholePicture:
    def chosen(one: Running) -> InferenceStage:
        return one.onnx if runtime == "onnx" and one.onnx is not None else one.torch

    dogs = None
    if finder is not None:
        dogs = detector(chosen(finder), finder.net.thresholds, score=LOWEST_SCORE)
    return WholePicture(chosen(running), running.net.thresholds, dogs)


def _timed(
    running: Running, finder: Running | None, pictures: Sequence[Any], told: CompareSettings
) -> dict[str, float]:
    out: dict[str, float] = {}
    for runtime in ("torch", "onnx") if running.onnx is not None else ("torch",):
        dogs = None
        if finder is not None:
            stage = finder.onnx if runtime == "onnx" and finder.onnx is not None else finder.torch
            # As the app runs it: only boxes that count get a pose.
            score = finder.net.thresholds.get("score", 0.3)
            dogs = detector(stage, finder.net.thresholds, score=score)
        pose = running.onnx if runtime == "onnx" and running.onnx is not None else running.torch
        thresholds = running.net.thresholds
        whole = WholePicture(pose, thresholds, dogs, thresholds.get("score", LOWEST_SCORE))
        spent = measure(
            lambda k, whole=whole: whole.find(pictures[k % len(pictures)]),  # type: ignore[misc]
            warm_up=told.warm_up,
            timed=told.timed,
        )
        out |= {f"{runtime}_p50_ms": spent.p50_ms, f"{runtime}_p95_ms": spent.p95_ms}
    return out
