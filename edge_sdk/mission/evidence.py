"""Three-valued evidence over time: yes, no, or not to be seen.

A posture is held when it is *seen* for long enough, and missing only when it cannot even have been
there unseen: between the two lies UNCERTAIN.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

YES, UNKNOWN, NO = 1, 0, -1

Levels = NDArray[np.int8]
Floats = NDArray[np.float64]

MAX_STEP_MS: Final = 250.0
"""Between frames further apart than this nothing is known."""
BLINK_MS: Final = 150.0
"""Unknown frames of at most this length between two equal ones are taken for the same."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of frames, first and last included; its length counts between their times."""

    first: int
    last: int
    start_ms: float
    end_ms: float

    @property
    def length_ms(self) -> float:
        """Time from the first to the last frame."""
        return self.end_ms - self.start_ms


def between_bounds(values: Floats, no_at: float, yes_at: float) -> Levels:
    """YES from `yes_at` on, NO up to `no_at` (the bounds may lie either way), else UNKNOWN."""
    sign = 1.0 if yes_at > no_at else -1.0
    levels = np.full(values.shape, UNKNOWN, np.int8)
    # NaN compares false and stays unknown.
    levels[sign * values >= sign * yes_at] = YES
    levels[sign * values <= sign * no_at] = NO
    return levels


def all_of(*parts: Levels) -> Levels:
    """Kleene's "and": NO if any is NO, YES if all are YES."""
    return np.asarray(np.min(np.stack(parts), axis=0), np.int8)


def without_blinks(levels: Levels, times_ms: Floats) -> Levels:
    """Fill short stretches of UNKNOWN between two frames that agree."""
    filled = levels.copy()
    known = np.flatnonzero(levels != UNKNOWN)
    for before, after in pairwise(known):
        short = after > before + 1 and times_ms[after] - times_ms[before + 1] <= BLINK_MS
        if short and levels[before] == levels[after]:
            filled[before:after] = levels[before]
    return filled


def longest_run(flags: NDArray[np.bool_], times_ms: Floats) -> Run | None:
    """The longest stretch of true frames without a gap in time."""
    runs = runs_of(flags, times_ms)
    return max(runs, key=lambda run: run.length_ms) if runs else None


def runs_of(flags: NDArray[np.bool_], times_ms: Floats) -> list[Run]:
    """All stretches of true frames, cut where frames are missing."""
    runs: list[Run] = []
    start: int | None = None
    for at, flag in enumerate(flags):
        broken = at > 0 and times_ms[at] - times_ms[at - 1] > MAX_STEP_MS
        if start is not None and (not flag or broken):
            runs.append(_run(start, at - 1, times_ms))
            start = None
        if flag and start is None:
            start = at
    if start is not None:
        runs.append(_run(start, len(flags) - 1, times_ms))
    return runs


def possible_ms(levels: Levels, times_ms: Floats) -> float:
    """How long a state can have lasted at most within the clip.

    Stretches without a NO count, reaching to the NO frames around them; a gap in time counts
    too, since nothing denies what happened in it.
    """
    denied = np.flatnonzero(levels == NO)
    longest = 0.0
    for before, after in zip([-1, *denied], [*denied, len(levels)], strict=True):
        start_ms = times_ms[max(before, 0)]
        end_ms = times_ms[min(after, len(levels) - 1)]
        # Two NO frames in a row leave no room between them, unless frames are missing.
        if after - before > 1 or end_ms - start_ms > MAX_STEP_MS:
            longest = max(longest, float(end_ms - start_ms))
    return longest


def _run(first: int, last: int, times_ms: Floats) -> Run:
    return Run(first, last, float(times_ms[first]), float(times_ms[last]))
