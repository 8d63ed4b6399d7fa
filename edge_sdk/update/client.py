"""Keeping the bundles of a device current: check, download, test, switch, go back."""

from __future__ import annotations

import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from edge_sdk.bundle.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, load_manifest
from edge_sdk.errors import EdgeError
from edge_sdk.update.errors import BundleRefused, ContentMismatch, NotPublished, UpdateError
from edge_sdk.update.metadata import (
    MAX_METADATA_BYTES,
    MAX_TIMESTAMP_BYTES,
    Target,
    Targets,
)
from edge_sdk.update.slots import SlotFolder, sweep, write_whole
from edge_sdk.update.transport import Fetcher
from edge_sdk.update.trust import MAX_ROOT_ROTATIONS, TrustedState, check_content

_ROLES: Final = ("root", "timestamp", "snapshot", "targets")


class Offer(msgspec.Struct, frozen=True):
    """A bundle in the repository beside the one on this device (None: not installed)."""

    name: str
    serial: int
    length_bytes: int
    installed_serial: int | None


class Installed(msgspec.Struct, frozen=True):
    """A bundle in use: its name, serial and file for `ModelBundle.load`."""

    name: str
    serial: int
    path: Path


class UpdateReport(msgspec.Struct, frozen=True):
    """What one update did: bundles switched, and those that failed with their error's code."""

    updated: tuple[Installed, ...]
    refused: dict[str, str]


class BundleUpdater:
    """Installs signed bundles from a repository into a folder of this device.

    Not thread-safe; two processes on one folder do no harm, they only do the work twice. A
    download is put in use after its signature chain, length, hash, name, serial and self-test
    hold; each step is atomic, so kill -9 leaves the bundle that was in use.
    """

    def __init__(
        self,
        folder: Path,
        trusted_root: bytes,
        fetcher: Fetcher,
        *,
        self_test: Callable[[Path], None] | None = None,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        """Keep state in `folder`; `trusted_root` is the root metadata shipped with the app.

        `self_test` loads a bundle file and raises an `EdgeError` where it does not work here;
        by default `ModelBundle.load` with its golden vectors.
        """
        self._folder = folder
        self._shipped_root = trusted_root
        self._fetcher = fetcher
        self._self_test = self_test or _load_once
        self._clock_ms = clock_ms

    def check(self) -> tuple[Offer, ...]:
        """Fetch and verify the metadata; say what is newer than what is here.

        Raises an `UpdateError`; nothing is installed and what is in use stays.
        """
        offers = []
        for name, target in sorted(self._refresh().targets.items()):
            slots = SlotFolder(self._folder / name).read()
            installed = slots.current.serial if slots.current else None
            if target.serial > (installed or 0) and target.serial not in slots.refused:
                offers.append(Offer(name, target.serial, target.length, installed))
        return tuple(offers)

    def update(self, names: tuple[str, ...] | None = None) -> UpdateReport:
        """Install every newer bundle, or those of `names`; one that fails stops no other.

        Raises an `UpdateError` where the metadata itself cannot be trusted or fetched.
        """
        offers = [offer for offer in self.check() if names is None or offer.name in names]
        targets = self._state().targets
        updated: list[Installed] = []
        refused: dict[str, str] = {}
        for offer in offers:
            assert targets is not None
            try:
                updated.append(self._install(offer.name, targets.targets[offer.name]))
            except UpdateError as error:
                refused[offer.name] = error.code
        return UpdateReport(tuple(updated), refused)

    def installed(self, name: str) -> Installed:
        """The bundle in use; raise NothingInstalled."""
        slots = SlotFolder(self._folder / name)
        path = slots.current()
        current = slots.read().current
        assert current is not None
        return Installed(name, current.serial, path)

    def go_back(self, name: str) -> Installed:
        """Return to the bundle before; the one left is not offered again on this device."""
        slots = SlotFolder(self._folder / name)
        slot = slots.go_back()
        return Installed(name, slot.serial, slots.path(slot))

    def _install(self, name: str, target: Target) -> Installed:
        data = self._fetcher.fetch(target.file_name(name), target.length)
        check_content(data, target.length, target.sha256)
        slots = SlotFolder(self._folder / name)
        slot = slots.stage(target.serial, data)
        path = slots.path(slot)
        try:
            _is_the_bundle(path, name, target.serial)
            self._self_test(path)
        except UpdateError:
            slots.refuse(slot)
            raise
        except EdgeError as error:
            slots.refuse(slot)
            raise BundleRefused(f"{name} {target.serial}: {error}") from error
        slots.activate(slot)
        return Installed(name, slot.serial, path)

    def _state(self) -> TrustedState:
        """What was trusted when this device last looked."""
        kept = {
            role: path.read_bytes()
            for role in _ROLES
            if (path := self._folder / "trust" / f"{role}.json").is_file()
        }
        now_ms = max(self._clock_ms(), self._last_seen_ms())
        state = TrustedState.begin(self._shipped_root, now_ms)
        if "root" in kept:
            try:
                later = TrustedState.begin(kept["root"], now_ms)
            except UpdateError:
                later = state
            # An app update may ship a newer root than the one kept here.
            if later.root.version >= state.root.version:
                state = later
        state.restore(kept)
        return state

    def _refresh(self) -> Targets:
        sweep(self._folder)
        state = self._state()
        for _ in range(MAX_ROOT_ROTATIONS):
            try:
                data = self._fetcher.fetch(
                    f"{state.root.version + 1}.root.json", MAX_METADATA_BYTES
                )
            except NotPublished:
                break
            state.rotate_root(data)
            # Kept at once, so that a later failure cannot bring the old keys back.
            self._keep(state, ("root",))
        state.root_is_final()
        state.update_timestamp(self._fetcher.fetch("timestamp.json", MAX_TIMESTAMP_BYTES))
        self._keep(state, ("timestamp",))
        assert state.timestamp is not None
        named = state.timestamp.snapshot
        state.update_snapshot(self._fetcher.fetch(f"{named.version}.snapshot.json", named.length))
        self._keep(state, ("snapshot",))
        assert state.snapshot is not None
        named = state.snapshot.targets
        state.update_targets(self._fetcher.fetch(f"{named.version}.targets.json", named.length))
        self._keep(state, ("targets",))
        assert state.targets is not None
        write_whole(self._folder / "trust" / "seen_ms", str(state.now_ms).encode())
        return state.targets

    def _keep(self, state: TrustedState, roles: tuple[str, ...]) -> None:
        for role in roles:
            write_whole(self._folder / "trust" / f"{role}.json", state.files[role])

    def _last_seen_ms(self) -> int:
        try:
            return int((self._folder / "trust" / "seen_ms").read_bytes()[:20])
        except (OSError, ValueError):
            return 0


def _is_the_bundle(path: Path, name: str, serial: int) -> None:
    """The manifest inside must be the one that the signed metadata names."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(MANIFEST_NAME).file_size > MAX_MANIFEST_BYTES:
                raise ContentMismatch(f"{name} {serial}: the manifest is too long")
            manifest = load_manifest(archive.read(MANIFEST_NAME))
    except (zipfile.BadZipFile, KeyError, zlib.error) as error:
        raise ContentMismatch(f"{name} {serial} is not a bundle: {error}") from None
    if (manifest.name, manifest.serial) != (name, serial):
        raise ContentMismatch(f"{name} {serial} holds {manifest.name} {manifest.serial}")


def _load_once(path: Path) -> None:
    from edge_sdk.bundle.loader import ModelBundle

    ModelBundle.load(path).close()
