"""One worker process for all pipeline tests; its temporary folder must be left empty."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.run_pipeline import OneWorker


@pytest.fixture(scope="session")
def worker_temp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worker")


@pytest.fixture(scope="session")
def session_worker(worker_temp: Path) -> Iterator[OneWorker]:
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(worker_temp)
    worker = OneWorker()
    yield worker
    worker.close()
    if before is None:
        del os.environ["TMPDIR"]
    else:
        os.environ["TMPDIR"] = before


@pytest.fixture
def cpu(session_worker: OneWorker, worker_temp: Path) -> Iterator[OneWorker]:
    """A worker process; whatever a test did, nothing temporary is left of it."""
    session_worker.calls.clear()
    yield session_worker
    assert list(worker_temp.iterdir()) == []
