"""Worker processes for the on-device check, as small as they can be: spawned, killed when late."""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import traceback
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from daengdong.bundles import loaded
from edge_sdk.mission.analyzer import MissionChecker, MissionPolicy

JUDGE = "tests.support.cpu_missions:judge_mission"


def judge_mission(path: str, mission_type: str) -> dict[str, Any]:
    """A clip and a mission in, a judge's JSON out, by the shipped model."""
    # No limit of its own: the machine of a test may be busy.
    policy = MissionPolicy(timeout_ms=None)
    with loaded(("pose",), ()) as models, MissionChecker(models["pose"], policy=policy) as checker:
        analysis = checker.analyze(mission_type, path)
    made: dict[str, Any] = msgspec.to_builtins(analysis.verdict)
    return {**made, "model": analysis.model_version}


def broken_judge(path: str, mission_type: str) -> dict[str, Any]:
    """A judge that answers something else."""
    return {"mission": mission_type, "success": True}


def dying_judge(path: str, mission_type: str) -> dict[str, Any]:
    """A judge that raises."""
    raise RuntimeError("no such video")


class SpawnedPool:
    """A new process for each call; real, and slow to start."""

    async def call(self, function: str, *args: Any, timeout_s: float) -> Any:
        return await asyncio.to_thread(_run, function, args, timeout_s)


def _run(function: str, args: tuple[Any, ...], timeout_s: float) -> Any:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, function, args), daemon=True)
    process.start()
    there.close()
    try:
        if not here.poll(timeout_s):
            raise TimeoutError
        good, value = here.recv()
    finally:
        process.kill()
        process.join()
    if not good:
        raise RuntimeError(value)
    return value


def _work(answer: Connection, function: str, args: tuple[Any, ...]) -> None:
    module, name = function.split(":")
    try:
        answer.send((True, getattr(importlib.import_module(module), name)(*args)))
    except Exception:
        answer.send((False, traceback.format_exc()))
