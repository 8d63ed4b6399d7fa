"""The outcome of `verify`: a table for people, and `parity.json` for the bundle."""

from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

from edge_sdk.bundle.manifest import FileEntry, ParityRow
from model_export.export.folder import PARITY_NAME, damaged_files, file_entries, read_record
from model_export.export.precision import ExportFailed
from model_export.parity.verify import ParityReport, Verdict

_TABLE_WIDTH = 124


class NotVerified(ExportFailed):
    """A folder has not passed `verify` as it lies there; run it, then bundle."""

    code = "not_verified"


class ParityRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`parity.json`: the rows for the manifest and the files that they are true of."""

    format: Literal["daengdong-parity/1"]
    passed: bool
    faults: tuple[str, ...]
    rows: tuple[ParityRow, ...]
    files: dict[str, FileEntry]


def write_parity(report: ParityReport) -> None:
    """Write `parity.json` into the export folder, passed or not."""
    record = ParityRecord(
        format="daengdong-parity/1",
        passed=report.passed,
        faults=report.faults,
        rows=tuple(verdict.row() for verdict in report.verdicts),
        files=file_entries(report.folder),
    )
    text = msgspec.json.format(msgspec.json.encode(record), indent=1)
    (report.folder / PARITY_NAME).write_bytes(text + b"\n")


def read_parity(folder: Path) -> tuple[ParityRow, ...]:
    """The rows of a folder that has passed `verify` and is unchanged since; else `NotVerified`."""
    try:
        record = msgspec.json.decode((folder / PARITY_NAME).read_bytes(), type=ParityRecord)
    except FileNotFoundError as error:
        raise NotVerified(f"{folder} was never verified: run `verify {folder}`") from error
    except msgspec.DecodeError as error:
        raise NotVerified(f"{folder}: {PARITY_NAME}: {error}") from error
    changed = damaged_files(folder, record.files)
    if changed or set(file_entries(folder)) != set(record.files):
        what = changed[0] if changed else "a file was added"
        raise NotVerified(f"{folder} has changed since it was verified ({what}): verify it again")
    wanted = {(v.runtime, v.precision) for v in read_record(folder).stage.variants}
    if not record.passed or {(r.runtime, r.precision) for r in record.rows} != wanted:
        raise NotVerified(f"{folder} has not passed `verify`")
    return record.rows


def wide_console() -> Console:
    """A console that never cuts the table: into a file or a narrow window it prints long lines."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, _TABLE_WIDTH)
    return console


def print_report(report: ParityReport, console: Console) -> None:
    """A table of all variants, then every reason for a failure."""
    table = Table(title=f"{report.folder}: each variant against torch", title_justify="left")
    for name in ("variant", "raw head", "of spread", "p95 px", "n", "score", "class", "metric"):
        table.add_column(name, justify="left" if name == "variant" else "right", no_wrap=True)
    table.add_column("change", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for verdict in report.verdicts:
        table.add_row(*_cells(verdict))
    console.print(table)
    for fault in report.faults:
        console.print(f"FAULT {fault}", style="red", highlight=False)
    for verdict in report.verdicts:
        for failure in verdict.failures:
            console.print(f"FAIL {_name(verdict)}: {failure}", style="red", highlight=False)
    notes = {(_name(v), v.note) for v in report.verdicts if v.note}
    for name, note in sorted(notes):
        console.print(f"note {name}: {note}", style="dim", highlight=False)


def _name(verdict: Verdict) -> str:
    return f"{verdict.variant.runtime} {verdict.variant.precision}"


def _cells(verdict: Verdict) -> list[str]:
    d = verdict.differences
    classifier = verdict.metric == "macro_f1"
    return [
        _name(verdict),
        f"{d.raw_max:.1e}",
        f"{d.raw_share:.1e}",
        "-" if classifier else f"{d.position_p95_px:.4f}",
        str(verdict.labelled if classifier else d.positions),
        f"{d.score_max:.4f}",
        f"{verdict.agreement:.1%}" if classifier else "-",
        f"{verdict.metric} {verdict.reference_value:.3f}",
        f"{verdict.metric_change:+.4f}",
        "[green]passed[/green]" if verdict.passed else "[red]FAILED[/red]",
    ]
