"""AI jobs at scale: is every core busy, is enqueuing quick, does the event loop stay free?

    python benchmarks/jobs.py [--jobs 1000] [--workers 4]

A PostgreSQL of its own, one orchestrator here, worker processes (`daengdong worker`) with one
decoding process each. A job is four stages; one of them burns $DAENGDONG_BENCH_CPU_S (1) seconds
of CPU time in the pool, half of what the shortest real job takes, the others wait 5 ms. Cores: the
share of their time that went to the jobs' own work (ideal: all of it). Busy: the share of the time
in which each decoding process had a call to burn for. The lag of the event loop is measured in a
process that does both halves (role `all`). Takes 9 minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sync_server.ai import registry
from sync_server.ai.contract import Event, JobRequest
from sync_server.ai.local_role import LocalRole
from sync_server.ai.stages import Json, PartOutcome, Pipeline, Stage, StageContext
from sync_server.platform.settings import Settings
from tests.support.postgres import Postgres

REPOSITORY = Path(__file__).resolve().parents[1]
GOALS = {"cores": 0.90, "busy": 0.90, "enqueue_p95_ms": 50.0, "lag_p99_ms": 50.0}
CPU_S = float(os.environ.get("DAENGDONG_BENCH_CPU_S", "1"))


def burn(seconds: float) -> float:
    """Use so much CPU time; return how long it took by the clock."""
    start, end = time.perf_counter(), time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1_000))
    return time.perf_counter() - start


def pipeline() -> Pipeline:
    """Four stages, one of them heavy."""

    async def light(context: StageContext, state: Json) -> Json:
        await asyncio.sleep(0.005)
        return {}

    async def heavy(context: StageContext, state: Json) -> Json:
        return {"s": await context.services.cpu.call("benchmarks.jobs:burn", CPU_S, timeout_s=120)}

    def combine(job: JobRequest, parts: Sequence[PartOutcome], start: int, end: int) -> Json:
        return dict(parts[0].state or {})

    stages = (
        Stage("VALIDATING", (1, 5), "", "", light, 60),
        Stage("FETCHING_VIDEO", (5, 20), "", "", light, 60),
        Stage("MISSION_INFERENCE", (20, 95), "", "", heavy, 300),
        Stage("FINALIZING", (95, 99), "", "", light, 60),
    )
    return Pipeline("EMOTION_INFERENCE", "bench", stages, combine, "finished")


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile of values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def _lag(lags: list[float]) -> None:
    while True:
        start = time.perf_counter()
        await asyncio.sleep(0.005)
        lags.append((time.perf_counter() - start - 0.005) * 1000)


async def _submit(role: LocalRole, count: int) -> list[float]:
    took = []
    for number in range(count):
        job = JobRequest(
            f"bench-{number}", "EMOTION_INFERENCE", frame_id="f", frame_url="https://a/b"
        )
        start = time.perf_counter()
        await role.submit("face", job)
        took.append((time.perf_counter() - start) * 1000)
    return took


async def scale(folder: Path, url: str, jobs: int, workers: int) -> dict[str, float]:
    """Queue all jobs, then let the workers at them; return times."""
    registry.register(pipeline())
    done: dict[str, float] = {}
    everything = asyncio.Event()

    async def take(job_id: str, event: Event) -> None:
        if event.event_type == "COMPLETE":
            done[job_id] = (event.result or {}).get("s", 0.0)
            if len(done) == jobs:
                everything.set()

    settings = Settings(data_dir=str(folder), role="ai", database_url=url, queue_age_limit_s=1e6)
    role = LocalRole(settings)
    role.sink = take
    await role.start()
    took = await _submit(role, jobs)
    assert role._store is not None
    while await role._store.to_enqueue():  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    environment = {
        **os.environ, "PYTHONPATH": str(REPOSITORY), "DAENGDONG_DATA_DIR": str(folder),
        "DAENGDONG_DATABASE_URL": url, "DAENGDONG_WORKER_PROCESSES": "1",
        "DAENGDONG_WORKER_JOBS": "4", "DAENGDONG_LOG_LEVEL": "warning",
        "DAENGDONG_BENCH_CPU_S": str(CPU_S),
    }  # fmt: skip
    running = [
        subprocess.Popen([sys.executable, __file__, "--worker"], env=environment, cwd=REPOSITORY)  # noqa: ASYNC220
        for _ in range(workers)
    ]
    # From when all of them are at work: starting Python is not what is measured.
    while len(done) < jobs * 0.02:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    count, first, start = len(done), sum(done.values()), time.perf_counter()
    await everything.wait()
    wall_s = time.perf_counter() - start
    for process in running:
        process.send_signal(signal.SIGTERM)
    for process in running:
        process.wait(60)
    await role.close()
    busy = (sum(done.values()) - first) / (workers * wall_s)
    worked_s = CPU_S * (jobs - count)
    cores = worked_s / (min(workers, os.cpu_count() or 1) * wall_s)
    return {"wall_s": wall_s, "cores": cores, "busy": busy, "enqueue_p95_ms": quantile(took, 0.95)}


async def loop_lag(folder: Path, jobs: int) -> float:
    """Return the p99 of the loop's lag while a process takes and runs jobs."""
    registry.register(pipeline())
    done: set[str] = set()

    async def take(job_id: str, event: Event) -> None:
        if event.event_type == "COMPLETE":
            done.add(job_id)

    role = LocalRole(Settings(data_dir=str(folder), worker_processes=2, queue_age_limit_s=1e6))
    role.sink = take
    await role.start()
    await role.submit("face", JobRequest("first", "EMOTION_INFERENCE", frame_url="https://a/b"))
    while "first" not in done:  # the engine's start is not what is measured  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    lags: list[float] = []
    measuring = asyncio.create_task(_lag(lags))
    await _submit(role, jobs)
    while len(done) < jobs + 1:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    measuring.cancel()
    await role.close()
    return quantile(lags, 0.99)


