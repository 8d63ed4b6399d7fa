"""Bundles that were damaged, padded or made to escape their folder."""

from __future__ import annotations

import io
import os
import resource
import stat
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edge_sdk.bundle import contents
from edge_sdk.bundle.contents import read_folder, unpack
from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.bundle.manifest import FileEntry, dump
from edge_sdk.errors import (
    BundleArchiveInvalid,
    BundleError,
    BundleFileChanged,
    BundleFileMissing,
    BundleFileUnexpected,
    BundlePathUnsafe,
    BundleStorageFailed,
    BundleTooLarge,
    ManifestInvalid,
)
from tests.support.tiny_bundles import TinyBundle, emotion_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> TinyBundle:
    return emotion_bundle(tmp_path / "bundle")


@pytest.fixture
def parts(bundle: TinyBundle) -> dict[str, bytes]:
    """The files of a sound bundle, by path."""
    return {
        p.relative_to(bundle.folder).as_posix(): p.read_bytes()
        for p in sorted(bundle.folder.rglob("*"))
        if p.is_file()
    }


def zip_of(entries: dict[str, bytes] | list[tuple[zipfile.ZipInfo | str, bytes]]) -> bytes:
    out = io.BytesIO()
    pairs = list(entries.items()) if isinstance(entries, dict) else entries
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in pairs:
            archive.writestr(name, data)
    return out.getvalue()


def refuse(data: bytes, tmp_path: Path, error: type[BundleError], match: str | None = None) -> None:
    """Unpack must raise, write nothing outside, and loading must clean up."""
    archive, into = tmp_path / "attack.zip", tmp_path / "into"
    archive.write_bytes(data)
    into.mkdir()
    before = {p for p in tmp_path.rglob("*") if into not in p.parents}
    with pytest.raises(error, match=match):
        unpack(archive, into)
    assert {p for p in tmp_path.rglob("*") if into not in p.parents} == before
    with pytest.raises(error):
        ModelBundle.load(archive)


def test_a_sound_folder_passes(bundle: TinyBundle) -> None:
    assert read_folder(bundle.folder) == bundle.manifest


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"\x00",
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: b"",
    ],
    ids=["cut", "padded", "flipped bit", "empty"],
)
@pytest.mark.parametrize("name", ["net.onnx", "MODEL_CARD.md", "golden/classifier.json"])
def test_a_changed_file_is_refused(
    bundle: TinyBundle, name: str, change: Callable[[bytes], bytes]
) -> None:
    path = bundle.folder / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BundleFileChanged, match=name):
        ModelBundle.load(bundle.folder)


def test_a_missing_file_is_refused(bundle: TinyBundle) -> None:
    (bundle.folder / "net.tflite").unlink()
    with pytest.raises(BundleFileMissing, match=r"net\.tflite"):
        ModelBundle.load(bundle.folder)


@pytest.mark.parametrize("name", ["extra.bin", "golden/extra.json", "deep/er/file"])
def test_a_file_too_many_is_refused(bundle: TinyBundle, name: str) -> None:
    path = bundle.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    with pytest.raises(BundleFileUnexpected, match=name):
        ModelBundle.load(bundle.folder)


