"""A repository of signed bundles: a folder that any static web server can serve.

    N.root.json  timestamp.json  N.snapshot.json  N.targets.json  targets/HASH.NAME.zip

`timestamp.json` is replaced last, so that a phone which reads in the middle of a publication sees
the old state whole.
"""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from edge_sdk.bundle.manifest import MANIFEST_NAME, load_manifest
from edge_sdk.errors import EdgeError
from edge_sdk.update.metadata import (
    FORMAT,
    ROLES,
    FileInfo,
    Role,
    RoleKeys,
    Root,
    Signed,
    Snapshot,
    Target,
    Targets,
    Timestamp,
    open_envelope,
    verify,
)
from edge_sdk.update.slots import write_whole
from model_export.publish.errors import NotEnoughKeys, RepositoryInvalid, SerialNotNewer
from model_export.publish.keys import SigningKey, signed_by

DAY_MS: Final = 86_400_000
# How long each role's word holds. The timestamp's is short: it is what stops a freeze.
LIFETIME_DAYS: Final[Mapping[Role, int]] = {
    "root": 365,
    "targets": 180,
    "snapshot": 30,
    "timestamp": 7,
}
Keys = Mapping[Role, list[SigningKey]]


def create(
    folder: Path,
    keys: Keys,
    thresholds: Mapping[Role, int] | None = None,
    now_ms: int | None = None,
) -> bytes:
    """Start an empty repository; return the root metadata to ship inside the app.

    Raises NotEnoughKeys where a threshold is above the number of its role's keys.
    """
    if list(folder.glob("*.root.json")):
        raise RepositoryInvalid(f"{folder} is a repository already")
    now_ms = _now(now_ms)
    root = _root(1, keys, thresholds or {}, now_ms)
    _write(folder, "1.root.json", root, [keys["root"]], root)
    _write_offers(
        folder, root, Targets(FORMAT, 1, _until("targets", now_ms), {}), 1, 1, keys, now_ms
    )
    return (folder / "1.root.json").read_bytes()


def publish(folder: Path, bundles: list[Path], keys: Keys, now_ms: int | None = None) -> Targets:
    """Add bundles (zip files) and sign the new state with the online keys of the other roles.

    Raises SerialNotNewer, RepositoryInvalid, NotEnoughKeys; nothing is changed then.
    """
    now_ms = _now(now_ms)
    root, timestamp, targets = _read(folder)
    offers = dict(targets.targets)
    files: dict[str, bytes] = {}
    for path in bundles:
        data = path.read_bytes()
        name, serial = _name_and_serial(path)
        before = offers.get(name)
        if before is not None and serial <= before.serial:
            raise SerialNotNewer(f"{name}: serial {serial} is not above {before.serial}")
        target = Target(serial, len(data), hashlib.sha256(data).hexdigest())
        offers[name] = target
        files[target.file_name(name)] = data
    for role in ROLES[1:]:
        _enough(role, root, keys[role])
    for name, data in files.items():
        write_whole(folder / name, data)
    new = Targets(FORMAT, targets.version + 1, _until("targets", now_ms), offers)
    number = timestamp.snapshot.version + 1
    _write_offers(folder, root, new, number, timestamp.version + 1, keys, now_ms)
    return new


def refresh(folder: Path, keys: Keys, now_ms: int | None = None) -> None:
    """Sign snapshot and timestamp anew, to be run daily: phones refuse what has expired."""
    publish(folder, [], keys, now_ms)


def rotate(
    folder: Path,
    keys: Keys,
    old_root_keys: list[SigningKey],
    thresholds: Mapping[Role, int] | None = None,
    now_ms: int | None = None,
) -> bytes:
    """Replace keys: a new root, signed by the old root keys and by the new ones."""
    now_ms = _now(now_ms)
    old, timestamp, targets = _read(folder)
    _enough("root", old, old_root_keys)
    merged = {role: old.roles[role].threshold for role in ROLES} | dict(thresholds or {})
    root = _root(old.version + 1, keys, merged, now_ms)
    _write(folder, f"{root.version}.root.json", root, [old_root_keys, keys["root"]], root)
    new = msgspec.structs.replace(
        targets, version=targets.version + 1, expires_ms=_until("targets", now_ms)
    )
    number = timestamp.snapshot.version + 1
    _write_offers(folder, root, new, number, timestamp.version + 1, keys, now_ms)
    return (folder / f"{root.version}.root.json").read_bytes()


