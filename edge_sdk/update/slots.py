"""Two slots for each bundle on the disk; one file says which is in use, and it changes in one step.

A crash at any moment leaves either the old bundle in use or the new one, never none.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edge_sdk.update.errors import NothingInstalled, UpdateStorageFailed


class Slot(msgspec.Struct, frozen=True):
    """A bundle on the disk: its serial and the file, relative to the bundle's folder."""

    serial: int
    file: str


class Slots(msgspec.Struct, frozen=True):
    """Which bundle is in use, which one was before, and serials that failed on this device."""

    current: Slot | None = None
    previous: Slot | None = None
    refused: tuple[int, ...] = ()


class SlotFolder:
    """The slots of one bundle name. Raises UpdateStorageFailed where the disk does not play."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which need not exist yet."""
        self.folder = folder

    def read(self) -> Slots:
        """Return the state; a missing or broken state file means that nothing is installed."""
        try:
            slots = msgspec.json.decode((self.folder / "slots.json").read_bytes(), type=Slots)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return Slots()
        return Slots(self._here(slots.current), self._here(slots.previous), slots.refused)

    def _here(self, slot: Slot | None) -> Slot | None:
        return slot if slot is not None and self.path(slot).is_file() else None

    def path(self, slot: Slot) -> Path:
        """Where a slot's bundle lies."""
        return self.folder / Path(slot.file).name

    def current(self) -> Path:
        """The bundle in use; raise NothingInstalled."""
        slot = self.read().current
        if slot is None:
            raise NothingInstalled(f"no {self.folder.name} bundle is installed")
        return self.path(slot)

    def stage(self, serial: int, data: bytes) -> Slot:
        """Write a bundle beside the one in use, whole and on the disk, but not in use yet."""
        slot = Slot(serial, f"{serial}.zip")
        write_whole(self.path(slot), data)
        return slot

    def activate(self, slot: Slot) -> None:
        """Put a staged bundle in use in one step; the one before stays to go back to."""
        before = self.read()
        keep = before.current if before.current != slot else before.previous
        self._write(Slots(slot, keep, before.refused))

    def refuse(self, slot: Slot) -> None:
        """Remember that a staged bundle failed here, and drop it."""
        before = self.read()
        self._write(Slots(before.current, before.previous, (*before.refused, slot.serial)[-32:]))

    def go_back(self) -> Slot:
        """Put the previous bundle in use and refuse the current one; raise NothingInstalled."""
        before = self.read()
        if before.current is None or before.previous is None:
            raise NothingInstalled(f"no earlier {self.folder.name} bundle to go back to")
        refused = (*before.refused, before.current.serial)[-32:]
        self._write(Slots(before.previous, None, refused))
        return before.previous

    def _write(self, slots: Slots) -> None:
        write_whole(self.folder / "slots.json", msgspec.json.encode(slots))
        used = {self.path(s) for s in (slots.current, slots.previous) if s is not None}
        for path in self.folder.glob("*.zip"):
            if path not in used:
                with contextlib.suppress(OSError):
                    path.unlink()


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file in one step: readers see the old or the new, also after a power cut."""
    with _storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as part:
                part.write(data)
                part.flush()
                os.fsync(part.fileno())
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        _sync_folder(path.parent)


def sweep(folder: Path) -> None:
    """Remove what a killed update left half written."""
    for path in folder.rglob(".part-*"):
        with contextlib.suppress(OSError):
            path.unlink()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UpdateStorageFailed(f"{path}: {error.strerror or error}") from error
