"""Jobs of the AI role in one process: stages, parts, retries, cancel, events, on both databases."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sync_server.ai.contract import Area, Event, JobRequest, MissionInput
from sync_server.ai.local_role import LocalRole
from sync_server.ai.locks import AlreadyRunning
from sync_server.ai.orchestrator import QUEUED, RequestRefused
from sync_server.ai.role import JobConflict, TooBusy
from sync_server.ai.store import AiStore, JobRow
from sync_server.platform.database import Database
from sync_server.platform.settings import Settings
from tests.support import job_pipelines

pytestmark = pytest.mark.anyio
PATIENCE_S = 120.0
"""Only for tests that would wait for ever."""
VIDEO = "https://cdn.example/a.mp4"


class Backend:
    """Takes events as the backend does: each once, in whatever order they come."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = {}
        self.faults = 0

    async def take(self, job_id: str, event: Event) -> None:
        if self.faults:
            self.faults -= 1
            raise RuntimeError("the backend's database is away")
        self.events.setdefault(job_id, []).append(event)


class Running:
    """A role, its backend, and ways to wait."""

    def __init__(self, role: LocalRole, backend: Backend) -> None:
        self.role, self.backend = role, backend

    async def job(self, job_id: str) -> JobRow:
        assert self.role._store is not None
        found = await self.role._store.job(job_id)
        assert found is not None
        return found

    async def told(
        self, job_id: str, kind: str, count: int = 1, within_s: float = PATIENCE_S
    ) -> Event:
        """Wait until the backend has `count` events of a kind; return the last."""
        async with asyncio.timeout(within_s):
            while True:
                found = [e for e in self.backend.events.get(job_id, []) if e.event_type == kind]
                if len(found) >= count:
                    return found[-1]
                await asyncio.sleep(0.02)

    async def stage(self, job_id: str, name: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (await self.job(job_id)).stage != name:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running_role(
    database_url: str,
    folder: Path,
    backend: Backend | None = None,
    timeout_s: float = 60.0,
    **changes: Any,
) -> AsyncIterator[Running]:
    postgres = database_url.startswith("postgres")
    settings = Settings(
        data_dir=str(folder), database_url=database_url if postgres else "", worker_processes=2,
        **changes,
    )  # fmt: skip
    role = LocalRole(settings)
    backend = backend or Backend()
    role.sink = backend.take
    with job_pipelines.registered(timeout_s):
        await role.start()
        try:
            yield Running(role, backend)
        finally:
            await role.close()


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running_role(database_url, tmp_path) as running:
        yield running


def missions(job_id: str, *acts: str, **more: Any) -> JobRequest:
    inputs = [MissionInput(f"m{n}", "SIT", VIDEO, act) for n, act in enumerate(acts)]
    return JobRequest(job_id, "MISSION_JUDGE", missions=inputs, **more)


def face(job_id: str, act: str = "", **more: Any) -> JobRequest:
    return JobRequest(job_id, "EMOTION_INFERENCE", frame_id=act, frame_url=VIDEO, **more)


async def test_a_job_goes_through_its_stages_and_tells_each(server: Running) -> None:
    accepted = await server.role.submit("face", face("j1"))
    assert (accepted.accepted, accepted.job_id) == (True, "j1")
    complete = await server.told("j1", "COMPLETE")
    assert complete.result is not None and complete.progress is not None
    assert set(complete.result["parts"][""]["marks"]) == set(job_pipelines.NAMES)
    events = server.backend.events["j1"]
    assert [event.event_seq for event in events] == list(range(1, len(events) + 1))
    assert events[0].event_type == "STATUS" and events[0].status == "queued"
    stages = [e.progress.stage for e in events if e.event_type == "PROGRESS" and e.progress]
    assert list(dict.fromkeys(stages)) == list(job_pipelines.NAMES)
    percents = [event.progress.percent for event in events if event.progress]
    assert percents == sorted(percents) and percents[-1] == 100 and 100 not in percents[:-1]
    job = await server.job("j1")
    assert (job.status, job.version, job.result) == ("succeeded", "test-1", complete.result)


async def test_a_mission_that_fails_does_not_stop_the_others(server: Running) -> None:
    await server.role.submit("mission", missions("j1", "VALIDATING=fail", "", "FINALIZING=break"))
    result = (await server.told("j1", "COMPLETE")).result
    assert result is not None
    failed, done, broke = (result["parts"][f"m{n}"] for n in range(3))
    assert failed["failure"]["code"] == "VIDEO_TOO_LONG"
    assert failed["failure"]["failure_type"] == "USER_ERROR"
    assert failed["failure"]["details"] == {"max_s": 5}
    assert done["failure"] is None and len(done["marks"]) == 4
    assert broke["failure"]["code"] == "INTERNAL_ERROR"
    assert broke["failure"]["failure_type"] == "SYSTEM_ERROR"


async def test_missions_of_a_job_do_not_wait_for_each_other(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAENGDONG_TEST_NOTES", str(tmp_path / "notes"))
    # The first can only go on when the last is nearly through.
    await server.role.submit("mission", missions("j1", "VALIDATING=after:m2", "", ""))
    result = (await server.told("j1", "COMPLETE")).result
    assert result is not None
    assert [part["failure"] for part in result["parts"].values()] == [None, None, None]


async def test_a_failed_part_ends_a_job_of_one_part(server: Running) -> None:
    await server.role.submit("face", face("j1", "FETCHING_VIDEO=fail", language="en"))
    failed = await server.told("j1", "FAILED")
    assert failed.error is not None and failed.progress is not None and failed.details is not None
    assert (failed.status, failed.error.code) == ("failed", "VIDEO_TOO_LONG")
    assert failed.error.message == "The video is too long."
    assert failed.details["message"] == {
        "ko": "영상이 너무 깁니다.",
        "en": "The video is too long.",
    }
    assert failed.progress.stage == "FETCHING_VIDEO"
    assert (await server.job("j1")).failure_type == "USER_ERROR"


async def test_what_is_unavailable_is_tried_three_times(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setenv("DAENGDONG_TEST_NOTES", str(notes))
    await server.role.submit("face", face("twice", "FETCHING_VIDEO=down:2"))
    await server.role.submit("face", face("thrice", "FETCHING_VIDEO=down:3"))
    assert (await server.told("twice", "COMPLETE")).status == "finished"
    failed = await server.told("thrice", "FAILED")
    assert failed.error is not None and failed.error.code == "VIDEO_FETCH_FAILED"
    job = await server.job("thrice")
    assert job.failure_type == "SYSTEM_ERROR" and job.error is not None
    assert job.error["reason"] == "EXTERNAL_API_DOWN"
    tries = [line for line in notes.read_text().splitlines() if "FETCHING" in line]
    assert len([line for line in tries if line.startswith("thrice")]) == 3


async def test_a_stage_past_its_time_ends_with_its_processes(
    database_url: str, tmp_path: Path
) -> None:
    async with running_role(database_url, tmp_path, timeout_s=1.0) as server:
        await server.role.submit("face", face("j1", "MISSION_INFERENCE=hang"))
        failed = await server.told("j1", "FAILED")
        assert failed.error is not None and failed.error.code == "MULTIMODAL_API_TIMEOUT"
        assert (await server.job("j1")).failure_type == "SYSTEM_ERROR"
        assert server.role._pool is not None and server.role._pool._busy == set()


async def test_a_worker_process_that_dies_three_times_is_a_system_error(server: Running) -> None:
    await server.role.submit("face", face("j1", "MISSION_INFERENCE=die"))
    failed = await server.told("j1", "FAILED")
    assert failed.error is not None and failed.error.code == "INTERNAL_ERROR"
    assert failed.details is not None and failed.details["reason"] == "WORKER_DIED"


async def test_artifacts_come_later_as_a_second_complete(server: Running) -> None:
    request = JobRequest("j1", video_url=VIDEO)
    await server.role.submit("healthcare", request)
    second = await server.told("j1", "COMPLETE", count=2)
    completes = [e for e in server.backend.events["j1"] if e.event_type == "COMPLETE"]
    assert completes[0].result is not None and "artifacts" not in completes[0].result
    assert second.result is not None and second.result["artifacts"] == "ready"
    assert (second.event_seq or 0) > (completes[0].event_seq or 0)
    assert (await server.job("j1")).amended


async def test_the_same_job_again_is_the_same_and_other_content_a_conflict(
    server: Running,
) -> None:
    for _ in range(3):
        await server.role.submit("face", face("j1"))
    with pytest.raises(JobConflict):
        await server.role.submit("face", face("j1", "FETCHING_VIDEO=fail"))
    await server.told("j1", "COMPLETE")
    await server.role.submit("face", face("j1"))
    assert len([e for e in server.backend.events["j1"] if e.event_type == "STATUS"]) == 1


async def test_a_kind_the_area_does_not_do_is_refused(server: Running) -> None:
    area: Area = "mission"
    with pytest.raises(RequestRefused):
        await server.role.submit(area, face("j1"))


async def test_cancel_ends_a_stage_under_way_and_its_process(server: Running) -> None:
    await server.role.submit("face", face("j1", "MISSION_INFERENCE=hang"))
    await server.stage("j1", "MISSION_INFERENCE")
    async with asyncio.timeout(PATIENCE_S):
        while server.role._pool is None or not server.role._pool._busy:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    (worker,) = server.role._pool._busy
    assert await server.role.cancel("j1")
    told = await server.told("j1", "FAILED")
    assert told.status == "cancelled" and told.error is not None
    assert told.error.code == "JOB_CANCELLED"
    async with asyncio.timeout(PATIENCE_S):
        while worker.alive:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert not await server.role.cancel("j1")
    assert not await server.role.cancel("unknown")
    assert (await server.job("j1")).status == "cancelled"


async def test_an_old_queue_refuses_new_jobs_but_knows_its_own(
    database_url: str, tmp_path: Path
) -> None:
    async with running_role(database_url, tmp_path, queue_age_limit_s=0.3, worker_jobs=1) as server:
        await server.role.submit("face", face("busy", "MISSION_INFERENCE=hang"))
        await server.stage("busy", "MISSION_INFERENCE")
        await server.role.submit("face", face("waits"))
        await asyncio.sleep(0.5)
        with pytest.raises(TooBusy) as refused:
            await server.role.submit("face", face("late"))
        assert refused.value.retry_after_s >= 1
        assert (await server.role.submit("face", face("waits"))).accepted
        assert (await server.role.health())["status"] == "busy"
        await server.role.cancel("busy")
        await server.told("waits", "COMPLETE")


async def test_urgent_jobs_go_first(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setenv("DAENGDONG_TEST_NOTES", str(notes))
    async with running_role(database_url, tmp_path, worker_jobs=1) as server:
        await server.role.submit("face", face("busy", "MISSION_INFERENCE=hang"))
        await server.stage("busy", "MISSION_INFERENCE")
        for priority in (9, 5, 1):
            await server.role.submit("face", face(f"p{priority}", priority=priority))
        await asyncio.sleep(0.5)
        await server.role.cancel("busy")
        for priority in (9, 5, 1):
            await server.told(f"p{priority}", "COMPLETE")
    order = list(dict.fromkeys(line.split()[0] for line in notes.read_text().splitlines()))
    assert order == ["busy", "p1", "p5", "p9"]


async def test_events_wait_for_a_backend_that_is_away(database_url: str, tmp_path: Path) -> None:
    backend = Backend()
    backend.faults = 3
    async with running_role(database_url, tmp_path, backend) as server:
        await server.role.submit("face", face("j1"))
        await server.told("j1", "COMPLETE")
    seqs = [event.event_seq for event in backend.events["j1"]]
    assert seqs == list(range(1, len(seqs) + 1))


async def test_a_job_left_behind_is_done_after_the_restart(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Backend()
    async with running_role(database_url, tmp_path, backend) as server:
        await server.role.submit("face", face("j1", "MISSION_INFERENCE=hang"))
        await server.stage("j1", "MISSION_INFERENCE")
    assert {event.event_type for event in backend.events["j1"]} == {"STATUS", "PROGRESS"}
    monkeypatch.setattr(job_pipelines, "HANG_S", 0.0)
    async with running_role(database_url, tmp_path, backend) as server:
        # Nobody asks: the role finds the job by itself.
        complete = await server.told("j1", "COMPLETE")
    assert complete.result is not None
    assert set(complete.result["parts"][""]["marks"]) == set(job_pipelines.NAMES)


async def test_a_row_of_a_process_that_died_before_it_enqueued_is_run(
    database_url: str, tmp_path: Path
) -> None:
    async with running_role(database_url, tmp_path) as server:
        store = AiStore(Database(server.role.settings.ai_database))
    await store.open()
    await store.add("face", face("j1"), "hash", [""], QUEUED)
    await store.close()
    async with running_role(database_url, tmp_path) as server:
        await server.told("j1", "COMPLETE")


async def test_a_second_process_on_the_folder_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite'}"
    async with running_role(url, tmp_path):
        with pytest.raises(AlreadyRunning, match=str(os.getpid())):
            async with running_role(url, tmp_path):
                pass
