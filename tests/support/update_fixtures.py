"""Fixtures of the update tests: `pytest_plugins = ("tests.support.update_fixtures",)`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repositories import Repository
from tests.support.static_server import serving
from tests.support.update_world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "web").mkdir()
    published = Repository.create(tmp_path / "web")
    published.publish("dog-face", 1)
    with serving(published.folder) as server:
        yield World(tmp_path, server, published)


@pytest.fixture
def installed(world: World) -> World:
    """A phone that has serial 1, and serial 2 waiting in the repository."""
    world.phone().update()
    world.repository.publish("dog-face", 2)
    return world
