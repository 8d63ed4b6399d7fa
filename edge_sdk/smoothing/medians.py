"""The median of a few hundred numbers, many times a clip."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def median(values: npt.ArrayLike) -> float:
    """Return the median of all numbers of an array; NaN where one is, or where there is none.

    Equal to `np.median`, which costs some 40 us a call whatever the size; sorting these a tenth.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=None)
    if not len(ordered) or np.isnan(ordered[-1]):
        return float("nan")
    half = len(ordered) // 2
    return float(ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2)
