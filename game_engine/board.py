"""Ownership of cells: the fold of all capture events of a cell, in order of capture.

The state of a cell carries how far it was folded (`last_at_ms`), so a new event that is strictly
later is applied to it and gives what a whole fold would; any other event makes the cell fold anew.
Decay needs no timer: strength is stored as of `visited_ms` and lessened when it is read.
See docs/decisions/0004-board-as-a-fold.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import ClassVar, Final, NamedTuple
from zoneinfo import ZoneInfo

from game_engine.errors import GameError
from game_engine.rules import Rules

NOBODY: Final = 0

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


class EventOutOfOrder(GameError):
    """An event of another cell, or older than what was folded; fold all events of the cell."""

    code: ClassVar[str] = "event_out_of_order"


class CaptureEvent(NamedTuple):
    """One walk captures one cell; `owner` (> 0) is the walker, `local_day` counts from 1970."""

    cell: int
    at_ms: int
    walk_no: int
    owner: int
    local_day: int


class CellState(NamedTuple):
    """A cell after its last folded event.

    `strength` is as of `visited_ms` (the owner's last capture), lessened by later enemy captures.
    `taken_ms` is when the owner took it, `prev_owner` whom from (0 = it was free),
    `strengthened_day` the last local day that counted for strength, the day of the taking
    included. `last_at_ms` and `last_walk_no` name the last folded event. Owner 0 is a free cell.
    """

    cell: int
    owner: int
    strength: int
    visited_ms: int
    taken_ms: int
    strengthened_day: int
    prev_owner: int
    last_at_ms: int
    last_walk_no: int


class Transition(NamedTuple):
    """A cell changes hands; owner 0 is nobody (never taken before, or decayed)."""

    cell: int
    at_ms: int
    from_owner: int
    to_owner: int


# The constructor of a NamedTuple binds its arguments by name first, which costs as much as the
# rest of `apply`; this is the same value without that.
_new: Final = tuple.__new__


def apply(state: CellState | None, event: CaptureEvent, rules: Rules) -> CellState:
    """Return the cell after `event`, which must not be older than the last one folded.

    Equals `fold` of all events when the event is strictly later than those before it
    (`needs_refold` is false). Raises `EventOutOfOrder` for an older event or another cell.
    """
    cell, at_ms, walk_no, attacker, local_day = event
    if state is None:
        return _new(
            CellState,
            (cell, attacker, rules.strength_first, at_ms, at_ms, local_day, 0, at_ms, walk_no),
        )
    held, owner, stored, visited_ms, taken_ms, day, prev_owner, last_at_ms, _ = state
    if cell != held or at_ms < last_at_ms:
        raise EventOutOfOrder(
            f"walk {walk_no} at {at_ms} ms on cell {cell:x} cannot follow cell {held:x} as of "
            f"{last_at_ms} ms: fold all events of the cell"
        )
    strength = stored - (at_ms - visited_ms) // rules.decay_step_ms
    if owner == NOBODY or strength <= 0:
        return _new(
            CellState,
            (cell, attacker, rules.strength_first, at_ms, at_ms, local_day, 0, at_ms, walk_no),
        )
    if attacker == owner:
        if local_day > day:
            day = local_day
            if strength < rules.strength_max:
                strength += 1
        return _new(
            CellState,
            (cell, owner, strength, at_ms, taken_ms, day, prev_owner, at_ms, walk_no),
        )
    if at_ms - taken_ms < rules.protection_ms:
        return _new(
            CellState,
            (cell, owner, stored, visited_ms, taken_ms, day, prev_owner, at_ms, walk_no),
        )
    if strength > 1:
        return _new(
            CellState,
            (cell, owner, stored - 1, visited_ms, taken_ms, day, prev_owner, at_ms, walk_no),
        )
    return _new(
        CellState,
        (cell, attacker, rules.strength_first, at_ms, at_ms, local_day, owner, at_ms, walk_no),
    )


def needs_refold(state: CellState | None, event: CaptureEvent) -> bool:
    """Return whether `event` is not strictly later than the state, so `apply` may not be used.

    Events of one millisecond count too: who owned the cell before them decides their order.
    """
    return state is not None and event.at_ms <= state.last_at_ms


def fold(events: Iterable[CaptureEvent], rules: Rules) -> CellState | None:
    """Return the cell after all its events, given in any order; None when there are none.

    The order is (at_ms, walk_no), except that ties keep the owner: of the events of one
    millisecond those of the owner at that moment go first. A walk captures a cell once, so of
    several events of one walk the first counts. Raises `EventOutOfOrder` for mixed cells.
    """
    state: CellState | None = None
    for state in _states(sorted(events), rules):  # noqa: B007
        pass
    return state


def fold_all(events: Iterable[CaptureEvent], rules: Rules) -> dict[int, CellState]:
    """Return the whole board: the fold of every cell that has an event, by cell."""
    board: dict[int, CellState] = {}
    for cell, of_cell in groupby(sorted(events), key=_cell_of):
        for state in _states(list(of_cell), rules):
            board[cell] = state
    return board


def apply_all(
    states: Mapping[int, CellState], events: Iterable[CaptureEvent], rules: Rules
) -> dict[int, CellState]:
    """Return the new states of the touched cells; `states` holds the old ones by cell.

    Events of one cell must come in order and none may need a refold against `states`: raises
    `EventOutOfOrder` otherwise.
    """
    changed: dict[int, CellState] = {}
    for event in events:
        cell = event.cell
        state = changed.get(cell) or states.get(cell)
        if state is not None and event.at_ms <= state.last_at_ms:
            raise EventOutOfOrder(
                f"walk {event.walk_no} on cell {cell:x} is not later than {state.last_at_ms} ms: "
                "fold all events of the cell"
            )
        changed[cell] = apply(state, event, rules)
    return changed


def transitions(
    events: Iterable[CaptureEvent], rules: Rules, until_ms: int | None = None
) -> list[Transition]:
    """Return every change of owner, also by decay, ordered by (at_ms, cell).

    Events may be of many cells. A decay after the last event of a cell is in the list when it
    comes not later than `until_ms`; without `until_ms` it is not.
    """
    changes: list[Transition] = []
    for cell, of_cell in groupby(sorted(events), key=_cell_of):
        before: CellState | None = None
        for state in _states(list(of_cell), rules):
            if before is None:
                changes.append(Transition(cell, state.taken_ms, NOBODY, state.owner))
            elif (decayed_ms := free_at_ms(before, rules)) <= state.last_at_ms:
                changes.append(Transition(cell, decayed_ms, before.owner, NOBODY))
                changes.append(Transition(cell, state.taken_ms, NOBODY, state.owner))
            elif before.owner != state.owner:
                changes.append(Transition(cell, state.taken_ms, before.owner, state.owner))
            before = state
        if before is not None and until_ms is not None:
            decayed_ms = free_at_ms(before, rules)
            if decayed_ms <= until_ms:
                changes.append(Transition(cell, decayed_ms, before.owner, NOBODY))
    # Stable: a cell that decays and is taken in one millisecond keeps that order.
    return sorted(changes, key=lambda change: (change.at_ms, change.cell))


def effective_strength(state: CellState, at_ms: int, rules: Rules) -> int:
    """Return the strength 0..5 at a moment not before the state's last event; 0 is free."""
    if state.owner == NOBODY:
        return 0
    decayed = max(0, at_ms - state.visited_ms) // rules.decay_step_ms
    return max(0, state.strength - decayed)


def owner_at(state: CellState, at_ms: int, rules: Rules) -> int:
    """Return who holds the cell at a moment not before the state's last event; 0 is nobody."""
    return state.owner if at_ms < free_at_ms(state, rules) else NOBODY


def free_at_ms(state: CellState, rules: Rules) -> int:
    """Return the first millisecond at which the cell is free unless its owner comes back."""
    return state.visited_ms + state.strength * rules.decay_step_ms


def is_protected(state: CellState, at_ms: int, rules: Rules) -> bool:
    """Return whether enemy captures at this moment change nothing (15 min after a taking)."""
    return state.owner != NOBODY and 0 <= at_ms - state.taken_ms < rules.protection_ms


def holdings(states: Iterable[CellState], at_ms: int, rules: Rules) -> Counter[int]:
    """Return the number of cells each owner holds at a moment; free cells are nobody's."""
    owners = (owner_at(state, at_ms, rules) for state in states)
    return Counter(owner for owner in owners if owner != NOBODY)


def local_day(at_ms: int, zone: str | ZoneInfo) -> int:
    """Return the local calendar day of a UTC time as days since 1970-01-01."""
    where = ZoneInfo(zone) if isinstance(zone, str) else zone
    local = (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(where)
    return local.toordinal() - _EPOCH_DAY


def _states(ordered: list[CaptureEvent], rules: Rules) -> Iterator[CellState]:
    """Yield the state after each event of one cell; `ordered` by (at_ms, walk_no)."""
    if len({event.walk_no for event in ordered}) != len(ordered):
        ordered = _first_of_each_walk(ordered)
    state: CellState | None = None
    last = len(ordered) - 1
    for at, event in enumerate(ordered):
        at_ms = event.at_ms
        if at < last and at_ms == ordered[at + 1].at_ms:
            break
        state = apply(state, event, rules)
        yield state
    else:
        return
    # Ties are rare; only from the first one on does the slower loop run.
    for at_ms, tied in groupby(ordered[at:], key=_time_of):
        owner = NOBODY if state is None else owner_at(state, at_ms, rules)
        for event in sorted(tied, key=lambda event: event.owner != owner):
            state = apply(state, event, rules)
            yield state


def _first_of_each_walk(ordered: list[CaptureEvent]) -> list[CaptureEvent]:
    first: dict[int, CaptureEvent] = {}
    for event in ordered:
        first.setdefault(event.walk_no, event)
    return list(first.values())


def _cell_of(event: CaptureEvent) -> int:
    return event.cell


def _time_of(event: CaptureEvent) -> int:
    return event.at_ms
