"""Piccolo's view of what the rankings store; the rows of a frozen board stay in raw SQL.

What the rankings read (`cell_state`, `walk_tally`) belongs to territory and walks. Every change
of such a row carries the revision of its transaction, and a walk that is judged again or
withdrawn leaves at least one row of its user with a new revision: boards follow by that.
"""

from __future__ import annotations

from piccolo.columns import BigInt, Integer, Text
from piccolo.table import Table


class FrozenPeriod(Table, tablename="frozen_period"):
    """A period whose boards never change again; primary key (kind, period_key)."""

    kind = Text(primary_key=True)
    period_key = Text()
    frozen_ms = BigInt()
    boards = Integer()


class CohortDraw(Table, tablename="cohort_draw"):
    """The stored seed of a period's random cohorts; primary key (kind, period_key)."""

    kind = Text(primary_key=True)
    period_key = Text()
    seed = BigInt()
    cohorts = Integer()
    drawn_ms = BigInt()
