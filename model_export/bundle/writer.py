"""Verified export folders in, one bundle out: manifest, golden vectors, card, licence, files."""

import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from edge_sdk.bundle.golden import GoldenVectors, dump_golden
from edge_sdk.bundle.manifest import (
    FORMAT,
    MANIFEST_NAME,
    KeypointSpec,
    Manifest,
    ParityRow,
    Precision,
    RuntimeName,
    Stage,
    Task,
    Training,
    Variant,
    YoloPoseOutput,
    check,
    dump,
)
from model_export.bundle.card import MODEL_CARD_NAME, CardNumbers, model_card
from model_export.bundle.golden import accepted_error, golden_cases, golden_vectors
from model_export.bundle.licences import (
    LICENCE_NAME,
    joined,
    licence_text,
    require_embeddable,
)
from model_export.bundle.sheet import SHEET_NAME, worst_cases_png
from model_export.export.folder import file_entries, read_record
from model_export.export.precision import ExportFailed
from model_export.export.source import ExportSource, load_source
from model_export.parity.inputs import structured_cases
from model_export.parity.reference import TorchReference
from model_export.parity.report import read_parity
from model_export.parity.variants import opened
from model_export.parity.verify import DOG_CASES
from model_export.train.examples import Example

#: A variant of a stage by runtime and precision.
Kind = tuple[RuntimeName, Precision]


@dataclass(frozen=True, eq=False)
class StagePlan:
    """One verified export folder that goes into a bundle.

    `examples`: labelled pictures, from which golden vectors and the sheet of the worst cases are
    made; `kinds`: the variants to take, None for all; `real`: numbers on real pictures for the
    card.
    """

    folder: Path
    examples: Sequence[Example]
    kinds: frozenset[Kind] | None = None
    real: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class BundlePlan:
    """What a bundle shall be.

    `serial` rises with each published version; `created_at` is ISO 8601 with a zone; `embeddable`
    demands terms under which any app may carry the weights (the bundles that ship by default);
    `golden_input`: whether the golden vectors hold a sampled input, most of their bytes;
    `attempts` goes into the card, Markdown.
    """

    name: str
    task: Task
    version: str
    serial: int
    created_at: str
    stages: tuple[StagePlan, ...]
    reproduce: tuple[str, ...] = ()
    embeddable: bool = False
    golden_input: bool = True
    attempts: str = ""


@dataclass(frozen=True, eq=False)
class _Part:
    """A stage of the bundle as it is put together."""

    source: ExportSource
    plan: StagePlan
    stage: Stage
    parity: tuple[ParityRow, ...]
    golden: GoldenVectors


