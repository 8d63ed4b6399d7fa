"""How much of a sine the filters keep and how late they are: shared by all of them."""

from __future__ import annotations

import numpy as np


def first_order_gain(alpha: float, frequency_hz: float, rate_hz: float) -> float:
    """Gain of y = alpha x + (1 - alpha) y' for a sine, frames at `rate_hz`; 0 to 1."""
    turn = np.exp(-2j * np.pi * frequency_hz / rate_hz)
    return float(abs(alpha / (1 - (1 - alpha) * turn)))


def first_order_lag_s(alpha: float, rate_hz: float) -> float:
    """Group delay at frequency zero of the same filter, in seconds."""
    return (1 - alpha) / alpha / rate_hz
