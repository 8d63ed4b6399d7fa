"""The files of a bundle on disk: exactly those of the manifest, byte for byte, and nothing else."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge_sdk.bundle.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest, load_manifest
from edge_sdk.bundle.paths import parents, safe_path
from edge_sdk.errors import (
    BundleArchiveInvalid,
    BundleFileChanged,
    BundleFileMissing,
    BundleFileUnexpected,
    BundleNotFound,
    BundlePathUnsafe,
    BundleStorageFailed,
    BundleTooLarge,
)

MAX_BUNDLE_BYTES: Final = 256 * 1024 * 1024
"""All files together; the largest of the YOLO family in three formats stays below."""
MAX_BUNDLE_FILES: Final = 512

_CHUNK: Final = 1 << 20
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED: Final = 0x1


def read_folder(folder: Path) -> Manifest:
    """Check every file of a bundle's folder against its manifest and return that.

    Raises `BundleNotFound`, the manifest's errors, `BundlePathUnsafe` (a link or device),
    `BundleFileMissing`, `BundleFileUnexpected`, `BundleFileChanged`, `BundleTooLarge` or
    `BundleStorageFailed`.
    """
    manifest = load_manifest(_manifest_bytes(folder))
    require_small(manifest)
    there = _files_of(folder)
    there.discard(MANIFEST_NAME)
    missing, unexpected = manifest.files.keys() - there, there - manifest.files.keys()
    if missing:
        raise BundleFileMissing(f"{folder}: {min(missing)} is not there; get the bundle anew")
    if unexpected:
        raise BundleFileUnexpected(f"{folder}: {min(unexpected)} is not in the manifest")
    for path, entry in manifest.files.items():
        with _storage(folder / path):
            digest, length = hash_file(folder / path)
        if (digest, length) != (entry.sha256, entry.bytes):
            raise BundleFileChanged(
                f"{folder}: {path} has {length} bytes and sha256 {digest[:12]}..., the manifest "
                f"says {entry.bytes} and {entry.sha256[:12]}...; get the bundle anew"
            )
    return manifest


def require_small(manifest: Manifest) -> None:
    """Refuse a manifest of too many files or bytes with `BundleTooLarge`."""
    total = sum(entry.bytes for entry in manifest.files.values())
    if total > MAX_BUNDLE_BYTES or len(manifest.files) > MAX_BUNDLE_FILES:
        raise BundleTooLarge(
            f"{len(manifest.files)} files of {total} bytes, at most {MAX_BUNDLE_FILES} of "
            f"{MAX_BUNDLE_BYTES}"
        )


def _manifest_bytes(folder: Path) -> bytes:
    path = folder / MANIFEST_NAME
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BundlePathUnsafe(f"{path} is no plain file")
        with path.open("rb") as file:
            return file.read(MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError as error:
        raise BundleNotFound(f"{folder} has no {MANIFEST_NAME}") from error


def _files_of(folder: Path) -> set[str]:
    """Relative paths of all files; refuses links and devices, and stops at too many."""
    found: set[str] = set()
    waiting = [(folder, "")]
    while waiting:
        at, prefix = waiting.pop()
        with os.scandir(at) as entries:
            for entry in entries:
                path = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((at / entry.name, f"{path}/"))
                elif entry.is_file(follow_symlinks=False):
                    found.add(path)
                else:
                    raise BundlePathUnsafe(f"{folder}: {path} is a link or no plain file")
                if len(found) + len(waiting) > 2 * MAX_BUNDLE_FILES:
                    raise BundleTooLarge(f"{folder}: more than {2 * MAX_BUNDLE_FILES} files")
    return found


def hash_file(path: Path) -> tuple[str, int]:
    """(sha256 as hexadecimal digits, length in bytes) of a file, read piece by piece."""
    digest, length = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
            length += len(piece)
    return digest.hexdigest(), length


def unpack(archive: Path, into: Path) -> None:
    """Unpack a bundle's zip into an empty folder, never more than its manifest says.

    Names, kinds and lengths are checked before anything is written, lengths again while writing.
    Raises `BundleArchiveInvalid`, `BundlePathUnsafe`, `BundleFileMissing`,
    `BundleFileUnexpected`, `BundleTooLarge`, `BundleStorageFailed` or the manifest's
    errors. Hashes are `read_folder`'s.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            entries = _entries(file)
            if MANIFEST_NAME not in entries:
                raise BundleArchiveInvalid(
                    f"{archive}: no {MANIFEST_NAME} at the top of the zip; zip the files, not "
                    "their folder"
                )
            data = _read(file, entries[MANIFEST_NAME], MAX_MANIFEST_BYTES)
            manifest = load_manifest(data)
            require_small(manifest)
            _compare(archive, entries, manifest)
            with _storage(into):
                (into / MANIFEST_NAME).write_bytes(data)
            for path, entry in manifest.files.items():
                _unpack_file(file, entries[path], into / path, entry.bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise BundleArchiveInvalid(f"{archive}: {error}; get the bundle anew") from error


def _entries(file: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files of a zip by name; refuses what no honest bundle has."""
    infos = file.infolist()
    if len(infos) > 2 * MAX_BUNDLE_FILES:
        raise BundleTooLarge(f"{len(infos)} entries, at most {2 * MAX_BUNDLE_FILES}")
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        # zipfile cuts a name at a zero byte and swaps "\\": what the file says counts.
        name = info.orig_filename
        safe_path(name[:-1] if info.is_dir() else name, "zip")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BundlePathUnsafe(f"zip: {name} is a link or no plain file")
        if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
            raise BundleArchiveInvalid(f"zip: {name} is encrypted or of an unusual compression")
        if info.is_dir():
            continue
        if name in entries:
            raise BundleArchiveInvalid(f"zip: {name} is there twice")
        entries[name] = info
    return entries


def _compare(archive: Path, entries: dict[str, zipfile.ZipInfo], manifest: Manifest) -> None:
    names = entries.keys() - {MANIFEST_NAME}
    if missing := manifest.files.keys() - names:
        raise BundleFileMissing(f"{archive}: {min(missing)} is not in the zip")
    if unexpected := names - manifest.files.keys():
        raise BundleFileUnexpected(f"{archive}: {min(unexpected)} is not in the manifest")
    for name in names:
        if entries[name].file_size != manifest.files[name].bytes:
            raise BundleArchiveInvalid(
                f"{archive}: {name} unpacks to {entries[name].file_size} bytes, the manifest says "
                f"{manifest.files[name].bytes}"
            )
        if any(parent in names for parent in parents(name)):
            raise BundlePathUnsafe(f"{archive}: a folder of {name} is a file")


def _read(file: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    with file.open(info) as source:
        data = source.read(most + 1)
    if len(data) > most:
        raise BundleTooLarge(f"{info.filename}: more than {most} bytes")
    return data


def _unpack_file(file: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, length: int) -> None:
    """Write exactly `length` bytes, whatever the zip's directory claimed."""
    with _storage(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered, so that a full disk shows in `write` and not when the file is closed.
        out = target.open("xb", buffering=0)
    left = length
    with out, file.open(info) as source:
        while piece := source.read(min(_CHUNK, left + 1)):
            left -= len(piece)
            if left < 0:
                raise BundleArchiveInvalid(f"{info.filename} unpacks to more than {length} bytes")
            with _storage(target):
                if out.write(piece) != len(piece):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if left:
        raise BundleArchiveInvalid(f"{info.filename} unpacks to {length - left} of {length} bytes")


@contextmanager
def _storage(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BundleStorageFailed(f"{path}: {error.strerror or error}") from error
