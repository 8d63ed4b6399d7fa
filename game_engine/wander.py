"""How much a track wanders: people and receivers do, route simulators hardly."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from game_engine.rules import TrustRules

if TYPE_CHECKING:
    from game_engine.track import CleanTrack

# The 35th percentile of |z| of a normal z: low, because windows across a corner are no noise.
_PERCENTILE = 35.0
_PERCENTILE_OF_NORMAL = 0.4538
# Variance of a normal z when its largest tenth of squares is left out.
_TRIMMED_VARIANCE = 0.623
_MOVING_SHARE = 0.6
# Every this many samples a window: their overlap adds time, not knowledge.
_STRIDE = 2


@dataclass(frozen=True, slots=True)
class Wander:
    """Departure from even straight motion (m, one standard deviation), along and across.

    `white_m` is the part that noise without memory causes; it is already taken off the others.
    """

    along_m: float
    across_m: float
    white_m: float


def measure_wander(track: "CleanTrack", limits: TrustRules) -> Wander | None:
    """Measure positions against the middle of those 10 s before and after; None if too few.

    A body changes its pace and a receiver's error drifts over tens of seconds, so a position
    (averaged over 5 s) lies off that middle by about a metre or more. A simulator that moves
    evenly along straight legs lies on it, up to the noise added per fix, whose size is known
    from neighbouring fixes when these are 2 s apart or less.
    """
    t_ms = track.fixes.t_ms
    if len(t_ms) < limits.motion_min_windows:
        return None
    spacing_ms = float(np.median(np.diff(t_ms)))
    half = max(round(limits.motion_half_window_ms / spacing_ms), 1)
    taps = max(min(round(limits.motion_average_ms / spacing_ms), half), 1)
    position = track.x_m + 1j * track.y_m
    summed = np.concatenate([[0.0j], np.cumsum(position)])
    average = (summed[taps:] - summed[:-taps]) / taps

    # A window counts when most of it moves and nothing is missing from it. Jumps may be part of
    # it: enough noise per fix makes jumps, and must not hide itself by that.
    segments = 2 * half + taps - 1
    if len(t_ms) <= segments:
        return None
    moved = np.concatenate([[0], np.cumsum(track.moving)])
    whole = moved[segments:] - moved[:-segments] >= _MOVING_SHARE * segments
    whole &= t_ms[segments:] - t_ms[:-segments] < 1.5 * segments * spacing_ms
    if np.count_nonzero(whole) < limits.motion_min_windows:
        return None
    picked = np.flatnonzero(whole)[::_STRIDE]
    before, middle, after = average[picked], average[picked + half], average[picked + 2 * half]
    chord = after - before
    off = (middle - 0.5 * (before + after)) * np.conj(chord) / np.maximum(np.abs(chord), 1e-6)
    along_m, across_m = (
        np.percentile(np.abs([off.real, off.imag]), _PERCENTILE, axis=1) / _PERCENTILE_OF_NORMAL
    )

    white_m = 0.0
    if 2 * spacing_ms <= limits.motion_average_ms:
        centre = np.flatnonzero(whole) + half + taps // 2
        near = position[centre] - 0.5 * (position[centre - 1] + position[centre + 1])
        squares = np.sort(np.concatenate([near.real, near.imag]) ** 2)
        trimmed = float(squares[: int(0.9 * len(squares))].mean()) / _TRIMMED_VARIANCE
        # Averaging over `taps` fixes leaves 1/taps of the variance.
        white_m = (trimmed / taps) ** 0.5
    return Wander(
        along_m=max(float(along_m) ** 2 - white_m**2, 0.0) ** 0.5,
        across_m=max(float(across_m) ** 2 - white_m**2, 0.0) ** 0.5,
        white_m=white_m,
    )
