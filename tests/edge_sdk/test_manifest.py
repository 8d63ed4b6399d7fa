"""The manifest says everything or is refused, and the refusal names the field."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.bundle.manifest import (
    MAX_MANIFEST_BYTES,
    Calibration,
    CentreOutput,
    DataSource,
    LogitsOutput,
    Manifest,
    OutputSpec,
    ParityRow,
    check,
    dump,
    load_manifest,
)
from edge_sdk.bundle.paths import safe_path
from edge_sdk.errors import (
    BundlePathUnsafe,
    EdgeError,
    ManifestFieldMissing,
    ManifestFieldUnknown,
    ManifestInvalid,
)
from tests.support.tiny_bundles import emotion_bundle, pose_bundle

Json = dict[str, Any]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """A manifest in which every optional part is there."""
    manifest = pose_bundle(tmp_path_factory.mktemp("pose")).manifest
    row = ParityRow(
        stage="pose", runtime="onnx", precision="fp32", inputs=32, max_abs_error=1e-5,
        p95_px=0.01, argmax_agreement=None, metric="pck10", metric_change=0.0, passed=True,
    )  # fmt: skip
    source = DataSource(name="generated", licence="Apache-2.0", images=16000)
    manifest = msgspec.structs.replace(
        manifest,
        parity=(row,),
        calibration=Calibration(method="temperature", images=512, ece_before=0.1, ece_after=0.02),
        training=msgspec.structs.replace(manifest.training, data=(source,)),
    )
    value: Json = json.loads(dump(manifest))
    return value


def read(value: object) -> Manifest:
    return load_manifest(json.dumps(value).encode())


def objects(value: object, at: str = "$") -> Iterator[tuple[str, Json]]:
    """Every object of fields in the manifest; `files` and `thresholds` have free names."""
    if isinstance(value, dict):
        if at not in ("$.files", "$.thresholds"):
            yield at, value
        for key, inner in value.items():
            yield from objects(inner, f"{at}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from objects(inner, f"{at}[{number}]")


def test_what_was_written_is_what_is_read(full: Json) -> None:
    manifest = read(full)
    assert load_manifest(dump(manifest)) == manifest
    assert dump(load_manifest(dump(manifest))) == dump(manifest)
    assert manifest.stage("pose").output.__struct_config__.tag == "heatmap"
    with pytest.raises(KeyError, match="only detector, pose"):
        manifest.stage("classifier")


def test_every_missing_field_is_named(full: Json) -> None:
    tried = 0
    for at, _ in objects(full):
        for key in dict(objects(full))[at]:
            broken = copy.deepcopy(full)
            del dict(objects(broken))[at][key]
            with pytest.raises(ManifestInvalid) as caught:
                read(broken)
            tried += 1
            if key != "head":  # Without its tag nobody knows which fields a head has.
                assert isinstance(caught.value, ManifestFieldMissing), (at, key)
                assert caught.value.field.endswith(f".{key}")
            assert key in str(caught.value)
    assert tried > 90


def test_every_unknown_field_is_named(full: Json) -> None:
    for at, _ in objects(full):
        broken = copy.deepcopy(full)
        dict(objects(broken))[at]["colour_order"] = "BGR"
        with pytest.raises(ManifestFieldUnknown, match="colour_order"):
            read(broken)


def test_every_field_of_another_type_is_refused(full: Json) -> None:
    for at, found in objects(full):
        for key in found:
            broken = copy.deepcopy(full)
            dict(objects(broken))[at][key] = [[object.__name__]]
            with pytest.raises(ManifestInvalid) as caught:
                read(broken)
            assert key in caught.value.field, (at, key)


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (("format",), "daengdong-bundle/2", "$.format"),
        (("name",), "../evil", "$.name"),
        (("version",), "next", "$.version"),
        (("serial",), 0, "$.serial"),
        (("created_at",), "yesterday", "$.created_at"),
        (("created_at",), "2026-11-21T00:00:00", "time zone"),
        (("model_card",), "CARD.md", "$.model_card"),
        (("stages",), [], "$.stages"),
        (("thresholds",), {"score": 0.3}, "nms_iou"),
        (("keypoints",), None, "$.keypoints"),
        (("keypoints", "names", 0), "front_right_paw", "$.keypoints"),
        (("keypoints", "flip_index"), list(range(24)), "$.keypoints"),
        (("stages", 0, "input", "std", 1), 0, "std"),
        (("stages", 0, "input", "colour"), "BGR", "colour"),
        (("stages", 0, "input", "resample"), "bilinear", "resample"),
        (("stages", 0, "input", "mean"), [0.5, 0.5], "mean"),
        (("stages", 0, "output", "head"), "ssd", "head"),
        (("stages", 0, "output"), {"head": "heatmap", "stride": 4}, "head"),
        (("stages", 0, "output", "classes"), [], "classes"),
        (("stages", 0, "variants"), [], "variants"),
        (("stages", 0, "variants", 0, "file"), "other.onnx", "file"),
        (("stages", 0, "variants", 0, "batch"), 0, "batch"),
        (("stages", 0, "golden"), "golden/other.json", "golden"),
        (("files", "MODEL_CARD.md", "sha256"), "0" * 63, "sha256"),
        (("files", "MODEL_CARD.md", "bytes"), -1, "bytes"),
        (("licence", "research_only"), "no", "research_only"),
    ],
)
def test_contradictions_are_named(
    full: Json, place: tuple[str | int, ...], value: object, field: str
) -> None:
    broken = copy.deepcopy(full)
    at: Any = broken
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    with pytest.raises(ManifestInvalid) as caught:
        read(broken)
    assert field in str(caught.value)


def test_a_number_that_is_not_finite_is_named(full: Json) -> None:
    manifest = read(full)
    infinite = msgspec.structs.replace(
        manifest, thresholds={**manifest.thresholds, "score": np.inf}
    )
    with pytest.raises(ManifestInvalid, match=r"thresholds\.score"):
        check(infinite)


def test_two_stages_of_one_name_or_none_that_the_task_needs(full: Json) -> None:
    twice = copy.deepcopy(full)
    twice["stages"][0] = twice["stages"][1]
    with pytest.raises(ManifestInvalid, match="twice"):
        read(twice)
    other = copy.deepcopy(full)
    other["task"] = "emotion"
    with pytest.raises(ManifestInvalid, match="needs classifier"):
        read(other)


@pytest.mark.parametrize("pair", [("a.onnx", "A.onnx"), ("net", "net/weights.bin")])
def test_paths_that_collide_on_another_file_system_are_refused(
    full: Json, pair: tuple[str, str]
) -> None:
    broken = copy.deepcopy(full)
    for path in pair:
        broken["files"][path] = {"sha256": "0" * 64, "bytes": 1}
    with pytest.raises(ManifestInvalid, match="two paths"):
        read(broken)


UNSAFE = [
    "", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a\\b", "C:evil", "a:stream",
    "~/.bashrc", ".hidden", "a\x00b", "a\nb", "con", "nul.txt", "a/COM1", "a.", "a ", "ünet",
    "x" * 300, "a/" * 120 + "a", "..", "a/..",
]  # fmt: skip


@pytest.mark.parametrize("path", UNSAFE)
def test_unsafe_paths_are_refused(full: Json, path: str) -> None:
    with pytest.raises(BundlePathUnsafe):
        safe_path(path, "here")
    broken = copy.deepcopy(full)
    broken["files"][path] = {"sha256": "0" * 64, "bytes": 1}
    with pytest.raises(BundlePathUnsafe):
        read(broken)


def test_plain_paths_are_taken() -> None:
    for path in ("a", "net.onnx", "a/b-c_d.1/x.bin", "p.mlpackage/Data/com.apple.CoreML/m.mlmodel"):
        assert safe_path(path, "here") == path


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 5000, b'{"format": NaN}', b"<html></html>"],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        load_manifest(data)
    assert caught.value.code in ("manifest_invalid", "manifest_field_missing")


def test_a_huge_manifest_is_not_even_parsed() -> None:
    with pytest.raises(ManifestInvalid, match="at most"):
        load_manifest(b" " * (MAX_MANIFEST_BYTES + 1))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_manifest_never_gives_anything_but_a_typed_error(
    full: Json, data: st.DataObject
) -> None:
    text = bytearray(json.dumps(full).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(load_manifest(bytes(text)), Manifest)
    except EdgeError as error:
        assert error.code.startswith(("manifest_", "bundle_"))


def test_a_head_is_read_from_plain_json() -> None:
    head = msgspec.convert(
        {"head": "centre", "stride": 8, "heading": True, "classes": ["dog"]}, OutputSpec
    )
    assert head == CentreOutput(stride=8, heading=True, classes=("dog",))


def test_a_classifier_needs_no_detector(tmp_path: Path) -> None:
    manifest = emotion_bundle(tmp_path).manifest
    assert isinstance(manifest.stage("classifier").output, LogitsOutput)
    assert manifest.keypoints is None
