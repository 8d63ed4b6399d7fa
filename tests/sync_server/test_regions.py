"""Regions: importing boundary files, good and hostile, and knowing where a cell lies."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter
from typing import Any

import geopandas
import h3.api.basic_int as h3
import numpy as np
import pytest
from shapely.geometry import Point, Polygon, box

from game_engine import cells as h3cells
from game_engine.cells import classify
from sync_server.platform.context import Platform
from sync_server.regions import importer, service
from sync_server.regions.importer import RegionImportRefused
from tests.support.app import Server, running
from tests.support.board_rows import add_walkers, capture

pytestmark = pytest.mark.anyio
CITY_HALL = (37.5665, 126.9780)
EAST_SEA = (37.5, 131.0)


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(database_url, tmp_path / "data", sweep_s="3600") as server:
        yield server


@pytest.fixture
async def headers(server: Server) -> dict[str, str]:
    (walker,) = await add_walkers(server.platform, ["보리"])
    return walker.headers


def cell_at(lat: float, lng: float) -> int:
    lats, lngs = (np.array([round(v * 1e5)], dtype=np.int32) for v in (lat, lng))
    return int(classify(lats, lngs)[0])


async def import_korea(platform: Platform, data_folder: Path) -> None:
    for name in ("provinces", "municipalities"):
        path = data_folder / "regions" / f"skorea-{name}-2018-topo-simple.json"
        await importer.import_file(
            platform, path, source="KOSTAT 2018", licence="KOGL-1", attribution="통계청"
        )


async def region_rows(platform: Platform) -> list[tuple[Any, ...]]:
    async with platform.database.read() as tx:
        rows = await tx.fetch_tuples(
            "SELECT region_id, level, code, name_ko, name_en, parent_id FROM region "
            "ORDER BY region_id"
        )
    return [tuple(row) for row in rows]


async def test_korea_has_17_provinces_and_250_municipalities(
    server: Server, data_folder: Path, headers: dict[str, str]
) -> None:
    await import_korea(server.platform, data_folder)
    provinces = await server.client.get("/api/regions?level=province", headers=headers)
    cities = await server.client.get("/api/regions?level=city&limit=500", headers=headers)
    assert provinces.json()["total"] == 17
    assert cities.json()["total"] == len(cities.json()["regions"]) == 250
    assert all(region["parent_id"] for region in cities.json()["regions"])

    lat, lng = CITY_HALL
    found = (
        await server.client.get(f"/api/regions/at?lat={lat}&lng={lng}", headers=headers)
    ).json()
    assert (found["province"]["name_ko"], found["city"]["name_ko"]) == ("서울특별시", "중구")
    assert found["city"]["parent_id"] == found["province"]["region_id"]
    assert found["city"]["attribution"] == "통계청"
    assert found["town"] is None
    async with server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT uses FROM location_use") == 1

    cell = cell_at(*CITY_HALL)
    places = await service.regions_of_cells(server.platform, [cell, cell_at(*EAST_SEA)])
    seoul, jung = found["province"]["region_id"], found["city"]["region_id"]
    assert places == {cell: (seoul, jung, 0), cell_at(*EAST_SEA): (0, 0, 0)}


async def test_importing_twice_changes_nothing(server: Server, data_folder: Path) -> None:
    await import_korea(server.platform, data_folder)
    before = await region_rows(server.platform)
    await import_korea(server.platform, data_folder)
    assert await region_rows(server.platform) == before


async def test_the_order_of_imports_does_not_matter(server: Server, data_folder: Path) -> None:
    stages: list[str] = []
    for name in ("municipalities", "provinces"):
        report = await importer.import_file(
            server.platform,
            data_folder / "regions" / f"skorea-{name}-2018-topo-simple.json",
            progress=lambda stage, done, total: stages.append(stage),
        )
    assert (report.level, report.new, report.linked) == ("province", 17, 250)
    assert {"read", "write", "cells"} <= set(stages)


async def test_without_an_import_the_answer_is_no_region(
    server: Server, headers: dict[str, str]
) -> None:
    cell = cell_at(*CITY_HALL)
    assert await service.regions_of_cells(server.platform, [cell]) == {cell: (0, 0, 0)}
    answer = await server.client.get("/api/regions/at?lat=37.5&lng=127", headers=headers)
    assert answer.status_code == 200
    assert answer.json() == {"province": None, "city": None, "town": None}
    for path in ("/api/regions/at?lat=91&lng=0", "/api/regions/at?lat=nan&lng=0"):
        assert (await server.client.get(path, headers=headers)).status_code == 400


async def test_cells_taken_before_an_import_get_their_regions(
    server: Server, data_folder: Path
) -> None:
    (walker,) = await add_walkers(server.platform, ["a"])
    cell = cell_at(*CITY_HALL)
    await capture(server.platform, walker.user_no, [cell], server.clock())
    await import_korea(server.platform, data_folder)
    expected = (await service.regions_of_cells(server.platform, [cell]))[cell]
    async with server.platform.database.read() as tx:
        row = await tx.fetch_one("SELECT province, city, town, rev FROM cell_state")
    assert tuple(row)[:3] == expected != (0, 0, 0)


async def test_a_cell_taken_while_an_import_runs_is_settled_by_the_sweep(
    server: Server, data_folder: Path
) -> None:
    (walker,) = await add_walkers(server.platform, ["a"])
    await import_korea(server.platform, data_folder)
    cell = cell_at(*CITY_HALL)
    # A walk that had looked up its cells before the import, and commits after it.
    await capture(server.platform, walker.user_no, [cell], server.clock(), places=(0, 0, 0))
    server.clock.advance(s=61)
    await service.sweep(server.platform, server.clock())
    async with server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT city FROM cell_state") > 0
        assert (
            await tx.fetch_value("SELECT COUNT(*) FROM region_import WHERE settled_ms IS NULL") == 0
        )


async def test_search_detail_and_outline(
    server: Server, data_folder: Path, headers: dict[str, str]
) -> None:
    await import_korea(server.platform, data_folder)

    async def get(path: str) -> Any:
        answer = await server.client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    (seoul,) = (await get("/api/regions?q=seoul&level=province"))["regions"]
    children = await get(f"/api/regions?parent={seoul['region_id']}&limit=500")
    assert children["total"] == 25
    assert {region["level"] for region in children["regions"]} == {"city"}
    assert (await get("/api/regions?q=%25"))["total"] == 0
    assert len((await get("/api/regions?q=중구"))["regions"]) >= 5
    plain = await get(f"/api/regions/{seoul['region_id']}")
    outlined = await get(f"/api/regions/{seoul['region_id']}?geometry=true")
    assert plain["geometry"] is None
    assert outlined["geometry"]["type"] in ("Polygon", "MultiPolygon")
    missing = await server.client.get("/api/regions/999999", headers=headers)
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def collection(*features: tuple[dict[str, Any], Any]) -> str:
    return json.dumps(
        {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "properties": properties, "geometry": geometry}
                for properties, geometry in features
            ],
        }
    )


def square(west: float, south: float, size: float = 1.0) -> dict[str, Any]:
    shape: dict[str, Any] = box(west, south, west + size, south + size).__geo_interface__
    return shape


async def test_a_projected_shapefile_in_a_zip_with_korean_texts_in_cp949(
    server: Server, tmp_path: Path
) -> None:
    frame = geopandas.GeoDataFrame(
        {"SIGUNGU_CD": ["11010", "11020"], "SIGUNGU_NM": ["종로구", "중구"]},
        geometry=[box(126.9, 37.6, 127.0, 37.7), box(126.9, 37.5, 127.0, 37.6)],
        crs="EPSG:4326",
    ).to_crs("EPSG:5179")
    frame.to_file(tmp_path / "bnd.shp", encoding="CP949")
    with zipfile.ZipFile(tmp_path / "bnd.zip", "w") as archive:
        for suffix in ("shp", "shx", "dbf", "prj"):
            archive.write(tmp_path / f"bnd.{suffix}", f"folder/bnd.{suffix}")
    report = await importer.import_file(server.platform, tmp_path / "bnd.zip")
    assert (report.level, report.new) == ("city", 2)
    cell = cell_at(37.55, 126.95)
    (place,) = (await service.regions_of_cells(server.platform, [cell])).values()
    names = {row[0]: row[3] for row in await region_rows(server.platform)}
    assert names[place[1]] == "중구"
    (tmp_path / "bnd.cpg").unlink(missing_ok=True)
    again = await importer.import_file(server.platform, tmp_path / "bnd.shp")
    assert (again.new, again.changed) == (0, 0)
    (tmp_path / "bnd.prj").unlink()
    with pytest.raises(RegionImportRefused) as refused:
        await importer.import_file(server.platform, tmp_path / "bnd.shp")
    assert refused.value.cause == "no_crs"


async def test_an_outline_that_crosses_itself_is_repaired(server: Server, tmp_path: Path) -> None:
    bow_tie = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    path = tmp_path / "tie.geojson"
    path.write_text(collection(({"code": "11", "name": "x"}, bow_tie.__geo_interface__)))
    await importer.import_file(server.platform, path)
    assert (await service.regions_at(server.platform, 0.5, 0.2)).province is not None
    assert (await service.regions_at(server.platform, 1.9, 1.0)).province is None


async def test_a_parent_is_found_by_place_when_the_code_points_elsewhere(
    server: Server, tmp_path: Path
) -> None:
    provinces, towns = tmp_path / "p.geojson", tmp_path / "t.geojson"
    provinces.write_text(
        collection(
            ({"code": "11", "name": "west"}, square(0, 0, 2)),
            ({"code": "12", "name": "east"}, square(10, 0, 2)),
        )
    )
    towns.write_text(
        collection(
            ({"code": "1101053", "name": "in east, coded west"}, square(10.5, 0.5)),
            ({"code": "1101054", "name": "in west"}, square(0.5, 0.5)),
            ({"code": "9901054", "name": "nowhere"}, square(50, 50)),
        )
    )
    await importer.import_file(server.platform, provinces)
    await importer.import_file(server.platform, towns)
    rows = {row[3]: row for row in await region_rows(server.platform)}
    assert rows["in east, coded west"][5] == rows["east"][0]
    assert rows["in west"][5] == rows["west"][0]
    assert rows["nowhere"][5] == 0


ONE = {"code": "11", "name": "x"}
TWO = {"code": "11", "name": "y"}
LINE = Polygon([(0, 0), (1, 1), (0, 0)]).__geo_interface__
HOSTILE = {
    "html": ("<html><body>404</body></html>", "unreadable"),
    "truncated": (collection((ONE, square(0, 0)))[:-20], "unreadable"),
    "vrt": ("<OGRVRTDataSource><SrcDataSource>/etc/passwd</SrcDataSource>", "unreadable"),
    "empty": ("", "unreadable"),
    "list": ("[1, 2]", "unreadable"),
    "one_feature": (json.dumps({"type": "Feature"}), "unreadable"),
    "no_features": (collection(), "no_features"),
    "nan": (
        collection((ONE, square(0, 0))).replace("1.0", "NaN", 1),
        "unreadable",
    ),
    "huge": (collection((ONE, square(1e300, 0))), "coordinates"),
    "metres": (
        collection((ONE, square(953_000, 1_952_000))),
        "coordinates",
    ),
    "no_code_field": (collection(({"id": "11", "name": "x"}, square(0, 0))), "code_field"),
    "no_name_field": (collection(({"code": "11"}, square(0, 0))), "name_field"),
    "a_missing_code": (
        collection((ONE, square(0, 0)), ({"code": None, "name": "y"}, square(2, 2))),
        "no_code",
    ),
    "an_empty_name": (collection(({"code": "11", "name": " "}, square(0, 0))), "no_name"),
    "a_code_twice": (
        collection((ONE, square(0, 0)), (TWO, square(2, 2))),
        "double_code",
    ),
    "unknown_level": (collection(({"code": "1101", "name": "x"}, square(0, 0))), "level"),
    "two_levels": (
        collection(
            (ONE, square(0, 0)),
            ({"code": "11010", "name": "y"}, square(2, 2)),
        ),
        "level",
    ),
    "points": (
        collection((ONE, Point(1, 1).__geo_interface__)),
        "not_polygons",
    ),
    "null_geometry": (collection((ONE, None)), "no_geometry"),
    "no_area": (
        collection((ONE, LINE)),
        "no_geometry",
    ),
}


@pytest.fixture
async def sqlite_server(tmp_path: Path) -> AsyncIterator[Server]:
    url = f"sqlite:///{tmp_path / 'hostile.sqlite'}"
    async with running(url, tmp_path / "data", sweep_s="3600") as server:
        yield server


async def refused(server: Server, path: Path, **options: Any) -> RegionImportRefused:
    with pytest.raises(RegionImportRefused) as caught:
        await importer.import_file(server.platform, path, **options)
    assert await region_rows(server.platform) == []
    async with server.platform.database.read() as tx:
        assert await tx.fetch_value("SELECT COUNT(*) FROM region_import") == 0
    return caught.value


async def test_a_hostile_file_is_refused_with_its_cause_and_leaves_nothing(
    sqlite_server: Server, tmp_path: Path
) -> None:
    causes = {}
    for name, (text, _) in HOSTILE.items():
        path = tmp_path / f"{name}.geojson"
        path.write_text(text)
        causes[name] = (await refused(sqlite_server, path)).cause
    assert causes == {name: cause for name, (_, cause) in HOSTILE.items()}
    assert (await refused(sqlite_server, tmp_path / "absent.json")).cause == "missing"


async def test_a_refusal_says_what_to_pass(sqlite_server: Server, tmp_path: Path) -> None:
    path = tmp_path / "odd.geojson"
    path.write_text(collection(({"id": "7", "label": "동네"}, square(0, 0))))
    assert "code_field=" in str(await refused(sqlite_server, path))
    assert "name_field=" in str(await refused(sqlite_server, path, code_field="id"))
    assert "level=" in str(await refused(sqlite_server, path, code_field="id", name_field="label"))
    report = await importer.import_file(
        sqlite_server.platform, path, "town", code_field="id", name_field="label"
    )
    assert (report.level, report.new) == ("town", 1)


async def test_hostile_shapefiles_are_refused(sqlite_server: Server, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("notes.txt", "no shapes here")
    assert (await refused(sqlite_server, bomb)).cause == "unreadable"
    bomb.write_bytes(bomb.read_bytes()[:40])
    assert (await refused(sqlite_server, bomb)).cause == "unreadable"
    frame = geopandas.GeoDataFrame(
        {"code": ["11"], "name": ["x"]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:4326"
    )
    frame.to_file(tmp_path / "s.shp")
    whole = (tmp_path / "s.shp").read_bytes()
    (tmp_path / "s.shp").write_bytes(whole[:120])
    assert (await refused(sqlite_server, tmp_path / "s.shp")).cause in ("unreadable", "no_geometry")
    # The second x of the outline is not a number; then the first, so that it is not closed.
    points = 100 + 8 + 4 + 32 + 4 + 4 + 4
    for at, cause in ((points + 16, "coordinates"), (points, "unreadable")):
        not_a_number = struct.pack("<d", float("nan"))
        (tmp_path / "s.shp").write_bytes(whole[:at] + not_a_number + whole[at + 8 :])
        assert (await refused(sqlite_server, tmp_path / "s.shp")).cause == cause


async def test_looking_up_cells_is_fast(sqlite_server: Server, data_folder: Path) -> None:
    await import_korea(sqlite_server.platform, data_folder)
    cells = list(h3.cell_to_children(h3cells.parent(cell_at(*CITY_HALL), 7), 11))
    start = perf_counter()
    places = await service.regions_of_cells(sqlite_server.platform, cells)
    assert len(places) == 2401
    assert perf_counter() - start < 60, "minutes by the slow way; a busy machine may take seconds"
    assert all(place[0] > 0 for place in places.values())
