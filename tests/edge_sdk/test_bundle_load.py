"""Loading: what is chosen, what falls back and says so, and what is given back."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_sdk.bundle.golden import make_golden
from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.bundle.manifest import LogitsOutput
from edge_sdk.bundle.stage import MAX_BATCH
from edge_sdk.bundle.verify import verify_bundle
from edge_sdk.errors import (
    BatchInvalid,
    BundleClosed,
    BundleNotFound,
    BundleUnusable,
    LicenceRefused,
    ManifestFieldMissing,
    StageUnknown,
)
from edge_sdk.vision.classify import Classifier
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.pose import PoseEstimator
from tests.support import tiny_bundles, tiny_nets
from tests.support.tiny_bundles import TinyBundle, emotion_bundle, litert_variant, onnx_variant

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def emotion(tmp_path: Path) -> TinyBundle:
    return emotion_bundle(tmp_path / "emotion")


@pytest.fixture
def temporaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def pictures(count: int, size: int = 16) -> np.ndarray:
    rng = np.random.default_rng(count)
    return rng.uniform(0, 255, (count, size, size, 3)).astype(np.float32)


def test_the_first_variant_is_taken_when_it_answers_right(emotion: TinyBundle) -> None:
    with ModelBundle.load(emotion.folder) as bundle:
        stage = bundle.stage("classifier")
        assert stage.chosen == onnx_variant()
        assert bundle.fallbacks == ()
        assert bundle.manifest == emotion.manifest
        batch = pictures(3)
        planes = ((batch / 255 - 0.5) / 0.25).transpose(0, 3, 1, 2)
        assert np.abs(stage.infer(batch) - tiny_nets.classify(planes)).max() < 1e-4


def test_every_runtime_gives_the_same_final_result(emotion: TinyBundle) -> None:
    results = []
    for runtime in ("onnx", "litert"):
        with ModelBundle.load(emotion.folder, runtime=runtime) as bundle:  # type: ignore[arg-type]
            stage = bundle.stage("classifier")
            assert stage.chosen.runtime == runtime
            image = tiny_bundles.picture(11)
            results.append(Classifier(stage).classify(image, [[3, 3, 28, 25], [-9, 2, 20, 44]]))
    assert np.abs(results[0] - results[1]).max() < 1e-5


def test_a_zip_loads_like_its_folder_and_leaves_nothing(
    emotion: TinyBundle, tmp_path: Path, temporaries: Path
) -> None:
    archive = emotion.zip(tmp_path / "emotion.zip")
    with ModelBundle.load(str(archive)) as bundle:
        assert len(list(temporaries.iterdir())) == 1
        assert bundle.stage("classifier").infer(pictures(1)).shape == (1, 4)
    assert list(temporaries.iterdir()) == []


def test_a_zip_that_is_forgotten_leaves_nothing_either(
    emotion: TinyBundle, tmp_path: Path, temporaries: Path
) -> None:
    archive = emotion.zip(tmp_path / "emotion.zip")
    forgotten = [ModelBundle.load(archive)]
    assert len(list(temporaries.iterdir())) == 1
    with pytest.warns(ResourceWarning):
        forgotten.clear()
    assert list(temporaries.iterdir()) == []


def test_a_refused_zip_leaves_nothing(
    emotion: TinyBundle, tmp_path: Path, temporaries: Path
) -> None:
    archive = emotion.zip(tmp_path / "emotion.zip")
    with pytest.raises(LicenceRefused):
        ModelBundle.load(archive, allow_licences=())
    with pytest.raises(BundleUnusable):
        ModelBundle.load(archive, precision="int8")
    assert list(temporaries.iterdir()) == []


def test_a_variant_that_cannot_be_read_falls_back_and_says_so(emotion: TinyBundle) -> None:
    (emotion.folder / "net.onnx").write_bytes(b"not a net")
    emotion.write()
    with ModelBundle.load(emotion.folder) as bundle:
        assert bundle.stage("classifier").chosen == litert_variant()
        (fallback,) = bundle.fallbacks
        assert fallback.variant == onnx_variant()
        assert fallback.code == "model_unreadable"
        assert "net.onnx" in fallback.reason


def test_a_runtime_that_is_not_installed_falls_back_with_the_install_command(
    emotion: TinyBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with ModelBundle.load(emotion.folder) as bundle:
        assert bundle.stage("classifier").chosen.runtime == "litert"
        assert "pip install 'daengdong[onnx]'" in bundle.fallbacks[0].reason
    with pytest.raises(BundleUnusable, match="pip install") as caught:
        ModelBundle.load(emotion.folder, runtime="onnx")
    assert len(caught.value.reasons) == 1


def test_a_variant_that_answers_wrong_falls_back(emotion: TinyBundle) -> None:
    strict = onnx_variant(precision="fp16", max_abs_error=0.0, file="net.onnx")
    emotion.change_stage(variants=(strict, onnx_variant()))
    vectors = emotion.folder / "golden" / "classifier.json"
    text = vectors.read_bytes()
    with ModelBundle.load(emotion.folder) as bundle:
        chosen = bundle.stage("classifier").chosen
        codes = [f.code for f in bundle.fallbacks]
    # NumPy and onnxruntime add up in different orders: equal to the last bit or not, the variant
    # within its tolerance is taken.
    assert (chosen, codes) in (
        (strict, []),
        (onnx_variant(), ["self_test_failed"]),
    )
    assert vectors.read_bytes() == text


def test_when_nothing_is_left_every_reason_is_given(emotion: TinyBundle) -> None:
    for name in ("net.onnx", "net.tflite"):
        (emotion.folder / name).write_bytes(b"\x00" * 64)
    emotion.write()
    with pytest.raises(BundleUnusable) as caught:
        ModelBundle.load(emotion.folder)
    assert len(caught.value.reasons) == 2
    assert caught.value.code == "bundle_unusable"


def test_a_choice_that_no_variant_has_is_refused(emotion: TinyBundle) -> None:
    with pytest.raises(BundleUnusable, match="no variant fits the choice"):
        ModelBundle.load(emotion.folder, runtime="coreml")
    with pytest.raises(BundleUnusable):
        ModelBundle.load(emotion.folder, precision="int8")


def test_core_ml_elsewhere_than_on_a_mac_falls_back(emotion: TinyBundle) -> None:
    if sys.platform == "darwin":
        pytest.skip("here it runs")
    (emotion.folder / "net.mlpackage").mkdir()
    (emotion.folder / "net.mlpackage" / "Manifest.json").write_text("{}")
    apple = onnx_variant("net.mlpackage", runtime="coreml", precision="fp16", batch=1)
    emotion.change_stage(variants=(apple, onnx_variant()))
    with ModelBundle.load(emotion.folder) as bundle:
        assert [f.code for f in bundle.fallbacks] == ["runtime_unsupported"]
        assert bundle.stage("classifier").chosen == onnx_variant()


def test_only_licences_that_the_app_allows(emotion: TinyBundle) -> None:
    allowed = ["MIT", "Apache-2.0"]
    with ModelBundle.load(emotion.folder, allow_licences=allowed):
        pass
    agpl = msgspec.structs.replace(emotion.manifest.licence, spdx="AGPL-3.0-only", notice="Open!")
    emotion.write(licence=agpl)
    with pytest.raises(LicenceRefused, match=r"AGPL-3.0-only.*Apache-2.0, MIT.*Open!"):
        ModelBundle.load(emotion.folder, allow_licences=allowed)
    with ModelBundle.load(emotion.folder):
        pass


def test_batches_of_any_size_pass(emotion: TinyBundle) -> None:
    with ModelBundle.load(emotion.folder) as bundle:
        stage = bundle.stage("classifier")
        batch = pictures(2 * MAX_BATCH + 3)
        together = stage.infer(batch)
        alone = np.concatenate([stage.infer(one[None]) for one in batch])
        assert np.abs(together - alone).max() < 1e-4
        assert stage.infer(batch[:0]).shape == (0, 4)


@pytest.mark.parametrize("runtime", ["onnx", "litert"])
def test_a_fixed_batch_is_filled_up(emotion: TinyBundle, runtime: str) -> None:
    variants = tuple(
        msgspec.structs.replace(v, batch=4) for v in emotion.manifest.stages[0].variants
    )
    emotion.change_stage(variants=variants)
    with ModelBundle.load(emotion.folder, runtime=runtime) as bundle:  # type: ignore[arg-type]
        stage = bundle.stage("classifier")
        batch = pictures(6)
        planes = ((batch / 255 - 0.5) / 0.25).transpose(0, 3, 1, 2)
        assert np.abs(stage.infer(batch) - tiny_nets.classify(planes)).max() < 1e-3


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 16, 16, 3), np.uint8),
        np.zeros((1, 3, 16, 16), np.float32),
        np.zeros((16, 16, 3), np.float32),
        np.zeros((1, 17, 16, 3), np.float32),
    ],
    ids=["uint8", "planes first", "no batch", "another size"],
)
def test_a_batch_of_another_kind_is_refused(emotion: TinyBundle, batch: np.ndarray) -> None:
    with (
        ModelBundle.load(emotion.folder) as bundle,
        pytest.raises(BatchInvalid, match="not float32"),
    ):
        bundle.stage("classifier").infer(batch)


def test_a_closed_bundle_says_so(emotion: TinyBundle) -> None:
    bundle = ModelBundle.load(emotion.folder)
    stage = bundle.stage("classifier")
    bundle.close()
    bundle.close()
    with pytest.raises(BundleClosed):
        stage.infer(pictures(1))
    with pytest.raises(BundleClosed):
        bundle.stage("classifier")


def test_an_unknown_stage_names_those_there_are(emotion: TinyBundle) -> None:
    with (
        ModelBundle.load(emotion.folder) as bundle,
        pytest.raises(StageUnknown, match="only classifier"),
    ):
        bundle.stage("pose")


@pytest.mark.parametrize("runtime", ["onnx", "litert"])
def test_several_threads_get_the_right_answers(emotion: TinyBundle, runtime: str) -> None:
    with ModelBundle.load(emotion.folder, runtime=runtime) as bundle:  # type: ignore[arg-type]
        stage = bundle.stage("classifier")
        batches = [pictures(k + 1) for k in range(4)]
        wanted = [stage.infer(batch) for batch in batches]
        wrong: list[int] = []

        def work(k: int) -> None:
            for _ in range(40):
                if np.abs(stage.infer(batches[k]) - wanted[k]).max() > 1e-5:
                    wrong.append(k)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_detector_and_pose_of_one_bundle_work_together(tmp_path: Path) -> None:
    made = tiny_bundles.pose_bundle(tmp_path)
    with ModelBundle.load(made.folder) as bundle:
        detector = Detector(bundle.stage("detector"), bundle.thresholds)
        image = tiny_bundles.picture(8, 90, 70)
        (dogs,) = detector.detect([image])
        assert len(dogs) > 0
        pose = PoseEstimator(bundle.stage("pose"))
        points = pose.estimate(image, dogs.boxes_xyxy_px, dogs.headings_rad)
        assert points.shape == (len(dogs), 24, 3) and np.isfinite(points).all()


def test_paths_that_are_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match="no such"):
        ModelBundle.load(tmp_path / "nowhere")
    with pytest.raises(BundleNotFound, match=r"manifest\.json"):
        ModelBundle.load(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ManifestFieldMissing, match="format"):
        ModelBundle.load(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from /proc")
def test_close_gives_the_memory_back(tmp_path: Path) -> None:
    made = emotion_bundle(tmp_path / "wide", [onnx_variant(max_abs_error=0.1)])
    tiny_nets.write_wide_net(made.folder / "net.onnx", megabytes=64)
    spec = made.manifest.stages[0]
    assert isinstance(spec.output, LogitsOutput)
    case = tiny_bundles.GoldenCase("grey", tiny_bundles.picture(), (5.0, 5.0, 25.0, 25.0), None)
    zeros = tiny_bundles.NumpyStage(spec, lambda planes: np.zeros((len(planes), 4), np.float32))
    golden = tiny_bundles.dump_golden(make_golden(zeros, {}, [case]))
    (made.folder / "golden" / "classifier.json").write_bytes(golden)
    made.write()
    child = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        import onnxruntime
        from edge_sdk.bundle.loader import ModelBundle

        def resident_mb():
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            return pages * 4096 / 1e6

        seen = []
        for _ in range(4):
            with ModelBundle.load(sys.argv[1]) as bundle:
                opened = resident_mb()
            seen.append((opened, resident_mb()))
        print(seen[0][0] - seen[0][1], seen[-1][1] - seen[0][1])
        """
    )
    answer = subprocess.run(
        [sys.executable, "-c", child, str(made.folder)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    given_back_mb, grown_mb = (float(word) for word in answer.stdout.split())
    assert given_back_mb > 50
    assert grown_mb < 20


def test_every_variant_is_checked_and_timed(
    emotion: TinyBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = verify_bundle(emotion.folder, repeats=3)
    assert check.passed
    assert [c.variant.runtime for c in check.variants] == ["onnx", "litert"]
    for one in check.variants:
        assert one.outcome == "passed" and one.max_abs_error is not None
        assert one.max_abs_error <= one.allowed_abs_error
        assert one.load_ms is not None and one.infer_ms is not None and one.infer_ms > 0
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    lonely = verify_bundle(emotion.folder)
    assert lonely.passed
    assert [c.outcome for c in lonely.variants] == ["unavailable", "passed"]
    assert lonely.variants[1].infer_ms is None


def test_a_variant_that_fails_fails_the_check(emotion: TinyBundle, tmp_path: Path) -> None:
    (emotion.folder / "net.tflite").write_bytes(b"no net")
    emotion.write()
    check = verify_bundle(emotion.zip(tmp_path / "emotion.zip"))
    assert not check.passed
    assert [(c.outcome, c.code) for c in check.variants] == [
        ("passed", None),
        ("failed", "model_unreadable"),
    ]
