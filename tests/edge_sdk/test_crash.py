"""kill -9 of a recording process, again and again: what it said is stored is stored, once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from edge_sdk import LocalStore, WalkRecorder
from edge_sdk.sync.facts import WalkPoints, read_fact
from tests.edge_sdk.recording_child import NOW, fix_of

ROOT = Path(__file__).parents[2]
KILLS = 24


def record_and_kill(path: Path, first: int, seed: int, lines: int, after_s: float) -> int:
    """Let a child say some lines and kill it after; return its next fix by its last words.

    Lines, not time, say how long it lives: a fast disk would fill the walk in a tenth of a second.
    """
    command = [sys.executable, "-m", "tests.edge_sdk.recording_child", path, str(first), str(seed)]
    child = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    said = [child.stdout.readline().strip() for _ in range(lines)]
    time.sleep(after_s)
    child.send_signal(signal.SIGKILL)
    said += child.stdout.read().splitlines()
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    # The last line may be cut by the kill.
    whole = [int(line) for line in said if line.isdigit()]
    return max([first, *whole])


async def stored(path: Path) -> list[int]:
    """Return the times of all stored fixes; checks that facts, chunks and hashes fit together."""
    async with await LocalStore.open(path) as store:
        facts = await store.facts()
        assert [item.fact.seq for item in facts] == list(range(1, len(facts) + 1))
        bodies = [read_fact(item.fact) for item in facts]
        chunks = [body.chunk for body in bodies if isinstance(body, WalkPoints)]
        assert chunks == list(range(len(chunks)))
        recorder = WalkRecorder(store)
        walk = await recorder.current()
        assert walk is not None
        assert walk.chunks == len(chunks)
        return [int(t) for t in (await recorder.track(walk.walk_id)).t_ms]


@pytest.mark.parametrize("round_seed", [1, 2])
def test_a_killed_recorder_loses_and_doubles_nothing(tmp_path: Path, round_seed: int) -> None:
    path = tmp_path / "phone.sqlite"
    random = Random(round_seed)
    number = 0
    for kill in range(KILLS // 2):
        lines, after_s = random.randint(0, 25), random.uniform(0.0, 0.005)
        said = record_and_kill(path, number, kill, lines, after_s)
        times = asyncio.run(stored(path))
        # All that was acknowledged, in order, once; what was under way came whole or not at all.
        assert len(times) >= said
        assert times == [fix_of(n).t_ms for n in range(len(times))]
        number = len(times)
    assert number > 100


async def finish(path: Path) -> tuple[int, list[str]]:
    async with await LocalStore.open(path) as store:
        recorder = await WalkRecorder.resume(store, NOW)
        end = await recorder.finish(NOW + 10_000_000)
        return end.chunks, [item.fact.type for item in await store.facts()]


def test_a_walk_killed_many_times_can_be_finished(tmp_path: Path) -> None:
    path = tmp_path / "phone.sqlite"
    number = 0
    for kill in range(3):
        record_and_kill(path, number, 100 + kill, 20, 0.002)
        number = len(asyncio.run(stored(path)))
    chunks, types = asyncio.run(finish(path))
    assert types == ["walk.start", *["walk.points"] * chunks, "walk.finish"]
