"""Desks at local services, with waits that a test can afford."""

from __future__ import annotations

from pathlib import Path

from sync_server.platform.llm.ask import Desk
from sync_server.platform.llm.breaker import Breaker
from sync_server.platform.llm.budget import DailyBudget
from sync_server.platform.llm.contract import AnswerModel
from sync_server.platform.llm.guard import CallPolicy, Guard

NOON_MS = 1_795_910_400_000
QUICK = CallPolicy(deadline_s=20.0, attempt_s=15.0, attempts=3, first_wait_s=0.01)


def desk_of(model: AnswerModel, folder: Path, calls_a_day: int = 1_000) -> Desk:
    """A desk whose budget lies in a folder and whose breaker does not open in a test of faults."""
    budget = DailyBudget(folder / "llm-calls.sqlite", calls_a_day, lambda: NOON_MS)
    return Desk(model, Guard(model.provider, budget, Breaker(model.provider, 1_000)))
