"""The papers say what is there: their code runs, their links lead somewhere, their names exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAPERS = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *(p for p in (REPOSITORY / "docs").rglob("*.md") if "node_modules" not in p.parts),
        *(REPOSITORY / "assets").rglob("*.md"),
    ]
)
READMES = ("README.md", "README.ko.md")
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")
_METRIC = re.compile(r"\bdaengdong_[a-z_]+")


def _text(path: str | Path) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def _metrics() -> set[str]:
    """Return the names of the server's metrics as Prometheus sees them."""
    found = [
        pair
        for file in (REPOSITORY / "sync_server").rglob("*.py")
        for pair in re.findall(r"(Histogram|Counter|Gauge)\(\s*\"(\w+)\"", _text(file))
    ]
    names = {name for _, name in found}
    for kind, name in found:
        if kind == "Histogram":
            names |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"}
    return names


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(paper: Path) -> None:
    text = re.sub(r"```.*?```", "", _text(paper), flags=re.DOTALL)
    missing = [
        link
        for link in _LINK.findall(text)
        if not (paper.parent / unquote(link)).resolve().exists()
    ]
    assert missing == []


@pytest.mark.parametrize("readme", READMES)
def test_the_code_of_the_readme_prints_what_stands_below_it(readme: str, tmp_path: Path) -> None:
    pairs = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", _text(readme), re.DOTALL)
    assert len(pairs) == 2
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "utf-8"}
    for code, told in pairs:
        done = subprocess.run(
            [sys.executable, "-c", code.replace("/tmp/", f"{tmp_path}/")],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, told), done.stderr


def test_both_readmes_give_the_same_figures() -> None:
    numbers = [re.findall(r"\d[\d,.]*", re.sub(r"\s", "", _figures(name))) for name in READMES]
    assert sorted(numbers[0]) == sorted(numbers[1])


def _figures(readme: str) -> str:
    lines = _text(readme).splitlines()
    return "\n".join(line for line in lines if "`benchmarks/" in line and line.startswith("|"))


@pytest.mark.parametrize(
    "paper",
    ["deploy/alerts.yaml", "deploy/grafana-dashboard.json", "docs/tutorials/server-operator.md"],
)
def test_every_metric_that_is_named_exists(paper: str) -> None:
    named = set(_METRIC.findall(_text(paper)))
    assert named
    assert named <= _metrics()


def test_the_dashboard_is_sound() -> None:
    board = json.loads(_text("deploy/grafana-dashboard.json"))
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        for target in panel.get("targets", []):
            assert target["expr"].count("(") == target["expr"].count(")")


def test_the_operators_table_names_every_setting() -> None:
    source = _text("sync_server/platform/settings.py")
    body = source.split("class Settings", 1)[1].split("    @property", 1)[0]
    settings = {name.upper() for name in re.findall(r"^    (\w+): ", body, re.MULTILINE)}
    assert len(settings) > 10
    tutorial = _text("docs/tutorials/server-operator.md")
    assert {name for name in settings if f"`{name}`" not in tutorial} - {
        "KAKAO_AUTH_URL",
        "KAKAO_API_URL",
    } == set()


def test_the_tests_that_the_threat_model_names_exist() -> None:
    text = _text("docs/threat-model.md")
    named = set(re.findall(r"`((?:tests/|benchmarks/)[\w/]+\.py)`", text))
    assert len(named) > 8
    assert {name for name in named if not (REPOSITORY / name).is_file()} == set()
    short = set(re.findall(r"`(test_\w+\.py)`", text))
    known = {path.name for path in (REPOSITORY / "tests").rglob("test_*.py")}
    assert short <= known
