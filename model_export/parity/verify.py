"""Every variant of an export folder against torch; what is beyond a limit fails with its reason."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_sdk.bundle.manifest import ParityRow, Stage, Variant
from edge_sdk.errors import EdgeError
from model_export.export.folder import ExportRecord, damaged_files, read_record
from model_export.export.precision import ExportFailed
from model_export.export.source import ExportSource, load_source
from model_export.parity.compare import Differences, compare
from model_export.parity.coreml_program import ProgramUnreadable
from model_export.parity.inputs import LEAST_CASES, ParityCase, structured_cases
from model_export.parity.limits import LIMITS, Limits
from model_export.parity.quality import Quality, quality, sees_faces
from model_export.parity.reference import TorchReference
from model_export.parity.runs import CaseResult, input_scale, run_cases
from model_export.parity.variants import note_on, opened
from model_export.train.examples import Example

#: Dogs among the structured inputs; with their mirror images and the patterns more than 32.
DOG_CASES = 8

#: A number that JSON can hold, for "no comparison was possible".
_BEYOND = 1e9


@dataclass(frozen=True)
class Verdict:
    """One variant against torch: what was measured and why it fails, if it does.

    `reference_value`: the metric of torch; `metric_change`: variant minus torch; `note`: how it
    was run where that is not the phone's own way.
    """

    stage: str
    variant: Variant
    inputs: int
    differences: Differences
    metric: str
    reference_value: float
    metric_change: float
    labelled: int
    agreement: float
    failures: tuple[str, ...]
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is within all limits."""
        return not self.failures

    def row(self) -> ParityRow:
        """The verdict as the manifest keeps it."""
        d = self.differences
        classifier = self.metric == "macro_f1"
        return ParityRow(
            stage=self.stage,  # type: ignore[arg-type]
            runtime=self.variant.runtime,
            precision=self.variant.precision,
            inputs=self.inputs,
            max_abs_error=_held(d.raw_max),
            p95_px=None if classifier or np.isnan(d.position_p95_px) else _held(d.position_p95_px),
            argmax_agreement=self.agreement if classifier else None,
            metric=self.metric,
            metric_change=None if np.isnan(self.metric_change) else float(self.metric_change),
            passed=self.passed,
        )


@dataclass(frozen=True)
class ParityReport:
    """All verdicts of a folder and what is wrong with the folder itself."""

    folder: Path
    faults: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        """Whether the folder is whole and every variant within its limits."""
        return not self.faults and all(verdict.passed for verdict in self.verdicts)


Progress = Callable[[str], None]


def verify_folder(
    folder: Path,
    examples: Sequence[Example],
    *,
    threads: int = 2,
    progress: Progress = lambda _: None,
) -> ParityReport:
    """Compare all variants of an export folder with torch.

    `examples`: labelled pictures (see `quality.generated_examples`); the first of them are also
    among the structured inputs. Raises `ExportFailed` when the folder has no readable record or
    checkpoint, ValueError without examples; everything else is a verdict.
    """
    if not examples:
        raise ValueError("parity needs labelled pictures")
    record = read_record(folder)
    faults = [f"{name} is missing or changed" for name in damaged_files(folder, record.files)]
    source = load_source(folder / record.source)
    faults += specification_faults(record, source)
    reference = _Reference(source, examples)
    verdicts = []
    for variant in record.stage.variants:
        progress(f"{record.stage.name} {variant.runtime} {variant.precision}")
        verdicts.append(_verdict(folder, record.stage, variant, reference, threads))
    return ParityReport(folder, tuple(faults), tuple(verdicts))


def specification_faults(record: ExportRecord, source: ExportSource) -> list[str]:
    """Where the record says something else than the checkpoint that it was made from."""
    stage = record.stage
    faults = []
    for part, mine, theirs in (
        ("input", stage.input, source.input),
        ("output", stage.output, source.output),
    ):
        for name in theirs.__struct_fields__:
            told, wanted = getattr(mine, name, None), getattr(theirs, name)
            if told != wanted:
                faults.append(f"{part}.{name} is {told}, the checkpoint says {wanted}")
    if not stage.variants:
        faults.append("no variant at all")
    return faults


