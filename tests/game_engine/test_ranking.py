"""Ranks are exact, shares add up, draws repeat, and the index agrees with a plain sort."""

from __future__ import annotations

import hashlib
import sqlite3
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from game_engine.errors import InvalidRanking
from game_engine.rank_index import RankIndex
from game_engine.ranking import (
    Measure,
    Ranked,
    Standing,
    around,
    board_hash,
    draw_cohorts,
    fill_cohorts,
    rank_order,
    ranked,
    shares,
)

VALUES = st.one_of(st.integers(0, 5), st.sampled_from([0.0, 0.1, 0.30000000000000004, 0.3, 5.0]))
STANDINGS = st.dictionaries(
    st.integers(1, 200), st.tuples(VALUES, st.integers(0, 3)), max_size=60
).map(lambda users: [Standing(user_no, *rest) for user_no, rest in users.items()])


# --- order ---------------------------------------------------------------------------------------


def test_ties_go_to_who_got_there_first_then_to_the_lower_id() -> None:
    rows = ranked([Standing(4, 7, 20), Standing(3, 7, 10), Standing(2, 7, 20), Standing(9, 8, 99)])
    assert [(row.rank, row.user_no) for row in rows] == [(1, 9), (2, 3), (3, 2), (4, 4)]


@given(STANDINGS)
def test_ranks_equal_those_of_sql(standings: list[Standing]) -> None:
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE s (user_no INTEGER, value, reached_at_ms INTEGER)")
        db.executemany("INSERT INTO s VALUES (?, ?, ?)", standings)
        rows = db.execute(
            "SELECT RANK() OVER (ORDER BY value DESC, reached_at_ms, user_no) AS r, * FROM s "
            "ORDER BY r"
        ).fetchall()
    assert [tuple(row) for row in ranked(standings)] == rows


def test_a_value_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(InvalidRanking):
        rank_order(Standing(1, float("nan"), 0))
    with pytest.raises(InvalidRanking):
        RankIndex().put(Standing(1, float("nan"), 0))


def test_around_me_is_five_above_and_five_below() -> None:
    rows = ranked(Standing(n, 100 - n, 0) for n in range(20))
    assert [row.rank for row in around(rows, 9, 5)] == list(range(5, 16))
    assert [row.rank for row in around(rows, 0, 5)] == list(range(1, 7))
    assert [row.rank for row in around(rows, 19, 5)] == list(range(15, 21))
    for outside in (-1, 20):
        with pytest.raises(InvalidRanking):
            around(rows, outside, 5)


def test_measures_are_the_names_of_the_api() -> None:
    assert {measure.value for measure in Measure} == {
        "cells_held",
        "area_held",
        "new_captures",
        "distance",
        "walking_time",
        "walk_days",
    }


# --- shares --------------------------------------------------------------------------------------


@given(
    st.lists(st.one_of(st.integers(0, 10**12), st.floats(0, 1e12)), min_size=1, max_size=40),
    st.integers(0, 10**6),
)
def test_shares_add_up_and_are_within_one_of_the_exact_part(
    weights: list[int | float], total: int
) -> None:
    whole = sum(Fraction(weight) for weight in weights)
    if whole == 0 and total:
        with pytest.raises(InvalidRanking):
            shares(weights, total)
        return
    parts = shares(weights, total)
    assert sum(parts) == total
    for weight, part in zip(weights, parts, strict=True):
        exact = Fraction(weight) * total / whole if total else Fraction(0)
        assert abs(part - exact) < 1
        assert weight > 0 or part == 0
    in_order = sorted(zip(weights, parts, strict=True))
    assert [part for _, part in in_order] == sorted(parts)


def test_equal_remainders_go_to_the_earlier_weight() -> None:
    assert shares([1, 1, 1], 100) == [34, 33, 33]
    assert shares([1, 1, 1], 2) == [1, 1, 0]
    assert shares([0.1, 0.2], 3) == [1, 2]


def test_nothing_is_shared_among_nobody() -> None:
    assert shares([], 0) == []
    assert shares([0, 0], 0) == [0, 0]
    for weights, total in (([], 1), ([0, 0], 1), ([1], -1), ([-1, 2], 1), ([float("inf")], 1)):
        with pytest.raises(InvalidRanking):
            shares(weights, total)


# --- cohorts -------------------------------------------------------------------------------------


