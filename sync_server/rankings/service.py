"""Answers about rankings: which board, which rows of it, and whose they are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from game_engine.errors import InvalidPeriod
from game_engine.periods import (
    Period,
    is_final,
    next_period,
    period_from_key,
    period_of,
    previous_period,
)
from game_engine.ranking import Measure, Ranked, Standing, board_hash, ranked, shares
from game_engine.rules import CURRENT_RULES, Rules, rules_for
from sync_server.platform.context import Platform
from sync_server.platform.database import Database, Tx
from sync_server.platform.errors import FieldError, Problem
from sync_server.platform.tokens import CurrentUser
from sync_server.rankings import freeze
from sync_server.rankings.boards import Board, BoardKey, boards_of, build_board
from sync_server.rankings.cohorts import cohort_of
from sync_server.rankings.schemas import (
    Kind,
    MeasureName,
    PeriodDoc,
    RankingDoc,
    RankRow,
    Scope,
    SeasonsDoc,
)
from sync_server.rankings.shares import PERMYRIAD
from sync_server.rankings.standings import HELD, UNITS
from sync_server.regions import service as regions

SEASONS_SHOWN = 12
PAST_STALE_MS = 30_000
_PAST_KEPT = 32
sweep = freeze.sweep


class RankingQuery(msgspec.Struct, frozen=True):
    """Which rows of which board."""

    scope: Scope
    measure: MeasureName
    kind: Kind
    key: str | None = None
    region_id: int | None = None
    limit: int = 50
    offset: int = 0
    around: bool = False


@dataclass(frozen=True)
class _View:
    """A board, and its hash when it is final."""

    board: Board
    hash: str | None


class _Page(NamedTuple):
    """Rows to show with their shares, before they get names; `mine` may be outside them."""

    rows: list[tuple[Ranked, int]]
    mine: tuple[Ranked, int] | None
    total: int
    users: int
    hash: str | None


_PastKey = tuple[Period, int, Measure]
_past: WeakKeyDictionary[Database, OrderedDict[_PastKey, _View]] = WeakKeyDictionary()


async def ranking(platform: Platform, user: CurrentUser, query: RankingQuery) -> RankingDoc:
    """Answer a page of a ranking; raise invalid_input, or not_found for an unknown region."""
    rules = rules_for(CURRENT_RULES)
    now_ms = platform.clock()
    period = _period(query, now_ms, rules)
    measure = Measure(query.measure)
    region_id, level = freeze.EVERYONE, None
    if query.scope == "region":
        if query.region_id is None:
            raise _wrong("region_id", "the scope region needs region_id")
        region_id = query.region_id
        async with platform.database.read() as tx:
            level = await regions.level_of(tx, region_id)
    elif query.region_id is not None:
        raise _wrong("region_id", "only the scope region takes region_id")
    members: tuple[int, ...] | None = None
    if query.scope == "random":
        members = await cohort_of(platform, period, user.user_no, now_ms, rules)
    view = await _view(platform, measure, BoardKey(measure, region_id, level, None), period, rules)
    # No await between here and the page: the board may move on meanwhile.
    if members is None:
        page = _page_of_board(view, user.user_no, query, rules)
    else:
        page = _page_of_cohort(view, members, user.user_no, query, rules)
    as_of_ms = view.board.as_of_ms
    shown = [*page.rows, *([page.mine] if page.mine is not None else [])]
    async with platform.database.read() as tx:
        names = await _names(tx, [row.user_no for row, _ in shown])
    docs = [_row(row, share, user.user_no, names, rules) for row, share in shown]
    mine = docs.pop() if page.mine is not None else None
    return RankingDoc(
        scope=query.scope,
        measure=query.measure,
        unit=UNITS[measure],
        region_id=query.region_id,
        as_of_ms=as_of_ms,
        period=_period_doc(period, final=view.hash is not None),
        hash=page.hash,
        total=page.total,
        total_users=page.users,
        me=mine,
        rows=docs,
    )


async def seasons(platform: Platform) -> SeasonsDoc:
    """Answer the seasons around now."""
    rules = rules_for(CURRENT_RULES)
    current = period_of("season", platform.clock(), rules.zone_name)
    async with platform.database.read() as tx:
        rows = await tx.fetch_tuples("SELECT period_key FROM frozen_period WHERE kind = 'season'")
    frozen = {row[0] for row in rows}
    past: list[PeriodDoc] = []
    season = current
    while len(past) < SEASONS_SHOWN and season.key > f"S{rules.season_anchor_date}":
        season = previous_period(season, rules.zone_name)
        past.append(_period_doc(season, final=season.key in frozen))
    following = next_period(current, rules.zone_name)
    return SeasonsDoc(past, _period_doc(current, False), _period_doc(following, False))


async def erase(tx: Tx, user_no: int, now_ms: int) -> list[str]:
    """Take a user out of the cohorts that still run; final boards keep the row without a name."""
    await tx.execute(
        """DELETE FROM cohort_member WHERE user_no = ? AND NOT EXISTS (
             SELECT 1 FROM frozen_period f WHERE f.kind = cohort_member.kind
               AND f.period_key = cohort_member.period_key)""",
        user_no,
    )
    return []


def _wrong(field: str, message: str) -> Problem:
    return Problem("invalid_input", message, errors=[FieldError(field, message)])


def _period(query: RankingQuery, now_ms: int, rules: Rules) -> Period:
    if query.key is None:
        return period_of(query.kind, now_ms, rules.zone_name)
    try:
        return period_from_key(query.kind, query.key, rules.zone_name)
    except InvalidPeriod as error:
        raise _wrong("key", str(error)) from None


def _period_doc(period: Period, final: bool) -> PeriodDoc:
    everlasting = period.kind == "all"
    return PeriodDoc(
        kind=period.kind,
        key=period.key,
        start_ms=None if everlasting else period.start_ms,
        end_ms=None if everlasting else period.end_ms,
        final=final,
    )


async def _view(
    platform: Platform, measure: Measure, key: BoardKey, period: Period, rules: Rules
) -> _View:
    """Return the board of a period: frozen, folded at its end, or live."""
    now_ms = platform.clock()
    past = _past.setdefault(platform.database, OrderedDict())
    past_key = (period, key.region_id, measure)
    view = past.get(past_key)
    if view is not None and view.hash is not None:
        past.move_to_end(past_key)
        return view
    if is_final(period, now_ms, rules):
        async with platform.database.read() as tx:
            frozen = await freeze.load_frozen(tx, period, key.region_id, measure)
        if frozen is not None:
            standings = [Standing(*row[1:]) for row in frozen.rows]
            board = await build_board(standings, frozen.frozen_ms)
            return _keep(past, past_key, _View(board, frozen.hash))
    if measure not in HELD:
        live = BoardKey(measure, key.region_id, None, freeze.days_of(period, rules))
        return _View(await boards_of(platform).get(platform, live), None)
    if period.start_ms > now_ms:
        return _View(await build_board([], now_ms), None)
    if period.end_ms > now_ms:
        return _View(await boards_of(platform).get(platform, key), None)
    if view is not None and now_ms - view.board.as_of_ms < PAST_STALE_MS:
        return view
    async with platform.database.read() as tx:
        holdings = await freeze.holdings_at(tx, period.end_ms, rules)
    standings = freeze.held_standings_of(holdings, key.region_id, measure)
    return _keep(past, past_key, _View(await build_board(standings, now_ms), None))


def _keep(past: OrderedDict[_PastKey, _View], key: _PastKey, view: _View) -> _View:
    past[key] = view
    past.move_to_end(key)
    while len(past) > _PAST_KEPT:
        past.popitem(last=False)
    return view


def _page_of_board(view: _View, user_no: int, query: RankingQuery, rules: Rules) -> _Page:
    board = view.board
    if query.around:
        rows = board.index.around(user_no, rules.around_rows)
    else:
        rows = board.index.rows(query.offset + 1, query.limit)

    def shared(row: Ranked) -> tuple[Ranked, int]:
        return row, board.shares.share(row.rank, int(row.value))

    mine = board.row_of(user_no)
    return _Page(
        [shared(row) for row in rows],
        None if mine is None else shared(mine),
        board.shares.total,
        len(board),
        view.hash,
    )


def _page_of_cohort(
    view: _View, members: Sequence[int], user_no: int, query: RankingQuery, rules: Rules
) -> _Page:
    found = [view.board.row_of(member) for member in members]
    rows = ranked(Standing(*row[1:]) for row in found if row is not None)
    parts = shares([row.value for row in rows], PERMYRIAD) if rows else []
    shared = list(zip(rows, parts, strict=True))
    at = next((i for i, row in enumerate(rows) if row.user_no == user_no), None)
    if not query.around:
        page = shared[query.offset : query.offset + query.limit]
    elif at is None:
        page = []
    else:
        page = shared[max(0, at - rules.around_rows) : at + rules.around_rows + 1]
    return _Page(
        page,
        None if at is None else shared[at],
        sum(int(row.value) for row in rows),
        len(rows),
        None if view.hash is None else board_hash(rows),
    )


async def _names(tx: Tx, user_nos: Sequence[int]) -> dict[int, tuple[str, str]]:
    if not user_nos:
        return {}
    clause, argument = tx.in_list("user_no", sorted(set(user_nos)))
    rows = await tx.fetch_tuples(
        f"SELECT user_no, user_id, display_name FROM app_user WHERE {clause} "
        "AND deleted_ms IS NULL",
        argument,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def _row(
    row: Ranked, share: int, me: int, names: dict[int, tuple[str, str]], rules: Rules
) -> RankRow:
    user_id, name = names.get(row.user_no, (None, None))
    is_me = row.user_no == me
    reached_ms = row.reached_at_ms
    if not is_me:
        # When someone else walked is nobody's business beyond the day.
        reached_ms = period_of("day", reached_ms, rules.zone_name).start_ms
    return RankRow(row.rank, user_id, name, int(row.value), reached_ms, share, is_me)
