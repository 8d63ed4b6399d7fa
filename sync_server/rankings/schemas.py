"""What the ranking routes take and answer."""

from __future__ import annotations

from typing import Literal

import msgspec

Scope = Literal["everyone", "region", "random"]
Kind = Literal["day", "week", "month", "season", "all"]
MeasureName = Literal[
    "cells_held", "area_held", "new_captures", "distance", "walking_time", "walk_days"
]
Unit = Literal["cells", "dm2", "cm", "ms", "days"]


class PeriodDoc(msgspec.Struct, frozen=True):
    """A period; `final` once its board is frozen. All time has no bounds (null)."""

    kind: Kind
    key: str
    start_ms: int | None
    end_ms: int | None
    final: bool


class RankRow(msgspec.Struct, frozen=True):
    """One place of a board; a deleted account has neither id nor name.

    `reached_at_ms` is exact in one's own row and the start of the local day in others'.
    `share_permyriad` are whole ten-thousandths of the board's total: all rows add up to 10,000.
    """

    rank: int
    user_id: str | None
    display_name: str | None
    value: int
    reached_at_ms: int
    share_permyriad: int
    is_me: bool


class RankingDoc(msgspec.Struct, frozen=True):
    """A page of a board as of a moment.

    `total` is the sum of all values in `unit`; `hash` stands on final boards only. `me` is null
    for who has no place on the board.
    """

    scope: Scope
    measure: MeasureName
    unit: Unit
    region_id: int | None
    as_of_ms: int
    period: PeriodDoc
    hash: str | None
    total: int
    total_users: int
    me: RankRow | None
    rows: list[RankRow]


class SeasonsDoc(msgspec.Struct, frozen=True):
    """The seasons around now; the past ones newest first."""

    past: list[PeriodDoc]
    current: PeriodDoc
    next: PeriodDoc
