"""`daengdong demo` for real: a server, four phones, one killed, and the map that it writes."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import h3
import msgspec
import pytest
from playwright.sync_api import Page, sync_playwright

from daengdong.result import DemoResult
from edge_sdk.walk.gpx import read_gpx
from tests.support.command import TRACKS, run

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
_WAIT = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    while (!window.daengdongMap.screenshotReady) await frame();
}"""


class Demo:
    """One run: what it printed, and the folder that it wrote."""

    def __init__(self, out: Path, *words: str | Path) -> None:
        self.out = out
        self.ran = run("demo", "--out", out, "--json", *words)
        assert self.ran.code == 0, (self.ran.out, self.ran.err)
        self.result = msgspec.json.decode((out / "result.json").read_bytes(), type=DemoResult)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return Demo(tmp_path_factory.mktemp("demo") / "out")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, data_folder: Path) -> Demo:
    tracks = sorted((data_folder / "tracks").glob("*.gpx"))
    words = [word for track in tracks for word in ("--track", track)]
    return Demo(tmp_path_factory.mktemp("demo-real") / "out", *words)


def board_of(result: DemoResult, measure: str) -> dict[str, float]:
    (board,) = (ranking for ranking in result.rankings if ranking.measure == measure)
    assert [row.rank for row in board.rows] == sorted(row.rank for row in board.rows)
    return {row.user_id: row.value for row in board.rows}


def agrees_with_itself(result: DemoResult) -> None:
    """Cells, players and rankings tell one story."""
    held = Counter(cell.owner for cell in result.cells)
    assert len({cell.cell for cell in result.cells}) == len(result.cells)
    assert {player.user_id: player.cells_held for player in result.players} == {
        player.user_id: held[player.user_id] for player in result.players
    }
    ranked = board_of(result, "cells_held")
    assert {user: value for user, value in ranked.items() if value} == dict(held)
    area = board_of(result, "area_held")
    for player in result.players:
        cells = [cell.cell for cell in result.cells if cell.owner == player.user_id]
        true_m2 = sum(h3.cell_area(cell, unit="m^2") for cell in cells)
        assert player.area_m2 == pytest.approx(true_m2, rel=1e-4, abs=0.2)
        assert area.get(player.user_id, 0) == pytest.approx(true_m2, rel=1e-4, abs=1)


def test_four_players_one_killed_and_resumed_and_the_car_counts_for_nothing(
    shipped: Demo,
) -> None:
    result = shipped.result
    assert shipped.ran.json()["result"]["rules_version"] == result.rules_version
    assert shipped.ran.json()["server"] is None
    assert len(result.players) == 4 and len(result.walks) == len(list(TRACKS.glob("*.gpx")))
    assert result.source_note == "generated" and result.region_note == "no_region"
    killed = [walk for walk in result.walks if "killed_resumed" in walk.events]
    assert len(killed) == 1 and killed[0].counts_for_board and killed[0].captured > 0
    assert sum("offline" in walk.events for walk in result.walks) >= 2
    uncounted = [walk for walk in result.walks if not walk.counts_for_board]
    assert len(uncounted) == 1
    (car,) = uncounted
    assert car.captured == 0 and any("vehicle" in note for note in car.notes)
    assert all(walk.state == "finished" for walk in result.walks)
    agrees_with_itself(result)


def test_a_killed_phone_lost_nothing(shipped: Demo) -> None:
    """Its walk has every fix of its track."""
    (killed,) = (walk for walk in shipped.result.walks if "killed_resumed" in walk.events)
    lengths = {len(read_gpx(track, None)) for track in TRACKS.glob("*.gpx")}
    assert len(killed.track) in lengths


def test_every_measure_has_a_ranking(shipped: Demo) -> None:
    measures = {ranking.measure for ranking in shipped.result.rankings}
    assert measures == {"cells_held", "area_held", "new_captures", "distance", "walking_time",
                        "walk_days"}  # fmt: skip
    assert all(ranking.rows for ranking in shipped.result.rankings)


def test_the_tracks_lie_beside_the_map(shipped: Demo) -> None:
    names = {track.name for track in TRACKS.glob("*.gpx")}
    assert {track.name for track in (shipped.out / "tracks").iterdir()} == names


def test_the_real_recordings_play_too(real: Demo) -> None:
    result = real.result
    assert result.source_note == "given" and len(result.walks) == 3
    by_notes = {walk.counts_for_board: walk for walk in result.walks}
    assert by_notes[False].captured == 0
    assert any("vehicle" in note for note in by_notes[False].notes)
    assert sum(walk.counts_for_board for walk in result.walks) == 2
    assert 140 <= len(result.cells) <= 220
    agrees_with_itself(result)


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of Debian's Chromium; only a machine without it, outside CI, may skip."""
    if not Path(CHROMIUM).exists() and "CI" not in os.environ:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser.new_page(viewport={"width": 1440, "height": 900})
        browser.close()


@pytest.mark.parametrize("which", ["shipped", "real"])
def test_the_map_shows_every_captured_cell_with_its_owner(
    which: str, page: Page, request: pytest.FixtureRequest
) -> None:
    demo: Demo = request.getfixturevalue(which)
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((demo.out / "map.html").as_uri())
    page.evaluate(_WAIT)
    # The page opens on the largest town; the real hikes lie 50 km apart.
    page.evaluate("daengdongMap.fitAll()")
    page.evaluate(_WAIT)
    cells = demo.result.cells
    assert page.evaluate("daengdongMap.drawn") == Counter(cell.owner for cell in cells)
    centres = [h3.cell_to_latlng(cell.cell) for cell in cells]
    hits = page.evaluate("all => all.map(([a, b]) => daengdongMap.hitTest(a, b))", centres)
    assert hits == [
        {"cell": cell.cell, "owner": cell.owner, "strength": cell.strength} for cell in cells
    ]
    shown = page.locator("#owners").inner_text()
    for player in demo.result.players:
        assert player.name in shown
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_tracks_that_are_missing_or_no_gpx_are_clear_errors(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("demo", "--out", out, "--json", "--track", tmp_path / "none.gpx").error == (
        "no_such_file"
    )
    page = tmp_path / "page.gpx"
    page.write_text("<html></html>")
    assert run("demo", "--out", out, "--json", "--track", page).error in (
        "gpx_invalid", "demo_failed",
    )  # fmt: skip
    assert not (out / "map.html").exists()
