"""A private zone always holds the home and does not say where in it the home is."""

from __future__ import annotations

from collections import Counter

import h3.api.basic_int as h3
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game_engine.errors import InvalidCell
from game_engine.privacy import InvalidHome, holds_home, in_zone, private_zone, zone_cells

HOME = (37.5663, 126.9779)
UNIT = st.floats(0, 1, exclude_max=True)


@given(st.floats(-90, 90), st.floats(-180, 180), UNIT, UNIT)
@settings(max_examples=1_000, deadline=None)
def test_home_is_always_inside_its_zone(
    lat: float, lng: float, how_far: float, which_way: float
) -> None:
    cells = zone_cells(private_zone(lat, lng, (how_far, which_way)))
    assert holds_home(private_zone(lat, lng, (how_far, which_way)), lat, lng)
    assert h3.latlng_to_cell(lat, lng, 8) in cells
    assert in_zone(np.array([h3.latlng_to_cell(lat, lng, 11)]), cells).all()


def test_each_cell_of_a_zone_is_equally_likely_to_hold_the_home() -> None:
    """Over 14,000 jitters the home lies as often in the centre as in each neighbour."""
    random = np.random.default_rng(1)
    jitters = random.random((14_000, 2)).tolist()
    own = h3.latlng_to_cell(*HOME, 8)
    centres = Counter(private_zone(*HOME, (far, way)) for far, way in jitters)
    assert centres.keys() == zone_cells(own)
    # 2,000 each; the standard deviation is 41.
    assert all(abs(count - 2_000) < 5 * 41 for count in centres.values())


def test_the_centre_does_not_depend_on_where_in_its_cell_the_home_is() -> None:
    own = h3.latlng_to_cell(*HOME, 8)
    homes = [
        (lat, lng)
        for child in h3.cell_to_children(own, 10)
        for lat, lng in [h3.cell_to_latlng(child)]
        if h3.latlng_to_cell(lat, lng, 8) == own
        and h3.cell_to_parent(h3.latlng_to_cell(lat, lng, 11), 8) == own
    ]
    assert len(homes) > 35
    for jitter in ((0.1, 0.5), (0.5, 0.0), (0.99, 0.99)):
        assert len({private_zone(lat, lng, jitter) for lat, lng in homes}) == 1


def test_a_zone_far_from_the_mean_home_holds_it_too() -> None:
    """From zones alone, the best guess (the centre) misses the home by most of a kilometre."""
    random = np.random.default_rng(2)
    misses = []
    for _ in range(500):
        home = (37.5 + random.random() / 10, 126.9 + random.random() / 10)
        far, way = random.random(2).tolist()
        centre = h3.cell_to_latlng(private_zone(*home, (far, way)))
        misses.append(h3.great_circle_distance(home, centre, unit="m"))
    assert np.median(misses) > 600
    assert np.mean(np.array(misses) < 200) < 0.05


def test_a_zone_is_whole_cells_of_resolution_8() -> None:
    cells = zone_cells(private_zone(*HOME, (0.9, 0.3)))
    assert len(cells) == 7
    assert all(h3.get_resolution(cell) == 8 for cell in cells)
    area_km2 = sum(h3.cell_area(cell, unit="km^2") for cell in cells)
    assert 3 < area_km2 < 7


def test_a_home_in_a_pentagon_is_hidden_in_six_cells() -> None:
    pentagon = next(iter(h3.get_pentagons(8)))
    lat, lng = h3.cell_to_latlng(pentagon)
    jitters = np.random.default_rng(3).random((300, 2)).tolist()
    centres = {private_zone(lat, lng, (far, way)) for far, way in jitters}
    assert centres == zone_cells(pentagon)
    assert len(centres) == 6
    assert all(pentagon in zone_cells(centre) for centre in centres)


@pytest.mark.parametrize("resolution", [8, 9, 11, 15])
@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_cells_in_a_zone_are_those_with_an_ancestor_in_it(resolution: int, kind: type) -> None:
    zone = zone_cells(private_zone(*HOME, (0.5, 0.5)))
    random = np.random.default_rng(resolution)
    lats = HOME[0] + random.normal(0, 0.02, 500)
    lngs = HOME[1] + random.normal(0, 0.02, 500)
    cells = [h3.latlng_to_cell(a, b, resolution) for a, b in zip(lats, lngs, strict=True)]
    expected = [h3.cell_to_parent(cell, 8) in zone for cell in cells]
    assert in_zone(np.array(cells, dtype=kind), zone).tolist() == expected
    assert 0 < sum(expected) < 500


def test_a_place_at_the_edge_is_held_only_if_its_own_cell_is_private_too() -> None:
    """H3 cells do not nest exactly: near the edge a position may lie inside, its cell outside."""
    centre = h3.latlng_to_cell(*HOME, 8)
    zone = zone_cells(centre)
    random = np.random.default_rng(4)
    places = [(HOME[0] + a, HOME[1] + b) for a, b in random.normal(0, 0.015, (3_000, 2)).tolist()]
    by_position = [h3.latlng_to_cell(lat, lng, 8) in zone for lat, lng in places]
    by_cell = in_zone(np.array([h3.latlng_to_cell(*place, 11) for place in places]), zone).tolist()
    held = [holds_home(centre, lat, lng) for lat, lng in places]
    assert held == [a and b for a, b in zip(by_position, by_cell, strict=True)]
    assert by_position != by_cell


def test_no_cells_and_no_zones_are_fine() -> None:
    assert in_zone(np.array([], dtype=np.int64), zone_cells(h3.latlng_to_cell(*HOME, 8))).size == 0
    assert not in_zone(np.array([h3.latlng_to_cell(*HOME, 11)]), frozenset()).any()


def test_nonsense_is_a_typed_error() -> None:
    for lat, lng in ((91, 0), (0, 181), (float("nan"), 0), (0, float("inf"))):
        with pytest.raises(InvalidHome):
            private_zone(lat, lng, (0, 0))
    for jitter in ((1.0, 0.0), (0.0, -0.1), (float("nan"), 0.0)):
        with pytest.raises(InvalidHome) as caught:
            private_zone(*HOME, jitter)
    assert caught.value.code == "invalid_home"
    for cell in (0, h3.latlng_to_cell(*HOME, 9)):
        with pytest.raises(InvalidCell):
            zone_cells(cell)
    with pytest.raises(InvalidCell):
        in_zone(np.array([h3.latlng_to_cell(*HOME, 7)]), frozenset())
