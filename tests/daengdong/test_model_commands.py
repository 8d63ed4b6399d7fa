"""`daengdong analyze` and `daengdong models`: real bundles, real files, plain words for faults."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from daengdong import analyze_commands
from daengdong.analyze_commands import analyze
from daengdong.bundles import bundles_in, loaded
from daengdong.model_commands import models
from edge_sdk.errors import BundleNotFound
from tests.support.scripted_models import emotion_bundle, face_bundle, paint_face, picture
from tests.support.tiny_bundles import TinyBundle
from tests.support.tiny_bundles import emotion_bundle as tiny_emotion
from tests.support.tiny_bundles import pose_bundle as tiny_pose
from tests.support.videos import write_video

pytest.importorskip("onnxruntime")
pytest.importorskip("av")

app = typer.Typer()
app.add_typer(analyze, name="analyze")
app.add_typer(models, name="models")


def _run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


def _json(*words: object, code: int = 0) -> Any:
    return json.loads(_run(*words, "--json", code=code))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bundles")
    tiny_emotion(made / "tiny-emotion")
    tiny_pose(made / "tiny-pose")
    return made


@pytest.fixture
def noise_video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "walk.mp4", [picture(seed=i) for i in range(70)], fps=20)


# --- models ----------------------------------------------------------------------------------
def test_list_shows_what_each_bundle_is(folder: Path) -> None:
    listed = {one["name"]: one for one in _json("models", "list", folder)}
    assert set(listed) == {"tiny-emotion", "tiny-pose"}
    assert listed["tiny-pose"]["task"] == "pose"
    assert listed["tiny-pose"]["nets"] == "detector (onnx/fp32), pose (onnx/fp32)"
    assert listed["tiny-emotion"]["licence"] == "Apache-2.0"
    assert "tiny-pose" in _run("models", "list", folder)


def test_a_broken_bundle_is_listed_with_its_fault(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{}")
    (listed,) = _json("models", "list", tmp_path)
    assert "manifest" in listed["error"]


def test_verify_runs_every_variant_against_its_golden_vectors(folder: Path) -> None:
    checked = _json("models", "verify", folder / "tiny-pose")
    assert [one["status"] for one in checked] == ["right"] * 5
    assert {one["what"] for one in checked} >= {"files", "pose golden", "pose onnx/fp32"}


def test_verify_fails_for_a_changed_file(tmp_path: Path) -> None:
    bundle: TinyBundle = tiny_pose(tmp_path / "tiny-pose")
    (bundle.folder / "MODEL_CARD.md").write_text("changed")
    checked = _json("models", "verify", bundle.folder, code=1)
    assert checked[-1]["status"] == "wrong"


def test_verify_reads_a_zip_and_leaves_nothing_behind(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tiny_pose(tmp_path / "tiny-pose")
    archive = bundle.zip(tmp_path / "tiny-pose.zip")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert all(one["status"] == "right" for one in _json("models", "verify", archive))
    assert list(temporary.iterdir()) == []


def test_bench_times_each_variant_in_its_own_process(folder: Path) -> None:
    measured = _json("models", "bench", folder / "tiny-pose", "--threads", 1)
    assert [(one["times"]["stage"], one["times"]["runtime"]) for one in measured] == [
        ("detector", "onnx"),
        ("pose", "onnx"),
    ]
    for one in measured:
        times = one["times"]
        assert times["error"] is None
        assert 0 < times["p50_ms"] <= times["p95_ms"]
        assert times["rss_mib"] >= 0


def test_an_empty_folder_has_no_bundle(tmp_path: Path) -> None:
    for command in ("list", "verify", "bench"):
        assert _json("models", command, tmp_path, code=1)["error"]["code"] == "bundle_not_found"


# --- which bundles ---------------------------------------------------------------------------
def test_a_named_bundle_takes_the_place_of_its_task(folder: Path) -> None:
    with loaded(("emotion",), [folder / "tiny-emotion"]) as found:
        assert found["emotion"].manifest.name == "tiny-emotion"


def test_shipped_bundles_are_found_by_task_but_not_those_for_research_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tiny_pose(tmp_path / "tiny-pose")
    monkeypatch.setattr("daengdong.bundles.SHIPPED", tmp_path)
    with loaded(("pose",), []) as found:
        assert found["pose"].manifest.name == "tiny-pose"
    licence = type(bundle.manifest.licence)(
        spdx="CC-BY-NC-4.0", notice="research", research_only=True
    )
    bundle.write(licence=licence)
    with pytest.raises(BundleNotFound, match="--bundle"), loaded(("pose",), []):
        pytest.fail("a research bundle must be named")
    with loaded(("pose",), [bundle.folder]) as found:
        assert found["pose"].manifest.licence.research_only


def test_a_folder_that_is_a_bundle_stands_for_itself(folder: Path) -> None:
    assert bundles_in(folder / "tiny-pose") == [folder / "tiny-pose"]
    assert len(bundles_in(folder)) == 2


# --- analyze ---------------------------------------------------------------------------------
def test_gait_runs_real_nets_and_scores_no_noise(
    folder: Path, tmp_path: Path, noise_video: Path
) -> None:
    pose = folder / "tiny-pose"
    out = tmp_path / "out"
    made = _json("analyze", "gait", noise_video, "--bundle", pose, "--out", out)
    assert {metric["score"] for metric in made["metrics"].values()} == {None}
    assert made["artifacts"]["status"] == "ready"
    assert sorted(path.name for path in out.iterdir()) == ["overlay.mp4", "report.png"]
    assert made["model_version"].startswith("gait_pipeline_v1:tiny-pose-2026.11.1")
    assert "100 is sound" in _run("analyze", "gait", noise_video, "--bundle", pose)


def test_mission_runs_real_nets_and_refuses_what_is_no_mission(
    folder: Path, noise_video: Path
) -> None:
    pose = folder / "tiny-pose"
    judged = _json("analyze", "mission", "sit", noise_video, "--bundle", pose)
    assert (judged["mission"], judged["success"]) == ("SIT", False)
    unknown = _json("analyze", "mission", "ROLL", noise_video, "--bundle", pose, code=1)
    assert unknown["error"]["code"] == "INVALID_MISSION_TYPE"


def test_bad_files_end_in_one_line_with_the_code(folder: Path, tmp_path: Path) -> None:
    html = tmp_path / "a.mp4"
    html.write_text("<html>no</html>" * 40)
    pose = folder / "tiny-pose"
    wrong = _json("analyze", "gait", html, "--bundle", pose, code=1)["error"]
    assert wrong["code"] == "INVALID_FILE_TYPE"
    assert "web page" in wrong["reason"]
    missing = _json("analyze", "gait", tmp_path / "no.mp4", "--bundle", pose, code=1)["error"]
    assert missing["code"] == "no_such_file"
    none = _json("analyze", "gait", html, "--bundle", tmp_path / "no", code=1)["error"]
    assert none["code"] == "bundle_not_found"


def test_face_prints_the_dog_s_words_and_keeps_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [paint_face(picture(seed=1), (90, 60, 210, 200), emotion="sad") for _ in range(40)]
    video = write_video(tmp_path / "face.mp4", frames, fps=20)

    @contextmanager
    def scripted(tasks: object, named: object) -> Any:
        yield {"face_detection": face_bundle(), "emotion": emotion_bundle()}

    monkeypatch.setattr(analyze_commands, "loaded", scripted)
    made = _json("analyze", "face", video, "--out", tmp_path / "out")
    assert made["result"]["predicted_emotion"] == "sad"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["face.jpg", "frame.jpg"]
    text = _run("analyze", "face", video, "--from", 0.5, "--to", 1.5)
    assert "sad" in text
    assert "나" in text
    long = write_video(tmp_path / "long.mp4", [frames[0]] * 60, fps=5)
    error = _json("analyze", "face", long, code=1)["error"]
    assert (error["code"], error["details"]) == ("VIDEO_TOO_LONG", {"max_duration_sec": 10.0})
    assert "sad" in _run("analyze", "face", long, "--to", 5)
