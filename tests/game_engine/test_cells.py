"""Cells are exactly H3's, whatever shortcut finds them."""

import h3.api.basic_int as h3
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game_engine import cells
from game_engine.errors import InvalidCell

lats_e5 = st.integers(-90 * 100_000, 90 * 100_000)
lngs_e5 = st.integers(-180 * 100_000, 180 * 100_000)


def by_h3(lat_e5: np.ndarray, lng_e5: np.ndarray) -> list[int]:
    return [
        h3.latlng_to_cell(lat / 1e5, lng / 1e5, 11)
        for lat, lng in zip(lat_e5.tolist(), lng_e5.tolist(), strict=True)
    ]


def wander(lat_e5: int, lng_e5: int, step_e5: int, n: int, seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    lat = lat_e5 + np.cumsum(rng.integers(-step_e5, step_e5 + 1, n))
    lng = lng_e5 + np.cumsum(rng.integers(-step_e5, step_e5 + 1, n))
    lng = (lng + 18_000_000) % 36_000_000 - 18_000_000
    return np.clip(lat, -9_000_000, 9_000_000).astype(np.int32), lng.astype(np.int32)


@given(st.lists(st.tuples(lats_e5, lngs_e5), max_size=40))
def test_classify_is_h3(points: list[tuple[int, int]]) -> None:
    lat, lng = (np.array([p[k] for p in points], dtype=np.int32) for k in (0, 1))
    assert cells.classify(lat, lng).tolist() == by_h3(lat, lng)


@settings(max_examples=60, deadline=None)
@given(lats_e5, lngs_e5, st.sampled_from([0, 1, 4, 30, 500]), st.integers(0, 400), st.integers(0))
def test_a_path_is_classified_exactly(
    lat_e5: int, lng_e5: int, step_e5: int, n: int, seed: int
) -> None:
    lat, lng = wander(lat_e5, lng_e5, step_e5, n, seed)
    assert cells.classify_path(lat, lng).tolist() == by_h3(lat, lng)


def test_a_path_is_classified_exactly_where_cells_bend() -> None:
    rng = np.random.default_rng(7)
    bent = 0
    for base in h3.get_res0_cells():
        cell: int | None = base
        for resolution in range(1, 12):
            children = [
                child
                for child in h3.cell_to_children(cell, resolution)
                if len(h3.get_icosahedron_faces(child)) > 1
            ]
            cell = children[rng.integers(len(children))] if children else None
            if cell is None:
                break
        if cell is None:
            continue
        bent += 1
        lat, lng = h3.cell_to_latlng(cell)
        path = wander(round(lat * 1e5), round(lng * 1e5), 6, 400, bent)
        assert cells.classify_path(*path).tolist() == by_h3(*path)
    assert bent > 20


@given(lats_e5, lngs_e5, st.integers(0, 11))
def test_the_descendants_of_a_cell_are_one_range(lat_e5: int, lng_e5: int, resolution: int) -> None:
    cell = h3.latlng_to_cell(lat_e5 / 1e5, lng_e5 / 1e5, 11)
    low, high = cells.descendant_range(cells.parent(cell, resolution))
    assert low <= cell <= high


def test_a_range_holds_all_descendants_and_nothing_else() -> None:
    for ancestor in (h3.latlng_to_cell(37.57, 126.98, 8), h3.get_pentagons(8)[2]):
        low, high = cells.descendant_range(ancestor)
        children = h3.cell_to_children(ancestor, 11)
        assert (low, high) == (min(children), max(children))
        for neighbour in h3.grid_disk(ancestor, 1):
            if neighbour != ancestor:
                assert not any(low <= c <= high for c in h3.cell_to_children(neighbour, 11))


def test_hex_and_shape_of_a_seoul_cell() -> None:
    cell = h3.latlng_to_cell(37.5665, 126.978, 11)
    assert cells.from_hex(cells.to_hex(cell)) == cell
    assert cells.to_hex(cell).startswith("8b30e1")
    assert 1_000 < cells.area_m2(cell) < 3_000
    assert len(cells.boundary(cell)) == 6
    assert h3.latlng_to_cell(*cells.center(cell), 11) == cell


@pytest.mark.parametrize("text", ["", "xyz", "-8b30e1ca8846fff", "8b30e1ca8846ffe0000", "0"])
def test_what_is_no_cell_is_refused(text: str) -> None:
    with pytest.raises(InvalidCell):
        cells.from_hex(text)


def test_a_parent_is_never_finer_than_the_cell() -> None:
    cell = h3.latlng_to_cell(37.5665, 126.978, 8)
    with pytest.raises(InvalidCell):
        cells.parent(cell, 9)
    with pytest.raises(InvalidCell):
        cells.descendant_range(h3.latlng_to_cell(37.5665, 126.978, 12))
