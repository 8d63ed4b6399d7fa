"""`daengdong jobs` on jobs that no worker has taken."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sync_server.ai.contract import Event, JobRequest
from sync_server.ai.local_role import LocalRole
from sync_server.platform.settings import Settings
from tests.support.command import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    async def take(job_id: str, event: Event) -> None:
        """A backend that wants to know nothing."""

    async def queue() -> None:
        role = LocalRole(Settings(data_dir=str(tmp_path), role="ai"))
        role.sink = take
        await role.start()
        for number in (1, 2):
            await role.submit(
                "healthcare", JobRequest(f"job-{number}", video_url="https://cdn.example/a.mp4")
            )
        await role.close()

    asyncio.run(queue())
    return tmp_path


def test_jobs_are_listed_shown_cancelled_and_retried(folder: Path) -> None:
    settings = {"DAENGDONG_DATA_DIR": str(folder)}
    listed = run("jobs", "list", "--json", settings=settings).json()["jobs"]
    assert [(job["job_id"], job["status"]) for job in listed] == [
        ("job-2", "queued"), ("job-1", "queued")
    ]  # fmt: skip
    shown = run("jobs", "show", "job-1", "--json", settings=settings).json()
    assert shown["request"]["video_url"] == "https://cdn.example/a.mp4"
    assert run("jobs", "cancel", "job-1", "--json", settings=settings).json() == {
        "cancelled": "job-1"
    }
    assert run("jobs", "retry", "job-1", "--json", settings=settings).json() == {"queued": "job-1"}
    again = run("jobs", "show", "job-1", "--json", settings=settings).json()
    assert (again["status"], again["run_no"], again["code"]) == ("queued", 1, None)
    table = run("jobs", "list", "--status", "queued", settings=settings)
    assert table.code == 0 and "job-1" in table.out and "GAIT_ANALYSIS" in table.out


def test_an_unknown_job_is_told(folder: Path) -> None:
    settings = {"DAENGDONG_DATA_DIR": str(folder)}
    assert run("jobs", "show", "nobody", "--json", settings=settings).error == "not_found"
