"""From publishing a bundle to running it: the updater's own self-test and the loader together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.update import BundleUpdater
from edge_sdk.update.errors import BundleRefused
from edge_sdk.update.transport import HttpFetcher
from model_export.publish import repository
from tests.support.repositories import NOW_MS, new_keys
from tests.support.static_server import StaticServer, serving
from tests.support.tiny_bundles import emotion_bundle, litert_variant, onnx_variant


class Publisher:
    """A repository of the tiny emotion bundle."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.web = folder / "web"
        self.web.mkdir()
        self.keys = new_keys()
        self.root = repository.create(self.web, self.keys, now_ms=NOW_MS)

    def publish(self, serial: int, net: bytes | None = None) -> None:
        """Publish a release; `net` in place of both model files."""
        variants = (onnx_variant(), litert_variant())
        bundle = emotion_bundle(self.folder / f"bundle-{serial}", variants)
        if net is not None:
            for name in ("net.onnx", "net.tflite"):
                (bundle.folder / name).write_bytes(net)
        bundle.manifest = msgspec.structs.replace(bundle.manifest, version=f"2026.11.{serial}")
        bundle.write(serial=serial)
        archive = bundle.zip(self.folder / f"emotion-{serial}.zip")
        repository.publish(self.web, [archive], self.keys, NOW_MS)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


@pytest.fixture
def server(publisher: Publisher) -> Iterator[StaticServer]:
    with serving(publisher.web) as running:
        yield running


def phone(publisher: Publisher, server: StaticServer) -> BundleUpdater:
    return BundleUpdater(
        publisher.folder / "phone",
        publisher.root,
        HttpFetcher(server.address),
        clock_ms=lambda: NOW_MS,
    )


def test_what_was_published_runs_on_the_phone(publisher: Publisher, server: StaticServer) -> None:
    publisher.publish(1)
    (installed,) = phone(publisher, server).update().updated
    with ModelBundle.load(installed.path) as bundle:
        assert bundle.manifest.serial == 1
        assert bundle.stage("classifier").chosen.runtime == "onnx"


def test_a_release_that_fails_its_self_test_never_comes_into_use(
    publisher: Publisher, server: StaticServer
) -> None:
    publisher.publish(1)
    phone(publisher, server).update()
    publisher.publish(2, net=b"signed, whole, and no net at all")
    report = phone(publisher, server).update()
    assert report.refused == {"tiny-emotion": BundleRefused.code}
    assert phone(publisher, server).installed("tiny-emotion").serial == 1
    assert phone(publisher, server).update() == msgspec.structs.replace(
        report, updated=(), refused={}
    )
    publisher.publish(3)
    phone(publisher, server).update()
    with ModelBundle.load(phone(publisher, server).installed("tiny-emotion").path) as bundle:
        assert bundle.manifest.version == "2026.11.3"
