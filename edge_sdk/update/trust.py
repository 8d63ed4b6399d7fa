"""What this device trusts of a repository: the client workflow of TUF 1.0, section 5."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from edge_sdk.update.errors import (
    ContentMismatch,
    MetadataExpired,
    MetadataInvalid,
    NotTrusted,
    RolledBack,
)
from edge_sdk.update.metadata import (
    FileInfo,
    Root,
    Signed,
    Snapshot,
    Targets,
    Timestamp,
    open_envelope,
    verify,
)

MAX_ROOT_ROTATIONS: Final = 64


@dataclass
class TrustedState:
    """The metadata trusted so far, as bytes for the disk and as values.

    Nothing enters without its checks; a check that fails leaves all as it was. `now_ms` never
    runs backwards: a clock set back cannot make expired metadata fresh again.
    """

    root: Root
    now_ms: int
    timestamp: Timestamp | None = None
    snapshot: Snapshot | None = None
    targets: Targets | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def begin(cls, root: bytes, now_ms: int) -> TrustedState:
        """Start from a root that came with the app or was trusted before (expired or not)."""
        envelope, signed = open_envelope(root, Root)
        verify(envelope, signed, "root")
        return cls(signed, now_ms, files={"root": root})

    def rotate_root(self, data: bytes) -> None:
        """Take the next root: signed by the old keys and by its own, version plus one."""
        envelope, new = open_envelope(data, Root)
        verify(envelope, self.root, "root")
        verify(envelope, new, "root")
        if new.version != self.root.version + 1:
            raise MetadataInvalid(f"root {new.version} cannot follow {self.root.version}")
        old = self.root
        self.root, self.files["root"] = new, data
        # After new keys for these two roles an attacker's huge version number must not stay.
        if any(old.roles[role] != new.roles[role] for role in ("timestamp", "snapshot")):
            self.timestamp = self.snapshot = self.targets = None
            for name in ("timestamp", "snapshot", "targets"):
                self.files.pop(name, None)

    def root_is_final(self) -> None:
        """After the last rotation the root must be in date."""
        self._in_date("root", self.root)

    def update_timestamp(self, data: bytes) -> None:
        """Take a timestamp that is not older than the trusted one."""
        envelope, new = open_envelope(data, Timestamp)
        verify(envelope, self.root, "timestamp")
        if self.timestamp is not None:
            if new.version < self.timestamp.version:
                raise RolledBack(f"timestamp {new.version} < {self.timestamp.version}")
            if new.snapshot.version < self.timestamp.snapshot.version:
                raise RolledBack("timestamp names an older snapshot")
        self._in_date("timestamp", new)
        self.timestamp, self.files["timestamp"] = new, data

    def update_snapshot(self, data: bytes) -> None:
        """Take the snapshot that the timestamp names."""
        if self.timestamp is None:
            raise MetadataInvalid("a snapshot needs a timestamp first")
        envelope, new = open_envelope(data, Snapshot)
        check_content(data, self.timestamp.snapshot.length, self.timestamp.snapshot.sha256)
        verify(envelope, self.root, "snapshot")
        self._is_named("snapshot", new, self.timestamp.snapshot)
        if self.snapshot is not None and new.targets.version < self.snapshot.targets.version:
            raise RolledBack("snapshot names older targets")
        self._in_date("snapshot", new)
        self.snapshot, self.files["snapshot"] = new, data

    def update_targets(self, data: bytes) -> None:
        """Take the targets that the snapshot names; no bundle's serial may go down."""
        if self.snapshot is None:
            raise MetadataInvalid("targets need a snapshot first")
        envelope, new = open_envelope(data, Targets)
        check_content(data, self.snapshot.targets.length, self.snapshot.targets.sha256)
        verify(envelope, self.root, "targets")
        self._is_named("targets", new, self.snapshot.targets)
        self._in_date("targets", new)
        if self.targets is not None:
            for name, target in new.targets.items():
                before = self.targets.targets.get(name)
                if before is not None and target.serial < before.serial:
                    raise RolledBack(f"{name} {target.serial} < {before.serial}")
        self.targets, self.files["targets"] = new, data

    def restore(self, files: dict[str, bytes]) -> None:
        """Take up metadata of an earlier run, as far as it still verifies; expiry is not asked.

        It only serves to refuse what is older, so a file that no longer fits is left out.
        """
        kinds: tuple[tuple[str, type[Timestamp] | type[Snapshot] | type[Targets]], ...] = (
            ("timestamp", Timestamp),
            ("snapshot", Snapshot),
            ("targets", Targets),
        )
        for name, kind in kinds:
            data = files.get(name)
            if data is None:
                continue
            try:
                envelope, signed = open_envelope(data, kind)  # type: ignore[type-var]
                verify(envelope, self.root, name)  # type: ignore[arg-type]
            except (MetadataInvalid, NotTrusted):
                continue
            setattr(self, name, signed)
            self.files[name] = data

    def _in_date(self, role: str, signed: Signed) -> None:
        if signed.expires_ms <= self.now_ms:
            raise MetadataExpired(f"{role} {signed.version} expired at {signed.expires_ms} ms")

    def _is_named(self, role: str, signed: Signed, named: FileInfo) -> None:
        if signed.version != named.version:
            raise ContentMismatch(f"{role} {signed.version}, but {named.version} was signed")


def check_content(data: bytes, length: int, sha256: str) -> None:
    """Compare length and SHA-256 with what was signed; raise ContentMismatch."""
    if len(data) != length:
        raise ContentMismatch(f"{len(data)} bytes, {length} were signed")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ContentMismatch("the content is not the one that was signed")
