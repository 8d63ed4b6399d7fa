"""Golden vectors: what they hold, and every mistake of a port or an exporter that they catch."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_sdk.bundle.golden import (
    GoldenVectors,
    PackedArray,
    case_of,
    dump_golden,
    greatest_difference,
    load_golden,
)
from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.bundle.manifest import CentreOutput, InputSpec, LogitsOutput, Stage
from edge_sdk.errors import BundleUnusable, GoldenInvalid
from tests.support import tiny_nets
from tests.support.tiny_bundles import TinyBundle, emotion_bundle, pose_bundle


@pytest.fixture
def emotion(tmp_path: Path) -> TinyBundle:
    return emotion_bundle(tmp_path / "emotion")


@pytest.fixture
def pose(tmp_path: Path) -> TinyBundle:
    return pose_bundle(tmp_path / "pose")


def golden_of(bundle: TinyBundle, stage: str) -> GoldenVectors:
    return load_golden((bundle.folder / "golden" / f"{stage}.json").read_bytes())


def test_arrays_are_base64_of_little_endian_numbers(emotion: TinyBundle) -> None:
    document = json.loads((emotion.folder / "golden" / "classifier.json").read_text())
    raw = document["vectors"][0]["raw"]
    assert raw["dtype"] == "float32" and raw["shape"] == [4]
    by_hand = struct.unpack("<4f", base64.b64decode(raw["data"]))
    assert by_hand == tuple(golden_of(emotion, "classifier").vectors[0].raw.array())


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.int64])
def test_arrays_survive_the_trip_also_from_a_big_endian_view(kind: type) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    assert (PackedArray.of(array).array() == array).all()
    swapped = array.astype(array.dtype.newbyteorder(">"))
    assert PackedArray.of(swapped) == PackedArray.of(array)
    assert (PackedArray.of(array.transpose(2, 0, 1)).array() == array.transpose(2, 0, 1)).all()


def test_arrays_of_other_types_and_lengths_are_refused() -> None:
    with pytest.raises(TypeError, match="float64"):
        PackedArray.of(np.zeros(2))  # type: ignore[arg-type]
    with pytest.raises(GoldenInvalid, match="3 bytes"):
        PackedArray(dtype="float32", shape=(1,), data=b"abc").array()
    with pytest.raises(GoldenInvalid):
        PackedArray(dtype="uint8", shape=(2**40, 2**40), data=b"").array()


def test_the_same_vectors_give_the_same_bytes(pose: TinyBundle) -> None:
    golden = golden_of(pose, "pose")
    assert dump_golden(load_golden(dump_golden(golden))) == dump_golden(golden)


def test_differences_count_holes_and_shapes() -> None:
    holes = np.array([1, np.nan], np.float32)
    assert greatest_difference(holes, holes) == 0
    assert greatest_difference(holes, np.array([1, 2], np.float32)) == float("inf")
    assert greatest_difference(holes, holes[:1]) == float("inf")
    assert greatest_difference(np.zeros(2, np.uint8), np.full(2, 3, np.uint8)) == 3


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\x00", b"[" * 9000])
def test_what_holds_no_vectors_is_refused(data: bytes) -> None:
    with pytest.raises(GoldenInvalid):
        load_golden(data)


def test_a_file_without_vectors_is_refused(emotion: TinyBundle) -> None:
    golden = golden_of(emotion, "classifier")
    with pytest.raises(GoldenInvalid, match="no vectors"):
        load_golden(dump_golden(msgspec.structs.replace(golden, vectors=())))


def test_a_picture_that_is_none_is_refused(emotion: TinyBundle) -> None:
    vector = golden_of(emotion, "classifier").vectors[0]
    grey = PackedArray.of(np.zeros((4, 4), np.uint8))
    with pytest.raises(GoldenInvalid, match="image"):
        case_of(msgspec.structs.replace(vector, image=grey))


def change_input(bundle: TinyBundle, **changes: object) -> None:
    spec: InputSpec = bundle.manifest.stages[0].input
    bundle.change_stage(input=msgspec.structs.replace(spec, **changes))


@pytest.mark.parametrize(
    "changes",
    [{"padding": 1.3}, {"pad_value": 0.0}, {"fit": "letterbox"}],
    ids=["padding", "pad value", "fit"],
)
def test_another_crop_than_in_training_is_noticed(
    emotion: TinyBundle, changes: dict[str, object]
) -> None:
    change_input(emotion, **changes)
    with pytest.raises((GoldenInvalid, BundleUnusable)):
        ModelBundle.load(emotion.folder)


@pytest.mark.parametrize(
    "changes",
    [{"mean": (0.5, 0.5, 0.4)}, {"std": (0.25, 0.3, 0.25)}, {"mean": (0.0, 0.0, 0.0)}],
    ids=["mean", "std", "no mean"],
)
def test_another_normalisation_than_in_training_is_noticed(
    emotion: TinyBundle, changes: dict[str, object]
) -> None:
    change_input(emotion, **changes)
    with pytest.raises(BundleUnusable, match="off on golden vector"):
        ModelBundle.load(emotion.folder)


def replace_vectors(bundle: TinyBundle, stage: str, **changes: object) -> None:
    golden = golden_of(bundle, stage)
    vectors = tuple(msgspec.structs.replace(v, **changes) for v in golden.vectors)
    data = dump_golden(msgspec.structs.replace(golden, vectors=vectors))
    (bundle.folder / "golden" / f"{stage}.json").write_bytes(data)
    bundle.write()


def test_swapped_colours_are_noticed(emotion: TinyBundle) -> None:
    vector = golden_of(emotion, "classifier").vectors[0]
    swapped = PackedArray.of(np.ascontiguousarray(vector.image.array()[..., ::-1]))
    replace_vectors(emotion, "classifier", image=swapped)
    with pytest.raises(GoldenInvalid, match="sampled input"):
        ModelBundle.load(emotion.folder)
    replace_vectors(emotion, "classifier", image=swapped, sampled=None)
    with pytest.raises(BundleUnusable, match="off on golden vector"):
        ModelBundle.load(emotion.folder)


def test_a_changed_weight_is_noticed(emotion: TinyBundle) -> None:
    data = bytearray((emotion.folder / "net.onnx").read_bytes())
    weight = tiny_nets.classifier_weights()[1].tobytes()
    at = data.index(weight)
    data[at + 3] ^= 0x01
    (emotion.folder / "net.onnx").write_bytes(data)
    emotion.write()
    with ModelBundle.load(emotion.folder) as bundle:
        stage = bundle.stage("classifier")
        assert stage.chosen.runtime == "litert"
        assert [f.code for f in stage.fallbacks] == ["self_test_failed"]


def test_a_permuted_keypoint_pair_is_noticed(pose: TinyBundle) -> None:
    kernel = tiny_nets.weights(6, 24, 3, 4, 4)
    order = list(range(24))
    order[3], order[9] = 9, 3
    data = (pose.folder / "pose.onnx").read_bytes()
    assert kernel.tobytes() in data
    (pose.folder / "pose.onnx").write_bytes(data.replace(kernel.tobytes(), kernel[order].tobytes()))
    pose.write()
    with pytest.raises(BundleUnusable, match="off on golden vector"):
        ModelBundle.load(pose.folder)


def change_output(bundle: TinyBundle, output: object) -> None:
    bundle.change_stage(output=output)


def test_another_stride_threshold_or_class_list_is_noticed(pose: TinyBundle) -> None:
    spec: Stage = pose.manifest.stages[0]
    plain = spec.output
    assert isinstance(plain, CentreOutput)
    pose.write(thresholds={**pose.manifest.thresholds, "score": 0.99})
    with pytest.raises(GoldenInvalid, match="differs by"):
        ModelBundle.load(pose.folder)
    pose.write(thresholds={**pose.manifest.thresholds, "score": 0.3})
    change_output(pose, msgspec.structs.replace(plain, stride=16))
    with pytest.raises(GoldenInvalid, match="boxes"):
        ModelBundle.load(pose.folder)
    change_output(pose, msgspec.structs.replace(plain, heading=False, classes=("a", "b", "c")))
    with pytest.raises(GoldenInvalid):
        ModelBundle.load(pose.folder)


def test_another_temperature_is_noticed(emotion: TinyBundle) -> None:
    output = emotion.manifest.stages[0].output
    assert isinstance(output, LogitsOutput)
    change_output(emotion, msgspec.structs.replace(output, temperature=1.0))
    with pytest.raises(GoldenInvalid, match="probabilities"):
        ModelBundle.load(emotion.folder)


def test_vectors_of_another_stage_are_refused(pose: TinyBundle) -> None:
    pose.change_stage(golden="golden/pose.json")
    with pytest.raises(GoldenInvalid, match="stage pose"):
        ModelBundle.load(pose.folder)


def test_a_heading_that_mirrors_the_crop_is_part_of_the_vector(pose: TinyBundle) -> None:
    replace_vectors(pose, "pose", heading_rad=3.0)
    with pytest.raises(GoldenInvalid):
        ModelBundle.load(pose.folder)
