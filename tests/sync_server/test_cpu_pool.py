"""Worker processes: results and failures over the pipe, time limits, deaths, the parent's end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sync_server.ai.cpu_pool import CpuCallBroke, ProcessPool, WorkerDied
from sync_server.ai.stages import StageUnavailable
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.anyio
HERE = "tests.support.job_pipelines"


@pytest.fixture
async def pool() -> AsyncIterator[ProcessPool]:
    made = ProcessPool(2)
    yield made
    await made.close()
    assert made.pids == []


def _gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


async def _until_gone(*pids: int) -> None:
    async with asyncio.timeout(120):
        while not all(_gone(pid) for pid in pids):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_call_runs_in_another_process_that_stays(pool: ProcessPool) -> None:
    first = await pool.call(f"{HERE}:pid", "", timeout_s=120)
    second = await pool.call(f"{HERE}:pid", "", timeout_s=120)
    assert first == second != os.getpid()


async def test_what_a_function_prints_does_not_disturb(pool: ProcessPool) -> None:
    assert await pool.call(f"{HERE}:shout", "", timeout_s=120) == "said"


async def test_a_failure_of_a_stage_comes_over_whole(pool: ProcessPool) -> None:
    with pytest.raises(StageUnavailable) as raised:
        await pool.call(f"{HERE}:refuse", "", timeout_s=120)
    failure = raised.value
    assert (failure.code, failure.ko, failure.en) == ("X_DOWN", "안 됩니다.", "Down.")
    assert (failure.reason, failure.retry_after_s) == ("TEST", 1.5)
    assert (failure.details, failure.percent) == ({"a": 1}, 7)


async def test_a_fault_of_the_program_says_what_it_was(pool: ProcessPool) -> None:
    with pytest.raises(CpuCallBroke, match="ValueError: a fault"):
        await pool.call(f"{HERE}:break_down", "", timeout_s=120)
    assert await pool.call(f"{HERE}:shout", "", timeout_s=120) == "said"


async def test_a_call_past_its_time_is_killed_and_the_next_one_works(pool: ProcessPool) -> None:
    pid = await pool.call(f"{HERE}:pid", "", timeout_s=120)
    with pytest.raises(TimeoutError):
        await pool.call(f"{HERE}:sleep", 600, timeout_s=0.3)
    await _until_gone(pid)
    assert await pool.call(f"{HERE}:pid", "", timeout_s=120) != pid


async def test_a_process_that_dies_is_noticed_and_replaced(pool: ProcessPool) -> None:
    with pytest.raises(WorkerDied):
        await pool.call(f"{HERE}:die", "", timeout_s=120)
    pid = await pool.call(f"{HERE}:pid", "", timeout_s=120)
    os.kill(pid, signal.SIGKILL)  # while idle
    await _until_gone(pid)
    with pytest.raises(WorkerDied):
        # Whether its death is seen before or during the call is a race; either is answered.
        await pool.call(f"{HERE}:die", "", timeout_s=120)


async def test_a_cancelled_call_ends_its_process(pool: ProcessPool) -> None:
    pid = await pool.call(f"{HERE}:pid", "", timeout_s=120)
    call = asyncio.create_task(pool.call(f"{HERE}:sleep", 600, timeout_s=900))
    await asyncio.sleep(0.2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await _until_gone(pid)


async def test_no_more_calls_at_a_time_than_processes(pool: ProcessPool) -> None:
    pids = await asyncio.gather(*(pool.call(f"{HERE}:pid", "", timeout_s=120) for _ in range(8)))
    assert 1 <= len(set(pids)) <= 2


PARENT = """
import asyncio, sys
from sync_server.ai.cpu_pool import ProcessPool
async def main():
    pool = ProcessPool(2)
    call = asyncio.create_task(pool.call("tests.support.job_pipelines:burn", 600, timeout_s=900))
    print(await pool.call("tests.support.job_pipelines:pid", "", timeout_s=60), flush=True)
    while len(pool.pids) < 2:
        await asyncio.sleep(0.05)
    print(*pool.pids, flush=True)
    await call
asyncio.run(main())
"""


async def test_worker_processes_end_with_their_parent() -> None:
    parent = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert parent.stdout is not None
    parent.stdout.readline()
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2 and not any(map(_gone, pids))
    time.sleep(0.2)  # noqa: ASYNC251
    parent.kill()
    parent.wait(10)
    parent.stdout.close()
    await _until_gone(*pids)
