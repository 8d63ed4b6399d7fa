"""The bundles that ship with the product, made from checkpoints within one budget of bytes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_sdk.bundle.manifest import Manifest, Task
from model_export.bundle.writer import BundlePlan, Kind, StagePlan, write_bundle
from model_export.export.folder import export_net, read_record, read_source, without_variants
from model_export.export.precision import PRECISIONS, ExportFailed, Precision, Runtime
from model_export.export.source import load_source
from model_export.parity.quality import generated_examples, sees_faces
from model_export.parity.report import write_parity
from model_export.parity.verify import ParityReport, verify_folder
from model_export.train.examples import Example

#: All bundles together, as an app's download and the repository bear it.
BUDGET_BYTES = 20_000_000

Progress = Callable[[str], None]


class BudgetExceeded(ExportFailed):
    """The bundles are too large even with the smallest variants; train smaller nets."""

    code = "budget_exceeded"


@dataclass(frozen=True)
class Shipped:
    """A bundle of the product and the checkpoints (file names without .pt) of its stages.

    `embeddable`: it ships by default, so its terms must let any app carry it.
    """

    name: str
    task: Task
    checkpoints: tuple[str, ...]
    embeddable: bool = True


DEFAULTS = (
    Shipped("dog-face", "face_detection", ("face-detector",)),
    Shipped("dog-emotion", "emotion", ("emotion",)),
    Shipped("dog-pose", "pose", ("dog-detector", "pose")),
)

#: Fine-tuned with real pictures: made where the checkpoints are there, under their own terms.
FINE_TUNED = (
    Shipped("dog-face-photo", "face_detection", ("face-detector-photo",), embeddable=False),
    Shipped("dog-emotion-photo", "emotion", ("emotion-photo",), embeddable=False),
    # No set of real dogs with 24 keypoints is large enough to train on: its pose net is the same.
    Shipped("dog-pose-photo", "pose", ("dog-detector-photo", "pose"), embeddable=False),
)

#: From the richest to the smallest; the first that fits the budget is taken. Half floats and
#: LiteRT's 8-bit weights cost nothing measurable (decision 0010).
PLANS: tuple[frozenset[Kind], ...] = (
    frozenset({("onnx", "fp16"), ("litert", "w8a32"), ("coreml", "fp16")}),
    frozenset({("onnx", "fp16"), ("litert", "w8a32"), ("coreml", "w8a32")}),
    frozenset({("onnx", "w8a32"), ("litert", "w8a32"), ("coreml", "w8a32")}),
)

# The exact ones are checked in every format, whichever ship.
EXPORTED: Mapping[Runtime, tuple[Precision, ...]] = {
    "onnx": ("fp32", "fp16", "w8a32"),
    "litert": ("fp32", "fp16", "w8a32"),
    "coreml": ("fp32", "fp16", "w8a32"),
}


@dataclass(frozen=True, eq=False)
class ReleaseSettings:
    """Where a release is made and what it says of itself.

    `only`: the names of the bundles to make, all when empty; what else lies in `out` stays and
    counts against the budget. `work`: folder for exports; `real`: numbers on real pictures by
    checkpoint name; `pictures`: labelled pictures for the parity check; `plans`: sets of variants
    from the richest to the smallest, of those `exported`; `renderers` by kind ("face", "body") and
    `image_px` replace the generator, as the tests do; `attempts`: Markdown for the cards.
    """

    models: Path
    out: Path
    work: Path
    cache: Path
    version: str
    serial: int
    created_at: str
    pictures: int = 200
    budget_bytes: int = BUDGET_BYTES
    threads: int = 2
    real: Mapping[str, Any] | None = None
    plans: tuple[frozenset[Kind], ...] = PLANS
    exported: Mapping[Runtime, tuple[Precision, ...]] = field(default_factory=lambda: EXPORTED)
    renderers: Mapping[str, str] = field(default_factory=dict)
    image_px: int = 0
    only: tuple[str, ...] = ()
    attempts: str = ""


@dataclass(frozen=True, eq=False)
class ReleaseReport:
    """What was made: manifests, bytes of each bundle, parity of each net, variants left out.

    `kept`: bytes of the bundles that were there and stayed.
    """

    manifests: tuple[Manifest, ...]
    sizes: dict[str, int]
    parity: tuple[ParityReport, ...]
    dropped: tuple[str, ...]
    kept: dict[str, int] = field(default_factory=dict)

    @property
    def total_bytes(self) -> int:
        """All bundles together."""
        return sum(self.sizes.values()) + sum(self.kept.values())


@dataclass(frozen=True, eq=False)
class VerifiedNet:
    """An export folder that passed, its pictures and report, and what was left out and why."""

    folder: Path
    examples: list[Example]
    report: ParityReport
    dropped: tuple[str, ...]


def make_release(settings: ReleaseSettings, progress: Progress = lambda _: None) -> ReleaseReport:
    """Export, verify and bundle everything that ships.

    Raises `ExportFailed` when a checkpoint of a default bundle is missing or an exact variant is
    beyond its limits, `BudgetExceeded`, `LicenceRefused`.
    """
    return bundle_within_budget(settings, verified_nets(settings, progress), progress)


def wanted_bundles(settings: ReleaseSettings) -> list[Shipped]:
    """The default bundles, and those fine-tuned ones whose checkpoints are there; or `only` some.

    Raises `ExportFailed` for a name that is no bundle of the product.
    """
    if not settings.only:
        return [*DEFAULTS, *(s for s in FINE_TUNED if _there(settings, s))]
    known = {s.name: s for s in (*DEFAULTS, *FINE_TUNED)}
    unknown = [name for name in settings.only if name not in known]
    if unknown:
        raise ExportFailed(
            f"no bundle is called {', '.join(unknown)}: bundles are {', '.join(known)}"
        )
    return [known[name] for name in settings.only]


def verified_nets(
    settings: ReleaseSettings, progress: Progress = lambda _: None
) -> dict[str, VerifiedNet]:
    """Every net of the wanted bundles, exported and held against torch, by checkpoint name."""
    names = dict.fromkeys(n for shipped in wanted_bundles(settings) for n in shipped.checkpoints)
    return {name: _verified(settings, name, progress) for name in names}


def bundle_within_budget(
    settings: ReleaseSettings,
    nets: Mapping[str, VerifiedNet],
    progress: Progress = lambda _: None,
) -> ReleaseReport:
    """Write the bundles with the richest plan of variants that fits; else `BudgetExceeded`."""
    wanted = wanted_bundles(settings)
    names = {shipped.name for shipped in wanted}
    there = sorted(settings.out.glob("*/manifest.json")) if settings.only else []
    kept = {p.parent.name: folder_bytes(p.parent) for p in there if p.parent.name not in names}
    for kinds in settings.plans:
        made = {}
        for shipped in wanted:
            progress(f"bundle {shipped.name}")
            # What is beside a default bundle carries the smallest that runs everywhere.
            taken = kinds if shipped.embeddable else settings.plans[-1]
            made[shipped.name] = _bundle(settings, shipped, nets, taken)
        sizes = {name: folder_bytes(settings.out / name) for name in made}
        together = sum(sizes.values()) + sum(kept.values())
        if together <= settings.budget_bytes:
            return ReleaseReport(
                manifests=tuple(made.values()),
                sizes=sizes,
                parity=tuple(net.report for net in nets.values()),
                dropped=tuple(d for net in nets.values() for d in net.dropped),
                kept=kept,
            )
    raise BudgetExceeded(
        f"{together:,} bytes with the smallest variants, {settings.budget_bytes:,} are allowed"
    )


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _there(settings: ReleaseSettings, shipped: Shipped) -> bool:
    return all((settings.models / f"{name}.pt").is_file() for name in shipped.checkpoints)


def _verified(settings: ReleaseSettings, name: str, progress: Progress) -> VerifiedNet:
    """Export a checkpoint and hold it against torch; a smaller variant that fails is left out."""
    source = load_source(settings.models / f"{name}.pt")
    folder = settings.work / name
    progress(f"export {name}")
    export_net(source, folder, settings.exported)
    progress(f"pictures for {name}")
    kind = "face" if sees_faces(source) else "body"
    examples = generated_examples(
        source,
        settings.pictures,
        settings.cache,
        renderer=settings.renderers.get(kind, ""),
        image_px=settings.image_px,
    )
    report = verify_folder(folder, examples, threads=settings.threads, progress=progress)
    failed = {
        (v.variant.runtime, v.variant.precision): "; ".join(v.failures)
        for v in report.verdicts
        if not v.passed
    }
    exact = [why for (_, precision), why in failed.items() if precision == "fp32"]
    if exact or report.faults:
        raise ExportFailed(f"{name}: {'; '.join([*exact, *report.faults])}")
    if failed:
        without_variants(folder, list(failed))
        kept = tuple(v for v in report.verdicts if v.passed)
        report = ParityReport(folder, report.faults, kept)
    write_parity(report)
    dropped = tuple(f"{name} {r} {p}: {why}" for (r, p), why in failed.items())
    return VerifiedNet(folder, examples, report, dropped)


def _bundle(
    settings: ReleaseSettings,
    shipped: Shipped,
    nets: Mapping[str, VerifiedNet],
    kinds: frozenset[Kind],
) -> Manifest:
    stages = tuple(
        StagePlan(
            nets[name].folder,
            nets[name].examples,
            usable_kinds(nets[name].folder, kinds),
            _real(settings, name),
        )
        for name in shipped.checkpoints
    )
    return write_bundle(
        BundlePlan(
            name=shipped.name,
            task=shipped.task,
            version=settings.version,
            serial=settings.serial,
            created_at=settings.created_at,
            stages=stages,
            reproduce=_commands({n: nets[n] for n in shipped.checkpoints}),
            embeddable=shipped.embeddable,
            # A fine-tuned net has the input of the default one beside it, which shows it.
            golden_input=shipped.embeddable,
            attempts=settings.attempts,
        ),
        settings.out / shipped.name,
    )


def usable_kinds(folder: Path, kinds: frozenset[Kind]) -> frozenset[Kind]:
    """The variants asked for, each as small as parity with torch allowed.

    A net whose 8-bit weights failed ships halves for that runtime: never a stage without it.
    Raises `ExportFailed` where nothing is left for a runtime.
    """
    there = {(v.runtime, v.precision) for v in read_record(folder).stage.variants}
    usable = set()
    for runtime, precision in kinds:
        down_to = PRECISIONS[: PRECISIONS.index(precision) + 1]
        fitting = [p for p in reversed(down_to) if (runtime, p) in there]
        if not fitting:
            raise ExportFailed(f"{folder} has no variant for {runtime} of {precision} or better")
        usable.add((runtime, fitting[0]))
    return frozenset(usable)


def _real(settings: ReleaseSettings, name: str) -> Mapping[str, Any]:
    numbers = (settings.real or {}).get(name, {})
    return numbers if isinstance(numbers, Mapping) else {}


def _commands(nets: Mapping[str, VerifiedNet]) -> tuple[str, ...]:
    trained = []
    for name, net in nets.items():
        source = read_source(net.folder)
        began = source.began_with
        words = ["python -m model_export train", name.removesuffix("-photo"), f"--out runs/{name}"]
        words += source.options
        words += [] if began is None else [f"--start-from FOLDER  # of {began}"]
        trained.append(" ".join(words))
    return (*trained, "python -m model_export release --models MODELS --out assets/models")


def read_real_numbers(path: Path) -> dict[str, Any]:
    """Numbers on real pictures, JSON by checkpoint name; raises `ExportFailed` when it is none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportFailed(f"{path}: {error}") from error
    if not isinstance(told, dict):
        raise ExportFailed(f"{path}: not an object of checkpoint names")
    return told
