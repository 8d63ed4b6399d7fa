"""Over-the-air updates against a real web server: what works, and what a device can suffer.

The list follows the attacks and rules of The Update Framework's specification and client tests.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from edge_sdk.update.errors import (
    BundleRefused,
    NothingInstalled,
    RepositoryUnreachable,
    UpdateStorageFailed,
)
from model_export.publish import repository
from model_export.publish.errors import NotEnoughKeys, SerialNotNewer
from model_export.publish.keys import SigningKey
from tests.support.repositories import NOW_MS
from tests.support.update_world import World, guarded

pytest_plugins = ("tests.support.update_fixtures",)

DAY_MS = repository.DAY_MS
REPOSITORY = Path(__file__).resolve().parents[2]


# --- what works ------------------------------------------------------------------------------
def test_a_new_phone_installs_what_is_published(world: World) -> None:
    (offer,) = world.phone().check()
    assert (offer.name, offer.serial, offer.installed_serial) == ("dog-face", 1, None)
    report = world.phone().update()
    assert [(item.name, item.serial) for item in report.updated] == [("dog-face", 1)]
    assert report.updated[0].path.read_bytes() == world.repository.bundles["dog-face", 1]
    assert world.phone().check() == ()


def test_an_update_replaces_and_keeps_the_one_before(installed: World) -> None:
    installed.phone().update()
    assert installed.serial_in_use() == 2
    back = installed.phone().go_back("dog-face")
    assert back.serial == 1
    assert back.path.read_bytes() == installed.repository.bundles["dog-face", 1]
    assert installed.phone().check() == (), "what was left is not offered again"
    installed.repository.publish("dog-face", 3)
    assert installed.phone().update().updated[0].serial == 3


def test_only_two_bundles_stay_on_the_device(installed: World) -> None:
    for serial in (3, 4, 5):
        installed.phone().update()
        installed.repository.publish("dog-face", serial)
    installed.phone().update()
    assert sorted(p.name for p in (installed.folder / "phone/dog-face").glob("*.zip")) == [
        "4.zip",
        "5.zip",
    ]


def test_nothing_is_downloaded_when_nothing_is_new(world: World) -> None:
    world.phone().update()
    world.server.asked.clear()
    world.phone().update()
    assert not [path for path in world.server.asked if path.startswith("/targets")]


def test_offline_the_last_good_bundle_stays(installed: World) -> None:
    installed.server.http.server_close()
    installed.server.http.shutdown()
    with pytest.raises(RepositoryUnreachable):
        installed.phone().update()
    assert installed.serial_in_use() == 1


def test_one_bundle_that_fails_stops_no_other(installed: World) -> None:
    installed.repository.publish("dog-emotion", 7)
    installed.broken.add(2)
    report = installed.phone().update()
    assert [item.name for item in report.updated] == ["dog-emotion"]
    assert report.refused == {"dog-face": BundleRefused.code}
    assert installed.serial_in_use() == 1
    assert [offer.name for offer in installed.phone().check()] == []


def test_without_a_bundle_there_is_none_to_use_or_to_go_back_to(world: World) -> None:
    with pytest.raises(NothingInstalled):
        world.phone().installed("dog-face")
    world.phone().update()
    with pytest.raises(NothingInstalled):
        world.phone().go_back("dog-face")


# --- the device ------------------------------------------------------------------------------
def test_damaged_state_on_the_device_heals(installed: World) -> None:
    for path in (installed.folder / "phone" / "trust").iterdir():
        path.write_bytes(b"\x00 damaged")
    assert installed.phone().update().updated[0].serial == 2


def test_a_lost_slot_file_means_a_fresh_install(installed: World) -> None:
    (installed.folder / "phone" / "dog-face" / "slots.json").write_bytes(b"{")
    assert installed.phone().update().updated[0].serial == 2


def test_a_deleted_bundle_is_fetched_again(world: World) -> None:
    world.phone().update()
    world.phone().installed("dog-face").path.unlink()
    assert world.phone().update().updated[0].serial == 1


def test_a_full_disk_is_told_and_the_old_bundle_stays(installed: World) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = installed.phone().installed("dog-face")
    # The kernel refuses every byte past the limit, as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limit[1]))
    try:
        with pytest.raises(UpdateStorageFailed):
            installed.phone().update()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert installed.phone().installed("dog-face") == before
    assert installed.phone().update().updated[0].serial == 2
    assert not list((installed.folder / "phone").rglob(".part-*"))


_KILLED = """
    import os, signal, sys
    from pathlib import Path
    from edge_sdk.update import BundleUpdater, slots
    from edge_sdk.update.transport import HttpFetcher

    left = int(sys.argv[4])

    def maybe_die():
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    # Every call by which the device's state changes is a place to die, before and after it.
    def around(name):
        real = getattr(os, name)

        def call(*words, **more):
            maybe_die()
            result = real(*words, **more)
            maybe_die()
            return result

        return call

    for name in ("replace", "fsync", "unlink"):
        setattr(os, name, around(name))
    updater = BundleUpdater(
        Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), HttpFetcher(sys.argv[3]),
        self_test=lambda path: None, clock_ms=lambda: int(sys.argv[5]),
    )
    updater.update()
    print("done")
"""


@pytest.mark.slow
def test_killed_at_every_step_it_uses_the_old_bundle_or_the_new_one(installed: World) -> None:
    root = installed.folder / "root.json"
    root.write_bytes(installed.repository.root)
    script = installed.folder / "killed.py"
    script.write_text(textwrap.dedent(_KILLED))
    phone = installed.folder / "phone"
    backup = {p.relative_to(phone): p.read_bytes() for p in phone.rglob("*") if p.is_file()}
    seen: set[int] = set()
    finished = False
    for step in range(0, 200, 7):
        for path in [p for p in phone.rglob("*") if p.is_file()]:
            path.unlink()
        for name, data in backup.items():
            (phone / name).write_bytes(data)
        words = [str(phone), str(root), installed.server.address, str(step), str(NOW_MS)]
        run = subprocess.run(
            [sys.executable, str(script), *words],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        serial = installed.serial_in_use()
        seen.add(serial)
        held = installed.phone().installed("dog-face").path.read_bytes()
        assert held == installed.repository.bundles["dog-face", serial]
        if run.returncode == 0:
            finished = True
            break
        installed.phone().update()
        assert installed.serial_in_use() == 2
        assert not list(phone.rglob(".part-*"))
    assert finished
    assert seen == {1, 2}


# --- the publisher ---------------------------------------------------------------------------
def test_a_serial_must_rise(world: World) -> None:
    before = world.repository.snapshot_of_files()
    with pytest.raises(SerialNotNewer):
        world.repository.publish("dog-face", 1)
    assert world.repository.snapshot_of_files() == before


def test_publishing_with_too_few_keys_changes_nothing(tmp_path: Path) -> None:
    published, keys = guarded(tmp_path)
    before = published.snapshot_of_files()
    published.keys["targets"] = keys[:1]
    with pytest.raises(NotEnoughKeys):
        published.publish("dog-face", 2)
    assert published.snapshot_of_files() == before


def test_a_key_file_is_for_its_owner_and_never_overwritten(tmp_path: Path) -> None:
    key = SigningKey.create()
    key.write(tmp_path / "keys" / "root.pem")
    assert (tmp_path / "keys" / "root.pem").stat().st_mode & 0o777 == 0o600
    assert SigningKey.read(tmp_path / "keys" / "root.pem").key_id == key.key_id
    with pytest.raises(Exception, match="never overwritten"):
        SigningKey.create().write(tmp_path / "keys" / "root.pem")
