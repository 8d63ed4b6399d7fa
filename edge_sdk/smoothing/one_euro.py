"""The One Euro filter over many points at once, without the faults of the reference code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from edge_sdk.errors import FilterTimeNotRising
from edge_sdk.smoothing.response import first_order_gain, first_order_lag_s

Array = npt.NDArray[np.float64]

# Below this size (in the unit of the points) an object has no measurable scale: its speed would
# be divided by almost nothing and the filter would switch itself off.
SMALLEST_OBJECT: Final = 1e-6


@dataclass(slots=True)
class OneEuroFilter:
    """Low-pass whose cutoff rises with speed: still points stay still, quick ones do not lag.

    Algorithm 1 of Casiez, Roussel and Vogel, "1 Euro filter" (CHI 2012), for points of any shape.
    `min_cutoff_hz` is the cutoff at rest, `beta` (1 per unit of speed) opens it with speed,
    `derivative_cutoff_hz` smooths the speed. With `object_size` given to a call, speed is measured
    in object sizes a second, as MediaPipe's landmark smoothing does, so distance and zoom do not
    change the result. A point that is NaN, or below `min_confidence`, is not updated and comes
    back as it was last (NaN before it was ever seen). Causal: for display only, never for metrics.
    """

    causal: ClassVar[bool] = True

    min_cutoff_hz: float = 1.0
    beta: float = 0.0
    derivative_cutoff_hz: float = 1.0
    min_confidence: float = 0.0
    _value: Array | None = field(default=None, init=False, repr=False)
    _speed: Array | None = field(default=None, init=False, repr=False)
    _seen_ms: Array | None = field(default=None, init=False, repr=False)
    _last_ms: float | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse cutoffs that are not positive."""
        if not (self.min_cutoff_hz > 0 and self.derivative_cutoff_hz > 0 and self.beta >= 0):
            raise ValueError("cutoffs must be positive and beta must not be negative")

    def __call__(
        self,
        values: npt.ArrayLike,
        timestamp_ms: float,
        *,
        confidence: npt.ArrayLike | None = None,
        object_size: float | None = None,
    ) -> Array:
        """Filter one frame.

        `values` has any shape; `confidence` broadcasts to it. The shape must stay the same until
        `reset`. Raises `FilterTimeNotRising` when the time does not rise; 0 is a time like others.
        """
        x = np.asarray(values, dtype=np.float64)
        now_ms = float(timestamp_ms)
        if not np.isfinite(now_ms) or (self._last_ms is not None and now_ms <= self._last_ms):
            raise FilterTimeNotRising(self._last_ms, now_ms)
        usable = np.isfinite(x)
        if confidence is not None:
            sure = np.asarray(confidence, dtype=np.float64) >= self.min_confidence
            usable = usable & np.broadcast_to(sure, x.shape)
        if self._value is None or self._speed is None or self._seen_ms is None:
            self._value = np.full(x.shape, np.nan)
            self._speed = np.zeros(x.shape)
            self._seen_ms = np.full(x.shape, np.nan)
        elif x.shape != self._value.shape:
            raise ValueError(f"points of shape {x.shape} after {self._value.shape}: reset() first")
        first = usable & np.isnan(self._value)
        known = usable & ~first
        if known.any():
            # A point that was missing for a while has its own, longer, time step.
            step_s = (now_ms - self._seen_ms[known]) / 1000.0
            before = self._value[known]
            speed = (x[known] - before) / step_s
            a = _alpha(np.float64(self.derivative_cutoff_hz), step_s)
            speed = a * speed + (1 - a) * self._speed[known]
            scale = 1.0 if object_size is None else 1.0 / max(object_size, SMALLEST_OBJECT)
            a = _alpha(self.min_cutoff_hz + self.beta * np.abs(speed) * scale, step_s)
            self._value[known] = a * x[known] + (1 - a) * before
            self._speed[known] = speed
        self._value[first] = x[first]
        self._seen_ms[usable] = now_ms
        self._last_ms = now_ms
        return self._value.copy()

    def reset(self) -> None:
        """Forget everything: the next frame starts a new track, at any time."""
        self._value = self._speed = self._seen_ms = self._last_ms = None

    def gain(self, frequency_hz: float, rate_hz: float = 30.0) -> float:
        """What is kept of a sine of `frequency_hz` at rest (beta 0): the least, 0 to 1."""
        alpha = float(_alpha(np.float64(self.min_cutoff_hz), np.float64(1 / rate_hz)))
        return first_order_gain(alpha, frequency_hz, rate_hz)

    def lag_s(self, rate_hz: float = 30.0) -> float:
        """Group delay in seconds for slow motion at rest: the most that it lags."""
        return first_order_lag_s(
            float(_alpha(np.float64(self.min_cutoff_hz), np.float64(1 / rate_hz))), rate_hz
        )


def _alpha(cutoff_hz: Array | np.float64, step_s: Array | np.float64) -> Array:
    """Smoothing factor of a first-order low-pass, formula 6 of the paper."""
    return np.asarray(1.0 / (1.0 + 1.0 / (2 * np.pi * cutoff_hz * step_s)))