def test_a_link_in_place_of_a_file_is_refused(bundle: TinyBundle, tmp_path: Path) -> None:
    (bundle.folder / "net.onnx").rename(tmp_path / "elsewhere.onnx")
    (bundle.folder / "net.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(BundlePathUnsafe, match=r"net\.onnx is a link"):
        ModelBundle.load(bundle.folder)


def test_a_linked_folder_or_manifest_is_refused(bundle: TinyBundle, tmp_path: Path) -> None:
    (bundle.folder / "golden").rename(tmp_path / "golden")
    (bundle.folder / "golden").symlink_to(tmp_path / "golden", target_is_directory=True)
    with pytest.raises(BundlePathUnsafe, match="golden is a link"):
        ModelBundle.load(bundle.folder)
    (bundle.folder / "manifest.json").rename(tmp_path / "manifest.json")
    (bundle.folder / "manifest.json").symlink_to(tmp_path / "manifest.json")
    with pytest.raises(BundlePathUnsafe, match="manifest"):
        ModelBundle.load(bundle.folder)


def test_a_pipe_in_place_of_a_file_does_not_hang(bundle: TinyBundle) -> None:
    (bundle.folder / "net.onnx").unlink()
    os.mkfifo(bundle.folder / "net.onnx")
    with pytest.raises(BundlePathUnsafe, match="no plain file"):
        ModelBundle.load(bundle.folder)


def test_a_link_to_the_bundle_itself_is_fine(bundle: TinyBundle, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(bundle.folder, target_is_directory=True)
    with ModelBundle.load(tmp_path / "current") as loaded:
        assert loaded.manifest == bundle.manifest


def test_too_many_bytes_or_files_are_refused_before_they_are_read(
    bundle: TinyBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "MAX_BUNDLE_BYTES", 1000)
    with pytest.raises(BundleTooLarge, match="at most"):
        ModelBundle.load(bundle.folder)
    monkeypatch.setattr(contents, "MAX_BUNDLE_BYTES", 10**9)
    monkeypatch.setattr(contents, "MAX_BUNDLE_FILES", 2)
    for number in range(6):
        (bundle.folder / f"f{number}").write_bytes(b"")
    with pytest.raises(BundleTooLarge):
        ModelBundle.load(bundle.folder)


@pytest.mark.parametrize(
    "name",
    ["../evil", "/tmp/evil", "golden/../../evil", "C:\\evil", "a\\..\\evil", "evil\x00.onnx", ".x"],
)
def test_names_that_lead_out_are_refused(
    parts: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    data = (
        zip_of({**parts, "PLACE" + "X" * (len(name) - 5): b"evil"})
        if len(name) > 5
        else zip_of({**parts, "PL": b"evil"})
    )
    standin = ("PLACE" + "X" * (len(name) - 5)) if len(name) > 5 else "PL"
    assert len(standin) == len(name)
    data = data.replace(standin.encode(), name.encode("latin-1"))
    refuse(data, tmp_path, BundlePathUnsafe)


def test_a_link_in_a_zip_is_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    link = zipfile.ZipInfo("net.onnx")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    rest = [(name, data) for name, data in parts.items() if name != "net.onnx"]
    refuse(zip_of([*rest, (link, b"/etc/passwd")]), tmp_path, BundlePathUnsafe, "link")


def test_a_bomb_is_refused_by_its_directory(parts: dict[str, bytes], tmp_path: Path) -> None:
    bomb = {**parts, "net.onnx": b"\x00" * 30_000_000}
    data = zip_of(bomb)
    assert len(data) < 100_000
    refuse(data, tmp_path, BundleArchiveInvalid, "unpacks to 30000000")


def test_a_bomb_that_lies_in_its_directory_is_stopped_while_writing(
    bundle: TinyBundle, parts: dict[str, bytes], tmp_path: Path
) -> None:
    honest = len(parts["net.onnx"])
    data = bytearray(zip_of({**parts, "net.onnx": b"\x00" * 30_000_000}))
    # Both headers claim the length that the manifest says.
    while (at := data.find(struct.pack("<I", 30_000_000))) >= 0:
        data[at : at + 4] = struct.pack("<I", honest)
    archive, into = tmp_path / "attack.zip", tmp_path / "into"
    archive.write_bytes(data)
    into.mkdir()
    with pytest.raises(BundleArchiveInvalid):
        unpack(archive, into)
    assert sum(p.stat().st_size for p in into.rglob("*") if p.is_file()) < 10 * honest + 100_000


def test_a_manifest_that_is_a_bomb_is_stopped(tmp_path: Path) -> None:
    refuse(zip_of({"manifest.json": b" " * 50_000_000}), tmp_path, BundleTooLarge)


def test_files_too_many_or_too_few_in_a_zip(parts: dict[str, bytes], tmp_path: Path) -> None:
    refuse(zip_of({**parts, "extra": b""}), tmp_path, BundleFileUnexpected, "extra")


def test_a_file_that_is_not_in_the_zip(parts: dict[str, bytes], tmp_path: Path) -> None:
    del parts["net.tflite"]
    refuse(zip_of(parts), tmp_path, BundleFileMissing, r"net\.tflite")


def test_a_name_that_is_there_twice(parts: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zip_of([*parts.items(), ("net.onnx", parts["net.onnx"])])
    refuse(data, tmp_path, BundleArchiveInvalid, "twice")


def test_a_zip_of_the_folder_says_how_to_zip(parts: dict[str, bytes], tmp_path: Path) -> None:
    data = zip_of({f"dog-face/{name}": value for name, value in parts.items()})
    refuse(data, tmp_path, BundleArchiveInvalid, "zip the files")


def test_an_encrypted_entry_is_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    data = bytearray(zip_of(parts))
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1
    refuse(bytes(data), tmp_path, BundleArchiveInvalid, "encrypted")


def test_an_unusual_compression_is_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    refuse(out.getvalue(), tmp_path, BundleArchiveInvalid, "compression")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_cut_zip_is_refused(parts: dict[str, bytes], tmp_path: Path, share: float) -> None:
    data = zip_of(parts)
    refuse(data[: int(share * len(data))], tmp_path, BundleArchiveInvalid)


def test_a_flipped_bit_anywhere_never_loads_silently(
    parts: dict[str, bytes], tmp_path: Path
) -> None:
    data = zip_of(parts)
    archive = tmp_path / "bit.zip"
    refused = 0
    for at in range(30, len(data), len(data) // 40):
        changed = bytearray(data)
        changed[at] ^= 0x10
        archive.write_bytes(changed)
        try:
            with ModelBundle.load(archive) as loaded:
                # Only what nobody reads (a date, a version) may differ.
                assert dump(loaded.manifest) == parts["manifest.json"]
        except BundleError:
            refused += 1
    assert refused > 30


def test_html_that_was_saved_as_a_zip(tmp_path: Path) -> None:
    refuse(b"<html><body>404</body></html>", tmp_path, BundleArchiveInvalid, "get the bundle anew")


def test_a_manifest_that_lists_itself_or_too_much(bundle: TinyBundle) -> None:
    entry = FileEntry(sha256="0" * 64, bytes=0)
    for name in ("manifest.json", "../outside"):
        changed = msgspec.structs.replace(
            bundle.manifest, files={**bundle.manifest.files, name: entry}
        )
        (bundle.folder / "manifest.json").write_bytes(dump(changed))
        with pytest.raises((ManifestInvalid, BundlePathUnsafe)):
            ModelBundle.load(bundle.folder)


def test_thousands_of_entries_are_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    many = {f"f{number}": b"" for number in range(2000)}
    refuse(zip_of({**parts, **many}), tmp_path, BundleTooLarge, "entries")


def test_a_full_disk_is_told_and_leaves_nothing(
    bundle: TinyBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = bundle.zip(tmp_path / "bundle.zip")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses every byte past the limit, as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(BundleStorageFailed):
            ModelBundle.load(archive)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list(temporary.iterdir()) == []
    ModelBundle.load(archive).close()
