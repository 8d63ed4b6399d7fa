"""Rankings: exact order, the rows around one user, whole shares, cohorts and the board's hash."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from fractions import Fraction
from hashlib import sha256
from typing import NamedTuple

from game_engine.errors import InvalidRanking

Value = int | float


class Measure(StrEnum):
    """What a ranking counts."""

    CELLS_HELD = "cells_held"
    AREA_HELD = "area_held"
    NEW_CAPTURES = "new_captures"
    DISTANCE = "distance"
    WALKING_TIME = "walking_time"
    WALK_DAYS = "walk_days"


class Standing(NamedTuple):
    """A user's value of a measure and when that value was reached (UTC ms)."""

    user_no: int
    value: Value
    reached_at_ms: int


class Ranked(NamedTuple):
    """A standing with its rank, from 1."""

    rank: int
    user_no: int
    value: Value
    reached_at_ms: int


RankKey = tuple[Value, int, int]


def rank_order(standing: Standing) -> RankKey:
    """Return the sort key: greater values first, then who got there first, then the lower id.

    Two users never have one key, so ranks are 1, 2, 3, ... and equal to SQL's
    `RANK() OVER (ORDER BY value DESC, reached_at_ms, user_no)`. Raises `InvalidRanking` for NaN.
    """
    user_no, value, reached_at_ms = standing
    if value != value:
        raise InvalidRanking(f"the value of user {user_no} is not a number")
    return (-value, reached_at_ms, user_no)


def ranked(standings: Iterable[Standing]) -> list[Ranked]:
    """Return the standings in order of rank."""
    ordered = sorted(standings, key=rank_order)
    return [Ranked(rank, *standing) for rank, standing in enumerate(ordered, start=1)]


def around(rows: Sequence[Ranked], index: int, count: int) -> list[Ranked]:
    """Return the row at `index` with up to `count` rows above it and `count` below it."""
    if not 0 <= index < len(rows):
        raise InvalidRanking(f"row {index} is not among the {len(rows)} rows")
    return list(rows[max(0, index - count) : index + count + 1])


def shares(weights: Sequence[Value], total: int) -> list[int]:
    """Return whole shares of `total` in proportion to `weights`, adding up to it exactly.

    Largest remainder (Hamilton's method) in exact arithmetic; equal remainders go to the earlier
    weight, so pass the weights in rank order. A weight of zero gets nothing. Raises
    `InvalidRanking` for a negative total or weight, one that is not finite, and for a total
    that nobody has a weight in.
    """
    if total < 0 or any(not math.isfinite(weight) or weight < 0 for weight in weights):
        raise InvalidRanking("shares need a total and weights that are finite and not negative")
    if total == 0:
        return [0] * len(weights)
    exact = [Fraction(weight) for weight in weights]
    common = math.lcm(*(weight.denominator for weight in exact))
    whole = [weight.numerator * (common // weight.denominator) for weight in exact]
    whole_sum = sum(whole)
    if whole_sum == 0:
        raise InvalidRanking(f"a total of {total} cannot be shared: every weight is zero")
    parts, remainders = [], []
    for weight in whole:
        part, remainder = divmod(weight * total, whole_sum)
        parts.append(part)
        remainders.append(remainder)
    by_remainder = sorted(range(len(parts)), key=lambda at: -remainders[at])
    for at in by_remainder[: total - sum(parts)]:
        parts[at] += 1
    return parts


def draw_cohorts(user_nos: Iterable[int], size: int, seed: str) -> list[tuple[int, ...]]:
    """Return the users drawn into cohorts of `size` (the last may be smaller).

    The draw orders users by SHA-256 of seed and id: the same on every machine and for every
    order of `user_nos`. The seed is stored with the period and kept secret until it is drawn.
    """
    return fill_cohorts((), user_nos, size, seed)


def fill_cohorts(
    cohorts: Sequence[Sequence[int]], late_user_nos: Iterable[int], size: int, seed: str
) -> list[tuple[int, ...]]:
    """Return the cohorts with late joiners in their open places, first cohort first.

    Nobody moves: a member keeps the cohort it is in, and naming a member again changes nothing.
    When no place is open, new cohorts follow. Joiners of one call are ordered by the draw.
    Raises `InvalidRanking` for a size below 1.
    """
    if size < 1:
        raise InvalidRanking(f"a cohort has at least one member, not {size}")
    members = {user_no for cohort in cohorts for user_no in cohort}
    waiting = sorted(set(late_user_nos) - members, key=lambda user_no: _draw(seed, user_no))
    filled: list[tuple[int, ...]] = []
    taken = 0
    for cohort in cohorts:
        places = max(0, size - len(cohort))
        filled.append((*cohort, *waiting[taken : taken + places]))
        taken += places
    filled += [tuple(waiting[at : at + size]) for at in range(taken, len(waiting), size)]
    return filled


def board_hash(rows: Iterable[Ranked]) -> str:
    """Return the hex SHA-256 that freezes a final board.

    Over one line a row, `rank TAB user_no TAB value TAB reached_at_ms LF` in UTF-8; a whole value
    is written without a point, any other as the shortest decimal that reads back the same.
    """
    digest = sha256()
    for rank, user_no, value, reached_at_ms in rows:
        digest.update(f"{rank}\t{user_no}\t{_text(value)}\t{reached_at_ms}\n".encode())
    return digest.hexdigest()


def _draw(seed: str, user_no: int) -> tuple[bytes, int]:
    return sha256(f"{seed}\n{user_no}".encode()).digest(), user_no


def _text(value: Value) -> str:
    number = float(value)
    if isinstance(value, int) or number.is_integer():
        return str(int(value))
    return repr(number)
