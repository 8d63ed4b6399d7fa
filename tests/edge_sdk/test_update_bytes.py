"""Attacks on updates by hostile bytes and paths.

The list follows the attacks and rules of The Update Framework's specification and client tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_sdk.update.errors import (
    DownloadTooLong,
    MetadataInvalid,
    NotPublished,
    RepositoryUnreachable,
)
from model_export.publish import repository
from tests.support.repositories import bundle_zip
from tests.support.static_server import (
    cut,
    dripping,
    endless,
    failing,
    redirecting,
    zipped,
)
from tests.support.update_world import World

pytest_plugins = ("tests.support.update_fixtures",)

DAY_MS = repository.DAY_MS
REPOSITORY = Path(__file__).resolve().parents[2]


# --- hostile bytes ---------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/2.root.json", "/timestamp.json"])
def test_endless_metadata_is_cut_off(world: World, path: str) -> None:
    world.server.faults[path] = endless
    with pytest.raises(DownloadTooLong):
        world.phone().check()


def test_an_endless_bundle_is_cut_off(installed: World) -> None:
    target = installed.repository.body("targets")["targets"]["dog-face"]
    installed.server.faults[f"/targets/{target['sha256']}.dog-face.zip"] = endless
    assert installed.phone().update().refused == {"dog-face": DownloadTooLong.code}
    assert installed.serial_in_use() == 1


def test_a_dripping_server_is_given_up(world: World) -> None:
    world.server.faults["/timestamp.json"] = dripping
    with pytest.raises(RepositoryUnreachable):
        world.phone(timeout_s=0.4).check()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (cut, RepositoryUnreachable),
        (zipped, RepositoryUnreachable),
        (failing, RepositoryUnreachable),
        (redirecting("http://127.0.0.1:9/"), RepositoryUnreachable),
    ],
    ids=["cut off", "compressed", "503", "redirect"],
)
def test_a_faulty_answer_changes_nothing(installed: World, fault: Any, error: Any) -> None:
    installed.server.faults["/timestamp.json"] = fault
    with pytest.raises(error):
        installed.phone().update()
    installed.server.faults.clear()
    assert installed.serial_in_use() == 1
    assert installed.phone().update().updated


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"signed": "{}", "signatures": []}',
        b'{"signed": 1, "signatures": []}',
        b'{"signed": "{}", "signatures": [], "more": 1}',
        b"<html>captive portal</html>",
    ],
)
def test_what_is_no_metadata_is_refused(world: World, data: bytes) -> None:
    (world.repository.folder / "timestamp.json").write_bytes(data)
    with pytest.raises(MetadataInvalid):
        world.phone().check()


def test_metadata_of_another_role_is_refused(world: World) -> None:
    data = (world.repository.folder / world.repository.newest("targets")).read_bytes()
    (world.repository.folder / "timestamp.json").write_bytes(data)
    with pytest.raises(MetadataInvalid):
        world.phone().check()


@pytest.mark.parametrize("name", ["../escape", "a/b", "..", "C:x", ".hidden", "A", "x" * 65, ""])
def test_a_bundle_name_cannot_be_a_path(world: World, name: str) -> None:
    def rename(body: dict[str, Any]) -> None:
        body["targets"][name] = body["targets"]["dog-face"]

    world.repository.forge("targets", rename)
    with pytest.raises(MetadataInvalid):
        world.phone().check()


def test_a_bundle_with_other_content_is_refused_and_the_next_try_works(installed: World) -> None:
    target = installed.repository.body("targets")["targets"]["dog-face"]
    path = installed.repository.folder / f"targets/{target['sha256']}.dog-face.zip"
    good = path.read_bytes()
    for bad in (good[:-1], good[:-1] + b"x", b"", bundle_zip("dog-face", 1)):
        path.write_bytes(bad)
        report = installed.phone().update()
        assert set(report.refused) == {"dog-face"}
        assert installed.serial_in_use() == 1
    path.write_bytes(good)
    assert installed.phone().update().updated[0].serial == 2


def test_a_missing_bundle_is_said_to_be_missing(installed: World) -> None:
    for path in (installed.repository.folder / "targets").glob("*.zip"):
        path.unlink()
    assert installed.phone().update().refused == {"dog-face": NotPublished.code}


def test_a_file_that_nobody_signed_is_never_fetched(installed: World) -> None:
    (installed.repository.folder / "targets" / "extra.dog-face.zip").write_bytes(b"x")
    installed.phone().update()
    assert not [path for path in installed.server.asked if "extra" in path]
