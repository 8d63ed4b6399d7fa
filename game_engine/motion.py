"""Net displacement over sliding windows: the one measurement that GPS noise does not inflate.

Positions are complex numbers (east + 1j * north, metres), so one interpolation does both axes.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Complex128 = npt.NDArray[np.complex128]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class SplicedPath:
    """Kept segments joined end to end: what was left out takes neither time nor distance.

    `clock_s` and `position_m` have one entry per joint (m + 1), `middle_s` one per segment (m).
    A jump of the receiver thus leaves no trace in the displacement of a window across it.
    """

    clock_s: Float64
    position_m: Complex128
    middle_s: Float64

    @classmethod
    def of(cls, duration_s: Float64, step_m: Complex128, kept: Bool) -> Self:
        """Join the segments that are `kept`, given the duration and displacement of each."""
        clock_s = np.concatenate([[0.0], np.cumsum(duration_s[kept])])
        position_m = np.concatenate([[0.0j], np.cumsum(step_m[kept])])
        return cls(clock_s, position_m, 0.5 * (clock_s[1:] + clock_s[:-1]))

    @property
    def length_s(self) -> float:
        """Total kept time, s."""
        return float(self.clock_s[-1])

    def net_m(self, window_s: float | Float64) -> tuple[Float64, Float64]:
        """Net displacement (m) over a window around each segment, and the window's width (s).

        A window that would reach past an end is moved inside; one longer than the path is the
        whole path.
        """
        width_s = np.minimum(window_s, self.length_s)
        start_s = np.clip(self.middle_s - 0.5 * width_s, 0.0, self.length_s - width_s)
        there = np.interp(start_s + width_s, self.clock_s, self.position_m)
        here = np.interp(start_s, self.clock_s, self.position_m)
        return np.abs(there - here), np.broadcast_to(width_s, here.shape)

    def centred_speed_mps(self, window_s: Float64) -> Float64:
        """Speed (m/s) over a window around each segment that is cut off, not moved, at an end."""
        end_s = np.minimum(self.middle_s + 0.5 * window_s, self.length_s)
        start_s = np.maximum(self.middle_s - 0.5 * window_s, 0.0)
        there = np.interp(end_s, self.clock_s, self.position_m)
        here = np.interp(start_s, self.clock_s, self.position_m)
        speed: Float64 = np.abs(there - here) / (end_s - start_s)
        return speed


def runs(mask: Bool) -> list[tuple[int, int]]:
    """Half-open index ranges [start, end) of the runs of True in `mask`."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