def write_bundle(plan: BundlePlan, out: Path) -> Manifest:
    """Write the bundle's folder `out`, replacing an earlier one only when all went well.

    The same plan, weights and pictures give the same bytes. Raises `NotVerified` for a folder that
    has not passed `verify` as it is, `LicenceRefused`, `ExportFailed`, `ManifestInvalid`.
    """
    beside = out.with_name(f".{out.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    (beside / "golden").mkdir(parents=True)
    try:
        manifest = _write(plan, beside)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    shutil.rmtree(out, ignore_errors=True)
    beside.rename(out)
    return manifest


def write_zip(bundle: Path, archive: Path) -> None:
    """The bundle as one zip, stored, in order and undated: the same bundle, the same bytes."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for path in sorted(p for p in bundle.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(bundle).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            file.writestr(entry, path.read_bytes())


def _write(plan: BundlePlan, folder: Path) -> Manifest:
    parts = [
        part
        for stage_plan in plan.stages
        for part in _parts(stage_plan, folder, int(plan.golden_input))
    ]
    if not parts:
        raise ExportFailed(f"{plan.name}: a bundle needs a stage")
    licence = joined([part.source.licence for part in parts])
    if plan.embeddable:
        require_embeddable(licence, plan.name)
    (folder / LICENCE_NAME).write_text(licence_text(licence), encoding="utf-8")
    sheet = worst_cases_png([(part.source, part.plan.examples) for part in parts])
    (folder / SHEET_NAME).write_bytes(sheet)
    (folder / MODEL_CARD_NAME).write_text("", encoding="utf-8")
    manifest = Manifest(
        format=FORMAT,
        name=plan.name,
        task=plan.task,
        version=plan.version,
        serial=plan.serial,
        created_at=plan.created_at,
        stages=tuple(part.stage for part in parts),
        keypoints=_keypoints(parts),
        thresholds=_thresholds(parts),
        training=_training([part.source.training for part in parts]),
        licence=licence,
        calibration=next((p.source.calibration for p in parts if p.source.calibration), None),
        parity=tuple(row for part in parts for row in part.parity),
        model_card=MODEL_CARD_NAME,
        files=file_entries(folder),
    )
    numbers = [CardNumbers(part.stage.name, part.source.metrics, part.plan.real) for part in parts]
    card = model_card(manifest, numbers, plan.reproduce, SHEET_NAME, plan.attempts)
    (folder / MODEL_CARD_NAME).write_text(card, encoding="utf-8")
    manifest = msgspec.structs.replace(manifest, files=file_entries(folder))
    check(manifest)
    (folder / MANIFEST_NAME).write_bytes(dump(manifest))
    return manifest


def _parts(plan: StagePlan, folder: Path, sampled: int) -> list[_Part]:
    """The stages of one export folder: one, or detector and pose of a YOLO pose net."""
    rows = read_parity(plan.folder)
    record = read_record(plan.folder)
    source = load_source(plan.folder / record.source)
    taken = [
        v
        for v in record.stage.variants
        if plan.kinds is None or (v.runtime, v.precision) in plan.kinds
    ]
    if not taken:
        raise ExportFailed(f"{plan.folder} has none of the variants asked for")
    for variant in taken:
        _copy(plan.folder / variant.file, folder / variant.file)
    names = ("detector", "pose") if isinstance(source.output, YoloPoseOutput) else (source.stage,)
    cases = golden_cases(structured_cases(plan.examples[:DOG_CASES]))
    parts = []
    for name in names:
        stage = msgspec.structs.replace(
            record.stage, name=name, variants=tuple(taken), golden=f"golden/{name}.json"
        )
        reference = TorchReference(source, name)  # type: ignore[arg-type]
        vectors = golden_vectors(reference, source.thresholds, cases, sampled)
        (folder / stage.golden).write_bytes(dump_golden(vectors))
        stage = msgspec.structs.replace(
            stage, variants=tuple(_measured(folder, stage, v, vectors) for v in taken)
        )
        kept = tuple(
            msgspec.structs.replace(row, stage=name)
            for row in rows
            if (row.runtime, row.precision) in {(v.runtime, v.precision) for v in taken}
        )
        parts.append(_Part(source, plan, stage, kept, vectors))
    return parts


def _measured(folder: Path, stage: Stage, variant: Variant, vectors: GoldenVectors) -> Variant:
    with opened(folder, stage, variant) as running:
        error = accepted_error(running, vectors, variant.precision)
    return msgspec.structs.replace(variant, max_abs_error=error)


def _copy(file: Path, target: Path) -> None:
    if file.is_dir():
        shutil.copytree(file, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(file, target)


def _keypoints(parts: Sequence[_Part]) -> KeypointSpec | None:
    return next((p.source.keypoints for p in parts if p.source.keypoints is not None), None)


def _thresholds(parts: Sequence[_Part]) -> dict[str, float]:
    merged: dict[str, float] = {}
    for part in parts:
        for name, value in part.source.thresholds.items():
            if merged.setdefault(name, value) != value:
                raise ExportFailed(f"threshold {name} differs between the stages of the bundle")
    return merged


def _training(trainings: Sequence[Training]) -> Training:
    each = list(dict.fromkeys(trainings))
    return Training(
        data=tuple(dict.fromkeys(source for training in each for source in training.data)),
        recipe="; ".join(dict.fromkeys(training.recipe for training in each)),
        seed=each[0].seed,
        minutes=sum(training.minutes for training in each),
    )
