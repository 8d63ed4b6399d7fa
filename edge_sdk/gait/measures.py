"""A measured quantity with its uncertainty: never a bare number."""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from edge_sdk.gait.refusal import Reason

Array = npt.NDArray[np.float64]

Quality = Literal["good", "fair", "poor"]

# Each interval and each smallest change is rounded alike: below it lie only the bits of floats.
DIGITS: Final = 4


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of one clip.

    `value` in `unit`, None when it was not to be had: then `abstained_reason` says why. `ci95` the
    95 % interval (low, high); `mdc95` the smallest change between two sessions that is more than
    error, 1.96 sqrt(2) standard errors (Weir, J. Strength Cond. Res. 19, 2005); `strides` that
    went in; `quality` by strides and error.
    """

    name: str
    unit: str
    value: float | None
    ci95: tuple[float, float] | None
    mdc95: float | None
    strides: int
    quality: Quality
    abstained_reason: Reason | None = None

    @property
    def standard_error(self) -> float | None:
        """Standard error behind `mdc95`, in `unit`."""
        return None if self.mdc95 is None else self.mdc95 / (1.96 * math.sqrt(2.0))

    def __post_init__(self) -> None:
        """Hold the rule: a value with interval and change, or none of them and a reason."""
        parts = (self.value is None, self.ci95 is None, self.mdc95 is None)
        if any(parts) != all(parts) or all(parts) != (self.abstained_reason is not None):
            raise ValueError(f"{self.name}: a value with its error, or a reason, not both")


class Spec(msgspec.Struct, frozen=True):
    """How one measure is named, in what unit, and when its error makes it useless.

    `floor` is error that more strides do not take away (model and view), `inflation` how much the
    strides of one clip are more alike than those of two clips; both from generated clips with known
    truth (docs/decisions). Above `poor_error` the measure abstains.
    """

    name: str
    unit: str
    floor: float
    poor_error: float
    inflation: float = 1.3
    least_strides: int = 4
    lowest: float | None = None


GOOD_STRIDES: Final = 6
"""Strides per limb below which a measure is at most fair."""


def jackknife_error(estimate: float, without: Array) -> float:
    """Standard error from the values without one stride each (Efron and Stein, 1981)."""
    n = len(without)
    if n < 2:
        return math.inf
    return math.sqrt((n - 1) / n * float(((without - estimate) ** 2).sum()))


def measured(spec: Spec, estimate: float, error: float, strides: int) -> Measure:
    """Make a measure of an estimate and its standard error, or an abstention."""
    if strides < spec.least_strides:
        return abstained(spec, Reason.TOO_FEW_STRIDES, strides)
    full = math.hypot(spec.inflation * error, spec.floor)
    if not (math.isfinite(estimate) and math.isfinite(full)) or full > spec.poor_error:
        return abstained(spec, Reason.TOO_UNCERTAIN, strides)
    half = student_975(strides - 1) * full
    low, high = estimate - half, estimate + half
    if spec.lowest is not None:
        low = max(low, spec.lowest)
    good = strides >= GOOD_STRIDES and full <= spec.poor_error / 3
    fair = strides >= GOOD_STRIDES or full <= spec.poor_error / 3
    return Measure(
        name=spec.name,
        unit=spec.unit,
        value=_rounded(estimate),
        ci95=(_rounded(low), _rounded(high)),
        mdc95=_rounded(1.96 * math.sqrt(2.0) * full),
        strides=strides,
        quality="good" if good else "fair" if fair else "poor",
    )


def abstained(spec: Spec, reason: Reason, strides: int = 0) -> Measure:
    """Make a measure that says why it has no value."""
    return Measure(
        name=spec.name,
        unit=spec.unit,
        value=None,
        ci95=None,
        mdc95=None,
        strides=strides,
        quality="poor",
        abstained_reason=reason,
    )


def student_975(degrees: int) -> float:
    """97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5); within 1 % from 4 up."""
    z = 1.959964
    d = max(degrees, 3)
    return (
        z
        + (z**3 + z) / (4 * d)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * d**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * d**3)
    )


def _rounded(value: float) -> float:
    return round(value, DIGITS) + 0.0
