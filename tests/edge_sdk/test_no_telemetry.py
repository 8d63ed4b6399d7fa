"""A phone that opens a bundle tells nobody: ONNX Runtime's own reporting stays off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
BUNDLE = Path(__file__).resolve().parents[2] / "assets" / "models" / "dog-face"


def test_opening_a_bundle_starts_no_telemetry(tmp_path: Path) -> None:
    environment = {name: v for name, v in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    code = (
        "from edge_sdk import ModelBundle\n"
        f"ModelBundle.load({str(BUNDLE)!r}, runtime='onnx').close()\n"
        "import sys; assert 'onnxruntime' in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "TMPDIR": str(tmp_path), "PYTHONPATH": str(BUNDLE.parents[2])},
        check=True,
    )
    # Its session file appears as soon as the uploader is made (onnxruntime 1.31).
    assert list(tmp_path.iterdir()) == []
