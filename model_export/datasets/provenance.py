"""`provenance.csv`: source, licence, cluster and part of each picture, beside any written data set.

None of the common label formats keeps where a picture comes from, so every writer puts this file
beside its own, and every reader takes it when it is there.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final, cast, get_args

from model_export.datasets.errors import FormatInvalid
from model_export.datasets.sample import Provenance, Sample, Split

FILE: Final = "provenance.csv"
_COLUMNS: Final = (
    "name", "source", "licence", "research_only", "origin", "cluster", "split", "label",
)  # fmt: skip


def write_provenance(folder: Path, samples: Iterable[Sample]) -> Path:
    """Write the table into `folder` and return its path."""
    path = folder / FILE
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for sample in samples:
            p = sample.provenance
            only = "yes" if p.research_only else "no"
            writer.writerow(
                (sample.name, p.source, p.licence, only, p.origin, sample.cluster,
                 sample.split or "", sample.label or "")
            )  # fmt: skip
    return path


def with_provenance(folder: Path, samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Give samples what the table in `folder` says of them; others stay as they are.

    Raises FormatInvalid for a table with other columns.
    """
    path = folder / FILE
    if not path.is_file():
        return tuple(samples)
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames is None or set(_COLUMNS) - set(reader.fieldnames):
            raise FormatInvalid(f"{path}: the columns are not {', '.join(_COLUMNS)}")
        rows = {row["name"]: row for row in reader}
    return tuple(_given(sample, rows[sample.name], path) if sample.name in rows else sample
                 for sample in samples)  # fmt: skip


def sources_of(folder: Path) -> list[tuple[str, str, int]]:
    """Source, licence and number of pictures by the table in `folder`; empty without one."""
    path = folder / FILE
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        counts = Counter((row["source"], row["licence"]) for row in csv.DictReader(file))
    return [(source, licence, number) for (source, licence), number in counts.items()]


def split_of(text: str, where: str) -> Split | None:
    """Read the name of a part, "" for none; raises FormatInvalid."""
    if text and text not in get_args(Split):
        raise FormatInvalid(f"{where}: {text!r} is none of {', '.join(get_args(Split))}")
    return cast(Split, text) if text else None


def _given(sample: Sample, row: dict[str, str], path: Path) -> Sample:
    return replace(
        sample,
        provenance=Provenance(
            row["source"], row["licence"], row["research_only"] == "yes", row["origin"]
        ),
        cluster=row["cluster"],
        split=split_of(row["split"], f"{path}: {sample.name}"),
        label=row["label"] or None,
    )
