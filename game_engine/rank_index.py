"""An index of one ranking that answers exact ranks among a million users in microseconds.

The database is the truth and this the cache, rebuilt at start. The keys lie in order in blocks of
about a thousand, so a change moves one block's tail and a rank is the sizes of the blocks before
plus a binary search. Holding 1 M users takes about 0.25 GB; see benchmarks/ranking.py.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from game_engine.errors import InvalidRanking
from game_engine.ranking import Ranked, RankKey, Standing, rank_order


class RankIndex:
    """The standings of one ranking in rank order; one standing a user.

    Not safe for use by several threads at once.
    """

    __slots__ = ("_block_size", "_blocks", "_key_of", "_lasts", "_sizes")

    def __init__(self, standings: Iterable[Standing] = (), *, block_size: int = 1_000) -> None:
        """Take the standings in any order; raise `InvalidRanking` when a user comes twice.

        Blocks hold half to twice `block_size` keys (only the last may start smaller): about the
        square root of the number of users is fastest, and the default good up to millions.
        """
        if block_size < 2:
            raise InvalidRanking(f"a block holds at least 2 keys, not {block_size}")
        self._block_size = block_size
        self._key_of: dict[int, RankKey] = {}
        for standing in standings:
            if standing.user_no in self._key_of:
                raise InvalidRanking(f"user {standing.user_no} has two standings")
            self._key_of[standing.user_no] = rank_order(standing)
        keys = sorted(self._key_of.values())
        self._blocks = [keys[at : at + block_size] for at in range(0, len(keys), block_size)]
        self._lasts = [block[-1] for block in self._blocks]
        self._sizes = [len(block) for block in self._blocks]

    def __len__(self) -> int:
        return len(self._key_of)

    def __contains__(self, user_no: int) -> bool:
        return user_no in self._key_of

    def __iter__(self) -> Iterator[Ranked]:
        """Yield all rows in order of rank."""
        rank = 0
        for block in self._blocks:
            for key in block:
                rank += 1
                yield _row(rank, key)

    def put(self, standing: Standing) -> None:
        """Set a user's standing, new or changed; raise `InvalidRanking` for NaN."""
        key = rank_order(standing)
        old = self._key_of.get(standing.user_no)
        if old is not None:
            self._take_out(old)
        self._key_of[standing.user_no] = key
        self._put_in(key)

    def remove(self, user_no: int) -> bool:
        """Take a user out; return whether there was one."""
        key = self._key_of.pop(user_no, None)
        if key is None:
            return False
        self._take_out(key)
        return True

    def rank(self, user_no: int) -> int | None:
        """Return the exact rank from 1, or None for a user without standing."""
        key = self._key_of.get(user_no)
        if key is None:
            return None
        at = bisect_left(self._lasts, key)
        return sum(self._sizes[:at]) + bisect_left(self._blocks[at], key) + 1

    def top(self, count: int) -> list[Ranked]:
        """Return the first `count` rows."""
        return self.rows(1, count)

    def around(self, user_no: int, count: int) -> list[Ranked]:
        """Return a user's row with up to `count` rows above and below; empty without standing."""
        rank = self.rank(user_no)
        if rank is None:
            return []
        first = max(1, rank - count)
        return self.rows(first, rank + count + 1 - first)

    def rows(self, first_rank: int, count: int) -> list[Ranked]:
        """Return up to `count` rows from `first_rank` (from 1) on."""
        if first_rank < 1 or count < 0:
            raise InvalidRanking(f"no rows from rank {first_rank}, {count} of them")
        skip, at = first_rank - 1, 0
        while at < len(self._sizes) and skip >= self._sizes[at]:
            skip -= self._sizes[at]
            at += 1
        keys: list[RankKey] = []
        while at < len(self._blocks) and len(keys) < count:
            keys += self._blocks[at][skip : skip + count - len(keys)]
            skip, at = 0, at + 1
        return [_row(rank, key) for rank, key in enumerate(keys, start=first_rank)]

    def _put_in(self, key: RankKey) -> None:
        if not self._blocks:
            self._blocks, self._lasts, self._sizes = [[key]], [key], [1]
            return
        at = min(bisect_left(self._lasts, key), len(self._blocks) - 1)
        block = self._blocks[at]
        block.insert(bisect_left(block, key), key)
        self._note(at)
        if len(block) > 2 * self._block_size:
            self._split(at)

    def _take_out(self, key: RankKey) -> None:
        at = bisect_left(self._lasts, key)
        block = self._blocks[at]
        del block[bisect_left(block, key)]
        if len(block) >= self._block_size // 2:
            self._note(at)
        elif len(self._blocks) > 1:
            # Small blocks join a neighbour, or many removals would leave many small blocks.
            left = max(0, at - 1)
            self._blocks[left] += self._blocks.pop(left + 1)
            del self._lasts[left + 1], self._sizes[left + 1]
            self._note(left)
            if len(self._blocks[left]) > 2 * self._block_size:
                self._split(left)
        elif block:
            self._note(at)
        else:
            self._blocks, self._lasts, self._sizes = [], [], []

    def _split(self, at: int) -> None:
        block = self._blocks[at]
        half = len(block) // 2
        self._blocks.insert(at + 1, block[half:])
        del block[half:]
        self._lasts.insert(at, block[-1])
        self._sizes[at : at + 1] = [half, len(self._blocks[at + 1])]

    def _note(self, at: int) -> None:
        self._lasts[at] = self._blocks[at][-1]
        self._sizes[at] = len(self._blocks[at])


def _row(rank: int, key: RankKey) -> Ranked:
    less, reached_at_ms, user_no = key
    return Ranked(rank, user_no, -less, reached_at_ms)
