"""Every command with `--json` against a real server, and what bad options and faults end in."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_sdk.ids import uuid7
from edge_sdk.sync.store_file import _lock
from tests.support.command import TRACKS, Ran, run
from tests.support.postgres import free_port
from tests.support.process import ServerProcess

WALK = TRACKS / "forest-stroll.gpx"
SQUARE = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"name": "서울특별시", "code": "11"},
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    [[126.7, 37.4], [127.2, 37.4], [127.2, 37.7], [126.7, 37.7], [126.7, 37.4]]
                ],
            },
        }
    ],
}


class Desk:
    """A running server and the commands of its operator and of phones beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = ServerProcess(folder, f"sqlite:///{folder / 'server.sqlite'}")
        self.settings = {
            "DAENGDONG_DATA_DIR": str(folder),
            "DAENGDONG_DATABASE_URL": self.process.database_url,
        }

    def operator(self, *words: str | Path) -> Ran:
        return run(*words, "--json", settings=self.settings)

    def phone(self, name: str, *words: str | Path) -> Ran:
        place = ("--home", self.folder / name, "--server", self.process.address, "--json")
        return run(*words, *place)

    def well(self, name: str, *words: str | Path) -> Any:
        done = self.phone(name, *words)
        assert done.code == 0, (done.out, done.err)
        return done.json()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("cli"))
    desk.process.start()
    yield desk
    desk.process.stop()


def test_a_walk_is_recorded_offline_synced_and_owned(desk: Desk) -> None:
    walked = desk.well("a", "walk", "replay", WALK, "--offline")
    assert walked["sync"] is None and walked["walk"]["predicted_cells"]
    status = desk.well("a", "walk", "status")
    assert status["walk"] is None and status["log"]["acked_seq"] < status["log"]["last_seq"]
    report = desk.well("a", "sync")
    assert report["push"]["applied"] == status["log"]["last_seq"]
    assert report["push"]["refused"] == []
    (decided,) = report["pull"]["corrections"]
    assert decided["counts_for_board"]
    found = desk.well("a", "territory")
    held = sorted(cell["cell"] for cell in found["territory"]["cells"])
    assert held == sorted(walked["walk"]["predicted_cells"]) and found["losses"]["losses"] == []
    board = desk.well("a", "rankings")
    assert [row["value"] for row in board["rows"]] == [len(held)]
    status = desk.well("a", "walk", "status")
    assert status["log"]["acked_seq"] == status["log"]["last_seq"]
    # Again: nothing new.
    assert desk.well("a", "sync")["push"]["applied"] == 0


@pytest.mark.parametrize("measure", ["area_held", "new_captures", "distance", "walking_time",
                                     "walk_days"])  # fmt: skip
def test_rankings_of_every_measure(desk: Desk, measure: str) -> None:
    board = desk.well("b", "rankings", "everyone", "--measure", measure, "--period", "month")
    assert (
        board["measure"] == measure and board["period_kind" if "period_kind" in board else "period"]
    )


def test_rankings_around_me_and_of_a_random_cohort(desk: Desk) -> None:
    assert "rows" in desk.well("b", "rankings", "--around")
    assert "rows" in desk.well("b", "rankings", "random")


