"""Loops: which pieces of a path are rings, and what a ring encloses."""

from itertools import pairwise

import h3.api.basic_int as h3
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game_engine import cells
from game_engine.loops import MAX_COMPARISONS, Ring, enclosed_by, find_rings
from game_engine.rules import CURRENT_RULES, rules_for

RULES = rules_for(CURRENT_RULES)
FOUR_CELLS_M2 = 4 * cells.area_m2(h3.latlng_to_cell(37.5665, 126.978, 11))


def vertices(*corners_m: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Points 10 m apart on straight lines between corners."""
    corners = np.array(corners_m, dtype=np.float64)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    at = np.arange(0.0, along[-1], 10.0)
    return np.interp(at, along, corners[:, 0]), np.interp(at, along, corners[:, 1])


def rings_of(*corners_m: tuple[float, float]) -> list[Ring]:
    return find_rings(*vertices(*corners_m), FOUR_CELLS_M2, RULES)[0]


SQUARE = [(0, 0), (300, 0), (300, 300), (0, 300), (0, 0)]


def test_a_square_is_one_ring() -> None:
    (ring,) = rings_of(*SQUARE)
    assert ring.area_m2 == pytest.approx(90_000, rel=0.05)
    assert ring.perimeter_m == pytest.approx(1_200, rel=0.05)


def test_a_path_that_stays_open_has_no_ring() -> None:
    assert rings_of((0, 0), (300, 0), (300, 300), (0, 300), (0, 60)) == []


def test_the_way_back_on_the_same_street_is_no_ring() -> None:
    assert rings_of((0, 0), (900, 0), (0, 4)) == []


def test_two_laps_are_two_rings() -> None:
    first, second = rings_of(*SQUARE, *SQUARE[1:])
    assert first.area_m2 == pytest.approx(second.area_m2, rel=0.1)


def test_the_stem_of_a_lollipop_does_not_hurt_its_head() -> None:
    (ring,) = rings_of((-900, 0), *SQUARE, (-900, 2))
    assert ring.area_m2 == pytest.approx(90_000, rel=0.05)


def test_a_figure_eight_is_its_two_halves() -> None:
    rings = rings_of(
        (0, 0), (300, 0), (300, 300), (0, 300), (0, -300), (-300, -300), (-300, 0), (0, 0)
    )
    assert len(rings) == 2
    assert all(ring.area_m2 == pytest.approx(90_000, rel=0.2) for ring in rings)


@pytest.mark.parametrize("side_m", [60, 1_200])
def test_a_ring_too_small_or_too_large_is_none(side_m: float) -> None:
    assert rings_of((0, 0), (side_m, 0), (side_m, side_m), (0, side_m), (0, 0)) == []


def test_a_thin_ring_is_none() -> None:
    # Wide enough not to close on the way: 55 m x 3 km, compactness 0.05.
    assert rings_of((0, 0), (3_000, 0), (3_000, 55), (0, 55), (0, 0)) == []


def test_a_large_lap_does_not_spoil_a_cut_through_it() -> None:
    large = [(0, 0), (1_200, 0), (1_200, 1_200), (0, 1_200), (0, 0)]
    rings = rings_of(*large, (0, 600), (1_190, 600))
    assert len(rings) == 1
    assert rings[0].area_m2 == pytest.approx(600 * 1_200, rel=0.1)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 400), st.floats(0.05, 0.8))
def test_what_follows_never_changes_a_ring(seed: int, cut: int, bend: float) -> None:
    rng = np.random.default_rng(seed)
    heading = np.cumsum(rng.normal(0, bend, 400))
    x, y = np.cumsum(10 * np.cos(heading)), np.cumsum(10 * np.sin(heading))
    whole = find_rings(x, y, FOUR_CELLS_M2, RULES)[0]
    start = find_rings(x[:cut], y[:cut], FOUR_CELLS_M2, RULES)[0]
    assert [r.vertices for r in start] == [r.vertices for r in whole if r.vertices[-1] < cut]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.8))
def test_every_ring_keeps_the_rules(seed: int, bend: float) -> None:
    rng = np.random.default_rng(seed)
    heading = np.cumsum(rng.normal(0, bend, 600))
    x, y = np.cumsum(10 * np.cos(heading)), np.cumsum(10 * np.sin(heading))
    for ring in find_rings(x, y, FOUR_CELLS_M2, RULES)[0]:
        index = list(ring.vertices)
        xs, ys = x[index] - x[0], y[index] - y[0]
        area_m2 = abs(float(np.dot(xs, np.roll(ys, -1)) - np.dot(ys, np.roll(xs, -1)))) / 2
        steps_m = np.hypot(np.roll(xs, -1) - xs, np.roll(ys, -1) - ys)
        assert ring.area_m2 == pytest.approx(area_m2, rel=1e-6)
        assert ring.perimeter_m == pytest.approx(float(steps_m.sum()), rel=1e-6)
        assert steps_m[-1] <= RULES.loop_close_m
        assert steps_m[:-1].sum() >= RULES.loop_min_along_m - 1e-6
        assert FOUR_CELLS_M2 <= area_m2 <= RULES.loop_max_area_m2
        assert 4 * np.pi * area_m2 > RULES.loop_min_compactness * steps_m.sum() ** 2


def test_the_search_ends_however_long_somebody_scribbles() -> None:
    rng = np.random.default_rng(3)
    n = 36_000
    rings, work = find_rings(rng.uniform(0, 60, n), rng.uniform(0, 60, n), FOUR_CELLS_M2, RULES)
    assert rings == []
    assert MAX_COMPARISONS <= work < MAX_COMPARISONS + 1_000


# --- filling ---------------------------------------------------------------------------------


def by_neighbours(ring: list[int]) -> set[int]:
    """The same question answered with H3's neighbours: flood a disk from its rim."""
    wall = set(ring)
    reach = max(h3.grid_distance(ring[0], cell) for cell in ring) + 2
    place = set(h3.grid_disk(ring[0], reach))
    wet = set(h3.grid_ring(ring[0], reach))
    front = list(wet)
    while front:
        for cell in h3.grid_disk(front.pop(), 1):
            if cell in place and cell not in wet and cell not in wall:
                wet.add(cell)
                front.append(cell)
    touched = {near for cell in wet for near in h3.grid_disk(cell, 1)}
    return place - touched


def ring_through(lat: float, lng: float, radius_km: float, seed: int, n: int = 40) -> list[int]:
    """A wobbly closed ring of cells around a place, each touching the next."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    radius = radius_km / 111.195 * (1 + rng.uniform(-0.5, 0.3, n))
    lats = np.clip(lat + radius * np.sin(angle), -89.9, 89.9)
    lngs = lng + radius * np.cos(angle) / np.cos(np.radians(lats))
    corners = [
        h3.latlng_to_cell(a, (b + 180) % 360 - 180, 11) for a, b in zip(lats, lngs, strict=True)
    ]
    ring: list[int] = []
    for start, end in pairwise([*corners, corners[0]]):
        ring += h3.grid_path_cells(start, end)[:-1]
    return ring


@settings(max_examples=40, deadline=None)
@given(st.floats(-80, 80), st.floats(-180, 180), st.floats(0.05, 0.5), st.integers(0, 10_000))
def test_a_ring_encloses_what_a_flood_over_neighbours_leaves_dry(
    lat: float, lng: float, radius_km: float, seed: int
) -> None:
    ring = ring_through(lat, lng, radius_km, seed)
    inside = enclosed_by(ring)
    assert inside is not None
    assert len(inside) == len(set(inside))
    assert set(inside) == by_neighbours(ring)


def test_a_ring_over_an_icosahedron_edge_is_filled() -> None:
    rng = np.random.default_rng(11)
    filled = 0
    for base in h3.get_res0_cells()[::4]:
        cell: int | None = base
        for resolution in range(1, 12):
            bent = [
                child
                for child in h3.cell_to_children(cell, resolution)
                if len(h3.get_icosahedron_faces(child)) > 1
            ]
            cell = bent[rng.integers(len(bent))] if bent else None
            if cell is None:
                break
        if cell is None:
            continue
        ring = ring_through(*h3.cell_to_latlng(cell), 0.3, filled)
        inside = enclosed_by(ring)
        assert inside is not None
        assert set(inside) == by_neighbours(ring)
        filled += 1
    assert filled > 5


def test_around_a_pentagon_there_is_no_loop_or_a_right_one() -> None:
    refused = 0
    for pentagon in h3.get_pentagons(11):
        assert enclosed_by(h3.grid_ring(pentagon, 6)) is None
        for away in (6, 9, 14, 25, 40):
            for origin in h3.grid_ring(pentagon, away)[::away]:
                inside = enclosed_by(h3.grid_ring(origin, 5))
                refused += inside is None
                assert inside is None or set(inside) == set(h3.grid_disk(origin, 4))
    assert refused > 0


def test_a_gap_in_the_ring_is_bridged_straight() -> None:
    center = h3.latlng_to_cell(37.5665, 126.978, 11)
    ring = h3.grid_ring(center, 5)
    assert set(enclosed_by(ring[::4]) or []) <= set(h3.grid_disk(center, 5))
    assert center in (enclosed_by(ring[::4]) or [])


def test_cells_too_far_apart_make_no_ring() -> None:
    center = h3.latlng_to_cell(37.5665, 126.978, 11)
    assert enclosed_by([center, h3.grid_ring(center, 40)[0], h3.grid_ring(center, 40)[60]]) is None


def test_a_ring_of_one_cell_encloses_nothing() -> None:
    assert enclosed_by([h3.latlng_to_cell(37.5665, 126.978, 11)]) == []


def test_a_cell_of_the_ring_behind_the_others_counts() -> None:
    center = h3.latlng_to_cell(37.5665, 126.978, 11)
    ring = h3.grid_ring(center, 4)
    dent = h3.grid_path_cells(ring[0], center)[1]
    plain = enclosed_by(ring)
    assert plain is not None
    assert dent in plain
    assert set(enclosed_by([ring[0], dent, *ring]) or []) == set(plain)
