"""The shipped bundles by tflite-runtime with NumPy 1: `nox -s tflite` runs this for real."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.bundle.verify import verify_bundle

if importlib.util.find_spec("ai_edge_litert") or not importlib.util.find_spec("tflite_runtime"):
    pytest.skip("needs tflite-runtime alone: nox -s tflite", allow_module_level=True)

MODELS = Path(__file__).resolve().parents[2] / "assets" / "models"
BUNDLES = sorted(path for path in MODELS.iterdir() if (path / "manifest.json").is_file())


def test_this_is_numpy_1() -> None:
    assert np.__version__.startswith("1.")


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.name)
def test_a_shipped_bundle_passes_all_its_golden_vectors(folder: Path) -> None:
    litert = [c for c in verify_bundle(folder).variants if c.variant.runtime == "litert"]
    assert litert
    for check in litert:
        assert check.outcome == "passed", check.reason
        print(f"{folder.name} {check.stage} {check.variant.precision}: off by "
              f"{check.max_abs_error:.2g} of {check.allowed_abs_error:.2g}")  # fmt: skip


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.name)
def test_it_is_chosen_where_only_it_is_installed(folder: Path) -> None:
    with ModelBundle.load(folder) as bundle:
        chosen = {bundle.stage(stage.name).chosen.runtime for stage in bundle.manifest.stages}
    expected = {"onnx"} if importlib.util.find_spec("onnxruntime") else {"litert"}
    assert chosen == expected
