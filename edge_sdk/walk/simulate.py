"""Simulated walks and cheats with known truth, for app developers, tests and benchmarks.

    walk = simulate("loop", seed=7)
    walk.fixes               # what a phone would have recorded
    walk.truth_distance_m    # what was really walked

`python -m edge_sdk.walk.simulate --write assets/tracks` writes the shipped GPX files. The same
kind, seed and arguments give the same walk everywhere NumPy's generator does.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.walk import truth
from edge_sdk.walk.gps_error import GpsError, Observed, correlated, observe
from game_engine.track import Fixes

Float64 = npt.NDArray[np.float64]

ORIGIN: Final = (37.544, 127.044)  # Seoul Forest, Seongsu
STARTED_AT_MS: Final = 1_760_740_200_000  # 2025-10-18 07:30 in Seoul
_METRES_PER_DEGREE: Final = 111_195.0  # mean Earth radius of 6,371,008.8 m

HONEST_KINDS: Final = (
    "walk",
    "loop",
    "park",
    "stroll",
    "runner",
    "urban_canyon",
    "no_steps",
    "background_gaps",
    "sparse",
)
CHEAT_KINDS: Final = ("car", "bus", "bike", "spoofed_loop", "replay", "mock_provider")
# Built like an honest walk, with forged steps: nothing in the track alone gives it away.
BEYOND_KINDS: Final = ("spoofed_expert",)


@dataclass(frozen=True, eq=False, slots=True)
class SimulatedWalk:
    """A simulated recording: `label` is the kind, `variant` says which of its forms.

    The truth is one sample a second (UTC ms, degrees); for a spoofed or replayed track it is the
    way that was pretended. `original` holds the fixes that a replay copied.
    """

    label: str
    variant: str
    honest: bool
    fixes: Fixes
    truth_distance_m: float
    truth_t_ms: npt.NDArray[np.int64]
    truth_lat: Float64
    truth_lng: Float64
    original: Fixes | None = None


@dataclass(frozen=True, eq=False, slots=True)
class _Scene:
    """What a kind produces: truth in metres, what was observed, cumulative steps or None."""

    x_m: Float64
    y_m: Float64
    seen: Observed
    steps: Float64 | None
    variant: str = ""
    mock: bool = False


def simulate(
    kind: str,
    seed: int,
    origin: tuple[float, float] = ORIGIN,
    duration_s: int = 1_800,
    *,
    interval_s: int | None = None,
    started_at_ms: int = STARTED_AT_MS,
    error: GpsError | None = None,
) -> SimulatedWalk:
    """Simulate one recording of `kind` (`HONEST_KINDS`, `CHEAT_KINDS` or `BEYOND_KINDS`).

    `origin` (lat, lng) is where it starts, `interval_s` the whole seconds between fixes (the
    kind's own choice by default), `error` replaces the randomly drawn GPS error model. Raises
    ValueError for an unknown kind, a duration under 10 s or an interval under 1 s.
    """
    if kind not in _SCENES and kind != "replay":
        known = ", ".join((*HONEST_KINDS, *CHEAT_KINDS, *BEYOND_KINDS))
        raise ValueError(f"unknown kind {kind!r}; known are {known}")
    if duration_s < 10 or (interval_s is not None and interval_s < 1):
        raise ValueError("duration_s must be at least 10 and interval_s at least 1")
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode())])
    if kind == "replay":
        return _replay(rng, seed, origin, duration_s, started_at_ms)
    if interval_s is None:
        interval_s = int(rng.integers(5, 16)) if kind == "sparse" else 1
    t_s = np.arange(0.0, duration_s + 1.0)
    scene = _SCENES[kind](rng, t_s, error)
    return _recorded(kind, scene, t_s, origin, interval_s, started_at_ms)


def record(
    way_m: Float64,
    seed: int,
    *,
    vehicle: truth.Drive | None = None,
    gait: truth.Gait | None = None,
    origin: tuple[float, float] = ORIGIN,
    duration_s: int = 1_800,
    interval_s: int = 1,
    started_at_ms: int = STARTED_AT_MS,
    error: GpsError | None = None,
) -> SimulatedWalk:
    """Record a given way: corners (k, 2) in metres east and north of `origin`.

    On foot with `gait` (a usual one by default), or by `vehicle`. The recording ends where the
    way ends or after `duration_s`, whichever comes first.
    """
    rng = np.random.default_rng(seed)
    t_s = np.arange(0.0, duration_s + 1.0)
    if vehicle is None:
        gait = gait or truth.Gait(speed_mps=1.25)
        speed = truth.walking_speed(rng, t_s, gait)
    else:
        speed = truth.driving_speed(rng, t_s, vehicle)
    length_m = float(np.sum(np.hypot(*np.diff(way_m, axis=0).T)))
    arrived = int(np.searchsorted(np.cumsum(speed), length_m)) + 5
    t_s, speed = t_s[:arrived], speed[:arrived]
    x_m, y_m = truth.follow(
        rng,
        way_m,
        speed,
        corner_m=4.0 if vehicle is None else 14.0,
        meander_m=gait.meander_m if gait and vehicle is None else 0.0,
    )
    steps = np.cumsum(speed) / gait.stride_m if gait and vehicle is None else 0.0 * t_s
    seen = observe(rng, t_s, x_m, y_m, error or GpsError.open_sky(rng))
    scene = _Scene(x_m, y_m, seen, steps)
    label = "walk" if vehicle is None else "vehicle"
    walk = _recorded(label, scene, t_s, origin, interval_s, started_at_ms)
    return replace(walk, honest=vehicle is None)


def _recorded(
    label: str,
    scene: _Scene,
    t_s: Float64,
    origin: tuple[float, float],
    interval_s: int,
    started_at_ms: int,
) -> SimulatedWalk:
    seen = scene.seen
    pick = np.flatnonzero(seen.kept & (np.arange(len(t_s)) % interval_s == 0))
    lat, lng = _degrees(seen.x_m[pick], seen.y_m[pick], origin)
    truth_lat, truth_lng = _degrees(scene.x_m, scene.y_m, origin)
    fixes = Fixes.of(
        started_at_ms + np.rint(seen.t_s[pick] * 1_000.0).astype(np.int64),
        lat,
        lng,
        seen.accuracy_m[pick],
        mock=scene.mock,
        steps=None if scene.steps is None else np.floor(scene.steps[pick]),
    )
    return SimulatedWalk(
        label=label,
        variant=scene.variant,
        honest=label in HONEST_KINDS,
        fixes=fixes,
        truth_distance_m=float(np.sum(np.hypot(np.diff(scene.x_m), np.diff(scene.y_m)))),
        truth_t_ms=started_at_ms + (t_s * 1_000.0).astype(np.int64),
        truth_lat=truth_lat,
        truth_lng=truth_lng,
    )


def _degrees(
    x_m: Float64,
    y_m: Float64,
    origin: tuple[float, float],
) -> tuple[Float64, Float64]:
    lat = origin[0] + y_m / _METRES_PER_DEGREE
    lng = origin[1] + x_m / (_METRES_PER_DEGREE * np.cos(np.radians(origin[0])))
    return lat, lng


_WAYS: Final[dict[str, Callable[[np.random.Generator, float], Float64]]] = {
    "streets": truth.street_way,
    "loop": truth.loop_way,
    "park": truth.park_way,
}


# --- on foot -----------------------------------------------------------------------------------


def _on_foot(
    rng: np.random.Generator,
    t_s: Float64,
    error: GpsError | None,
    *,
    shape: str,
    gait: truth.Gait,
    counts_steps: bool = True,
) -> _Scene:
    speed = truth.walking_speed(rng, t_s, gait)
    length_m = float(np.sum(speed))
    way = _WAYS[shape](rng, length_m)
    x_m, y_m = truth.follow(rng, way, speed, corner_m=4.0, meander_m=gait.meander_m)
    seen = observe(rng, t_s, x_m, y_m, error or GpsError.open_sky(rng))
    cadence = speed / gait.stride_m * (1.0 + correlated(rng, t_s, 0.05, 20.0))
    steps = np.cumsum(np.maximum(cadence, 0.0))
    return _Scene(x_m, y_m, seen, steps if counts_steps else None, variant=shape)


def _gait(rng: np.random.Generator) -> truth.Gait:
    return truth.Gait(
        speed_mps=float(rng.uniform(0.95, 1.5)),
        variation_mps=float(rng.uniform(0.08, 0.18)),
        pauses_per_min=float(rng.uniform(0.1, 0.7)),
        pause_s=float(rng.uniform(6.0, 25.0)),
        stride_m=float(rng.uniform(0.6, 0.78)),
    )


def _walk(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    return _on_foot(rng, t_s, error, shape="streets", gait=_gait(rng))


def _loop(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    return _on_foot(rng, t_s, error, shape="loop", gait=_gait(rng))


def _park(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    return _on_foot(rng, t_s, error, shape="park", gait=_gait(rng))


def _stroll(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    gait = replace(
        _gait(rng),
        speed_mps=float(rng.uniform(0.55, 0.9)),
        pauses_per_min=float(rng.uniform(0.5, 1.2)),
        pause_s=float(rng.uniform(10.0, 40.0)),
    )
    return _on_foot(rng, t_s, error, shape="park", gait=gait)


def _runner(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    gait = truth.Gait(
        speed_mps=float(rng.uniform(2.6, 3.8)),
        variation_mps=0.15,
        fastest_mps=3.9,
        pauses_per_min=0.1,
        pause_s=10.0,
        stride_m=1.1,
        meander_m=0.3,
    )
    shape = str(rng.choice(["streets", "loop"]))
    return _on_foot(rng, t_s, error, shape=shape, gait=gait)


def _urban_canyon(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    canyon = error or GpsError.canyon(rng)
    return _on_foot(rng, t_s, canyon, shape="streets", gait=_gait(rng))


def _no_steps(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    return _on_foot(rng, t_s, error, shape="streets", gait=_gait(rng), counts_steps=False)


def _background_gaps(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    gaps = replace(error or GpsError.open_sky(rng), background_gaps_per_hour=12.0)
    return _on_foot(rng, t_s, gaps, shape="streets", gait=_gait(rng))


# --- by vehicle --------------------------------------------------------------------------------


def _driven(
    rng: np.random.Generator,
    t_s: Float64,
    error: GpsError | None,
    drive: truth.Drive,
    block_m: tuple[float, float],
    corner_m: float,
) -> _Scene:
    speed = truth.driving_speed(rng, t_s, drive)
    way = truth.street_way(rng, float(np.sum(speed)), block_m)
    x_m, y_m = truth.follow(rng, way, speed, corner_m=corner_m)
    seen = observe(rng, t_s, x_m, y_m, error or GpsError.open_sky(rng))
    # A shaken phone counts a few steps.
    shaken = np.cumsum(rng.random(len(t_s)) < 0.02).astype(np.float64)
    return _Scene(x_m, y_m, seen, shaken if rng.random() < 0.5 else None)


def _car(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    return _driven(rng, t_s, error, truth.CAR, (150.0, 400.0), 14.0)


def _bus(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    return _driven(rng, t_s, error, truth.BUS, (200.0, 500.0), 18.0)


def _bike(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    return _driven(rng, t_s, error, truth.BIKE, (80.0, 250.0), 7.0)


# --- forged ------------------------------------------------------------------------------------


def _spoofed_loop(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    """A route simulator on a loop of straight legs, in one of four sophistications."""
    variant = str(rng.choice(["plain", "white_jitter", "leg_speeds", "correlated_no_steps"]))
    count = len(t_s)
    if variant == "correlated_no_steps":
        made = _on_foot(rng, t_s, error, shape="loop", gait=_gait(rng))
        return replace(made, steps=np.full(count, float(rng.integers(0, 50))), variant=variant)
    speed = np.full(count, rng.uniform(1.0, 2.5))
    if variant == "leg_speeds":
        legs = np.cumsum(rng.random(count) < 1.0 / 60.0)
        speed = speed * rng.uniform(0.8, 1.2, count)[legs]
    way = truth.loop_way(rng, float(np.sum(speed)), int(rng.integers(4, 9)))
    x_m, y_m = truth.follow(rng, way, speed, corner_m=1.0)
    jitter_m = 0.0 if variant == "plain" else rng.uniform(0.5, 3.0)
    accuracy = np.full(count, float(rng.integers(3, 13)))
    if variant == "leg_speeds":
        accuracy = rng.uniform(3.0, 15.0, count)
    seen = Observed(
        t_s=t_s,
        x_m=x_m + rng.normal(0.0, jitter_m, count),
        y_m=y_m + rng.normal(0.0, jitter_m, count),
        accuracy_m=accuracy,
        kept=np.ones(count, dtype=np.bool_),
    )
    steps = None if rng.random() < 0.5 else np.zeros(count)
    return _Scene(x_m, y_m, seen, steps, variant=variant)


def _mock_provider(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    made = _on_foot(rng, t_s, error, shape="loop", gait=_gait(rng))
    return replace(made, mock=True)


def _spoofed_expert(rng: np.random.Generator, t_s: Float64, error: GpsError | None) -> _Scene:
    return _on_foot(rng, t_s, error, shape="loop", gait=_gait(rng))


def _replay(
    rng: np.random.Generator,
    seed: int,
    origin: tuple[float, float],
    duration_s: int,
    started_at_ms: int,
) -> SimulatedWalk:
    """An honest walk sent again: as it was, later, backwards, in part, or thinned out."""
    source_kind = str(rng.choice(["walk", "loop", "park"]))
    source = simulate(source_kind, seed, origin, duration_s, started_at_ms=started_at_ms)
    fixes = source.fixes
    variant = str(rng.choice(["exact", "shifted", "reversed", "cropped", "subsampled"]))
    if variant == "shifted":
        fixes = replace(fixes, t_ms=fixes.t_ms + int(rng.integers(1, 30)) * 86_400_000)
    elif variant == "reversed":
        mirrored = (fixes.t_ms[0] + fixes.t_ms[-1] - fixes.t_ms)[::-1]
        steps = fixes.steps
        if steps is not None:
            steps = (steps[0] + steps[-1] - steps)[::-1].astype(np.int32)
        fixes = replace(fixes.take(slice(None, None, -1)), t_ms=mirrored, steps=steps)
    elif variant == "cropped":
        length = int(len(fixes) * rng.uniform(0.4, 0.8))
        start = int(rng.integers(0, len(fixes) - length))
        fixes = fixes.take(slice(start, start + length))
    elif variant == "subsampled":
        fixes = fixes.take(slice(None, None, int(rng.integers(2, 4))))
    return replace(
        source,
        label="replay",
        variant=variant,
        honest=False,
        fixes=fixes,
        original=source.fixes,
    )


_SCENES: Final[dict[str, Callable[[np.random.Generator, Float64, GpsError | None], _Scene]]] = {
    "walk": _walk,
    "loop": _loop,
    "park": _park,
    "stroll": _stroll,
    "runner": _runner,
    "urban_canyon": _urban_canyon,
    "no_steps": _no_steps,
    "background_gaps": _background_gaps,
    "sparse": _walk,
    "car": _car,
    "bus": _bus,
    "bike": _bike,
    "spoofed_loop": _spoofed_loop,
    "mock_provider": _mock_provider,
    "spoofed_expert": _spoofed_expert,
}


if __name__ == "__main__":
    from edge_sdk.walk.shipped_tracks import main

    main()
