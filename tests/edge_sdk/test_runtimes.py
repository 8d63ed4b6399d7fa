"""Each runtime: what it opens, what it refuses, and that it is imported only when used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.bundle.manifest import (
    CentreOutput,
    HeatmapOutput,
    LogitsOutput,
    Stage,
    Variant,
    YoloDetectOutput,
    YoloPoseOutput,
)
from edge_sdk.bundle.stage import LoadedStage
from edge_sdk.errors import (
    BundleUnusable,
    InferenceFailed,
    MissingExtra,
    ModelMismatch,
    ModelUnreadable,
    RuntimeUnsupported,
)
from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.runtime.protocol import RuntimeChoice, open_session, output_shape
from edge_sdk.vision.classify import Classifier
from tests.support import tiny_nets
from tests.support.tiny_bundles import (
    TFLITE,
    emotion_bundle,
    input_spec,
    litert_variant,
    onnx_variant,
    picture,
    stage_spec,
)

REPOSITORY = Path(__file__).resolve().parents[2]
LOGITS = LogitsOutput(classes=EMOTIONS, temperature=1.0)


def classifier_stage(size: int = 16, output: LogitsOutput = LOGITS) -> Stage:
    return stage_spec("classifier", input_spec(size, "square_crop"), output)


def opened(
    path: Path, variant: Variant, stage: Stage | None = None, runtime: RuntimeChoice | None = None
) -> LoadedStage:
    stage = stage or classifier_stage()
    session = open_session(runtime or variant.runtime, path, stage, variant, 1)
    return LoadedStage(stage, variant, session)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    tiny_nets.write_classifier(path)
    return path


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    return Path(shutil.copy(TFLITE, tmp_path / "net.tflite"))


GREY = np.full((2, 16, 16, 3), 90, np.float32)


def onnx_graph(path: Path, build: Callable[[Any], tuple[list[Any], list[Any], list[Any]]]) -> Path:
    """Write a graph; `build(helper)` gives nodes, inputs and outputs."""
    import onnx
    from onnx import helper

    nodes, inputs, outputs = build(helper)
    graph = helper.make_graph(nodes, "odd", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def image_input(helper: Any, kind: int = 1, size: int = 16, name: str = "image") -> Any:
    return helper.make_tensor_value_info(name, kind, ["batch", 3, size, size])


def test_onnx_and_litert_agree_with_numpy(net: Path, tflite: Path) -> None:
    planes = ((GREY / 255 - 0.5) / 0.25).transpose(0, 3, 1, 2)
    wanted = tiny_nets.classify(planes)
    for path, variant in ((net, onnx_variant()), (tflite, litert_variant())):
        assert np.abs(opened(path, variant).infer(GREY) - wanted).max() < 1e-4


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x08\x09" * 500], ids=len)
def test_a_broken_onnx_file_is_unreadable(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelUnreadable, match=r"net\.onnx: onnxruntime"):
        opened(path, onnx_variant())


@pytest.mark.parametrize("length", [0, 100, 2000, 4300])
def test_a_cut_tflite_file_is_unreadable(tflite: Path, length: int) -> None:
    tflite.write_bytes(tflite.read_bytes()[:length])
    with pytest.raises(ModelUnreadable, match=r"net\.tflite: LiteRT"):
        opened(tflite, litert_variant())


@pytest.mark.parametrize("runtime", ["onnx", "litert"])
def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path, runtime: str) -> None:
    variant = onnx_variant() if runtime == "onnx" else litert_variant()
    with pytest.raises(ModelUnreadable):
        opened(tmp_path / "nothing", variant)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"input_name": "picture"}, "input 'image', not 'picture'"),
        ({"output_name": "scores"}, "not 'scores'"),
    ],
)
def test_other_names_than_in_the_manifest_are_refused(
    net: Path, tflite: Path, changes: dict[str, str], match: str
) -> None:
    for path, variant in ((net, onnx_variant(**changes)), (tflite, litert_variant(**changes))):
        with pytest.raises(ModelMismatch, match=match):
            opened(path, variant)


def test_another_input_size_than_in_the_manifest_is_refused(net: Path, tflite: Path) -> None:
    for path, variant in ((net, onnx_variant()), (tflite, litert_variant())):
        with pytest.raises(ModelMismatch, match="float32"):
            opened(path, variant, classifier_stage(size=24))


def test_another_layout_than_in_the_manifest_is_refused(net: Path, tflite: Path) -> None:
    with pytest.raises(ModelMismatch):
        opened(net, onnx_variant(layout="NHWC"))
    with pytest.raises(ModelMismatch):
        opened(tflite, litert_variant(layout="NCHW"))


def test_another_number_of_classes_than_in_the_manifest_is_refused(net: Path, tflite: Path) -> None:
    three = classifier_stage(output=LogitsOutput(classes=("a", "b", "c"), temperature=1.0))
    for path, variant in ((net, onnx_variant()), (tflite, litert_variant())):
        with pytest.raises(ModelMismatch, match="head"):
            opened(path, variant, three).infer(GREY)


def test_half_floats_and_whole_numbers_as_input_are_refused(tmp_path: Path) -> None:
    for kind in (10, 2):  # float16, uint8 (TensorProto.DataType)
        path = onnx_graph(
            tmp_path / "net.onnx",
            lambda h, kind=kind: (
                [h.make_node("Identity", ["image"], ["output"])],
                [image_input(h, kind)],
                [image_input(h, kind, name="output")],
            ),
        )
        with pytest.raises(ModelMismatch, match="not float32"):
            opened(path, onnx_variant())


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    path = onnx_graph(
        tmp_path / "net.onnx",
        lambda h: (
            [h.make_node("Add", ["image", "other"], ["output"])],
            [image_input(h), image_input(h, name="other")],
            [image_input(h, name="output")],
        ),
    )
    with pytest.raises(ModelMismatch, match="2 inputs"):
        opened(path, onnx_variant())


def test_a_fixed_batch_that_the_manifest_denies_is_refused(tmp_path: Path) -> None:
    path = onnx_graph(
        tmp_path / "net.onnx",
        lambda h: (
            [h.make_node("Identity", ["image"], ["output"])],
            [h.make_tensor_value_info("image", 1, [2, 3, 16, 16])],
            [h.make_tensor_value_info("output", 1, [2, 3, 16, 16])],
        ),
    )
    with pytest.raises(ModelMismatch, match="batches of 2"):
        opened(path, onnx_variant(batch=1))


def test_numbers_that_are_not_finite_are_no_answer(tmp_path: Path) -> None:
    path = onnx_graph(
        tmp_path / "net.onnx",
        lambda h: (
            [
                h.make_node("GlobalAveragePool", ["image"], ["a"]),
                h.make_node("Flatten", ["a"], ["b"]),
                h.make_node("Log", ["b"], ["output"]),
            ],
            [image_input(h)],
            [h.make_tensor_value_info("output", 1, ["batch", 3])],
        ),
    )
    three = classifier_stage(output=LogitsOutput(classes=("a", "b", "c"), temperature=1.0))
    with pytest.raises(InferenceFailed, match="not finite"):
        opened(path, onnx_variant(), three).infer(np.zeros((1, 16, 16, 3), np.float32))


def test_an_error_inside_the_runtime_is_typed(tmp_path: Path) -> None:
    path = onnx_graph(
        tmp_path / "net.onnx",
        lambda h: (
            [
                h.make_node("Constant", [], ["shape"], value_ints=[5, 7]),
                h.make_node("Reshape", ["image", "shape"], ["output"]),
            ],
            [image_input(h)],
            [h.make_tensor_value_info("output", 1, [5, 7])],
        ),
    )
    with pytest.raises(InferenceFailed, match="onnxruntime"):
        opened(path, onnx_variant()).infer(GREY)


@pytest.mark.parametrize("kind", ["onnx", "litert"])
def test_a_closed_session_says_so(net: Path, tflite: Path, kind: str) -> None:
    path, variant = (net, onnx_variant()) if kind == "onnx" else (tflite, litert_variant())
    session = open_session(variant.runtime, path, classifier_stage(), variant, 1)
    session.close()
    session.close()
    with pytest.raises(InferenceFailed, match="closed"):
        session.run(GREY)


def test_litert_takes_the_older_package_where_only_that_is_installed(
    tflite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    older = types.ModuleType("tflite_runtime.interpreter")
    opened_by: list[str] = []

    class Recorded(Interpreter):  # type: ignore[misc]
        def __init__(self, **options: object) -> None:
            opened_by.append("tflite_runtime")
            super().__init__(**options)

    older.Interpreter = Recorded  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", types.ModuleType("tflite_runtime"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", older)
    assert opened(tflite, litert_variant()).infer(GREY).shape == (2, 4)
    assert opened_by == ["tflite_runtime"]


@pytest.mark.parametrize(
    ("runtime", "modules", "extra"),
    [
        ("onnx", ["onnxruntime"], "onnx"),
        ("litert", ["ai_edge_litert.interpreter", "tflite_runtime.interpreter"], "litert"),
        ("mediapipe", ["mediapipe"], "mediapipe"),
    ],
)
def test_a_runtime_that_is_not_installed_names_the_command(
    net: Path, monkeypatch: pytest.MonkeyPatch, runtime: RuntimeChoice, modules: list[str],
    extra: str,
) -> None:  # fmt: skip
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'daengdong\[{extra}\]'"):
        opened(net, onnx_variant(), runtime=runtime)


@pytest.mark.parametrize(
    ("output", "shape"),
    [
        (CentreOutput(stride=8, heading=True, classes=("a", "b")), (8, 4, 4)),
        (CentreOutput(stride=8, heading=False, classes=("a",)), (5, 4, 4)),
        (HeatmapOutput(stride=4), (24, 8, 8)),
        (LOGITS, (4,)),
        (YoloDetectOutput(classes=("a",), box_units="px"), (5, None)),
        (YoloPoseOutput(classes=("a",), box_units="px", keypoints=24), (77, None)),
    ],
)
def test_each_head_has_its_shape(output: Any, shape: tuple[int | None, ...]) -> None:
    assert output_shape(stage_spec("detector", input_spec(32), output)) == shape


@pytest.mark.skipif(sys.platform == "darwin", reason="here it runs")
def test_core_ml_is_refused_where_it_cannot_run(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnsupported, match="macOS"):
        opened(tmp_path, onnx_variant("net.mlpackage", runtime="coreml"))


class TestMediaPipe:
    """In an environment with mediapipe (which brings OpenCV, so it is one of its own)."""

    @pytest.fixture(autouse=True)
    def _needs_mediapipe(self) -> None:
        pytest.importorskip("mediapipe", reason="tested by the nox session `mediapipe`")

    def test_it_gives_the_same_emotion_as_litert(self, tmp_path: Path) -> None:
        emotion = emotion_bundle(tmp_path)
        results = []
        for runtime in ("mediapipe", "onnx"):
            with ModelBundle.load(emotion.folder, runtime=runtime) as bundle:  # type: ignore[arg-type]
                stage = bundle.stage("classifier")
                boxes = [[3, 3, 28, 25], [-9, 2, 20, 44]]
                results.append(Classifier(stage).classify(picture(11), boxes))
        assert np.abs(results[0] - results[1]).max() < 0.02

    def test_whole_grey_levels_give_the_same_logits(self, tmp_path: Path) -> None:
        emotion = emotion_bundle(tmp_path)
        levels = np.random.default_rng(2).integers(0, 256, (3, 16, 16, 3)).astype(np.float32)
        answers = []
        for runtime in ("mediapipe", "onnx"):
            with ModelBundle.load(emotion.folder, runtime=runtime) as bundle:  # type: ignore[arg-type]
                answers.append(bundle.stage("classifier").infer(levels))
        assert np.abs(answers[0] - answers[1]).max() < 1e-3

    def test_other_labels_than_in_the_manifest_are_refused(self, tflite: Path) -> None:
        turned = classifier_stage(output=LogitsOutput(classes=EMOTIONS[::-1], temperature=1.0))
        with pytest.raises(ModelMismatch, match="labels"):
            opened(tflite, litert_variant(), turned, "mediapipe")

    def test_a_detector_is_not_for_it(self, tflite: Path) -> None:
        output = CentreOutput(stride=8, heading=False, classes=("dog_face",))
        with pytest.raises(ModelMismatch, match="classifiers"):
            opened(tflite, litert_variant(), stage_spec("detector", input_spec(16), output),
                   "mediapipe")  # fmt: skip

    def test_a_broken_file_falls_back_to_nothing_and_says_so(self, tmp_path: Path) -> None:
        emotion = emotion_bundle(tmp_path)
        (emotion.folder / "net.tflite").write_bytes(b"no net")
        emotion.write()
        with pytest.raises(BundleUnusable, match="MediaPipe"):
            ModelBundle.load(emotion.folder, runtime="mediapipe")


def test_loading_the_code_imports_no_runtime_and_nothing_heavy() -> None:
    child = (
        "import sys; import edge_sdk.bundle.loader, edge_sdk.vision.pose, edge_sdk.vision.detect;"
        "heavy = {'onnxruntime', 'ai_edge_litert', 'tflite_runtime', 'mediapipe', 'coremltools',"
        " 'torch', 'cv2', 'scipy', 'av', 'PIL', 'cryptography'};"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", child],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"
