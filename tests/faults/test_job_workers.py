"""Workers as processes: one that a job kills, one that is told to stop, what they show."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.job_world import Process, World
from tests.support.postgres import free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An orchestrator and two workers on SQLite; who ends is started again by the tests."""
    made = World(tmp_path, "", True, None)
    made.start()
    yield made
    made.stop()


def wait(reached: Callable[[], bool], world: World, supervise: bool = True) -> None:
    deadline = time.monotonic() + 180
    while not reached():
        if supervise:
            world.supervise()
        assert time.monotonic() < deadline, world.log_tail()
        time.sleep(0.1)


def face(job_id: str, act: str = "") -> dict[str, Any]:
    return {"job_id": job_id, "job_type": "EMOTION_INFERENCE", "frame_id": act,
            "frame_url": "https://cdn.example/a.jpg"}  # fmt: skip


def status(world: World, job_id: str) -> str:
    rows = world.rows(f"SELECT status FROM ai_job WHERE job_id = '{job_id}'")
    return rows[0][0] if rows else ""


def test_a_job_that_kills_its_workers_fails_and_its_neighbours_do_not(world: World) -> None:
    world.submit("face", face("poison", "MISSION_INFERENCE=kill"))
    neighbours = [f"n{number}" for number in range(6)]
    for job_id in neighbours:
        world.submit("face", face(job_id))
    wait(lambda: status(world, "poison") == "failed", world)
    wait(lambda: all(status(world, job_id) == "succeeded" for job_id in neighbours), world)
    (row,) = world.rows("SELECT code, failure_type, error FROM ai_job WHERE job_id = 'poison'")
    assert row[:2] == ("INTERNAL_ERROR", "SYSTEM_ERROR")
    assert json.loads(row[2])["reason"] == "WORKER_CRASHED"
    notes = (world.folder / "notes").read_text().splitlines()
    assert len([n for n in notes if n.startswith("poison - MISSION_INFERENCE")]) == 3


def test_a_worker_that_is_told_to_stop_finishes_first(world: World) -> None:
    for process in world.processes[1:]:
        process.environment["DAENGDONG_TEST_STAGE_S"] = "1.5"
    world.processes[2].kill()
    world.processes[1].kill()
    world.processes[1].start()
    world.submit("face", face("j1"))
    wait(lambda: status(world, "j1") == "processing", world, supervise=False)
    world.processes[1].kill(signal.SIGTERM)
    assert status(world, "j1") == "succeeded"
    pid = world.rows("SELECT COUNT(*) FROM ai_executor WHERE lease_until_ms > 0")
    assert pid == [("0",)], "the lease was given back"
    lines = (world.folder / "notes").read_text().splitlines()
    stages = [line.split()[:3] for line in lines]
    assert stages and len(stages) == len({tuple(stage) for stage in stages}), "none ran twice"


def test_a_worker_shows_health_and_metrics(world: World, tmp_path: Path) -> None:
    port = free_port()
    words = ["-m", "tests.faults.job_process", "worker", "--port", str(port)]
    third = Process(words, world.processes[1].environment, tmp_path / "third.log")
    for process in world.processes[1:]:
        process.kill()
    third.start()
    try:
        world.submit("face", face("j1"))
        wait(lambda: status(world, "j1") == "succeeded", world, supervise=False)
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").json() == {"status": "ok"}
        shown = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert 'daengdong_ai_jobs_total{code="ok",job_type="EMOTION_INFERENCE"' in shown
        assert 'stage="MISSION_INFERENCE"' in shown
        assert httpx.get(f"http://127.0.0.1:{port}/other").status_code == 404
    finally:
        third.kill()
