"""`daengdong bench pose-models`: the product's table for two real bundles over real clips."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from daengdong.bench_commands import bench
from daengdong.bundles import SHIPPED
from tests.support.clips import FACE, WALK, web_page
from tests.support.tiny_bundles import pose_bundle as tiny_pose

pytest.importorskip("onnxruntime")
pytest.importorskip("av")

app = typer.Typer()
app.add_typer(bench, name="bench")
POSE = SHIPPED / "dog-pose"
COLUMNS = {
    "video_id", "tag", "model", "t_keypoint_ms", "t_total_ms", "valid_frames", "valid_ratio",
    "mean_kp_conf", "status", "fail_code",
}  # fmt: skip


def run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["bench", "pose-models", *(str(word) for word in words)])
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder with a subfolder for each tag."""
    for tag, clip in (("good", WALK), ("hard", FACE)):
        (tmp_path / tag).mkdir()
        shutil.copy(clip, tmp_path / tag / clip.name)
    (tmp_path / "fail").mkdir()
    web_page(tmp_path / "fail" / "page.mp4")
    return tmp_path


def test_two_bundles_give_the_products_table(videos: Path, tmp_path: Path) -> None:
    weak = tiny_pose(tmp_path / "bundles" / "tiny-pose").folder
    answer: dict[str, Any] = json.loads(run(POSE, weak, "--videos", videos, "--json"))
    rows = answer["videos"]
    assert all(set(row) == COLUMNS for row in rows)
    by = {(row["video_id"], row["model"]): row for row in rows}
    assert len(by) == 6
    walk = by["walk-sound", "dog-pose"]
    assert (walk["tag"], walk["status"], walk["fail_code"]) == ("good", "succeeded", None)
    assert walk["valid_frames"] >= 90 and walk["valid_ratio"] > 0.9 and walk["mean_kp_conf"] > 0.5
    assert 0 < walk["t_keypoint_ms"] < walk["t_total_ms"]
    assert by["walk-sound", "tiny-pose"]["fail_code"] == "DOG_NOT_TRACKED"
    assert by["face", "dog-pose"]["fail_code"] == "INSUFFICIENT_FRAMES"
    assert by["page", "dog-pose"]["fail_code"] == "INVALID_FILE_TYPE"
    strong, other = answer["models"]
    assert (strong["model"], strong["videos"]) == ("dog-pose", 3)
    assert strong["failed_share"] == pytest.approx(2 / 3, abs=1e-3)
    assert strong["t_keypoint_ms_p50"] == walk["t_keypoint_ms"]
    assert other["failed_share"] == 1 and other["t_keypoint_ms_p50"] is None


def test_a_bundle_compared_with_itself_is_told_apart(videos: Path) -> None:
    answer = json.loads(run(POSE, POSE, "--videos", videos / "hard", "--json", "--fps", 6))
    assert [one["model"] for one in answer["models"]] == ["A:dog-pose", "B:dog-pose"]
    told = run(POSE, POSE, "--videos", videos / "hard", "--fps", 6)
    assert "6 frames a second" in told and "by model" in told and "face" in told


def test_faults_are_told_with_a_code(tmp_path: Path) -> None:
    nothing = json.loads(run(POSE, POSE, "--videos", tmp_path, "--json", code=1))
    assert nothing["error"]["code"] == "no_videos"
    gone = json.loads(run(POSE, tmp_path / "none", "--videos", WALK, "--json", code=1))
    assert gone["error"]["code"] == "bundle_not_found"
    wrong = SHIPPED / "dog-face"
    other = json.loads(run(POSE, wrong, "--videos", WALK, "--json", code=1))
    assert other["error"]["code"] == "stage_unknown"
