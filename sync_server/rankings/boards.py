"""Live boards: rank indexes in this process, built from SQL and kept current by revisions.

The database is the truth. A board is built when first asked for; later it reads who changed
since the last revision it has seen (up to the horizon below which no transaction can still add
rows) and asks the database for those users again. So any number of processes may serve.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from time import monotonic
from weakref import WeakKeyDictionary

import numpy as np

from game_engine.rank_index import RankIndex
from game_engine.ranking import Measure, Ranked, Standing
from sync_server.platform.context import Platform
from sync_server.platform.database import Database, Tx
from sync_server.rankings.owner_map import OwnerMap
from sync_server.rankings.shares import Int64, ShareTable, replaced
from sync_server.rankings.standings import (
    Days,
    RegionColumn,
    changed_walkers,
    decayed_owners,
    deleted_users,
    flow_standings,
    held_standings,
)

STALE_S = 1.0
# Even a change that left no trace shows after this long.
REBUILD_S = 600.0
BOARDS_KEPT = 128
ROWS_KEPT = 4_000_000
_INLINE_ROWS = 20_000
_DELETION_OVERLAP_MS = 3_600_000


class Board:
    """The standings of one ranking with their shares, as of a moment."""

    def __init__(self, standings: Sequence[Standing], as_of_ms: int) -> None:
        self.index = RankIndex(standings)
        self._ascending: Int64 = np.sort(np.array([s.value for s in standings], dtype=np.int64))
        self.shares = ShareTable.of(self._ascending[::-1])
        self.as_of_ms = as_of_ms

    def __len__(self) -> int:
        return len(self.index)

    def row_of(self, user_no: int) -> Ranked | None:
        """Return a user's row, or None."""
        rows = self.index.around(user_no, 0)
        return rows[0] if rows else None

    async def update(
        self, users: Collection[int], standings: Sequence[Standing], as_of_ms: int
    ) -> None:
        """Give each of `users` its standing, or none when it is not among `standings`."""
        fresh = {standing.user_no: standing for standing in standings}
        gone: list[int] = []
        come: list[int] = []
        for user_no in users:
            before, after = self.row_of(user_no), fresh.get(user_no)
            if before is not None:
                gone.append(int(before.value))
            if after is not None:
                self.index.put(after)
                come.append(int(after.value))
            elif before is not None:
                self.index.remove(user_no)
        if sorted(gone) != sorted(come):
            self._ascending = replaced(self._ascending, gone, come)
            descending = self._ascending[::-1]
            if len(self) <= _INLINE_ROWS:
                self.shares = ShareTable.of(descending)
            else:
                self.shares = await asyncio.to_thread(ShareTable.of, descending)
        self.as_of_ms = as_of_ms


async def build_board(standings: Sequence[Standing], as_of_ms: int) -> Board:
    """Build a board; a large one in a thread."""
    if len(standings) <= _INLINE_ROWS:
        return Board(standings, as_of_ms)
    return await asyncio.to_thread(Board, standings, as_of_ms)


@dataclass(frozen=True)
class BoardKey:
    """Which live board: `days` for what is walked, None for what is held now."""

    measure: Measure
    region_id: int
    region_column: RegionColumn | None
    days: Days | None


class LiveBoard:
    """One board that follows the database."""

    def __init__(self, key: BoardKey) -> None:
        self.key = key
        self.board: Board | None = None
        self.pending: set[int] = set()
        """Users whose cells changed and who were not asked for again yet."""
        self._since_rev = 0
        self._built_s = self._read_s = float("-inf")
        self._lock = asyncio.Lock()

    async def current(self, platform: Platform, boards: Boards) -> Board:
        """Return the board, at most a second old."""
        asked_s = monotonic()
        if self.board is None or asked_s - self._read_s >= STALE_S:
            async with self._lock:
                # Who waited for another's refresh takes its result.
                if self.board is None or asked_s - self._read_s >= STALE_S:
                    await self._refresh(platform, boards, asked_s)
        assert self.board is not None
        return self.board

    async def _refresh(self, platform: Platform, boards: Boards, now_s: float) -> None:
        if self.key.days is None:
            # First the map, then the snapshot: what the map has seen, the snapshot has.
            await boards.follow_owners(platform.database)
        taken, self.pending = self.pending, set()
        now_ms = platform.clock()
        try:
            async with platform.database.read() as tx:
                horizon = await tx.horizon()
                board = self.board
                users: set[int] | None = None
                if board is not None and now_s - self._built_s < REBUILD_S:
                    users = taken | await self._affected(tx, board, now_ms)
                    if len(users) > max(2_000, len(board) // 10):
                        users = None
                standings = (
                    await self._standings(tx, now_ms, users) if users is None or users else []
                )
            if board is None or users is None:
                self.board = await build_board(standings, now_ms)
                self._built_s = now_s
            else:
                await board.update(users, standings, max(now_ms, board.as_of_ms))
        except BaseException:
            self.pending |= taken
            raise
        self._since_rev = horizon
        self._read_s = now_s

    async def _affected(self, tx: Tx, board: Board, now_ms: int) -> set[int]:
        users = await deleted_users(tx, board.as_of_ms - _DELETION_OVERLAP_MS)
        users = {user_no for user_no in users if user_no in board.index}
        if self.key.days is None:
            return users | await decayed_owners(tx, board.as_of_ms, now_ms)
        return users | await changed_walkers(tx, self._since_rev)

    async def _standings(
        self, tx: Tx, now_ms: int, users: Collection[int] | None
    ) -> list[Standing]:
        key = self.key
        if key.days is not None:
            return await flow_standings(tx, key.measure, key.region_id, key.days, users)
        region = None if key.region_column is None else (key.region_column, key.region_id)
        return await held_standings(tx, key.measure, region, now_ms, users)


class Boards:
    """The live boards of one database in this process, least recently used ones dropped."""

    def __init__(self) -> None:
        self._boards: OrderedDict[BoardKey, LiveBoard] = OrderedDict()
        self._owners = OwnerMap()

    async def get(self, platform: Platform, key: BoardKey) -> Board:
        """Return the board of a key, at most a second old."""
        live = self._boards.get(key)
        if live is None:
            live = self._boards[key] = LiveBoard(key)
        self._boards.move_to_end(key)
        try:
            board = await live.current(platform, self)
        except BaseException:
            if live.board is None:
                self._boards.pop(key, None)
            raise
        self._drop_unused()
        return board

    async def follow_owners(self, database: Database) -> None:
        """Note on every board of held cells who won or lost some."""
        users = await self._owners.follow(database)
        for live in self._boards.values():
            if users and live.key.days is None:
                live.pending |= users

    def _drop_unused(self) -> None:
        rows = sum(len(live.board) for live in self._boards.values() if live.board is not None)
        while len(self._boards) > 1 and (len(self._boards) > BOARDS_KEPT or rows > ROWS_KEPT):
            _, dropped = self._boards.popitem(last=False)
            rows -= len(dropped.board) if dropped.board is not None else 0


_boards: WeakKeyDictionary[Database, Boards] = WeakKeyDictionary()


def boards_of(platform: Platform) -> Boards:
    """Return the live boards of this server."""
    boards = _boards.get(platform.database)
    if boards is None:
        boards = _boards[platform.database] = Boards()
    return boards
