"""The command line as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
TRACKS = REPOSITORY / "assets" / "tracks"


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What stands on standard output: exactly one JSON document."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The code of the error that the command ended with."""
        assert self.code == 1, (self.code, self.out, self.err)
        assert "Traceback" not in self.err, self.err
        code: str = self.json()["error"]["code"]
        return code


def run(
    *words: str | Path,
    settings: Mapping[str, str] | None = None,
    prepare: Callable[[], None] | None = None,
    program: tuple[str, ...] = ("-m", "daengdong"),
) -> Ran:
    """Run `daengdong ...`; `prepare` runs in the new process before it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DAENGDONG_")}
    environment |= {"COLUMNS": "120", "PYTHONPATH": str(REPOSITORY), **(settings or {})}
    done = subprocess.run(
        [sys.executable, *program, *map(str, words)], preexec_fn=prepare, env=environment,
        capture_output=True, text=True, timeout=180, cwd="/tmp", check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)
