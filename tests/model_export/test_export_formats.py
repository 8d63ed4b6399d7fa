"""What the three formats promise: shapes, batches, sizes, metadata, and the same bytes again."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from ai_edge_litert import schema_py_generated as schema  # noqa: E402

from edge_sdk.bundle.manifest import Stage  # noqa: E402
from model_export import nets  # noqa: E402
from model_export.export.coreml import PRECISION_KEY, coremltools, export_coreml  # noqa: E402
from model_export.export.folder import damaged_files, export_net, read_record  # noqa: E402
from model_export.export.litert import export_litert  # noqa: E402
from model_export.export.onnx import eight_bits, export_onnx  # noqa: E402
from model_export.export.precision import ExportFailed, PrecisionUnsupported  # noqa: E402
from model_export.export.source import load_source  # noqa: E402
from model_export.parity.calibration import calibration_pictures  # noqa: E402
from model_export.parity.coreml_program import CoreMLProgram  # noqa: E402
from model_export.parity.inputs import LEAST_CASES, structured_cases  # noqa: E402
from model_export.parity.variants import opened  # noqa: E402
from model_export.parity.verify import verify_folder  # noqa: E402
from tests.support.export_nets import lively_checkpoint, lively_source, plain_examples  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A classifier in all formats: the smallest net, and the one with the most metadata."""
    root = tmp_path_factory.mktemp("formats")
    source = lively_source("emotion", root)
    out = root / "export"
    wanted = ("fp32", "fp16", "w8a32")
    export_net(source, out, {"onnx": wanted, "litert": wanted, "coreml": wanted})
    return out


@pytest.fixture(scope="module")
def source(folder):
    return load_source(folder / read_record(folder).source)


def digest(path: Path) -> str:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()


