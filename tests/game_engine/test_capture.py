"""Capture: trail and loop cells of a walk, their times, and the time and way in each cell."""

from collections import defaultdict
from dataclasses import replace

import h3.api.basic_int as h3
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from game_engine.capture import REASON_LATTICE, Captures, capture, dwell_of_current
from game_engine.rules import CURRENT_RULES, rules_for
from game_engine.track import CleanTrack, Fixes, clean
from tests.support.paths import SEOUL, START_MS, circle, fixes_of, polyline

RULES = rules_for(CURRENT_RULES)


def captures_of(fixes: Fixes) -> Captures:
    return capture(clean(fixes, RULES), RULES)


def random_walk(seed: int, n: int, bend: float, step_ms: int = 1_000) -> Fixes:
    rng = np.random.default_rng(seed)
    heading = np.cumsum(rng.normal(0, bend, n))
    step_m = 1.2 * step_ms / 1_000
    x, y = np.cumsum(step_m * np.cos(heading)), np.cumsum(step_m * np.sin(heading))
    return fixes_of(x + rng.normal(0, 1, n), y + rng.normal(0, 1, n), step_ms=step_ms)


def rows(captures: Captures) -> list[tuple[int, int, bool]]:
    return list(
        zip(
            captures.cells.tolist(),
            captures.at_ms.tolist(),
            captures.loop.tolist(),
            strict=True,
        )
    )


def cells_in_order(track: CleanTrack) -> list[int]:
    return [
        h3.latlng_to_cell(lat, lng, 11)
        for lat, lng in zip(track.fixes.lat.tolist(), track.fixes.lng.tolist(), strict=True)
    ]


def trail_by_the_book(track: CleanTrack) -> dict[int, int]:
    """The trail rule written down fix by fix."""
    fixes: defaultdict[int, int] = defaultdict(int)
    stay_ms: defaultdict[int, float] = defaultdict(float)
    at_ms: dict[int, int] = {}
    t_ms, cells = track.fixes.t_ms.tolist(), cells_in_order(track)
    for i, cell in enumerate(cells):
        fixes[cell] += bool(track.fix_kept[i])
        touched = [cell]
        if i and track.segment_kept[i - 1]:
            whole_ms, left = t_ms[i] - t_ms[i - 1], cells[i - 1]
            if left == cell:
                stay_ms[cell] += whole_ms
            else:
                stay_ms[left] += whole_ms // 2
                stay_ms[cell] += whole_ms - whole_ms // 2
            touched.append(left)
        for near in touched:
            if fixes[near] >= RULES.trail_min_fixes and stay_ms[near] >= RULES.trail_min_ms:
                at_ms.setdefault(near, t_ms[i])
    return at_ms


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 500), st.sampled_from([500, 1_000, 7_000, 20_000]))
def test_trail_cells_are_those_of_the_rule(seed: int, n: int, step_ms: int) -> None:
    track = clean(random_walk(seed, n, 0.02, step_ms), RULES)
    captures = capture(track, RULES)
    book = trail_by_the_book(track)
    assert set(book) <= set(captures.cells.tolist())
    for cell, at_ms, loop in rows(captures):
        assert book[cell] == at_ms if not loop else at_ms < book.get(cell, at_ms + 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 1_800), st.floats(0.001, 0.2))
def test_a_captured_cell_is_visited_or_enclosed(seed: int, n: int, bend: float) -> None:
    captures = captures_of(random_walk(seed, n, bend))
    assert len(set(captures.cells.tolist())) == len(captures)
    assert np.all(np.diff(captures.at_ms) >= 0)
    assert rows(captures) == sorted(rows(captures), key=lambda row: (row[1], row[0]))
    visited = set(captures.visit_cells.tolist())
    assert set(captures.cells[~captures.loop].tolist()) <= visited
    # A cell of a loop never sees the outside: all its neighbours are visited or looped too.
    known = visited | set(captures.cells.tolist()) | bridges(captures)
    for cell in captures.cells[captures.loop].tolist():
        assert set(h3.grid_disk(cell, 1)) <= known


def bridges(captures: Captures) -> set[int]:
    """Cells within the closing distance of a visited one: a ring may cross them."""
    return {near for cell in captures.visit_cells.tolist() for near in h3.grid_disk(cell, 1)}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.001, 0.2), st.randoms(use_true_random=False))
def test_the_order_of_the_fixes_does_not_matter(seed: int, bend: float, random: object) -> None:
    fixes = random_walk(seed, 700, bend)
    order = np.random.default_rng(seed).permutation(len(fixes))
    assert rows(captures_of(fixes)) == rows(captures_of(fixes.take(order)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.001, 0.2), st.integers(-(10**11), 10**11))
def test_another_day_shifts_the_times_and_nothing_else(
    seed: int, bend: float, shift_ms: int
) -> None:
    fixes = random_walk(seed, 700, bend)
    moved = captures_of(replace(fixes, t_ms=fixes.t_ms + shift_ms))
    captures = captures_of(fixes)
    assert [(c, t + shift_ms, loop) for c, t, loop in rows(captures)] == rows(moved)
    assert np.array_equal(captures.visit_ms, moved.visit_ms)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 900), st.floats(0.0, 0.3))
def test_visits_add_up_to_the_track(seed: int, n: int, bend: float) -> None:
    track = clean(random_walk(seed, n, bend), RULES)
    captures = capture(track, RULES)
    assert captures.visit_m.sum() == pytest.approx(track.distance_m, rel=1e-6, abs=1e-9)
    kept_ms = np.diff(track.fixes.t_ms)[track.segment_kept].sum() if n else 0
    assert int(captures.visit_ms.sum()) == int(kept_ms)
    assert np.all(captures.visit_ms >= 0)
    assert np.all(captures.visit_m >= 0)
    assert np.all(np.diff(captures.visit_cells) > 0)


