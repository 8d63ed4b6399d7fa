"""Writes that must happen: tried again until the database is back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from sync_server.platform.database import DatabaseError

log = structlog.get_logger(__name__)
T = TypeVar("T")
_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8)


async def persist(write: Callable[[], Awaitable[T]]) -> T:
    """Return what `write` returns; DatabaseError means later again.

    A commit whose answer was lost is written twice: writes given here must bear that.
    """
    tries = 0
    while True:
        try:
            return await write()
        except DatabaseError as error:
            if tries % 10 == 0:
                log.warning("store_write_waits", code=error.code, tries=tries)
            await asyncio.sleep(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)])
            tries += 1
