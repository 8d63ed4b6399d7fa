"""Over-the-air updates against a real web server and everything an attacker may do to it.

The list follows the attacks and rules of The Update Framework's specification and client tests.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.errors import EdgeError
from edge_sdk.update import BundleUpdater
from edge_sdk.update.errors import (
    BundleRefused,
    ContentMismatch,
    DownloadTooLong,
    MetadataExpired,
    MetadataInvalid,
    NothingInstalled,
    NotPublished,
    NotTrusted,
    RepositoryUnreachable,
    RolledBack,
    UpdateError,
    UpdateStorageFailed,
)
from edge_sdk.update.transport import HttpFetcher
from model_export.publish import repository
from model_export.publish.errors import NotEnoughKeys, SerialNotNewer
from model_export.publish.keys import SigningKey
from tests.support.repositories import NOW_MS, Repository, bundle_zip, envelope_bytes, new_keys
from tests.support.static_server import (
    StaticServer,
    cut,
    dripping,
    endless,
    failing,
    redirecting,
    serving,
    zipped,
)

DAY_MS = repository.DAY_MS
REPOSITORY = Path(__file__).resolve().parents[2]


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


# --- keys and signatures ---------------------------------------------------------------------
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_key_of_a_stranger_is_refused(world: World, role: Any) -> None:
    world.repository.forge(role, lambda b: None, [SigningKey.create()])
    with pytest.raises(NotTrusted):
        world.phone().check()


def test_a_key_of_another_role_is_refused(world: World) -> None:
    world.repository.forge("targets", lambda b: None, world.repository.keys["timestamp"])
    with pytest.raises(NotTrusted):
        world.phone().check()


def test_no_signature_at_all_is_refused(world: World) -> None:
    world.repository.forge("timestamp", lambda b: None, [])
    with pytest.raises(NotTrusted):
        world.phone().check()


def test_a_changed_text_under_an_old_signature_is_refused(world: World) -> None:
    path = world.repository.folder / "timestamp.json"
    expires = str(world.repository.body("timestamp")["expires_ms"]).encode()
    assert expires in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(expires, str(NOW_MS * 2).encode()))
    with pytest.raises(NotTrusted):
        world.phone().check()


def _guarded(tmp_path: Path) -> tuple[Repository, list[SigningKey]]:
    keys = new_keys(3)
    (tmp_path / "web").mkdir()
    published = Repository.create(tmp_path / "web", keys, targets=2)
    published.publish("dog-face", 1)
    return published, keys["targets"]


def test_fewer_signatures_than_the_threshold_are_refused(tmp_path: Path) -> None:
    published, keys = _guarded(tmp_path)
    with serving(published.folder) as server:
        world = World(tmp_path, server, published)
        published.forge("targets", lambda b: None, keys[:1])
        with pytest.raises(NotTrusted):
            world.phone().check()
        published.forge("targets", lambda b: None, keys[1:])
        assert world.phone().check()


def test_one_key_signing_twice_counts_once(tmp_path: Path) -> None:
    published, keys = _guarded(tmp_path)
    with serving(published.folder) as server:
        world = World(tmp_path, server, published)
        published.forge("targets", lambda b: None, [keys[0], keys[0], keys[0]])
        with pytest.raises(NotTrusted):
            world.phone().check()


def test_one_key_under_two_ids_is_no_root(world: World) -> None:
    body = world.repository.body("root")
    (key_id,) = body["roles"]["timestamp"]["key_ids"]
    twin = "0" * 64
    body["keys"][twin] = body["keys"][key_id]
    body["roles"]["timestamp"] = {"key_ids": [key_id, twin], "threshold": 2}
    body["version"] = 2
    path = world.repository.folder / "2.root.json"
    path.write_bytes(envelope_bytes(body, world.repository.keys["root"]))
    with pytest.raises(MetadataInvalid):
        world.phone().check()


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key.__setitem__("kind", "rsa"),
        lambda key: key.__setitem__("public", "zz" * 32),
        lambda key: key.__setitem__("public", "00" * 31),
    ],
    ids=["unknown kind", "no hex", "too short"],
)
def test_a_root_with_a_strange_key_is_refused(
    world: World, change: Callable[[dict[str, Any]], None]
) -> None:
    body = world.repository.body("root")
    body["version"] = 2
    change(next(iter(body["keys"].values())))
    path = world.repository.folder / "2.root.json"
    path.write_bytes(envelope_bytes(body, world.repository.keys["root"]))
    with pytest.raises(MetadataInvalid):
        world.phone().check()


# --- changing keys ---------------------------------------------------------------------------
def _rotate(world: World, old: list[SigningKey] | None = None) -> dict[Any, list[SigningKey]]:
    keys = new_keys()
    repository.rotate(
        world.repository.folder,
        keys,
        old or world.repository.keys["root"],
        now_ms=NOW_MS,
    )
    world.repository.keys = keys
    return keys


def test_keys_are_changed_through_a_chain_of_roots(world: World) -> None:
    world.phone().update()
    for serial in (2, 3, 4):
        _rotate(world)
        world.repository.publish("dog-face", serial)
    assert world.phone().update().updated[0].serial == 4
    assert world.phone("another").update().updated[0].serial == 4


def test_old_keys_are_worth_nothing_after_a_change(world: World) -> None:
    old = dict(world.repository.keys)
    _rotate(world)
    world.phone().update()
    world.repository.forge("timestamp", lambda b: None, old["timestamp"])
    with pytest.raises(NotTrusted):
        world.phone().check()


def test_a_root_that_the_old_keys_did_not_sign_is_refused(world: World) -> None:
    body = world.repository.body("root")
    body["version"] = 2
    stranger = SigningKey.create()
    body["keys"][stranger.key_id] = {"kind": "ed25519", "public": stranger.public.public}
    body["roles"]["root"]["key_ids"] = [stranger.key_id]
    path = world.repository.folder / "2.root.json"
    path.write_bytes(envelope_bytes(body, [stranger]))
    with pytest.raises(NotTrusted):
        world.phone().check()


def test_a_root_that_its_own_new_keys_did_not_sign_is_refused(world: World) -> None:
    body = world.repository.body("root")
    body["version"] = 2
    stranger = SigningKey.create()
    body["keys"][stranger.key_id] = {"kind": "ed25519", "public": stranger.public.public}
    body["roles"]["root"]["key_ids"] = [stranger.key_id]
    path = world.repository.folder / "2.root.json"
    path.write_bytes(envelope_bytes(body, world.repository.keys["root"]))
    with pytest.raises(NotTrusted):
        world.phone().check()


@pytest.mark.parametrize("version", [1, 3, 2**31])
def test_a_root_whose_number_is_not_the_next_is_refused(world: World, version: int) -> None:
    body = world.repository.body("root")
    body["version"] = version
    path = world.repository.folder / "2.root.json"
    path.write_bytes(envelope_bytes(body, world.repository.keys["root"]))
    with pytest.raises(MetadataInvalid):
        world.phone().check()


def test_new_timestamp_keys_heal_a_version_run_away(world: World) -> None:
    """A thief of the timestamp key set a huge version; new keys must undo that."""
    world.repository.forge("timestamp", lambda b: b.__setitem__("version", 2**31))
    world.phone().update()
    body = world.repository.body("timestamp")
    body["version"] = 2
    data = envelope_bytes(body, world.repository.keys["timestamp"])
    (world.repository.folder / "timestamp.json").write_bytes(data)
    with pytest.raises(RolledBack):
        world.phone().check()
    _rotate(world)
    world.repository.publish("dog-face", 2)
    assert world.phone().update().updated[0].serial == 2


def test_an_endless_chain_of_roots_ends(world: World) -> None:
    keys = world.repository.keys["root"]
    for version in range(2, 90):
        body = world.repository.body("root")
        body["version"] = version
        path = world.repository.folder / f"{version}.root.json"
        path.write_bytes(envelope_bytes(body, keys))
    world.phone().update()
    assert len([path for path in world.server.asked if path.endswith("root.json")]) == 64


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
    published, keys = _guarded(tmp_path)
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
