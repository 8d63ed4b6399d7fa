"""Face detectors beside each other: mAP@0.5, valid crop rate, latency, size, licence.

The columns and goals are the product's own (its pipeline document, 2-4-1 and 2-7-1): mAP@0.5 at
least .85, at most 30 ms a picture, a valid crop (score >= .6) in at least 95 % of the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.vision.detect import iou_matrix
from edge_sdk.vision.detections import Detections
from model_export.compare import plots
from model_export.compare.latency import machine, measure
from model_export.compare.precision_recall import LEVELS, average_precision, curve, match
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
from model_export.compare.tables import Column, number, percent, share, write_comparison
from model_export.datasets.sample import Dataset, Sample
from model_export.families.family import TrainedNet
from model_export.families.stages import LOWEST_SCORE, detector

VALID_SCORE: Final = 0.6
"""A crop counts from this score on (the pipeline document's definition)."""

COLUMNS: Final = (
    *NAME_COLUMNS,
    Column("map50", "mAP@0.5", "mAP@0.5", share, ("min", 0.85)),
    Column("map50_95", "mAP@0.5:0.95", "mAP@0.5:0.95", share),
    Column("valid_crop_rate", "유효 크롭률", "valid crop rate", percent, ("min", 0.95)),
    Column("false_alarms", "개 없는 사진당 오탐", "false alarms per negative", number),
    *latency_columns(30.0),
    size_column(),
    *LICENCE_COLUMNS,
)


@dataclass(frozen=True, eq=False, slots=True)
class _Found:
    """What a detector found in each sample."""

    samples: tuple[Sample, ...]
    detections: tuple[Detections, ...]


def compare_faces(
    detectors: Mapping[str, TrainedNet],
    dataset: Dataset,
    folder: Path,
    settings: CompareSettings | None = None,
) -> list[dict[str, Any]]:
    """Compare detectors on every picture of `dataset`; writes `face.json`, `.md` and pictures.

    Pictures without an instance are negatives: they count for false alarms (score >= .6) and in
    the precision, not in the valid crop rate. Raises FamilyError, ExportFailed, ImageMissing,
    ImageBroken.
    """
    told = settings or CompareSettings()
    rows: list[dict[str, Any]] = []
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    pictures = pictures_for_timing([s for s in dataset.samples if s.instances])
    for name, net in detectors.items():
        running = run_net(net, told)
        found = _find(running, dataset)
        row = {**about_net(running), "name": name, **detection_numbers(found)}
        row |= _timed(running, pictures, told)
        rows.append(row)
        curves[name] = curve(_matches(found, 0.5))
    drawn = [plots.precision_recall(curves, folder / "face_precision_recall.png", "IoU ≥ 0.5")]
    drawn += _more_pictures(detectors, rows, folder)
    write_comparison(
        folder,
        "face",
        "얼굴 검출 비교 (face detectors)",
        COLUMNS,
        rows,
        notes=[
            *data_notes(dataset, "데이터 (data)"),
            f"지연: 사진 한 장, 전처리와 후처리 포함, {told.threads} threads, {machine()} "
            "(latency of one picture, sampling and decoding included)",
            *notices(rows),
        ],
        pictures=drawn,
    )
    return rows


def detection_numbers(found: _Found) -> dict[str, float]:
    """mAP, valid crop rate and false alarms of what was found."""
    precisions = [average_precision(_matches(found, float(level))) for level in LEVELS]
    best = np.array([float(d.scores.max(initial=0.0)) for d in found.detections])
    positive = np.array([bool(s.instances) for s in found.samples])
    alarms = [int((d.scores >= VALID_SCORE).sum()) for d in found.detections]
    negatives = [count for count, real in zip(alarms, positive, strict=True) if not real]
    return {
        "map50": precisions[0],
        "map50_95": float(np.mean(precisions)),
        "valid_crop_rate": float((best[positive] >= VALID_SCORE).mean()) if positive.any() else 0.0,
        "false_alarms": float(np.mean(negatives)) if negatives else float("nan"),
    }


def _find(running: Running, dataset: Dataset) -> _Found:
    finder = detector(running.torch, running.net.thresholds, score=LOWEST_SCORE)
    found = tuple(finder.detect([sample.pixels()])[0] for sample in dataset.samples)
    return _Found(dataset.samples, found)


def _matches(found: _Found, iou: float) -> list[Any]:
    out = []
    for sample, detections in zip(found.samples, found.detections, strict=True):
        truth = np.array([i.box_xyxy_px for i in sample.instances], np.float32).reshape(-1, 4)
        overlap = iou_matrix(detections.boxes_xyxy_px, truth)
        out.append(match(overlap, detections.scores, iou))
    return out


def _timed(running: Running, pictures: Sequence[Any], told: CompareSettings) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, stage in (("torch", running.torch), ("onnx", running.onnx)):
        if stage is None:
            continue
        finder = detector(stage, running.net.thresholds, score=VALID_SCORE)
        spent = measure(
            lambda k, finder=finder: finder.detect([pictures[k % len(pictures)]]),  # type: ignore[misc]
            warm_up=told.warm_up,
            timed=told.timed,
        )
        out |= {f"{name}_p50_ms": spent.p50_ms, f"{name}_p95_ms": spent.p95_ms}
    return out


def _more_pictures(
    nets: Mapping[str, TrainedNet], rows: Sequence[Mapping[str, Any]], folder: Path
) -> list[Path]:
    spots = {
        row["name"]: (
            row.get("onnx_p50_ms", row["torch_p50_ms"]),
            row["map50"],
            row["size_mb"],
            row["embeddable"],
        )
        for row in rows
    }
    out = [
        plots.quality_over_latency(
            spots, folder / "face_latency.png", quality="mAP@0.5", title="face detectors"
        )
    ]
    curves = {name: net.curves for name, net in nets.items() if net.curves}
    if curves:
        out.append(plots.training_curves(curves, folder / "face_training.png"))
    return out
