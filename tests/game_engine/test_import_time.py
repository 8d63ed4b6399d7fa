"""`import edge_sdk` and `import game_engine` load nothing heavy; times: benchmarks/imports.py."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "numpy", "msgspec", "h3", "shapely", "geopandas", "pandas", "pyogrio", "aiosqlite", "sqlite3",
    "httpx", "anyio", "asyncio", "litestar", "piccolo", "uvicorn", "structlog", "asyncpg",
    "prometheus_client", "typer", "rich", "onnxruntime", "ai_edge_litert", "av", "PIL", "obstore",
}  # fmt: skip


def loaded(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after a statement."""
    program = (
        f"{statement}; import sys; print('\\n'.join({{m.split('.')[0] for m in sys.modules}}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return set(done.stdout.split())


@pytest.mark.parametrize("package", ["edge_sdk", "game_engine"])
def test_the_package_alone_loads_no_library(package: str) -> None:
    assert not loaded(f"import {package}") & HEAVY


@pytest.mark.parametrize("package", ["edge_sdk", "game_engine"])
def test_every_public_name_can_be_had_and_is_in_dir(package: str) -> None:
    names = f"import {package} as p; assert set(p.__all__) <= set(dir(p))"
    loaded(f"{names}; [getattr(p, n) for n in p.__all__]")


@pytest.mark.parametrize(
    "statement",
    [
        "from game_engine.judge import judge",
        "from edge_sdk import pack, unpack, read_gpx",
        "from edge_sdk import WalkRecorder, LocalStore, SyncClient, HttpTransport",
    ],
)
def test_the_phones_code_loads_only_numpy_msgspec_and_h3(statement: str) -> None:
    found = loaded(statement)
    assert "numpy" in found
    assert not found & (HEAVY - {"numpy", "msgspec", "h3", "asyncio", "sqlite3"})