async def idle_lag(seconds: float = 3.0) -> float:
    """Return the p99 of the lag of a loop that does nothing: what the machine itself does."""
    lags: list[float] = []
    measuring = asyncio.create_task(_lag(lags))
    await asyncio.sleep(seconds)
    measuring.cancel()
    return quantile(lags, 0.99)


def main() -> None:
    """Measure and print beside the goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--worker", action="store_true", help="be one of the workers")
    options = parser.parse_args()
    if options.worker:
        from sync_server.platform.logs import configure_logs
        from sync_server.platform.settings import load_settings
        from sync_server.worker_main import run_worker

        registry.register(pipeline())
        os.environ["DAENGDONG_ROLE"] = "worker"
        configure_logs("warning")
        asyncio.run(run_worker(load_settings()))
        return
    postgres = Postgres.create()
    try:
        with tempfile.TemporaryDirectory() as folder:
            url = postgres.url("bench")
            found = asyncio.run(scale(Path(folder), url, options.jobs, options.workers))
    finally:
        postgres.remove()
    with tempfile.TemporaryDirectory() as folder:
        lag_ms = asyncio.run(loop_lag(Path(folder), 60))
    idle_ms = asyncio.run(idle_lag())
    print(f"{options.jobs} jobs of {CPU_S * 1000:.0f} ms CPU, {options.workers} workers, "
          f"{os.cpu_count()} cores")  # fmt: skip
    print(f"cores at jobs      {found['cores']:6.1%}  goal >= {GOALS['cores']:.0%}")
    print(f"processes busy     {found['busy']:6.1%}  goal >= {GOALS['busy']:.0%}  "
          f"({found['wall_s']:.1f} s)")  # fmt: skip
    print(f"enqueue p95        {found['enqueue_p95_ms']:6.1f} ms  "
          f"goal <= {GOALS['enqueue_p95_ms']:.0f} ms")  # fmt: skip
    print(f"loop lag p99       {lag_ms:6.1f} ms  goal <= {GOALS['lag_p99_ms']:.0f} ms  "
          f"(an idle loop: {idle_ms:.1f} ms)")  # fmt: skip


if __name__ == "__main__":
    main()
