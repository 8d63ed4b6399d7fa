"""Fixtures of the client tests: `pytest_plugins = ("tests.support.phone_fixtures",)`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edge_sdk.reference_server import ReferenceServer, reference_server


@pytest.fixture
async def server() -> AsyncIterator[ReferenceServer]:
    """The protocol's reference server."""
    async with reference_server() as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the phone's store lies."""
    return tmp_path / "phone.sqlite"