@pytest.mark.parametrize("how", ["finish", "cancel"])
def test_a_killed_recording_is_seen_and_can_be_ended(desk: Desk, how: str) -> None:
    home = desk.folder / f"killed-{how}"
    command = [sys.executable, "-m", "daengdong", "walk", "replay", str(WALK), "--home", str(home),
               "--offline", "--json", "--rate", "150"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        files = home.glob("phone.sqlite*")
        if sum(file.stat().st_size for file in files) > 110_000:
            break
        time.sleep(0.02)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    ended = desk.well(home.name, "walk", how)
    if how == "finish":
        assert ended["chunks"] >= 1 and ended["predicted_distance_m"] > 0
    assert desk.well(home.name, "walk", "status")["walk"] is None
    assert desk.phone(home.name, "walk", how).error == "no_open_walk"
    report = desk.well(home.name, "sync")
    assert report["push"]["refused"] == []


def test_users_are_listed_and_erased(desk: Desk) -> None:
    desk.well("leaving", "sync")
    users = desk.operator("users", "list").json()["users"]
    newest = users[0]["user_id"]
    assert {"user_id", "display_name", "kind", "created_ms", "walks", "cells"} <= set(users[0])
    assert len(desk.operator("users", "list", "--limit", "1").json()["users"]) == 1
    assert desk.operator("users", "erase", newest).json() == {"erased": newest}
    assert newest not in {u["user_id"] for u in desk.operator("users", "list").json()["users"]}
    assert desk.operator("users", "erase", uuid7()).error == "not_found"
    assert desk.operator("users", "erase", newest).error == "not_found"


def test_regions_are_imported_and_ranked_in(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "regions.geojson"
    file.write_text(json.dumps(SQUARE), "utf-8")
    report = desk.operator("regions", "import", file, "--level", "province")
    assert report.code == 0, report
    assert "서울특별시" in report.out or "1" in report.out
    page = tmp_path / "page.geojson"
    page.write_text("<html>404</html>")
    assert desk.operator("regions", "import", page, "--level", "province").error
    assert desk.operator("regions", "import", tmp_path / "none.geojson").error
    assert desk.operator("regions", "import", file, "--level", "planet").code in (1, 2)


def test_the_database_is_migrated_once(tmp_path: Path) -> None:
    settings = {"DAENGDONG_DATA_DIR": str(tmp_path), "DAENGDONG_DATABASE_URL": ""}
    first = run("db", "migrate", "--json", settings=settings)
    assert first.code == 0 and len(first.json()["migrated"]) >= 5
    assert run("db", "migrate", "--json", settings=settings).json() == {"migrated": []}
    epochs = [run("db", "restored", "--json", settings=settings).json()["epoch"] for _ in "ab"]
    assert len(set(epochs)) == 2


def test_doctor_finds_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    settings = {"DAENGDONG_DATA_DIR": str(tmp_path), "DAENGDONG_DATABASE_URL": ""}
    done = run("doctor", "--json", settings=settings)
    checks = {item["check"]: item for item in done.json()["checks"]}
    assert done.code == 0 and all(item["ok"] for item in checks.values()), done.out
    assert "migrations to run" in checks["database"]["detail"]
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    done = run("doctor", "--json", settings={**settings, "DAENGDONG_DATABASE_URL": nowhere})
    checks = {item["check"]: item for item in done.json()["checks"]}
    assert done.code == 1 and not checks["database"]["ok"] and checks["sqlite"]["ok"]


@pytest.mark.parametrize(
    "words",
    [("db", "migrate"), ("db", "restored"), ("users", "list"), ("users", "erase", "x")],
)
def test_a_database_that_is_not_there_is_a_clear_error(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    settings = {"DAENGDONG_DATA_DIR": str(tmp_path), "DAENGDONG_DATABASE_URL": nowhere}
    assert run(*words, "--json", settings=settings).error == "database_unavailable"


@pytest.mark.parametrize("words", [("db", "migrate"), ("users", "list"), ("users", "erase", "x")])
def test_a_wrong_setting_is_a_clear_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    settings = {"DAENGDONG_DATA_DIR": str(tmp_path), "DAENGDONG_ACCESS_TOKEN_S": "soon"}
    assert run(*words, "--json", settings=settings).error == "settings_invalid"


def test_without_a_server_recording_works_and_syncing_says_so(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    home = tmp_path / "home"
    place = ("--home", home, "--server", nowhere, "--json")
    assert run("walk", "replay", WALK, *place, "--offline").code == 0
    for words in (("sync",), ("territory",), ("rankings",)):
        assert run(*words, *place).error == "unreachable"
    assert run("walk", "status", *place).json()["log"]["last_seq"] >= 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("walk", "replay", str(WALK), "--ended", "yesterday"), "bad_option"),
        (("walk", "replay", str(WALK), "--pace", "-3"), "gpx_invalid"),
        (("walk", "replay", str(WALK), "--pace", "900"), "gpx_invalid"),
        (("rankings", "--measure", "beauty"), "invalid_input"),
        (("rankings", "nobody"), "invalid_input"),
        (("rankings", "--period", "fortnight"), "invalid_input"),
    ],
)
def test_a_wrong_value_is_an_error_with_a_code(
    desk: Desk, words: tuple[str, ...], code: str
) -> None:
    done = desk.phone("wrong", *words)
    assert done.error == code


@pytest.mark.parametrize(
    "words",
    [("fly",), ("walk", "swim"), ("walk", "replay"),
     ("walk", "replay", str(WALK), "--pace", "fast"),
     ("sync", "--nonsense"), ("users", "erase"), ("rankings", "--region-id", "x"),
     ("serve", "--port", "seven")],
)  # fmt: skip
def test_a_wrong_option_is_a_usage_error(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.code == 2 and "Usage" in done.err and "Traceback" not in done.err


def test_help_names_every_command() -> None:
    done = run("--help")
    for name in ("demo", "serve", "walk", "sync", "territory", "rankings", "regions", "users", "db",
                 "doctor"):  # fmt: skip
        assert re.search(rf"\b{name}\b", done.out), name
    assert "replay" in run("walk", "--help").out


def test_several_processes_on_sqlite_are_refused(tmp_path: Path) -> None:
    done = run("serve", "--workers", "2", "--data-dir", tmp_path)
    assert done.code == 1 and "sqlite_single" in done.err


def test_two_phones_of_one_folder_do_not_write_at_once(desk: Desk, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("walk", "status", "--home", home, "--json").code == 0
    held = _lock(home / "phone.sqlite")
    try:
        assert run("walk", "status", "--home", home, "--json").error == "store_in_use"
    finally:
        os.close(held)


def test_the_server_answers_on_its_own_port(desk: Desk) -> None:
    assert httpx.get(f"{desk.process.address}/healthz").json() == {"status": "ok"}
