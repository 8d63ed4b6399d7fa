"""Which segments were jumps of the receiver, and which were ridden rather than walked."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from game_engine.motion import Bool, Complex128, Float64, SplicedPath, runs
from game_engine.rules import Rules

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class VehicleMask:
    """Per segment: a jump at once, vehicle speed, and the slow pieces that belong to a ride.

    `bridged` marks jumps and lone fast pieces that are the receiver's rather than a ride, and
    short enough to believe that the way goes on behind them.
    """

    jump: Bool
    bridged: Bool
    fast: Bool
    stop: Bool


def find_outliers(t_ms: Int64, position_m: Complex128, rules: Rules) -> Bool:
    """Mark single fixes (n) that jump away and back while their neighbours agree.

    Without them the neighbours are joined, so that one reflection does not tear a loop open.
    """
    outlier = np.zeros(len(t_ms), dtype=np.bool_)
    if len(t_ms) < 3:
        return outlier
    jump = _is_jump(np.diff(t_ms), np.abs(np.diff(position_m)), rules)
    around_ms = t_ms[2:] - t_ms[:-2]
    away = jump[:-1] & jump[1:] & (around_ms <= rules.gap_max_ms)
    if away.any():
        away &= ~_is_jump(around_ms, np.abs(position_m[2:] - position_m[:-2]), rules)
        # Of neighbours that accuse each other only the first goes.
        away[1:] &= ~away[:-1]
        outlier[1:-1] = away
    return outlier


def _is_jump(duration_ms: Int64, length_m: Float64, rules: Rules) -> Bool:
    limit_mps = rules.jump_speed_mps / 1_000.0
    faster: Bool = length_m > limit_mps * np.maximum(duration_ms, rules.jump_min_ms)
    return faster


def find_vehicles(t_ms: Int64, step_m: Complex128, gap: Bool, rules: Rules) -> VehicleMask:
    """Mark the segments (n-1) of fixes at `t_ms` (n) that moved `step_m` (n-1, metres).

    `gap` marks segments that join nothing. A short run of jump segments is the receiver's: it is
    spliced out before speeds over windows are taken, so it costs an honest walk only itself.
    """
    duration_s = np.diff(t_ms) / 1_000.0
    length_m = np.abs(step_m)
    jump = ~gap & _is_jump(np.diff(t_ms), length_m, rules)
    receiver = jump.copy()
    for start, end in runs(jump):
        if t_ms[end] - t_ms[start] > rules.jump_run_max_ms:
            receiver[start:end] = False
    steady = ~receiver & ~gap
    fast = np.zeros(len(gap), dtype=np.bool_)
    path_m = np.zeros(len(gap))
    if steady.any():
        path = SplicedPath.of(duration_s, step_m, steady)
        fast[steady], path_m[steady] = _too_fast(path, rules)
    if receiver.any():
        fast |= _hopping(duration_s, step_m, gap, rules)
    # Across a gap nothing is known but its two ends: far apart, they are evidence of a ride.
    gap_ride = gap & (length_m > rules.vehicle_speed_mps * duration_s + rules.vehicle_noise_m)
    path_m[gap_ride] = length_m[gap_ride]
    stop, lone = _rides(t_ms, fast | gap_ride, path_m, gap, rules)
    jump &= ~fast & ~stop
    return VehicleMask(
        jump=jump,
        bridged=(jump & (length_m <= rules.jump_bridge_max_m)) | (lone & ~gap),
        fast=fast,
        stop=stop & ~fast & ~gap,
    )


def _too_fast(path: SplicedPath, rules: Rules) -> tuple[Bool, Float64]:
    """Segments inside a window that is too fast, and the metres of each along the path.

    A window is too fast when it is longer than the limit allows by more than `vehicle_noise_m`:
    the error of both its ends does not grow with its length, so long windows see slow vehicles
    and short ones see quick rides. Ground covered is the sum of net displacements over the
    shortest window, so corners do not hide a bicycle.
    """
    window_s = rules.vehicle_window_ms / 1_000.0
    fast = np.zeros(len(path.middle_s), dtype=np.bool_)
    net_m, width_s = path.net_m(window_s)
    speed_mps = net_m / np.maximum(width_s, 1e-9)
    ground_m = np.concatenate([[0.0], np.cumsum(speed_mps * np.diff(path.clock_s))])
    if path.length_s < window_s or speed_mps.max() <= rules.vehicle_speed_mps:
        return fast, np.diff(ground_m)
    # A stop inside a fast minute is told apart, so that it can be reported as one.
    quick = speed_mps > 0.5 * rules.vehicle_speed_mps
    for long_s in (window_s, *(long_ms / 1_000.0 for long_ms in rules.vehicle_long_windows_ms)):
        if path.length_s < long_s:
            break
        start_s = np.clip(path.middle_s - 0.5 * long_s, 0.0, path.length_s - long_s)
        covered_m = np.interp(start_s + long_s, path.clock_s, ground_m) - np.interp(
            start_s, path.clock_s, ground_m
        )
        over = covered_m > rules.vehicle_speed_mps * long_s + rules.vehicle_noise_m
        if over.any():
            fast |= _windows_around(path, over, long_s) & quick
    return fast, np.diff(ground_m)


def _hopping(duration_s: Float64, step_m: Complex128, gap: Bool, rules: Rules) -> Bool:
    """Segments in a window that jumps carry too far: a ride seen in short glimpses.

    A reflection leads away and back; jumps that add up over a minute are movement.
    """
    window_s = max(rules.vehicle_long_windows_ms) / 1_000.0
    hopping = np.zeros(len(gap), dtype=np.bool_)
    path = SplicedPath.of(duration_s, step_m, ~gap)
    if path.length_s < window_s:
        return hopping
    net_m, _ = path.net_m(window_s)
    over = net_m > rules.vehicle_speed_mps * window_s + rules.jump_bridge_max_m
    if over.any():
        hopping[~gap] = _windows_around(path, over, window_s)
    return hopping


def _windows_around(path: SplicedPath, over: Bool, window_s: float) -> Bool:
    """Mark every segment inside the windows that were measured around the segments `over`."""
    start_s = np.clip(path.middle_s[over] - 0.5 * window_s, 0.0, path.length_s - window_s)
    count = len(over) + 1
    opened = np.bincount(np.searchsorted(path.middle_s, start_s), minlength=count)
    closed = np.bincount(np.searchsorted(path.middle_s, start_s + window_s), minlength=count)
    inside: Bool = np.cumsum(opened - closed)[:-1] > 0
    return inside


def _rides(
    t_ms: Int64,
    ridden: Bool,
    path_m: Float64,
    gap: Bool,
    rules: Rules,
) -> tuple[Bool, Bool]:
    """Segments that belong to rides, and those of fast pieces too small to be a ride.

    Pieces at most `vehicle_stop_max_ms` apart are one ride when they last and reach long enough
    together; it claims the slow segments between and beside them: traffic lights, jams, parking.
    A lone short piece (a reflection that crept) claims nothing beside itself.
    """
    claimed = np.zeros(len(ridden), dtype=np.bool_)
    lone = np.zeros(len(ridden), dtype=np.bool_)
    pieces = runs(ridden)
    if not pieces:
        return claimed, lone
    rides = [[pieces[0]]]
    for piece in pieces[1:]:
        pause_ms = t_ms[piece[0]] - t_ms[rides[-1][-1][1]]
        if pause_ms <= rules.vehicle_stop_max_ms:
            rides[-1].append(piece)
        else:
            rides.append([piece])
    walls = np.concatenate([[-1], np.flatnonzero(gap), [len(gap)]])
    for ride in rides:
        lasted_ms = sum(int(t_ms[end] - t_ms[start]) for start, end in ride)
        reached_m = sum(float(path_m[start:end].sum()) for start, end in ride)
        if lasted_ms < rules.vehicle_ride_min_ms or reached_m < rules.vehicle_ride_min_m:
            for start, end in ride:
                lone[start:end] = path_m[start:end].sum() <= rules.jump_bridge_max_m
            continue
        start, end = ride[0][0], ride[-1][1]
        before = int(walls[np.searchsorted(walls, start, side="right") - 1]) + 1
        after = int(walls[np.searchsorted(walls, end)])
        if before < start and t_ms[start] - t_ms[before] <= rules.vehicle_edge_max_ms:
            start = before
        if after > end and t_ms[after] - t_ms[end] <= rules.vehicle_edge_max_ms:
            end = after
        claimed[start:end] = True
    return claimed, lone
