"""Ground truth for simulated walks: ways through a town, and how walkers and vehicles move.

Everything is metres east and north of an origin, seconds, metres a second; every function takes
its generator, so the same seed gives the same truth.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_sdk.walk.gps_error import correlated

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gait:
    """How someone on foot moves: speeds in m/s, pauses as count per minute and mean seconds."""

    speed_mps: float
    variation_mps: float = 0.12
    fastest_mps: float = 2.2
    pauses_per_min: float = 0.35
    pause_s: float = 14.0
    stride_m: float = 0.7
    meander_m: float = 0.6


@dataclass(frozen=True, slots=True)
class Drive:
    """How a vehicle moves: cruise speed range (m/s), stops and slow traffic (ranges in s)."""

    cruise_mps: tuple[float, float]
    cruise_s: tuple[float, float]
    stop_chance: float
    stop_s: tuple[float, float]
    slow_chance: float = 0.0
    slow_mps: tuple[float, float] = (0.3, 3.0)
    slow_s: tuple[float, float] = (20.0, 90.0)
    ramp_s: int = 7


CAR = Drive((8.0, 16.0), (15.0, 70.0), 0.55, (8.0, 60.0), 0.15, (0.3, 3.0), (30.0, 150.0))
BUS = Drive((7.0, 13.0), (25.0, 55.0), 0.95, (12.0, 45.0), 0.08, (0.3, 3.0), (20.0, 90.0))
BIKE = Drive((4.6, 7.0), (30.0, 120.0), 0.45, (5.0, 40.0), 0.25, (2.0, 4.0), (10.0, 50.0), 5)


def walking_speed(rng: np.random.Generator, t_s: Float64, gait: Gait) -> Float64:
    """Speed at each of `t_s` (1 s apart) of someone with a dog that stops to sniff."""
    speed = gait.speed_mps + correlated(rng, t_s, gait.variation_mps, 8.0)
    speed = np.clip(speed, 0.3 * gait.speed_mps, gait.fastest_mps)
    for _ in range(rng.poisson(gait.pauses_per_min * len(t_s) / 60.0)):
        start = int(rng.integers(0, len(t_s)))
        speed[start : start + 3 + int(rng.exponential(gait.pause_s))] = 0.0
    return _ramped(speed, 3)


def driving_speed(rng: np.random.Generator, t_s: Float64, drive: Drive) -> Float64:
    """Speed at each of `t_s` (1 s apart) of a vehicle between stops and slow traffic."""
    pieces: list[Float64] = []
    filled = 0
    while filled < len(t_s):
        cruise = np.full(int(rng.uniform(*drive.cruise_s)), rng.uniform(*drive.cruise_mps))
        pieces.append(cruise)
        if rng.random() < drive.stop_chance:
            pieces.append(np.zeros(int(rng.uniform(*drive.stop_s))))
        if rng.random() < drive.slow_chance:
            slow_s = int(rng.uniform(*drive.slow_s))
            crawl = rng.uniform(*drive.slow_mps) * (1.0 + 0.5 * np.sin(np.arange(slow_s) / 4.0))
            pieces.append(crawl)
        filled = sum(len(piece) for piece in pieces)
    speed = np.concatenate(pieces)[: len(t_s)]
    moving = speed > 0.2
    speed = speed + correlated(rng, t_s, 0.04 * drive.cruise_mps[0], 6.0) * moving
    return np.maximum(_ramped(speed, drive.ramp_s), 0.0)


def street_way(
    rng: np.random.Generator,
    length_m: float,
    block_m: tuple[float, float] = (60.0, 120.0),
) -> Float64:
    """Corners (k, 2) of a way through a street grid of random direction, at least that long."""
    heading = rng.uniform(0.0, 2.0 * np.pi)
    corners = [np.zeros(2)]
    walked = 0.0
    while walked < length_m:
        step = rng.uniform(*block_m)
        corners.append(corners[-1] + step * np.array([np.cos(heading), np.sin(heading)]))
        walked += step
        heading += rng.choice([0.0, 0.0, np.pi / 2.0, -np.pi / 2.0]) + rng.normal(0.0, 0.04)
    return np.array(corners)


def loop_way(rng: np.random.Generator, length_m: float, corners: int | None = None) -> Float64:
    """Corners (k, 2) of a closed way of exactly that length that starts and ends at (0, 0)."""
    count = corners or int(rng.integers(5, 10))
    angles = np.sort(rng.uniform(-0.3, 0.3, count) + np.arange(count)) * 2.0 * np.pi / count
    radius = rng.uniform(0.75, 1.25, count)
    ring = np.column_stack([radius * np.cos(angles), radius * np.sin(angles)])
    ring = np.vstack([ring, ring[:1]]) - ring[0]
    scaled: Float64 = ring * (length_m / _length(ring))
    return scaled


def park_way(rng: np.random.Generator, length_m: float) -> Float64:
    """Points (k, 2), 5 m apart, of winding park paths that stay within about 250 m."""
    points = [np.zeros(2)]
    heading, turn = rng.uniform(0.0, 2.0 * np.pi), 0.0
    for _ in range(int(length_m / 5.0) + 2):
        turn = 0.9 * turn + rng.normal(0.0, 0.05)
        away = points[-1]
        if np.hypot(*away) > 250.0:  # turn home
            home = np.arctan2(-away[1], -away[0])
            turn = 0.2 * np.sin(home - heading)
        heading += turn
        points.append(away + 5.0 * np.array([np.cos(heading), np.sin(heading)]))
    return np.array(points)


def follow(
    rng: np.random.Generator,
    way: Float64,
    speed_mps: Float64,
    *,
    corner_m: float,
    meander_m: float = 0.0,
) -> tuple[Float64, Float64]:
    """Move along `way` with a speed for each second; return metres east and north (n,).

    Corners are rounded over `corner_m`; `meander_m` is the standard deviation of the wandering
    to both sides. Someone who reaches the end stands there.
    """
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(way, axis=0).T))])
    grid = np.arange(0.0, along[-1] + 1.0, 1.0)
    dense = np.column_stack([np.interp(grid, along, way[:, axis]) for axis in (0, 1)])
    taps = max(int(corner_m), 1)
    if taps > 1 and len(dense) > 2 * taps:
        padded = np.pad(dense, ((taps, taps), (0, 0)), mode="edge")
        kernel = np.full(taps, 1.0 / taps)
        smooth = [np.convolve(padded[:, axis], kernel, mode="same") for axis in (0, 1)]
        dense = np.column_stack(smooth)[taps:-taps]
    travelled = np.concatenate([[0.0], np.cumsum(speed_mps[:-1])])
    x, y = (np.interp(travelled, grid, dense[:, axis]) for axis in (0, 1))
    if meander_m:
        # Wandering goes with the way, not with time: a standing dog does not drift.
        steps = np.arange(0.0, travelled[-1] + 1.0, 1.0)
        side = _ramped(correlated(rng, steps, meander_m, 15.0), 9)
        other = _ramped(correlated(rng, steps, meander_m, 15.0), 9)
        x = x + np.interp(travelled, steps, side)
        y = y + np.interp(travelled, steps, other)
    return x, y


def _ramped(values: Float64, taps: int) -> Float64:
    padded = np.pad(values, (taps, taps), mode="edge")
    return np.convolve(padded, np.full(taps, 1.0 / taps), mode="same")[taps:-taps]


def _length(points: Float64) -> float:
    return float(np.sum(np.hypot(*np.diff(points, axis=0).T)))
