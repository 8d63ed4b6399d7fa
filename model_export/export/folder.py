"""A folder of one exported net: its checkpoint, a file for each variant, and `export.json`."""

import hashlib
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_sdk.bundle.manifest import FileEntry, Stage, Variant
from model_export.export import coreml, litert, onnx
from model_export.export.mediapipe_metadata import ClassifierCard, with_classifier_metadata
from model_export.export.precision import ExportFailed, Precision, Runtime
from model_export.export.source import ExportSource, describe, load_source

RECORD_NAME: Final = "export.json"
PARITY_NAME: Final = "parity.json"

_SUFFIX: dict[Runtime, str] = {"onnx": "onnx", "litert": "tflite", "coreml": "mlpackage"}

#: What a phone should try first: the exact ones, then the small ones.
_PREFERENCE: tuple[Precision, ...] = ("fp32", "fp16", "w8a32", "int8")


class ExportRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What lies in an export folder; `source` is the checkpoint's file name in it."""

    format: Literal["daengdong-export/1"]
    arch: str
    source: str
    stage: Stage
    files: dict[str, FileEntry]


def export_net(
    source: ExportSource,
    out: Path,
    wanted: Mapping[Runtime, Sequence[Precision]],
    *,
    calibration: NDArray[np.float32] | None = None,
) -> ExportRecord:
    """Write all variants of a net into `out` (replaced if it is there) and return the record.

    `calibration`: normalised pictures (N, 3, H, W), needed for "int8" only. Raises `ExportFailed`
    (of which `PrecisionUnsupported` is one) and leaves an earlier folder as it was.
    """
    beside = out.with_name(f".{out.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        variants = _write_variants(source, beside, wanted, calibration)
        kept = _keep_checkpoint(source, beside)
        stage = Stage(
            name=source.stage,
            input=source.input,
            output=source.output,
            variants=tuple(variants),
            golden="",
        )
        record = ExportRecord(
            format="daengdong-export/1",
            arch=source.arch,
            source=kept,
            stage=stage,
            files=file_entries(beside),
        )
        write_record(beside, record)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    shutil.rmtree(out, ignore_errors=True)
    beside.rename(out)
    return record


def write_record(folder: Path, record: ExportRecord) -> None:
    """Write `export.json`."""
    text = msgspec.json.format(msgspec.json.encode(record), indent=1)
    (folder / RECORD_NAME).write_bytes(text + b"\n")


def read_record(folder: Path) -> ExportRecord:
    """Read `export.json`; raises `ExportFailed` when it is missing or wrong."""
    try:
        return msgspec.json.decode((folder / RECORD_NAME).read_bytes(), type=ExportRecord)
    except (OSError, msgspec.DecodeError) as error:
        raise ExportFailed(f"{folder} is no export folder: {error}") from error


def read_source(folder: Path) -> ExportSource:
    """The net that the folder was made from."""
    return load_source(folder / read_record(folder).source)


def file_entries(folder: Path) -> dict[str, FileEntry]:
    """Hash and length of every file below a folder, by its path in it with forward slashes."""
    return {
        path.relative_to(folder).as_posix(): file_entry(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (RECORD_NAME, PARITY_NAME)
    }


def file_entry(path: Path) -> FileEntry:
    """Hash and length of one file."""
    content = path.read_bytes()
    return FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def damaged_files(folder: Path, entries: Mapping[str, FileEntry]) -> list[str]:
    """Names of files that are missing or not what was written."""
    return [
        name
        for name, entry in sorted(entries.items())
        if not (folder / name).is_file() or file_entry(folder / name) != entry
    ]


def _keep_checkpoint(source: ExportSource, folder: Path) -> str:
    shutil.copyfile(source.file, folder / source.file.name)
    beside = source.file.with_name("model.json")
    if source.arch.startswith("yolo:") and beside.is_file():
        shutil.copyfile(beside, folder / beside.name)
    return source.file.name


def _write_variants(
    source: ExportSource,
    folder: Path,
    wanted: Mapping[Runtime, Sequence[Precision]],
    calibration: NDArray[np.float32] | None,
) -> list[Variant]:
    height, width = source.input.height, source.input.width
    variants = []
    for runtime, precisions in wanted.items():
        ordered = [p for p in _PREFERENCE if p in precisions]
        if not ordered:
            continue
        names = {p: f"{source.stage}-{p}.{_SUFFIX[runtime]}" for p in ordered}
        paths = {p: folder / name for p, name in names.items()}
        if runtime == "onnx":
            onnx.export_onnx(
                source.module, paths, height=height, width=width, calibration=calibration
            )
        elif runtime == "litert":
            litert.export_litert(
                source.module, paths, height=height, width=width, calibration=calibration
            )
            if source.stage == "classifier":
                for path in paths.values():
                    card = _classifier_card(source)
                    path.write_bytes(with_classifier_metadata(path.read_bytes(), card))
        else:
            coreml.export_coreml(
                source.module,
                paths,
                height=height,
                width=width,
                description=describe(source),
                licence=source.licence.spdx,
            )
        variants += [_variant(runtime, p, name) for p, name in names.items()]
    return variants


def _variant(runtime: Runtime, precision: Precision, file: str) -> Variant:
    """The entry of a file; the accepted error is measured by `verify`, so none is accepted yet."""
    litert_names = litert.INPUT_NAME, litert.OUTPUT_NAME
    names = litert_names if runtime == "litert" else (onnx.INPUT_NAME, onnx.OUTPUT_NAME)
    return Variant(
        runtime=runtime,
        precision=precision,
        file=file,
        layout="NHWC" if runtime == "litert" else "NCHW",
        input_name=names[0],
        output_name=names[1],
        batch="dynamic" if runtime == "onnx" else 1,
        max_abs_error=0.0,
    )


def _classifier_card(source: ExportSource) -> ClassifierCard:
    red, green, blue = (255 * v for v in source.input.mean)
    std_red, std_green, std_blue = (255 * v for v in source.input.std)
    return ClassifierCard(
        name=source.arch,
        description=describe(source),
        version="1",
        licence=source.licence.spdx,
        width=source.input.width,
        height=source.input.height,
        mean=(red, green, blue),
        std=(std_red, std_green, std_blue),
        labels=source.classes,
    )


def without_variants(folder: Path, dropped: Collection[tuple[Runtime, Precision]]) -> ExportRecord:
    """Take variants out of an export folder, files and record; returns the new record."""
    record = read_record(folder)
    kept = []
    for variant in record.stage.variants:
        if (variant.runtime, variant.precision) not in dropped:
            kept.append(variant)
            continue
        path = folder / variant.file
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    stage = msgspec.structs.replace(record.stage, variants=tuple(kept))
    record = msgspec.structs.replace(record, stage=stage, files=file_entries(folder))
    write_record(folder, record)
    return record
