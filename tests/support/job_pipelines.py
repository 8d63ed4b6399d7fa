"""Pipelines for tests of the engine: real stages that take time, fail, hang and kill on request.

What a stage does is told by `instruction` of the mission (or `frame_id` of a one-part job): words
separated by blanks, each `STAGE=act`, where act is `fail`, `down:N` (N times unavailable, then
done), `after:PART` (wait until that part is in its last stage), `hang`, `die` (the worker process
of the CPU pool), `kill` (this whole process), `break`.
Every entry of a stage is noted in `$DAENGDONG_TEST_NOTES`, a file that survives crashes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sync_server.ai import registry
from sync_server.ai.contract import JobRequest
from sync_server.ai.stages import (
    Json,
    PartOutcome,
    Pipeline,
    Stage,
    StageContext,
    StageFailed,
    StageUnavailable,
)

NAMES = ("VALIDATING", "FETCHING_VIDEO", "MISSION_INFERENCE", "FINALIZING")
PERCENTS = ((5, 15), (15, 40), (40, 90), (90, 99))
TIMEOUT = StageUnavailable(
    "MULTIMODAL_API_TIMEOUT", "시간이 초과되었습니다.", "It took too long.",
    reason="EXTERNAL_API_TIMEOUT",
)  # fmt: skip

HANG_S = 600.0
SLEEP = "tests.support.job_pipelines:sleep"


def stage_s() -> float:
    return float(os.environ.get("DAENGDONG_TEST_STAGE_S", "0.02"))


def note(line: str) -> None:
    path = os.environ.get("DAENGDONG_TEST_NOTES")
    if path:
        with Path(path).open("a") as notes:
            notes.write(f"{line} {time.time():.3f}\n")


def burn(seconds: float) -> float:
    """Keep a core busy for so long (CPU seconds of this process)."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1_000))
    return seconds


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def die(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(_: str) -> None:
    raise StageUnavailable("X_DOWN", "안 됩니다.", "Down.", reason="TEST", retry_after_s=1.5,
                           details={"a": 1}, percent=7)  # fmt: skip


def pid(_: str) -> int:
    return os.getpid()


def shout(_: str) -> str:
    print("not a message")
    return "said"


def break_down(_: str) -> None:
    raise ValueError("a fault")


async def _told(start: str) -> None:
    """Wait until a note begins so."""
    while not any(line.startswith(start) for line in _notes()):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def _notes() -> list[str]:
    return Path(os.environ["DAENGDONG_TEST_NOTES"]).read_text().splitlines()


def _acts(context: StageContext) -> dict[str, str]:
    text = context.job.frame_id or ""
    for mission in context.job.missions:
        if mission.mission_id == context.part:
            text = mission.instruction
    return dict(word.split("=", 1) for word in text.split())


def _stage(name: str, percents: tuple[int, int], timeout_s: float) -> Stage:
    async def run(context: StageContext, state: Json) -> Json:
        note(f"{context.job.job_id} {context.part or '-'} {name} {context.attempt} {os.getpid()}")
        act = _acts(context).get(name, "")
        if act == "fail":
            raise StageFailed("VIDEO_TOO_LONG", "영상이 너무 깁니다.", "The video is too long.",
                              details={"max_s": 5})  # fmt: skip
        if act.startswith("down:") and context.attempt <= int(act[5:]):
            raise StageUnavailable("VIDEO_FETCH_FAILED", "영상을 받지 못했습니다.",
                                   "No video.", reason="EXTERNAL_API_DOWN")  # fmt: skip
        if act == "hang":
            await context.services.cpu.call(SLEEP, HANG_S, timeout_s=900)
        if act == "die":
            await context.services.cpu.call("tests.support.job_pipelines:die", "", timeout_s=60)
        if act.startswith("after:"):
            await _told(f"{context.job.job_id} {act[6:]} FINALIZING")
        if act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "break":
            raise KeyError("a fault of the program")
        for step in range(3):
            await asyncio.sleep(stage_s() / 3)
            await context.progress(step / 3, None)
        marks = dict(state.get("marks", {}))
        return {"marks": marks | {name: f"{context.job.job_id}/{context.part}"}}

    return Stage(name, percents, f"{name} 중입니다.", f"{name} runs.", run, timeout_s,
                 timeout_failure=TIMEOUT)  # fmt: skip


def _combine(job: JobRequest, outcomes: Sequence[PartOutcome], start: int, end: int) -> Json:
    return {
        "job": job.job_id,
        "parts": {
            outcome.part: {"marks": (outcome.state or {}).get("marks"), "failure": outcome.failure}
            for outcome in outcomes
        },
    }


def _amended(job: JobRequest, first: Json, after: PartOutcome) -> Json:
    return first | {"artifacts": "ready" if after.state else "failed"}


def make(job_type: str, timeout_s: float = 60.0, **changes: Any) -> Pipeline:
    """A pipeline of four stages for a job type; missions are its parts."""
    fields: dict[str, Any] = {
        "job_type": job_type,
        "version": "test-1",
        "stages": tuple(
            _stage(name, percents, timeout_s)
            for name, percents in zip(NAMES, PERCENTS, strict=True)
        ),
        "combine": _combine,
        "done_word": "finished",
    }
    if job_type == "MISSION_JUDGE":
        fields |= {
            "parts": lambda job: [mission.mission_id for mission in job.missions],
            "part_failure_ends_job": False,
            "queued_ko": "돌발미션 분석 대기열에 등록되었습니다.",
        }
    if job_type == "GAIT_ANALYSIS":
        fields |= {
            "afterwards": (_stage("ARTIFACTS", (100, 100), timeout_s),),
            "recombine": _amended,
            "done_word": "succeeded",
        }
    return Pipeline(**(fields | changes))


@contextmanager
def registered(timeout_s: float = 60.0) -> Iterator[None]:
    """Within, they stand in the place of the program's own; other tests of a process have those."""
    before = dict(registry._registered)
    register_all(timeout_s)
    try:
        yield
    finally:
        registry._registered.clear()
        registry._registered.update(before)


def register_all(timeout_s: float = 60.0) -> None:
    """Put test pipelines in the place of the program's."""
    for job_type in ("MISSION_JUDGE", "FACE_ANALYSIS", "EMOTION_INFERENCE", "GAIT_ANALYSIS"):
        registry.register(make(job_type, timeout_s))
