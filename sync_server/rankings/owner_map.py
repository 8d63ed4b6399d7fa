"""Who held each cell when this process last looked, so that a change names the loser too.

A changed row of the board says who holds the cell now; who held it before can be anyone (a late
walk folds the cell anew), and that user's place changes as well.
"""

from __future__ import annotations

import asyncio

import numpy as np
import numpy.typing as npt

from sync_server.platform.database import Database, Tx

_MERGE_AT = 50_000
Int64 = npt.NDArray[np.int64]


class OwnerMap:
    """Cell -> owner of one database: 16 bytes a cell, and a dictionary of the latest changes."""

    def __init__(self) -> None:
        self._cells: Int64 = np.empty(0, dtype=np.int64)
        self._owners: Int64 = np.empty(0, dtype=np.int64)
        self._changes: dict[int, int] = {}
        self._since_rev: int | None = None
        self._lock = asyncio.Lock()

    async def follow(self, database: Database) -> set[int]:
        """Read what changed; return everyone who won or lost a cell (nobody the first time)."""
        async with self._lock, database.read() as tx:
            if self._since_rev is None:
                await self._load(tx)
                return set()
            since = await tx.horizon()
            rows = await tx.fetch_tuples(
                "SELECT cell, owner FROM cell_state WHERE rev >= ?", self._since_rev
            )
            users: set[int] = set()
            for cell, owner in rows:
                users.update((owner, self._swap(cell, owner)))
            self._since_rev = since
            if len(self._changes) > _MERGE_AT:
                await asyncio.to_thread(self._merge)
        users.discard(0)
        return users

    async def _load(self, tx: Tx) -> None:
        since = await tx.horizon()
        rows = await tx.fetch_tuples("SELECT cell, owner FROM cell_state WHERE owner > 0")
        self._set(np.array(rows, dtype=np.int64).reshape(-1, 2))
        self._since_rev = since

    def _swap(self, cell: int, owner: int) -> int:
        before = self._changes.get(cell)
        if before is None:
            at = int(np.searchsorted(self._cells, cell))
            known = at < len(self._cells) and self._cells[at] == cell
            before = int(self._owners[at]) if known else 0
        self._changes[cell] = owner
        return before

    def _merge(self) -> None:
        changes = np.array(list(self._changes.items()), dtype=np.int64).reshape(-1, 2)
        kept = ~np.isin(self._cells, changes[:, 0])
        base = np.column_stack((self._cells[kept], self._owners[kept]))
        self._set(np.concatenate((base, changes)))
        self._changes = {}

    def _set(self, rows: Int64) -> None:
        order = np.argsort(rows[:, 0], kind="stable")
        self._cells, self._owners = rows[order, 0].copy(), rows[order, 1].copy()
