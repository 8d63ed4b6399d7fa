"""How many paid calls a day there may be.

A file of its own (SQLite) beside the data, so that the count survives restarts and is one for all
processes of a machine. Several machines count each for themselves: divide the limit.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from sync_server.platform.llm.errors import LlmBudgetSpent, LlmUnavailable

_BUSY_S: Final = 5.0
_KEPT_DAYS: Final = 40


class Budget(Protocol):
    """Counts calls before they are made."""

    async def take(self) -> None:
        """Count one call; raises LlmBudgetSpent when today's are used up."""
        ...


class DailyBudget:
    """At most `calls_a_day` calls from 00:00 to 24:00 UTC; `clock` says UTC milliseconds."""

    def __init__(self, path: Path, calls_a_day: int, clock: Callable[[], int]) -> None:
        self._path, self._limit, self._clock = path, calls_a_day, clock

    async def take(self) -> None:
        """Count one call; raises LlmBudgetSpent, and LlmUnavailable when it cannot be counted."""
        day = self._clock() // 86_400_000
        try:
            counted = await asyncio.to_thread(self._count, day)
        except (sqlite3.Error, OSError) as error:
            # What cannot be counted is not spent.
            raise LlmUnavailable(f"budget file: {type(error).__name__}") from None
        if not counted:
            raise LlmBudgetSpent(f"{self._limit} calls of {_date(day)}")

    async def used(self) -> int:
        """How many calls of today are counted."""
        return await asyncio.to_thread(self._used, self._clock() // 86_400_000)

    def _count(self, day: int) -> bool:
        if self._limit <= 0:
            return False
        with closing(self._open()) as store, store:
            row = store.execute(
                "INSERT INTO llm_calls (day, calls) VALUES (?, 1) "
                "ON CONFLICT (day) DO UPDATE SET calls = calls + 1 WHERE calls < ? "
                "RETURNING calls",
                (day, self._limit),
            ).fetchone()
            if row == (1,):
                store.execute("DELETE FROM llm_calls WHERE day < ?", (day - _KEPT_DAYS,))
        return row is not None

    def _used(self, day: int) -> int:
        with closing(self._open()) as store:
            row = store.execute("SELECT calls FROM llm_calls WHERE day = ?", (day,)).fetchone()
        return 0 if row is None else int(row[0])

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        store = sqlite3.connect(self._path, timeout=_BUSY_S)
        store.execute(
            "CREATE TABLE IF NOT EXISTS llm_calls (day INTEGER PRIMARY KEY, calls INTEGER NOT NULL)"
        )
        return store


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
