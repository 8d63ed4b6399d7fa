"""A documented model of what a phone's positioning adds to the truth.

Position error, per axis and in metres, is the sum of
- a correlated error: an Ornstein-Uhlenbeck process (standard deviation `sigma_m`, correlation
  time `tau_s`): satellites, atmosphere and slow multipath drift over tens of seconds;
- white noise `white_m` of the receiver, small because phones filter;
- where buildings reflect (`jumps_per_min` > 0): biases that appear at once or ramp in over a few
  seconds, hold for `jump_hold_s` and vanish, and single outlier fixes.

Size: phones are within about 4.9 m in the open (van Diggelen & Enge, "The World's first GPS MOOC
and Worldwide Laboratory using Smartphones", ION GNSS+ 2015); 15-30 m between tall buildings. The
reported accuracy follows Android's meaning (radius of 68 % confidence), itself uncertain.
Times jitter around the sampling interval, fixes are lost alone and in background gaps.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GpsError:
    """Parameters of the error model; see the module's text for each term."""

    sigma_m: float = 3.0
    tau_s: float = 45.0
    white_m: float = 0.3
    jumps_per_min: float = 0.0
    jump_size_m: float = 18.0
    jump_hold_s: float = 25.0
    outliers_per_min: float = 0.0
    dropout: float = 0.01
    background_gaps_per_hour: float = 0.0
    time_jitter_ms: float = 15.0

    @classmethod
    def open_sky(cls, rng: np.random.Generator) -> Self:
        """One phone under an open or residential sky, drawn at random."""
        return cls(
            sigma_m=float(rng.uniform(1.5, 5.0)),
            tau_s=float(rng.uniform(20.0, 120.0)),
            white_m=float(rng.uniform(0.1, 0.6)),
            outliers_per_min=0.02,
        )

    @classmethod
    def canyon(cls, rng: np.random.Generator) -> Self:
        """One phone between tall buildings, drawn at random."""
        return cls(
            sigma_m=float(rng.uniform(4.0, 8.0)),
            tau_s=float(rng.uniform(12.0, 45.0)),
            white_m=float(rng.uniform(0.3, 1.0)),
            jumps_per_min=float(rng.uniform(0.5, 1.3)),
            jump_size_m=float(rng.uniform(12.0, 25.0)),
            jump_hold_s=float(rng.uniform(10.0, 45.0)),
            outliers_per_min=0.4,
            dropout=0.04,
        )


@dataclass(frozen=True, eq=False, slots=True)
class Observed:
    """What the phone saw of a truth with n samples: `kept` marks those that arrived."""

    t_s: Float64
    x_m: Float64
    y_m: Float64
    accuracy_m: Float64
    kept: Bool


def correlated(
    rng: np.random.Generator,
    t_s: Float64,
    sigma: float,
    tau_s: float,
) -> Float64:
    """Sample an Ornstein-Uhlenbeck process at times `t_s` (s, rising): shape of `t_s`."""
    decay = np.exp(-np.diff(t_s, prepend=t_s[:1]) / tau_s)
    kicks = rng.normal(0.0, sigma, len(t_s)) * np.sqrt(1.0 - decay**2)
    values = np.empty(len(t_s))
    value = rng.normal(0.0, sigma)
    for index in range(len(t_s)):  # each value needs the one before
        value = value * decay[index] + kicks[index]
        values[index] = value
    return values


def observe(
    rng: np.random.Generator,
    t_s: Float64,
    x_m: Float64,
    y_m: Float64,
    error: GpsError,
) -> Observed:
    """Apply the error model to a truth at times `t_s` (s) and metres east and north."""
    count = len(t_s)
    bias_x, bias_y = _reflections(rng, t_s, error)
    error_x = correlated(rng, t_s, error.sigma_m, error.tau_s) + bias_x
    error_y = correlated(rng, t_s, error.sigma_m, error.tau_s) + bias_y
    error_x += rng.normal(0.0, error.white_m, count)
    error_y += rng.normal(0.0, error.white_m, count)
    minutes = (t_s[-1] - t_s[0]) / 60.0 if count > 1 else 0.0
    outliers = rng.random(count) < error.outliers_per_min * minutes / max(count, 1)
    far = rng.uniform(20.0, 80.0, count) * outliers
    angle = rng.uniform(0.0, 2.0 * np.pi, count)
    error_x += far * np.cos(angle)
    error_y += far * np.sin(angle)
    return Observed(
        t_s=_jittered(rng, t_s, error),
        x_m=x_m + error_x,
        y_m=y_m + error_y,
        accuracy_m=_reported_accuracy(rng, t_s, np.hypot(bias_x, bias_y) + 0.7 * far, error),
        kept=_received(rng, t_s, error),
    )


def _reflections(
    rng: np.random.Generator,
    t_s: Float64,
    error: GpsError,
) -> tuple[Float64, Float64]:
    bias_x, bias_y = np.zeros(len(t_s)), np.zeros(len(t_s))
    minutes = (t_s[-1] - t_s[0]) / 60.0 if len(t_s) > 1 else 0.0
    for _ in range(rng.poisson(error.jumps_per_min * minutes)):
        start = rng.uniform(t_s[0], t_s[-1])
        end = start + rng.exponential(error.jump_hold_s) + 3.0
        ramp_s = rng.uniform(3.0, 8.0) if rng.random() < 0.3 else 0.01
        size = min(rng.exponential(error.jump_size_m), 60.0)
        angle = rng.uniform(0.0, 2.0 * np.pi)
        shape = np.clip((t_s - start) / ramp_s, 0.0, 1.0) * np.clip((end - t_s) / ramp_s, 0.0, 1.0)
        bias_x += size * np.cos(angle) * shape
        bias_y += size * np.sin(angle) * shape
    return bias_x, bias_y


def _reported_accuracy(
    rng: np.random.Generator,
    t_s: Float64,
    extra_m: Float64,
    error: GpsError,
) -> Float64:
    # A radius of 68 % confidence is 1.51 standard deviations of one axis; a phone knows only
    # part of a reflection.
    mood = np.exp(correlated(rng, t_s, 0.25, 30.0))
    accuracy = 1.51 * error.sigma_m * mood + 0.6 * extra_m + rng.uniform(0.0, 0.6, len(t_s))
    return np.clip(accuracy, 2.0, 200.0)


def _jittered(rng: np.random.Generator, t_s: Float64, error: GpsError) -> Float64:
    spacing_s = np.min(np.diff(t_s)) if len(t_s) > 1 else 1.0
    noise_s = rng.normal(0.0, error.time_jitter_ms / 1_000.0, len(t_s))
    return t_s + np.clip(noise_s, -0.4 * spacing_s, 0.4 * spacing_s)


def _received(rng: np.random.Generator, t_s: Float64, error: GpsError) -> Bool:
    kept: Bool = rng.random(len(t_s)) >= error.dropout
    hours = (t_s[-1] - t_s[0]) / 3_600.0 if len(t_s) > 1 else 0.0
    for _ in range(rng.poisson(error.background_gaps_per_hour * hours)):
        start = rng.uniform(t_s[0], t_s[-1])
        kept &= (t_s < start) | (t_s > start + rng.uniform(15.0, 240.0))
    return kept
