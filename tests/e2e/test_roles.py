"""The product's videos to results: by one process, and by three roles apart over PostgreSQL."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from daengdong.demo_jobs import JobsResult, analyse_on_server
from daengdong.demo_vet import VetRow, ask_vet
from daengdong.phone import open_phone
from tests.conftest import REPOSITORY
from tests.support.command import run
from tests.support.postgres import Postgres, free_port

TRACK = REPOSITORY / "assets" / "tracks" / "forest-stroll.gpx"
SECRET = "whsec_" + base64.b64encode(b"between the roles of an e2e test").decode()
START_S = 90.0
pytestmark = pytest.mark.anyio


@dataclass
class Roles:
    """Processes of the program that serve one folder; `address` is the backend's."""

    folder: Path
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *words: str, **more: str) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "DAENGDONG_DATA_DIR": str(self.folder),
            "DAENGDONG_LOG_LEVEL": "warning",
            "DAENGDONG_PUBLIC_URL": self.address,
            **self.settings,
            **{f"DAENGDONG_{name.upper()}": value for name, value in more.items()},
        }
        with (self.folder / "log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "daengdong", *words],
                    env=environment,
                    stdout=log,
                    stderr=log,
                    cwd=REPOSITORY,
                )
            )

    def wait_for(self, address: str, path: str = "/healthz") -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{address}{path}", timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text()[-3000:])

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[Roles]:
    roles = Roles(tmp_path, {"DAENGDONG_DATABASE_URL": ""})
    roles.start("serve", "--port", str(roles.port))
    roles.wait_for(roles.address, "/readyz")
    yield roles
    roles.stop()


@pytest.fixture
def apart(tmp_path: Path, postgres: Postgres) -> Iterator[Roles]:
    ai_port = free_port()
    roles = Roles(
        tmp_path,
        {
            "DAENGDONG_DATABASE_URL": postgres.url("e2e_app"),
            "DAENGDONG_AI_DATABASE_URL": postgres.url("e2e_ai"),
            "DAENGDONG_INTERNAL_SECRETS": SECRET,
            "DAENGDONG_SECRET_KEY": "one key for all roles of this test, as in production",
            "DAENGDONG_OBJECT_STORE_URL": f"file://{tmp_path / 'objects'}",
            "DAENGDONG_AI_URL": f"http://127.0.0.1:{ai_port}",
        },
    )
    # As behind a proxy: users know another address than the AI role does.
    roles.settings["DAENGDONG_INTERNAL_URL"] = roles.address
    roles.settings["DAENGDONG_PUBLIC_URL"] = "https://daengdong.example"
    (tmp_path / "objects").mkdir()
    roles.start("serve", "--port", str(roles.port), role="api")
    roles.start("serve", "--port", str(ai_port), role="ai")
    roles.wait_for(roles.address, "/readyz")
    roles.wait_for(f"http://127.0.0.1:{ai_port}")
    roles.start("worker", role="worker")
    yield roles
    roles.stop()


async def _walk_and_analyse(
    roles: Roles, home: Path, tell: Callable[[str], None]
) -> tuple[JobsResult, dict[str, Any], tuple[VetRow, ...]]:
    async with open_phone(home, roles.address) as phone:
        await phone.sign_in()
        dog_id = await phone.set_up("하늘", "보리")
    walked = run("walk", "replay", TRACK, "--home", home, "--server", roles.address, "--json")
    assert walked.code == 0, walked.err
    walk_id = json.loads(walked.out)["walk"]["walk_id"]
    async with open_phone(home, roles.address) as phone:
        result = await analyse_on_server(phone, roles.address, walk_id, home / "jobs", tell)
        await phone.sync()
        history = await phone.get("/api/healthcare/history", dog_id=dog_id)
        asked = await ask_vet(phone, roles.address, tell=lambda _: None, show=lambda _: None)
    return result, history, asked


def _holds(result: JobsResult, history: dict[str, Any], told: list[str], home: Path) -> None:
    rows = {row.task: row for row in result.jobs}
    missions = rows["missions"].answer["result"]["missions"]
    assert [(each["mission_type"], each["success"]) for each in missions] == [
        ("SIT", True), ("JUMP", True), ("DOWN", False),
    ]  # fmt: skip
    face = rows["face"].answer["result"]["emotion"]
    assert sum(face["emotion_probabilities"].values()) == pytest.approx(1, abs=1e-6)
    metrics = rows["gait"].answer["metrics"]
    assert metrics["gait_balance"]["score"] < 85  # the clip's dog is lame
    assert rows["gait"].answer["artifacts"]["status"] == "ready"
    assert (home / "jobs" / "overlay.mp4").stat().st_size > 10_000
    assert (home / "jobs" / "report.png").read_bytes()[:4] == b"\x89PNG"
    for task in rows:
        percents = [int(line.split()[1]) for line in told if line.split()[0] == task]
        assert percents == sorted(percents) and percents[-1] == 100 and len(percents) >= 5
    assert result.diary["walk"]["emotion"] == face["predicted_emotion"]
    (entry,) = result.diary["entries"]
    assert entry["emotion"]["predicted_emotion"] == face["predicted_emotion"]
    assert len(history["sessions"]) == 1


def _answers(asked: tuple[VetRow, ...]) -> None:
    itch, chocolate = (row.answer for row in asked)
    assert itch["citations"][0]["doc_id"] == "itchy-ears"
    assert itch["answer"]["tone"] == "informative" and itch["safety"]["disclaimer"]
    assert chocolate["answer"]["tone"] == "urgent"
    assert "24시간 동물병원" in chocolate["answer"]["content"][:200]
    assert chocolate["conversation_id"] == itch["conversation_id"]


@pytest.mark.slow
async def test_one_process_turns_videos_into_results(one_process: Roles, tmp_path: Path) -> None:
    told: list[str] = []
    result, history, asked = await _walk_and_analyse(one_process, tmp_path / "phone", told.append)
    _holds(result, history, told, tmp_path / "phone")
    _answers(asked)


@pytest.mark.slow
async def test_three_roles_apart_turn_the_same_videos_into_the_same_results(
    apart: Roles, tmp_path: Path
) -> None:
    told: list[str] = []
    result, history, asked = await _walk_and_analyse(apart, tmp_path / "phone", told.append)
    _holds(result, history, told, tmp_path / "phone")
    _answers(asked)
