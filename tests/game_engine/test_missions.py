"""Surprise missions: drawn from a seed, in their windows, filmed in time."""

from __future__ import annotations

from collections import Counter

import pytest

from game_engine.missions import draw_missions, mission_type, submission_of
from game_engine.rules import CURRENT_RULES, rules_for

RULES = rules_for(CURRENT_RULES)
MINUTE_MS = 60_000


def test_a_seed_always_draws_the_same_missions() -> None:
    assert draw_missions(7, RULES) == draw_missions(7, RULES)
    assert len({draw_missions(seed, RULES) for seed in range(50)}) == 50


def test_each_mission_comes_in_its_own_window_and_no_type_twice() -> None:
    windows = ((3, 7), (10, 20), (25, 40))
    for seed in range(500):
        drawn = draw_missions(seed, RULES)
        assert [each.number for each in drawn] == [0, 1, 2]
        for each, (first, last) in zip(drawn, windows, strict=True):
            assert first * MINUTE_MS <= each.after_ms < last * MINUTE_MS
        assert len({each.mission_type for each in drawn}) == 3


def test_every_type_is_drawn_about_as_often() -> None:
    counts = Counter(
        each.mission_type for seed in range(2_000) for each in draw_missions(seed, RULES)
    )
    assert set(counts) == {"SIT", "DOWN", "PAW", "TURN", "JUMP"}
    # 1,200 each is the mean; the standard deviation is below 22.
    assert all(1_080 < count < 1_320 for count in counts.values()), counts


@pytest.mark.parametrize(
    ("said", "name"),
    [("SIT", "SIT"), ("sit", "SIT"), (" Spin ", "TURN"), ("TURN", "TURN"), ("FLY", None),
     ("", None)],
)  # fmt: skip
def test_what_a_client_calls_a_mission(said: str, name: str | None) -> None:
    assert mission_type(said, RULES) == name


@pytest.mark.parametrize(
    ("at_ms", "when"),
    [(969_999, "too_early"), (970_000, "in_time"), (1_000_000, "in_time"),
     (1_210_000, "in_time"), (1_210_001, "too_late")],
)  # fmt: skip
def test_a_phones_clock_may_be_off_by_half_a_minute(at_ms: int, when: str) -> None:
    assert submission_of(at_ms, 1_000_000, 1_180_000) == when