def size(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*")) if path.is_dir() else path.stat().st_size


@pytest.mark.slow
def test_every_format_and_precision_agrees_with_torch(folder, source, tmp_path):
    report = verify_folder(folder, plain_examples(source, tmp_path), threads=1)
    assert len(report.verdicts) == 9
    assert report.passed, [(v.variant.file, v.failures) for v in report.verdicts]
    # Whoever looks at a Core ML package leaves it as it was.
    assert damaged_files(folder, read_record(folder).files) == []


def test_smaller_precisions_make_smaller_files(folder):
    for suffix in ("onnx", "tflite", "mlpackage"):
        full = size(folder / f"classifier-fp32.{suffix}")
        assert size(folder / f"classifier-fp16.{suffix}") < 0.75 * full
        assert size(folder / f"classifier-w8a32.{suffix}") < 0.6 * full


def test_onnx_takes_any_batch_and_gives_the_same_for_each_picture(folder, source):
    rng = np.random.default_rng(1)
    pictures = rng.normal(size=(5, 3, source.input.height, source.input.width)).astype(np.float32)
    for precision in ("fp32", "fp16", "w8a32"):
        session = onnxruntime.InferenceSession(folder / f"classifier-{precision}.onnx")
        together = session.run(None, {"image": pictures})[0]
        alone = [session.run(None, {"image": p[None]})[0][0] for p in pictures]
        assert together.shape == (5, 4)
        np.testing.assert_allclose(together, alone, atol=1e-5)


def test_onnx_weights_have_names_of_their_place_and_no_normalisation_is_left(folder):
    graph = onnx.load(folder / "classifier-fp32.onnx").graph
    assert all(w.name == f"weight_{i}" for i, w in enumerate(graph.initializer))
    assert "BatchNormalization" not in {node.op_type for node in graph.node}


def test_the_same_net_gives_the_same_bytes(source, tmp_path):
    size_px = {"height": source.input.height, "width": source.input.width}
    for name in ("once", "again"):
        export_onnx(source.module, {"w8a32": tmp_path / f"{name}.onnx"}, **size_px)
    assert digest(tmp_path / "once.onnx") == digest(tmp_path / "again.onnx")


def test_weights_of_a_tflite_file_lie_inside_it_and_on_multiples_of_16_bytes(folder):
    for precision in ("fp32", "fp16", "w8a32"):
        content = (folder / f"classifier-{precision}.tflite").read_bytes()
        net = schema.Model.GetRootAsModel(content, 0)
        large = 0
        for k in range(net.BuffersLength()):
            buffer = net.Buffers(k)
            assert buffer.Offset() == 0
            data = buffer.DataAsNumpy()
            if not isinstance(data, np.ndarray):
                continue
            start = (
                data.__array_interface__["data"][0]
                - np.frombuffer(content, np.uint8).__array_interface__["data"][0]
            )
            assert start % 16 == 0
            large += len(data)
        assert large > 5_000


def test_a_classifier_carries_labels_and_normalisation_for_mediapipe(folder):
    import zipfile

    path = folder / "classifier-w8a32.tflite"
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode().splitlines() == [
            "happy", "sad", "angry", "relaxed",
        ]  # fmt: skip
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
    net = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    (entry,) = (m for m in net.metadata if m.name == b"TFLITE_METADATA")
    metadata = bytes(net.buffers[entry.buffer].data)
    assert metadata[4:8] == b"M001"
    for word in (b"labels.txt", b"Apache-2.0", b"1.0.0"):
        assert word in metadata
    # (x - 127.5) / 63.75 on 0..255 is (x / 255 - 0.5) / 0.25.
    assert np.float32([127.5] * 3).tobytes() in metadata
    assert np.float32([63.75] * 3).tobytes() in metadata


def test_mediapipe_itself_takes_the_classifier(folder, source):
    pytest.importorskip("mediapipe", reason="MediaPipe is not in this environment")
    from edge_sdk.runtime.protocol import open_session

    stage: Stage = read_record(folder).stage
    variant = next(v for v in stage.variants if v.runtime == "litert")
    session = open_session("mediapipe", folder / variant.file, stage, variant, 1)
    assert np.isfinite(session.run(np.full((1, 64, 64, 3), 90, np.float32))).all()
    session.close()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8a32"])
def test_a_core_ml_package_says_what_goes_in_and_out(folder, source, precision):
    path = folder / f"classifier-{precision}.mlpackage"
    spec = coremltools().models.utils.load_spec(str(path))
    described = spec.description
    (told_in,), (told_out,) = described.input, described.output
    assert (told_in.name, told_out.name) == ("image", "output")
    assert list(told_in.type.multiArrayType.shape) == [1, 3, 64, 64]
    assert list(told_out.type.multiArrayType.shape) == [1, 4]
    float32 = told_in.type.multiArrayType.FLOAT32
    assert told_in.type.multiArrayType.dataType == told_out.type.multiArrayType.dataType == float32
    assert spec.WhichOneof("Type") == "mlProgram" and spec.specificationVersion == 7
    assert described.metadata.license == "Apache-2.0"
    assert "angry" in described.metadata.shortDescription
    assert described.metadata.userDefined[PRECISION_KEY] == precision
    assert not any("date" in key for key in described.metadata.userDefined)


def test_eight_bits_lose_at_most_half_a_step_of_each_channel():
    rng = np.random.default_rng(4)
    values = (rng.normal(size=(6, 3, 3, 3)) * rng.uniform(0.01, 9, (6, 1, 1, 1))).astype(np.float32)
    values[2] = 0
    integers, scales = eight_bits(values)
    assert integers.dtype == np.int8 and scales.shape == (6, 1, 1, 1)
    assert (np.abs(integers * scales - values) <= scales / 2 + 1e-6).all()
    assert (integers[2] == 0).all() and np.abs(integers).max() == 127


def test_int8_activations_need_pictures_and_keep_floats_at_both_ends(source, tmp_path):
    size_px = {"height": source.input.height, "width": source.input.width}
    with pytest.raises(PrecisionUnsupported):
        export_onnx(source.module, {"int8": tmp_path / "a.onnx"}, **size_px)
    with pytest.raises(PrecisionUnsupported):
        export_litert(source.module, {"int8": tmp_path / "a.tflite"}, **size_px)
    with pytest.raises(PrecisionUnsupported):
        export_net(source, tmp_path / "out", {"coreml": ("int8",)})
    examples = plain_examples(source, tmp_path / "cache")
    pictures = calibration_pictures(source, examples)
    assert pictures.shape == (len(examples), 3, 64, 64) and np.abs(pictures).max() <= 2.01
    export_net(source, tmp_path / "out", {"onnx": ("int8",)}, calibration=pictures)
    stage = read_record(tmp_path / "out").stage
    with opened(tmp_path / "out", stage, stage.variants[0], 1) as running:
        raw = running.infer(np.zeros((2, 64, 64, 3), np.float32))
    assert raw.dtype == np.float32 and raw.shape == (2, 4)


def test_a_failed_export_leaves_the_earlier_folder(source, tmp_path):
    out = tmp_path / "out"
    export_net(source, out, {"onnx": ("fp32",)})
    before = digest(out)
    with pytest.raises(PrecisionUnsupported):
        export_net(source, out, {"onnx": ("int8",)})
    assert digest(out) == before and [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_is_no_checkpoint_is_refused_with_its_name(tmp_path):
    with pytest.raises(ExportFailed, match="does not exist"):
        load_source(tmp_path / "nothing.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(ExportFailed, match=r"text\.pt"):
        load_source(tmp_path / "text.pt")


def test_structured_inputs_are_many_and_different(tmp_path):
    source = load_source(lively_checkpoint("pose", tmp_path))
    cases = structured_cases(plain_examples(source, tmp_path)[:8])
    assert len(cases) >= LEAST_CASES
    assert len({case.name for case in cases}) == len(cases)
    assert {case.image.shape[:2] for case in cases} >= {(1, 1), (3000, 4000)}
    assert all(case.image.dtype == np.uint8 and case.image.ndim == 3 for case in cases)
    assert {np.cos(case.heading_rad) < 0 for case in cases} == {True, False}


def test_a_core_ml_program_of_another_family_is_computed_as_torch_does(tmp_path):
    net = nets.build("torchvision:mobilenet_v3_small", classes=4).eval()
    torch.manual_seed(5)
    torch.nn.init.normal_(net.classifier[-1].weight, std=50.0)
    path = tmp_path / "net.mlpackage"
    export_coreml(net, {"fp32": path}, height=64, width=64, description="", licence="BSD-3-Clause")
    picture = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        wanted = net(picture).numpy()
    assert np.ptp(wanted) > 1e-12
    np.testing.assert_allclose(CoreMLProgram(path)(picture.numpy()), wanted, rtol=1e-4)
