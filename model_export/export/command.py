"""`python -m model_export export CKPT --out DIR`: one net in every format asked for."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from model_export.export.folder import ExportRecord, export_net
from model_export.export.precision import PRECISIONS, RUNTIMES, ExportFailed, Precision, Runtime
from model_export.export.source import describe, load_source
from model_export.train.command import DEFAULT_CACHE

#: Pictures that activations of 8 bits are measured on.
_CALIBRATION_PICTURES = 64


def chosen_runtimes(text: str) -> tuple[Runtime, ...]:
    """A comma-separated list of formats; raises typer.BadParameter naming the known ones."""
    return tuple(r for r in RUNTIMES if r in _words(text, RUNTIMES))


def chosen_precisions(text: str) -> tuple[Precision, ...]:
    """A comma-separated list of precisions; raises typer.BadParameter naming the known ones."""
    return tuple(p for p in PRECISIONS if p in _words(text, PRECISIONS))


def _words(text: str, known: tuple[str, ...]) -> set[str]:
    words = {word.strip() for word in text.split(",") if word.strip()}
    unknown = words - set(known)
    if unknown or not words:
        raise typer.BadParameter(f"{', '.join(sorted(unknown)) or 'nothing'}: {', '.join(known)}")
    return words


def export_command(
    checkpoint: Annotated[Path, typer.Argument(help="a checkpoint of `train`, or a YOLO .pt")],
    out: Annotated[Path, typer.Option(help="folder to write; an earlier one is replaced")],
    formats: Annotated[str, typer.Option(help=", ".join(RUNTIMES))] = "onnx,litert,coreml",
    precisions: Annotated[str, typer.Option(help=", ".join(PRECISIONS))] = "fp32,fp16,w8a32",
    cache: Annotated[
        Path, typer.Option(help="folder of generated pictures, for int8 only")
    ] = DEFAULT_CACHE,
) -> None:
    """Export a trained net; `verify` then holds every variant against torch."""
    runtimes, wanted = chosen_runtimes(formats), chosen_precisions(precisions)
    try:
        source = load_source(checkpoint)
        calibration = None
        if "int8" in wanted:
            from model_export.parity.calibration import calibration_pictures
            from model_export.parity.quality import generated_examples

            examples = generated_examples(source, _CALIBRATION_PICTURES, cache, split="train")
            calibration = calibration_pictures(source, examples)
        per_runtime = {
            runtime: tuple(p for p in wanted if not (runtime == "coreml" and p == "int8"))
            for runtime in runtimes
        }
        record = export_net(source, out, per_runtime, calibration=calibration)
    except ExportFailed as error:
        typer.echo(f"{error.code}: {error}", err=True)
        raise typer.Exit(1) from error
    Console(stderr=True, highlight=False).print(describe(source), soft_wrap=True)
    for line in listing(record):
        typer.echo(line)


def listing(record: ExportRecord) -> list[str]:
    """One line for each variant: file and bytes."""
    return [
        f"{variant.file}  {_size(record, variant.file):,} bytes"
        for variant in record.stage.variants
    ]


def _size(record: ExportRecord, file: str) -> int:
    return sum(
        entry.bytes
        for name, entry in record.files.items()
        if name == file or name.startswith(f"{file}/")
    )
