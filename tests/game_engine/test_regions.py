"""Places are in the regions that the maps say, border cases included."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from game_engine.errors import InvalidRegionShape, MissingDependency
from game_engine.regions import LEVELS, Level, RegionIndex, RegionShape
from tests.support import korea as maps

shapely = pytest.importorskip("shapely")

CITY_HALL = (37.5663, 126.9779)
BUSAN_STATION = (35.1151, 129.0414)
JEJU_CITY_HALL = (33.4996, 126.5312)
YELLOW_SEA = (36.0, 124.5)


def box(
    region_id: int, west: float, south: float, east: float, north: float, level: Level = "city"
) -> RegionShape:
    return RegionShape(region_id, level, shapely.to_wkb(shapely.box(west, south, east, north)))


@pytest.fixture(scope="module")
def korea(data_folder: Path) -> tuple[RegionIndex, dict[int, str]]:
    """Provinces and municipalities of 2018 with their names by code."""
    pytest.importorskip("geopandas")
    found = maps.korea(data_folder)
    if found is None:
        pytest.skip("the maps of regions are not on this machine")
    return found


def test_real_places_are_in_their_regions(korea: tuple[RegionIndex, dict[int, str]]) -> None:
    index, names = korea
    places = np.array([CITY_HALL, BUSAN_STATION, JEJU_CITY_HALL])
    found = index.assign(places[:, 0], places[:, 1])
    assert [names[region] for region in found["province"].tolist()] == [
        "서울특별시",
        "부산광역시",
        "제주특별자치도",
    ]
    assert [names[region] for region in found["city"].tolist()] == ["중구", "동구", "제주시"]
    # Seoul's own Jung-gu, not one of the five other cities' districts of that name.
    assert found["city"][0] == 11020
    assert found["town"].tolist() == [0, 0, 0]


def test_a_place_in_the_sea_is_in_no_region(korea: tuple[RegionIndex, dict[int, str]]) -> None:
    found = korea[0].assign([YELLOW_SEA[0]], [YELLOW_SEA[1]])
    assert {level: found[level].tolist() for level in LEVELS} == {level: [0] for level in LEVELS}


def test_the_levels_of_a_hundred_thousand_places_agree(
    korea: tuple[RegionIndex, dict[int, str]],
) -> None:
    random = np.random.default_rng(7)
    lat, lng = random.uniform(34, 38.5, 100_000), random.uniform(126, 129.5, 100_000)
    found = korea[0].assign(lat, lng)
    on_land = found["province"] > 0
    assert 0.5 < on_land.mean() < 0.95
    # A municipality's code begins with its province's; outlines are simplified apart.
    both = on_land & (found["city"] > 0)
    assert (found["city"][both] // 1000 == found["province"][both]).mean() > 0.98


def test_assignment_agrees_with_asking_every_outline(
    korea: tuple[RegionIndex, dict[int, str]],
) -> None:
    index = korea[0]
    random = np.random.default_rng(8)
    lat, lng = random.uniform(37.3, 37.7, 300), random.uniform(126.7, 127.2, 300)
    found = index.assign(lat, lng)
    for level in ("province", "city"):
        _, outlines, ids = index._levels[level]
        for at in range(300):
            hits = ids[shapely.intersects_xy(outlines, lng[at], lat[at])]
            assert found[level][at] == (hits.min() if len(hits) else 0)


@pytest.mark.parametrize("turned", [False, True])
def test_a_place_on_a_border_goes_to_the_smallest_id(turned: bool) -> None:
    shapes = [box(9, 0, 0, 1, 1), box(5, 1, 0, 2, 1), box(7, 0, 1, 2, 2)]
    index = RegionIndex(reversed(shapes) if turned else shapes)
    lat, lng = [0.5, 0.5, 0.5, 1.0, 1.0, 0.5], [0.5, 1.5, 1.0, 0.5, 1.0, 0.0]
    assert index.assign(lat, lng)["city"].tolist() == [9, 5, 5, 7, 5, 9]


def test_holes_and_islands_count() -> None:
    lake = shapely.box(0, 0, 4, 4).difference(shapely.box(1, 1, 2, 2))
    outline = shapely.union(lake, shapely.box(10, 0, 11, 1))
    index = RegionIndex([RegionShape(3, "town", shapely.to_wkb(outline))])
    assert index.assign([1.5, 3.0, 0.5], [1.5, 3.0, 10.5])["town"].tolist() == [0, 3, 3]


def test_an_outline_that_crosses_itself_is_made_valid() -> None:
    bow_tie = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    index = RegionIndex([RegionShape(4, "city", shapely.to_wkb(bow_tie))])
    assert index.assign([1.0, 1.0, 1.9], [0.5, 1.5, 1.0])["city"].tolist() == [4, 4, 0]


def test_places_that_are_not_finite_and_empty_questions_are_fine() -> None:
    index = RegionIndex([box(1, 0, 0, 1, 1)])
    assert index.assign([np.nan, np.inf, 0.5], [0.5, 0.5, 0.5])["city"].tolist() == [0, 0, 1]
    assert [ids.dtype for ids in index.assign([], []).values()] == [np.int64] * 3
    assert RegionIndex([]).assign([0.5], [0.5])["province"].tolist() == [0]


@pytest.mark.parametrize(
    "shape",
    [
        RegionShape(1, "city", b""),
        RegionShape(1, "city", b"not a shape"),
        RegionShape(1, "city", struct.pack("<BI", 1, 99)),
        RegionShape(1, "city", shapely.to_wkb(shapely.Point(0, 0))),
        RegionShape(1, "city", shapely.to_wkb(shapely.Polygon())),
        RegionShape(1, "city", shapely.to_wkb(shapely.Polygon([(0, 0), (1, 1), (0, 0)]))),
        box(0, 0, 0, 1, 1),
        box(-1, 0, 0, 1, 1),
        box(1, 0, 0, 1, 1, level="village"),  # type: ignore[arg-type]
    ],
)
def test_a_shape_that_is_no_region_is_a_typed_error(shape: RegionShape) -> None:
    with pytest.raises(InvalidRegionShape) as caught:
        RegionIndex([shape])
    assert caught.value.code == "invalid_region_shape"
    assert str(shape.region_id) in str(caught.value)


def test_uneven_columns_are_refused() -> None:
    with pytest.raises(InvalidRegionShape):
        RegionIndex([]).assign([1.0, 2.0], [1.0])


def test_without_shapely_the_error_names_the_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "shapely", None)
    with pytest.raises(MissingDependency, match=r"pip install 'daengdong\[regions\]'"):
        RegionIndex([])
