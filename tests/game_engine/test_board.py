"""The board is the fold of all capture events, whatever order walks arrive in."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game_engine.board import (
    NOBODY,
    CaptureEvent,
    CellState,
    EventOutOfOrder,
    Transition,
    apply,
    apply_all,
    effective_strength,
    fold,
    fold_all,
    free_at_ms,
    holdings,
    is_protected,
    local_day,
    needs_refold,
    owner_at,
    transitions,
)
from game_engine.rules import CURRENT_RULES, rules_for

RULES = rules_for(CURRENT_RULES)
DAY_MS = 86_400_000
STEP_MS = RULES.decay_step_ms
SHIELD_MS = RULES.protection_ms
CELL = 0x8B30E1CACAC9FFF
ANNA, BORI, COCO = 1, 2, 3


def event(owner: int, at_ms: int, walk_no: int = 0, cell: int = CELL) -> CaptureEvent:
    return CaptureEvent(cell, at_ms, walk_no or at_ms * 10 + owner, owner, at_ms // DAY_MS)


def folded(*events: CaptureEvent) -> CellState:
    state = fold(events, RULES)
    assert state is not None
    return state


# --- the rules, one by one -----------------------------------------------------------------------


def test_a_free_cell_is_taken_with_strength_one() -> None:
    state = folded(event(ANNA, 5))
    assert state[:7] == (CELL, ANNA, 1, 5, 5, 0, NOBODY)
    assert state[7:] == (5, 51)


def test_an_own_capture_adds_one_once_a_local_day_up_to_five() -> None:
    days = [event(ANNA, day * DAY_MS + hour) for day in range(8) for hour in (0, 1, 2)]
    strengths = [folded(*days[: n + 1]).strength for n in range(len(days))]
    assert strengths == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3 + [5] * 12


def test_a_visit_that_does_not_strengthen_still_stops_decay() -> None:
    state = folded(event(ANNA, 0), event(ANNA, 7))
    assert (state.strength, state.visited_ms) == (1, 7)
    assert free_at_ms(state, RULES) == 7 + STEP_MS


def test_an_enemy_needs_as_many_captures_as_the_cell_is_strong() -> None:
    own = [event(ANNA, day * DAY_MS) for day in range(3)]
    hits = [event(BORI, 3 * DAY_MS + n) for n in range(3)]
    assert folded(*own, *hits[:2])[1:3] == (ANNA, 1)
    state = folded(*own, *hits)
    assert (state.owner, state.strength, state.prev_owner) == (BORI, 1, ANNA)
    assert state.taken_ms == state.visited_ms == hits[2].at_ms


def test_a_cell_is_protected_for_exactly_fifteen_minutes_after_it_was_taken() -> None:
    taken = event(ANNA, 1_000)
    last_moment, first_moment = 1_000 + SHIELD_MS - 1, 1_000 + SHIELD_MS
    assert folded(taken, event(BORI, last_moment)).owner == ANNA
    assert folded(taken, event(BORI, first_moment)).owner == BORI
    state = folded(taken)
    assert not is_protected(state, 999, RULES)
    assert is_protected(state, last_moment, RULES)
    assert not is_protected(state, first_moment, RULES)


def test_a_recapture_by_force_is_protected_too() -> None:
    times = [0, SHIELD_MS, 2 * SHIELD_MS - 1, 2 * SHIELD_MS]
    events = [event(owner, at) for owner, at in zip((ANNA, BORI, ANNA, ANNA), times, strict=True)]
    assert [folded(*events[: n + 1]).owner for n in range(4)] == [ANNA, BORI, BORI, ANNA]


@pytest.mark.parametrize("strength", [1, 2, 3, 4, 5])
def test_decay_takes_one_at_exactly_every_fourteenth_day(strength: int) -> None:
    state = folded(*(event(ANNA, day * DAY_MS) for day in range(strength)))
    visited = state.visited_ms
    for lost in range(1, strength + 1):
        at_ms = visited + lost * STEP_MS
        assert effective_strength(state, at_ms - 1, RULES) == strength - lost + 1
        assert effective_strength(state, at_ms, RULES) == strength - lost
    free_ms = visited + strength * STEP_MS
    assert free_at_ms(state, RULES) == free_ms
    assert owner_at(state, free_ms - 1, RULES) == ANNA
    assert owner_at(state, free_ms, RULES) == NOBODY
    assert effective_strength(state, free_ms + 9 * STEP_MS, RULES) == 0


def test_an_enemy_at_the_moment_of_decay_takes_a_free_cell_and_one_earlier_takes_it_by_force() -> (
    None
):
    at_free = folded(event(ANNA, 0), event(BORI, STEP_MS))
    assert at_free[1:7] == (BORI, 1, STEP_MS, STEP_MS, 14, NOBODY)
    before = folded(event(ANNA, 0), event(BORI, STEP_MS - 1))
    assert (before.owner, before.prev_owner) == (BORI, ANNA)


def test_the_former_owner_of_a_decayed_cell_takes_it_anew() -> None:
    state = folded(event(ANNA, 0), event(ANNA, STEP_MS))
    assert state[1:7] == (ANNA, 1, STEP_MS, STEP_MS, 14, NOBODY)


def test_strength_lost_to_decay_does_not_come_back_with_a_visit() -> None:
    own = [event(ANNA, day * DAY_MS) for day in range(5)]
    back = own[-1].at_ms + 2 * STEP_MS
    assert folded(*own, event(ANNA, back)).strength == 5 - 2 + 1


def test_an_enemy_capture_does_not_restart_decay() -> None:
    own = [event(ANNA, day * DAY_MS) for day in range(3)]
    hit = folded(*own, event(BORI, own[-1].at_ms + 3 * DAY_MS))
    assert free_at_ms(hit, RULES) == own[-1].at_ms + 2 * STEP_MS


@pytest.mark.parametrize("owners_walk_no", [1, 99])
def test_a_tie_keeps_the_owner_whatever_the_walk_numbers(owners_walk_no: int) -> None:
    """On one millisecond of a new day the owner's +1 comes before the enemy's -1."""
    both = [event(BORI, DAY_MS, 50), event(ANNA, DAY_MS, owners_walk_no)]
    state = folded(event(ANNA, 0, 7), *both)
    assert (state.owner, state.strength) == (ANNA, 1)
    assert state == folded(*reversed(both), event(ANNA, 0, 7))


def test_a_tie_on_a_free_cell_goes_to_the_lower_walk_number() -> None:
    assert folded(event(BORI, 5, 2), event(ANNA, 5, 3)).owner == BORI
    assert folded(event(BORI, 5, 4), event(ANNA, 5, 3)).owner == ANNA


def test_a_walk_counts_once_on_a_cell_however_often_it_is_delivered() -> None:
    once = (event(ANNA, 0, 1), event(ANNA, DAY_MS, 2), event(BORI, 2 * DAY_MS, 3))
    assert folded(*once, *once, event(BORI, 3 * DAY_MS, 3)) == folded(*once)


def test_no_events_are_no_cell() -> None:
    assert fold([], RULES) is None
    assert fold_all([], RULES) == {}
    assert transitions([], RULES) == []


def test_a_stored_row_without_owner_is_a_free_cell() -> None:
    freed = CellState(CELL, NOBODY, 0, 0, 0, 0, NOBODY, 0, 0)
    assert owner_at(freed, 0, RULES) == NOBODY
    assert effective_strength(freed, 0, RULES) == 0
    assert not is_protected(freed, 1, RULES)
    assert not needs_refold(freed, event(ANNA, 5))
    assert apply(freed, event(ANNA, 5), RULES) == folded(event(ANNA, 5))


def test_an_older_event_or_another_cell_cannot_be_applied() -> None:
    state = folded(event(ANNA, 10))
    with pytest.raises(EventOutOfOrder) as caught:
        apply(state, event(BORI, 9), RULES)
    assert caught.value.code == "event_out_of_order"
    with pytest.raises(EventOutOfOrder):
        apply(state, event(BORI, 11, cell=CELL + 1), RULES)
    with pytest.raises(EventOutOfOrder):
        fold([event(ANNA, 1), event(ANNA, 2, cell=CELL + 1)], RULES)
    with pytest.raises(EventOutOfOrder):
        apply_all({CELL: state}, [event(BORI, 10)], RULES)


def test_local_days_change_at_midnight_of_the_zone() -> None:
    midnight = int(datetime(2026, 11, 20, 15, tzinfo=UTC).timestamp() * 1000)
    day = (datetime(2026, 11, 21) - datetime(1970, 1, 1)).days
    assert local_day(midnight - 1, "Asia/Seoul") == day - 1
    assert local_day(midnight, ZoneInfo("Asia/Seoul")) == day
    assert local_day(-1, "UTC") == -1


def test_transitions_name_every_change_of_hands_with_decays() -> None:
    events = [event(ANNA, 0), event(BORI, SHIELD_MS), event(ANNA, SHIELD_MS + 5 * STEP_MS)]
    decayed = SHIELD_MS + STEP_MS
    back = SHIELD_MS + 5 * STEP_MS
    expected = [
        Transition(CELL, 0, NOBODY, ANNA),
        Transition(CELL, SHIELD_MS, ANNA, BORI),
        Transition(CELL, decayed, BORI, NOBODY),
        Transition(CELL, back, NOBODY, ANNA),
    ]
    assert transitions(reversed(events), RULES) == expected
    end = back + STEP_MS
    assert transitions(events, RULES, until_ms=end - 1) == expected
    assert transitions(events, RULES, until_ms=end)[4:] == [Transition(CELL, end, ANNA, NOBODY)]


# --- properties ----------------------------------------------------------------------------------

# Times gather where rules change: the same millisecond, a day, the shield, the decay steps.
MOMENTS = st.one_of(
    st.integers(0, 4),
    st.builds(
        lambda days, steps, shields, off: max(
            0, days * DAY_MS + steps * STEP_MS + shields * SHIELD_MS + off
        ),
        st.integers(0, 6),
        st.integers(0, 4),
        st.integers(0, 2),
        st.integers(-1, 1),
    ),
)


@st.composite
def walks(draw: st.DrawFn) -> list[list[CaptureEvent]]:
    """Up to 14 walks, each of one owner over a few cells."""
    count = draw(st.integers(1, 14))
    numbers = draw(st.permutations(range(1, count + 1)))
    result = []
    for walk_no in numbers:
        owner = draw(st.sampled_from([ANNA, BORI, COCO]))
        cells = draw(st.sets(st.integers(0, 2), min_size=1))
        result.append([event(owner, draw(MOMENTS), walk_no, CELL + cell) for cell in sorted(cells)])
    return result


def arrive(board_walks: list[list[CaptureEvent]]) -> dict[int, CellState]:
    """The server's way: apply what is later, fold the rest anew."""
    board: dict[int, CellState] = {}
    stored: list[CaptureEvent] = []
    for walk in board_walks:
        stored += walk
        for one in walk:
            state = board.get(one.cell)
            if needs_refold(state, one):
                again = fold([e for e in stored if e.cell == one.cell], RULES)
                assert again is not None
                board[one.cell] = again
            else:
                board[one.cell] = apply(state, one, RULES)
    return board


