"""What all comparisons share: how nets are run, what is timed, and the columns about the nets."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from edge_sdk.vision.stage import InferenceStage
from model_export.compare.latency import TIMED, WARM_UP
from model_export.compare.tables import Column, number
from model_export.datasets.sample import Dataset, Sample
from model_export.families.family import FamilyError, TrainedNet
from model_export.families.stages import onnx_stage, torch_stage

MB: Final = 1_000_000
LATENCY_PICTURES: Final = 8


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """`threads` of torch and ONNX Runtime; `warm_up` and `timed` calls of each latency; `onnx`:
    whether nets are exported and timed there too (their size is then that of the file).
    """

    threads: int = 2
    warm_up: int = WARM_UP
    timed: int = TIMED
    onnx: bool = True


@dataclass(frozen=True, eq=False, slots=True)
class Running:
    """A net on both runtimes, and its size in MB: of the ONNX file, or of the weights."""

    net: TrainedNet
    torch: InferenceStage
    onnx: InferenceStage | None
    size_mb: float


def run_net(net: TrainedNet, settings: CompareSettings) -> Running:
    """Prepare a net for judging and timing; raises ExportFailed."""
    torch.set_num_threads(settings.threads)
    if not settings.onnx:
        return Running(net, torch_stage(net), None, net.weight_bytes / MB)
    with tempfile.TemporaryDirectory(prefix="daengdong-compare-") as folder:
        file = Path(folder) / "net.onnx"
        # The session has read the file into memory when it is made.
        stage = onnx_stage(net, file, threads=settings.threads)
        return Running(net, torch_stage(net), stage, file.stat().st_size / MB)


def about_net(running: Running) -> dict[str, Any]:
    """The columns that every comparison has."""
    net = running.net
    return {
        "name": net.name,
        "family": net.family,
        "input_px": net.input["width"],
        "parameters": net.parameters,
        "size_mb": round(running.size_mb, 2),
        "licence": net.licence.spdx,
        "embeddable": net.licence.embeddable,
        "research_only": bool(net.training.get("research_only", False)),
        "notice": net.licence.notice,
    }


def yes_or_no(value: Any) -> str:
    """Write a truth value in both languages."""
    return "예 (yes)" if value else "아니요 (no)"


NAME_COLUMNS: Final = (
    Column("name", "모델", "model"),
    Column("family", "계열", "family"),
    Column("input_px", "입력 px", "input"),
)


def size_column(goal_mb: float | None = None) -> Column:
    """Size in MB, with the product's goal where it has one."""
    goal = None if goal_mb is None else ("max", goal_mb)
    return Column("size_mb", "크기 MB", "size", number, goal)


def latency_columns(goal_ms: float | None = None) -> tuple[Column, ...]:
    """Median latency of torch and ONNX Runtime, with the product's goal."""
    goal = None if goal_ms is None else ("max", goal_ms)
    return (
        Column("torch_p50_ms", "지연 p50 ms, torch", "latency", number, goal),
        Column("onnx_p50_ms", "지연 p50 ms, ONNX", "latency", number, goal),
    )


LICENCE_COLUMNS: Final = (
    Column("licence", "라이선스", "licence"),
    Column(
        "embeddable", "앱 내장", "may be embedded", lambda v: "예 (yes)" if v else "조건부 (no)"
    ),
    Column(
        "research_only",
        "연구용 데이터",
        "research-only data",
        lambda v: "예 (yes)" if v else "아니요 (no)",
    ),
)


def data_notes(dataset: Dataset, what: str) -> list[str]:
    """Say on which data a table was measured, and under which licences."""
    sources = sorted({(s.provenance.source, s.provenance.licence) for s in dataset.samples})
    told = "; ".join(f"{source} ({licence})" for source, licence in sources)
    return [f"{what}: 사진 {len(dataset)}장 ({len(dataset)} pictures): {told}", *dataset.notes]


def notices(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Say each licence notice once."""
    found = {str(row["notice"]): str(row["family"]) for row in rows if not row["embeddable"]}
    return [f"{family}: {notice}" for notice, family in found.items()]


def pictures_for_timing(samples: Sequence[Sample]) -> list[Any]:
    """Decode a few pictures beforehand: reading files is no part of a latency.

    Raises FamilyError when there is none.
    """
    pictures = [sample.pixels() for sample in samples[:LATENCY_PICTURES]]
    if not pictures:
        raise FamilyError("nothing to compare on: the data has no picture of this part")
    return pictures