def test_a_closed_walk_takes_its_inside_when_it_closes() -> None:
    fixes = fixes_of(*circle(1_200))
    captures = captures_of(fixes)
    center = h3.latlng_to_cell(*SEOUL, 11)
    at = {cell: (at_ms, loop) for cell, at_ms, loop in rows(captures)}
    assert at[center][1] is True
    # The walk closes within 50 m of its start, 42 s before it is back.
    assert 0 < int(fixes.t_ms[-1]) - at[center][0] < 60_000
    assert len(captures) > 60


def test_without_its_last_part_the_walk_loses_its_loop_and_nothing_else() -> None:
    fixes = fixes_of(*circle(1_200))
    closed = captures_of(fixes)
    open_ = captures_of(fixes.take(slice(0, len(fixes) * 4 // 5)))
    assert closed.loop.any()
    assert not open_.loop.any()
    assert set(open_.cells.tolist()) < set(closed.cells.tolist())


def test_a_second_lap_changes_nothing() -> None:
    once, twice = captures_of(fixes_of(*circle(1_200))), captures_of(fixes_of(*circle(1_200, 2)))
    assert set(once.cells.tolist()) <= set(twice.cells.tolist())
    assert not set(twice.cells[twice.loop].tolist()) - set(once.cells.tolist())


def test_a_gap_keeps_a_loop_open() -> None:
    fixes = fixes_of(*circle(1_200))
    late_ms = np.where(np.arange(len(fixes)) > 300, 61_000, 0)
    assert not captures_of(replace(fixes, t_ms=fixes.t_ms + late_ms)).loop.any()


def test_fixes_a_minute_apart_still_close_a_loop() -> None:
    x, y = circle(1_200)
    captures = captures_of(fixes_of(x[::30], y[::30], step_ms=30_000))
    assert h3.latlng_to_cell(*SEOUL, 11) in captures.cells[captures.loop]


def test_noise_does_not_open_a_loop() -> None:
    x, y = circle(1_500)
    rng = np.random.default_rng(5)
    calm = captures_of(fixes_of(x, y))
    for _ in range(5):
        noise = rng.normal(0, 1, (2, len(x))).cumsum(axis=1)
        noise = 8 * np.sin(noise / 15)
        noisy = captures_of(fixes_of(x + noise[0], y + noise[1], accuracy_m=12))
        shared = set(calm.cells.tolist()) & set(noisy.cells.tolist())
        assert len(shared) > 0.85 * len(calm)


def test_passing_a_cell_in_less_than_five_seconds_is_no_capture() -> None:
    track = clean(fixes_of(*polyline((0, 0), (600, 0), speed_mps=3.5)), RULES)
    captures = capture(track, RULES)
    stay = dict(zip(captures.visit_cells.tolist(), captures.visit_ms.tolist(), strict=True))
    assert all(stay[cell] >= RULES.trail_min_ms for cell in captures.cells.tolist())
    assert len(captures) < len(stay)


@pytest.mark.parametrize(
    "at", [(89.9999, 0.0), (-89.99, 0.0), (0.0, 180.0), (10.0, -179.9999), (64.7, 10.536)]
)
def test_no_place_on_earth_raises(at: tuple[float, float]) -> None:
    captures = captures_of(fixes_of(*circle(1_200), at=at))
    assert captures.visit_cells.size


def test_a_loop_over_the_date_line_is_filled() -> None:
    captures = captures_of(fixes_of(*circle(1_200), at=(-16.5, 180.0)))
    assert h3.latlng_to_cell(-16.5, 180.0, 11) in captures.cells[captures.loop]


def test_a_loop_around_a_pentagon_has_a_reason() -> None:
    at = h3.cell_to_latlng(h3.get_pentagons(11)[3])
    captures = captures_of(fixes_of(*circle(1_200), at=at))
    assert captures.reasons == (REASON_LATTICE,)
    assert not captures.loop.any()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 60, 1_000])
def test_standing_in_one_point_takes_at_most_its_cell(n: int) -> None:
    captures = captures_of(fixes_of(np.zeros(n), np.zeros(n)))
    assert len(captures) == (n >= 6)
    assert not captures.loop.any()


def test_jumps_over_the_world_do_not_raise() -> None:
    rng = np.random.default_rng(1)
    n = 500
    fixes = Fixes.of(
        START_MS + np.arange(n) * 1_000, rng.uniform(-90, 90, n), rng.uniform(-180, 180, n)
    )
    assert len(captures_of(fixes)) == 0


def test_a_dense_grid_walk_is_taken_as_a_whole() -> None:
    corners = [(x, y) for k, x in enumerate(range(0, 301, 30)) for y in ((0, 300), (300, 0))[k % 2]]
    captures = captures_of(fixes_of(*polyline(*corners)))
    assert len(captures) > 0.9 * len(captures.visit_cells)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 400))
def test_the_dwell_counts_up_to_the_capture(seed: int, n: int) -> None:
    track = clean(random_walk(seed, n, 0.02), RULES)
    dwell = dwell_of_current(track, RULES)
    assert dwell is not None
    assume(n > 1)
    met = dwell.fixes >= dwell.needed_fixes and dwell.seconds >= dwell.needed_seconds
    assert dwell.captured or not met
    assert dwell.cell == cells_in_order(track)[-1]


def test_without_fixes_there_is_no_dwell() -> None:
    assert dwell_of_current(clean(Fixes.empty(), RULES), RULES) is None
