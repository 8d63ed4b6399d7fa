"""The verdict on a walk: what counts, what does not, and why."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game_engine.capture import capture
from game_engine.judge import REASON_LOW_TRUST, REASON_NO_FIXES, Verdict, judge
from game_engine.rules import CURRENT_RULES, rules_for
from game_engine.track import Fixes, clean
from game_engine.trust import TrustContext
from tests.support.paths import START_MS, circle, fixes_of

RULES = rules_for(CURRENT_RULES)
NOTHING_KNOWN = TrustContext()


def honest_walk(seed: int = 1) -> Fixes:
    """A lap of 2 km as a phone records it: slow noise, changing pace, steps not counted."""
    rng = np.random.default_rng(seed)
    x, y = circle(2_000)
    noise = rng.normal(0, 1, (2, len(x) + 60))
    kernel = np.exp(-np.arange(60) / 10)
    kernel *= 2.5 / np.sqrt((kernel**2).sum())
    dx, dy = (np.convolve(row, kernel, "valid")[: len(x)] for row in noise)
    fixes = fixes_of(x + dx, y + dy)
    accuracy_m = rng.integers(4, 12, len(fixes)).astype(np.int16)
    return Fixes(fixes.t_ms, fixes.lat_e5, fixes.lng_e5, accuracy_m, fixes.flags)


def same(a: Verdict, b: Verdict) -> bool:
    columns = ("cells", "at_ms", "loop", "visit_cells", "visit_ms", "visit_m")
    return all(
        getattr(a, name) == getattr(b, name) for name in Verdict.__slots__ if name != "captures"
    ) and all(np.array_equal(getattr(a.captures, c), getattr(b.captures, c)) for c in columns)


def test_an_honest_walk_counts() -> None:
    fixes = honest_walk()
    verdict = judge(fixes, NOTHING_KNOWN, RULES)
    assert verdict.counts_for_board
    assert verdict.reasons == ()
    assert verdict.rules_version == CURRENT_RULES
    assert verdict.duration_ms == int(fixes.t_ms[-1] - fixes.t_ms[0])
    assert 1_800 < verdict.distance_m < 2_200
    assert verdict.captures.loop.any()


def test_the_parts_are_those_of_the_stages() -> None:
    fixes = honest_walk()
    verdict, track = judge(fixes, NOTHING_KNOWN, RULES), clean(fixes, RULES)
    assert verdict.distance_m == track.distance_m
    assert verdict.moving_ms == track.moving_ms
    assert verdict.drops == track.drops
    assert np.array_equal(verdict.captures.cells, capture(track, RULES).cells)


def test_a_walk_without_trust_is_for_the_diary_only() -> None:
    fixes = honest_walk()
    verdict = judge(fixes, TrustContext(duplicate_of_other=True, mono_drift_ms=3_600_000), RULES)
    assert verdict.trust.score < RULES.trust_board_min
    assert not verdict.counts_for_board
    assert len(verdict.captures) == 0
    assert verdict.distance_m == judge(fixes, NOTHING_KNOWN, RULES).distance_m
    assert verdict.reasons[0] == REASON_LOW_TRUST
    assert set(verdict.reasons[1:]) == {signal.code for signal in verdict.trust.signals}


def test_the_limit_of_trust_is_the_rules_own() -> None:
    strict = msgspec.structs.replace(RULES, trust_board_min=101)
    assert not judge(honest_walk(), NOTHING_KNOWN, strict).counts_for_board


@pytest.mark.parametrize("n", [0, 1])
def test_without_two_fixes_there_is_nothing_to_judge(n: int) -> None:
    verdict = judge(honest_walk().take(slice(0, n)), NOTHING_KNOWN, RULES)
    assert not verdict.counts_for_board
    assert REASON_NO_FIXES in verdict.reasons
    assert (verdict.distance_m, verdict.moving_ms, verdict.duration_ms) == (0.0, 0, 0)


def test_two_fixes_are_a_walk() -> None:
    verdict = judge(fixes_of([0, 2], [0, 0]), NOTHING_KNOWN, RULES)
    assert REASON_NO_FIXES not in verdict.reasons
    assert verdict.duration_ms == 1_000


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100))
def test_the_same_fixes_in_any_order_get_the_same_verdict(seed: int) -> None:
    fixes = honest_walk(seed)
    order = np.random.default_rng(seed).permutation(len(fixes))
    twice = np.concatenate([order, order[:50]])
    verdict = judge(fixes, NOTHING_KNOWN, RULES)
    assert same(verdict, judge(fixes, NOTHING_KNOWN, RULES))
    assert same(verdict, judge(fixes.take(order), NOTHING_KNOWN, RULES))
    again = judge(fixes.take(twice), NOTHING_KNOWN, RULES)
    assert np.array_equal(verdict.captures.cells, again.captures.cells)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**7),
            st.integers(-(2**31), 2**31 - 1),
            st.integers(-(2**31), 2**31 - 1),
            st.integers(-(2**15), 2**15 - 1),
            st.integers(0, 255),
        ),
        max_size=30,
    )
)
def test_no_fixes_raise(rows: list[tuple[int, int, int, int, int]]) -> None:
    columns = [np.array([row[k] for row in rows], dtype=np.int64) for k in range(5)]
    fixes = Fixes(
        columns[0] + START_MS,
        columns[1].astype(np.int32),
        columns[2].astype(np.int32),
        columns[3].astype(np.int16),
        columns[4].astype(np.uint8),
    )
    verdict = judge(fixes, NOTHING_KNOWN, RULES)
    assert 0 <= verdict.trust.score <= 100
