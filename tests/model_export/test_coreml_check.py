"""What `edge_sdk` can say of a Core ML package where Core ML does not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_sdk.bundle.manifest import LogitsOutput, Stage
from edge_sdk.errors import ModelMismatch, ModelUnreadable
from edge_sdk.face.emotions import EMOTIONS
from edge_sdk.runtime import coreml
from model_export.export.coreml import coremltools as library
from tests.support import tiny_nets
from tests.support.tiny_bundles import input_spec, onnx_variant, stage_spec


def classifier_stage(size: int = 16) -> Stage:
    output = LogitsOutput(classes=EMOTIONS, temperature=1.0)
    return stage_spec("classifier", input_spec(size, "square_crop"), output)


def core_ml_package(path: Path) -> Path:
    """A net of one convolution and a mean, written without torch."""
    coremltools = library()
    from coremltools.converters.mil import Builder

    kernel = tiny_nets.weights(1, 4, 3, 4, 4)

    @Builder.program(input_specs=[Builder.TensorSpec(shape=(1, 3, 16, 16))])  # type: ignore[untyped-decorator]
    def program(image: Any) -> Any:
        cells = Builder.conv(x=image, weight=kernel, strides=[4, 4], pad_type="valid")
        return Builder.reduce_mean(x=cells, axes=[2, 3], name="output")

    model = coremltools.convert(
        program,
        minimum_deployment_target=coremltools.target.iOS16,
        compute_precision=coremltools.precision.FLOAT32,
        skip_model_load=True,
    )
    model.save(str(path))
    return path


@pytest.mark.slow
def test_a_core_ml_package_is_held_against_the_manifest_on_any_system(tmp_path: Path) -> None:
    path = core_ml_package(tmp_path / "net.mlpackage")
    variant = onnx_variant("net.mlpackage", runtime="coreml", batch=1)
    coreml.check_package(path, classifier_stage(), variant)
    with pytest.raises(ModelMismatch, match="not float32"):
        coreml.check_package(path, classifier_stage(size=24), variant)
    for changes in ({"input_name": "picture"}, {"output_name": "scores"}, {"batch": 2}):
        other = onnx_variant("net.mlpackage", **{"runtime": "coreml", "batch": 1, **changes})
        with pytest.raises(ModelMismatch):
            coreml.check_package(path, classifier_stage(), other)
    (path / "Data" / "com.apple.CoreML" / "model.mlmodel").write_bytes(b"\xff\xff")
    with pytest.raises(ModelUnreadable):
        coreml.check_package(path, classifier_stage(), variant)
