"""The examples run as a reader would run them, and say what they are there to show."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
START_S = 60.0


def _environment(**more: str) -> dict[str, str]:
    # The tests also run where the project is not installed but only checked out.
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", **more}


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=REPOSITORY,
        env=_environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server in a process of its own, with an empty data folder."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    address = f"http://127.0.0.1:{port}"
    log_file = folder / "server.log"
    settings = _environment(DAENGDONG_DATA_DIR=str(folder / "data"), DAENGDONG_DATABASE_URL="")
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "daengdong", "serve", "--port", str(port)],
            cwd=REPOSITORY,
            env=settings,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_ready(address, process, log_file)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log_file: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{address}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the server did not start: {log_file.read_text()[-2000:]}")


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found is not None, text
    return int(found[1])


def test_a_shipped_track_is_judged_without_a_server() -> None:
    done = _run("examples/judge_a_track.py")
    assert done.returncode == 0, done.stderr
    assert "counts for the board: True" in done.stdout
    captured = _number(r"\ncells (\d+):", done.stdout)
    assert _number(r"earned (\d+) cells", done.stdout) == captured > 100


def test_a_track_by_car_earns_nothing_and_says_why() -> None:
    done = _run("examples/judge_a_track.py", "assets/tracks/seongsu-by-car.gpx")
    assert done.returncode == 0, done.stderr
    assert "vehicle speed" in done.stdout
    assert _number(r"earned (\d+) cells", done.stdout) == 0


def test_a_missing_track_is_one_clear_line() -> None:
    done = _run("examples/judge_a_track.py", "no-such.gpx")
    assert done.returncode == 1
    assert done.stdout == "gpx_invalid: no-such.gpx: No such file or directory\n"
    assert done.stderr == ""


def test_a_walk_is_recorded_offline_and_decided_by_the_server(server: str, tmp_path: Path) -> None:
    words = ("examples/record_and_sync.py", "--server", server, "--folder", str(tmp_path / "p"))
    first, second = _run(*words), _run(*words, "--seed", "8")
    for done in (first, second):
        assert done.returncode == 0, done.stdout + done.stderr
        assert ", 0 refused" in done.stdout
        predicted = _number(r"predicted (\d+) cells", done.stdout)
        assert predicted == _number(r"decided (\d+) cells", done.stdout) > 20
        assert "predicted but not given: 0, given but not predicted: 0" in done.stdout


def test_without_a_server_the_example_names_the_cause(tmp_path: Path) -> None:
    # Port 9 (discard) of this machine: nothing listens there.
    words = ("--server", "http://127.0.0.1:9", "--folder", str(tmp_path / "p"))
    done = _run("examples/record_and_sync.py", *words)
    assert done.returncode == 1
    assert done.stdout.startswith("unreachable: ")
