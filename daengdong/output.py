"""What every command prints: a line or a table for people, JSON with `--json`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

console = Console()
errors = Console(stderr=True)


def print_json(value: Any) -> None:
    """Print a value as one JSON document."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings; numbers stand right."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], (int, float)) for row in rows)
        # Folded rather than cut: what is not seen is not told.
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row))
    console.print(table)


def fail(code: str, message: str, as_json: bool = False) -> typer.Exit:
    """Print an error and return what to raise: exit status 1."""
    if as_json:
        print_json({"error": {"code": code, "message": message}})
    else:
        errors.print(f"[red]{code}[/red]: {message}", highlight=False)
    return typer.Exit(1)


@contextmanager
def progress(label: str, total: float | None, quiet: bool = False) -> Iterator[Any]:
    """Show a bar on standard error; yields a function that takes how much was done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
               TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=errors, disable=quiet, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done, of=None: bar.update(task, completed=done, total=of or total)
