"""The figures of the game engine: `python -m benchmarks.engine` prints measured against goal.

One core, CPU time (`time.process_time`), generated walks with a fixed seed. Every figure is the
median and the 95th percentile of at least 50 runs; goals are those of GAME.md.
"""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from game_engine import cells
from game_engine.capture import capture
from game_engine.judge import judge
from game_engine.rules import CURRENT_RULES, rules_for
from game_engine.track import Fixes, clean
from game_engine.trust import TrustContext
from tests.support.korea import korea

RULES = rules_for(CURRENT_RULES)
SEOUL = (37.5665, 126.978)
METRES_PER_DEGREE: Final = 111_195.08
DATA: Final = Path(__file__).parents[2] / "shared" / "data"
RUNS: Final = 60
HOSTILE_RUNS: Final = 50
WALK_FIXES: Final = 1_800
DAY_FIXES: Final = 86_400


def phone(x_m: np.ndarray, y_m: np.ndarray, seed: int, noise_m: float = 3.0) -> Fixes:
    """One fix a second with slow noise, as a phone in a street records."""
    rng = np.random.default_rng(seed)
    n, memory = len(x_m), 60
    kernel = np.exp(-np.arange(memory) / 12)
    kernel *= noise_m / np.sqrt((kernel**2).sum())
    noise = [np.convolve(row, kernel, "valid")[:n] for row in rng.normal(size=(2, n + memory))]
    return Fixes.of(
        1_790_000_000_000 + 1_000 * np.arange(n),
        SEOUL[0] + (y_m + noise[1]) / METRES_PER_DEGREE,
        SEOUL[1] + (x_m + noise[0]) / (METRES_PER_DEGREE * np.cos(np.radians(SEOUL[0]))),
        rng.integers(4, 15, n),
    )


def lap(length_m: float, n: int, laps: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A circle of `length_m`, walked `laps` times in n fixes."""
    angle = np.linspace(0, 2 * np.pi * laps, n)
    radius_m = length_m / (2 * np.pi)
    return radius_m * np.cos(angle), radius_m * np.sin(angle)


def streets(n: int, speed_mps: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A walk through a grid of streets that turns every minute or so."""
    rng = np.random.default_rng(seed)
    turns = np.cumsum(rng.choice([-1, 0, 1], n // 60 + 1))
    heading = np.repeat(turns, 60)[:n] * np.pi / 2
    return np.cumsum(speed_mps * np.cos(heading)), np.cumsum(speed_mps * np.sin(heading))


def within(values_m: np.ndarray, side_m: float) -> np.ndarray:
    """Fold a path into a strip, as a walker turns at a fence."""
    folded = np.mod(values_m, 2 * side_m)
    return np.where(folded > side_m, 2 * side_m - folded, folded)


def cpu_ms(call: Callable[[], object], runs: int) -> tuple[float, float]:
    """Return (median, 95th percentile) of the CPU time of `call` in ms."""
    call()
    spent = []
    for _ in range(runs):
        start = time.process_time()
        call()
        spent.append(1_000 * (time.process_time() - start))
    return float(np.median(spent)), float(np.quantile(spent, 0.95))


def report(name: str, call: Callable[[], object], goal_ms: float | None, runs: int = RUNS) -> None:
    """Print one line: median, 95th percentile, goal."""
    p50, p95 = cpu_ms(call, runs)
    goal = (
        "" if goal_ms is None else f"  goal {goal_ms:g} ms: {'met' if p50 <= goal_ms else 'MISSED'}"
    )
    print(f"{name:<58} p50 {p50:8.3f} ms  p95 {p95:8.3f} ms{goal}")


def main() -> None:
    """Print all figures."""
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, one used;")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}; CPU time\n")

    rng = np.random.default_rng(0)
    lat_e5 = rng.integers(3_740_000, 3_770_000, 100_000).astype(np.int32)
    lng_e5 = rng.integers(12_680_000, 12_720_000, 100_000).astype(np.int32)
    p50, p95 = cpu_ms(lambda: cells.classify(lat_e5, lng_e5), RUNS)
    rate, slow_rate = 100 / p50, 100 / p95  # M fixes a second: 0.1 M fixes in p50 / 1000 s
    print(
        f"classify, 100,000 scattered fixes: p50 {rate:.2f} M/s  p95 {slow_rate:.2f} M/s  ", end=""
    )
    print(f"goal 1 M/s: {'met' if rate >= 1 else 'MISSED'}\n")

    known = TrustContext()
    loop = phone(*lap(3_000, WALK_FIXES), seed=1)
    walk = phone(*streets(WALK_FIXES, 1.1, seed=4), seed=2)
    for name, fixes in (("3 km loop", loop), ("2 km of streets", walk)):
        track = clean(fixes, RULES)
        taken = capture(track, RULES)
        print(
            f"{name}: {len(fixes)} fixes, {track.distance_m:.0f} m, {len(taken)} cells, "
            f"{int(taken.loop.sum())} of them by loop"
        )
        path = (track.fixes.lat_e5, track.fixes.lng_e5)
        report("  classify_path", lambda path=path: cells.classify_path(*path), None)
        report("  clean", lambda fixes=fixes: clean(fixes, RULES), None)
        report("  capture", lambda track=track: capture(track, RULES), None)
        report("  clean + capture", lambda fixes=fixes: capture(clean(fixes, RULES), RULES), 4.0)
        report("  judge", lambda fixes=fixes: judge(fixes, known, RULES), 2.5)
    print()

    found = korea(DATA)
    if found is not None:
        index = found[0]
        lat, lng = rng.uniform(34, 38.5, 100_000), rng.uniform(126, 129.5, 100_000)
        report("regions of 100,000 places in Korea", lambda: index.assign(lat, lng), 1_000.0, 5)
        print()

    x, y = streets(DAY_FIXES, 3.0, seed=5)
    hostile = {
        "circles of 25 m radius": lap(157, DAY_FIXES, 1_700),
        "circles of 100 m radius": lap(628, DAY_FIXES, 400),
        "up and down one street": (within(3.3 * np.arange(DAY_FIXES), 1_000), 0 * x),
        "criss-cross in 80 m": (within(x * 1.37, 80), within(y * 1.11, 80)),
        "criss-cross in 600 m": (within(x * 1.37, 600), within(y * 1.11, 600)),
        "streets without end": (x, y),
    }
    for name, (x_m, y_m) in hostile.items():
        track = clean(phone(x_m, y_m, seed=3, noise_m=0.5), RULES)
        report(
            f"capture, 86,400 fixes, {name}",
            lambda track=track: capture(track, RULES),
            100.0,
            HOSTILE_RUNS,
        )


if __name__ == "__main__":
    main()
