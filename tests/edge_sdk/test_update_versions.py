"""Attacks on updates by old, frozen or mixed states of a repository.

The list follows the attacks and rules of The Update Framework's specification and client tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_sdk.update.errors import (
    ContentMismatch,
    DownloadTooLong,
    MetadataExpired,
    RolledBack,
    UpdateError,
)
from model_export.publish import repository
from tests.support.repositories import NOW_MS
from tests.support.update_world import World

pytest_plugins = ("tests.support.update_fixtures",)

DAY_MS = repository.DAY_MS
REPOSITORY = Path(__file__).resolve().parents[2]


# --- rollback and freeze ---------------------------------------------------------------------
def test_an_older_timestamp_is_refused(installed: World) -> None:
    before = installed.repository.snapshot_of_files()
    installed.repository.publish("dog-face", 3)
    installed.phone().update()
    installed.repository.put_back(before, "timestamp.json")
    with pytest.raises(RolledBack):
        installed.phone().check()
    assert installed.serial_in_use() == 3


def test_a_timestamp_that_names_an_older_snapshot_is_refused(installed: World) -> None:
    old = installed.repository.body("timestamp")["snapshot"]
    installed.repository.publish("dog-face", 3)
    installed.phone().update()
    installed.repository.publish("dog-face", 4)
    installed.repository.forge("timestamp", lambda b: b.__setitem__("snapshot", old))
    with pytest.raises(RolledBack):
        installed.phone().check()


def test_a_snapshot_that_names_older_targets_is_refused(installed: World) -> None:
    old = installed.repository.body("snapshot")["targets"]
    installed.repository.publish("dog-face", 3)
    installed.phone().update()
    installed.repository.publish("dog-face", 4)
    installed.repository.forge("snapshot", lambda b: b.__setitem__("targets", old))
    with pytest.raises(RolledBack):
        installed.phone().check()


def test_targets_that_lower_a_serial_are_refused(installed: World) -> None:
    installed.phone().update()
    installed.repository.publish("dog-emotion", 1)

    def lower(body: dict[str, Any]) -> None:
        body["targets"]["dog-face"]["serial"] = 1

    installed.repository.forge("targets", lower)
    with pytest.raises(RolledBack):
        installed.phone().check()


def test_a_frozen_repository_is_noticed_when_its_timestamp_expires(world: World) -> None:
    world.phone().update()
    world.now_ms = NOW_MS + 8 * DAY_MS
    with pytest.raises(MetadataExpired):
        world.phone().check()
    assert world.serial_in_use() == 1


@pytest.mark.parametrize("role", ["root", "snapshot", "targets"])
def test_each_expired_role_is_refused(world: World, role: Any) -> None:
    world.repository.forge(role, lambda b: b.__setitem__("expires_ms", NOW_MS - 1))
    if role == "root":
        # A device cannot replace the root it came with; it can see that it is out of date.
        world.repository.root = (world.repository.folder / "1.root.json").read_bytes()
    with pytest.raises(MetadataExpired):
        world.phone().check()


def test_setting_the_clock_back_does_not_revive_expired_metadata(world: World) -> None:
    world.now_ms = NOW_MS + 6 * DAY_MS
    world.phone().update()
    stale = world.repository.snapshot_of_files()
    world.now_ms = NOW_MS + 20 * DAY_MS
    repository.refresh(world.repository.folder, world.repository.keys, world.now_ms)
    world.phone().update()
    world.repository.put_back(stale)
    world.now_ms = NOW_MS
    with pytest.raises(UpdateError):
        world.phone().check()


def test_a_clock_far_ahead_for_a_moment_does_no_lasting_harm(world: World) -> None:
    world.now_ms = NOW_MS + 4000 * DAY_MS
    with pytest.raises(MetadataExpired):
        world.phone().check()
    world.now_ms = NOW_MS
    assert world.phone().update().updated


# --- mix and match ---------------------------------------------------------------------------
def test_a_snapshot_of_another_state_is_refused(installed: World) -> None:
    newest = installed.repository.newest("snapshot")
    older = f"{int(newest.split('.')[0]) - 1}.snapshot.json"
    files = installed.repository.snapshot_of_files()
    (installed.repository.folder / newest).write_bytes(files[older])
    with pytest.raises((ContentMismatch, DownloadTooLong)):
        installed.phone().check()


def test_targets_of_another_state_are_refused(installed: World) -> None:
    newest = installed.repository.newest("targets")
    older = f"{int(newest.split('.')[0]) - 1}.targets.json"
    files = installed.repository.snapshot_of_files()
    (installed.repository.folder / newest).write_bytes(files[older])
    with pytest.raises((ContentMismatch, DownloadTooLong)):
        installed.phone().check()


def test_a_version_that_is_not_the_pinned_one_is_refused(world: World) -> None:
    world.repository.forge("targets", lambda b: b.__setitem__("version", 9))
    world.repository.forge("snapshot", lambda b: b["targets"].__setitem__("version", 2))
    newest = world.repository.folder / world.repository.newest("targets")
    assert newest.name == "2.targets.json"
    with pytest.raises(ContentMismatch):
        world.phone().check()


def test_a_bundle_under_another_name_is_refused(world: World) -> None:
    world.repository.publish("dog-emotion", 1)

    def exchange(body: dict[str, Any]) -> None:
        offers = body["targets"]
        offers["dog-face"], offers["dog-emotion"] = offers["dog-emotion"], offers["dog-face"]

    world.repository.forge("targets", exchange)
    other = {"dog-face": "dog-emotion", "dog-emotion": "dog-face"}
    for path in list((world.repository.folder / "targets").glob("*.zip")):
        digest, name, _ = path.name.split(".")
        path.rename(path.with_name(f"{digest}.{other[name]}.zip"))
    report = world.phone().update()
    assert not report.updated
    assert set(report.refused.values()) == {ContentMismatch.code}
