"""Results of a comparison as JSON for programs and Markdown for people."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Row = Mapping[str, Any]
_MISSING: Final = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: key in the row, Korean and English head, how a value is written, and the goal.

    `goal` ("max" or "min", value) marks values that reach it; it is the product's own, where it
    has one.
    """

    key: str
    korean: str
    english: str
    write: Callable[[Any], str] = str
    goal: tuple[str, float] | None = None

    @property
    def head(self) -> str:
        """Both names and the goal."""
        sign = "" if self.goal is None else {"max": " ≤ ", "min": " ≥ "}[self.goal[0]]
        told = "" if self.goal is None else f"{sign}{self.write(self.goal[1])}"
        return f"{self.korean} ({self.english}){told}"

    def cell(self, row: Row) -> str:
        """One value, with a tick when it reaches the goal."""
        value = row.get(self.key)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return _MISSING
        if self.goal is None:
            return self.write(value)
        kind, limit = self.goal
        met = value <= limit if kind == "max" else value >= limit
        return f"{self.write(value)}{' ✓' if met else ''}"


def share(value: float) -> str:
    """0.9136 -> 0.914."""
    return f"{value:.3f}"


def percent(value: float) -> str:
    """0.9136 -> 91.4%."""
    return f"{value:.1%}"


def number(value: float) -> str:
    """Two digits after the point."""
    return f"{value:.2f}"


def markdown(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """A table of Markdown."""
    lines = ["| " + " | ".join(column.head for column in columns) + " |"]
    lines.append("|" + "---|" * len(columns))
    lines += ["| " + " | ".join(_safe(c.cell(row)) for c in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def write_comparison(
    folder: Path,
    name: str,
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    notes: Sequence[str],
    pictures: Sequence[Path] = (),
) -> Path:
    """Write `<name>.json` and `<name>.md` into `folder`; returns the Markdown's path."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {"rows": [_plain(dict(row)) for row in rows], "notes": list(notes)}
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    parts = [f"# {title}\n", markdown(columns, rows)]
    parts += [f"- {note}" for note in notes]
    parts += [f"\n![{picture.stem}]({picture.name})" for picture in pictures]
    page = folder / f"{name}.md"
    page.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return page


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _plain(value: Any) -> Any:
    """JSON has no NaN: what was not measured is null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
