"""Whole shares of a board's total for any row of a large board at once.

The same shares as `game_engine.ranking.shares` (largest remainder, equal remainders to the better
rank), but from the sorted values alone and without making a list of a million shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

PERMYRIAD = 10_000
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ShareTable:
    """Who gets one more than the rounded-down share: by remainder, then by rank."""

    total: int
    threshold: int
    last_tied_rank: int
    """The last rank whose remainder equals the threshold and that still gets one more."""

    @classmethod
    def of(cls, values: Int64) -> Self:
        """Build from all values of a board (whole, >= 0), greatest first.

        Raises OverflowError when the sum is too large to be shared in 64 bits (9e14).
        """
        total = int(values.sum())
        if total == 0:
            return cls(0, 0, 0)
        if total > np.iinfo(np.int64).max // PERMYRIAD:
            raise OverflowError(f"a board's total of {total} is too large")
        whole, remainders = np.divmod(values * PERMYRIAD, total)
        extra = PERMYRIAD - int(whole.sum())
        if extra == 0:
            return cls(total, total, 0)
        at = len(remainders) - extra
        threshold = int(np.partition(remainders, at)[at])
        over = int(np.count_nonzero(remainders > threshold))
        tied = np.flatnonzero(remainders == threshold)
        return cls(total, threshold, int(tied[extra - over - 1]) + 1)

    def share(self, rank: int, value: int) -> int:
        """Return the ten-thousandths of the row with this rank (from 1) and value."""
        if self.total == 0:
            return 0
        whole, remainder = divmod(value * PERMYRIAD, self.total)
        tied = remainder == self.threshold and rank <= self.last_tied_rank
        return whole + int(remainder > self.threshold or tied)


def replaced(values: Int64, gone: list[int], come: list[int]) -> Int64:
    """Return ascending values without one of each of `gone` and with each of `come`."""
    if gone:
        old = np.sort(np.array(gone, dtype=np.int64))
        first_of_equal = np.searchsorted(old, old, side="left")
        at = np.searchsorted(values, old, side="left") + np.arange(len(old)) - first_of_equal
        values = np.delete(values, at)
    if come:
        new = np.sort(np.array(come, dtype=np.int64))
        values = np.insert(values, np.searchsorted(values, new), new)
    return values