def _root(version: int, keys: Keys, thresholds: Mapping[Role, int], now_ms: int) -> Root:
    public = {key.key_id: key.public for role in ROLES for key in keys[role]}
    roles: dict[Role, RoleKeys] = {}
    for role in ROLES:
        threshold = thresholds.get(role, 1)
        if threshold > len(keys[role]):
            raise NotEnoughKeys(f"{role}: {threshold} signatures of {len(keys[role])} keys")
        roles[role] = RoleKeys(tuple(key.key_id for key in keys[role]), threshold)
    return Root(FORMAT, version, _until("root", now_ms), public, roles)


def _write_offers(
    folder: Path,
    root: Root,
    targets: Targets,
    snapshot: int,
    timestamp: int,
    keys: Keys,
    now_ms: int,
) -> None:
    info = _write(folder, f"{targets.version}.targets.json", targets, [keys["targets"]], root)
    pinned = Snapshot(FORMAT, snapshot, _until("snapshot", now_ms), info)
    info = _write(folder, f"{snapshot}.snapshot.json", pinned, [keys["snapshot"]], root)
    stamp = Timestamp(FORMAT, timestamp, _until("timestamp", now_ms), info)
    _write(folder, "timestamp.json", stamp, [keys["timestamp"]], root)


def _write(
    folder: Path, name: str, signed: Signed, signers: list[list[SigningKey]], root: Root
) -> FileInfo:
    text = msgspec.json.encode(signed, order="deterministic").decode()
    distinct = {key.key_id: key for group in signers for key in group}
    envelope = signed_by(text, list(distinct.values()))
    role: Role = type(signed).__name__.lower()  # type: ignore[assignment]
    if len({key.key_id for key in signers[-1]}) < root.roles[role].threshold:
        raise NotEnoughKeys(f"{role}: {len(signers[-1])} of {root.roles[role].threshold} keys")
    data = msgspec.json.encode(envelope)
    write_whole(folder / name, data)
    return FileInfo(signed.version, len(data), hashlib.sha256(data).hexdigest())


def _read(folder: Path) -> tuple[Root, Timestamp, Targets]:
    try:
        newest = max(folder.glob("*.root.json"), key=lambda path: int(path.name.split(".")[0]))
        envelope, root = open_envelope(newest.read_bytes(), Root)
        verify(envelope, root, "root")
        envelope, timestamp = open_envelope((folder / "timestamp.json").read_bytes(), Timestamp)
        verify(envelope, root, "timestamp")
        number = timestamp.snapshot.version
        _, snapshot = open_envelope((folder / f"{number}.snapshot.json").read_bytes(), Snapshot)
        number = snapshot.targets.version
        _, targets = open_envelope((folder / f"{number}.targets.json").read_bytes(), Targets)
    except (ValueError, OSError, EdgeError) as error:
        raise RepositoryInvalid(f"{folder}: {error}") from None
    return root, timestamp, targets


def _enough(role: Role, root: Root, keys: list[SigningKey]) -> None:
    wanted = root.roles[role]
    have = {key.key_id for key in keys} & set(wanted.key_ids)
    if len(have) < wanted.threshold:
        raise NotEnoughKeys(f"{role}: {len(have)} of {wanted.threshold} needed keys were given")


def _name_and_serial(path: Path) -> tuple[str, int]:
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = load_manifest(archive.read(MANIFEST_NAME))
    except (OSError, KeyError, zipfile.BadZipFile, EdgeError) as error:
        raise RepositoryInvalid(f"{path} is not a bundle: {error}") from None
    return manifest.name, manifest.serial


def _until(role: Role, now_ms: int) -> int:
    return now_ms + LIFETIME_DAYS[role] * DAY_MS


def _now(now_ms: int | None) -> int:
    return int(time.time() * 1000) if now_ms is None else now_ms
