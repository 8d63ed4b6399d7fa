"""The face pipeline end to end in the product's four cases: A1, A2, A3 and B1.

Its pipeline document (2-7-3) compares a baseline (A1: first detector, first classifier, at most
8 key frames) with another detector (A2), another classifier (A3) and half of the frames (B1), by
the time from clip to answer (goal p50 <= 3 s, p95 <= 5 s), the share of clips with an answer
(>= 95 %), the share of failed jobs (< 3 %) and the mean share of key frames with a valid crop
(score >= .6, goal >= 70 %). The pipeline is the phone's own `FaceAnalyzer`.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import Licence, Manifest, Stage, StageName, Training
from edge_sdk.bundle.stage import Fallback
from edge_sdk.errors import EdgeError, StageUnknown
from edge_sdk.face.analyzer import FaceAnalyzer
from edge_sdk.face.policy import FacePolicy
from edge_sdk.media.video import VideoFile
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.stage import InferenceStage
from model_export.compare.clips import SECONDS, write_clip
from model_export.compare.faces import VALID_SCORE
from model_export.compare.latency import machine
from model_export.compare.settings import (
    CompareSettings,
    Running,
    data_notes,
    notices,
    run_net,
)
from model_export.compare.tables import Column, number, percent, write_comparison
from model_export.datasets.sample import Dataset
from model_export.families.family import FamilyError, TrainedNet

MAX_KEY_FRAMES: Final = 8
FEW_KEY_FRAMES: Final = 4
COLUMNS: Final = (
    Column("case", "케이스", "case"),
    Column("detector", "얼굴 검출", "face detector"),
    Column("classifier", "감정 분류", "classifier"),
    Column("max_key_frames", "N max", "key frames"),
    Column("e2e_p50_s", "E2E p50 s", "end to end", number, ("max", 3.0)),
    Column("e2e_p95_s", "E2E p95 s", "end to end", number, ("max", 5.0)),
    Column("success_rate", "분석 성공률", "clips with an answer", percent, ("min", 0.95)),
    Column("failure_rate", "작업 실패율", "failed jobs", percent, ("max", 0.03)),
    Column("valid_crop_rate", "유효 크롭률", "valid crop rate", percent, ("min", 0.70)),
    Column("licence", "라이선스", "licence"),
)


@dataclass(frozen=True, eq=False, slots=True)
class Case:
    """One case: which nets, at most how many key frames."""

    name: str
    detector: TrainedNet
    classifier: TrainedNet
    max_key_frames: int


def product_cases(
    detectors: Sequence[TrainedNet], classifiers: Sequence[TrainedNet]
) -> tuple[Case, ...]:
    """A1, A2, A3 and B1 of the first two detectors and classifiers.

    With one detector A2, with one classifier A3 is left out. Raises FamilyError without any.
    """
    if not detectors or not classifiers:
        raise FamilyError("the pipeline needs at least one face detector and one classifier")
    first, emotion = detectors[0], classifiers[0]
    cases = [Case("A1", first, emotion, MAX_KEY_FRAMES)]
    if len(detectors) > 1:
        cases.append(Case("A2", detectors[1], emotion, MAX_KEY_FRAMES))
    if len(classifiers) > 1:
        cases.append(Case("A3", first, classifiers[1], MAX_KEY_FRAMES))
    return (*cases, Case("B1", first, emotion, FEW_KEY_FRAMES))


def compare_pipelines(
    cases: Sequence[Case],
    dataset: Dataset,
    folder: Path,
    settings: CompareSettings | None = None,
    *,
    clips: int = 20,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Run every case on the same clips made of `dataset`; writes `pipeline.json` and `.md`.

    A refusal by the product's own rules (no face, too small, ...) is a clip without an answer;
    any other exception is a failed job. Raises FamilyError, ExportFailed.
    """
    told = settings or CompareSettings()
    samples = [sample for sample in dataset.samples if sample.label is not None]
    if not samples:
        raise FamilyError("clips are made of pictures with an emotion, and there is none")
    running: dict[int, Running] = {}
    for net in [net for case in cases for net in (case.detector, case.classifier)]:
        running.setdefault(id(net), run_net(net, told))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="daengdong-clips-") as temporary:
        paths = [
            write_clip(samples, seed + k, Path(temporary) / f"clip{k:03d}.mp4")
            for k in range(clips)
        ]
        for case in cases:
            finder, reader = running[id(case.detector)], running[id(case.classifier)]
            row = {
                "case": case.name,
                "detector": case.detector.name,
                "classifier": case.classifier.name,
                "max_key_frames": case.max_key_frames,
                "clips": clips,
            }
            nets = (case.detector, case.classifier)
            licences = sorted({net.licence.spdx for net in nets})
            row |= {"licence": ", ".join(licences), "runtime": "onnx" if finder.onnx else "torch"}
            row |= _run_case(case, finder, reader, paths)
            rows.append(row)
    about = [
        {
            "embeddable": net.licence.embeddable,
            "notice": net.licence.notice,
            "family": net.family,
        }
        for case in cases
        for net in (case.detector, case.classifier)
    ]
    write_comparison(
        folder,
        "pipeline",
        "얼굴 파이프라인 비교 (face pipeline)",
        COLUMNS,
        rows,
        notes=[
            *data_notes(dataset, "데이터 (data)"),
            f"{SECONDS:g}초 영상 {clips}개, {told.threads} threads, {machine()} "
            f"({clips} clips of {SECONDS:g} s made of these pictures; decoding included)",
            *notices(about),
        ],
    )
    return rows


