"""How often the dog strides, and where in its stride it is at each frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_sdk.gait.anatomy import MIDDLES, PAWS, TOPS
from edge_sdk.gait.body_track import BodyTrack

Array = npt.NDArray[np.float64]

# From a big dog's stroll to a small dog's trot, with margins: our own choice. Frequencies fall with
# the body's mass to the power -.15 (Heglund and Taylor, Journal of Experimental Biology 138, 1988).
SLOWEST_HZ: Final = 0.5
QUICKEST_HZ: Final = 4.2
# Above this share of the frame rate a stride has too few frames to be told from its alias.
QUICKEST_PER_FRAME: Final = 0.42

_GRID_HZ: Final = 24.0
_SPECTRUM: Final = 2048
# Width of the window that follows the phase, in strides (standard deviation of a Gaussian). At .45
# what is left of the mirrored frequency is below 1 %.
_WINDOW_STRIDES: Final = 0.45


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Stride frequency and phase.

    `stride_hz`; `phase` (T,) in strides, rising by 1 a stride; `clarity` the share (0 to 1) of the
    legs' motion against each other that this rhythm explains.
    """

    stride_hz: float
    phase: Array
    clarity: float


def find_rhythm(track: BodyTrack) -> Rhythm | None:
    """Find the rhythm in the distances between left and right legs, fore and hind.

    Left minus right of the same joint cancels the trunk's own motion, the view's offset and most
    camera shake; the frequency survives swapped legs. None when no pair of joints is ever seen.
    """
    apart = _left_minus_right(track)
    if apart is None:
        return None
    grid_s, signals = apart
    spectra = np.abs(np.fft.rfft(signals * np.hanning(len(grid_s) + 2)[1:-1], _SPECTRUM, axis=1))
    power = (spectra**2).sum(0)
    frequency = np.fft.rfftfreq(_SPECTRUM, 1 / _GRID_HZ)
    quickest = min(QUICKEST_HZ, QUICKEST_PER_FRAME * track.rate_hz)
    allowed = np.flatnonzero((frequency >= SLOWEST_HZ) & (frequency <= quickest))
    if len(allowed) == 0 or not power[allowed].any():
        return None
    peak = int(allowed[np.argmax(power[allowed])])
    left, top, right = power[peak - 1 : peak + 2]
    bend = left - 2 * top + right
    aside = float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0
    stride_hz = float(frequency[peak] + aside * frequency[1])
    following = _follow(grid_s, signals, stride_hz)
    phase = stride_hz * track.time_s + np.interp(track.time_s, grid_s, following)
    steps = float((phase[-1] - phase[0]) / max(track.duration_s, 1e-9))
    return Rhythm(steps, phase, _clarity(track, phase))


def _left_minus_right(track: BodyTrack) -> tuple[Array, Array] | None:
    grid_s = np.arange(0.0, track.time_s[-1], 1 / _GRID_HZ)
    if len(grid_s) < 8:
        return None
    signals = []
    for joints in (PAWS, MIDDLES, TOPS):
        for left, right in ((joints[0], joints[2]), (joints[1], joints[3])):
            both = (track.weight[:, left] > 0) & (track.weight[:, right] > 0)
            if both.sum() >= 8:
                apart = track.forward[both, left] - track.forward[both, right]
                signals.append(np.interp(grid_s, track.time_s[both], apart))
    if not signals:
        return None
    stack = np.array(signals)
    return grid_s, stack - stack.mean(1, keepdims=True)


def _follow(grid_s: Array, signals: Array, stride_hz: float) -> Array:
    """Slow deviation of the phase from a steady rhythm, in strides, on the grid.

    Each signal is shifted to frequency zero and smoothed over about a stride; all are turned to one
    phase and added, the strong ones weighing most.
    """
    width_s = _WINDOW_STRIDES / stride_hz
    reach = int(3 * width_s * _GRID_HZ)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _GRID_HZ / width_s) ** 2)
    shifted = signals * np.exp(-2j * np.pi * stride_hz * grid_s)
    size = len(grid_s) + 2 * reach
    spectrum = np.fft.fft(shifted, size, axis=1) * np.fft.fft(window, size)
    slow = np.fft.ifft(spectrum, axis=1)[:, reach : reach + len(grid_s)]
    common = slow[int(np.argmax(np.abs(slow).sum(1)))]
    for _ in range(2):
        amplitude = (slow * np.conj(common / np.maximum(np.abs(common), 1e-12))).mean(1)
        common = np.conj(amplitude) @ slow
    return np.asarray(np.unwrap(np.angle(common)) / (2 * np.pi))


def _clarity(track: BodyTrack, phase: Array) -> float:
    """Share of the paws' variance against each other that two harmonics of the phase explain."""
    turns = 2 * np.pi * np.outer(phase, (1, 2))
    basis = np.column_stack([np.ones(len(phase)), np.cos(turns), np.sin(turns)])
    total, left_over = 0.0, 0.0
    for left, right in ((PAWS[0], PAWS[2]), (PAWS[1], PAWS[3])):
        both = (track.weight[:, left] > 0) & (track.weight[:, right] > 0)
        if both.sum() < 2 * basis.shape[1]:
            continue
        apart = track.forward[both, left] - track.forward[both, right]
        apart = apart - apart.mean()
        rest = apart - basis[both] @ np.linalg.lstsq(basis[both], apart, rcond=None)[0]
        total += float(apart @ apart)
        left_over += float(rest @ rest)
    return 1.0 - left_over / total if total > 0 else 0.0
