"""Emotion classifiers beside each other: macro F1, accuracy, latency, size, licence.

Columns and goals are the product's own (its pipeline document, 2-4-1 and 2-7-2): macro F1 at
least .80, at most 20 ms a face, at most 25 MB. Each is judged on given face boxes, and on the
boxes that a detector finds, because that is what it gets in the app.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.vision.classify import Classifier
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.stage import InferenceStage
from model_export.compare import plots
from model_export.compare.latency import machine, measure
from model_export.compare.settings import (
    LATENCY_PICTURES,
    LICENCE_COLUMNS,
    NAME_COLUMNS,
    CompareSettings,
    about_net,
    data_notes,
    latency_columns,
    notices,
    run_net,
    size_column,
)
from model_export.compare.tables import Column, share, write_comparison
from model_export.datasets.sample import Dataset, FloatArray, Sample
from model_export.evaluate.emotion import EmotionReport
from model_export.evaluate.emotion import report as emotion_report
from model_export.families.family import FamilyError, TrainedNet
from model_export.families.stages import detector, torch_stage

COLUMNS: Final = (
    *NAME_COLUMNS,
    Column("macro_f1", "매크로 F1, 주어진 얼굴", "macro F1, given face", share, ("min", 0.80)),
    Column("accuracy", "정확도", "accuracy", share),
    Column("detected_macro_f1", "매크로 F1, 찾은 얼굴", "macro F1, detected face", share),
    Column("calibration_error", "보정 오차", "calibration error", share),
    *latency_columns(20.0),
    size_column(25.0),
    *LICENCE_COLUMNS,
)


def compare_emotions(
    classifiers: Mapping[str, TrainedNet],
    dataset: Dataset,
    folder: Path,
    settings: CompareSettings | None = None,
    *,
    face_detector: TrainedNet | None = None,
) -> list[dict[str, Any]]:
    """Compare classifiers on the labelled pictures; writes `emotion.json`, `.md` and pictures.

    The given face is a picture's first instance, or the whole picture when it has none. With
    `face_detector` the best found face is judged too; a picture in which it finds none counts as
    wrong. Raises FamilyError, ExportFailed, ImageMissing, ImageBroken.
    """
    told = settings or CompareSettings()
    samples = [sample for sample in dataset.samples if sample.label in EMOTIONS]
    if not samples:
        raise FamilyError(f"no picture is labelled with one of {', '.join(EMOTIONS)}")
    truth = np.array([EMOTIONS.index(str(sample.label)) for sample in samples])
    given = [_given_box(sample) for sample in samples]
    found = None if face_detector is None else _found_boxes(face_detector, samples)
    rows: list[dict[str, Any]] = []
    matrices: dict[str, Sequence[Sequence[int]]] = {}
    for name, net in classifiers.items():
        running = run_net(net, told)
        on_given = judge(running.torch, samples, given, truth)
        row = {**about_net(running), "name": name}
        row |= {
            "macro_f1": on_given.macro_f1,
            "accuracy": on_given.accuracy,
            "f1": on_given.f1,
            "confusion": on_given.confusion,
            "calibration_error": on_given.calibration_error,
        }
        matrices[name] = on_given.confusion
        if found is not None:
            on_found = judge(running.torch, samples, found, truth)
            row |= {
                "detected_macro_f1": on_found.macro_f1,
                "detected_accuracy": on_found.accuracy,
                "detected_missing": on_found.missing,
                "detected_confusion": on_found.confusion,
            }
        for runtime, stage in (("torch", running.torch), ("onnx", running.onnx)):
            if stage is not None:
                row |= _timed(runtime, stage, samples, given, told)
        rows.append(row)
    drawn = [plots.confusion_matrices(matrices, EMOTIONS, folder / "emotion_confusion.png")]
    spots = {
        row["name"]: (
            row.get("onnx_p50_ms", row["torch_p50_ms"]),
            row["macro_f1"],
            row["size_mb"],
            row["embeddable"],
        )
        for row in rows
    }
    drawn.append(
        plots.quality_over_latency(
            spots, folder / "emotion_latency.png", quality="macro F1", title="emotion classifiers"
        )
    )
    curves = {name: net.curves for name, net in classifiers.items() if net.curves}
    if curves:
        drawn.append(plots.training_curves(curves, folder / "emotion_training.png"))
    write_comparison(
        folder,
        "emotion",
        "감정 분류 비교 (emotion classifiers)",
        COLUMNS,
        rows,
        notes=[
            *data_notes(dataset, "데이터 (data)"),
            f"지연: 얼굴 하나, 잘라내기 포함, {told.threads} threads, {machine()} "
            "(latency of one face, cropping included)",
            *notices(rows),
        ],
        pictures=drawn,
    )
    return rows


def judge(
    stage: InferenceStage,
    samples: Sequence[Sample],
    boxes: Sequence[FloatArray | None],
    truth: NDArray[np.int64],
) -> EmotionReport:
    """Classify one box of each picture; None is a picture without an answer."""
    classifier = Classifier(stage)
    order = class_order(classifier)
    answers = np.full((len(samples), len(EMOTIONS)), np.nan)
    for at, (sample, box) in enumerate(zip(samples, boxes, strict=True)):
        if box is not None:
            answers[at] = classifier.classify(sample.pixels(), box[None])[0][order]
    return emotion_report(truth, answers)


def class_order(classifier: Classifier) -> list[int]:
    """Where each of EMOTIONS is in the answers; raises FamilyError for other classes."""
    if sorted(classifier.classes) != sorted(EMOTIONS):
        raise FamilyError(f"classes {classifier.classes} are not {EMOTIONS}")
    return [classifier.classes.index(name) for name in EMOTIONS]


def _given_box(sample: Sample) -> FloatArray:
    if sample.instances:
        return sample.instances[0].box_xyxy_px
    return np.array([0, 0, sample.width_px, sample.height_px], np.float64)


def _found_boxes(net: TrainedNet, samples: Sequence[Sample]) -> list[FloatArray | None]:
    thresholds = dict(net.thresholds)
    finder: Detector = detector(torch_stage(net), thresholds, score=thresholds.get("score", 0.3))
    out: list[FloatArray | None] = []
    for sample in samples:
        found = finder.detect([sample.pixels()])[0]
        best = None
        if len(found):
            best = np.asarray(found.boxes_xyxy_px[found.scores.argmax()], np.float64)
        out.append(best)
    return out


def _timed(
    runtime: str,
    stage: InferenceStage,
    samples: Sequence[Sample],
    boxes: Sequence[FloatArray],
    told: CompareSettings,
) -> dict[str, float]:
    classifier = Classifier(stage)
    count = min(LATENCY_PICTURES, len(samples))
    pictures = [sample.pixels() for sample in samples[:count]]
    spent = measure(
        lambda k: classifier.classify(pictures[k % count], boxes[k % count][None]),
        warm_up=told.warm_up,
        timed=told.timed,
    )
    return {f"{runtime}_p50_ms": spent.p50_ms, f"{runtime}_p95_ms": spent.p95_ms}
