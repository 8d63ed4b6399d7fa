"""Shared fixtures: a real PostgreSQL, and the application on either database."""

from __future__ import annotations

import importlib.util
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import Postgres

REPOSITORY = Path(__file__).resolve().parents[1]
SERVER_IS_HERE = importlib.util.find_spec("litestar") is not None
TRAINING_IS_HERE = importlib.util.find_spec("torch") is not None
# The two environments of run.py: what one of them cannot import, the other one tests.
collect_ignore = [] if TRAINING_IS_HERE else ["model_export"]
_numbers = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    if SERVER_IS_HERE:
        config.addinivalue_line("filterwarnings", "error::DeprecationWarning:litestar.*")
        config.addinivalue_line(
            "filterwarnings", "error::litestar.exceptions.LitestarDeprecationWarning"
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first: a long one that starts last keeps one worker busy and the others idle."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The shared data; tests that need it skip without it."""
    folder = Path(os.environ.get("DAENGDONG_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the shared data is not on this machine")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole run."""
    server = Postgres.create()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database on each engine in turn, gone from the disk after the test."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.sqlite'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"test_{os.getpid()}_{next(_numbers)}"
    yield server.url(name)
    server.drop(name)