class _Reference:
    """Torch's results, computed once for all variants."""

    def __init__(self, source: ExportSource, examples: Sequence[Example]):
        self.source = source
        self.stage = TorchReference(source)
        self.examples = examples
        self.cases: list[ParityCase] = structured_cases(examples[:DOG_CASES])
        if len(self.cases) < LEAST_CASES:
            raise ValueError(f"{len(self.cases)} structured inputs, {LEAST_CASES} are needed")
        self.scales = [input_scale(self.stage, case) for case in self.cases]
        self.results: list[CaseResult] = run_cases(self.stage, self.thresholds, self.cases)
        self.quality: Quality = quality(self.stage, self.thresholds, examples, sees_faces(source))

    @property
    def thresholds(self) -> Mapping[str, float]:
        return self.source.thresholds


def _verdict(
    folder: Path, stage: Stage, variant: Variant, reference: _Reference, threads: int
) -> Verdict:
    limits = LIMITS[variant.precision]
    try:
        with opened(folder, stage, variant, threads) as running:
            results = run_cases(running, reference.thresholds, reference.cases)
            theirs = quality(
                running,
                reference.thresholds,
                reference.examples,
                sees_faces(reference.source),
            )
    except (EdgeError, ExportFailed, ProgramUnreadable, ValueError, RuntimeError, OSError) as error:
        return _broken(stage, variant, reference, f"does not run: {error}")
    differences = compare(
        [case.name for case in reference.cases],
        reference.scales,
        reference.results,
        results,
        reference.thresholds,
        limits.score,
    )
    change = theirs.value - reference.quality.value
    same = theirs.classes == reference.quality.classes
    agreement = float(np.mean(same)) if len(same) else 1.0
    return Verdict(
        stage=stage.name,
        variant=variant,
        inputs=len(reference.cases),
        differences=differences,
        metric=theirs.metric,
        reference_value=reference.quality.value,
        metric_change=change,
        labelled=len(reference.examples),
        agreement=agreement,
        failures=tuple(_failures(differences, limits, theirs.metric, change, agreement)),
        note=note_on(variant),
    )


def _failures(
    d: Differences, limits: Limits, metric: str, change: float, agreement: float
) -> list[str]:
    drop = limits.f1_drop if metric == "macro_f1" else limits.quality_drop
    found = []
    if d.dead:
        found.append(f"dead output on {', '.join(d.dead[:3])}")
    if limits.raw is not None and d.raw_relative > limits.raw:
        found.append(f"raw head {d.raw_relative:.2g} > {limits.raw:g}")
    if not d.raw_share <= limits.raw_share:
        found.append(f"raw head off by {d.raw_share:.1%} of its spread > {limits.raw_share:.1%}")
    if d.position_p95_px > limits.position_px:
        found.append(f"positions p95 {d.position_p95_px:.2g} px > {limits.position_px:g} px")
    if d.score_max > limits.score:
        found.append(f"scores {d.score_max:.2g} > {limits.score:g}")
    if d.lost:
        found.append(f"{d.lost} objects seen by one side only")
    if change < -drop:
        found.append(f"{metric} {change:+.4f} < -{drop:g}")
    if agreement < limits.agreement:
        found.append(f"same class on {agreement:.1%} < {limits.agreement:.0%}")
    return found


def _broken(stage: Stage, variant: Variant, reference: _Reference, why: str) -> Verdict:
    nothing = Differences(_BEYOND, _BEYOND, _BEYOND, _BEYOND, 0, 0, _BEYOND, 0.0, ())
    return Verdict(
        stage=stage.name,
        variant=variant,
        inputs=len(reference.cases),
        differences=nothing,
        metric=reference.quality.metric,
        reference_value=reference.quality.value,
        metric_change=float("nan"),
        labelled=len(reference.examples),
        agreement=0.0,
        failures=(why,),
    )


def _held(value: float) -> float:
    return float(min(value, _BEYOND)) if np.isfinite(value) else _BEYOND
