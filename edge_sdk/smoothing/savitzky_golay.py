"""Savitzky-Golay smoothing for irregular times and unequal confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from edge_sdk.errors import FilterTimeNotRising

Array = npt.NDArray[np.float64]

# A 5-tap window at 12 fps and a 13-tap window at 30 fps: keeps .99/.91/.66 of 1/2/3 Hz at 12 fps.
DEFAULT_WINDOW_S: Final = 0.4
# Confidence below this fraction of the window's total carries no shape of its own.
LEAST_WEIGHT: Final = 1e-6
# A window within half a millisecond of a frame holds that frame: cameras round their times.
TIME_ROUNDING_S: Final = 5e-4
# Frames handled at once: small enough that a block meets few windows that are not its own.
BLOCK: Final = 64


@dataclass(frozen=True, slots=True)
class SavitzkyGolayFilter:
    """Zero-phase local quadratic: each value is that of the parabola fitted around it.

    Savitzky and Golay (Analytical Chemistry 36, 1964), with a window in seconds instead of taps,
    weights by confidence, and least squares solved at each time, so variable frame rates and
    missing points need no resampling. Near the ends the window is moved inside, not cut short.
    """

    causal: ClassVar[bool] = False

    window_s: float = DEFAULT_WINDOW_S

    def __post_init__(self) -> None:
        """Refuse a window that is not positive."""
        if not self.window_s > 0:
            raise ValueError("the window must be positive")

    def __call__(
        self,
        values: npt.ArrayLike,
        timestamps_ms: npt.ArrayLike,
        weights: npt.ArrayLike | None = None,
    ) -> Array:
        """Smooth (T, ...) values at rising (T,) times; `weights` broadcasts from (T, ...).

        NaN values weigh nothing. Where a window holds fewer than three weighted frames the
        parabola becomes a line, then a mean; without any frame the result is NaN.
        Raises `FilterTimeNotRising`.
        """
        y = np.asarray(values, dtype=np.float64)
        t_ms = np.asarray(timestamps_ms, dtype=np.float64)
        if t_ms.ndim != 1 or len(t_ms) != len(y):
            raise ValueError(f"{len(y)} frames need as many times, not shape {t_ms.shape}")
        if len(t_ms) == 0:
            return y.copy()
        refuse_falling(t_ms)
        flat = y.reshape(len(y), -1)
        seen = np.isfinite(flat)
        w = seen.astype(np.float64)
        if weights is not None:
            given = np.asarray(weights, dtype=np.float64)
            given = given.reshape(given.shape + (1,) * (y.ndim - given.ndim))
            trust = np.where(given > 0, given, 0.0)  # and 0 for NaN
            w *= np.broadcast_to(trust, y.shape).reshape(w.shape)
        time_s, known = (t_ms - t_ms[0]) / 1000.0, np.where(seen, flat, 0.0)
        one_piece = np.zeros(len(t_ms), np.intp)
        smooth = local_quadratic(time_s, known[:, :, None], w, one_piece, self.window_s)
        return smooth.reshape(y.shape)

    def gain(self, frequency_hz: float, rate_hz: float = 30.0) -> float:
        """What is kept of a sine of `frequency_hz` away from the ends (below 0: turned round)."""
        half = int(np.floor((self.window_s / 2 + TIME_ROUNDING_S) * rate_hz))
        taps = np.arange(-half, half + 1, dtype=np.float64)
        s0, s2, s4 = len(taps), float((taps**2).sum()), float((taps**4).sum())
        if half == 0:
            return 1.0
        if half == 1:
            kernel = np.array([0.0, 1.0, 0.0])  # three frames: the parabola meets the middle one
        else:
            kernel = (s4 - s2 * taps**2) / (s0 * s4 - s2 * s2)
        return float((kernel * np.cos(2 * np.pi * frequency_hz / rate_hz * taps)).sum())

    def lag_s(self, rate_hz: float = 30.0) -> float:
        """Zero: the window looks as far ahead as back."""
        return 0.0


def local_quadratic(
    t_s: Array, y: Array, w: Array, piece: npt.NDArray[np.intp], window_s: float
) -> Array:
    """Weighted parabola around each time, evaluated there: (T, N, D).

    Times (T,), values (T, N, D) and weights (T, N) of pieces one after the other, `piece` (T,)
    from 0 up; windows stay within their piece.
    """
    if not len(t_s):
        return y.copy()
    ends = np.flatnonzero(np.diff(piece, append=piece[-1] + 1))
    begins = np.append(0, ends[:-1] + 1)
    # One line of time, on which the pieces lie further apart than a window.
    t_s = t_s + (np.cumsum(np.append(0, t_s[ends[:-1]] + 2 * window_s)) - t_s[begins])[piece]
    low, high = t_s[begins][piece], t_s[ends][piece]
    half = window_s / 2 + TIME_ROUNDING_S
    centre = np.clip(t_s, low + window_s / 2, np.maximum(high - window_s / 2, low))
    centre = np.where(high - low < window_s, (low + high) / 2, centre)
    first = np.searchsorted(t_s, centre - half, side="left")
    last = np.searchsorted(t_s, centre + half, side="right")
    s, b = np.empty((5, *w.shape)), np.empty((3, len(y), y[0].size))
    frames = np.empty(w.shape)
    seen, wy = (w > 0).astype(np.float64), (w[:, :, None] * y).reshape(b[0].shape)
    for start in range(0, len(t_s), BLOCK):
        rows = slice(start, min(start + BLOCK, len(t_s)))
        columns = slice(int(first[rows].min()), int(last[rows].max()))
        at = np.arange(columns.start, columns.stop)
        inside = ((at >= first[rows, None]) & (at < last[rows, None])).astype(np.float64)
        tau = (t_s[columns] - t_s[rows, None]) / window_s
        frames[rows] = inside @ seen[columns]
        power = inside
        for k in range(5):
            s[k, rows] = power @ w[columns]
            if k < 3:
                b[k, rows] = power @ wy[columns]
            power = power * tau
    b = b.reshape(3, *y.shape)
    s0, s1, s2, s3, s4 = s
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = s0 * s2 - s1 * s1
        c0, c1, c2 = s2 * s4 - s3 * s3, s2 * s3 - s1 * s4, s1 * s3 - s2 * s2
        det = s0 * c0 + s1 * c1 + s2 * c2
        # A parabola seen from outside its own frames says nothing there: a line or a mean does.
        sound = (frames >= 3) & (det > LEAST_WEIGHT * s0 * s2 * s4)
        lined = (frames >= 2) & (spread > LEAST_WEIGHT * s0 * s2)
        zero = np.zeros(w.shape)
        of_b0 = np.where(sound, c0 / det, np.where(lined, s2 / spread, 1.0 / s0))
        of_b1 = np.where(sound, c1 / det, np.where(lined, -s1 / spread, zero))
        of_b2 = np.where(sound, c2 / det, zero)
        smooth = of_b0[:, :, None] * b[0] + of_b1[:, :, None] * b[1] + of_b2[:, :, None] * b[2]
    return np.where((s0 > 0)[:, :, None], smooth, np.nan)


def refuse_falling(t_ms: Array) -> None:
    """Raise `FilterTimeNotRising` where a time is not after the one before."""
    falls = np.flatnonzero(np.diff(t_ms) <= 0)
    if len(falls):
        raise FilterTimeNotRising(float(t_ms[falls[0]]), float(t_ms[falls[0] + 1]))
