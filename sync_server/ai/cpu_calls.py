"""Calls into worker processes that tell how far they are.

A worker process can only return; so it writes its share of the work into a small file, which is
read while the call lasts. Stages of seconds then move within their percents by what is really done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sync_server.ai.stages import StageContext

_LOOK_EVERY_S: Final = 0.4
_WRITE_EVERY_S: Final = 0.3


async def call_watched(
    context: StageContext, function: str, *args: Any, timeout_s: float, watched: Path
) -> Any:
    """Call a CPU function with `watched` as last argument and report the share it writes there."""
    call = asyncio.ensure_future(
        context.services.cpu.call(function, *args, str(watched), timeout_s=timeout_s)
    )
    told = 0.0
    try:
        while not (await asyncio.wait({call}, timeout=_LOOK_EVERY_S))[0]:
            share = _read(watched)
            if share > told:
                told = share
                await context.progress(share, None)
        return call.result()
    finally:
        if not call.done():
            call.cancel()
            with suppress(asyncio.CancelledError):
                await call
        watched.unlink(missing_ok=True)


def share_writer(watched: str, expected: int) -> Callable[[int], None]:
    """In the worker: takes how many of `expected` steps are done, and tells it now and then."""
    path, last = Path(watched), time.monotonic()

    def told(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _WRITE_EVERY_S:
            last = now
            path.write_text(f"{min(done / max(expected, 1), 1.0):.3f}")

    return told


def _read(path: Path) -> float:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        # Not written yet, or just being written.
        return 0.0
