"""Runs the stages of one part as `ai/stages.py` says they are run; keeps nothing, waits shorter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sync_server.ai.contract import JobRequest
from sync_server.ai.stages import (
    Json,
    PartOutcome,
    Stage,
    StageContext,
    StageFailed,
    StageUnavailable,
)

ATTEMPTS = 3


@dataclass
class StageRunner:
    """`waited_s` is what was waited between attempts, in the seconds of the product."""

    folder: Path
    waited_s: list[float] = field(default_factory=list)
    scale: float = 0.005

    async def run(self, job: JobRequest, stages: Sequence[Stage], part: str = "") -> PartOutcome:
        state: Json = {}
        for stage in stages:
            for attempt in range(1, ATTEMPTS + 1):
                context = StageContext(job, part, attempt, self.folder, None, _silent)
                try:
                    async with asyncio.timeout(stage.timeout_s):
                        state = {**state, **await stage.run(context, dict(state))}
                    break
                except (StageFailed, TimeoutError) as error:
                    failure = error if isinstance(error, StageFailed) else stage.timeout_failure
                    assert failure is not None
                    if not _again(failure) or attempt == ATTEMPTS:
                        return PartOutcome(part, None, _failure(stage, failure))
                    wait_s = max(2.0, getattr(failure, "retry_after_s", None) or 0.0)
                    self.waited_s.append(wait_s)
                    await asyncio.sleep(wait_s * self.scale)
        return PartOutcome(part, state)


def _again(failure: StageFailed) -> bool:
    return isinstance(failure, StageUnavailable) and failure.again


def _failure(stage: Stage, failure: StageFailed) -> dict[str, Any]:
    return {
        "stage": failure.details.get("stage", stage.name),
        "percent": failure.percent or stage.percents[0],
        "code": failure.code,
        "message": {"ko": failure.ko, "en": failure.en},
        "details": failure.details,
        "failure_type": "SYSTEM_ERROR" if failure.system else "USER_ERROR",
        "reason": getattr(failure, "reason", ""),
    }


async def _silent(_: float, __: str | None) -> None:
    return None
