"""`python -m model_export bundle` and `release`: bundles from verified exports, or all at once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.table import Table

from edge_sdk.bundle.manifest import Task
from edge_sdk.errors import EdgeError
from model_export.bundle.licences import LicenceRefused
from model_export.bundle.release import (
    BUDGET_BYTES,
    ReleaseReport,
    ReleaseSettings,
    folder_bytes,
    make_release,
    read_real_numbers,
)
from model_export.bundle.writer import BundlePlan, StagePlan, write_bundle, write_zip
from model_export.export.folder import read_source
from model_export.export.precision import ExportFailed
from model_export.parity.command import DEFAULT_PICTURES, verify_bundle
from model_export.parity.quality import generated_examples
from model_export.parity.report import print_report, wide_console
from model_export.train.command import DEFAULT_CACHE

VersionOption = Annotated[str, typer.Option(help="as shown to people, such as 2026.11.1")]
SerialOption = Annotated[int, typer.Option(help="rises with each published version")]
CreatedOption = Annotated[
    str | None, typer.Option(help="ISO time with zone instead of now, for the same bytes again")
]
CacheOption = Annotated[Path, typer.Option(help="folder of the generated pictures")]
RealOption = Annotated[
    Path | None, typer.Option(help="JSON with numbers on real pictures by checkpoint name")
]


def bundle_command(
    exports: Annotated[list[Path], typer.Argument(help="verified folders of `export`")],
    name: Annotated[str, typer.Option(help="such as my-dog-pose")],
    task: Annotated[str, typer.Option(help=", ".join(get_args(Task)))],
    out: Annotated[Path, typer.Option(help="folder of the bundle; an earlier one is replaced")],
    version: VersionOption = "2026.11.1",
    serial: SerialOption = 1,
    created_at: CreatedOption = None,
    cache: CacheOption = DEFAULT_CACHE,
    real: RealOption = None,
    archive: Annotated[Path | None, typer.Option("--zip", help="also write a zip")] = None,
    embeddable: Annotated[
        bool, typer.Option(help="refuse terms under which not every app may embed it")
    ] = False,
) -> None:
    """Put verified exports into one bundle, and prove that it passes its own self-test."""
    if task not in get_args(Task):
        raise typer.BadParameter(f"{task!r} is none of {', '.join(get_args(Task))}")
    console = wide_console()
    try:
        numbers = read_real_numbers(real) if real is not None else {}
        stages = []
        for folder in exports:
            source = read_source(folder)
            examples = generated_examples(source, DEFAULT_PICTURES, cache)
            stages.append(StagePlan(folder, examples, real=numbers.get(folder.name, {})))
        plan = BundlePlan(
            name=name,
            task=task,  # type: ignore[arg-type]
            version=version,
            serial=serial,
            created_at=created_at or _now(),
            stages=tuple(stages),
            reproduce=tuple(f"python -m model_export export {s.folder}" for s in stages),
            embeddable=embeddable,
        )
        manifest = write_bundle(plan, out)
        passed = verify_bundle(out, console)
        if archive is not None:
            write_zip(out, archive)
    except (ExportFailed, EdgeError, LicenceRefused) as error:
        typer.echo(f"{error.code}: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{out}  {folder_bytes(out):,} bytes  {manifest.licence.spdx}")
    if not passed:
        raise typer.Exit(1)


def release_command(
    models: Annotated[Path, typer.Option(help="folder of the checkpoints")],
    out: Annotated[Path, typer.Option(help="folder of the bundles")] = Path("assets/models"),
    work: Annotated[Path, typer.Option(help="folder of the exports")] = Path("runs/export"),
    version: VersionOption = "2026.11.1",
    serial: SerialOption = 1,
    created_at: CreatedOption = None,
    cache: CacheOption = DEFAULT_CACHE,
    pictures: Annotated[int, typer.Option(help="labelled pictures to draw")] = DEFAULT_PICTURES,
    budget: Annotated[int, typer.Option(help="bytes of all bundles")] = BUDGET_BYTES,
    real: RealOption = None,
    attempts: Annotated[
        Path | None, typer.Option(help="Markdown for the cards: what was tried and measured")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="make this bundle alone; the others stay as they are")
    ] = None,
) -> None:
    """Make the bundles that ship: export, verify, choose variants within the budget, write."""
    console = wide_console()
    try:
        settings = ReleaseSettings(
            models=models,
            out=out,
            work=work,
            cache=cache,
            version=version,
            serial=serial,
            created_at=created_at or _now(),
            pictures=pictures,
            budget_bytes=budget,
            real=read_real_numbers(real) if real is not None else None,
            only=tuple(only or ()),
            attempts="" if attempts is None else attempts.read_text(encoding="utf-8"),
        )
        with console.status("release") as status:
            report = make_release(settings, lambda text: status.update(text))
        verdicts = [verify_bundle(out / m.name, console) for m in report.manifests]
    except (ExportFailed, EdgeError, LicenceRefused) as error:
        typer.echo(f"{error.code}: {error}", err=True)
        raise typer.Exit(1) from error
    for parity in report.parity:
        print_report(parity, console)
    for dropped in report.dropped:
        console.print(f"left out: {dropped}", style="yellow")
    console.print(_sizes(report))
    if not all(verdicts):
        raise typer.Exit(1)


def _sizes(report: ReleaseReport) -> Table:
    table = Table("bundle", "licence", "variants", "bytes")
    for manifest in report.manifests:
        variants = [
            f"{stage.name} {v.runtime} {v.precision}"
            for stage in manifest.stages
            for v in stage.variants
        ]
        terms = manifest.licence.spdx + (", research only" * manifest.licence.research_only)
        table.add_row(manifest.name, terms, "\n".join(variants), f"{report.sizes[manifest.name]:,}")
    for name, size in report.kept.items():
        table.add_row(name, "", "as it was", f"{size:,}")
    table.add_row("together", "", "", f"{report.total_bytes:,}")
    return table


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
