"""`python -m model_export verify DIR`: every variant against torch, and a bundle against itself."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edge_sdk.bundle.contents import read_folder
from edge_sdk.bundle.loader import golden_of
from edge_sdk.bundle.manifest import MANIFEST_NAME
from edge_sdk.errors import EdgeError
from model_export.export.folder import read_source
from model_export.export.precision import ExportFailed
from model_export.export.quiet import quiet
from model_export.parity.coreml_program import ProgramUnreadable
from model_export.parity.quality import generated_examples
from model_export.parity.report import print_report, wide_console, write_parity
from model_export.parity.variants import opened
from model_export.parity.verify import verify_folder
from model_export.train.command import DEFAULT_CACHE

#: Labelled pictures: enough that one per cent of them is more than one picture.
DEFAULT_PICTURES = 200


def verify_command(
    folder: Annotated[Path, typer.Argument(help="a folder of `export`, or a bundle")],
    pictures: Annotated[int, typer.Option(help="labelled pictures to draw")] = DEFAULT_PICTURES,
    cache: Annotated[Path, typer.Option(help="folder of the generated pictures")] = DEFAULT_CACHE,
    threads: Annotated[int, typer.Option(help="threads of each runtime")] = 2,
) -> None:
    """Compare every variant with torch through pre- and post-processing; exit 1 beyond a limit.

    A bundle has no torch net in it: its files are held against the manifest, and every variant
    against the golden vectors.
    """
    console = wide_console()
    try:
        if (folder / MANIFEST_NAME).is_file():
            passed = verify_bundle(folder, console, threads)
        else:
            source = read_source(folder)
            examples = generated_examples(source, pictures, cache)
            with console.status("verify") as status:
                report = verify_folder(
                    folder, examples, threads=threads, progress=lambda text: status.update(text)
                )
            write_parity(report)
            print_report(report, console)
            passed = report.passed
    except (ExportFailed, EdgeError) as error:
        typer.echo(f"{error.code}: {error}", err=True)
        raise typer.Exit(1) from error
    if not passed:
        raise typer.Exit(1)


def verify_bundle(folder: Path, console: Console, threads: int = 2) -> bool:
    """Hold a bundle's files, manifest and every variant against its golden vectors.

    Raises the loader's errors for what is wrong with the bundle as a whole; a variant that differs
    is printed and makes the answer False.
    """
    manifest = read_folder(folder)
    passed = True
    for stage in manifest.stages:
        golden = golden_of(folder, manifest, stage)
        for variant in stage.variants:
            name = f"{stage.name} {variant.runtime} {variant.precision}"
            try:
                with quiet(), opened(folder, stage, variant, threads) as running:
                    worst = running.self_test(golden, vectors=len(golden.vectors))
                console.print(f"passed {name}: {worst:.2e} of {variant.max_abs_error:.2e}")
            except (EdgeError, ProgramUnreadable) as error:
                console.print(f"FAILED {name}: {error}", style="red")
                passed = False
    return passed