@given(st.sets(st.integers(1, 10**9), max_size=150), st.integers(1, 30), st.text(max_size=8))
def test_everyone_is_in_one_cohort_and_all_but_the_last_are_full(
    users: set[int], size: int, seed: str
) -> None:
    cohorts = draw_cohorts(sorted(users), size, seed)
    assert sorted(user for cohort in cohorts for user in cohort) == sorted(users)
    assert all(len(cohort) == size for cohort in cohorts[:-1])
    assert all(0 < len(cohort) <= size for cohort in cohorts[-1:])
    assert draw_cohorts(sorted(users, reverse=True), size, seed) == cohorts


def test_a_draw_is_the_same_on_every_machine() -> None:
    assert draw_cohorts(range(1, 8), 3, "week-47") == DRAWN
    assert draw_cohorts(range(1, 8), 3, "week-48") != DRAWN


# Written down once; SHA-256 does not change.
DRAWN = [(7, 4, 3), (1, 6, 5), (2,)]


@given(
    st.sets(st.integers(1, 500), max_size=100),
    st.sets(st.integers(1, 500), max_size=100),
    st.integers(1, 30),
)
def test_late_joiners_fill_open_places_and_nobody_moves(
    first: set[int], late: set[int], size: int
) -> None:
    drawn = draw_cohorts(first, size, "seed")
    filled = fill_cohorts(drawn, late, size, "seed")
    assert sorted(user for cohort in filled for user in cohort) == sorted(first | late)
    for before, after in zip(drawn, filled, strict=False):
        assert after[: len(before)] == before
    assert all(len(cohort) == size for cohort in filled[:-1])
    assert fill_cohorts(filled, late | first, size, "seed") == filled


def test_a_place_that_was_left_is_open_again() -> None:
    assert fill_cohorts([(1, 2), (3,)], [9], 3, "s") == [(1, 2, 9), (3,)]
    with pytest.raises(InvalidRanking):
        draw_cohorts([1], 0, "s")


# --- the frozen board ----------------------------------------------------------------------------


def test_the_hash_of_a_board_is_over_its_text() -> None:
    rows = [Ranked(1, 7, 12, 1_000), Ranked(2, 8, 0.1, 2_000)]
    text = "1\t7\t12\t1000\n2\t8\t0.1\t2000\n"
    assert board_hash(rows) == hashlib.sha256(text.encode()).hexdigest()
    assert board_hash([Ranked(1, 7, 12.0, 1_000), rows[1]]) == board_hash(rows)
    assert board_hash(rows[:1]) != board_hash(rows) != board_hash(rows[::-1])


# --- the index -----------------------------------------------------------------------------------


class IndexMachine(RuleBasedStateMachine):
    """Random histories beside a plain dictionary; blocks of four split and join all the time."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[int, Standing] = {}
        self.index = RankIndex(block_size=4)

    @initialize(standings=STANDINGS)
    def build(self, standings: list[Standing]) -> None:
        self.users = {standing.user_no: standing for standing in standings}
        self.index = RankIndex(standings, block_size=4)

    @rule(standings=STANDINGS)
    def put(self, standings: list[Standing]) -> None:
        for standing in standings:
            self.users[standing.user_no] = standing
            self.index.put(standing)

    @rule(user_nos=st.lists(st.integers(1, 200), max_size=60))
    def remove(self, user_nos: list[int]) -> None:
        for user_no in user_nos:
            assert self.index.remove(user_no) == (self.users.pop(user_no, None) is not None)

    @rule(first=st.integers(1, 80), count=st.integers(0, 80))
    def page(self, first: int, count: int) -> None:
        rows = ranked(self.users.values())
        assert self.index.rows(first, count) == rows[first - 1 : first - 1 + count]
        assert self.index.top(count) == rows[:count]

    @invariant()
    def agrees_with_a_plain_sort(self) -> None:
        rows = ranked(self.users.values())
        assert list(self.index) == rows
        assert len(self.index) == len(rows)
        for at, row in enumerate(rows):
            assert self.index.rank(row.user_no) == row.rank
            assert self.index.around(row.user_no, 5) == around(rows, at, 5)
        sizes = [len(block) for block in self.index._blocks]
        assert all(1 <= size <= 8 for size in sizes)
        assert len(sizes) <= len(rows) // 2 + 1

    @invariant()
    def strangers_have_no_rank(self) -> None:
        assert self.index.rank(999) is None
        assert self.index.around(999, 5) == []
        assert 999 not in self.index


IndexMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)


TestRankIndex = IndexMachine.TestCase


def test_a_user_has_one_standing() -> None:
    with pytest.raises(InvalidRanking):
        RankIndex([Standing(1, 2, 3), Standing(1, 3, 4)])
    with pytest.raises(InvalidRanking):
        RankIndex().rows(0, 1)
    with pytest.raises(InvalidRanking):
        RankIndex(block_size=1)