@given(walks(), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_any_order_of_arrival_gives_the_same_board(board_walks, random) -> None:  # type: ignore[no-untyped-def]
    whole = fold_all([one for walk in board_walks for one in walk], RULES)
    assert arrive(board_walks) == whole
    random.shuffle(board_walks)
    assert arrive(board_walks) == whole


@given(walks())
@settings(max_examples=200, deadline=None)
def test_events_in_order_of_time_are_applied_as_they_are_folded(
    board_walks: list[list[CaptureEvent]],
) -> None:
    distinct = {(one.cell, one.at_ms): one for walk in board_walks for one in walk}
    ordered = sorted(distinct.values(), key=lambda one: one.at_ms)
    half = len(ordered) // 2
    states = apply_all({}, ordered[:half], RULES)
    states |= apply_all(states, ordered[half:], RULES)
    assert states == fold_all(ordered, RULES)


@given(walks(), st.data())
@settings(max_examples=200, deadline=None)
def test_a_rolled_back_walk_leaves_no_trace(
    board_walks: list[list[CaptureEvent]], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(board_walks))
    kept = [walk for walk in board_walks if walk is not gone]
    board = arrive(board_walks)
    for cell in {one.cell for one in gone}:
        state = fold([one for walk in kept for one in walk if one.cell == cell], RULES)
        if state is None:
            del board[cell]
        else:
            board[cell] = state
    assert board == arrive(kept)


@given(walks(), MOMENTS)
@settings(max_examples=200, deadline=None)
def test_every_owned_cell_has_one_owner_and_nothing_else_is_counted(
    board_walks: list[list[CaptureEvent]], later_ms: int
) -> None:
    board = fold_all([one for walk in board_walks for one in walk], RULES)
    now_ms = max(state.last_at_ms for state in board.values()) + later_ms
    held = holdings(board.values(), now_ms, RULES)
    owned = [s for s in board.values() if effective_strength(s, now_ms, RULES) > 0]
    assert sum(held.values()) == len(owned)
    assert held == Counter(state.owner for state in owned)
    assert all(owner_at(state, now_ms, RULES) == state.owner for state in owned)


@given(walks())
@settings(max_examples=200, deadline=None)
def test_strength_stays_in_one_to_five_and_protection_holds(
    board_walks: list[list[CaptureEvent]],
) -> None:
    board: dict[int, CellState] = {}
    every = [one for walk in board_walks for one in walk]
    for one in sorted(every, key=lambda e: (e.at_ms, e.walk_no)):
        before = board.get(one.cell)
        after = apply(before, one, RULES)
        assert 1 <= after.strength <= 5
        assert 1 <= effective_strength(after, one.at_ms, RULES) <= 5
        if (
            before is not None
            and is_protected(before, one.at_ms, RULES)
            and one.owner != before.owner
        ):
            assert after[:7] == before[:7]
        board[one.cell] = after


def plainly(events: list[CaptureEvent]) -> tuple[int, int]:
    """The rules of GAME.md told again without stored decay: owner and strength after the last."""
    owner = strength = visited = taken = 0
    days: set[int] = set()
    pending = sorted(events, key=lambda e: e.at_ms)
    while pending:
        at_ms = pending[0].at_ms
        while strength and at_ms >= visited + STEP_MS:
            visited += STEP_MS
            strength -= 1
            owner = owner if strength else NOBODY
        tied = [e for e in pending if e.at_ms == at_ms]
        pending = pending[len(tied) :]
        for one in sorted(tied, key=lambda e, o=owner: (e.owner != o, e.walk_no)):  # type: ignore[misc]
            if owner == one.owner:
                visited = at_ms
                if one.local_day not in days:
                    strength = min(5, strength + 1)
                    days.add(one.local_day)
                continue
            if owner and at_ms < taken + SHIELD_MS:
                continue
            strength = max(0, strength - 1)
            if strength == 0:
                owner, strength, visited, taken = one.owner, 1, at_ms, at_ms
                days = {one.local_day}
    return owner, strength


@given(walks())
@settings(max_examples=400, deadline=None)
def test_the_fold_agrees_with_the_rules_told_plainly(
    board_walks: list[list[CaptureEvent]],
) -> None:
    every = [one for walk in board_walks for one in walk]
    for cell, state in fold_all(every, RULES).items():
        of_cell = [one for one in every if one.cell == cell]
        last_ms = max(one.at_ms for one in of_cell)
        assert (state.owner, effective_strength(state, last_ms, RULES)) == plainly(of_cell)


@given(walks())
@settings(max_examples=200, deadline=None)
def test_transitions_chain_from_nobody_to_the_owner_of_the_fold(
    board_walks: list[list[CaptureEvent]],
) -> None:
    every = [one for walk in board_walks for one in walk]
    holder: dict[int, int] = {}
    last_ms: dict[int, int] = {}
    for change in transitions(every, RULES):
        assert holder.get(change.cell, NOBODY) == change.from_owner
        assert last_ms.get(change.cell, 0) <= change.at_ms
        holder[change.cell], last_ms[change.cell] = change.to_owner, change.at_ms
    assert holder == {cell: state.owner for cell, state in fold_all(every, RULES).items()}
