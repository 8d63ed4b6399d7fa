"""The whole road once, small: pictures, training, export, parity, bundle, and a picture analysed.

By the commands that a model developer types, with the generator's own dogs.
"""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from typer.testing import CliRunner

from edge_sdk.bundle.loader import ModelBundle
from edge_sdk.vision.detect import Detector
from edge_sdk.vision.pose import PoseEstimator
from model_export.__main__ import app
from model_export.synth.images import body_image

CREATED = "2026-11-21T09:00:00+09:00"


def command(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output + str(result.exception or "")
    return result.output


@pytest.mark.slow
def test_from_generated_dogs_to_a_bundle_that_analyses_a_picture(tmp_path: Path) -> None:
    cache, exports = tmp_path / "cache", []
    # The converters are slow: the detector goes through two of them, the pose net through all.
    formats = {"dog-detector": "onnx,litert", "pose": "onnx,litert,coreml"}
    for model, wanted in formats.items():
        run = tmp_path / model
        command(
            "train", model, "--preset", "tiny", "--out", run, "--cache", cache,
            "--workers", 0, "--threads", 2,
        )  # fmt: skip
        folder = tmp_path / "exports" / model
        command(
            "export", run / "model.pt", "--out", folder, "--formats", wanted,
            "--precisions", "fp32,w8a32",
        )  # fmt: skip
        told = command("verify", folder, "--pictures", 32, "--cache", cache)
        for runtime in wanted.split(","):
            assert f"{runtime} fp32" in told and f"{runtime} w8a32" in told
        exports.append(folder)

    bundle, archive = tmp_path / "my-dogs", tmp_path / "my-dogs.zip"
    command(
        "bundle", *exports, "--name", "my-dogs", "--task", "pose", "--out", bundle,
        "--zip", archive, "--cache", cache, "--created-at", CREATED, "--embeddable",
    )  # fmt: skip
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    assert manifest["licence"]["spdx"] == "Apache-2.0" and not manifest["licence"]["research_only"]
    assert len(manifest["parity"]) == 10 and all(row["passed"] for row in manifest["parity"])
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| generated | real |" in card and "rear_left_paw" in card

    body = body_image(5, size=160, split="test")
    answers = []
    for runtime in ("onnx", "litert"):
        with ModelBundle.load(archive, runtime=runtime, precision="fp32", threads=1) as loaded:
            assert loaded.fallbacks == ()
            low = {**loaded.thresholds, "score": 0.001}
            (found,) = Detector(loaded.stage("detector"), low).detect([body.image])
            assert len(found) > 0 and np.isfinite(found.headings_rad).all()
            box, heading = found.boxes_xyxy_px[:1], found.headings_rad[:1]
            pose = PoseEstimator(loaded.stage("pose")).estimate(body.image, box, heading)
            assert pose.shape == (1, 24, 3) and np.isfinite(pose).all()
            answers.append((found.boxes_xyxy_px[0], pose[0]))
    np.testing.assert_allclose(answers[0][0], answers[1][0], atol=0.1)
