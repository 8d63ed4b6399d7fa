"""The three real recordings, replayed by the command line against the real server.

What each file holds (tests/edge_sdk/test_gpx.py says the same of the reader): the car trip has
104 points within nine minutes; cerknicko-jezero is a hike with a point every 9-60 s in eight
segments; korita-zbevnica has 871 points of which 358 (two whole tracks) have no time: with times
only the timed part is a walk, and without any time the whole is walked at the pace given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import run
from tests.support.process import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("real-tracks")
    process = ServerProcess(folder, f"sqlite:///{folder / 'server.sqlite'}")
    process.start()
    yield process
    process.stop()


def replay(server: ServerProcess, home: Path, track: Path, *words: str) -> dict[str, Any]:
    """Replay and sync; return what the phone predicted and what the server decided."""
    place = ("--home", home, "--server", server.address, "--json")
    done = run("walk", "replay", track, *place, *words)
    assert done.code == 0, (done.out, done.err)
    said = done.json()
    (decided,) = said["sync"]["pull"]["corrections"]
    held = run("territory", *place).json()["territory"]
    return {"walk": said["walk"], "decided": decided, "held": held}


def test_the_car_earns_nothing(data_folder: Path, server: ServerProcess, tmp_path: Path) -> None:
    came = replay(server, tmp_path, data_folder / "tracks" / "around-visnjan-with-car.gpx")
    assert came["walk"]["predicted_cells"] == [] and came["walk"]["predicted_distance_m"] < 50
    assert came["decided"]["decided_cells"] == 0
    assert not came["decided"]["counts_for_board"]
    assert "mostly_vehicle" in came["decided"]["reasons"]
    assert came["held"]["cells_held"] == 0 and came["held"]["area_m2"] == 0


@pytest.mark.parametrize(
    ("name", "cells", "metres"),
    [("cerknicko-jezero", (35, 55), (1_700, 2_400)),
     ("korita-zbevnica", (110, 160), (4_600, 6_000))],
)  # fmt: skip
def test_a_hike_earns_its_trail(
    data_folder: Path,
    server: ServerProcess,
    tmp_path: Path,
    name: str,
    cells: tuple[int, int],
    metres: tuple[int, int],
) -> None:
    came = replay(server, tmp_path, data_folder / "tracks" / f"{name}.gpx")
    assert came["decided"]["counts_for_board"]
    assert cells[0] <= came["held"]["cells_held"] <= cells[1]
    assert metres[0] <= came["walk"]["predicted_distance_m"] <= metres[1]
    # The phone predicts with the same functions, so nothing had to be corrected.
    predicted = sorted(came["walk"]["predicted_cells"])
    assert sorted(cell["cell"] for cell in came["held"]["cells"]) == predicted
    assert came["decided"]["predicted_cells"] == came["decided"]["decided_cells"] == len(predicted)


def test_a_hike_without_any_time_is_walked_at_a_pace(
    data_folder: Path, server: ServerProcess, tmp_path: Path
) -> None:
    recorded = (data_folder / "tracks" / "korita-zbevnica.gpx").read_text()
    track = tmp_path / "timeless.gpx"
    track.write_text(re.sub(r"<time>.*?</time>", "", recorded))
    refused = run("walk", "replay", track, "--home", tmp_path / "a", "--offline", "--json")
    assert refused.error == "gpx_without_times"
    came = replay(server, tmp_path / "b", track, "--pace", "1.2")
    assert came["decided"]["counts_for_board"]
    assert 320 <= came["decided"]["decided_cells"] <= 430
    assert 13_000 <= came["walk"]["predicted_distance_m"] <= 16_000


def test_a_recording_with_its_own_old_times_is_for_the_diary_only(
    data_folder: Path, server: ServerProcess, tmp_path: Path
) -> None:
    track = data_folder / "tracks" / "cerknicko-jezero.gpx"
    came = replay(server, tmp_path, track, "--ended", "recorded")
    assert not came["decided"]["counts_for_board"] and "late" in came["decided"]["reasons"]
    assert came["walk"]["predicted_distance_m"] > 1_700
    assert came["held"]["cells_held"] == 0
