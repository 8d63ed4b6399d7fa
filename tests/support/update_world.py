"""A repository of bundles, its web server and a phone, for the tests of over-the-air updates."""

from __future__ import annotations

from pathlib import Path

from edge_sdk.errors import EdgeError
from edge_sdk.update import BundleUpdater
from edge_sdk.update.transport import HttpFetcher
from model_export.publish import repository
from model_export.publish.keys import SigningKey
from tests.support.repositories import NOW_MS, Repository, new_keys
from tests.support.static_server import StaticServer

DAY_MS = repository.DAY_MS


class World:
    """One repository, its web server, and a phone that has the first root."""

    def __init__(self, folder: Path, server: StaticServer, published: Repository) -> None:
        self.folder = folder
        self.server = server
        self.repository = published
        self.now_ms = NOW_MS
        self.broken: set[int] = set()

    def phone(self, name: str = "phone", timeout_s: float = 5.0) -> BundleUpdater:
        return BundleUpdater(
            self.folder / name,
            self.repository.root,
            HttpFetcher(self.server.address, timeout_s=timeout_s),
            self_test=self.self_test,
            clock_ms=lambda: self.now_ms,
        )

    def self_test(self, path: Path) -> None:
        serial = int(path.stem)
        if serial in self.broken:
            raise EdgeError(f"bundle {serial} does not work here")

    def serial_in_use(self) -> int:
        return self.phone().installed("dog-face").serial


def guarded(tmp_path: Path) -> tuple[Repository, list[SigningKey]]:
    keys = new_keys(3)
    (tmp_path / "web").mkdir()
    published = Repository.create(tmp_path / "web", keys, targets=2)
    published.publish("dog-face", 1)
    return published, keys["targets"]