def _run_case(
    case: Case, finder: Running, reader: Running, paths: Sequence[Path]
) -> dict[str, Any]:
    # One key frame is enough here: the product falls back to a fixed rate below four, and the
    # case would then not be about key frames.
    policy = FacePolicy(
        max_key_frames=case.max_key_frames, max_crops=case.max_key_frames, min_key_frames=1
    )
    stages = (finder.onnx or finder.torch, reader.onnx or reader.torch)
    spent: list[float] = []
    outcomes: Counter[str] = Counter()
    with FaceAnalyzer(
        _NetBundle(case.detector, stages[0]),
        _NetBundle(case.classifier, stages[1]),
        policy=policy,
    ) as analyzer:
        # The first clip pays for memory and threads that every later one finds ready.
        _outcome(analyzer, paths[0])
        for path in paths:
            start = time.perf_counter()
            outcomes[_outcome(analyzer, path)] += 1
            spent.append(time.perf_counter() - start)
    p50, p95 = np.percentile(spent, [50, 95])
    refused = {code: n for code, n in outcomes.items() if code not in ("answer", "failed")}
    return {
        "e2e_p50_s": round(float(p50), 4),
        "e2e_p95_s": round(float(p95), 4),
        "success_rate": outcomes["answer"] / len(paths),
        "failure_rate": outcomes["failed"] / len(paths),
        "refusals": refused,
        "valid_crop_rate": float(np.mean([_valid_share(case, stages[0], path) for path in paths])),
    }


def _outcome(analyzer: FaceAnalyzer, path: Path) -> str:
    """ "answer", the code of a refusal, or "failed" for what no rule of the product foresees."""
    try:
        analyzer.analyze(path)
    except EdgeError as error:
        return error.code
    except Exception:  # a failed job is what is counted here
        return "failed"
    return "answer"


def _valid_share(case: Case, stage: InferenceStage, path: Path) -> float:
    """Share of the clip's key frames, at most the case's number, with a face of score >= .6."""
    thresholds: Mapping[str, float] = {"nms_iou": 0.5, **case.detector.thresholds}
    finder = Detector(stage, {**thresholds, "score": VALID_SCORE})
    with VideoFile(path, key_frames=case.max_key_frames) as video:
        frames = [frame.image for frame in video]
    return float(np.mean([len(found) > 0 for found in finder.detect(frames)]))


@dataclass(frozen=True, eq=False, slots=True)
class _NetStage:
    """A stage of a net that has not been bundled: nothing to fall back to."""

    running: InferenceStage
    fallbacks: tuple[Fallback, ...] = ()

    @property
    def spec(self) -> Stage:
        return self.running.spec

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.running.infer(batch)


@dataclass(frozen=True, eq=False, slots=True)
class _NetBundle:
    """What the analyzer needs of a bundle, over a net that is not one yet."""

    net: TrainedNet
    running: InferenceStage

    @property
    def manifest(self) -> Manifest:
        licence = self.net.licence
        return Manifest(
            format="daengdong-bundle/1",
            name=re.sub("[^a-z0-9]+", "-", self.net.name.lower()).strip("-") or "net",
            task="emotion" if self.net.task == "emotion" else "face_detection",
            version="0.0",
            serial=1,
            created_at="1970-01-01T00:00:00Z",
            stages=(self.running.spec,),
            keypoints=None,
            thresholds={"nms_iou": 0.5, "score": 0.3, **self.net.thresholds},
            training=Training(data=(), recipe="", seed=0, minutes=0.0),
            licence=Licence(spdx=licence.spdx, notice=licence.notice, research_only=False),
            calibration=None,
            parity=(),
            model_card="",
            files={},
        )

    def stage(self, name: StageName) -> _NetStage:
        if name != self.running.spec.name:
            raise StageUnknown(f"{self.net.name} is a {self.running.spec.name}, not a {name}")
        return _NetStage(self.running)
