"""Exponential moving average over irregular times."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from edge_sdk.errors import FilterTimeNotRising
from edge_sdk.smoothing.response import first_order_gain, first_order_lag_s

Array = npt.NDArray[np.float64]


@dataclass(slots=True)
class EmaFilter:
    """First-order low-pass with a time constant in seconds, so the frame rate does not matter.

    alpha = 1 - exp(-step / time_constant). A point that is NaN, or below `min_confidence`, is not
    updated; with confidence given, alpha is multiplied by it, so doubtful points move less.
    Causal: for display only.
    """

    causal: ClassVar[bool] = True

    time_constant_s: float = 0.12
    min_confidence: float = 0.0
    _value: Array | None = field(default=None, init=False, repr=False)
    _last_ms: float | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a time constant that is not positive."""
        if not self.time_constant_s > 0:
            raise ValueError("the time constant must be positive")

    def __call__(
        self,
        values: npt.ArrayLike,
        timestamp_ms: float,
        *,
        confidence: npt.ArrayLike | None = None,
    ) -> Array:
        """Filter one frame of any shape; raises `FilterTimeNotRising` when time does not rise."""
        x = np.asarray(values, dtype=np.float64)
        now_ms = float(timestamp_ms)
        if not np.isfinite(now_ms) or (self._last_ms is not None and now_ms <= self._last_ms):
            raise FilterTimeNotRising(self._last_ms, now_ms)
        usable = np.isfinite(x)
        trust = np.ones(x.shape)
        if confidence is not None:
            given = np.broadcast_to(np.asarray(confidence, dtype=np.float64), x.shape)
            usable = usable & (given >= self.min_confidence)
            trust = np.clip(np.nan_to_num(given), 0.0, 1.0)
        if self._value is None or self._last_ms is None:
            self._value = np.where(usable, x, np.nan)
        else:
            if x.shape != self._value.shape:
                raise ValueError(
                    f"points of shape {x.shape} after {self._value.shape}: reset() first"
                )
            alpha = -np.expm1(-(now_ms - self._last_ms) / 1000.0 / self.time_constant_s)
            fresh = usable & np.isnan(self._value)
            known = usable & ~fresh
            self._value[known] += (alpha * trust * (x - self._value))[known]
            self._value[fresh] = x[fresh]
        self._last_ms = now_ms
        return self._value.copy()

    def reset(self) -> None:
        """Forget everything: the next frame starts a new track."""
        self._value = self._last_ms = None

    def gain(self, frequency_hz: float, rate_hz: float = 30.0) -> float:
        """What is kept of a sine of `frequency_hz`, 0 to 1."""
        return first_order_gain(self._alpha(rate_hz), frequency_hz, rate_hz)

    def lag_s(self, rate_hz: float = 30.0) -> float:
        """Group delay in seconds for slow motion."""
        return first_order_lag_s(self._alpha(rate_hz), rate_hz)

    def _alpha(self, rate_hz: float) -> float:
        return float(-np.expm1(-1.0 / rate_hz / self.time_constant_s))
