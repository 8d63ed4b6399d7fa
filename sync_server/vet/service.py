"""What the server and other domains may use of the vet chat."""

from __future__ import annotations

from sync_server.platform.context import Platform
from sync_server.vet import store
from sync_server.vet.answering import save_forever
from sync_server.vet.conversations import erase, export, sweep
from sync_server.vet.reports import job_ended

__all__ = ["erase", "export", "job_ended", "start", "sweep"]


async def start(platform: Platform) -> None:
    """Begin to keep what is being answered; end what an earlier process has left open.

    On SQLite a serving process is alone; on PostgreSQL a turn is left when its lease is over.
    """
    if platform.ai is None:
        return
    if platform.database.dialect == "sqlite":
        async with platform.database.transaction() as tx:
            await store.interrupt_all(tx, platform.clock())
    platform.tasks.start(save_forever(platform), "vet texts", lasting=True)
